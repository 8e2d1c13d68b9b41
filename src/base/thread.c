/* thread.c - see thread.h. */
#include "base/thread.h"
#include <linux/sched/types.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void thread_name(const char *name)
{
    (void)prctl(PR_SET_NAME, name); /* longer names are cut */
}

/* glibc 2.36 has no wrapper. What is not ours to choose (policy, niceness) is asked for first. */
void thread_slice_us(unsigned slice_us)
{
    struct sched_attr attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0)
        return;
    attributes.size = sizeof attributes;
    attributes.sched_runtime = (unsigned long long)slice_us * 1000;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
