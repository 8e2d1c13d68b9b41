/* simulated.c - a plan played on a uv_timer.
 *
 * Why:  a call lives on the heap, not in the request's arena: libuv lets go of a timer only in a
 *       later turn of the loop, when the request may be long gone.
 */
#include "upstream/simulated.h"
#include "base/buf.h"
#include "base/must.h"
#include "sim/plan.h"
#include "upstream/call_int.h"
#include <stdatomic.h>
#include <stdlib.h>

enum {
    PIECES_PER_TURN = 64, /* then others have their turn */
    HEAD_BYTES_ABOUT = 60,
};

struct simulated {
    struct upstream_call call; /* first: upstream_call is a view of this */
    uv_timer_t timer;
    const struct upstream_handler *handler;
    void *owner;
    struct arena *arena; /* of the plan */
    struct sim_plan plan;
    struct buf body; /* the piece being delivered */
    struct upstream_timeouts timeouts;
    int64_t started_us, active_us; /* active: the last byte, or the resume */
    int64_t bytes, bytes_max;
    size_t next;
    bool head_done, paused, ended;
};

static _Atomic uint64_t seed = 1;
static _Atomic uint64_t sequence; /* of all simulated calls, so that sim-flaky takes its turns */

void simulated_seed_set(uint64_t value)
{
    atomic_store(&seed, value);
}

static struct simulated *of_call(struct upstream_call *call)
{
    return (struct simulated *)(void *)call;
}

static int64_t now_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

static void closed(uv_handle_t *handle)
{
    struct simulated *run = handle->data;
    buf_free(&run->body);
    arena_free(run->arena);
    free(run);
}

static void end(struct simulated *run)
{
    MUST(!run->ended);
    run->ended = true;
    uv_close((uv_handle_t *)&run->timer, closed);
}

static void fail(struct simulated *run, enum upstream_fail why, const char *detail)
{
    end(run);
    run->handler->on_fail(run->owner, why, detail);
}

/* Every wait has an end, also where the configuration says nothing. */
static int64_t wait_us(int64_t configured_ms)
{
    return (configured_ms > 0 ? configured_ms : UPSTREAM_TOTAL_MS) * 1000;
}

/* When the call fails by itself, and how. */
static int64_t deadline_us(const struct simulated *run, enum upstream_fail *why)
{
    const struct upstream_timeouts *timeouts = &run->timeouts;
    int64_t const total = run->started_us + wait_us(timeouts->total_ms);
    int64_t phase = INT64_MAX;
    if (!run->head_done)
        phase = run->started_us + wait_us(timeouts->first_byte_ms);
    else if (!run->paused)
        phase = run->active_us + wait_us(timeouts->idle_ms);
    *why = UPSTREAM_FAIL_TOTAL;
    if (phase >= total)
        return total;
    *why = run->head_done ? UPSTREAM_FAIL_IDLE : UPSTREAM_FAIL_FIRST_BYTE;
    return phase;
}

/* The end of what the plan has to say. */
static void finish(struct simulated *run)
{
    /* those two never finish: step waits for a deadline, or goes on */
    MUST(run->plan.end != SIM_END_SILENT && run->plan.end != SIM_END_ENDLESS);
    switch (run->plan.end) {
    case SIM_END_CUT:
    case SIM_END_SHORT_CHUNK:
        fail(run, UPSTREAM_FAIL_RESET, "simulated: closed before the answer was whole");
        return;
    case SIM_END_RESET:
        fail(run, UPSTREAM_FAIL_RESET, "simulated: connection reset");
        return;
    case SIM_END_BAD_CHUNK:
        fail(run, UPSTREAM_FAIL_INVALID, "simulated: bad chunk size");
        return;
    default:
        break;
    }
    end(run);
    run->handler->on_done(run->owner);
}

