/* client.c - one call from its first deadline to its last byte.
 *
 *   CONNECTING --open--> HEAD --head--> BODY --end--> (gone)      DOOMED: will fail from the loop
 *       |                  |              |
 *       +------ deadline, end of stream, bad framing ------> on_fail
 *
 * Why:   a call lives in the request's arena and is gone the moment its last callback begins, so
 *        whoever calls back looks at the connection afterwards, never at the call.
 */
#include "base/limits.h"
#include "base/must.h"
#include "net/timer.h"
#include "upstream/call_int.h"
#include "upstream/pool.h"
#include <stdlib.h>

_Static_assert(1 + UPSTREAM_PARTS_MAX <= STREAM_IOVEC_MAX, "a request is one writev");

enum call_phase { CALL_CONNECTING, CALL_HEAD, CALL_BODY, CALL_DOOMED };

struct call {
    struct upstream_call base;
    struct upstream_client *client;
    const struct upstream_target *target;
    const struct upstream_request *request;
    const struct upstream_handler *handler;
    void *owner;
    struct connection *connection; /* NULL: DOOMED */
    struct timer timer;
    int64_t phase_due_ms, total_due_ms;
    struct str head; /* of the request, rendered */
    enum call_phase phase;
    enum upstream_fail doom;
    char doom_detail[96];
    bool dispatched; /* on_dispatch was asked */
    bool reused;     /* the connection has served another call before */
    bool paused, stream;
};

struct upstream_client {
    struct loop *loop;
    struct pools *pools;
    struct upstream_figures figures;
    size_t running; /* network calls */
};

/* One writer, read by others: no locked instruction is needed. */
static void tick(int64_t *figure)
{
    __atomic_store_n(figure, *figure + 1, __ATOMIC_RELAXED);
}

/* --- deadlines ------------------------------------------------------------------------------- */

#define NEVER_MS INT64_MAX

/* Every wait has an end, also where the configuration says nothing. */
static int64_t wait_ms(int64_t configured_ms)
{
    return configured_ms > 0 ? configured_ms : UPSTREAM_TOTAL_MS;
}

static void timer_arm(struct call *call)
{
    struct loop *loop = call->client->loop;
    int64_t const due_ms =
        call->phase_due_ms < call->total_due_ms ? call->phase_due_ms : call->total_due_ms;
    int64_t const delay_ms = due_ms - loop_now_ms(loop);
    timer_start(loop, &call->timer, delay_ms > 0 ? delay_ms : 0);
}

/* The wheel makes pushing a deadline back almost free, so this runs for every read. */
static void wait_for(struct call *call, int64_t delay_ms)
{
    call->phase_due_ms =
        delay_ms == NEVER_MS ? NEVER_MS : loop_now_ms(call->client->loop) + delay_ms;
    timer_arm(call);
}

static void wait_for_body(struct call *call)
{
    wait_for(call, call->paused ? NEVER_MS : wait_ms(call->target->timeouts.idle_ms));
}

/* --- the end of a call ----------------------------------------------------------------------- */

/* Takes the connection away from the call; the caller keeps or drops it. */
static struct connection *call_end(struct call *call)
{
    struct connection *connection = call->connection;
    timer_stop(&call->timer);
    call->client->running--;
    call->connection = NULL;
    if (connection)
        connection->call = NULL;
    return connection;
}

static void call_fail(struct call *call, enum upstream_fail why, const char *detail)
{
    const struct upstream_handler *handler = call->handler;
    void *owner = call->owner;
    tick(&call->client->figures.failures);
    struct connection *connection = call_end(call);
    if (connection) /* the detail may be the stream's own: it outlives this callback */
        pools_drop(connection);
    handler->on_fail(owner, why, detail);
}

