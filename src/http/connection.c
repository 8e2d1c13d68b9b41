/* connection.c - from bytes to requests, and from the end of a reply to the next request.
 *
 * One timer per connection: idle time, the head's and the body's deadline while reading, and for
 * a reader that takes nothing while replies are queued. The last one wins while there is a queue.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/must.h"
#include "http/exchange_int.h"
#include "http/server.h"

enum {
    PIPELINE_ROOM_BYTES = PIPELINE_BYTES_MAX + (64 << 10), /* one read more than the bound */
    KEPT_PIPELINE_BYTES = 512,
};

static void take(struct http_exchange *exchange, struct str bytes, bool from_pipeline);

/* --- ends ----------------------------------------------------------------------------------- */

static bool is_running(const struct http_exchange *exchange)
{
    return exchange->state == EXCHANGE_RUNNING || exchange->state == EXCHANGE_STREAMING ||
           exchange->state == EXCHANGE_GONE;
}

static void forget_stream(struct http_exchange *exchange)
{
    if (!exchange->stream)
        return;
    exchange->stream = NULL;
    exchange->server->connections--;
    timer_stop(&exchange->deadline);
    soon_cancel(&exchange->next);
}

void connection_forget(struct http_exchange *exchange)
{
    MUST(!exchange->stream);
    if (is_running(exchange))
        exchange->server->running--;
    server_exchange_give(exchange);
}

void connection_cut(struct http_exchange *exchange)
{
    stream_reset(exchange->stream);
    forget_stream(exchange);
}

void connection_lost(struct http_exchange *exchange)
{
    stream_close(exchange->stream);
    forget_stream(exchange);
    if (!is_running(exchange)) {
        connection_forget(exchange);
        return;
    }
    exchange->state = EXCHANGE_GONE; /* its owner ends it, now or later, and that frees it */
    if (exchange->watcher)
        exchange->watcher->on_gone(exchange->watcher_owner);
}

void connection_leave(struct http_exchange *exchange)
{
    if (is_running(exchange))
        exchange->server->running--;
    exchange->state = EXCHANGE_LEAVING;
    if (stream_queued(exchange->stream) > 0)
        return; /* on_drain or the deadline comes */
    struct stream *stream = exchange->stream;
    forget_stream(exchange);
    stream_linger(stream, LINGER_MS);
    server_exchange_give(exchange);
}

/* --- writing -------------------------------------------------------------------------------- */

void connection_write(struct http_exchange *exchange, const struct str *parts, size_t count)
{
    if (exchange->broken)
        return;
    enum err const err = stream_write(exchange->stream, parts, count);
    if (err == ERR_TOO_LARGE) { /* the application did not wait for on_drain */
        exchange->broken = true;
        loop_soon(exchange->server->loop, &exchange->next);
    }
    if (err != ERR_OK)
        return; /* the stream tells its end from the loop */
    for (size_t i = 0; i < count; i++)
        exchange->written_bytes += (int64_t)parts[i].len;
    size_t const queued = stream_queued(exchange->stream);
    if (queued > 0 && !timer_armed(&exchange->deadline)) {
        exchange->taken_bytes = exchange->written_bytes - (int64_t)queued;
        timer_start(exchange->server->loop, &exchange->deadline, WRITE_STALL_MS);
    }
}

/* An answer of our own to what is not a request; reading is over. */
static void refuse(struct http_exchange *exchange, const struct fault *fault)
{
    struct http_server *server = exchange->server;
    const struct http_head *request =
        exchange->parser.has_request ? &exchange->parser.request : NULL;
    struct str type = {0}, body = {0};
    server->app.on_refuse(server->app.context, exchange->arena, request, fault, &type, &body);
    struct reply_head const head = {.status = err_row(fault->code)->http,
                                    .content_type = type,
                                    .date = server_date(server),
                                    .body_bytes = (int64_t)body.len,
                                    .close = true};
    char top[REPLY_HEAD_BYTES];
    bool const is_head = request && request->method == HTTP_HEAD;
    struct str const parts[] = {str_make(top, reply_head_write(top, &head)), STR("\r\n"), body};
    connection_write(exchange, parts, is_head ? 2 : 3);
    connection_leave(exchange);
}

static void refuse_as(struct http_exchange *exchange, enum err code, const char *detail)
{
    struct fault fault = {0};
    fault_set(&fault, code, "%s", detail);
    refuse(exchange, &fault);
}

/* --- bytes that come too early -------------------------------------------------------------- */

static void pipeline_clear(struct http_exchange *exchange)
{
    buf_clear(&exchange->pipeline);
    exchange->pipeline_at = 0;
    if (exchange->pipeline.cap > KEPT_PIPELINE_BYTES)
        buf_free(&exchange->pipeline);
}

static bool pipeline_waits(const struct http_exchange *exchange)
{
    return exchange->pipeline.len > exchange->pipeline_at;
}

