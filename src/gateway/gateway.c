/* gateway.c - the way in: routes, workers, figures. */
#include "base/must.h"
#include "gateway/assistant.h"
#include "gateway/query.h"
#include "gateway/relay.h"
#include "gateway/reply.h"
#include <stdlib.h>

enum { REQUEST_ID_BYTES_MIN = 1 };

static void on_synced(void *owner, uint64_t synced_lsn);

/* --- the process ----------------------------------------------------------------------------- */
struct gateway *gateway_new(const struct gateway_options *options)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (!gateway)
        return NULL;
    gateway->options = *options;
    if (gateway->options.body_bytes_max == 0)
        gateway->options.body_bytes_max = BODY_BYTES_MAX;
    pthread_mutex_init(&gateway->lock, NULL);
    list_init(&gateway->workers);
    if (options->strict)
        journal_subscribe(options->journal, on_synced, gateway);
    return gateway;
}

void gateway_free(struct gateway *gateway)
{
    MUST(list_empty(&gateway->workers));
    catalog_unref(gateway->catalog);
    verifier_unref(gateway->verifier);
    pthread_mutex_destroy(&gateway->lock);
    free(gateway);
}

void gateway_catalog_swap(struct gateway *gateway, struct catalog *catalog)
{
    pthread_mutex_lock(&gateway->lock);
    struct catalog *old = gateway->catalog;
    gateway->catalog = catalog;
    pthread_mutex_unlock(&gateway->lock);
    catalog_unref(old);
}

struct catalog *gateway_catalog(struct gateway *gateway)
{
    pthread_mutex_lock(&gateway->lock);
    struct catalog *catalog = gateway->catalog ? catalog_ref(gateway->catalog) : NULL;
    pthread_mutex_unlock(&gateway->lock);
    return catalog;
}

void gateway_verifier_swap(struct gateway *gateway, struct verifier *verifier)
{
    pthread_mutex_lock(&gateway->lock);
    struct verifier *old = gateway->verifier;
    gateway->verifier = verifier;
    atomic_fetch_add_explicit(&gateway->verifier_serial, 1, memory_order_release);
    pthread_mutex_unlock(&gateway->lock);
    verifier_unref(old); /* workers keep their own until they look */
}

/* --- workers --------------------------------------------------------------------------------- */
static void strict_wake(void *argument)
{
    struct gateway_worker *worker = argument;
    struct list waiting;
    atomic_store(&worker->sync_posted, false);
    list_init(&waiting);
    while (!list_empty(&worker->strict)) { /* moved first: who still has to wait comes back */
        struct list *link = worker->strict.next;
        list_remove(link);
        list_push(&waiting, link);
    }
    while (!list_empty(&waiting)) {
        struct request *request = LIST_OWNER(waiting.next, struct request, strict_link);
        list_remove(&request->strict_link);
        request_wake(request);
    }
}

static void strict_post(struct gateway_worker *worker)
{
    if (!atomic_exchange(&worker->sync_wanted, false) ||
        atomic_exchange(&worker->sync_posted, true))
        return;
    if (loop_post(worker->loop, strict_wake, worker) != ERR_OK)
        atomic_store(&worker->sync_posted, false); /* the waiters' own deadline wakes them */
}

/* On the journal's sync thread: wakes each loop once per group, only where somebody waits. */
static void on_synced(void *owner, uint64_t synced_lsn)
{
    (void)synced_lsn;
    struct gateway *gateway = owner;
    pthread_mutex_lock(&gateway->lock);
    for (struct list *link = gateway->workers.next; link != &gateway->workers; link = link->next)
        strict_post(LIST_OWNER(link, struct gateway_worker, link));
    pthread_mutex_unlock(&gateway->lock);
}

struct gateway_worker *gateway_worker_new(struct gateway *gateway, struct loop *loop)
{
    struct gateway_worker *worker = calloc(1, sizeof *worker);
    uint64_t seed;
    if (!worker)
        return NULL;
    worker->gateway = gateway;
    worker->loop = loop;
    worker->client = upstream_client_new(loop);
    if (!worker->client) {
        free(worker);
        return NULL;
    }
    random_secret(&seed, sizeof seed);
    random_seed(&worker->random, seed);
    list_init(&worker->calls);
    list_init(&worker->strict);
    pthread_mutex_lock(&gateway->lock);
    list_push(&gateway->workers, &worker->link);
    pthread_mutex_unlock(&gateway->lock);
    return worker;
}

