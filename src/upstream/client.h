/* client.h - calls to providers: HTTP/1.1 over keep-alive pools, on the worker's loop.
 *
 * What:  one call = one request and its answer, with deadlines (connect, first byte, idle, total),
 *        strict framing of the answer, bounded buffers, and pause/resume. A provider's bytes are
 *        hostile: anything unclear fails the call and drops the connection.
 * Not:   meaning of bodies (openai.h …), fallback, money.
 * Rules: retries only where nothing was sent (a pooled connection that turns out dead before the
 *        first byte is written). Redirects are never followed. After on_done or on_fail the call
 *        is gone; after upstream_cancel no callback comes.
 */
#pragma once
#include "base/arena.h"
#include "net/loop.h"

enum upstream_fail {
    UPSTREAM_FAIL_CONNECT,         /* refused, unreachable, DNS; nothing was sent */
    UPSTREAM_FAIL_TLS,             /* certificate or handshake; nothing was sent */
    UPSTREAM_FAIL_CONNECT_TIMEOUT, /* nothing was sent */
    UPSTREAM_FAIL_FIRST_BYTE,      /* deadline for the answer's head */
    UPSTREAM_FAIL_IDLE,            /* deadline between bytes */
    UPSTREAM_FAIL_TOTAL,           /* deadline of the whole call */
    UPSTREAM_FAIL_RESET,           /* closed or reset before the answer was whole */
    UPSTREAM_FAIL_INVALID,         /* not HTTP, bad framing, bad compression */
    UPSTREAM_FAIL_TOO_LARGE,       /* past a bound */
    UPSTREAM_FAIL_MEMORY,
};
const char *upstream_fail_name(enum upstream_fail why);

struct upstream_timeouts {
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};

/* A provider as the transport sees it; immutable, part of the catalogue snapshot. */
struct upstream_target {
    struct str name; /* of the provider: pools and logs go by it */
    struct str host;
    int port;
    bool tls;
    struct str host_header; /* "host" or "host:port" */
    struct str ca_file;     /* empty: the system's */
    struct upstream_timeouts timeouts;
    bool simulated;             /* no network: the built-in provider answers */
    unsigned addresses_refused; /* ADDRESS_BIT()s that the host must not lead to; 0: anywhere */
};

enum { UPSTREAM_PARTS_MAX = 15 }; /* with the head they are one writev */

struct upstream_request {
    bool is_get;     /* a GET without a body; else a POST */
    struct str path; /* with query */
    struct str
        headers; /* rendered lines (authorization, content-type …), without framing and Host */
    size_t part_count; /* the body: spans that live until on_done / on_fail / cancel */
    struct str parts[UPSTREAM_PARTS_MAX];
};

struct upstream_header {
    struct str name, value;
};

/* As on the wire: Content-Length, Transfer-Encoding and Content-Encoding say nothing about the
 * bytes of on_body, which are unchunked and decoded. Valid during the call of on_head. */
struct upstream_head {
    int status;
    size_t header_count;
    const struct upstream_header *headers;
};
/* Value of a header; ptr NULL when absent. */
struct str upstream_header(const struct upstream_head *head, struct str name);

struct upstream_handler {
    /* Right before the first byte is handed to the socket: write DISPATCH here; asked once per
     * call, also when a pooled connection proves dead and a fresh one follows (which may then fail
     * to connect). False: do not send (the call then ends without further callbacks, as after
     * cancel; what upstream_call returns is gone already). */
    bool (*on_dispatch)(void *owner);
    void (*on_head)(void *owner, const struct upstream_head *head); /* never 1xx */
    void (*on_body)(void *owner, struct str bytes);                 /* decoded, unchunked */
    void (*on_done)(void *owner);                                   /* whole and well framed */
    void (*on_fail)(void *owner, enum upstream_fail why, const char *detail);
};

struct upstream_client; /* per worker: all pools */
struct upstream_call;

struct upstream_client *upstream_client_new(struct loop *loop);
/* Closes idle connections; MUST have no running calls. */
void upstream_client_free(struct upstream_client *client);
/* `target`, `request` and the parts live until the call ends; `arena` is the request's. on_dispatch
 * may run before this returns; all other callbacks come later, from the loop. NULL: no memory. */
struct upstream_call *upstream_call(struct upstream_client *client,
                                    const struct upstream_target *target,
                                    const struct upstream_request *request, struct arena *arena,
                                    const struct upstream_handler *handler, void *owner);
/* No on_body until upstream_resume, which never calls back itself; the idle deadline stands still.
 * The end may still be told: on_done when the last byte was given before, on_fail at any time. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);
/* The answer may be longer than the plain bound: a stream (UPSTREAM_STREAM_BYTES_MAX). */
void upstream_allow_stream(struct upstream_call *call);
/* Ends the call: the connection is dropped unless the answer was whole. */
void upstream_cancel(struct upstream_call *call);
/* Figures for /metrics. */
struct upstream_figures {
    int64_t calls, connects, reuses, failures, idle_connections;
};
void upstream_figures(const struct upstream_client *client, struct upstream_figures *figures);
