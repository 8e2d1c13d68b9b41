/* events.c - what the projector tells becomes events; who is listened to; ticks of usage. */
#include "admin/events_int.h"
#include "base/log.h"
#include "base/must.h"
#include "base/random.h"
#include <stdio.h>
#include <stdlib.h>

static int64_t const tick_every_us = 500000;
static int64_t const scope_idle_us = 60 * 1000000;

static int64_t now_us(const struct events *events)
{
    return clock_mono_us(events->options->clock);
}

/* --- scopes: whom somebody listens to --------------------------------------------------------- */
static void scope_remove(struct events *events, struct scope *scope)
{
    list_remove(&scope->link);
    (void)map_remove(&events->scopes, scope_id(scope));
    free(scope);
    events->awake = !list_empty(&events->scope_list);
}

/* One that nobody listens to makes room. */
static bool scope_room(struct events *events)
{
    if (events->scopes.count < EVENT_SCOPES_MAX)
        return true;
    for (struct list *at = events->scope_list.next; at != &events->scope_list; at = at->next) {
        struct scope *scope = LIST_OWNER(at, struct scope, link);
        if (scope->listeners > 0)
            continue;
        scope_remove(events, scope);
        return true;
    }
    return false;
}

struct scope *events_scope(struct events *events, struct str customer)
{
    struct scope *scope = map_get(&events->scopes, customer);
    if (scope != NULL)
        return scope;
    MUST(customer.len <= CUSTOMER_ID_BYTES_MAX);
    scope = scope_room(events) ? calloc(1, sizeof *scope) : NULL;
    if (scope == NULL)
        return NULL;
    scope->id_len = customer.len;
    if (customer.len > 0)
        memcpy(scope->id, customer.ptr, customer.len);
    scope->since = event_ring_last(events->ring) + 1;
    scope->ticked_us = now_us(events);
    if (map_put(&events->scopes, scope_id(scope), scope) != ERR_OK) {
        free(scope);
        return NULL;
    }
    list_push(&events->scope_list, &scope->link);
    events->awake = true;
    return scope;
}

void events_wake(struct events *events)
{
    for (struct list *at = events->groups.next; at != &events->groups; at = at->next) {
        struct event_group *group = LIST_OWNER(at, struct event_group, link);
        if (group->count > 0 && !group->posted)
            group->posted = loop_post(group->loop, events_group_run, group) == ERR_OK;
    }
}

/* --- making events ---------------------------------------------------------------------------- */
static void begin(struct events *events, struct json_writer *writer)
{
    buf_clear(&events->text);
    json_write_start(writer, &events->text);
}

static void add(struct events *events, struct json_writer *writer, const struct told_event *event)
{
    enum err err = json_write_end(writer);
    if (err == ERR_OK)
        err = event_ring_add(events->ring, event, buf_view(&events->text));
    if (err != ERR_OK)
        LOG(event_lost, field_str("topic", event_topic_name(event->topic)),
            field_str("reason", err_row(err)->text));
}

static bool on_wants(void *owner)
{
    return ((struct events *)owner)->awake;
}

static void tick_add(struct tick *tick, const struct usage_row *row)
{
    tick->requests++;
    tick->failed += !str_eq(row->outcome, STR("ok"));
    for (size_t i = 0; i < POOL_COUNT; i++)
        tick->tokens += row->usage.tokens[i];
    tick->cost_nano += row->cost.nano;
    tick->charge_nano += usage_row_charge(row).nano;
}

static void on_usage(void *owner, const struct usage_row *row)
{
    struct events *events = owner;
    pthread_mutex_lock(&events->lock);
    struct scope *all = map_get(&events->scopes, STR(""));
    struct scope *one = map_get(&events->scopes, row->customer_id);
    if (all != NULL)
        tick_add(&all->pending, row);
    if (one != NULL && one != all)
        tick_add(&one->pending, row);
    pthread_mutex_unlock(&events->lock);
}

static bool is_edge(struct str kind)
{
    return str_eq(kind, STR("limit")) || str_eq(kind, STR("allowance")) ||
           str_eq(kind, STR("overage_cap"));
}

static void on_alert(void *owner, const struct alert_row *row)
{
    struct events *events = owner;
    struct json_writer writer;
    struct told_event event = {
        .topic = TOPIC_ALERT, .needs = PERMISSION_ALERTS_READ, .customer_id = row->customer_id};
    pthread_mutex_lock(&events->lock);
    begin(events, &writer);
    alert_put_json(&writer, row);
    add(events, &writer, &event);
    if (is_edge(row->kind)) {
        event.topic = TOPIC_LIMIT_EDGE;
        begin(events, &writer);
        alert_put_brief(&writer, row);
        add(events, &writer, &event);
    }
    pthread_mutex_unlock(&events->lock);
}

