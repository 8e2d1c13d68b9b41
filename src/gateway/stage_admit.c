/* stage_admit.c - a verdict, and an open hold.
 *
 * A call that is refused only because of other calls' holds waits a moment and tries again: on a
 * small credit, calls then run one after the other instead of being sent away.
 */
#include "base/must.h"
#include "book/basis.h"
#include "core/estimate.h"
#include "core/zone.h"
#include "gateway/assistant.h"
#include "gateway/own.h"
#include "govern/basis.h"

enum { RETRY_MS = 20, HOLD_GRACE_US = 60 * 1000000 };

/* The least of what the model can, the plan allows and the client asks. */
static int64_t output_cap(const struct request *request, int64_t output_max)
{
    int64_t cap = request->model->max_output_tokens;
    if (output_max > 0 && output_max < cap)
        cap = output_max;
    if (request->ask.output_cap >= 0 && request->ask.output_cap < cap)
        cap = request->ask.output_cap;
    return cap;
}

static int64_t input_of(const struct request *request, const struct openai_ask *ask)
{
    int64_t input = openai_input_bound(ask, request->model->image_tokens_max);
    if (request->model->provider->dialect == DIALECT_SIMULATED)
        input = openai_input_estimate(ask); /* it counts exactly as we do */
    if (request->model->context_tokens > 0 && input > request->model->context_tokens)
        input = request->model->context_tokens;
    return input;
}

/* A second try is held from the start: it must not fail for want of credit. Its output counts as
 * one more choice. */
static void estimate_assistant(struct request *request, struct reservation *want)
{
    struct assistant_call *call = request->assistant;
    int const tries = assistant_tries(request);
    int64_t const input[] = {want->estimate.tokens[POOL_INPUT],
                             tries > 1 ? input_of(request, &call->again) : 0};
    for (int i = 0; i < tries; i++) {
        call->held[i] = want->estimate;
        call->held[i].tokens[POOL_INPUT] = input[i];
    }
    want->choices *= tries;
    want->estimate.tokens[POOL_INPUT] = input[0] + input[1];
    want->estimate.tokens[POOL_OUTPUT] *= tries;
}

/* An upper bound of what the call can cost. */
static void estimate(struct request *request, struct reservation *want, int64_t output_max)
{
    want->estimate.source = USAGE_ESTIMATED;
    want->estimate.tokens[POOL_INPUT] = input_of(request, &request->ask);
    if (request->operation != OPERATION_CHAT)
        return;
    want->choices = request->ask.choices;
    want->estimate.tokens[POOL_OUTPUT] = output_cap(request, output_max) * request->ask.choices;
    if (request->ask.output_cap < 0) /* a cap that the client chose is never changed in silence */
        want->output_min = request->worker->gateway->options.output_min;
    if (request->assistant)
        estimate_assistant(request, want);
}

static enum step wait_for_holds(struct request *request)
{
    struct gateway_worker *worker = request->worker;
    int64_t const now_ms = loop_now_ms(worker->loop);
    if (request->admit_deadline_ms == 0)
        request->admit_deadline_ms = now_ms + worker->gateway->options.admission_wait_ms;
    if (now_ms >= request->admit_deadline_ms || worker->waiters >= ADMIT_WAITERS_MAX)
        return STEP_FAIL;
    request->fault = (struct fault){0};
    worker->waiters++;
    request_wait_ms(request, RETRY_MS);
    return STEP_WAIT;
}

/* What the verdict rests on is written down before the first call that names it. */
static enum err tell_basis(struct request *request, const struct govern_ask *ask,
                           const struct govern_verdict *verdict)
{
    struct book *book = request->worker->gateway->options.book;
    request->context.basis = verdict->basis;
    if (verdict->basis == 0 || book_basis_known(book, verdict->basis))
        return ERR_OK;
    struct buf text;
    buf_init(&text, BASIS_BYTES_MAX);
    enum err err = basis_write(ask, verdict, &text);
    if (err == ERR_OK)
        err = book_basis_tell(book, verdict->basis, buf_view(&text), &request->fault);
    else
        err = fault_set(&request->fault, err, "what the decision rests on cannot be written");
    buf_free(&text);
    return err;
}

