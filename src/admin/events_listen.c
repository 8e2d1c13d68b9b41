/* events_listen.c - the listeners, each on the loop of its exchange: begin, write, beat, end. */
#include "admin/compat_int.h"
#include "admin/events_int.h"
#include "base/log.h"
#include "base/must.h"
#include <stdlib.h>

enum { TOPICS_ALL = (1u << TOPIC_COUNT) - 1, PIECE_BYTES_MAX = 32 << 10 };

struct listener {
    struct list link; /* of its group */
    struct events *events;
    struct event_group *group;
    struct scope *scope;
    struct http_exchange *exchange;
    struct timer timer;
    permission_set permissions;
    unsigned topics;
    uint64_t next;  /* the number that it gets next */
    bool waiting;   /* for the client to take what was written */
    int64_t end_ms; /* it comes back with its credentials then */
    int64_t wrote_ms, stalled_ms;
};

/* --- what a call asks for (on the pool) ------------------------------------------------------- */
static enum permission topic_permission(enum event_topic topic)
{
    return topic == TOPIC_USAGE_TICK       ? PERMISSION_USAGE_READ
           : topic == TOPIC_CONFIG_CHANGED ? PERMISSION_ENTITLEMENTS_READ
           : topic == TOPIC_JOB_PROGRESS   ? PERMISSION_SYSTEM_WRITE
                                           : PERMISSION_ALERTS_READ;
}

static enum err topic_add(struct admin_call *call, struct str name, struct events_wanted *wanted)
{
    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        struct str const needs = permission_text(topic_permission((enum event_topic)i));
        if (!str_eq(event_topic_name((enum event_topic)i), name))
            continue;
        wanted->topics |= 1u << i;
        if (permission_in(wanted->permissions, topic_permission((enum event_topic)i)))
            return ERR_OK;
        return fault_param(&call->fault, ERR_PERMISSION_DENIED, "topics",
                           "%.*s needs the permission %.*s", STR_ARG(name), STR_ARG(needs));
    }
    return fault_param(&call->fault, ERR_FIELD_INVALID, "topics",
                       "of alert, usage.tick, limit.edge, config.changed, job.progress, "
                       "separated by commas");
}

/* A customer's own key sees what is its customer's. */
static permission_set permissions_of(const struct admin_call *call)
{
    if (call->key_id.len == 0)
        return call->permissions;
    return (permission_set)1 << PERMISSION_ALERTS_READ |
           (permission_set)1 << PERMISSION_USAGE_READ |
           (permission_set)1 << PERMISSION_ENTITLEMENTS_READ |
           (permission_set)1 << PERMISSION_CREDIT_READ;
}

enum err events_listen(struct admin_call *call, struct json_writer *writer)
{
    struct events_wanted *wanted = arena_zalloc(call->arena, sizeof *wanted);
    struct str topics = admin_query_or_empty(call, "topics");
    enum err err = ERR_OK;
    (void)writer; /* what is written comes from the loop */
    if (wanted == NULL)
        return ERR_NO_MEMORY;
    err = key_scope_check(call, "usage:read");
    wanted->permissions = permissions_of(call);
    wanted->topics = topics.len == 0 ? TOPICS_ALL : 0;
    while (topics.len > 0 && err == ERR_OK) {
        size_t const end = str_find(topics, STR(","));
        err = topic_add(call, str_make(topics.ptr, end), wanted);
        topics = str_skip(topics, end + 1);
    }
    wanted->customer = admin_query_or_empty(call, "customer");
    if (call->customer.len > 0) { /* whoever belongs to a customer hears nothing of another */
        if (wanted->customer.len > 0 && !str_eq(wanted->customer, call->customer))
            return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such customer here");
        wanted->customer = call->customer;
    }
    if (err == ERR_OK && wanted->customer.len > 0 &&
        book_customer(admin_options(call->admin)->book, wanted->customer) == NULL)
        err = fault_set(&call->fault, ERR_NOT_FOUND, "there is no such customer");
    call->events_wanted = wanted;
    return err;
}

/* --- the end ---------------------------------------------------------------------------------- */
/* Out of everything; the exchange is still there. */
static void leave(struct listener *listener)
{
    struct events *events = listener->events;
    timer_stop(&listener->timer);
    list_remove(&listener->link);
    pthread_mutex_lock(&events->lock);
    events->listeners--;
    listener->group->count--;
    if (--listener->scope->listeners == 0)
        listener->scope->idle_us = clock_mono_us(events->options->clock);
    pthread_mutex_unlock(&events->lock);
}