static void put_changed(struct json_writer *writer, struct str kind, struct str id,
                        struct str customer)
{
    json_object_open(writer);
    json_pair_text(writer, "kind", kind);
    json_pair_text(writer, "id", id);
    json_pair_text(writer, "customer", customer);
}

/* A job's document is its progress. */
static void put_progress(struct json_writer *writer, const struct object_row *row)
{
    static const char *const members[] = {"kind", "status", "total", "done", "failed", "changed"};
    struct fault ignored = {0};
    struct json_object *object = malloc(sizeof *object);
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_i64(writer, "version", row->version);
    if (object != NULL && json_scan(row->text, object, &ignored) == ERR_OK)
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
            json_key(writer, members[i]);
            json_put_raw(writer, json_get(object, str_of(members[i])));
        }
    json_object_close(writer);
    free(object);
}

static void on_document(void *owner, const struct object_row *row)
{
    struct events *events = owner;
    struct json_writer writer;
    size_t kind = 0;
    while (kind < OBJECT_KIND_COUNT &&
           !str_eq(object_kind_row((enum object_kind)kind)->name, row->kind))
        kind++;
    if (kind == OBJECT_KIND_COUNT || object_kind_private((enum object_kind)kind))
        return;
    bool const job = kind == OBJECT_JOB;
    struct told_event const event = {
        .topic = job ? TOPIC_JOB_PROGRESS : TOPIC_CONFIG_CHANGED,
        .needs = job                        ? PERMISSION_SYSTEM_WRITE
                 : kind == OBJECT_AI_CONFIG ? PERMISSION_SECRETS_READ
                                            : PERMISSION_ENTITLEMENTS_READ,
        .customer_id = row->customer_id,
    };
    if (job && row->version == 0)
        return; /* old ones are forgotten */
    pthread_mutex_lock(&events->lock);
    begin(events, &writer);
    if (job) {
        put_progress(&writer, row);
    } else {
        put_changed(&writer, row->kind, row->id, row->customer_id);
        json_pair_i64(&writer, "version", row->version);
        json_object_close(&writer);
    }
    add(events, &writer, &event);
    pthread_mutex_unlock(&events->lock);
}

static void on_account(void *owner, struct str kind, struct str id, struct str customer_id)
{
    struct events *events = owner;
    struct json_writer writer;
    struct told_event const event = {
        .topic = TOPIC_CONFIG_CHANGED,
        .needs = str_eq(kind, STR("key"))     ? PERMISSION_KEYS_READ
                 : str_eq(kind, STR("grant")) ? PERMISSION_CREDIT_READ
                                              : PERMISSION_ENTITLEMENTS_READ,
        .customer_id = customer_id,
    };
    pthread_mutex_lock(&events->lock);
    begin(events, &writer);
    put_changed(&writer, kind, id, customer_id);
    json_key(&writer, "version");
    json_put_null(&writer);
    json_object_close(&writer);
    add(events, &writer, &event);
    pthread_mutex_unlock(&events->lock);
}

/* --- ticks ------------------------------------------------------------------------------------ */
static void tick_take(struct tick *from, struct tick *to)
{
    to->requests += from->requests;
    to->failed += from->failed;
    to->tokens += from->tokens;
    to->cost_nano += from->cost_nano;
    to->charge_nano += from->charge_nano;
    *from = (struct tick){0};
}

/* What a customer pays is in its own unit, so that only one customer's can be summed up. */
static void tick_tell(struct events *events, struct scope *scope)
{
    struct json_writer writer;
    const struct tick *tick = &scope->ticked;
    const struct customer *customer =
        scope->id_len > 0 ? book_customer(events->options->book, scope_id(scope)) : NULL;
    struct told_event const event = {
        .topic = TOPIC_USAGE_TICK, .needs = PERMISSION_USAGE_READ, .customer_id = scope_id(scope)};
    begin(events, &writer);
    json_object_open(&writer);
    json_pair_text(&writer, "customer", scope_id(scope));
    json_pair_i64(&writer, "requests", tick->requests);
    json_pair_i64(&writer, "failed", tick->failed);
    json_pair_i64(&writer, "tokens", tick->tokens);
    json_pair_i64(&writer, "cost_nano", tick->cost_nano);
    if (customer != NULL) {
        json_pair_text(&writer, "unit", customer_currency(customer));
        json_pair_i64(&writer, "charge_nano", tick->charge_nano);
    }
    json_object_close(&writer);
    add(events, &writer, &event);
    scope->ticked = (struct tick){0};
}

