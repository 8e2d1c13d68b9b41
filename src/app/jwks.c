/* jwks.c - a thread with a loop, one upstream call at a time, and the text under a lock.
 *
 * Why:   every fetch has a client of its own: no connection outlives a change of CA file or
 *        address, and there are minutes between two fetches anyway.
 */
#include "app/jwks.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/jwt.h"
#include "core/address.h"
#include "gateway/jwks_plan.h"
#include "gateway/url.h"
#include "net/timer.h"
#include "upstream/client.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FETCH_ARENA_BYTES = 256 << 10,
    SOURCE_BYTES_MAX = 8 << 10,
    CACHE_CONTROL_BYTES_MAX = 512,
    STOP_MS = 20
};

/* A source that is owned: url, then ca_file. */
struct kept {
    struct buf bytes;
    struct jwks_source source; /* views into it */
};

struct jwks {
    struct jwks_options options;
    struct loop *loop;
    pthread_t thread;
    bool started; /* under whoever configures, one at a time */

    pthread_mutex_t lock; /* guards the next four */
    struct kept kept;
    uint64_t generation; /* of the source */
    struct buf text;     /* of this source; len 0: none yet */
    struct jwks_figures figures;

    atomic_bool asked; /* a token asked since the last fetch ended */

    /* on the thread */
    struct timer timer;
    struct jwks_plan plan;
    struct kept fetching;
    uint64_t fetching_generation;
    bool stopping;
    struct upstream_client *client;
    struct upstream_call *call; /* NULL: none runs */
    struct upstream_target target;
    struct upstream_request request;
    struct arena *arena;
    struct buf body;
    char cache_control[CACHE_CONTROL_BYTES_MAX];
    size_t cache_control_len;
};

/* --- sources ---------------------------------------------------------------------------------- */
static bool source_same(const struct jwks_source *a, const struct jwks_source *b)
{
    return str_eq(a->url, b->url) && str_eq(a->ca_file, b->ca_file) && a->inside == b->inside;
}

static void kept_init(struct kept *kept)
{
    buf_init(&kept->bytes, SOURCE_BYTES_MAX);
    kept->source = (struct jwks_source){.url = STR(""), .ca_file = STR("")};
}

/* On failure it is empty. */
static enum err kept_set(struct kept *kept, const struct jwks_source *source)
{
    buf_clear(&kept->bytes);
    enum err err = buf_add(&kept->bytes, source->url);
    if (err == ERR_OK)
        err = buf_add(&kept->bytes, source->ca_file);
    size_t const url_len = err == ERR_OK ? source->url.len : 0;
    size_t const ca_len = err == ERR_OK ? source->ca_file.len : 0;
    kept->source = (struct jwks_source){.url = str_make(kept->bytes.ptr, url_len),
                                        .ca_file = str_make(kept->bytes.ptr + url_len, ca_len),
                                        .inside = source->inside};
    return err;
}

/* --- the end of a fetch ----------------------------------------------------------------------- */
static void plan_arm(struct jwks *jwks)
{
    int64_t const delay_ms = jwks->plan.due_ms - loop_now_ms(jwks->loop);
    timer_start(jwks->loop, &jwks->timer, delay_ms > 0 ? delay_ms : 0);
}

static bool is_outdated(struct jwks *jwks)
{
    pthread_mutex_lock(&jwks->lock);
    bool const outdated = jwks->generation != jwks->fetching_generation;
    pthread_mutex_unlock(&jwks->lock);
    return outdated;
}

static int64_t next_s(const struct jwks *jwks)
{
    return (jwks->plan.due_ms - loop_now_ms(jwks->loop)) / 1000;
}

static void fetch_failed(struct jwks *jwks, const char *reason)
{
    jwks->call = NULL;
    jwks->asked = false;
    if (is_outdated(jwks))
        return; /* another source: its fetch is planned already */
    jwks_plan_failed(&jwks->plan, loop_now_ms(jwks->loop));
    pthread_mutex_lock(&jwks->lock);
    jwks->figures.fetches++;
    jwks->figures.failures++;
    pthread_mutex_unlock(&jwks->lock);
    LOG(jwks_failed, field_text("reason", reason), field_int("next_s", next_s(jwks)));
    plan_arm(jwks);
}