static void deliver_head(struct simulated *run)
{
    const struct sim_plan *plan = &run->plan;
    if (plan->head == SIM_HEAD_NONE && plan->end == SIM_END_CUT) {
        fail(run, UPSTREAM_FAIL_CONNECT, "simulated: connection refused");
        return;
    }
    if (plan->head == SIM_HEAD_NONE) {
        fail(run, UPSTREAM_FAIL_RESET, "simulated: reset before the answer");
        return;
    }
    if (plan->head == SIM_HEAD_HUGE) {
        fail(run, UPSTREAM_FAIL_TOO_LARGE, "simulated: a header of 1 MiB");
        return;
    }
    if (plan->head == SIM_HEAD_TWO_LENGTHS) {
        fail(run, UPSTREAM_FAIL_INVALID, "simulated: two different Content-Length headers");
        return;
    }
    struct upstream_header headers[SIM_HEADERS_MAX];
    struct upstream_head head = {.status = plan->status, .headers = headers};
    for (size_t i = 0; i < plan->header_count; i++)
        if (!str_eq(plan->headers[i].name, STR("content-encoding"))) /* on_body is decoded */
            headers[head.header_count++] =
                (struct upstream_header){plan->headers[i].name, plan->headers[i].value};
    run->head_done = true;
    run->active_us = now_us();
    run->handler->on_head(run->owner, &head);
}

/* Hands over a view, whole or byte by byte. False: the owner ended the call, or a bound did. */
static bool hand_over(struct simulated *run, struct str bytes)
{
    if (run->plan.framing == SIM_FRAMING_LENGTH) {
        int64_t const room = run->plan.body_bytes - run->bytes;
        if ((int64_t)bytes.len > room)
            bytes.len = (size_t)room; /* length-too-short: the rest is not part of the answer */
    }
    run->bytes += (int64_t)bytes.len;
    if (run->bytes > run->bytes_max) {
        fail(run, UPSTREAM_FAIL_TOO_LARGE, "simulated: the answer passes its bound");
        return false;
    }
    size_t const step = run->plan.one_byte ? 1 : bytes.len;
    while (bytes.len > 0 && !run->ended) {
        run->handler->on_body(run->owner, str_make(bytes.ptr, step));
        bytes = str_skip(bytes, step);
    }
    return !run->ended;
}

static void deliver_piece(struct simulated *run)
{
    size_t const index = run->next;
    bool const last = index + 1 == run->plan.piece_count;
    buf_clear(&run->body);
    if (sim_piece_render(&run->plan, index, &run->body) != ERR_OK) {
        fail(run, UPSTREAM_FAIL_MEMORY, "simulated: no memory");
        return;
    }
    if (!last || run->plan.end != SIM_END_ENDLESS)
        run->next++;
    run->active_us = now_us();
    (void)hand_over(run, buf_view(&run->body));
}

/* When the next thing of the plan is due; INT64_MAX: never. */
static int64_t next_us(const struct simulated *run)
{
    const struct sim_plan *plan = &run->plan;
    if (run->paused)
        return INT64_MAX;
    if (!run->head_done) {
        if (plan->head == SIM_HEAD_NONE && plan->end == SIM_END_SILENT)
            return INT64_MAX;
        int64_t slow_us = 0;
        for (size_t i = 0; plan->head == SIM_HEAD_SLOW && i < plan->header_count; i++)
            slow_us += (int64_t)(plan->headers[i].name.len + plan->headers[i].value.len +
                                 HEAD_BYTES_ABOUT) *
                       SIM_SLOW_BYTE_US;
        return run->started_us + plan->head_at_us + slow_us;
    }
    if (run->next < plan->piece_count)
        return run->started_us + plan->pieces[run->next].at_us;
    return plan->end == SIM_END_SILENT ? INT64_MAX : run->started_us + plan->end_at_us;
}

static void on_timer(uv_timer_t *timer);

