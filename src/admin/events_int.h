/* events_int.h - the inside of events: scopes, listeners, and the groups of each loop. */
#pragma once
#include "admin/events.h"
#include "base/list.h"
#include "base/map.h"
#include "net/timer.h"
#include <pthread.h>
#include <stdatomic.h>

struct tick {
    int64_t requests, failed, tokens, cost_nano, charge_nano;
};

/* Whom somebody listens to: one customer, or (empty) all. Goes a minute after its last listener. */
struct scope {
    struct list link;
    size_t listeners;
    int64_t idle_us;   /* mono: when the last one left */
    int64_t ticked_us; /* mono */
    uint64_t since;    /* it was listened to when this number, and all after it, were given */
    struct tick ticked, pending; /* since the last tick; of the batch that is not committed yet */
    size_t id_len;
    char id[CUSTOMER_ID_BYTES_MAX];
};

/* The listeners of one loop. */
struct event_group {
    struct list link;
    struct events *events;
    struct loop *loop;
    struct list listeners; /* on its loop */
    size_t count;          /* under the lock: as long as it is not 0, the loop lives */
    bool posted;           /* under the lock */
};

struct events {
    pthread_mutex_t lock; /* guards all of this */
    const struct admin_options *options;
    struct event_ring *ring;
    struct map scopes;
    struct list scope_list, groups;
    size_t listeners;
    bool stopping;
    _Atomic bool awake; /* there are scopes */
    struct project_listener projection;
    struct buf text;
};

static inline struct str scope_id(const struct scope *scope)
{
    return str_make(scope->id, scope->id_len);
}

/* --- under the lock --- */
/* NULL: no memory, or too many. */
struct scope *events_scope(struct events *events, struct str customer);
/* Tells every group that there is something. */
void events_wake(struct events *events);

/* --- events_listen.c: a posted call --- */
void events_group_run(void *group);

/* --- alerts.c --- */
void alert_put_json(struct json_writer *writer, const struct alert_row *row);
void alert_put_brief(struct json_writer *writer, const struct alert_row *row);