/* What the plan, the licence and the matrix say; the worker's verdict is released by the caller. */
static enum err govern_call(struct request *request, struct govern_verdict *verdict)
{
    struct govern *govern = request->worker->gateway->options.govern;
    const struct call_context *context = &request->context;
    request->refused_by = SCOPE_NONE;
    request->limited = false;
    if (govern == NULL)
        return ERR_OK; /* the worker's verdict is all zero: no rules */
    struct govern_ask const ask = {
        .customer_id = customer_id(key_customer(request->key)),
        .key_id = key_id(request->key),
        .user = context->user,
        .feature = context->feature,
        .module = context->module,
        .profile = context->profile,
        .group = context->group,
        .provider = context->provider,
        .model = context->model,
        .address = http_peer(request->exchange),
        .now_us = clock_wall_us(request->worker->gateway->options.clock),
    };
    enum err const err = govern_resolve(govern, &ask, verdict, &request->fault);
    request->refused_by = verdict->scope;
    return err == ERR_OK ? tell_basis(request, &ask, verdict) : err;
}

/* What a refusal for want of credit tells: the verdict is gone by then. */
static void note_credit(struct request *request, const struct govern_verdict *verdict)
{
    struct assistant_call *call = request->assistant;
    if (!call)
        return;
    call->minimum.nano = verdict->tariff.minimum;
    call->unit_pt = arena_copy(request->arena, verdict->unit_pt);
    call->unit_en = arena_copy(request->arena, verdict->unit_en);
}

/* Which limit stood in the way, for the refusal's words. */
static void note_limit(struct request *request, const struct govern_verdict *verdict)
{
    const struct admission *seen = &request->admission;
    request->refused_by = seen->scope;
    request->limited = seen->rule >= 0;
    if (!request->limited)
        return;
    const struct rule *rule = &verdict->rules.list[seen->rule];
    bool const ends = rule->metric != METRIC_CONCURRENT && rule->end_us < INT64_MAX;
    request->limit = (struct limit_facts){
        .metric = rule->metric,
        .kind = rule->kind,
        .scope = rule->scope,
        .end_us = ends ? rule->end_us : 0,
        .offset_s = ends && verdict->zone != NULL ? zone_offset_s(verdict->zone, rule->end_us) : 0,
    };
}

static enum err reserve(struct request *request, const struct govern_verdict *verdict)
{
    struct gateway_worker *worker = request->worker;
    const struct upstream_timeouts *timeouts = &request->model->provider->target.timeouts;
    bool const ruled = verdict->rules.count > 0 || verdict->rules.has_allowance ||
                       verdict->rules.overage != OVERAGE_BLOCK || verdict->rules.low_credit > 0;
    request->input_tokens = openai_input_estimate(&request->ask);
    struct reservation want = {
        .id = request->id,
        .key = request->key,
        .context = &request->context,
        .price = request->model->price,
        .choices = 1,
        .orphan_input = request->input_tokens,
        .deadline_us = request->context.started_us +
                       timeouts->total_ms * 1000 * assistant_tries(request) +
                       request->model->provider->drain_ms * 1000 + HOLD_GRACE_US,
        .rate_taken = request->rate_taken,
        .rules = ruled ? &verdict->rules : NULL,
        .tariff = tariff_is_set(&verdict->tariff) ? &verdict->tariff : NULL,
    };
    estimate(request, &want, verdict->output_max);
    request->estimate = want.estimate;
    enum err const err = book_reserve(worker->gateway->options.book, &want, &request->hold,
                                      &request->admission, &request->fault);
    request->rate_taken = true;
    if (err != ERR_OK) {
        note_limit(request, verdict);
        note_credit(request, verdict);
    }
    return err;
}

enum step stage_admit(struct request *request)
{
    struct gateway_worker *worker = request->worker;
    struct govern_verdict *verdict = &worker->verdict;
    if (request->rate_taken && request->admit_deadline_ms > 0)
        worker->waiters--; /* we come back from a wait */
    if (worker->aborting)
        return request_fail(request, ERR_DRAINING, "the server is shutting down");
    if (request->client_gone)
        return request_fail(request, ERR_CLIENT_GONE, "the client left before it was admitted");
    enum err err = govern_call(request, verdict);
    if (err == ERR_OK)
        err = own_admit(request);
    if (err == ERR_OK)
        err = reserve(request, verdict);
    if (worker->gateway->options.govern != NULL)
        govern_release(worker->gateway->options.govern, verdict);
    if (err == ERR_OK)
        return STEP_NEXT;
    MUST(!request->hold);
    bool const waits = err == ERR_CREDIT_SHORT && request->admission.holds_in_the_way;
    return waits ? wait_for_holds(request) : STEP_FAIL;
}
