/* admin.c - finds the route, checks the credential, runs the handler on the pool, sends its answer.
 */
#include "admin/admin_int.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { ADMIN_ARENA_BYTES = 64 << 20, REFUSED_LOG_EVERY_US = 1000000 };

struct admin {
    struct admin_options options;
    _Atomic size_t running;
    _Atomic int64_t refused;
    _Atomic int64_t refused_logged_us;
};

typedef enum err admin_run(struct admin_call *call, struct json_writer *writer);

static const struct admin_route routes[] = {
#define X(method, path, handler, query, body, summary)                                             \
    {HTTP_##method, #method, path, query, body, summary},
#include "admin/routes.def"
#undef X
};
static admin_run *const handlers[] = {
#define X(method, path, handler, query, body, summary) handler,
#include "admin/routes.def"
#undef X
};
enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

const struct admin_route *admin_route_at(size_t index)
{
    return index < ROUTE_COUNT ? &routes[index] : NULL;
}

const struct admin_options *admin_options(const struct admin *admin)
{
    return &admin->options;
}

struct admin *admin_new(const struct admin_options *options)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin != NULL)
        admin->options = *options;
    return admin;
}

bool admin_owns(struct str path)
{
    return str_starts(path, STR("/api/"));
}

size_t admin_running(const struct admin *admin)
{
    return admin->running;
}

int64_t admin_refused(const struct admin *admin)
{
    return admin->refused;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    MUST(admin->running == 0);
    secret_wipe(&admin->options.token);
    free(admin);
}

/* --- answers -------------------------------------------------------------------------------- */
static void render_problem(struct admin_call *call)
{
    const struct err_row *row = err_row(call->err);
    struct json_writer writer;
    buf_clear(&call->out);
    json_write_start(&writer, &call->out);
    json_object_open(&writer);
    json_pair_text(&writer, "type", STR("about:blank"));
    json_pair_text(&writer, "title", row->text);
    json_pair_i64(&writer, "status", row->http);
    json_pair_text(&writer, "code", row->code);
    if (call->fault.detail[0] != '\0')
        json_pair_text(&writer, "detail", str_of(call->fault.detail));
    if (call->fault.param[0] != '\0')
        json_pair_text(&writer, "param", str_of(call->fault.param));
    json_object_close(&writer);
    if (json_write_end(&writer) != ERR_OK)
        buf_clear(&call->out);
    call->status = row->http;
    call->content_type = "application/problem+json";
}

static void call_free(struct admin_call *call)
{
    call->admin->running--;
    buf_free(&call->out);
    arena_free(call->arena); /* the call itself is in it */
}

static struct http_reply reply_of(const struct admin_call *call)
{
    return (struct http_reply){.status = call->status,
                               .content_type = str_of(call->content_type),
                               .headers = STR("cache-control: no-store\r\n")};
}

static void work_again(struct admin_call *call);

/* One page of a streamed answer is ready. */
static void send_page(struct admin_call *call)
{
    if (call->gone || call->err != ERR_OK) { /* the head is out: only a cut tells the client */
        http_abort(call->exchange);
        call_free(call);
        return;
    }
    if (!call->started) {
        struct http_reply const reply = reply_of(call);
        http_stream_start(call->exchange, &reply);
        call->started = true;
    }
    if (!call->more) {
        http_stream_end(call->exchange, buf_view(&call->out));
        call_free(call);
        return;
    }
    http_stream_write(call->exchange, buf_view(&call->out));
    if (http_queued(call->exchange) > CLIENT_QUEUE_HIGH_BYTES)
        call->waiting = true; /* on_drain goes on */
    else
        work_again(call);
}

static void send_answer(struct admin_call *call)
{
    if (call->started || (call->err == ERR_OK && call->more)) {
        send_page(call);
        return;
    }
    if (call->err != ERR_OK)
        render_problem(call);
    struct http_reply const reply = reply_of(call);
    struct str const body = buf_view(&call->out);
    http_reply(call->exchange, &reply, &body, 1);
    call_free(call);
}

