/* stage_settle.c - the hold closed, the usage row, the end of the reply. Runs on every path.
 *
 * What:  money first, then the client: an answer is whole only once it is paid for, and with
 *        durability: strict once that is on the disk.
 */
#include "base/must.h"
#include "core/estimate.h"
#include "gateway/assistant.h"
#include "gateway/refusal.h"
#include "gateway/relay.h"
#include "gateway/reply.h"

enum { STRICT_RETRY_MS = 1000 };

/* A refused key is the customer's to mend when it is its own. */
static enum err refused_as(const struct request *request)
{
    enum err const code = refusal_code(request->answer.status);
    if (request->assistant && code == ERR_REQUEST_INVALID)
        return ERR_UPSTREAM_ERROR; /* what we asked was wrong, not what the client said */
    return code == ERR_UPSTREAM_AUTH && request->own_key != NULL ? ERR_OWN_KEY_REFUSED : code;
}

/* Reads what the provider said about itself, once the call is over. */
static void read_answer(struct request *request, struct charge_facts *facts)
{
    struct answer *answer = &request->answer;
    struct openai_answer plain = {0};
    switch (answer->state) {
    case ANSWER_NONE:
        return;
    case ANSWER_REFUSAL:
        facts->refused = true;
        if (!answer->failed)
            fault_set(&request->fault, refused_as(request), "the provider answered %d",
                      answer->status);
        return;
    case ANSWER_PLAIN:
        if (answer->failed)
            return;
        if (openai_answer_read(buf_view(&answer->body), &plain, &request->fault) != ERR_OK)
            return;
        facts->refused = plain.error_body;
        if (plain.error_body)
            fault_set(&request->fault, ERR_UPSTREAM_ERROR, "an error body with status 200");
        facts->whole = !plain.error_body;
        facts->has_usage = plain.has_usage;
        facts->absurd = plain.absurd;
        facts->reported = plain.usage;
        facts->output_estimate = estimate_text_tokens(plain.text_bytes);
        return;
    case ANSWER_STREAM:
        facts->whole = !answer->failed;
        facts->begun = answer->started || answer->stream.chunks > 0;
        facts->has_usage = answer->stream.has_usage;
        facts->absurd = answer->stream.absurd;
        facts->reported = answer->stream.usage;
        facts->output_estimate = estimate_text_tokens(answer->stream.text_bytes);
        return;
    }
}

static const char *outcome_of(const struct request *request)
{
    if (request->client_gone)
        return "client_gone";
    return request->fault.code == ERR_OK ? "ok" : err_row(request->fault.code)->code.ptr;
}

static int status_of(const struct request *request)
{
    if (request->client_gone)
        return 499;
    if (request->answer.started)
        return 200;
    return request->fault.code == ERR_OK   ? 200
           : refusal_is_passed_on(request) ? request->answer.status
                                           : err_row(request->fault.code)->http;
}

static void tell_operator(const struct request *request, const struct charge_verdict *verdict)
{
    struct field const provider = field_str("provider", request->context.provider);
    struct field const id = field_str("request_id", request->context.request_id);
    if (verdict->clamped)
        LOG(upstream_usage_absurd, provider, id);
    else if (!verdict->free && verdict->usage.source == USAGE_ESTIMATED && !request->client_gone)
        LOG(upstream_usage_missing, provider, id);
    if (request->fault.code == ERR_UPSTREAM_AUTH)
        LOG(provider_auth, provider, field_int("status", request->answer.status));
    else if (request->fault.code == ERR_OWN_KEY_REFUSED)
        LOG(own_key_refused, field_str("id", request->own_key->id),
            field_int("status", request->answer.status));
}

/* What the call, or the try of an assistant that has just ended, is charged for. */
static struct charge_verdict verdict_of(struct request *request)
{
    const struct assistant_call *assistant = request->assistant;
    struct charge_facts facts = {
        .dispatched = request->dispatched,
        .client_gone = request->client_gone,
        .held = assistant ? assistant->held[assistant->spent_any] : request->estimate,
    };
    /* an assistant's second try asks something else */
    facts.input_estimate = assistant ? openai_input_estimate(&request->ask) : request->input_tokens;
    read_answer(request, &facts);
    struct charge_verdict const verdict = charge_decide(&facts);
    tell_operator(request, &verdict);
    return verdict;
}

static void usage_join(struct usage *sum, const struct usage *more)
{
    for (int pool = 0; pool < POOL_COUNT; pool++)
        sum->tokens[pool] += more->tokens[pool];
    if (sum->source != USAGE_ESTIMATED)
        sum->source = more->source;
}

void settle_try(struct request *request)
{
    struct assistant_call *assistant = request->assistant;
    struct charge_verdict const verdict = verdict_of(request);
    assistant->spent = verdict.usage;
    assistant->spent_any = true;
    book_progress(request->worker->gateway->options.book, request->hold,
                  usage_output(&verdict.usage));
}

