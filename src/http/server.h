/* server.h - the server side of HTTP/1.1: hostile bytes in, whole requests out, replies back.
 *
 * What:  framing and limits (llhttp strict plus our own checks: no bare LF, no obs-fold, no CL+TE,
 *        one Host, …), keep-alive, pipelining in order, 100-continue, deadlines against slow
 *        senders, early 413, chunked or plain replies, back-pressure.
 * Not:   routing and meaning; it does not know the gateway. The app hands it a struct http_app.
 * Rules: all on the loop's thread. An exchange is one request with its reply; it lives until its
 *        reply is finished or aborted, and its memory (arena) with it.
 */
#pragma once
#include "base/arena.h"
#include "http/header.h"
#include "net/stream.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER
};

struct http_head {
    enum http_method method;
    struct str path, query; /* origin-form target, undecoded; query without '?' */
    size_t header_count;
    const struct http_header *headers;
    int64_t body_bytes; /* Content-Length; -1: chunked; 0: none */
    bool http_1_0, keep_alive;
};

struct http_exchange;

/* What the server asks of the application. */
struct http_app {
    void *context;
    /* Most body bytes for this request; called once the head is in. More is 413. */
    size_t (*body_bytes_max)(void *context, const struct http_head *head);
    /* Optional. Asked when a head announces a body that is not here yet: anything but ERR_OK (with
     * the fault set) answers at once and closes, so that nobody uploads 30 MB to a wrong address
     * or with a wrong key. Not asked when the body came along: on_request checks the same. */
    enum err (*on_head)(void *context, const struct http_head *head, struct fault *fault);
    /* The whole request is here. Must lead to http_reply or http_stream_* now or later. */
    void (*on_request)(void *context, struct http_exchange *exchange);
    /* Renders a refusal that the server makes itself (400, 408, 413, 414, 431, 503, 505), e.g. in
     * the surface's own error format. head is NULL when there is none. Writes body and type into
     * the arena. */
    void (*on_refuse)(void *context, struct arena *arena, const struct http_head *head,
                      const struct fault *fault, struct str *content_type, struct str *body);
};

struct http_server;

struct http_server_options {
    struct loop *loop;
    struct str address;
    struct tls_context *tls;
    const struct http_app *app; /* copied */
};

NODISCARD enum err http_server_open(const struct http_server_options *options,
                                    struct http_server **server, struct fault *fault);
int http_server_port(const struct http_server *server);
/* Stops accepting, closes idle connections, lets running exchanges end with Connection: close. */
void http_server_drain(struct http_server *server);
size_t http_server_exchanges(const struct http_server *server); /* running ones */
size_t http_server_connections(const struct http_server *server);
/* Resets what is left (watchers hear on_gone); the last owner to end its exchange frees the rest.
 * NULL is allowed. */
void http_server_free(struct http_server *server);

/* --- one exchange ---------------------------------------------------------------------------- */
const struct http_head *http_head(const struct http_exchange *exchange);
/* The value of a header, trimmed; ptr NULL when absent. First of several. */
struct str http_header(const struct http_exchange *exchange, struct str name);
/* How often it was sent. */
size_t http_header_count(const struct http_exchange *exchange, struct str name);
struct str http_body(const struct http_exchange *exchange);
struct arena *http_arena(struct http_exchange *exchange);
struct loop *http_loop(struct http_exchange *exchange);
struct str http_peer(const struct http_exchange *exchange);
bool http_is_local(const struct http_exchange *exchange);      /* came over the Unix socket */
int64_t http_started_us(const struct http_exchange *exchange); /* mono: first byte of the head */

/* Who hears of the exchange's fate while it waits or streams. on_gone: the client closed or was
 * cut; replies go nowhere from then on, but the exchange and its arena live until the owner ends it
 * (http_abort, http_reply or http_stream_end), so that an abandoned call can still be drained.
 * on_drain: the reply queue fell to LOW again. Both come from the loop, never from inside a call
 * that the owner makes (a write that fails is told later).
 * A client that finishes its side (FIN) is answered in full: TCP does not tell it from one that
 * left until a write comes back as RST, or at once if it left unread bytes behind. */
struct http_watcher {
    void (*on_gone)(void *owner);
    void (*on_drain)(void *owner);
};
void http_watch(struct http_exchange *exchange, const struct http_watcher *watcher, void *owner);

/* `headers`: rendered lines "name: value\r\n…", trusted, may be empty. Content-Length, Date,
 * Connection and Content-Type are the server's. */
struct http_reply {
    int status;
    struct str content_type;
    struct str headers;
};
/* The whole reply; the exchange is gone afterwards. HEAD and 204 send no body. */
void http_reply(struct http_exchange *exchange, const struct http_reply *reply,
                const struct str *body, size_t body_parts);
/* A streamed reply: the head goes out with the first bytes. HTTP/1.1: chunked; 1.0: to close. */
void http_stream_start(struct http_exchange *exchange, const struct http_reply *reply);
void http_stream_write(struct http_exchange *exchange, struct str bytes);
/* Sends what is held back (the head) now. */
void http_stream_flush(struct http_exchange *exchange);
/* `last` may be empty; the exchange is gone afterwards. */
void http_stream_end(struct http_exchange *exchange, struct str last);
/* Ends the connection so that nobody can take it for a clean end (chunked: what was written still
 * goes out, but no last chunk; else RST). The exchange is gone. */
void http_abort(struct http_exchange *exchange);
/* Reply bytes the client has not taken yet. */
size_t http_queued(const struct http_exchange *exchange);
