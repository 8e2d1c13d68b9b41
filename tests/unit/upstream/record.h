/* record.h - a handler for the client's tests that records each callback, and acts when told. */
#pragma once
#include "base/limits.h"
#include "net/timer.h"
#include "upstream/client.h"
#include "wire.h"

enum { CALLER_WATCHDOG_MS = 60000, CALLER_ARENA_BYTES = 1 << 20, CALLER_TICK_MS = 20 };

enum stage { STAGE_NONE, STAGE_DISPATCH, STAGE_HEAD, STAGE_BODY };

struct caller {
    struct loop *loop;
    struct upstream_client *client;
    struct arena *arena;
    struct upstream_target target;
    struct upstream_request request;
    struct upstream_call *call; /* NULL: ended */
    struct timer watchdog, tick;
    bool timed_out;

    enum stage cancel_at, pause_at;
    bool stream; /* upstream_allow_stream in on_head */
    int dispatches, heads, dones, fails, bodies, after_end;
    int status;
    enum upstream_fail why;
    char detail[200];
    struct buf body;
    bool ended;
};

static inline void caller_end(struct caller *caller)
{
    caller->after_end += caller->ended;
    caller->ended = true;
    caller->call = NULL;
    loop_stop(caller->loop);
}

/* True: the call is gone. */
static inline bool caller_act(struct caller *caller, enum stage stage)
{
    caller->after_end += caller->ended;
    if (caller->cancel_at == stage) {
        upstream_cancel(caller->call);
        caller_end(caller);
        return true;
    }
    if (caller->pause_at == stage && caller->call) {
        caller->pause_at = STAGE_NONE;
        upstream_pause(caller->call);
    }
    return false;
}

static inline bool caller_on_dispatch(void *owner)
{
    struct caller *caller = owner;
    caller->dispatches++;
    if (caller->cancel_at != STAGE_DISPATCH)
        return true;
    caller_end(caller);
    return false;
}

static inline void caller_on_head(void *owner, const struct upstream_head *head)
{
    struct caller *caller = owner;
    caller->heads++;
    caller->status = head->status;
    if (caller->stream)
        upstream_allow_stream(caller->call);
    (void)caller_act(caller, STAGE_HEAD);
}

static inline void caller_on_body(void *owner, struct str bytes)
{
    struct caller *caller = owner;
    caller->bodies++;
    assert_int_equal(buf_add(&caller->body, bytes), ERR_OK);
    (void)caller_act(caller, STAGE_BODY);
}

static inline void caller_on_done(void *owner)
{
    struct caller *caller = owner;
    caller->dones++;
    caller_end(caller);
}

static inline void caller_on_fail(void *owner, enum upstream_fail why, const char *detail)
{
    struct caller *caller = owner;
    caller->fails++;
    caller->why = why;
    snprintf(caller->detail, sizeof caller->detail, "%s", detail);
    caller_end(caller);
}

static const struct upstream_handler caller_handler = {
    caller_on_dispatch, caller_on_head, caller_on_body, caller_on_done, caller_on_fail};