/* Both tries together: one call, one row. */
static void join_tries(struct request *request, struct charge_verdict *verdict)
{
    struct assistant_call *assistant = request->assistant;
    if (assistant->spent_any && verdict->free)
        *verdict = (struct charge_verdict){.usage = assistant->spent};
    else if (assistant->spent_any)
        usage_join(&verdict->usage, &assistant->spent);
    assistant->used = verdict->usage;
}

static void close_money(struct request *request)
{
    struct book *book = request->worker->gateway->options.book;
    if (!request->hold)
        return;
    struct charge_verdict verdict = verdict_of(request);
    if (request->assistant)
        join_tries(request, &verdict);
    if (verdict.free) {
        book_release(book, request->hold, outcome_of(request), status_of(request));
    } else {
        struct settlement const how = {
            .usage = verdict.usage,
            .outcome = outcome_of(request),
            .http_status = status_of(request),
            .attempts = request->assistant && request->assistant->spent_any ? 2 : 1,
            .first_byte_us = request->answer.first_byte_us,
        };
        book_settle(book, request->hold, &how, &request->settled);
        request->charged = true;
    }
    book_unref(request->hold);
    request->hold = NULL;
}

/* --- Idempotency-Key: what a later try with the same key will see ---------------------------- */
static void store_answer(struct request *request, struct str content_type, struct str body)
{
    struct book *book = request->worker->gateway->options.book;
    if (!request->idempotent)
        return;
    const struct customer *customer = key_customer(request->key);
    request->idempotent = false;
    if (!request->charged) { /* nothing happened: the client may try again with the same key */
        book_idempotency_abandon(book, customer, request->idempotency_hash);
        return;
    }
    struct idempotency_answer const answer = {
        .status = request->unrecorded || request->answer.failed || request->fault.code != ERR_OK
                      ? 0
                      : 200,
        .content_type = content_type,
        .headers = reply_success_headers(request, true),
        .body = body,
    };
    book_idempotency_finish(book, customer, request->idempotency_hash, &answer);
}

static void replay(struct request *request)
{
    count(&request->worker->figures.replays, 1);
    struct str const mark = arena_printf(request->arena, "%.*sx-cota-replay: true\r\n",
                                         STR_ARG(request->stored.headers));
    struct http_reply const reply = {request->stored.status, request->stored.content_type,
                                     mark.ptr ? mark : request->stored.headers};
    request->ending = (struct exchange_end){END_REPLY, reply, request->stored.body};
}

/* --- the reply ------------------------------------------------------------------------------- */
static void answer_plain(struct request *request)
{
    struct str const body =
        request->assistant ? assistant_answer(request) : buf_view(&request->answer.body);
    struct str const json = STR("application/json");
    store_answer(request, json, body);
    if (request->client_gone || !body.ptr)
        return;
    struct http_reply const reply = {200, json, reply_success_headers(request, true)};
    request->ending = (struct exchange_end){END_REPLY, reply, body};
}

static void answer_stream(struct request *request)
{
    struct str const event = request->fault.code == ERR_OK || request->client_gone
                                 ? STR("")
                                 : reply_fault_event(request);
    if (event.len > 0)
        request->answer.end_event = STR(""); /* never a clean end after an error */
    relay_finish_stream(request, event);
    store_answer(request, STR("text/event-stream; charset=utf-8"), buf_view(&request->recorded));
}

static void answer_client(struct request *request)
{
    struct worker_figures *figures = &request->worker->figures;
    bool const fine = request->fault.code == ERR_OK;
    if (!fine)
        count(request->dispatched ? &figures->failed : &figures->refused, 1);
    if (request->stored.status != 0) {
        replay(request);
    } else if (request->answer.state == ANSWER_STREAM && (fine || request->answer.started)) {
        answer_stream(request);
    } else if (fine) {
        answer_plain(request);
    } else {
        store_answer(request, STR(""), STR(""));
        if (!request->client_gone)
            reply_fault(request);
    }
}

/* durability: strict – the last byte waits for the disk. */
static bool must_wait(struct request *request)
{
    struct gateway_worker *worker = request->worker;
    if (!worker->gateway->options.strict || !request->charged || request->client_gone)
        return false;
    if (journal_synced_lsn(worker->gateway->options.journal) >= request->settled.lsn)
        return false;
    if (!journal_healthy(worker->gateway->options.journal)) {
        fault_set(&request->fault, ERR_JOURNAL_FAILED, "the journal cannot be synced");
        return false;
    }
    atomic_store(&worker->sync_wanted, true);
    return true;
}

enum step stage_settle(struct request *request)
{
    if (!request->money_closed) {
        close_money(request);
        request->money_closed = true;
    }
    if (must_wait(request)) {
        if (list_empty(&request->strict_link))
            list_push(&request->worker->strict, &request->strict_link);
        request_wait_ms(request, STRICT_RETRY_MS);
        return STEP_WAIT;
    }
    list_remove(&request->strict_link);
    answer_client(request);
    return STEP_NEXT;
}
