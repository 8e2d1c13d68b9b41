/* relay.c - the provider's callbacks: collect plain answers, relay streams event by event.
 *
 * What:  a stream's bytes go on as they came, whole events only; nothing is sent before the first
 *        event, so that a provider that fails early still becomes an honest status.
 * Not:   decisions about money (stage_settle.c).
 */
#include "gateway/relay.h"
#include "base/must.h"
#include "core/estimate.h"
#include "gateway/reply.h"

enum {
    PROGRESS_EVERY_US = 1000000,
    PROGRESS_EVERY_TOKENS = 2000,
    EXPECTED_BYTES_MAX = 256 << 10,
    RUNAWAY_SLACK = 4096,
    RUNAWAY_BYTES_PER_TOKEN = 32,
    RUNAWAY_CHUNKS_PER_TOKEN = 2,
};

static bool on_dispatch(void *owner)
{
    struct request *request = owner;
    if (request->dispatched)
        return true; /* a second try after a dead pooled connection: nothing was sent yet */
    request->dispatched = book_dispatch(request->worker->gateway->options.book, request->hold,
                                        &request->fault) == ERR_OK;
    if (request->dispatched)
        return true;
    request->call = NULL; /* it ends by our answer; we go on from the loop, not from in here */
    request->answer.ended = request->answer.failed = true;
    if (request->waiting && !request->running)
        timer_start(request->worker->loop, &request->timer, 0);
    return false;
}

/* --- the answer's head ----------------------------------------------------------------------- */
static bool is_type(struct str content_type, struct str wanted)
{
    return content_type.len >= wanted.len &&
           str_eq_nocase(str_make(content_type.ptr, wanted.len), wanted);
}

/* One allocation instead of several; a length that is a lie costs nothing. */
static void expect_body(struct answer *answer, struct str content_length)
{
    int64_t bytes;
    if (str_to_i64(content_length, &bytes) && bytes > 0 && bytes <= EXPECTED_BYTES_MAX &&
        buf_reserve(&answer->body, (size_t)bytes) != ERR_OK)
        return; /* buf_add will say so when it matters */
}

static void on_head(void *owner, const struct upstream_head *head)
{
    struct request *request = owner;
    struct answer *answer = &request->answer;
    struct str const type = upstream_header(head, STR("content-type"));
    struct str const retry = upstream_header(head, STR("retry-after"));
    answer->status = head->status;
    answer->first_byte_us = clock_wall_us(request->worker->gateway->options.clock);
    if (type.len > 0)
        answer->content_type = arena_copy(request->arena, type);
    if (retry.len > 0 && retry.len < 64)
        answer->retry_after = arena_copy(request->arena, retry);
    if (head->status < 200 || head->status >= 300) {
        answer->state = ANSWER_REFUSAL;
    } else if (request->ask.stream && (!type.len || is_type(type, STR("text/event-stream")))) {
        answer->state = ANSWER_STREAM;
        upstream_allow_stream(request->call);
        sse_init(&answer->parser, SSE_EVENT_BYTES_MAX);
        count(&request->worker->figures.streams_live, 1);
    } else {
        answer->state = ANSWER_PLAIN;
        expect_body(answer, upstream_header(head, STR("content-length")));
    }
}

/* --- the end of a call ----------------------------------------------------------------------- */
static void ended(struct request *request)
{
    request->call = NULL;
    request->answer.ended = true;
    if (request->answer.state == ANSWER_STREAM)
        count(&request->worker->figures.streams_live, -1);
    request_wake(request);
}

static void fail(struct request *request, enum err code, const char *detail)
{
    fault_set(&request->fault, code, "%s", detail);
    request->answer.failed = true;
}

void relay_stop(struct request *request)
{
    if (!request->call)
        return;
    struct upstream_call *call = request->call;
    request->call = NULL;
    upstream_cancel(call);
    request->answer.ended = request->answer.failed = true;
    if (request->answer.state == ANSWER_STREAM)
        count(&request->worker->figures.streams_live, -1);
}

/* From inside a callback: the call is over for us, whatever the provider still sends. */
static void break_off(struct request *request, enum err code, const char *detail)
{
    fail(request, code, detail);
    relay_stop(request);
    request_wake(request);
}

/* --- streams --------------------------------------------------------------------------------- */
struct batch { /* the events of one read, sent on in one write */
    struct request *request;
    struct str span; /* events that follow each other in memory */
    struct str tail; /* what stands for the last event when its blank line is ours */
    enum err err;
};