/* Fails from the loop: callbacks other than on_dispatch never come out of upstream_call. */
static void call_doom(struct call *call, enum upstream_fail why, const char *detail)
{
    struct connection *connection = call->connection;
    call->connection = NULL;
    if (connection) {
        connection->call = NULL;
        pools_drop(connection);
    }
    size_t const len = strnlen(detail, sizeof call->doom_detail - 1);
    memcpy(call->doom_detail, detail, len);
    call->doom_detail[len] = '\0';
    call->doom = why;
    call->phase = CALL_DOOMED;
    wait_for(call, 0);
}

/* The whole answer is here. `left`: bytes that follow it. */
static void call_done(struct call *call, bool left)
{
    const struct upstream_handler *handler = call->handler;
    void *owner = call->owner;
    bool const paused = call->paused;
    struct connection *connection = call_end(call);
    /* a request that was answered before it was sent would be cut by the next one */
    bool const keep =
        !left && answer_reusable(&connection->answer) && stream_queued(connection->stream) == 0;
    if (keep && paused)
        stream_read_start(connection->stream);
    if (keep)
        pools_keep(connection);
    else
        pools_drop(connection);
    handler->on_done(owner);
}

/* --- the answer ------------------------------------------------------------------------------ */

static bool on_answer_head(void *owner, const struct upstream_head *head)
{
    struct connection *connection = owner;
    struct call *call = connection->call;
    call->phase = CALL_BODY;
    wait_for_body(call);
    call->handler->on_head(call->owner, head);
    return connection->call == call;
}

static bool on_answer_body(void *owner, struct str bytes)
{
    struct connection *connection = owner;
    struct call *call = connection->call;
    call->handler->on_body(call->owner, bytes);
    return connection->call == call;
}

static const struct answer_handler answer_handler = {on_answer_head, on_answer_body};

/* Ends the call when the answer says so; false: nothing more to feed. */
static bool answer_went_on(struct connection *connection, enum answer_result result, bool left)
{
    struct answer *answer = &connection->answer;
    switch (result) {
    case ANSWER_MORE:
        return true;
    case ANSWER_DONE:
        call_done(connection->call, left);
        return false;
    case ANSWER_FAILED:
        call_fail(connection->call, answer->why, answer->detail);
        return false;
    case ANSWER_STOPPED: /* the call was cancelled in a callback */
        return false;
    }
    return false;
}

/* Gives bytes to the answer until it ends or the call is paused; the rest is held. */
static void answer_give(struct connection *connection, struct str bytes)
{
    connection_hold(connection);
    bool more = true;
    while (more && bytes.len > 0 && !connection->call->paused) {
        size_t used = 0;
        enum answer_result const result = answer_feed(&connection->answer, bytes, &used);
        bytes = str_skip(bytes, used);
        more = answer_went_on(connection, result, bytes.len > 0);
    }
    if (more && bytes.len > 0 && buf_add(&connection->held, bytes) != ERR_OK)
        call_fail(connection->call, UPSTREAM_FAIL_MEMORY, "no memory for a paused answer");
    else if (more && connection->call->phase == CALL_BODY)
        wait_for_body(connection->call);
    connection_release(connection);
}

/* What came before the pause took hold goes first; then the connection is read on. */
static void held_give(struct call *call)
{
    struct connection *connection = call->connection;
    struct buf held = connection->held;
    buf_init(&connection->held, UPSTREAM_HELD_BYTES_MAX);
    connection_hold(connection);
    answer_give(connection, buf_view(&held));
    buf_free(&held);
    if (connection->call == call && !call->paused)
        stream_read_start(connection->stream);
    connection_release(connection);
}

/* --- sending --------------------------------------------------------------------------------- */

static void call_connect(struct call *call)
{
    struct fault fault = {0};
    call->connection = pools_connect(call->client->pools, call->target, &fault);
    if (!call->connection) {
        call_doom(call, fault.code == ERR_NO_MEMORY ? UPSTREAM_FAIL_MEMORY : UPSTREAM_FAIL_TLS,
                  fault.detail);
        return;
    }
    tick(&call->client->figures.connects);
    call->connection->call = call;
    call->reused = false;
    call->phase = CALL_CONNECTING;
    wait_for(call, wait_ms(call->target->timeouts.connect_ms));
}

