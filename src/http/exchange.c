/* exchange.c - what the application sees of a request, and its replies. */
#include "base/limits.h"
#include "base/must.h"
#include "http/exchange_int.h"
#include "http/server.h"

enum {
    TOP_BYTES = 2048, /* status line and headers on the stack; longer ones go to the arena */
    CHUNK_SIZE_BYTES = 24,
};

/* --- the request ---------------------------------------------------------------------------- */

const struct http_head *http_head(const struct http_exchange *exchange)
{
    return &exchange->parser.request;
}

struct str http_header(const struct http_exchange *exchange, struct str name)
{
    const struct http_head *head = &exchange->parser.request;
    for (size_t i = 0; i < head->header_count; i++)
        if (str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct str){0};
}

size_t http_header_count(const struct http_exchange *exchange, struct str name)
{
    const struct http_head *head = &exchange->parser.request;
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += str_eq_nocase(head->headers[i].name, name);
    return count;
}

struct str http_body(const struct http_exchange *exchange)
{
    return buf_view(&exchange->parser.body);
}

struct arena *http_arena(struct http_exchange *exchange)
{
    return exchange->arena;
}

struct loop *http_loop(struct http_exchange *exchange)
{
    return exchange->server->loop;
}

struct str http_peer(const struct http_exchange *exchange)
{
    return exchange->stream ? stream_peer(exchange->stream) : STR("");
}

bool http_is_local(const struct http_exchange *exchange)
{
    return exchange->stream && stream_is_local(exchange->stream);
}

int64_t http_started_us(const struct http_exchange *exchange)
{
    return exchange->started_us;
}

void http_watch(struct http_exchange *exchange, const struct http_watcher *watcher, void *owner)
{
    exchange->watcher = watcher;
    exchange->watcher_owner = owner;
}

size_t http_queued(const struct http_exchange *exchange)
{
    return exchange->stream ? stream_queued(exchange->stream) : 0;
}

/* --- replies -------------------------------------------------------------------------------- */

static bool has_no_body(const struct http_exchange *exchange, int status)
{
    return exchange->parser.request.method == HTTP_HEAD || status == 204 || status == 304;
}

/* All of the reply before its body, in `room` when it fits. .ptr is NULL when memory is short. */
static struct str render_top(struct http_exchange *exchange, const struct http_reply *reply,
                             int64_t body_bytes, char room[static TOP_BYTES])
{
    struct http_server *server = exchange->server;
    bool const is_1_0 = exchange->parser.request.http_1_0;
    struct reply_head const head = {.status = reply->status,
                                    .content_type = reply->content_type,
                                    .date = server_date(server),
                                    .body_bytes = body_bytes,
                                    .close = !exchange->keep_alive,
                                    .keep_alive = is_1_0 && exchange->keep_alive};
    size_t const needed = REPLY_HEAD_BYTES + reply->headers.len + 2;
    char *top = needed <= TOP_BYTES ? room : arena_alloc(exchange->arena, needed);
    if (!top)
        return (struct str){0};
    size_t len = reply_head_write(top, &head);
    if (reply->headers.len > 0)
        memcpy(top + len, reply->headers.ptr, reply->headers.len);
    len += reply->headers.len;
    memcpy(top + len, "\r\n", 2);
    return str_make(top, len + 2);
}

static bool may_keep_alive(const struct http_exchange *exchange)
{
    return exchange->parser.request.keep_alive && !exchange->server->draining;
}

/* No client, or no memory for a reply: the exchange ends without one. */
static void give_up(struct http_exchange *exchange)
{
    if (exchange->stream)
        connection_cut(exchange);
    connection_forget(exchange);
}

void http_reply(struct http_exchange *exchange, const struct http_reply *reply,
                const struct str *body, size_t body_parts)
{
    if (exchange->state == EXCHANGE_GONE) {
        give_up(exchange);
        return;
    }
    MUST(exchange->state == EXCHANGE_RUNNING);
    int64_t body_bytes = 0;
    for (size_t i = 0; i < body_parts; i++)
        body_bytes += (int64_t)body[i].len;
    exchange->keep_alive = may_keep_alive(exchange);
    bool const without_length = reply->status == 204 || reply->status == 304;
    char room[TOP_BYTES];
    struct str parts[STREAM_IOVEC_MAX];
    parts[0] = render_top(exchange, reply, without_length ? REPLY_NO_LENGTH : body_bytes, room);
    if (!parts[0].ptr) {
        give_up(exchange);
        return;
    }
    if (has_no_body(exchange, reply->status))
        body_parts = 0;
    size_t const first = body_parts < STREAM_IOVEC_MAX - 1 ? body_parts : STREAM_IOVEC_MAX - 1;
    for (size_t i = 0; i < first; i++)
        parts[i + 1] = body[i];
    connection_write(exchange, parts, first + 1);
    if (body_parts > first)
        connection_write(exchange, body + first, body_parts - first);
    connection_next(exchange);
}

