/* pipeline.c - the only place that moves a request from stage to stage. */
#include "base/must.h"
#include "gateway/own.h"
#include <time.h>

_Static_assert((int)STAGE_END <= (int)GATEWAY_STAGES_MAX,
               "each stage has its place in the figures");

static stage_fn *const stages[STAGE_END] = {
#define X(name, file, adds) [STAGE_##name] = stage_##file,
#include "gateway/stages.def"
#undef X
};

static enum stage stage_after(enum stage stage, enum step step)
{
    if (stage == STAGE_SETTLE)
        return STAGE_END;
    return step == STEP_NEXT ? stage + 1 : STAGE_SETTLE; /* settle runs on every path */
}

/* Lets go of everything, then ends the exchange: the request's own memory goes with it. */
static void request_end(struct request *request)
{
    MUST(!request->hold); /* no request ends with money held */
    MUST(!request->call); /* … or with a provider still talking */
    MUST(!request->idempotent);
    struct http_exchange *exchange = request->exchange;
    struct exchange_end const ending = request->ending;
    struct buf body = request->answer.body; /* the ending may show it */
    timer_stop(&request->timer);
    own_end(request);
    list_remove(&request->link);
    count(&request->worker->figures.calls_live, -1);
    if (request->draining)
        request->worker->drains--;
    catalog_unref(request->catalog);
    buf_free(&request->recorded);
    if (request->answer.state == ANSWER_STREAM)
        sse_free(&request->answer.parser);
    request->magic = 0;
    if (ending.kind == END_REPLY)
        http_reply(exchange, &ending.reply, &ending.body, 1);
    else if (ending.kind == END_STREAM)
        http_stream_end(exchange, STR(""));
    else
        http_abort(exchange);
    buf_free(&body);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One run of the request's stage; what it waits for is not its time. */
static enum step stage_run(struct request *request)
{
    stage_fn *const run = stages[request->stage];
    if (!request->sampled)
        return run(request);
    _Atomic int64_t *spent_ns = &request->worker->figures.stage_ns[request->stage];
    int64_t const begin_ns = now_ns();
    enum step const step = run(request);
    count(spent_ns, now_ns() - begin_ns);
    return step;
}

void request_run(struct request *request)
{
    MUST(request->magic == REQUEST_MAGIC && !request->running);
    request->running = true;
    while (request->stage != STAGE_END) {
        MUST(!request->waiting);
        request->visited |= 1u << request->stage;
        request->woken = false;
        enum step const step = stage_run(request);
        if (step == STEP_WAIT) {
            MUST(request->waiting && timer_armed(&request->timer));
            if (!request->woken) {
                request->running = false;
                return; /* request_wake() comes back to this stage */
            }
            request->waiting = false; /* it came while the stage was still busy */
            timer_stop(&request->timer);
            continue;
        }
        MUST(request->stage == STAGE_SETTLE ||
             (step == STEP_FAIL) == (request->fault.code != ERR_OK));
        request->stage = stage_after(request->stage, step);
    }
    request_end(request);
}

void request_wait_ms(struct request *request, int64_t delay_ms)
{
    MUST(!request->waiting && delay_ms >= 0);
    request->waiting = true;
    request->waited_out = false;
    timer_start(request->worker->loop, &request->timer, delay_ms);
}

void request_wake(struct request *request)
{
    MUST(request->magic == REQUEST_MAGIC);
    if (request->running) {
        request->woken = true;
        return;
    }
    MUST(request->waiting);
    request->waiting = false;
    timer_stop(&request->timer);
    request_run(request);
}

enum step request_fail(struct request *request, enum err code, const char *detail)
{
    fault_set(&request->fault, code, "%s", detail);
    return STEP_FAIL;
}
