/* admin.c - finds the route, checks the credential, runs the handler on the pool, sends its answer.
 */
#include "admin/auth_int.h"
#include "admin/events.h"
#include "admin/idempotent.h"
#include "admin/jobs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "codec/utf8.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { ADMIN_ARENA_BYTES = 64 << 20, REFUSED_LOG_EVERY_US = 1000000 };

typedef enum err admin_run(struct admin_call *call, struct json_writer *writer);

struct admin {
    struct admin_options options;
    struct auth *auth;
    _Atomic size_t running;
    _Atomic int64_t refused;
    _Atomic int64_t refused_logged_us;
    struct jobs *jobs;
    struct events *events;
    admin_run *runs[API_OPERATION_COUNT];
};

static const char problem_type[] = "application/problem+json";

static const struct handler {
    const char *name;
    admin_run *run;
} handlers[] = {
#define X(handler) {#handler, handler},
#include "admin/handlers.def"
#undef X
};
enum { HANDLER_COUNT = sizeof handlers / sizeof handlers[0] };

static admin_run *handler_of(const struct api_operation *operation)
{
    for (size_t i = 0; i < HANDLER_COUNT; i++)
        if (strcmp(handlers[i].name, operation->handler) == 0)
            return handlers[i].run;
    return NULL;
}

struct auth *admin_auth(const struct admin *admin)
{
    return admin->auth;
}

const struct admin_options *admin_options(const struct admin *admin)
{
    return &admin->options;
}

struct jobs *admin_jobs(const struct admin *admin)
{
    return admin->jobs;
}

struct admin *admin_new(const struct admin_options *options)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return NULL;
    admin->options = *options;
    admin->jobs = jobs_new(admin);
    admin->auth = admin->jobs != NULL ? auth_new() : NULL;
    if (admin->auth != NULL)
        admin->events = events_new(&admin->options);
    if (admin->events == NULL) {
        auth_free(admin->auth);
        jobs_free(admin->jobs);
        free(admin);
        return NULL;
    }
    for (size_t i = 0; i < API_OPERATION_COUNT; i++) {
        admin->runs[i] = handler_of(&api_operations[i]);
        MUST(admin->runs[i] != NULL);
    }
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
    events_free(admin->events);
    jobs_free(admin->jobs);
    auth_free(admin->auth);
    free(admin);
}

void admin_events_beat(struct admin *admin)
{
    events_beat(admin->events);
}

void admin_events_stop(struct admin *admin)
{
    events_stop(admin->events);
}

/* --- answers -------------------------------------------------------------------------------- */
static void put_problem(struct buf *out, enum err err, const struct fault *fault)
{
    const struct err_row *row = err_row(err);
    struct json_writer writer;
    buf_clear(out);
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_text(&writer, "type", STR("about:blank"));
    json_pair_text(&writer, "title", row->text);
    json_pair_i64(&writer, "status", row->http);
    json_pair_text(&writer, "code", row->code);
    if (fault->detail[0] != '\0')
        json_pair_text(&writer, "detail", str_of(fault->detail));
    if (fault->param[0] != '\0')
        json_pair_text(&writer, "param", str_of(fault->param));
    json_object_close(&writer);
    if (json_write_end(&writer) != ERR_OK)
        buf_clear(out);
}

static void render_problem(struct admin_call *call)
{
    put_problem(&call->out, call->err, &call->fault);
    call->status = err_row(call->err)->http;
    call->content_type = problem_type;
}

void admin_refuse(struct arena *arena, const struct fault *fault, struct str *content_type,
                  struct str *body)
{
    struct buf out;
    buf_init(&out, ADMIN_ANSWER_BYTES_MAX);
    put_problem(&out, fault->code, fault);
    *content_type = str_of(problem_type);
    *body = arena_copy(arena, buf_view(&out));
    buf_free(&out);
}

static void call_free(struct admin_call *call)
{
    call->admin->running--;
    if (call->body.len > 0) /* it may have brought a key */
        secret_zero((char *)(uintptr_t)call->body.ptr, call->body.len);
    buf_free(&call->out);
    arena_free(call->arena); /* the call itself is in it */
}