/* False: the owner does not want it any more, and the call is gone. */
static bool dispatch_allowed(struct call *call)
{
    struct connection *connection = call->connection;
    if (call->dispatched)
        return true;
    call->dispatched = true;
    connection_hold(connection);
    bool const wanted = call->handler->on_dispatch(call->owner);
    bool const alive = connection->call == call;
    if (alive && !wanted)
        pools_drop(call_end(call));
    connection_release(connection);
    return wanted && alive;
}

static enum err request_write(struct call *call)
{
    struct str parts[1 + UPSTREAM_PARTS_MAX];
    size_t const count = call->request->part_count;
    MUST(count <= UPSTREAM_PARTS_MAX);
    parts[0] = call->head;
    if (count)
        memcpy(parts + 1, call->request->parts, count * sizeof parts[0]);
    return stream_write(call->connection->stream, parts, 1 + count);
}

/* A pooled connection had died while idle: not one byte went out, so a fresh one may try. */
static void call_connect_again(struct call *call)
{
    struct connection *connection = call->connection;
    call->connection = NULL;
    connection->call = NULL;
    pools_drop(connection);
    call_connect(call);
}

static void call_dispatch(struct call *call)
{
    if (!dispatch_allowed(call))
        return;
    struct connection *connection = call->connection;
    answer_start(&connection->answer, &answer_handler, connection);
    if (call->stream)
        answer_allow_stream(&connection->answer);
    call->phase = CALL_HEAD;
    enum err const err = request_write(call);
    if (err == ERR_OK) {
        if (call->paused)
            stream_read_stop(connection->stream);
        wait_for(call, wait_ms(call->target->timeouts.first_byte_ms));
    } else if (err == ERR_UPSTREAM_CUT && call->reused) {
        call_connect_again(call);
    } else {
        call_doom(call, err == ERR_UPSTREAM_CUT ? UPSTREAM_FAIL_RESET : UPSTREAM_FAIL_MEMORY,
                  "the request could not be written");
    }
}

/* --- the stream's side ----------------------------------------------------------------------- */

static void on_open(void *owner)
{
    struct connection *connection = owner;
    call_dispatch(connection->call);
}

static void on_data(void *owner, struct str bytes)
{
    struct connection *connection = owner;
    if (!connection->call)
        pools_drop(connection); /* idle: nobody asked for anything */
    else if (connection->held.len > 0 || connection->call->phase == CALL_CONNECTING)
        call_fail(connection->call, UPSTREAM_FAIL_INVALID, "bytes out of turn");
    else
        answer_give(connection, bytes);
}

static void connect_failed(struct call *call, enum stream_end why, const char *detail)
{
    call_fail(call, why == STREAM_END_TLS ? UPSTREAM_FAIL_TLS : UPSTREAM_FAIL_CONNECT, detail);
}

static void on_end(void *owner, enum stream_end why, const char *detail)
{
    struct connection *connection = owner;
    if (!connection->call) {
        pools_drop(connection);
    } else if (connection->call->phase == CALL_CONNECTING) {
        connect_failed(connection->call, why, detail);
    } else if (why == STREAM_END_UNSENT && connection->call->reused &&
               connection->call->phase == CALL_HEAD) {
        call_connect_again(connection->call);
    } else if (why != STREAM_END_EOF) {
        call_fail(connection->call, UPSTREAM_FAIL_RESET, detail);
    } else {
        connection_hold(connection);
        (void)answer_went_on(connection, answer_close(&connection->answer), true);
        connection_release(connection);
    }
}

static void on_drain(void *owner)
{
    (void)owner; /* the request is written as a whole; its deadline runs anyway */
}

static const struct stream_handler stream_handler = {on_open, on_data, on_end, on_drain};