/* False: no memory, and the connection is lost. */
static bool pipeline_add(struct http_exchange *exchange, struct str bytes)
{
    struct buf *pipeline = &exchange->pipeline;
    if (pipeline->cap == 0)
        buf_init(pipeline, PIPELINE_ROOM_BYTES);
    buf_drop(pipeline, exchange->pipeline_at);
    exchange->pipeline_at = 0;
    if (buf_add(pipeline, bytes) != ERR_OK) {
        connection_cut(exchange);
        connection_lost(exchange);
        return false;
    }
    if (pipeline->len >= PIPELINE_BYTES_MAX && !exchange->reading_stopped) {
        exchange->reading_stopped = true;
        stream_read_stop(exchange->stream);
    }
    return true;
}

static void read_on(struct http_exchange *exchange)
{
    if (!exchange->reading_stopped)
        return;
    exchange->reading_stopped = false;
    stream_read_start(exchange->stream);
}

/* --- reading -------------------------------------------------------------------------------- */

/* The memory of bodies is shared by all: no single client may take it, nor all together. */
static bool memory_is_short(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    server->body_memory -= exchange->body_memory;
    exchange->body_memory = exchange->parser.body.cap;
    server->body_memory += exchange->body_memory;
    return server->body_memory > BODY_MEMORY_BYTES_MAX;
}

/* After a grace, a body must come at a minimum rate: a drop now and then keeps nobody busy. */
static bool body_is_slow(const struct http_exchange *exchange)
{
    int64_t const spent_ms = loop_now_ms(exchange->server->loop) - exchange->body_began_ms;
    return spent_ms > BODY_IDLE_MS &&
           (int64_t)exchange->parser.body.len < spent_ms / 1000 * BODY_RATE_BYTES_MIN;
}

/* Once per request whose body is not here with its head. False: refused. */
static bool ask_for_body(struct http_exchange *exchange)
{
    const struct http_app *app = &exchange->server->app;
    struct fault fault = {0};
    exchange->head_asked = true;
    exchange->body_began_ms = loop_now_ms(exchange->server->loop);
    if (app->on_head && app->on_head(app->context, &exchange->parser.request, &fault) != ERR_OK) {
        refuse(exchange, &fault);
        return false;
    }
    if (exchange->parser.expects_continue && exchange->parser.body.len == 0) {
        struct str const go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");
        connection_write(exchange, &go_on, 1);
    }
    return true;
}

/* The request is not whole yet. */
static void wait_for_more(struct http_exchange *exchange, bool begun)
{
    struct loop *loop = exchange->server->loop;
    if (exchange->half_closed) {
        connection_leave(exchange);
    } else if (!exchange->parser.has_request) {
        read_on(exchange);
        if (begun)
            timer_start(loop, &exchange->deadline, HEAD_DEADLINE_MS);
    } else if (memory_is_short(exchange)) {
        refuse_as(exchange, ERR_OVERLOADED, "too many request bodies at once");
    } else if (!exchange->head_asked ? ask_for_body(exchange) : true) {
        if (body_is_slow(exchange)) {
            refuse_as(exchange, ERR_REQUEST_TIMEOUT, "the body comes too slowly");
            return;
        }
        read_on(exchange);
        timer_start(loop, &exchange->deadline, BODY_IDLE_MS);
    }
}

static void run(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (memory_is_short(exchange)) {
        refuse_as(exchange, ERR_OVERLOADED, "too many request bodies at once");
        return;
    }
    exchange->state = EXCHANGE_RUNNING;
    server->running++;
    if (stream_queued(exchange->stream) == 0)
        timer_stop(&exchange->deadline);
    server->app.on_request(server->app.context, exchange);
}

/* What came behind the request waits for its turn. False: the connection is lost. */
static bool keep_rest(struct http_exchange *exchange, struct str rest, bool from_pipeline)
{
    if (!from_pipeline)
        return rest.len == 0 || pipeline_add(exchange, rest);
    exchange->pipeline_at = exchange->pipeline.len - rest.len;
    if (rest.len == 0)
        pipeline_clear(exchange);
    if (rest.len < PIPELINE_BYTES_MAX / 2)
        read_on(exchange);
    return true;
}

static bool begin(struct http_exchange *exchange)
{
    exchange->arena = server_arena_take(exchange->server);
    if (!exchange->arena) {
        connection_cut(exchange);
        connection_lost(exchange);
        return false;
    }
    exchange->state = EXCHANGE_READING;
    exchange->started_us = clock_mono_us(clock_system());
    return true;
}

static void take(struct http_exchange *exchange, struct str bytes, bool from_pipeline)
{
    const struct http_app *app = &exchange->server->app;
    struct parser *parser = &exchange->parser;
    bool const begun = exchange->state == EXCHANGE_IDLE;
    if (begun && !begin(exchange))
        return;
    struct fault fault = {0};
    for (;;) {
        size_t used = 0;
        enum parse_step const step = parser_feed(parser, exchange->arena, bytes, &used, &fault);
        bytes = str_skip(bytes, used);
        switch (step) {
        case PARSE_HEAD:
            parser->body_bytes_max = app->body_bytes_max(app->context, &parser->request);
            continue;
        case PARSE_MORE:
            if (from_pipeline)
                pipeline_clear(exchange);
            wait_for_more(exchange, begun);
            return;
        case PARSE_DONE:
            if (keep_rest(exchange, bytes, from_pipeline))
                run(exchange);
            return;
        case PARSE_REFUSED:
            refuse(exchange, &fault);
            return;
        }
    }
}