static void end(struct listener *listener)
{
    struct http_exchange *exchange = listener->exchange;
    leave(listener);
    free(listener);
    http_stream_end(exchange, STR(""));
}

static void cut(struct listener *listener)
{
    struct http_exchange *exchange = listener->exchange;
    leave(listener);
    free(listener);
    http_abort(exchange);
}

/* --- writing ---------------------------------------------------------------------------------- */
static bool sees(const struct listener *listener, const struct told_event *event)
{
    struct str const scope = scope_id(listener->scope);
    bool const own = str_eq(event->customer_id, scope);
    return (listener->topics >> event->topic & 1) != 0 &&
           permission_in(listener->permissions, event->needs) &&
           (own || (scope.len == 0 && event->topic != TOPIC_USAGE_TICK));
}

/* The next events as they go out, up to a piece; false: some that it should have seen are gone. */
static bool gather(struct listener *listener, char piece[PIECE_BYTES_MAX], size_t *len)
{
    struct event_ring *ring = listener->events->ring;
    *len = 0;
    pthread_mutex_lock(&listener->events->lock);
    bool const kept = listener->next >= event_ring_first(ring);
    for (; kept && listener->next <= event_ring_last(ring); listener->next++) {
        const struct told_event *event = event_ring_at(ring, listener->next);
        if (!sees(listener, event))
            continue;
        if (event->frame.len > PIECE_BYTES_MAX - *len)
            break;
        memcpy(piece + *len, event->frame.ptr, event->frame.len);
        *len += event->frame.len;
    }
    pthread_mutex_unlock(&listener->events->lock);
    return kept;
}

/* False: it is gone. */
static bool pump(struct listener *listener)
{
    char piece[PIECE_BYTES_MAX];
    size_t len = 0;
    int64_t const now_ms = loop_now_ms(listener->group->loop);
    for (;;) {
        if (listener->waiting) { /* only looks whether it has been left behind */
            pthread_mutex_lock(&listener->events->lock);
            bool const kept = listener->next >= event_ring_first(listener->events->ring);
            pthread_mutex_unlock(&listener->events->lock);
            if (kept)
                return true;
        } else if (gather(listener, piece, &len)) {
            if (len == 0)
                return true;
            http_stream_write(listener->exchange, str_make(piece, len));
            listener->wrote_ms = now_ms;
            listener->waiting = http_queued(listener->exchange) > CLIENT_QUEUE_HIGH_BYTES;
            listener->stalled_ms = now_ms;
            continue;
        }
        LOG(event_listener_dropped, field_str("customer", scope_id(listener->scope)),
            field_int("queued", (int64_t)http_queued(listener->exchange)));
        cut(listener);
        return false;
    }
}

void events_group_run(void *owner)
{
    struct event_group *group = owner;
    pthread_mutex_lock(&group->events->lock);
    group->posted = false;
    bool const stopping = group->events->stopping;
    pthread_mutex_unlock(&group->events->lock);
    for (struct list *at = group->listeners.next, *next; at != &group->listeners; at = next) {
        struct listener *listener = LIST_OWNER(at, struct listener, link);
        next = at->next;
        if (stopping)
            end(listener);
        else
            (void)pump(listener);
    }
}

static void on_drain(void *owner)
{
    struct listener *listener = owner;
    listener->waiting = false;
    (void)pump(listener);
}

static void on_gone(void *owner)
{
    cut(owner);
}

/* A comment, so that proxies and clients see that it lives, and the id of now. */
static void beat(struct listener *listener)
{
    char id[EVENT_ID_BYTES_MAX], text[EVENT_ID_BYTES_MAX + 16];
    struct str const number = event_ring_id(listener->events->ring, listener->next - 1, id);
    memcpy(text, ": \nid: ", 7);
    memcpy(text + 7, number.ptr, number.len);
    memcpy(text + 7 + number.len, "\n\n", 2);
    http_stream_write(listener->exchange, str_make(text, 9 + number.len));
}

static void on_timer(struct timer *timer)
{
    struct listener *listener = LIST_OWNER(timer, struct listener, timer);
    struct loop *loop = listener->group->loop;
    int64_t const now_ms = loop_now_ms(loop);
    if (listener->waiting && now_ms - listener->stalled_ms >= EVENT_STALL_MS) {
        LOG(event_listener_dropped, field_str("customer", scope_id(listener->scope)),
            field_int("queued", (int64_t)http_queued(listener->exchange)));
        cut(listener);
        return;
    }
    if (now_ms >= listener->end_ms) {
        end(listener);
        return;
    }
    if (!listener->waiting && now_ms - listener->wrote_ms >= EVENT_BEAT_MS / 2) {
        beat(listener);
        listener->wrote_ms = now_ms;
    }
    timer_start(loop, &listener->timer, EVENT_BEAT_MS);
}

