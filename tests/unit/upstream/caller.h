/* caller.h - one side of the client's tests: a loop, a client, and calls. */
#pragma once
#include "record.h"
#include "script_server.h"

static inline void caller_on_watchdog(struct timer *timer)
{
    struct caller *caller = LIST_OWNER(timer, struct caller, watchdog);
    caller->timed_out = true;
    loop_stop(caller->loop);
}

static inline void caller_on_tick(struct timer *timer)
{
    loop_stop(LIST_OWNER(timer, struct caller, tick)->loop);
}

static inline void caller_open(struct caller *caller, int port)
{
    *caller = (struct caller){.loop = loop_new()};
    assert_non_null(caller->loop);
    caller->client = upstream_client_new(caller->loop);
    caller->arena = arena_new(CALLER_ARENA_BYTES);
    assert_true(caller->client && caller->arena);
    buf_init(&caller->body, 256 << 20);
    timer_init(&caller->watchdog, caller_on_watchdog);
    timer_init(&caller->tick, caller_on_tick);
    caller->target = (struct upstream_target){.name = STR("p"),
                                              .host = STR("127.0.0.1"),
                                              .port = port,
                                              .host_header = STR("api.example:8080"),
                                              .timeouts = {20000, 20000, 20000, 40000}};
    caller->request = (struct upstream_request){.path = STR("/v1/x?y"),
                                                .headers = STR("authorization: Bearer k\r\n"),
                                                .part_count = 2,
                                                .parts = {STR("{\"a\":"), STR("1}")}};
}

/* Begins a call; what it records starts anew. */
static inline void caller_start(struct caller *caller)
{
    caller->dispatches = caller->heads = caller->dones = caller->fails = caller->bodies = 0;
    caller->after_end = caller->status = 0;
    caller->ended = false;
    caller->why = 0;
    buf_clear(&caller->body);
    arena_reset(caller->arena);
    struct upstream_call *call = upstream_call(caller->client, &caller->target, &caller->request,
                                               caller->arena, &caller_handler, caller);
    assert_non_null(call);
    caller->call = caller->ended ? NULL : call;
}

/* Runs the loop until the call has ended. */
static inline void caller_wait(struct caller *caller)
{
    timer_start(caller->loop, &caller->watchdog, CALLER_WATCHDOG_MS);
    while (!caller->ended && !caller->timed_out)
        uv_run(loop_uv(caller->loop), UV_RUN_DEFAULT);
    timer_stop(&caller->watchdog);
    assert_false(caller->timed_out);
}

/* Lets the loop work for a while, call or not. */
static inline void caller_idle(struct caller *caller, int ms)
{
    for (int spent = 0; spent < ms; spent += CALLER_TICK_MS) {
        timer_start(caller->loop, &caller->tick, CALLER_TICK_MS);
        uv_run(loop_uv(caller->loop), UV_RUN_DEFAULT);
        timer_stop(&caller->tick);
    }
}

static inline void caller_run(struct caller *caller)
{
    caller_start(caller);
    caller_wait(caller);
}

static inline struct upstream_figures caller_figures(const struct caller *caller)
{
    struct upstream_figures figures;
    upstream_figures(caller->client, &figures);
    return figures;
}

/* Runs the loop until so many connections are idle. */
static inline void caller_await_idle(struct caller *caller, int count)
{
    for (int tries = 0; caller_figures(caller).idle_connections != count; tries++) {
        assert_true(tries < CALLER_WATCHDOG_MS / CALLER_TICK_MS);
        caller_idle(caller, CALLER_TICK_MS);
    }
}

static inline void caller_close(struct caller *caller)
{
    assert_int_equal(caller->after_end, 0);
    upstream_client_free(caller->client);
    loop_stop(caller->loop);
    uv_run(loop_uv(caller->loop), UV_RUN_NOWAIT); /* takes the stop, so that closing can run */
    loop_run(caller->loop);
    loop_free(caller->loop);
    arena_free(caller->arena);
    buf_free(&caller->body);
}