static void send_on(struct request *request, struct str bytes)
{
    struct answer *answer = &request->answer;
    if (bytes.len == 0)
        return;
    if (request->idempotent && !request->unrecorded)
        request->unrecorded = buf_add(&request->recorded, bytes) != ERR_OK;
    if (request->client_gone)
        return;
    if (!answer->started) {
        struct http_reply const reply = {200, STR("text/event-stream; charset=utf-8"),
                                         reply_success_headers(request, false)};
        http_stream_start(request->exchange, &reply);
        answer->started = true;
        if (answer->parser.bom_bytes == 3)
            http_stream_write(request->exchange, STR("\xef\xbb\xbf"));
    }
    http_stream_write(request->exchange, bytes);
}

static void batch_flush(struct batch *batch)
{
    send_on(batch->request, batch->span);
    batch->span = (struct str){0};
}

static void batch_add(struct batch *batch, struct str raw)
{
    if (batch->span.ptr && batch->span.ptr + batch->span.len == raw.ptr) {
        batch->span.len += raw.len;
        return;
    }
    batch_flush(batch);
    batch->span = raw;
}

static bool on_event(void *owner, const struct sse_event *event)
{
    struct batch *batch = owner;
    struct request *request = batch->request;
    struct answer *answer = &request->answer;
    struct str const raw = batch->tail.ptr ? batch->tail : event->raw;
    if (!event->data.ptr) { /* a comment keeps the client awake as it kept us */
        if (!batch->tail.ptr)
            batch_add(batch, raw);
        return true;
    }
    switch (openai_stream_event(&answer->stream, event->data, request->ask.wants_usage)) {
    case OPENAI_PASS:
        batch_add(batch, raw);
        return true;
    case OPENAI_HIDE: /* the cost takes its place */
        return true;
    case OPENAI_DONE: /* held back until the money is settled */
        answer->end_event = arena_copy(request->arena, raw);
        return true;
    case OPENAI_ERROR:
        batch_add(batch, raw);
        batch->err = ERR_UPSTREAM_ERROR;
        return false;
    case OPENAI_BAD:
        break;
    }
    batch->err = ERR_UPSTREAM_INVALID;
    return false;
}

static int64_t produced_tokens(const struct answer *answer)
{
    if (answer->stream.has_usage && !answer->stream.absurd)
        return usage_output(&answer->stream.usage);
    return estimate_text_tokens(answer->stream.text_bytes);
}

/* What to charge if this process dies now. */
static void note_progress(struct request *request)
{
    struct answer *answer = &request->answer;
    int64_t const now_us = loop_now_ms(request->worker->loop) * 1000;
    if (answer->progress_us == 0)
        answer->progress_us = now_us;
    int64_t const tokens = produced_tokens(answer);
    if (now_us - answer->progress_us < PROGRESS_EVERY_US &&
        tokens - answer->progress_tokens < PROGRESS_EVERY_TOKENS)
        return;
    answer->progress_us = now_us;
    answer->progress_tokens = tokens;
    book_progress(request->worker->gateway->options.book, request->hold, tokens);
}

/* A provider that goes on far beyond the output it was allowed does not stop by itself. */
static bool is_runaway(const struct request *request)
{
    int64_t const tokens = request->estimate.tokens[POOL_OUTPUT];
    const struct openai_stream *stream = &request->answer.stream;
    return stream->text_bytes > RUNAWAY_SLACK + tokens * RUNAWAY_BYTES_PER_TOKEN ||
           stream->chunks > RUNAWAY_SLACK + tokens * RUNAWAY_CHUNKS_PER_TOKEN;
}

static void relay_events(struct request *request, struct str bytes)
{
    struct batch batch = {.request = request};
    enum err err = sse_feed(&request->answer.parser, bytes, on_event, &batch);
    batch_flush(&batch);
    if (err == ERR_OK)
        err = batch.err;
    if (err != ERR_OK) {
        break_off(request, err == ERR_TOO_LARGE ? ERR_UPSTREAM_INVALID : err,
                  err == ERR_TOO_LARGE ? "an event passes its limit" : "the stream is broken");
        return;
    }
    if (is_runaway(request)) {
        break_off(request, ERR_UPSTREAM_INVALID, "the stream is far longer than was allowed");
        return;
    }
    note_progress(request);
    if (!request->client_gone && request->answer.started && !request->paused &&
        http_queued(request->exchange) > CLIENT_QUEUE_HIGH_BYTES) {
        request->paused = true;
        upstream_pause(request->call);
    }
}

static void on_body(void *owner, struct str bytes)
{
    struct request *request = owner;
    struct answer *answer = &request->answer;
    if (answer->state == ANSWER_STREAM) {
        relay_events(request, bytes);
        return;
    }
    size_t const limit =
        answer->state == ANSWER_REFUSAL ? UPSTREAM_ERROR_BYTES_MAX : UPSTREAM_ANSWER_BYTES_MAX;
    if (answer->body.len + bytes.len > limit || buf_add(&answer->body, bytes) != ERR_OK)
        break_off(request, ERR_UPSTREAM_INVALID, "the answer passes its limit");
}

