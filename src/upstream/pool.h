/* pool.h - connections to providers: made, kept while idle, dropped.
 *
 * What:  per provider a stack of idle connections (the last used is the first reused); objects are
 *        recycled. One set per worker.
 * Not:   calls, deadlines, HTTP; see client.c.
 * Rules: a connection that may be touched again after a callback is held (connection_hold) around
 *        it: dropping then closes the stream at once, but the object waits for the release.
 */
#pragma once
#include "base/buf.h"
#include "net/stream.h"
#include "upstream/answer.h"

struct pools;
struct pool;
struct call;

struct connection {
    struct list link;
    struct pools *pools;
    struct pool *pool;
    struct stream *stream; /* NULL: dropped */
    struct call *call;     /* NULL: idle or dropped */
    struct answer answer;
    struct buf held; /* read, but not yet given: the call is paused */
    int64_t idle_since_ms;
    int holds;
};

/* `handler` gets the connection as its owner, idle ones too. NULL: no memory. */
struct pools *pools_new(struct loop *loop, const struct stream_handler *handler, int64_t idle_ms);
/* Closes what is idle. MUST have no connection in use. */
void pools_free(struct pools *pools);

/* An open idle connection to the target, or NULL. */
struct connection *pools_take(struct pools *pools, const struct upstream_target *target);
/* A new one, on its way. NULL with the reason in `fault`. */
struct connection *pools_connect(struct pools *pools, const struct upstream_target *target,
                                 struct fault *fault);
void pools_keep(struct connection *connection); /* open, no call: idle from now on */
void pools_drop(struct connection *connection); /* closes it, idle or in use */
size_t pools_idle_count(const struct pools *pools);

void connection_hold(struct connection *connection);
void connection_release(struct connection *connection);