/* How many keys of the set can verify; 0 with the reason in `fault`. */
static size_t count_keys(struct str text, struct fault *fault)
{
    struct jwt_keys *keys = jwt_keys_new();
    size_t count = 0;
    if (keys == NULL)
        (void)fault_set(fault, ERR_NO_MEMORY, "no memory for keys");
    else if (jwt_keys_add_jwks(keys, text, fault) == ERR_OK)
        count = jwt_keys_count(keys);
    jwt_keys_free(keys);
    return count;
}

/* Exchanges body and text when they differ. False: the source is another one by now. */
static bool text_swap(struct jwks *jwks, bool *changed)
{
    pthread_mutex_lock(&jwks->lock);
    bool const current = jwks->generation == jwks->fetching_generation;
    *changed = current && !str_eq(buf_view(&jwks->text), buf_view(&jwks->body));
    if (*changed) {
        struct buf const old = jwks->text;
        jwks->text = jwks->body;
        jwks->body = old;
    }
    pthread_mutex_unlock(&jwks->lock);
    return current;
}

/* Puts the body into force. False with the reason in `fault`: what was there before stays. */
static bool text_put(struct jwks *jwks, bool *changed, struct fault *fault)
{
    bool ignored;
    if (!text_swap(jwks, changed) || !*changed ||
        jwks->options.changed(jwks->options.owner, fault) == ERR_OK)
        return true;
    (void)text_swap(jwks, &ignored);
    return false;
}

static void fetch_succeeded(struct jwks *jwks)
{
    struct fault fault = {0};
    bool changed = false;
    size_t const keys = count_keys(buf_view(&jwks->body), &fault);
    if (keys == 0 || !text_put(jwks, &changed, &fault)) {
        fetch_failed(jwks, fault.detail);
        return;
    }
    jwks->asked = false;
    if (is_outdated(jwks))
        return;
    jwks_plan_fetched(&jwks->plan, loop_now_ms(jwks->loop),
                      str_make(jwks->cache_control, jwks->cache_control_len));
    pthread_mutex_lock(&jwks->lock);
    jwks->figures.fetches++;
    jwks->figures.keys = (int64_t)keys;
    jwks->figures.fetched_s = clock_wall_us(clock_system()) / 1000000;
    pthread_mutex_unlock(&jwks->lock);
    LOG(jwks_fetched, field_int("keys", (int64_t)keys), field_int("changed", changed),
        field_int("next_s", next_s(jwks)));
    plan_arm(jwks);
}

/* --- the call --------------------------------------------------------------------------------- */
static bool on_dispatch(void *owner)
{
    (void)owner;
    return true;
}

static void cancel(struct jwks *jwks, const char *reason)
{
    upstream_cancel(jwks->call);
    fetch_failed(jwks, reason);
}

static void on_head(void *owner, const struct upstream_head *head)
{
    struct jwks *jwks = owner;
    char reason[64];
    struct str const cache_control = upstream_header(head, STR("cache-control"));
    if (head->status != 200) {
        snprintf(reason, sizeof reason, "the answer has status %d%s", head->status,
                 head->status / 100 == 3 ? "; redirects are not followed" : "");
        cancel(jwks, reason);
        return;
    }
    jwks->cache_control_len = cache_control.len <= CACHE_CONTROL_BYTES_MAX ? cache_control.len : 0;
    if (jwks->cache_control_len > 0)
        memcpy(jwks->cache_control, cache_control.ptr, jwks->cache_control_len);
}

static void on_body(void *owner, struct str bytes)
{
    struct jwks *jwks = owner;
    enum err const err = buf_add(&jwks->body, bytes);
    if (err == ERR_TOO_LARGE)
        cancel(jwks, "the answer has more than 256 KiB");
    else if (err != ERR_OK)
        cancel(jwks, "there was no memory for the answer");
}

static void on_done(void *owner)
{
    struct jwks *jwks = owner;
    jwks->call = NULL;
    fetch_succeeded(jwks);
}

static void on_fail(void *owner, enum upstream_fail why, const char *detail)
{
    char reason[160];
    snprintf(reason, sizeof reason, "%s: %s", upstream_fail_name(why), detail);
    fetch_failed(owner, reason);
}

static const struct upstream_handler handler = {on_dispatch, on_head, on_body, on_done, on_fail};