size_t gateway_worker_calls(const struct gateway_worker *worker)
{
    return (size_t)atomic_load_explicit(&worker->figures.calls_live, memory_order_relaxed);
}

void gateway_worker_abort(struct gateway_worker *worker)
{
    worker->aborting = true;
    struct list *link = worker->calls.next;
    while (link != &worker->calls) {
        struct request *request = LIST_OWNER(link, struct request, link);
        link = link->next; /* waking may free this one, never another */
        if (request->stage != STAGE_DISPATCH && request->stage != STAGE_ADMIT)
            continue; /* it ends by itself in a moment */
        fault_set(&request->fault, ERR_DRAINING, "the server is shutting down");
        relay_stop(request);
        request_wake(request);
    }
}

void gateway_worker_free(struct gateway_worker *worker)
{
    MUST(list_empty(&worker->calls));
    pthread_mutex_lock(&worker->gateway->lock);
    list_remove(&worker->link);
    pthread_mutex_unlock(&worker->gateway->lock);
    upstream_client_free(worker->client);
    token_cache_free(worker->tokens);
    verifier_unref(worker->verifier);
    free(worker);
}

void gateway_figures(struct gateway *gateway, struct gateway_figures *sum)
{
    *sum = (struct gateway_figures){0};
    pthread_mutex_lock(&gateway->lock);
    for (struct list *link = gateway->workers.next; link != &gateway->workers; link = link->next) {
        struct gateway_worker *worker = LIST_OWNER(link, struct gateway_worker, link);
        struct upstream_figures upstream;
        upstream_figures(worker->client, &upstream);
        sum->requests += worker->figures.requests;
        sum->refused += worker->figures.refused;
        sum->failed += worker->figures.failed;
        sum->client_gone += worker->figures.client_gone;
        sum->streams_live += worker->figures.streams_live;
        sum->calls_live += worker->figures.calls_live;
        sum->replays += worker->figures.replays;
        sum->sampled += worker->figures.sampled;
        for (size_t i = 0; i < STAGE_END; i++)
            sum->stage_ns[i] += worker->figures.stage_ns[i];
        sum->upstream_calls += upstream.calls;
        sum->upstream_connects += upstream.connects;
        sum->upstream_reuses += upstream.reuses;
        sum->upstream_failures += upstream.failures;
    }
    pthread_mutex_unlock(&gateway->lock);
}

size_t gateway_stage_count(void)
{
    return STAGE_END;
}

const char *gateway_stage_name(size_t stage)
{
    static const char *const names[] = {
#define X(name, file, adds) #name,
#include "gateway/stages.def"
#undef X
    };
    MUST(stage < STAGE_END);
    return names[stage];
}

/* --- requests -------------------------------------------------------------------------------- */
/* A client's own id is kept when it can be shown anywhere: letters, digits and -_.: only. */
static bool is_request_id(struct str value)
{
    if (value.len < REQUEST_ID_BYTES_MIN || value.len > REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        char const byte = value.ptr[i];
        bool const fine = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                          (byte >= 'a' && byte <= 'z') || strchr("-_.:", byte);
        if (!byte || !fine)
            return false;
    }
    return true;
}

static void on_timer(struct timer *timer)
{
    struct request *request = LIST_OWNER(timer, struct request, timer);
    request->waited_out = true;
    request_wake(request);
}

static void request_start(struct gateway_worker *worker, struct http_exchange *exchange,
                          enum operation operation, struct str endpoint,
                          const struct assistant *assistant)
{
    struct request *request = arena_alloc(http_arena(exchange), sizeof *request);
    struct assistant_call *call =
        assistant ? arena_zalloc(http_arena(exchange), sizeof *call) : NULL;
    if (!request || (assistant && !call)) {
        struct fault fault = {0};
        fault_set(&fault, ERR_NO_MEMORY, "no memory for a request");
        query_fault(exchange, &fault);
        return;
    }
    int64_t const now_us = clock_wall_us(worker->gateway->options.clock);
    struct str const id = http_header(exchange, STR("x-request-id"));
    memset(request, 0, sizeof *request);
    request->magic = REQUEST_MAGIC;
    request->worker = worker;
    request->exchange = exchange;
    request->arena = http_arena(exchange);
    request->operation = operation;
    request->assistant = call;
    if (call)
        call->row = assistant;
    request->id = ulid_make(&worker->random, now_us);
    ulid_text(request->id, request->id_text);
    request->context.request_id =
        is_request_id(id) ? id : str_make(request->id_text, ULID_TEXT_BYTES);
    request->context.endpoint = endpoint;
    request->context.started_us = now_us;
    timer_init(&request->timer, on_timer);
    list_init(&request->strict_link);
    list_push(&worker->calls, &request->link);
    count(&worker->figures.requests, 1);
    request->sampled = worker->figures.requests % STAGE_SAMPLE_EVERY == 0;
    if (request->sampled)
        count(&worker->figures.sampled, 1);
    count(&worker->figures.calls_live, 1);
    http_watch(exchange, &relay_watcher, request);
    request_run(request);
}