/* --- between requests ----------------------------------------------------------------------- */

void connection_next(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (!exchange->keep_alive || (exchange->half_closed && !pipeline_waits(exchange))) {
        connection_leave(exchange);
        return;
    }
    server->running--;
    server->body_memory -= exchange->body_memory;
    exchange->body_memory = 0;
    server_arena_give(server, exchange->arena);
    exchange->arena = NULL;
    parser_reset(&exchange->parser);
    exchange->state = EXCHANGE_IDLE;
    exchange->watcher = NULL;
    exchange->head_asked = exchange->head_sent = false;
    if (pipeline_waits(exchange))
        loop_soon(server->loop, &exchange->next);
    if (stream_queued(exchange->stream) == 0)
        timer_start(server->loop, &exchange->deadline, KEEP_ALIVE_IDLE_MS);
}

static void on_next(struct soon *soon)
{
    struct http_exchange *exchange = LIST_OWNER(soon, struct http_exchange, next);
    if (exchange->broken) {
        connection_cut(exchange);
        connection_lost(exchange);
        return;
    }
    if (exchange->state == EXCHANGE_IDLE && pipeline_waits(exchange))
        take(exchange, str_skip(buf_view(&exchange->pipeline), exchange->pipeline_at), true);
}

static void on_deadline(struct timer *timer)
{
    struct http_exchange *exchange = LIST_OWNER(timer, struct http_exchange, deadline);
    size_t const queued = stream_queued(exchange->stream);
    if (queued > 0) {
        int64_t const taken = exchange->written_bytes - (int64_t)queued;
        if (taken > exchange->taken_bytes) {
            exchange->taken_bytes = taken;
            timer_start(exchange->server->loop, timer, WRITE_STALL_MS);
            return;
        }
        connection_cut(exchange);
        connection_lost(exchange);
    } else if (exchange->state == EXCHANGE_READING) {
        refuse_as(exchange, ERR_REQUEST_TIMEOUT, "the request did not come in time");
    } else if (exchange->state == EXCHANGE_IDLE) {
        connection_leave(exchange);
    }
}

/* --- the stream's callbacks ----------------------------------------------------------------- */

static void on_open(void *owner)
{
    (void)owner; /* the first request's deadline runs since the connection was accepted */
}

static void on_data(void *owner, struct str bytes)
{
    struct http_exchange *exchange = owner;
    switch (exchange->state) {
    case EXCHANGE_IDLE:
    case EXCHANGE_READING:
        if (!pipeline_waits(exchange)) {
            take(exchange, bytes, false);
            return;
        }
        pipeline_add(exchange, bytes);
        return;
    case EXCHANGE_RUNNING:
    case EXCHANGE_STREAMING:
        pipeline_add(exchange, bytes);
        return;
    case EXCHANGE_LEAVING: /* nobody will read it */
    case EXCHANGE_GONE:
        return;
    }
}

static void on_end(void *owner, enum stream_end why, const char *detail)
{
    struct http_exchange *exchange = owner;
    (void)detail;
    bool const waits = exchange->state == EXCHANGE_IDLE && pipeline_waits(exchange);
    exchange->half_closed = why == STREAM_END_EOF;
    if (why == STREAM_END_EOF &&
        (waits || is_running(exchange) || exchange->state == EXCHANGE_LEAVING))
        return; /* the answer is still wanted */
    connection_lost(exchange);
}

static void on_drain(void *owner)
{
    struct http_exchange *exchange = owner;
    if (exchange->state == EXCHANGE_LEAVING)
        connection_leave(exchange);
    else if (exchange->state == EXCHANGE_IDLE)
        timer_start(exchange->server->loop, &exchange->deadline, KEEP_ALIVE_IDLE_MS);
    else if (is_running(exchange) && exchange->watcher)
        exchange->watcher->on_drain(exchange->watcher_owner);
}

void connection_accept(struct http_server *server, struct stream *stream)
{
    static const struct stream_handler handler = {
        .on_open = on_open, .on_data = on_data, .on_end = on_end, .on_drain = on_drain};
    struct http_exchange *exchange = server_exchange_take(server);
    if (!exchange) {
        stream_close(stream);
        return;
    }
    exchange->state = EXCHANGE_IDLE;
    exchange->stream = stream;
    server->connections++;
    timer_init(&exchange->deadline, on_deadline);
    soon_init(&exchange->next, on_next);
    stream_own(stream, &handler, exchange);
    timer_start(server->loop, &exchange->deadline, HEAD_DEADLINE_MS);
}