/* The source as it is now becomes the one that is fetched. */
static enum err source_take(struct jwks *jwks)
{
    pthread_mutex_lock(&jwks->lock);
    enum err const err = kept_set(&jwks->fetching, &jwks->kept.source);
    jwks->fetching_generation = jwks->generation;
    pthread_mutex_unlock(&jwks->lock);
    return err;
}

/* Everything but loopback is refused over http://; over https:// what is not allowed. */
static unsigned classes_refused(bool tls, bool inside)
{
    unsigned const wanted = inside ? ADDRESS_INSIDE : 0;
    return ADDRESS_ALL &
           ~(tls ? ADDRESS_BIT(ADDRESS_PUBLIC) | wanted : ADDRESS_BIT(ADDRESS_LOOPBACK) & wanted);
}

static bool target_make(struct jwks *jwks)
{
    static const struct upstream_timeouts timeouts = {JWKS_FETCH_MS, JWKS_FETCH_MS, JWKS_FETCH_MS,
                                                      JWKS_FETCH_MS};
    struct url url;
    const struct jwks_source *source = &jwks->fetching.source;
    if (!url_split(source->url, true, &url))
        return false;
    jwks->target =
        (struct upstream_target){.name = STR("jwks_url"),
                                 .host = url.host,
                                 .port = url.port,
                                 .tls = url.tls,
                                 .host_header = url.host_header,
                                 .ca_file = source->ca_file,
                                 .timeouts = timeouts,
                                 .addresses_refused = classes_refused(url.tls, source->inside)};
    jwks->request = (struct upstream_request){
        .is_get = true,
        .path = url.path.len > 0 ? url.path : STR("/"),
        .headers =
            STR("accept: application/json\r\nconnection: close\r\nuser-agent: cota/" COTA_VERSION
                "\r\n")};
    return true;
}

/* NULL: it runs. */
static const char *fetch_start(struct jwks *jwks)
{
    upstream_client_free(jwks->client); /* of the last fetch: nothing runs on it */
    jwks->client = upstream_client_new(jwks->loop);
    arena_reset(jwks->arena);
    buf_clear(&jwks->body);
    jwks->cache_control_len = 0;
    if (jwks->client == NULL || source_take(jwks) != ERR_OK)
        return "there was no memory to fetch";
    if (!target_make(jwks))
        return "jwks_url is no http(s) address";
    jwks->call =
        upstream_call(jwks->client, &jwks->target, &jwks->request, jwks->arena, &handler, jwks);
    return jwks->call != NULL ? NULL : "there was no memory to fetch";
}

static void on_due(struct timer *timer)
{
    struct jwks *jwks = LIST_OWNER(timer, struct jwks, timer);
    if (jwks->stopping) {
        upstream_client_free(jwks->client);
        loop_stop(jwks->loop);
        return;
    }
    jwks_plan_begin(&jwks->plan, loop_now_ms(jwks->loop));
    const char *problem = fetch_start(jwks);
    if (problem != NULL)
        fetch_failed(jwks, problem);
}

/* --- from other threads ----------------------------------------------------------------------- */
static void call_end(struct jwks *jwks)
{
    if (jwks->call != NULL)
        upstream_cancel(jwks->call);
    jwks->call = NULL;
}

static void on_configured(void *argument)
{
    struct jwks *jwks = argument;
    pthread_mutex_lock(&jwks->lock);
    bool const wanted = jwks->kept.source.url.len > 0;
    pthread_mutex_unlock(&jwks->lock);
    call_end(jwks);
    timer_stop(&jwks->timer);
    jwks->asked = false;
    jwks_plan_start(&jwks->plan, loop_now_ms(jwks->loop));
    if (wanted)
        plan_arm(jwks);
}

static void on_missing(void *argument)
{
    struct jwks *jwks = argument;
    if (!timer_armed(&jwks->timer))
        return; /* a fetch runs, or nothing is fetched any more */
    jwks_plan_missing(&jwks->plan, loop_now_ms(jwks->loop));
    plan_arm(jwks);
}

/* Once per fetch, however many tokens ask. */
void jwks_missing(void *argument)
{
    struct jwks *jwks = argument;
    if (atomic_load_explicit(&jwks->asked, memory_order_relaxed) ||
        atomic_exchange(&jwks->asked, true))
        return;
    if (loop_post(jwks->loop, on_missing, jwks) != ERR_OK)
        jwks->asked = false;
}

