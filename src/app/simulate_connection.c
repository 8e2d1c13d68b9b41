/* simulate_connection.c - one connection: requests in, planned answers out, byte for byte.
 *
 * Why:  not http/server.h, because half of what is sent here must be wrong.
 *
 *   READING --> HEAD --> (SLOW) --> BODY --> TAIL --> SENDING --> READING
 *      every state --> gone, when the peer leaves or the plan says so
 */
#include "app/simulate_int.h"
#include "base/must.h"
#include "sim/wire.h"
#include <inttypes.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OUT_BYTES_MAX =
        80 << 20, /* a whole plain answer, its frame, and a second one of ordinary size */
    FLUSH_BYTES = 64 << 10,
    QUEUE_BYTES_HIGH = 256 << 10,
    KEEP_BYTES = 64 << 10, /* buffers larger than this are given back between requests */
    TEXT_BYTES_MAX = HEAD_BYTES_MAX,
};

enum phase { READING, HEAD, SLOW, BODY, TAIL, SENDING };

struct connection {
    struct list link;
    struct simulate_server *server;
    struct stream *stream; /* NULL: closed */
    uv_timer_t timer;
    llhttp_t parser;
    struct arena *arena; /* of one request and its plan */
    struct buf pending;  /* bytes of the next requests */
    struct buf body;     /* of the request */
    struct buf out;      /* bytes of the answer that are due */
    struct buf url, name, value;
    struct sim_request request;
    struct str id;
    size_t head_bytes;

    enum phase phase;
    struct sim_plan plan;
    struct sim_wire wire;
    int64_t started_us, tokens, bytes;
    size_t next, slow_sent;
    bool keep_alive, eof, read_stopped, head_made, expects;
};

static void advance(struct connection *connection);

/* --- leaving ---------------------------------------------------------------------------------- */
static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    buf_free(&connection->pending);
    buf_free(&connection->body);
    buf_free(&connection->out);
    buf_free(&connection->url);
    buf_free(&connection->name);
    buf_free(&connection->value);
    arena_free(connection->arena);
    free(connection);
}

static void record(struct connection *connection, bool complete)
{
    simulate_server_record(connection->server, &(struct simulate_record){
                                                   .id = connection->id,
                                                   .plan = &connection->plan,
                                                   .tokens = connection->tokens,
                                                   .bytes = connection->bytes,
                                                   .complete = complete,
                                                   .answered = connection->head_made,
                                               });
}

enum leave { LEAVE_CLOSE, LEAVE_RESET, LEAVE_LINGER };

static void leave(struct connection *connection, enum leave how)
{
    if (!connection->stream)
        return;
    if (connection->phase != READING) {
        record(connection, false);
        sim_wire_free(&connection->wire);
    }
    if (how == LEAVE_RESET)
        stream_reset(connection->stream);
    else if (how == LEAVE_LINGER)
        stream_linger(connection->stream, LINGER_MS);
    else
        stream_close(connection->stream);
    connection->stream = NULL;
    list_remove(&connection->link);
    uv_close((uv_handle_t *)&connection->timer, on_closed);
}

void simulate_connection_abort(struct list *link)
{
    leave(LIST_OWNER(link, struct connection, link), LEAVE_CLOSE);
}

/* --- answering -------------------------------------------------------------------------------- */
static int64_t now_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

/* False: the connection is gone. */
static bool send_bytes(struct connection *connection, struct str bytes)
{
    size_t const step = connection->plan.one_byte ? 1 : bytes.len;
    while (bytes.len > 0) {
        struct str const part = str_make(bytes.ptr, step);
        if (stream_write(connection->stream, &part, 1) != ERR_OK) {
            leave(connection, LEAVE_CLOSE);
            return false;
        }
        connection->bytes += (int64_t)step;
        bytes = str_skip(bytes, step);
    }
    return true;
}

static bool flush(struct connection *connection)
{
    bool const good = send_bytes(connection, buf_view(&connection->out));
    buf_clear(&connection->out);
    return good;
}

static void on_timer(uv_timer_t *timer)
{
    advance(timer->data);
}

/* Sends what is due and comes back at `due_us` (0: in the next turn). */
static void wait_until(struct connection *connection, int64_t due_us)
{
    int64_t const now = now_us();
    uint64_t const delay_ms = due_us > now ? (uint64_t)((due_us - now + 999) / 1000) : 0;
    if (flush(connection))
        MUST(uv_timer_start(&connection->timer, on_timer, delay_ms, 0) == 0);
}