static struct http_reply reply_of(const struct admin_call *call)
{
    return (struct http_reply){
        .status = call->status,
        .content_type = str_of(call->content_type),
        .headers = call->headers.len > 0 ? call->headers : STR("cache-control: no-store\r\n")};
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

/* True: the exchange is no longer the call's. */
static bool become_listener(struct admin_call *call)
{
    if (call->err != ERR_OK || call->events_wanted == NULL)
        return false;
    if (call->gone)
        http_abort(call->exchange);
    else
        call->err = events_begin(call->admin->events, call);
    if (call->err != ERR_OK) {
        call->headers = STR("cache-control: no-store\r\nretry-after: 10\r\n");
        return false;
    }
    call_free(call);
    return true;
}

static void send_answer(struct admin_call *call)
{
    if (become_listener(call))
        return;
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
static void call_run(void *owner)
{
    struct admin_call *call = owner;
    struct json_writer writer;
    call->more = false;
    buf_clear(&call->out);
    json_write_start(&writer, &call->out);
    bool answered = false;
    if (call->idempotent != NULL)
        call->err = idempotent_begin(call, &answered);
    if (!answered && call->err == ERR_OK)
        call->err = call->admin->runs[call->operation - api_operations](call, &writer);
    if (call->err == ERR_OK && writer.err != ERR_OK)
        call->err = fault_set(&call->fault, writer.err, "the answer does not fit");
    if (call->idempotent != NULL)
        idempotent_end(call);
}

static void work_run(uv_work_t *work)
{
    call_run(work->data);
}

static void call_done(void *call)
{
    send_answer(call);
}

/* Hashes of passwords have a thread of their own. */
static void work_slowly(struct admin_call *call)
{
    struct auth_job const job = {call_run, call_done, call, http_loop(call->exchange)};
    if (auth_thread_add(call->admin->auth->thread, &job))
        return;
    call->headers = STR("cache-control: no-store\r\nretry-after: 1\r\n");
    call->err = ERR_OVERLOADED;
    send_answer(call);
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
static bool match(struct admin_call *call, struct str pattern, struct str path)
{
    size_t params = 0;
    while (pattern.len > 0 && path.len > 0) {
        size_t const part = str_find(str_skip(pattern, 1), STR("/")) + 1;
        size_t const here = str_find(str_skip(path, 1), STR("/")) + 1;
        if (path.ptr[0] != '/')
            return false;
        if (part > 1 && pattern.ptr[1] == '{') {
            MUST(params < API_PATH_PARAMETERS_MAX);
            call->params[params] = admin_decode(call->arena, str_make(path.ptr + 1, here - 1));
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

static enum err find_operation(struct admin_call *call, const struct http_head *head)
{
    bool other_method = false;
    for (size_t i = 0; i < API_OPERATION_COUNT; i++) {
        if (!match(call, str_of(api_operations[i].path), head->path))
            continue;
        if (api_operations[i].method == head->method) {
            call->operation = &api_operations[i];
            return ERR_OK;
        }
        other_method = true;
    }
    return other_method ? ERR_METHOD_UNKNOWN : ERR_NOT_FOUND;
}

/* --- what openapi.yaml allows ---------------------------------------------------------------- */
static const struct api_parameter *parameter_of(const struct admin_call *call, struct str name)
{
    for (const struct api_parameter *it = call->operation->parameters; it->name != NULL; it++)
        if (it->place == API_IN_QUERY && str_eq(str_of(it->name), name))
            return it;
    return NULL;
}

static enum err check_parameter(struct admin_call *call, const struct api_parameter *parameter,
                                struct str text)
{
    return schema_check_text(parameter->schema, text, parameter->name, &call->fault);
}

static enum err check_path(struct admin_call *call)
{
    enum err err = ERR_OK;
    const struct api_parameter *it = call->operation->parameters;
    for (size_t i = 0; err == ERR_OK && it->name != NULL && it->place == API_IN_PATH; it++, i++)
        err = check_parameter(call, it, call->params[i]);
    return err;
}

static bool is_repeated(struct str rest, struct str name)
{
    while (rest.len > 0) {
        struct str const pair = str_make(rest.ptr, str_find(rest, STR("&")));
        if (str_eq(str_make(pair.ptr, str_find(pair, STR("="))), name))
            return true;
        rest = str_skip(rest, pair.len + 1);
    }
    return false;
}

static enum err check_query(struct admin_call *call)
{
    enum err err = ERR_OK;
    for (struct str rest = call->query; err == ERR_OK && rest.len > 0;) {
        size_t const end = str_find(rest, STR("&"));
        struct str const pair = str_make(rest.ptr, end);
        struct str const name = str_make(pair.ptr, str_find(pair, STR("=")));
        const struct api_parameter *parameter = parameter_of(call, name);
        if (name.len > 0 && parameter == NULL)
            return fault_set(&call->fault, ERR_FIELD_INVALID, "there is no parameter \"%.*s\" here",
                             (int)(name.len < 60 ? name.len : 60), name.ptr);
        if (parameter != NULL && is_repeated(str_skip(rest, end + 1), name))
            return fault_param(&call->fault, ERR_FIELD_INVALID, parameter->name,
                               "it is there twice");
        if (parameter != NULL) {
            struct str const text = admin_query(call, parameter->name);
            err = text.ptr != NULL ? check_parameter(call, parameter, text)
                                   : fault_param(&call->fault, ERR_FIELD_INVALID, parameter->name,
                                                 "an escape that is none");
        }
        rest = str_skip(rest, end + 1);
    }
    for (const struct api_parameter *it = call->operation->parameters;
         err == ERR_OK && it->name != NULL; it++)
        if (it->required && it->place == API_IN_QUERY && admin_query(call, it->name).ptr == NULL)
            err = fault_param(&call->fault, ERR_FIELD_INVALID, it->name, "it must be given");
    return err;
}

static enum err check_headers(struct admin_call *call)
{
    enum err err = ERR_OK;
    const struct api_parameter *it = call->operation->parameters;
    for (; err == ERR_OK && it->name != NULL; it++) {
        struct str const text = it->place == API_IN_HEADER
                                    ? http_header(call->exchange, str_of(it->name))
                                    : (struct str){0};
        if (text.ptr != NULL && check_parameter(call, it, text) != ERR_OK)
            err = call->fault.code = ERR_HEADER_INVALID;
    }
    return err;
}

static bool is_json(struct str type)
{
    struct str const bare = str_trim(str_make(type.ptr, str_find(type, STR(";"))));
    return str_eq_nocase(bare, STR("application/json")) ||
           str_eq_nocase(bare, STR("application/merge-patch+json"));
}

static enum err check_body(struct admin_call *call)
{
    const struct schema *schema = call->operation->body;
    struct str const type = http_header(call->exchange, STR("content-type"));
    if (schema == NULL)
        return call->body.len == 0
                   ? ERR_OK
                   : fault_set(&call->fault, ERR_FIELD_INVALID, "this operation takes no body");
    if (call->body.len == 0)
        return fault_set(&call->fault, ERR_FIELD_INVALID, "a JSON object is expected as body");
    if (type.ptr != NULL && !is_json(type))
        return fault_set(&call->fault, ERR_MEDIA_UNKNOWN, "the body must be application/json");
    enum err const err = json_scan(call->body, &call->object, &call->fault);
    if (err != ERR_OK)
        return err;
    return schema_check(schema, call->body, true, call->operation->partial, &call->fault);
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

static struct str header_copy(const struct admin_call *call, struct str name, size_t len_max)
{
    struct str value = http_header(call->exchange, name);
    if (value.ptr == NULL)
        return STR("");
    value.len = utf8_valid_prefix(str_make(value.ptr, value.len < len_max ? value.len : len_max));
    struct str const copy = arena_copy(call->arena, value);
    return copy.ptr != NULL ? copy : STR("");
}

/* Headers of `cota apply`, believed on the Unix socket only. */
static void file_headers_read(struct admin_call *call)
{
    struct http_exchange *exchange = call->exchange;
    call->local = http_is_local(exchange);
    call->from_file =
        call->local && str_eq(http_header(exchange, STR("x-cota-origin")), STR("file"));
    call->dry_run = call->local && str_eq(http_header(exchange, STR("x-cota-dry-run")), STR("1"));
}

static struct str actor_name(struct admin_call *call)
{
    struct str const parts[] = {STR("file:"),
                                header_copy(call, STR("x-cota-file"), ADMIN_TEXT_BYTES_MAX)};
    if (!call->from_file)
        return call->local ? STR("socket") : STR("token");
    struct str const name = arena_concat(call->arena, parts, 2);
    return name.ptr != NULL ? name : STR("file:");
}

/* Who writes: told from where and how, because one token may be in many hands. */
static void actor_read(struct admin_call *call)
{
    struct str const peer = arena_copy(call->arena, http_peer(call->exchange));
    file_headers_read(call);
    call->actor = (struct object_actor){
        .actor = actor_name(call),
        .address = call->local || peer.ptr == NULL ? STR("") : peer,
        .user_agent = header_copy(call, STR("user-agent"), ADMIN_TEXT_BYTES_MAX),
        .reason = header_copy(call, STR("x-cota-reason"), ADMIN_TEXT_BYTES_MAX),
        .request_id = header_copy(call, STR("x-request-id"), REQUEST_ID_BYTES_MAX),
    };
    call->accept = header_copy(call, STR("accept"), ADMIN_TEXT_BYTES_MAX);
    call->if_match = header_copy(call, STR("if-match"), ADMIN_TEXT_BYTES_MAX);
    call->if_none_match = str_eq(http_header(call->exchange, STR("if-none-match")), STR("*"));
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
    actor_read(call);
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
    enum err const found = find_operation(call, http_head(exchange));
    call->err = auth_caller(call);
    if (call->err != ERR_OK)
        log_refused(admin, exchange);
    if (call->err == ERR_OK)
        call->err = found;
    if (call->err == ERR_OK)
        call->err = auth_permission(call);
    if (call->err == ERR_OK)
        call->err = check_path(call);
    if (call->err == ERR_OK)
        call->err = check_query(call);
    if (call->err == ERR_OK)
        call->err = check_headers(call);
    if (call->err == ERR_OK)
        call->err = check_body(call);
    if (call->err == ERR_OK)
        call->err = auth_customer(call);
    if (call->err != ERR_OK) {
        send_answer(call);
        return;
    }
    idempotent_read(call);
    http_watch(exchange, &watcher, call);
    if (call->operation->slow)
        work_slowly(call);
    else
        work_again(call);
}