/* --- work ------------------------------------------------------------------------------------ */
static void work_run(uv_work_t *work)
{
    struct admin_call *call = work->data;
    struct json_writer writer;
    call->more = false;
    buf_clear(&call->out);
    json_write_start(&writer, &call->out);
    call->err = handlers[call->route - routes](call, &writer);
    if (call->err == ERR_OK && writer.err != ERR_OK)
        call->err = fault_set(&call->fault, writer.err, "the answer does not fit");
}

static void work_done(uv_work_t *work, int status)
{
    struct admin_call *call = work->data;
    if (status != 0)
        call->err = ERR_DRAINING;
    send_answer(call);
}

static void work_again(struct admin_call *call)
{
    uv_loop_t *loop = loop_uv(http_loop(call->exchange));
    if (uv_queue_work(loop, &call->work, work_run, work_done) != 0) {
        call->err = ERR_INTERNAL;
        send_answer(call);
    }
}

static void on_drain(void *owner)
{
    struct admin_call *call = owner;
    if (call->waiting) {
        call->waiting = false;
        work_again(call);
    }
}

static void on_gone(void *owner)
{
    struct admin_call *call = owner;
    call->gone = true;
    if (call->waiting) { /* nothing else will end it */
        http_abort(call->exchange);
        call_free(call);
    }
}

/* --- routing --------------------------------------------------------------------------------- */
static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Percent-decoded; ptr NULL: a bad escape, or no memory. */
static struct str decode(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        if (text.ptr[i] != '%') {
            out[len++] = text.ptr[i];
            continue;
        }
        int const high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int const low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return (struct str){0};
        out[len++] = (char)(high << 4 | low);
        i += 2;
    }
    return str_make(out, len);
}

static bool match(struct admin_call *call, struct str pattern, struct str path)
{
    size_t params = 0;
    while (pattern.len > 0 && path.len > 0) {
        size_t const part = str_find(str_skip(pattern, 1), STR("/")) + 1;
        size_t const here = str_find(str_skip(path, 1), STR("/")) + 1;
        if (path.ptr[0] != '/')
            return false;
        if (part > 1 && pattern.ptr[1] == '{') {
            MUST(params < ADMIN_PARAMS_MAX);
            call->params[params] = decode(call->arena, str_make(path.ptr + 1, here - 1));
            if (call->params[params++].len == 0)
                return false;
        } else if (!str_eq(str_make(pattern.ptr, part), str_make(path.ptr, here))) {
            return false;
        }
        pattern = str_skip(pattern, part);
        path = str_skip(path, here);
    }
    return pattern.len == 0 && path.len == 0;
}

static enum err find_route(struct admin_call *call, const struct http_head *head)
{
    bool other_method = false;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!match(call, str_of(routes[i].path), head->path))
            continue;
        if (routes[i].method == head->method) {
            call->route = &routes[i];
            return ERR_OK;
        }
        other_method = true;
    }
    return other_method ? ERR_METHOD_UNKNOWN : ERR_NOT_FOUND;
}

/* Is `name` one of "a|b|c"? */
static bool is_listed(const char *names, struct str name)
{
    for (struct str rest = str_of(names); rest.len > 0;) {
        size_t const end = str_find(rest, STR("|"));
        if (str_eq(str_make(rest.ptr, end), name))
            return true;
        rest = str_skip(rest, end + 1);
    }
    return false;
}

static enum err check_query(struct admin_call *call)
{
    for (struct str rest = call->query; rest.len > 0;) {
        size_t const end = str_find(rest, STR("&"));
        struct str const pair = str_make(rest.ptr, end);
        struct str const name = str_make(pair.ptr, str_find(pair, STR("=")));
        if (name.len > 0 && !is_listed(call->route->query, name))
            return fault_set(&call->fault, ERR_FIELD_INVALID, "there is no parameter \"%.*s\" here",
                             (int)(name.len < 60 ? name.len : 60), name.ptr);
        rest = str_skip(rest, end + 1);
    }
    return ERR_OK;
}