static void phase_over(struct call *call)
{
    switch (call->phase) {
    case CALL_CONNECTING:
        call_fail(call, UPSTREAM_FAIL_CONNECT_TIMEOUT, "no connection in time");
        break;
    case CALL_HEAD:
        call_fail(call, UPSTREAM_FAIL_FIRST_BYTE, "no answer in time");
        break;
    case CALL_BODY:
        if (call->connection->held.len > 0)
            held_give(call);
        else
            call_fail(call, UPSTREAM_FAIL_IDLE, "the answer stopped");
        break;
    case CALL_DOOMED:
        call_fail(call, call->doom, call->doom_detail);
        break;
    }
}

static void on_due(struct timer *timer)
{
    struct call *call = LIST_OWNER(timer, struct call, timer);
    int64_t const now_ms = loop_now_ms(call->client->loop);
    if (call->phase_due_ms <= now_ms)
        phase_over(call);
    else if (call->total_due_ms <= now_ms)
        call_fail(call, UPSTREAM_FAIL_TOTAL, "the whole call took too long");
    else
        timer_arm(call);
}

/* --- a network call's operations ------------------------------------------------------------- */

static struct call *call_of(struct upstream_call *base)
{
    return (struct call *)base; /* its first member */
}

static void call_pause(struct upstream_call *base)
{
    struct call *call = call_of(base);
    if (call->paused)
        return;
    call->paused = true;
    if (call->phase == CALL_HEAD || call->phase == CALL_BODY)
        stream_read_stop(call->connection->stream);
    if (call->phase == CALL_BODY)
        wait_for_body(call);
}

static void call_resume(struct upstream_call *base)
{
    struct call *call = call_of(base);
    if (!call->paused)
        return;
    call->paused = false;
    if (call->phase == CALL_BODY && call->connection->held.len > 0) {
        wait_for(call, 0); /* from the loop: no on_body inside resume */
        return;
    }
    if (call->phase == CALL_HEAD || call->phase == CALL_BODY)
        stream_read_start(call->connection->stream);
    if (call->phase == CALL_BODY)
        wait_for_body(call);
}

static void call_allow_stream(struct upstream_call *base)
{
    struct call *call = call_of(base);
    call->stream = true;
    if (call->phase == CALL_BODY)
        answer_allow_stream(&call->connection->answer);
}

static void call_cancel(struct upstream_call *base)
{
    struct connection *connection = call_end(call_of(base));
    if (connection)
        pools_drop(connection);
}

static const struct upstream_call_ops call_ops = {call_pause, call_resume, call_allow_stream,
                                                  call_cancel};

/* --- the start ------------------------------------------------------------------------------- */