/* --- the beginning ---------------------------------------------------------------------------- */
static struct event_group *group_of(struct events *events, struct loop *loop)
{
    for (struct list *at = events->groups.next; at != &events->groups; at = at->next)
        if (LIST_OWNER(at, struct event_group, link)->loop == loop)
            return LIST_OWNER(at, struct event_group, link);
    struct event_group *group = calloc(1, sizeof *group);
    if (group == NULL)
        return NULL;
    group->events = events;
    group->loop = loop;
    list_init(&group->listeners);
    list_push(&events->groups, &group->link);
    return group;
}

/* Under the lock: where it begins. False: what it has seen is not kept, or not ours. */
static bool resume(struct listener *listener, struct str id)
{
    struct event_ring *ring = listener->events->ring;
    uint64_t seen = 0;
    listener->next = event_ring_last(ring) + 1;
    if (id.len == 0)
        return true;
    if (!event_ring_parse(ring, id, &seen) || seen > event_ring_last(ring) ||
        seen + 1 < event_ring_first(ring) || seen + 1 < listener->scope->since)
        return false;
    listener->next = seen + 1;
    return true;
}

static enum err enter(struct listener *listener, struct str customer, struct fault *fault)
{
    struct events *events = listener->events;
    if (events->stopping)
        return fault_set(fault, ERR_DRAINING, "this server is shutting down");
    if (events->listeners >= EVENT_LISTENERS_MAX)
        return fault_set(fault, ERR_OVERLOADED, "there are %d listeners already",
                         EVENT_LISTENERS_MAX);
    listener->scope = events_scope(events, customer);
    listener->group = group_of(events, http_loop(listener->exchange));
    if (listener->scope == NULL || listener->group == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a listener");
    if (customer.len > 0 && listener->scope->listeners >= EVENT_LISTENERS_PER_CUSTOMER_MAX)
        return fault_set(fault, ERR_OVERLOADED, "the customer has %d listeners already",
                         EVENT_LISTENERS_PER_CUSTOMER_MAX);
    events->listeners++;
    listener->scope->listeners++;
    listener->group->count++;
    return ERR_OK;
}

static void greet(struct listener *listener, bool resumed)
{
    char id[EVENT_ID_BYTES_MAX];
    static const struct http_reply head = {
        .status = 200,
        .content_type = STR_ROW("text/event-stream"),
        .headers = STR_ROW("cache-control: no-store\r\nx-accel-buffering: no\r\n"),
    };
    http_stream_start(listener->exchange, &head);
    http_stream_write(listener->exchange, STR("retry: 2000\n\n"));
    if (resumed) {
        beat(listener);
        return;
    }
    http_stream_write(listener->exchange, STR("event: reset\nid: "));
    http_stream_write(listener->exchange,
                      event_ring_id(listener->events->ring, listener->next - 1, id));
    http_stream_write(listener->exchange, STR("\ndata: {}\n\n"));
}

/* A header of EventSource's, or a parameter of whoever cannot set it. */
static struct str seen_id(struct admin_call *call)
{
    struct str const header = http_header(call->exchange, STR("last-event-id"));
    return header.ptr != NULL ? header : admin_query_or_empty(call, "last_event_id");
}

enum err events_begin(struct events *events, struct admin_call *call)
{
    static const struct http_watcher watcher = {.on_gone = on_gone, .on_drain = on_drain};
    const struct events_wanted *wanted = call->events_wanted;
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return ERR_NO_MEMORY;
    listener->events = events;
    listener->exchange = call->exchange;
    listener->permissions = wanted->permissions;
    listener->topics = wanted->topics;
    timer_init(&listener->timer, on_timer);
    list_init(&listener->link);
    pthread_mutex_lock(&events->lock);
    enum err const err = enter(listener, wanted->customer, &call->fault);
    bool const resumed = err == ERR_OK && resume(listener, seen_id(call));
    pthread_mutex_unlock(&events->lock);
    if (err != ERR_OK) {
        free(listener);
        return err;
    }
    struct loop *loop = listener->group->loop;
    listener->wrote_ms = loop_now_ms(loop);
    listener->end_ms = loop_now_ms(loop) + EVENT_STREAM_MS_MAX;
    list_push(&listener->group->listeners, &listener->link);
    http_watch(call->exchange, &watcher, listener);
    timer_start(loop, &listener->timer, EVENT_BEAT_MS);
    greet(listener, resumed);
    (void)pump(listener);
    return ERR_OK;
}