void http_stream_start(struct http_exchange *exchange, const struct http_reply *reply)
{
    if (exchange->state == EXCHANGE_GONE)
        return;
    MUST(exchange->state == EXCHANGE_RUNNING);
    bool const is_1_0 = exchange->parser.request.http_1_0;
    exchange->state = EXCHANGE_STREAMING;
    exchange->no_body = has_no_body(exchange, reply->status);
    exchange->chunked = !is_1_0 && !exchange->no_body;
    exchange->keep_alive = may_keep_alive(exchange) && (!is_1_0 || exchange->no_body);
    exchange->head_sent = false;
    char room[TOP_BYTES];
    struct str const top =
        render_top(exchange, reply, exchange->chunked ? REPLY_CHUNKED : REPLY_NO_LENGTH, room);
    exchange->held = top.ptr == room ? arena_copy(exchange->arena, top) : top;
    if (exchange->held.ptr)
        return;
    exchange->broken = true; /* no memory: the watcher is told from the loop */
    loop_soon(exchange->server->loop, &exchange->next);
}

/* The head when it has not gone out yet, then the bytes as a chunk. Returns the parts used. */
static size_t chunk_parts(struct http_exchange *exchange, struct str bytes,
                          char size_line[static CHUNK_SIZE_BYTES], struct str *parts)
{
    size_t count = 0;
    if (!exchange->head_sent) {
        exchange->head_sent = true;
        parts[count++] = exchange->held;
    }
    if (bytes.len == 0 || exchange->no_body)
        return count;
    if (!exchange->chunked) {
        parts[count++] = bytes;
        return count;
    }
    size_t at = CHUNK_SIZE_BYTES;
    size_line[--at] = '\n';
    size_line[--at] = '\r';
    for (size_t rest = bytes.len; rest > 0; rest >>= 4)
        size_line[--at] = "0123456789abcdef"[rest & 15];
    parts[count++] = str_make(size_line + at, CHUNK_SIZE_BYTES - at);
    parts[count++] = bytes;
    parts[count++] = STR("\r\n");
    return count;
}

void http_stream_write(struct http_exchange *exchange, struct str bytes)
{
    if (exchange->state == EXCHANGE_GONE || bytes.len == 0)
        return;
    MUST(exchange->state == EXCHANGE_STREAMING);
    char size_line[CHUNK_SIZE_BYTES];
    struct str parts[4];
    size_t const count = chunk_parts(exchange, bytes, size_line, parts);
    if (count > 0)
        connection_write(exchange, parts, count);
}

void http_stream_flush(struct http_exchange *exchange)
{
    if (exchange->state == EXCHANGE_GONE)
        return;
    MUST(exchange->state == EXCHANGE_STREAMING);
    if (exchange->head_sent)
        return;
    exchange->head_sent = true;
    connection_write(exchange, &exchange->held, 1);
}

void http_stream_end(struct http_exchange *exchange, struct str last)
{
    if (exchange->state == EXCHANGE_GONE) {
        give_up(exchange);
        return;
    }
    MUST(exchange->state == EXCHANGE_STREAMING);
    char size_line[CHUNK_SIZE_BYTES];
    struct str parts[5];
    size_t count = chunk_parts(exchange, last, size_line, parts);
    if (exchange->chunked)
        parts[count++] = STR("0\r\n\r\n");
    if (count > 0)
        connection_write(exchange, parts, count);
    connection_next(exchange);
}

void http_abort(struct http_exchange *exchange)
{
    bool const ends_by_itself = exchange->state == EXCHANGE_STREAMING && exchange->head_sent &&
                                exchange->chunked && !exchange->broken;
    if (ends_by_itself)
        connection_leave(exchange); /* no last chunk: nobody takes that for the end */
    else
        give_up(exchange);
}
