/* stream_int.h - the inside of a stream, shared by stream.c, dial.c and listener.c.
 *
 *   CONNECTING --> SHAKING --> OPEN --> ENDED --+
 *        |            |          |              v
 *        +------------+----------+---------> CLOSING   (LINGERING lies between OPEN and CLOSING)
 */
#pragma once
#include "base/buf.h"
#include "base/limits.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/tls_int.h"

enum stream_phase {
    STREAM_CONNECTING, /* resolving and connecting */
    STREAM_SHAKING,    /* TLS handshake */
    STREAM_OPEN,
    STREAM_ENDED,     /* on_end was or will be told; waits for stream_close */
    STREAM_LINGERING, /* no owner any more */
    STREAM_CLOSING,   /* libuv is letting go */
};

/* What the kernel did not take: one write under way, and what gathers behind it. */
struct outbox {
    uv_write_t request;
    struct buf sending, waiting;
};

struct dial; /* dial.c: the state of connecting */

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct loop *loop;
    const struct stream_handler *handler;
    void *owner;
    struct tls_session *tls;
    struct outbox *outbox; /* NULL: nothing is queued */
    struct dial *dial;     /* NULL once connected */
    struct listener *listener;
    struct list gather_link;
    struct str gathered; /* a small write that goes out at the end of this iteration */
    struct soon soon;    /* a late on_end, or TLS data that waits after a pause */
    struct timer timer;  /* end of lingering */
    uv_shutdown_t shutdown;
    enum stream_phase phase;
    enum stream_end end_why; /* with end_pending */
    const char *end_detail;
    size_t lingered_bytes;
    bool is_local;
    bool reading;     /* the owner wants data */
    bool eof;         /* the peer has finished its side */
    bool raw_eof;     /* … the socket has; TLS may still hold data */
    bool end_pending; /* `soon` will tell on_end */
    bool finishing;   /* FIN goes out when the queue is empty */
    bool finished;    /* FIN is with libuv or sent */
    char peer[46];
};

/* A stream whose handle is open on libuv's side (TCP or Unix); NULL: no memory. */
struct stream *stream_new(struct loop *loop, bool is_local);
/* Connected: shakes hands when there is a TLS session, else opens; reading begins. */
void stream_begin(struct stream *stream);
/* Tells the end in the next iteration, unless one is planned already. `detail` is static. */
void stream_end_soon(struct stream *stream, enum stream_end why, const char *detail);
/* Queues bytes that the kernel did not take. */
void stream_queue_rest(struct stream *stream, struct str bytes);
/* Frees what a closed stream holds; used as or from a uv_close callback. */
void stream_closed(uv_handle_t *handle);
/* dial.c: the stream was closed while connecting. True: dial.c will call stream_closed again. */
bool dial_holds(struct stream *stream);
void dial_free(struct dial *dial);
/* listener.c */
void listener_forget(struct listener *listener);
