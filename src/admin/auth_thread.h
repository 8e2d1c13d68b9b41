/* auth_thread.h - one thread for what takes long on purpose: password hashes.
 *
 * What:  a bounded queue in front of one low-priority thread; what is done goes back to the loop
 *        that it came from.
 * Why:   a hash takes 0.1 s and 64 MiB. On the pool, four logins at once would hold up every
 *        management call and name look-up; on a loop, every call of that worker.
 */
#pragma once
#include "net/loop.h"
#include <stdbool.h>

enum { AUTH_QUEUE_MAX = 32 };

struct auth_job {
    void (*run)(void *owner);  /* on the thread */
    void (*done)(void *owner); /* on the loop */
    void *owner;
    struct loop *loop;
};

struct auth_thread;
struct auth_thread *auth_thread_new(void); /* NULL: no memory, no thread */
/* False: the queue is full. */
NODISCARD bool auth_thread_add(struct auth_thread *thread, const struct auth_job *job);
void auth_thread_free(struct auth_thread *thread); /* ends what is queued first */
