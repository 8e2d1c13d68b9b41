/* stream.h - a byte stream over TCP or a Unix socket, plain or TLS, with back-pressure.
 *
 * What:  callbacks with data, an explicit end, and a write that is tried at once and queued only
 *        for what the kernel does not take. The queue is visible, so the owner can stop its source.
 * Not:   HTTP; deadlines (the owner arms a timer).
 * Rules: all on the loop's thread. After on_end nothing more comes, but the owner still calls
 *        stream_close. One exception: after STREAM_END_EOF writing may go on, so on_drain and one
 *        more on_end (RESET) may come. stream_close may be called inside any callback; no callback
 *        follows it. No callback comes from within stream_connect, stream_write or any other call.
 */
#pragma once
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"

struct stream;

enum stream_end {
    STREAM_END_EOF,     /* the peer finished its side; writing may still work */
    STREAM_END_RESET,   /* connection lost; or TLS that ended without close_notify (a cut) */
    STREAM_END_UNSENT,  /* … before the first byte of the last write had left */
    STREAM_END_REFUSED, /* connect: refused, unreachable, no route, name not found */
    STREAM_END_TLS,     /* handshake or certificate refused, or a TLS error */
};

struct stream_handler {
    void (*on_open)(void *owner); /* connected and, with TLS, shaken hands (accepted too) */
    void (*on_data)(void *owner, struct str bytes);
    void (*on_end)(void *owner, enum stream_end why, const char *detail);
    void (*on_drain)(void *owner); /* the queue is empty again after stream_write queued */
};

/* An address to connect to. */
struct endpoint {
    struct str host; /* name or literal address */
    int port;
    struct tls_context *tls; /* NULL: plain. Not owned */
    unsigned refused; /* ADDRESS_BIT()s that the host must not lead to; 0: it may lead anywhere */
};

/* Resolves, connects (addresses in turn, those of refused classes left out), shakes hands. The copy
 * of `to` is the stream's own. NULL when memory is short; every other failure comes as on_end. */
struct stream *stream_connect(struct loop *loop, const struct endpoint *to,
                              const struct stream_handler *handler, void *owner);
/* Sets or changes who is called (an idle connection gets a new owner). */
void stream_own(struct stream *stream, const struct stream_handler *handler, void *owner);
/* Writes the parts in order: what the kernel does not take now is copied and queued.
 * ERR_TOO_LARGE past the queue's bound (64 MiB; nothing was written), ERR_UPSTREAM_CUT when the
 * stream has ended; when a write fails an on_end(RESET) follows soon. After on_open only. */
NODISCARD enum err stream_write(struct stream *stream, const struct str *parts, size_t count);
/* Bytes that wait in our queue. */
size_t stream_queued(const struct stream *stream);
void stream_read_stop(struct stream *stream);
void stream_read_start(struct stream *stream);
/* FIN after the queue (TLS: close_notify). Reading goes on; writing is over. */
void stream_finish(struct stream *stream);
/* Drops the queue and closes; memory goes when libuv has let go. NULL is allowed. */
void stream_close(struct stream *stream);
/* The same, but with RST instead of FIN. */
void stream_reset(struct stream *stream);
/* Writes what is queued, sends FIN, reads and forgets what still comes (so that the peer sees our
 * last bytes and not an RST) until the peer has finished too, at most grace_ms and
 * LINGER_BYTES_MAX; then closes. The owner forgets the stream. */
void stream_linger(struct stream *stream, int64_t grace_ms);
/* True when this stream was accepted on a Unix socket (its peer is the operator). */
bool stream_is_local(const struct stream *stream);
/* "203.0.113.7" or "unix"; lives as long as the stream. */
struct str stream_peer(const struct stream *stream);

/* --- listening ------------------------------------------------------------------------------ */
struct listener;

struct listen_options {
    struct str address;      /* "127.0.0.1:8787", "[::1]:0", "unix:/path" */
    struct tls_context *tls; /* NULL: plain */
    int backlog;
    size_t connections_max; /* more wait in the backlog */
};

/* `on_accept` gets a stream without owner: it calls stream_own at once, or stream_close.
 * TCP sockets are SO_REUSEPORT, so that each worker has its own. Pauses by itself when out of
 * descriptors (event out_of_files). ERR_CONFIG_INVALID with the reason. */
NODISCARD enum err listener_open(struct loop *loop, const struct listen_options *options,
                                 void (*on_accept)(void *owner, struct stream *stream), void *owner,
                                 struct listener **listener, struct fault *fault);
int listener_port(const struct listener *listener); /* the real one, for ":0"; 0 for unix */
size_t listener_connections(const struct listener *listener);
/* Stops accepting; open streams live on. NULL is allowed. */
void listener_close(struct listener *listener);