/* A stream may end without its last blank line, or without [DONE] after a finish_reason: both are
 * whole, and clients then get their [DONE]. One that just stops is not. */
static void finish_stream(struct request *request)
{
    struct answer *answer = &request->answer;
    struct batch batch = {.request = request};
    if (sse_rest(&answer->parser).len > 0) {
        batch.tail = arena_copy(request->arena, sse_rest(&answer->parser));
        enum err err = sse_feed(&answer->parser, STR("\n\n"), on_event, &batch);
        batch_flush(&batch);
        if (err != ERR_OK || batch.err != ERR_OK)
            fail(request, ERR_UPSTREAM_CUT, "the last event is incomplete");
    }
    if (answer->stream.done)
        return;
    answer->end_event = STR("data: [DONE]\n\n");
    if (!answer->stream.finished)
        fail(request, ERR_UPSTREAM_CUT, "the stream ended without finish_reason and [DONE]");
}

static void on_done(void *owner)
{
    struct request *request = owner;
    request->call = NULL;
    if (request->answer.state == ANSWER_STREAM)
        finish_stream(request);
    ended(request);
}

static const enum err failures[] = {
    [UPSTREAM_FAIL_CONNECT] = ERR_UPSTREAM_UNREACHABLE,
    [UPSTREAM_FAIL_TLS] = ERR_UPSTREAM_TLS,
    [UPSTREAM_FAIL_CONNECT_TIMEOUT] = ERR_UPSTREAM_TIMEOUT,
    [UPSTREAM_FAIL_FIRST_BYTE] = ERR_UPSTREAM_TIMEOUT,
    [UPSTREAM_FAIL_IDLE] = ERR_UPSTREAM_TIMEOUT,
    [UPSTREAM_FAIL_TOTAL] = ERR_UPSTREAM_TIMEOUT,
    [UPSTREAM_FAIL_RESET] = ERR_UPSTREAM_CUT,
    [UPSTREAM_FAIL_INVALID] = ERR_UPSTREAM_INVALID,
    [UPSTREAM_FAIL_TOO_LARGE] = ERR_UPSTREAM_INVALID,
    [UPSTREAM_FAIL_MEMORY] = ERR_NO_MEMORY,
};

static void on_fail(void *owner, enum upstream_fail why, const char *detail)
{
    struct request *request = owner;
    struct answer *answer = &request->answer;
    request->call = NULL;
    LOG(upstream_failed, field_str("provider", request->model->provider->name),
        field_text("class", upstream_fail_name(why)), field_text("detail", detail),
        field_str("request_id", request->context.request_id));
    /* After [DONE] nothing is missing any more: a provider that hangs or drops then has served. */
    if (answer->state == ANSWER_STREAM && answer->stream.done) {
        ended(request);
        return;
    }
    fail(request, failures[why], detail);
    ended(request);
}

const struct upstream_handler relay_handler = {
    .on_dispatch = on_dispatch,
    .on_head = on_head,
    .on_body = on_body,
    .on_done = on_done,
    .on_fail = on_fail,
};

/* --- the client ------------------------------------------------------------------------------ */
static void on_drain(void *owner)
{
    struct request *request = owner;
    if (!request->paused || !request->call)
        return;
    request->paused = false;
    upstream_resume(request->call);
}

static void on_gone(void *owner)
{
    struct request *request = owner;
    struct gateway_worker *worker = request->worker;
    MUST(!request->client_gone);
    request->client_gone = true;
    count(&worker->figures.client_gone, 1);
    if (!request->call)
        return; /* not dispatched yet, or over: the stages see the flag */
    int64_t const drain_ms = request->model->provider->drain_ms;
    bool const drain = drain_ms > 0 && worker->drains < DRAIN_CONCURRENT_MAX && !worker->aborting;
    if (!drain || !request->dispatched) {
        break_off(request, ERR_CLIENT_GONE, "the client left");
        return;
    }
    request->draining = true;
    worker->drains++;
    timer_start(worker->loop, &request->timer, drain_ms); /* then DISPATCH stops the call */
    if (request->paused)
        upstream_resume(request->call);
    request->paused = false;
}

const struct http_watcher relay_watcher = {.on_gone = on_gone, .on_drain = on_drain};

/* A client that asked for usage has it, and its stream goes through byte for byte; the others get
 * the cost where the usage would have been. */
void relay_finish_stream(struct request *request, struct str event)
{
    char cost[24];
    send_on(request, event);
    if (!request->ask.wants_usage) {
        size_t const digits = decimal_text(request->settled.charge.nano, MONEY_SCALE, cost);
        send_on(request, arena_printf(request->arena, ": cost=%.*s\n\n", (int)digits, cost));
    }
    send_on(request, request->answer.end_event);
    if (!request->client_gone)
        request->ending.kind = END_STREAM;
}