static char *put(char *at, struct str text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* Once per call: method, path, Host, the caller's lines, Content-Length. */
static struct str head_render(const struct upstream_target *target,
                              const struct upstream_request *request, struct arena *arena)
{
    enum { FIXED_BYTES = 96 }; /* our own words and the length's digits */
    char digits[24];
    size_t at = sizeof digits, length = 0;
    for (size_t i = 0; i < request->part_count; i++)
        length += request->parts[i].len;
    do
        digits[--at] = (char)('0' + length % 10);
    while ((length /= 10) > 0);
    char *const start = arena_alloc(arena, request->path.len + target->host_header.len +
                                               request->headers.len + FIXED_BYTES);
    if (!start)
        return (struct str){0};
    char *end = put(start, request->is_get ? STR("GET ") : STR("POST "));
    end = put(end, request->path);
    end = put(end, STR(" HTTP/1.1\r\nhost: "));
    end = put(end, target->host_header);
    end = put(end, STR("\r\n"));
    end = put(end, request->headers);
    if (!request->is_get) {
        end = put(end, STR("content-length: "));
        end = put(end, str_make(digits + at, sizeof digits - at));
        end = put(end, STR("\r\n"));
    }
    end = put(end, STR("\r\n"));
    return str_make(start, (size_t)(end - start));
}

static struct call *call_new(struct upstream_client *client, const struct upstream_target *target,
                             const struct upstream_request *request, struct arena *arena)
{
    struct call *call = arena_zalloc(arena, sizeof *call);
    struct str const head = head_render(target, request, arena);
    if (!call || !head.ptr)
        return NULL;
    call->base.ops = &call_ops;
    call->client = client;
    call->target = target;
    call->request = request;
    call->head = head;
    call->total_due_ms = loop_now_ms(client->loop) + wait_ms(target->timeouts.total_ms);
    timer_init(&call->timer, on_due);
    return call;
}

struct upstream_call *upstream_call(struct upstream_client *client,
                                    const struct upstream_target *target,
                                    const struct upstream_request *request, struct arena *arena,
                                    const struct upstream_handler *handler, void *owner)
{
    tick(&client->figures.calls);
    if (target->simulated)
        return simulated_call(client, client->loop, target, request, arena, handler, owner);
    struct call *call = call_new(client, target, request, arena);
    if (!call)
        return NULL;
    call->handler = handler;
    call->owner = owner;
    client->running++;
    struct connection *connection = pools_take(client->pools, target);
    if (!connection) {
        call_connect(call);
    } else {
        tick(&client->figures.reuses);
        call->reused = true;
        call->connection = connection;
        connection->call = call;
        call_dispatch(call);
    }
    return &call->base;
}

void upstream_pause(struct upstream_call *call)
{
    call->ops->pause(call);
}

void upstream_resume(struct upstream_call *call)
{
    call->ops->resume(call);
}

void upstream_allow_stream(struct upstream_call *call)
{
    call->ops->allow_stream(call);
}

void upstream_cancel(struct upstream_call *call)
{
    call->ops->cancel(call);
}

struct str upstream_header(const struct upstream_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct str){0};
}

const char *upstream_fail_name(enum upstream_fail why)
{
    static const char *const names[] = {
        [UPSTREAM_FAIL_CONNECT] = "connect",
        [UPSTREAM_FAIL_TLS] = "tls",
        [UPSTREAM_FAIL_CONNECT_TIMEOUT] = "connect_timeout",
        [UPSTREAM_FAIL_FIRST_BYTE] = "first_byte_timeout",
        [UPSTREAM_FAIL_IDLE] = "idle_timeout",
        [UPSTREAM_FAIL_TOTAL] = "total_timeout",
        [UPSTREAM_FAIL_RESET] = "reset",
        [UPSTREAM_FAIL_INVALID] = "invalid",
        [UPSTREAM_FAIL_TOO_LARGE] = "too_large",
        [UPSTREAM_FAIL_MEMORY] = "memory",
    };
    MUST((size_t)why < sizeof names / sizeof names[0]);
    return names[why];
}

/* --- the client ------------------------------------------------------------------------------ */

struct upstream_client *upstream_client_new(struct loop *loop)
{
    struct upstream_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->loop = loop;
    client->pools = pools_new(loop, &stream_handler, UPSTREAM_IDLE_MS);
    if (client->pools)
        return client;
    free(client);
    return NULL;
}

void upstream_client_free(struct upstream_client *client)
{
    if (!client)
        return;
    MUST(client->running == 0);
    pools_free(client->pools);
    free(client);
}

void upstream_figures(const struct upstream_client *client, struct upstream_figures *figures)
{
    const struct upstream_figures *mine = &client->figures;
    *figures = (struct upstream_figures){
        .calls = __atomic_load_n(&mine->calls, __ATOMIC_RELAXED),
        .connects = __atomic_load_n(&mine->connects, __ATOMIC_RELAXED),
        .reuses = __atomic_load_n(&mine->reuses, __ATOMIC_RELAXED),
        .failures = __atomic_load_n(&mine->failures, __ATOMIC_RELAXED),
        .idle_connections = (int64_t)pools_idle_count(client->pools),
    };
}
