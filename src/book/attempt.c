/* attempt.c - limits: request rate, token rate, concurrency, calendar windows. */
#include "book/attempt.h"
#include "book/customer_int.h"

/* 402 before 403 before 429: what a client can act on comes first. */
static int rank(enum err reason)
{
    int const http = err_row(reason)->http;
    return http == 402 ? 5 : http == 403 ? 4 : http == 429 ? 2 : reason == ERR_OK ? 0 : 3;
}

void attempt_refuse(struct attempt *attempt, enum err reason, enum refusal_scope scope,
                    int64_t retry_after_us, bool holds)
{
    struct reasons *against = &attempt->against;
    if (rank(reason) > rank(against->first)) {
        against->first = reason;
        against->scope = scope;
    }
    against->not_only_holds = against->not_only_holds || !holds;
    if (retry_after_us == INT64_MAX)
        against->never = true;
    else if (retry_after_us > against->retry_after_us)
        against->retry_after_us = retry_after_us;
}

static bool is_key_limiter(enum record_limiter limiter)
{
    return limiter == LIMITER_KEY_REQUESTS || limiter == LIMITER_KEY_TOKENS;
}

static bool is_request_limiter(enum record_limiter limiter)
{
    return limiter == LIMITER_KEY_REQUESTS || limiter == LIMITER_CUSTOMER_REQUESTS;
}

static struct gcra *state_of(const struct attempt *attempt, enum record_limiter limiter)
{
    struct meter *meter =
        is_key_limiter(limiter) ? &attempt->key->meter : &attempt->customer->meter;
    return is_request_limiter(limiter) ? &meter->requests : &meter->tokens;
}

static const struct gcra_limit *limit_of(const struct attempt *attempt, enum record_limiter limiter)
{
    const struct limits *limits =
        is_key_limiter(limiter) ? &attempt->key->limits : &attempt->customer->limits;
    return is_request_limiter(limiter) ? &limits->requests : &limits->tokens;
}

static bool check(struct attempt *attempt, enum record_limiter limiter, int64_t count)
{
    const struct gcra_limit *limit = limit_of(attempt, limiter);
    if (limit->limit == 0)
        return true;
    attempt->limited |= 1u << limiter;
    attempt->verdicts[limiter] =
        gcra_check(state_of(attempt, limiter), limit, count, attempt->now_us);
    return attempt->verdicts[limiter].allowed;
}

static enum refusal_scope scope_of(enum record_limiter limiter)
{
    return is_key_limiter(limiter) ? SCOPE_KEY : SCOPE_CUSTOMER;
}

void attempt_rate(struct attempt *attempt)
{
    static const enum record_limiter limiters[] = {LIMITER_KEY_REQUESTS, LIMITER_CUSTOMER_REQUESTS};
    int64_t const count = attempt->want->rate_taken ? 0 : 1;
    bool allowed = true;
    for (size_t i = 0; i < 2; i++) {
        bool const ok = check(attempt, limiters[i], count);
        if (ok || count == 0)
            continue;
        allowed = false;
        attempt_refuse(attempt, ERR_RATE_LIMITED, scope_of(limiters[i]),
                       attempt->verdicts[limiters[i]].retry_after_us, false);
    }
    for (size_t i = 0; i < 2 && allowed; i++)
        if (attempt->limited & 1u << limiters[i])
            *state_of(attempt, limiters[i]) = attempt->verdicts[limiters[i]].next;
    attempt->of_rate = attempt->against;
}

void attempt_peek(struct attempt *attempt)
{
    for (unsigned limiter = 0; limiter < LIMITER_COUNT; limiter++)
        (void)check(attempt, (enum record_limiter)limiter, 0);
}

/* --- token rate and concurrency ------------------------------------------------------------ */
static void token_limit(struct attempt *attempt, enum record_limiter limiter)
{
    if (check(attempt, limiter, attempt->tokens))
        return;
    const struct gcra_limit *limit = limit_of(attempt, limiter);
    const struct meter *meter =
        is_key_limiter(limiter) ? &attempt->key->meter : &attempt->customer->meter;
    struct gcra const without_holds =
        gcra_refund(&meter->tokens, limit, meter->tokens_held, attempt->now_us);
    bool const holds = gcra_check(&without_holds, limit, attempt->tokens, attempt->now_us).allowed;
    attempt_refuse(attempt, ERR_TOKENS_LIMITED, scope_of(limiter),
                   attempt->verdicts[limiter].retry_after_us, holds);
}

static void concurrency_limit(struct attempt *attempt, const struct meter *meter,
                              const struct limits *limits, enum refusal_scope scope)
{
    if (limits->concurrent_max > 0 && meter->live >= limits->concurrent_max)
        attempt_refuse(attempt, ERR_CONCURRENCY_LIMITED, scope, 0, true);
}

/* --- calendar windows ---------------------------------------------------------------------- */
static int64_t need_of(const struct attempt *attempt, enum metric metric)
{
    if (metric == METRIC_REQUESTS)
        return 1;
    return metric == METRIC_TOKENS ? attempt->tokens : attempt->cost.nano;
}