static void wait_until(struct simulated *run, int64_t due_us, int64_t now)
{
    uint64_t const delay_ms = due_us > now ? (uint64_t)((due_us - now + 999) / 1000) : 0;
    MUST(uv_timer_start(&run->timer, on_timer, delay_ms, 0) == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct simulated *run = timer->data;
    for (int turn = 0; !run->ended; turn++) {
        int64_t const now = now_us(), next = next_us(run);
        enum upstream_fail why = UPSTREAM_FAIL_TOTAL;
        int64_t const deadline = deadline_us(run, &why);
        int64_t const due = next < deadline ? next : deadline;
        if (due > now || turn == PIECES_PER_TURN) {
            wait_until(run, due, now);
            return;
        }
        /* what is late because the loop was busy still counts, unless the whole call is over */
        if (deadline <= next || (now >= deadline && why == UPSTREAM_FAIL_TOTAL))
            fail(run, why, "simulated: deadline");
        else if (!run->head_done)
            deliver_head(run);
        else if (run->next < run->plan.piece_count)
            deliver_piece(run);
        else
            finish(run);
    }
}

static void pause_call(struct upstream_call *call)
{
    struct simulated *run = of_call(call);
    run->paused = true;
    if (!run->ended)
        wait_until(run, 0, 0); /* the deadlines changed */
}

static void resume_call(struct upstream_call *call)
{
    struct simulated *run = of_call(call);
    run->paused = false;
    run->active_us = now_us();
    if (!run->ended)
        wait_until(run, 0, 0);
}

static void allow_stream(struct upstream_call *call)
{
    of_call(call)->bytes_max = UPSTREAM_STREAM_BYTES_MAX;
}

static void cancel_call(struct upstream_call *call)
{
    struct simulated *run = of_call(call);
    if (!run->ended)
        end(run);
}

static const struct upstream_call_ops ops = {pause_call, resume_call, allow_stream, cancel_call};

/* The rendered header lines, as far as they are ours. */
static void take_headers(struct str lines, struct sim_headers *headers)
{
    while (lines.len > 0) {
        struct str const line = str_make(lines.ptr, str_find(lines, STR("\r\n")));
        lines = str_skip(lines, line.len + 2);
        size_t const colon = str_find(line, STR(":"));
        if (colon < line.len)
            sim_headers_take(headers, str_make(line.ptr, colon), str_skip(line, colon + 1));
    }
}

static enum err make_plan(struct simulated *run, const struct upstream_request *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->part_count; i++)
        bytes += request->parts[i].len;
    /* Headers are copied too: the plan borrows from both and may outlive the request. */
    char *copy = arena_alloc(run->arena, bytes + 1);
    struct str const lines = arena_copy(run->arena, request->headers);
    struct str const path = arena_copy(run->arena, request->path);
    if (!copy || !lines.ptr || !path.ptr)
        return ERR_NO_MEMORY;
    struct sim_request ask = {.path = path, .body = str_make(copy, bytes)};
    ask.method = request->part_count > 0 ? STR("POST") : STR("GET");
    for (size_t i = 0; i < request->part_count; i++) {
        if (request->parts[i].len > 0)
            memcpy(copy, request->parts[i].ptr, request->parts[i].len);
        copy += request->parts[i].len;
    }
    take_headers(lines, &ask.headers);
    struct sim_facts const facts = {.seed = atomic_load(&seed),
                                    .sequence = atomic_fetch_add(&sequence, 1),
                                    .latency_us = -1,
                                    .tokens_per_second = -1};
    return sim_plan_make(&ask, &facts, run->arena, &run->plan);
}

struct upstream_call *simulated_call(struct upstream_client *client, struct loop *loop,
                                     const struct upstream_target *target,
                                     const struct upstream_request *request, struct arena *arena,
                                     const struct upstream_handler *handler, void *owner)
{
    (void)client;
    (void)arena; /* see the card */
    struct simulated *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->arena = arena_new(SIM_ARENA_BYTES);
    if (!run->arena || make_plan(run, request) != ERR_OK ||
        uv_timer_init(loop_uv(loop), &run->timer) != 0) {
        arena_free(run->arena);
        free(run);
        return NULL;
    }
    run->call.ops = &ops;
    run->timer.data = run;
    run->handler = handler;
    run->owner = owner;
    run->timeouts = target->timeouts;
    run->bytes_max = UPSTREAM_ANSWER_BYTES_MAX;
    buf_init(&run->body, SIM_ANSWER_BYTES_MAX);
    run->started_us = run->active_us = now_us();
    /* refuse: nothing was sent, so nothing is dispatched */
    bool const refused = run->plan.head == SIM_HEAD_NONE && run->plan.end == SIM_END_CUT;
    if (!refused && !handler->on_dispatch(owner))
        end(run);
    else
        wait_until(run, 0, 0);
    return &run->call;
}
