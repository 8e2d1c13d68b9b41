/* maintenance.c - a thread of its own for what is due by the clock: expired holds and grants. */
#include "app/daemon_int.h"
#include "base/log.h"
#include "base/thread.h"
#include <time.h>

enum { SWEEP_MS = 100, GRANTS_EVERY_SWEEPS = 10 };

/* False: it is time to stop. */
static bool wait_for_sweep(struct daemon *daemon)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SWEEP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&daemon->maintenance_lock);
    int result = 0;
    while (!daemon->maintenance_stop && result == 0)
        result =
            pthread_cond_timedwait(&daemon->maintenance_wake, &daemon->maintenance_lock, &until);
    bool const stop = daemon->maintenance_stop;
    pthread_mutex_unlock(&daemon->maintenance_lock);
    return !stop;
}

/* A price begins or ends now. */
static void catalog_refresh(struct daemon *daemon)
{
    struct fault fault = {0};
    int64_t const next_us = daemon->catalog_next_us;
    if (next_us == 0 || clock_wall_us(daemon->clock) < next_us)
        return;
    if (daemon_catalog_build(daemon, &fault) != ERR_OK)
        LOG(reload_refused, field_text("problems", fault.detail));
}

static void *maintenance_run(void *argument)
{
    struct daemon *daemon = argument;
    thread_name("maintenance");
    for (unsigned sweeps = 0; wait_for_sweep(daemon); sweeps++) {
        book_sweep(daemon->book);
        catalog_refresh(daemon);
        admin_events_beat(daemon->admin);
        if (sweeps % GRANTS_EVERY_SWEEPS != 0)
            continue;
        book_expire_grants(daemon->book);
        (void)expiry_sweep_run(daemon->expiry);
    }
    return NULL;
}

enum err maintenance_start(struct daemon *daemon, struct fault *fault)
{
    struct notice_days days;
    if (!notice_days_parse(daemon->config->expiry_notice_days, &days))
        return fault_set(fault, ERR_CONFIG_INVALID,
                         "expiry_notice_days: up to %d days from %d to 1, the longest first, as "
                         "\"7,1\"; or \"none\"",
                         NOTICE_DAYS_COUNT_MAX, NOTICE_DAY_MAX);
    daemon->expiry = expiry_sweep_new(daemon->book, daemon->store, daemon->projector, &days);
    if (daemon->expiry == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the sweep of what expires");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&daemon->maintenance_wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&daemon->maintenance_lock, NULL);
    int const result = pthread_create(&daemon->maintenance, NULL, maintenance_run, daemon);
    daemon->maintenance_runs = result == 0;
    return result == 0 ? ERR_OK
                       : fault_set(fault, ERR_NO_MEMORY, "a thread cannot be started: %s",
                                   strerror(result));
}

void maintenance_stop(struct daemon *daemon)
{
    if (!daemon->maintenance_runs) {
        expiry_sweep_free(daemon->expiry);
        return;
    }
    pthread_mutex_lock(&daemon->maintenance_lock);
    daemon->maintenance_stop = true;
    pthread_cond_signal(&daemon->maintenance_wake);
    pthread_mutex_unlock(&daemon->maintenance_lock);
    pthread_join(daemon->maintenance, NULL);
    expiry_sweep_free(daemon->expiry);
    daemon->expiry = NULL;
    pthread_cond_destroy(&daemon->maintenance_wake);
    pthread_mutex_destroy(&daemon->maintenance_lock);
    daemon->maintenance_runs = false;
}