static void route_chat(struct gateway_worker *worker, struct http_exchange *exchange, struct str id)
{
    (void)id;
    request_start(worker, exchange, OPERATION_CHAT, STR("chat.completions"), NULL);
}

static void route_embeddings(struct gateway_worker *worker, struct http_exchange *exchange,
                             struct str id)
{
    (void)id;
    request_start(worker, exchange, OPERATION_EMBEDDINGS, STR("embeddings"), NULL);
}

static void route_assistant(struct gateway_worker *worker, struct http_exchange *exchange,
                            struct str id)
{
    (void)id;
    const struct assistant *assistant = assistant_find(http_head(exchange)->path);
    request_start(worker, exchange, OPERATION_CHAT, assistant->name, assistant);
}

static const struct route {
    enum http_method method;
    struct str path;
    void (*run)(struct gateway_worker *worker, struct http_exchange *exchange, struct str id);
} routes[] = {
#define X(method, path, handler, help) {method, STR_ROW(path), handler},
#include "gateway/routes.def"
#undef X
#define X(symbol, path, ...) {HTTP_POST, STR_ROW(path), route_assistant},
#include "gateway/assistant.def"
#undef X
};

/* Does a row's path fit? `{id}` takes the rest, which is not empty. */
static bool fits(const struct route *route, struct str path, struct str *id)
{
    size_t const brace = str_find(route->path, STR("{"));
    *id = str_skip(path, brace);
    if (brace == route->path.len)
        return str_eq(route->path, path);
    return path.len > brace && str_starts(path, str_make(route->path.ptr, brace));
}

/* The row for a path and method; NULL: *known says whether the path exists at all. */
static const struct route *route_find(const struct http_head *head, struct str *id, bool *known)
{
    *known = false;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!fits(&routes[i], head->path, id))
            continue;
        *known = true;
        if (routes[i].method == head->method)
            return &routes[i];
    }
    return NULL;
}

static enum err route_missing(bool known, struct fault *fault)
{
    if (known)
        return fault_set(fault, ERR_METHOD_UNKNOWN, "use the method that the API describes");
    return fault_set(fault, ERR_NOT_FOUND, "there is no such route");
}

bool gateway_owns(struct str path)
{
    return str_starts(path, STR("/v1/")) || assistant_find(path) != NULL;
}

size_t gateway_body_bytes_max(const struct gateway *gateway, const struct http_head *head)
{
    if (head->method != HTTP_POST)
        return 0;
    size_t const most = (size_t)gateway->options.body_bytes_max;
    bool const assistant = !str_starts(head->path, STR("/v1/")); /* those are the two we own */
    bool const smaller = assistant && most > ASSISTANT_BODY_BYTES_MAX;
    return smaller ? ASSISTANT_BODY_BYTES_MAX : most;
}

enum err gateway_check_head(const struct http_head *head, struct fault *fault)
{
    struct str id;
    bool known;
    return route_find(head, &id, &known) ? ERR_OK : route_missing(known, fault);
}

void gateway_handle(struct gateway_worker *worker, struct http_exchange *exchange)
{
    struct str id;
    bool known;
    struct fault fault = {0};
    const struct route *route = route_find(http_head(exchange), &id, &known);
    if (route) {
        route->run(worker, exchange, id);
        return;
    }
    (void)route_missing(known, &fault);
    query_fault(exchange, &fault);
}

void gateway_refuse(struct arena *arena, const struct fault *fault, struct str *content_type,
                    struct str *body)
{
    *content_type = STR("application/json");
    *body = reply_error_body(arena, fault, &(struct error_facts){.language = LANGUAGE_EN});
}
