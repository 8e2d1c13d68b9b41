/* call_int.h - what a running call is inside upstream/: a network call or a simulated one.
 *
 * What:  the first member of every kind of call; upstream_pause and the others go through it.
 * Not:   for other folders; they know client.h only.
 * Rules: `cancel` frees what the call owns, after it no callback comes. A call that ended through
 *        on_done or on_fail is gone: its ops are not called any more. Callbacks may cancel.
 */
#pragma once
#include "upstream/client.h"

struct upstream_call_ops {
    void (*pause)(struct upstream_call *call);
    void (*resume)(struct upstream_call *call);
    void (*allow_stream)(struct upstream_call *call);
    void (*cancel)(struct upstream_call *call);
};

struct upstream_call {
    const struct upstream_call_ops *ops;
};

/* The built-in provider (simulated.c): the same contract as upstream_call, without network. */
struct upstream_call *simulated_call(struct upstream_client *client, struct loop *loop,
                                     const struct upstream_target *target,
                                     const struct upstream_request *request, struct arena *arena,
                                     const struct upstream_handler *handler, void *owner);