/* A dropped connection closes in this iteration; who trusts it is freed in a later one. */
static void on_stop(void *argument)
{
    struct jwks *jwks = argument;
    call_end(jwks);
    jwks->stopping = true;
    timer_start(jwks->loop, &jwks->timer, STOP_MS);
}

static void *jwks_run(void *argument)
{
    struct jwks *jwks = argument;
    thread_name("jwks");
    loop_run(jwks->loop);
    return NULL;
}

/* The first time only. */
static enum err thread_start(struct jwks *jwks)
{
    if (jwks->loop == NULL)
        jwks->loop = loop_new();
    if (jwks->loop != NULL && !jwks->started)
        jwks->started = pthread_create(&jwks->thread, NULL, jwks_run, jwks) == 0;
    return jwks->started ? ERR_OK : ERR_NO_MEMORY;
}

/* Takes over what is in `fresh`. Under the lock: the thread looks at the source when it is told. */
static enum err source_put(struct jwks *jwks, const struct kept *fresh)
{
    pthread_mutex_lock(&jwks->lock);
    enum err const err = loop_post(jwks->loop, on_configured, jwks);
    if (err == ERR_OK) {
        buf_free(&jwks->kept.bytes);
        jwks->kept = *fresh;
        jwks->generation++;
        buf_clear(&jwks->text);
        jwks->figures.keys = 0;
    }
    pthread_mutex_unlock(&jwks->lock);
    return err;
}

enum err jwks_configure(struct jwks *jwks, const struct jwks_source *source, struct fault *fault)
{
    struct kept fresh;
    if (source_same(&jwks->kept.source, source)) /* changed by who configures alone */
        return ERR_OK;
    kept_init(&fresh);
    enum err err = kept_set(&fresh, source);
    if (err == ERR_OK)
        err = thread_start(jwks);
    if (err == ERR_OK)
        err = source_put(jwks, &fresh);
    if (err == ERR_OK)
        return ERR_OK;
    buf_free(&fresh.bytes);
    return fault_set(fault, err, "no memory for jwks_url");
}

enum err jwks_text(struct jwks *jwks, const struct jwks_source *source, struct buf *text,
                   bool *there)
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&jwks->lock);
    *there = source_same(&jwks->kept.source, source) && jwks->text.len > 0;
    if (*there)
        err = buf_add(text, buf_view(&jwks->text));
    pthread_mutex_unlock(&jwks->lock);
    return err;
}

void jwks_figures(struct jwks *jwks, struct jwks_figures *figures)
{
    pthread_mutex_lock(&jwks->lock);
    *figures = jwks->figures;
    pthread_mutex_unlock(&jwks->lock);
}

/* --- its life --------------------------------------------------------------------------------- */
struct jwks *jwks_new(const struct jwks_options *options)
{
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (jwks == NULL)
        return NULL;
    jwks->options = *options;
    jwks->arena = arena_new(FETCH_ARENA_BYTES);
    pthread_mutex_init(&jwks->lock, NULL);
    kept_init(&jwks->kept);
    kept_init(&jwks->fetching);
    buf_init(&jwks->text, JWT_KEY_TEXT_BYTES_MAX);
    buf_init(&jwks->body, JWT_KEY_TEXT_BYTES_MAX);
    timer_init(&jwks->timer, on_due);
    if (jwks->arena != NULL)
        return jwks;
    jwks_free(jwks);
    return NULL;
}

void jwks_free(struct jwks *jwks)
{
    if (jwks == NULL)
        return;
    if (jwks->loop != NULL) {
        while (loop_post(jwks->loop, on_stop, jwks) != ERR_OK)
            sched_yield();
        if (jwks->started)
            pthread_join(jwks->thread, NULL);
        else
            loop_run(jwks->loop); /* handles close only while it runs */
        loop_free(jwks->loop);
    }
    arena_free(jwks->arena);
    buf_free(&jwks->kept.bytes);
    buf_free(&jwks->fetching.bytes);
    buf_free(&jwks->text);
    buf_free(&jwks->body);
    pthread_mutex_destroy(&jwks->lock);
    free(jwks);
}