/* The whole answer is with the kernel. */
static void finish(struct connection *connection)
{
    record(connection, true);
    sim_wire_free(&connection->wire);
    connection->phase = READING;
    if (!connection->keep_alive || connection->plan.close_after || connection->eof) {
        leave(connection, LEAVE_LINGER);
        return;
    }
    arena_reset(connection->arena);
    if (connection->body.cap > KEEP_BYTES) {
        buf_free(&connection->body);
        buf_init(&connection->body, SIM_BODY_BYTES_MAX);
    }
    if (connection->out.cap > KEEP_BYTES) {
        buf_free(&connection->out);
        buf_init(&connection->out, OUT_BYTES_MAX);
    }
    buf_clear(&connection->body);
    buf_clear(&connection->url);
    connection->request = (struct sim_request){0};
    connection->head_bytes = 0;
    llhttp_resume(&connection->parser);
}

/* After the last byte of an answer that is not whole. */
static void break_off(struct connection *connection)
{
    if (!flush(connection))
        return;
    if (connection->plan.end == SIM_END_RESET)
        leave(connection, LEAVE_RESET);
    else if (connection->plan.end != SIM_END_SILENT)
        leave(connection, LEAVE_LINGER);
    else if (connection->eof)
        leave(connection, LEAVE_CLOSE); /* otherwise: the peer's leaving ends it */
}

/* Each step answers true: go on with the next phase. */
static bool step_head(struct connection *connection)
{
    int64_t const due = connection->started_us + connection->plan.head_at_us;
    if (due > now_us()) {
        wait_until(connection, due);
        return false;
    }
    if (connection->plan.head == SIM_HEAD_NONE) {
        break_off(connection);
        return false;
    }
    bool const keep = connection->keep_alive && !connection->plan.close_after;
    if (sim_wire_head(&connection->wire, keep, &connection->out) != ERR_OK) {
        leave(connection, LEAVE_RESET);
        return false;
    }
    connection->head_made = true;
    connection->slow_sent = 0;
    connection->phase = connection->plan.head == SIM_HEAD_SLOW ? SLOW : BODY;
    return true;
}

static bool step_slow(struct connection *connection)
{
    struct str const head = buf_view(&connection->out);
    if (connection->slow_sent == head.len) {
        buf_clear(&connection->out);
        connection->phase = BODY;
        return true;
    }
    if (send_bytes(connection, str_make(head.ptr + connection->slow_sent++, 1)))
        MUST(uv_timer_start(&connection->timer, on_timer, SIM_SLOW_BYTE_US / 1000, 0) == 0);
    return false;
}

static bool step_endless(struct connection *connection)
{
    size_t const last = connection->plan.piece_count - 1;
    while (connection->out.len < FLUSH_BYTES) {
        if (sim_wire_piece(&connection->wire, last, &connection->out) != ERR_OK) {
            leave(connection, LEAVE_RESET);
            return false;
        }
        connection->tokens += connection->plan.pieces[last].tokens;
    }
    if (connection->bytes < SIM_ENDLESS_BYTES_MAX) {
        wait_until(connection, 0);
        return false;
    }
    connection->plan.end = SIM_END_CUT; /* even the endless has a bound */
    connection->phase = TAIL;
    return true;
}

static bool step_body(struct connection *connection)
{
    const struct sim_plan *plan = &connection->plan;
    int64_t const now = now_us();
    while (connection->next < plan->piece_count) {
        const struct sim_piece *piece = &plan->pieces[connection->next];
        int64_t const due = connection->started_us + piece->at_us;
        if (due > now || connection->out.len >= FLUSH_BYTES) {
            wait_until(connection, due);
            return false;
        }
        if (sim_wire_piece(&connection->wire, connection->next, &connection->out) != ERR_OK) {
            leave(connection, LEAVE_RESET);
            return false;
        }
        connection->tokens = piece->tokens;
        connection->next++;
    }
    if (plan->end == SIM_END_ENDLESS)
        return step_endless(connection);
    connection->phase = TAIL;
    return true;
}

static bool step_tail(struct connection *connection)
{
    int64_t const due = connection->started_us + connection->plan.end_at_us;
    if (due > now_us()) {
        wait_until(connection, due);
        return false;
    }
    bool const keep = connection->keep_alive && !connection->plan.close_after;
    if (sim_wire_tail(&connection->wire, keep, &connection->out) != ERR_OK) {
        leave(connection, LEAVE_RESET);
        return false;
    }
    if (connection->plan.end != SIM_END_WHOLE) {
        break_off(connection);
        return false;
    }
    connection->phase = SENDING;
    return flush(connection);
}