static enum err check_body(struct admin_call *call)
{
    if (call->body.len == 0)
        return ERR_OK;
    enum err err = json_scan(call->body, &call->object, &call->fault);
    if (err == ERR_OK && json_type(call->body) != JSON_OBJECT && call->object.text.len == 0)
        err = fault_set(&call->fault, ERR_FIELD_INVALID, "the body must be a JSON object");
    for (size_t i = 0; err == ERR_OK && i < call->object.count; i++) {
        struct str const key = call->object.members[i].key;
        if (!is_listed(call->route->body, key))
            err = fault_set(&call->fault, ERR_FIELD_INVALID, "there is no field \"%.*s\" here",
                            (int)(key.len < 60 ? key.len : 60), key.ptr);
    }
    return err;
}

static void log_refused(struct admin *admin, struct http_exchange *exchange)
{
    int64_t const now_us = clock_mono_us(admin->options.clock);
    int64_t last_us = admin->refused_logged_us;
    admin->refused++;
    /* somebody who guesses tokens shall not fill the disk with our complaints */
    if ((last_us == 0 || now_us - last_us >= REFUSED_LOG_EVERY_US) &&
        atomic_compare_exchange_strong(&admin->refused_logged_us, &last_us, now_us))
        LOG(control_refused, field_str("peer", http_peer(exchange)),
            field_int("refused", admin->refused));
}

static enum err check_token(struct admin *admin, struct http_exchange *exchange)
{
    if (http_is_local(exchange))
        return ERR_OK;
    struct str const given = http_header(exchange, STR("authorization"));
    struct str const scheme = STR("Bearer ");
    bool const bearer = given.len > scheme.len &&
                        str_eq_nocase(str_make(given.ptr, scheme.len), scheme) &&
                        http_header_count(exchange, STR("authorization")) == 1;
    if (bearer &&
        secret_equal(str_trim(str_skip(given, scheme.len)), secret_view(&admin->options.token)))
        return ERR_OK;
    log_refused(admin, exchange);
    return given.ptr == NULL ? ERR_KEY_MISSING : ERR_KEY_INVALID;
}

/* Everything that the call needs after the exchange's memory may be gone. NULL: no memory. */
static struct admin_call *call_new(struct admin *admin, struct http_exchange *exchange)
{
    const struct http_head *head = http_head(exchange);
    struct arena *arena = arena_new(ADMIN_ARENA_BYTES);
    struct admin_call *call = arena ? arena_zalloc(arena, sizeof *call) : NULL;
    if (call == NULL) {
        arena_free(arena);
        return NULL;
    }
    *call = (struct admin_call){.admin = admin,
                                .exchange = exchange,
                                .arena = arena,
                                .status = 200,
                                .content_type = "application/json",
                                .query = arena_copy(arena, head->query),
                                .body = arena_copy(arena, http_body(exchange))};
    call->work.data = call;
    buf_init(&call->out, ADMIN_ANSWER_BYTES_MAX);
    admin->running++;
    return call;
}

void admin_handle(struct admin *admin, struct http_exchange *exchange)
{
    struct admin_call *call = call_new(admin, exchange);
    if (call == NULL) {
        http_abort(exchange);
        return;
    }
    static const struct http_watcher watcher = {.on_gone = on_gone, .on_drain = on_drain};
    call->err = check_token(admin, exchange);
    if (call->err == ERR_OK)
        call->err = find_route(call, http_head(exchange));
    if (call->err == ERR_OK)
        call->err = check_query(call);
    if (call->err == ERR_OK)
        call->err = check_body(call);
    if (call->err != ERR_OK) {
        send_answer(call);
        return;
    }
    http_watch(exchange, &watcher, call);
    work_again(call);
}

/* --- what handlers read ---------------------------------------------------------------------- */
struct str admin_query(struct admin_call *call, const char *name)
{
    for (struct str rest = call->query; rest.len > 0;) {
        size_t const end = str_find(rest, STR("&"));
        struct str const pair = str_make(rest.ptr, end);
        size_t const equals = str_find(pair, STR("="));
        if (str_eq(str_make(pair.ptr, equals), str_of(name)))
            return decode(call->arena, str_skip(pair, equals + 1));
        rest = str_skip(rest, end + 1);
    }
    return (struct str){0};
}