/* Nothing is open: what is told now counts at once. */
static void ticks_tell(struct events *events)
{
    int64_t const now = now_us(events);
    for (struct list *at = events->scope_list.next; at != &events->scope_list; at = at->next) {
        struct scope *scope = LIST_OWNER(at, struct scope, link);
        if (scope->ticked.requests == 0 || now - scope->ticked_us < tick_every_us)
            continue;
        tick_tell(events, scope);
        scope->ticked_us = now;
    }
    event_ring_commit(events->ring);
}

static void on_batch_end(struct events *events, bool good)
{
    struct list *const end = &events->scope_list;
    pthread_mutex_lock(&events->lock);
    if (good)
        event_ring_commit(events->ring);
    else
        event_ring_rollback(events->ring);
    for (struct list *at = end->next; at != end; at = at->next) {
        struct scope *scope = LIST_OWNER(at, struct scope, link);
        struct tick dropped = {0};
        tick_take(&scope->pending, good ? &scope->ticked : &dropped);
    }
    ticks_tell(events);
    events_wake(events);
    pthread_mutex_unlock(&events->lock);
}

static void on_committed(void *owner)
{
    on_batch_end(owner, true);
}

static void on_rolled_back(void *owner)
{
    on_batch_end(owner, false);
}

void events_beat(struct events *events)
{
    if (!events->awake)
        return;
    pthread_mutex_lock(&events->lock);
    int64_t const now = now_us(events);
    for (struct list *at = events->scope_list.next, *next; at != &events->scope_list; at = next) {
        struct scope *scope = LIST_OWNER(at, struct scope, link);
        next = at->next;
        if (scope->listeners == 0 && now - scope->idle_us >= scope_idle_us)
            scope_remove(events, scope);
    }
    uint64_t const before = event_ring_last(events->ring);
    if (!event_ring_is_open(events->ring))
        ticks_tell(events);
    if (event_ring_last(events->ring) != before)
        events_wake(events);
    pthread_mutex_unlock(&events->lock);
}

/* --- the whole -------------------------------------------------------------------------------- */
static void name_stream(char name[EVENT_STREAM_NAME_BYTES + 1])
{
    unsigned char bytes[EVENT_STREAM_NAME_BYTES / 2];
    random_secret(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(name + 2 * i, 3, "%02x", bytes[i]);
}

struct events *events_new(const struct admin_options *options)
{
    char name[EVENT_STREAM_NAME_BYTES + 1];
    struct events *events = calloc(1, sizeof *events);
    name_stream(name);
    if (events != NULL)
        events->ring = event_ring_new(name, EVENTS_KEPT_MAX, EVENTS_BYTES_MAX);
    if (events == NULL || events->ring == NULL) {
        free(events);
        return NULL;
    }
    events->options = options;
    pthread_mutex_init(&events->lock, NULL);
    map_init(&events->scopes);
    list_init(&events->scope_list);
    list_init(&events->groups);
    buf_init(&events->text, EVENT_BYTES_MAX);
    events->projection = (struct project_listener){
        .owner = events,
        .wants = on_wants,
        .usage = on_usage,
        .alert = on_alert,
        .document = on_document,
        .account = on_account,
        .committed = on_committed,
        .rolled_back = on_rolled_back,
    };
    projector_listen(options->projector, &events->projection);
    return events;
}

void events_stop(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    events->stopping = true;
    events_wake(events);
    pthread_mutex_unlock(&events->lock);
}

size_t events_listeners(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    size_t const count = events->listeners;
    pthread_mutex_unlock(&events->lock);
    return count;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    MUST(events->listeners == 0);
    while (!list_empty(&events->scope_list))
        scope_remove(events, LIST_OWNER(events->scope_list.next, struct scope, link));
    while (!list_empty(&events->groups)) {
        struct event_group *group = LIST_OWNER(events->groups.next, struct event_group, link);
        list_remove(&group->link);
        free(group);
    }
    map_free(&events->scopes);
    event_ring_free(events->ring);
    buf_free(&events->text);
    pthread_mutex_destroy(&events->lock);
    free(events);
}
