/* auth_thread.c - a ring of jobs under one lock. */
#include "admin/auth_thread.h"
#include "base/log.h"
#include "base/thread.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NICENESS = 10, POST_TRIES_MAX = 1000 };

struct auth_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t first, count;
    bool stop;
    struct auth_job jobs[AUTH_QUEUE_MAX];
};

/* Memory may be short for a moment; a job that never comes back would hold its client for ever. */
static void give_back(const struct auth_job *job)
{
    struct timespec const pause = {.tv_nsec = 10000000};
    for (int tries = 0; tries < POST_TRIES_MAX; tries++) {
        if (loop_post(job->loop, job->done, job->owner) == ERR_OK)
            return;
        nanosleep(&pause, NULL);
    }
    LOG(internal_error, field_text("reason", "no memory to end a login"));
}

static void *thread_run(void *owner)
{
    struct auth_thread *thread = owner;
    thread_name("cota-auth");
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&thread->lock);
    for (;;) {
        while (thread->count == 0 && !thread->stop)
            pthread_cond_wait(&thread->wake, &thread->lock);
        if (thread->count == 0)
            break;
        struct auth_job const job = thread->jobs[thread->first];
        pthread_mutex_unlock(&thread->lock);
        job.run(job.owner);
        pthread_mutex_lock(&thread->lock);
        thread->first = (thread->first + 1) % AUTH_QUEUE_MAX;
        thread->count--;
        pthread_mutex_unlock(&thread->lock);
        give_back(&job);
        pthread_mutex_lock(&thread->lock);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

struct auth_thread *auth_thread_new(void)
{
    struct auth_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    if (pthread_create(&thread->thread, NULL, thread_run, thread) == 0)
        return thread;
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->lock);
    free(thread);
    return NULL;
}

bool auth_thread_add(struct auth_thread *thread, const struct auth_job *job)
{
    pthread_mutex_lock(&thread->lock);
    bool const room = thread->count < AUTH_QUEUE_MAX;
    if (room)
        thread->jobs[(thread->first + thread->count++) % AUTH_QUEUE_MAX] = *job;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    return room;
}

void auth_thread_free(struct auth_thread *thread)
{
    if (thread == NULL)
        return;
    pthread_mutex_lock(&thread->lock);
    thread->stop = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    pthread_join(thread->thread, NULL);
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->lock);
    free(thread);
}