/* Runs the answer as far as time and the kernel's buffer allow. */
static void answer(struct connection *connection)
{
    bool more = true;
    while (more && connection->stream && connection->phase != READING) {
        size_t const queued = stream_queued(connection->stream);
        if (queued > QUEUE_BYTES_HIGH || (connection->phase == SENDING && queued > 0))
            return; /* on_drain comes */
        switch (connection->phase) {
        case HEAD:
            more = step_head(connection);
            break;
        case SLOW:
            more = step_slow(connection);
            break;
        case BODY:
            more = step_body(connection);
            break;
        case TAIL:
            more = step_tail(connection);
            break;
        case SENDING:
        default:
            finish(connection);
        }
    }
}

/* --- requests --------------------------------------------------------------------------------- */

/* Texts that are not of the API; false: not one of ours. */
static bool answer_control(struct connection *connection)
{
    const struct simulate_server *server = connection->server;
    char body[512], head[160];
    struct str const path = connection->request.path;
    if (str_eq(path, STR("/__served")))
        snprintf(body, sizeof body, "{\"served\":%" PRId64 ",\"complete\":%" PRId64 "}\n",
                 server->requests, server->complete);
    else if (str_eq(path, STR("/__stats")))
        snprintf(body, sizeof body,
                 "{\"requests\":%" PRId64 ",\"complete\":%" PRId64 ",\"connections\":%" PRId64
                 ",\"open_connections\":%zu,\"bytes\":%" PRId64 "}\n",
                 server->requests, server->complete, server->connections_count,
                 listener_connections(server->listener), server->bytes);
    else
        return false;
    int const len = snprintf(head, sizeof head,
                             "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                             "content-length: %zu\r\n%s\r\n",
                             strlen(body), connection->keep_alive ? "" : "connection: close\r\n");
    struct str const parts[] = {str_make(head, (size_t)len), str_of(body)};
    connection->plan = (struct sim_plan){.operation = SIM_NOWHERE, .close_after = false};
    connection->wire = (struct sim_wire){0};
    if (stream_write(connection->stream, parts, 2) == ERR_OK)
        connection->phase = SENDING;
    else
        leave(connection, LEAVE_CLOSE);
    return true;
}

static void start_answer(struct connection *connection)
{
    struct simulate_server *server = connection->server;
    connection->keep_alive = llhttp_should_keep_alive(&connection->parser) == 1;
    connection->request.method = str_of(llhttp_method_name(llhttp_get_method(&connection->parser)));
    connection->request.path = buf_view(&connection->url);
    connection->request.body = buf_view(&connection->body);
    connection->tokens = connection->bytes = 0;
    connection->next = 0;
    connection->head_made = false;
    connection->started_us = now_us();
    if (answer_control(connection))
        return;
    if (connection->id.len == 0)
        connection->id = arena_printf(connection->arena, "sim-%" PRIu64, server->facts.sequence);
    if (sim_plan_make(&connection->request, &server->facts, connection->arena, &connection->plan) !=
            ERR_OK ||
        sim_wire_start(&connection->wire, &connection->plan) != ERR_OK) {
        leave(connection, LEAVE_RESET); /* no memory */
        return;
    }
    server->facts.sequence++;
    connection->phase = HEAD;
}

static struct connection *of_parser(llhttp_t *parser)
{
    return parser->data;
}

static int add_text(struct connection *connection, struct buf *buf, const char *at, size_t len)
{
    connection->head_bytes += len;
    if (connection->head_bytes > HEAD_BYTES_MAX || buf_add(buf, str_make(at, len)) != ERR_OK)
        return -1;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    return add_text(of_parser(parser), &of_parser(parser)->url, at, len);
}

static int on_header_name(llhttp_t *parser, const char *at, size_t len)
{
    return add_text(of_parser(parser), &of_parser(parser)->name, at, len);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    return add_text(of_parser(parser), &of_parser(parser)->value, at, len);
}

static int on_header(llhttp_t *parser)
{
    struct connection *connection = of_parser(parser);
    struct str const name = buf_view(&connection->name);
    if (name.len > 2 && (name.ptr[0] | 0x20) == 'x') { /* few others matter here */
        struct str const value = arena_copy(connection->arena, buf_view(&connection->value));
        if (!value.ptr)
            return -1;
        sim_headers_take(&connection->request.headers, name, value);
        if (str_eq_nocase(name, STR("x-request-id")))
            connection->id = value;
    }
    if (str_eq_nocase(name, STR("expect")))
        connection->expects = true;
    buf_clear(&connection->name);
    buf_clear(&connection->value);
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    return buf_add(&of_parser(parser)->body, str_make(at, len)) == ERR_OK ? 0 : -1;
}

static int on_begin(llhttp_t *parser)
{
    of_parser(parser)->id = (struct str){0};
    return 0;
}

