/* exchange_int.h - a connection and its exchanges, shared by server.c, connection.c and exchange.c.
 *
 *             first byte          whole             http_reply / http_stream_end
 *   IDLE ------------> READING --------> RUNNING --> (STREAMING) --> IDLE, or LEAVING
 *     ^                   | refused                                       | queue is empty
 *     |                   v                                               v
 *     +--- next       LEAVING                                         stream_linger
 *
 * LEAVING: the last reply waits for a slow reader. GONE: the client has left a running exchange;
 * replies go nowhere, and the one that ends it frees it.
 */
#pragma once
#include "http/parse.h"
#include "http/reply_head.h"
#include "net/timer.h"

enum exchange_state {
    EXCHANGE_IDLE,
    EXCHANGE_READING,
    EXCHANGE_RUNNING,
    EXCHANGE_STREAMING,
    EXCHANGE_LEAVING,
    EXCHANGE_GONE,
};

/* One per connection, used again for each of its requests. */
struct http_exchange {
    struct list link; /* of server->open */
    struct http_server *server;
    struct stream *stream; /* NULL when GONE */
    struct arena *arena;   /* NULL while IDLE */
    struct parser parser;
    struct buf pipeline; /* bytes of the next requests, from pipeline_at on */
    size_t pipeline_at;
    struct timer deadline;
    struct soon next;
    const struct http_watcher *watcher;
    void *watcher_owner;
    enum exchange_state state;
    bool keep_alive; /* after this reply */
    bool head_asked; /* app->on_head was asked */
    bool half_closed;
    bool reading_stopped;
    bool no_body;    /* HEAD, 204, 304 */
    bool chunked;    /* the streamed reply is */
    bool head_sent;  /* of a streamed reply */
    bool broken;     /* a write failed on our side: `next` will cut the connection */
    struct str held; /* the head of a streamed reply, until its first bytes */
    int64_t started_us;
    int64_t body_began_ms;
    size_t body_memory; /* counted in server->body_memory */
    int64_t written_bytes;
    int64_t taken_bytes; /* by the client, when the deadline was last looked at */
};

struct http_server {
    struct loop *loop;
    struct http_app app;
    struct listener *listener;
    struct list open; /* all exchanges */
    size_t running, connections, body_memory;
    bool draining, freed;
    int64_t date_ms; /* loop time when `date` was made */
    char date[REPLY_DATE_BYTES + 1];
    struct arena *spare_arenas[ARENA_SPARE_COUNT_MAX];
    size_t spare_arena_count;
    struct http_exchange *spares[CONNECTION_SPARE_COUNT_MAX];
    size_t spare_count;
};

/* server.c */
struct arena *server_arena_take(struct http_server *server); /* NULL: no memory */
void server_arena_give(struct http_server *server, struct arena *arena);
struct http_exchange *server_exchange_take(struct http_server *server);
void server_exchange_give(struct http_exchange *exchange); /* may free a freed server */
struct str server_date(struct http_server *server);
/* connection.c */
void connection_accept(struct http_server *server, struct stream *stream);
/* Writes; arms the deadline for a reader that takes nothing. When it fails the client is told as
 * lost later, from the loop. */
void connection_write(struct http_exchange *exchange, const struct str *parts, size_t count);
/* The reply is complete: next request, or the end. */
void connection_next(struct http_exchange *exchange);
/* Lets what is queued go out, then closes. The exchange is gone. */
void connection_leave(struct http_exchange *exchange);
/* Cuts the client off with an RST and forgets the stream. */
void connection_cut(struct http_exchange *exchange);
/* The client is lost: tells the watcher, if there is one. */
void connection_lost(struct http_exchange *exchange);
/* The application is done with it. */
void connection_forget(struct http_exchange *exchange);