/* A budget in money is like credit: 402, and no use in trying again at once. */
static enum err window_error(enum metric metric)
{
    static const enum err errors[METRIC_COUNT] = {
        [METRIC_REQUESTS] = ERR_RATE_LIMITED,
        [METRIC_TOKENS] = ERR_TOKENS_LIMITED,
        [METRIC_COST] = ERR_CREDIT_SHORT,
    };
    return errors[metric];
}

/* The line's counter, in the hold; NULL: refused for want of memory. */
static struct counter *add_line(struct attempt *attempt, uint32_t rule, enum window_kind kind,
                                enum metric metric)
{
    struct record_window_line const line = {
        .rule = rule,
        .kind = kind,
        .metric = metric,
        .start_us = window_start(kind, attempt->now_us),
    };
    struct counter *counter = customer_counter(attempt->customer, &line);
    if (!counter) {
        attempt_refuse(attempt, ERR_NO_MEMORY, SCOPE_NONE, 0, false);
        return NULL;
    }
    struct hold *hold = attempt->hold;
    MUST(hold->window_count < RECORD_WINDOWS_MAX);
    hold->windows[hold->window_count].counter = counter;
    hold->windows[hold->window_count++].amount = 0;
    return counter;
}

static void window_limit(struct attempt *attempt, const struct window_rule *rule)
{
    const struct counter *counter = add_line(attempt, rule->id, rule->kind, rule->metric);
    if (!counter)
        return;
    struct hold *hold = attempt->hold;
    int64_t const need = need_of(attempt, rule->metric);
    hold->windows[hold->window_count - 1].amount = need;
    if (rule->mode != WINDOW_HARD || need <= customer_window_room(counter, rule->limit, false))
        return;
    bool const holds = need <= customer_window_room(counter, rule->limit, true);
    bool const never = need > rule->limit;
    attempt_refuse(attempt, window_error(rule->metric), SCOPE_PLAN,
                   never ? INT64_MAX : counter->end_us - attempt->now_us, holds);
}

void attempt_limits(struct attempt *attempt)
{
    struct customer *customer = attempt->customer;
    struct key *key = attempt->key;
    attempt->against = attempt->of_rate;
    if (atomic_load_explicit(&key->status, memory_order_acquire) != KEY_ACTIVE)
        attempt_refuse(attempt, ERR_KEY_REVOKED, SCOPE_KEY, INT64_MAX, false);
    if (atomic_load_explicit(&customer->status, memory_order_acquire) != CUSTOMER_ACTIVE)
        attempt_refuse(attempt, ERR_CUSTOMER_SUSPENDED, SCOPE_CUSTOMER, INT64_MAX, false);
    token_limit(attempt, LIMITER_KEY_TOKENS);
    token_limit(attempt, LIMITER_CUSTOMER_TOKENS);
    concurrency_limit(attempt, &key->meter, &key->limits, SCOPE_KEY);
    concurrency_limit(attempt, &customer->meter, &customer->limits, SCOPE_CUSTOMER);
    if (customer->counters)
        customer_forget_counters(customer);
    const struct policy *policy = &customer->policy;
    attempt->hold->window_count = 0;
    for (size_t i = 0; i < policy->window_count; i++)
        window_limit(attempt, &policy->windows[i]);
    if (policy->allowance.present)
        (void)add_line(attempt, RULE_ALLOWANCE, policy->allowance.kind, policy->allowance.metric);
}

/* --- report -------------------------------------------------------------------------------- */
/* The one of two limiters that has less left; NULL: neither exists. */
static const struct gcra_limit *tighter(const struct attempt *attempt, enum record_limiter a,
                                        enum record_limiter b, const struct gcra_verdict **verdict)
{
    bool const has_a = attempt->limited & 1u << a, has_b = attempt->limited & 1u << b;
    if (!has_a && !has_b)
        return NULL;
    bool const b_is_tighter =
        has_b && (!has_a || attempt->verdicts[b].remaining < attempt->verdicts[a].remaining);
    enum record_limiter const chosen = b_is_tighter ? b : a;
    *verdict = &attempt->verdicts[chosen];
    return limit_of(attempt, chosen);
}

void attempt_report(const struct attempt *attempt, struct admission *admission)
{
    const struct gcra_verdict *verdict;
    const struct gcra_limit *limit;
    *admission = (struct admission){
        .scope = attempt->against.scope,
        .holds_in_the_way = attempt->against.first != ERR_OK && !attempt->against.not_only_holds,
        .available = customer_available(attempt->customer, attempt->now_us),
    };
    limit = tighter(attempt, LIMITER_KEY_REQUESTS, LIMITER_CUSTOMER_REQUESTS, &verdict);
    if (limit) {
        admission->requests_limited = true;
        admission->requests_limit = limit->limit;
        admission->requests_remaining = verdict->remaining;
        admission->requests_reset_us = verdict->reset_after_us;
    }
    limit = tighter(attempt, LIMITER_KEY_TOKENS, LIMITER_CUSTOMER_TOKENS, &verdict);
    if (limit) {
        admission->tokens_limited = true;
        admission->tokens_limit = limit->limit;
        admission->tokens_remaining = verdict->remaining;
        admission->tokens_reset_us = verdict->reset_after_us;
    }
    if (err_row(attempt->against.first)->http == 429 && !attempt->against.never)
        admission->retry_after_us = attempt->against.retry_after_us;
}