static int on_headers_done(llhttp_t *parser)
{
    struct connection *connection = of_parser(parser);
    struct str const go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");
    if (!connection->expects)
        return 0;
    connection->expects = false;
    return stream_write(connection->stream, &go_on, 1) == ERR_OK ? 0 : -1;
}

static int on_whole(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* one request at a time */
}

static llhttp_settings_t *settings(void)
{
    static llhttp_settings_t made = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_header_field = on_header_name,
        .on_header_value = on_header_value,
        .on_header_value_complete = on_header,
        .on_headers_complete = on_headers_done,
        .on_body = on_body,
        .on_message_complete = on_whole,
    };
    return &made;
}

static void refuse(struct connection *connection)
{
    struct str const answer = STR("HTTP/1.1 400 Bad Request\r\nserver: simulado\r\n"
                                  "content-length: 0\r\nconnection: close\r\n\r\n");
    bool const sent = stream_write(connection->stream, &answer, 1) == ERR_OK;
    leave(connection, sent ? LEAVE_LINGER : LEAVE_CLOSE);
}

/* Parses up to the end of one request; the count of bytes it took. */
static size_t parse(struct connection *connection, struct str bytes)
{
    llhttp_errno_t const status = llhttp_execute(&connection->parser, bytes.ptr, bytes.len);
    if (status == HPE_OK)
        return bytes.len;
    if (status != HPE_PAUSED) {
        refuse(connection);
        return bytes.len;
    }
    size_t const taken = (size_t)(llhttp_get_error_pos(&connection->parser) - bytes.ptr);
    start_answer(connection);
    return taken;
}

/* Everything that can be done now: the answer, and the requests that wait behind it. */
static void advance(struct connection *connection)
{
    answer(connection);
    while (connection->stream && connection->phase == READING && connection->pending.len > 0) {
        buf_drop(&connection->pending, parse(connection, buf_view(&connection->pending)));
        answer(connection);
    }
    if (connection->stream && connection->read_stopped &&
        connection->pending.len < PIPELINE_BYTES_MAX) {
        connection->read_stopped = false;
        stream_read_start(connection->stream);
    }
}

static void on_data(void *owner, struct str bytes)
{
    struct connection *connection = owner;
    if (connection->phase == READING && connection->pending.len == 0)
        bytes = str_skip(bytes, parse(connection, bytes));
    if (!connection->stream)
        return;
    if (bytes.len > 0 && buf_add(&connection->pending, bytes) != ERR_OK) {
        leave(connection, LEAVE_RESET); /* reading stopped at half of this bound: no memory */
        return;
    }
    if (connection->pending.len >= PIPELINE_BYTES_MAX) {
        connection->read_stopped = true;
        stream_read_stop(connection->stream);
    }
    advance(connection);
}

static void on_end(void *owner, enum stream_end why, const char *detail)
{
    struct connection *connection = owner;
    (void)detail;
    connection->eof = true;
    bool const waits = connection->plan.end == SIM_END_SILENT && connection->phase == TAIL;
    bool const silent = connection->plan.head == SIM_HEAD_NONE && connection->phase == HEAD;
    /* Who only finished his side still gets his answer. */
    if (why != STREAM_END_EOF || connection->phase == READING || waits || silent)
        leave(connection, LEAVE_CLOSE);
}

static void on_drain(void *owner)
{
    advance(owner);
}

static void on_open(void *owner)
{
    struct connection *connection = owner;
    connection->server->connections_count++;
}

void simulate_connection_start(struct simulate_server *server, struct stream *stream)
{
    static const struct stream_handler handler = {on_open, on_data, on_end, on_drain};
    struct connection *connection = calloc(1, sizeof *connection);
    struct arena *arena = arena_new(SIM_ARENA_BYTES);
    if (!connection || !arena || uv_timer_init(loop_uv(server->loop), &connection->timer) != 0) {
        arena_free(arena);
        free(connection);
        stream_close(stream);
        return;
    }
    connection->server = server;
    connection->stream = stream;
    connection->arena = arena;
    connection->timer.data = connection;
    buf_init(&connection->pending, 4 * PIPELINE_BYTES_MAX);
    buf_init(&connection->body, SIM_BODY_BYTES_MAX);
    buf_init(&connection->out, OUT_BYTES_MAX);
    buf_init(&connection->url, TEXT_BYTES_MAX);
    buf_init(&connection->name, TEXT_BYTES_MAX);
    buf_init(&connection->value, TEXT_BYTES_MAX);
    llhttp_init(&connection->parser, HTTP_REQUEST, settings());
    connection->parser.data = connection;
    list_init(&connection->link);
    list_push(&server->connections, &connection->link);
    stream_own(stream, &handler, connection);
}
