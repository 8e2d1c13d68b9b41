/* attempt.c - limits: request rate, token rate, concurrency, calendar windows. */
#include "book/attempt.h"
#include "book/counters.h"
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
        against->rule = -1;
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
    if (limiter == LIMITER_CUSTOMER_THROTTLE)
        return &meter->throttle;
    return is_request_limiter(limiter) ? &meter->requests : &meter->tokens;
}

static const struct gcra_limit *limit_of(const struct attempt *attempt, enum record_limiter limiter)
{
    const struct limits *limits =
        is_key_limiter(limiter) ? &attempt->key->limits : &attempt->customer->limits;
    if (limiter == LIMITER_CUSTOMER_THROTTLE)
        return &attempt->throttle;
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
    if (limiter == LIMITER_CUSTOMER_THROTTLE)
        return SCOPE_PLAN;
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

bool attempt_throttle(struct attempt *attempt, int64_t per_minute)
{
    enum record_limiter const limiter = LIMITER_CUSTOMER_THROTTLE;
    MUST(per_minute > 0);
    attempt->throttle = (struct gcra_limit){.limit = per_minute, .period_us = 60 * 1000000};
    if (check(attempt, limiter, 1))
        return true;
    attempt_refuse(attempt, ERR_RATE_LIMITED, scope_of(limiter),
                   attempt->verdicts[limiter].retry_after_us, false);
    return false;
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
    if (metric == METRIC_TOKENS)
        return attempt->tokens;
    return metric == METRIC_COST ? attempt->cost.nano : 1;
}

static enum err window_error(enum metric metric)
{
    static const enum err errors[METRIC_COUNT] = {
        [METRIC_REQUESTS] = ERR_RATE_LIMITED,
        [METRIC_TOKENS] = ERR_TOKENS_LIMITED,
        [METRIC_COST] = ERR_BUDGET_SPENT, /* like credit: no use in trying again at once */
        [METRIC_CONCURRENT] = ERR_CONCURRENCY_LIMITED,
    };
    return errors[metric];
}

/* The line's counter, in the hold; NULL: refused for want of memory. */
static struct counter *add_line(struct attempt *attempt, const struct rule *rule,
                                enum window_role role)
{
    struct record_window_line const line = {
        .counter = rule->counter,
        .kind = rule->kind,
        .metric = rule->metric,
        .start_us = rule->start_us,
        .end_us = rule->end_us,
    };
    struct counter *counter = counters_get(&attempt->customer->counters, &line);
    if (!counter) {
        attempt_refuse(attempt, ERR_NO_MEMORY, SCOPE_NONE, 0, false);
        return NULL;
    }
    struct hold *hold = attempt->hold;
    MUST(hold->window_count < RECORD_WINDOWS_MAX);
    hold->windows[hold->window_count++] = (struct hold_window){.counter = counter, .role = role};
    return counter;
}

/* 0: it has no end, or the clock has been set back from beyond it. */
static int64_t until_end_us(const struct attempt *attempt, const struct rule *rule)
{
    bool const ends = rule->end_us < INT64_MAX && rule->end_us > attempt->now_us;
    return ends ? rule->end_us - attempt->now_us : 0;
}

static void note_tightest(struct attempt *attempt, const struct rule *rule, int64_t room,
                          int64_t need)
{
    struct tightest *tightest = &attempt->tightest[rule->metric];
    int64_t const remaining = need <= room ? room - need : room;
    if (rule->mode != WINDOW_HARD || (tightest->rule != NULL && tightest->remaining <= remaining))
        return;
    *tightest = (struct tightest){rule, room, remaining};
}

static void window_limit(struct attempt *attempt, size_t number)
{
    const struct rule *rule = &attempt->want->rules->list[number];
    const struct counter *counter = add_line(attempt, rule, ROLE_LIMIT);
    if (!counter)
        return;
    struct hold *hold = attempt->hold;
    int64_t const need = need_of(attempt, rule->metric);
    int64_t const room = customer_window_room(counter, rule->limit, false);
    hold->windows[hold->window_count - 1].amount = need;
    if (attempt->want->states != NULL)
        attempt->want->states[number] = (struct rule_state){counter->used, counter->held, need, 0};
    note_tightest(attempt, rule, room, need);
    if (rule->mode != WINDOW_HARD || need <= room)
        return;
    bool const holds = need <= customer_window_room(counter, rule->limit, true);
    bool const runs = rule->metric == METRIC_CONCURRENT;
    bool const never = need > rule->limit || (!runs && !holds && rule->end_us == INT64_MAX);
    int64_t const wait_us = runs ? 0 : until_end_us(attempt, rule);
    enum err const before = attempt->against.first;
    attempt_refuse(attempt, window_error(rule->metric), rule->scope, never ? INT64_MAX : wait_us,
                   holds);
    if (attempt->against.first != before)
        attempt->against.rule = (int)number;
}

/* What the plan includes, and what the window before has left. */
static void allowance_line(struct attempt *attempt, const struct rule *rule)
{
    const struct counter *counter = add_line(attempt, rule, ROLE_ALLOWANCE);
    struct hold *hold = attempt->hold;
    hold->allowance_limit = rule->limit;
    if (!counter || (rule->rollover_max == 0 && counter->included < 0))
        return;
    int64_t const carried =
        counters_carried(&attempt->customer->counters, counter, rule, attempt->now_us);
    attempt->rollover = (struct record_rollover){
        .said = counter->included != rule->limit || counter->carried != carried,
        .carried = carried,
        .included = rule->limit,
    };
    if (__builtin_add_overflow(rule->limit, carried, &hold->allowance_limit))
        hold->allowance_limit = INT64_MAX;
}

/* The two that only say who pays; funds.c fills in their amounts. */
static void funding_lines(struct attempt *attempt)
{
    const struct rules *rules = attempt->want->rules;
    struct hold *hold = attempt->hold;
    if (hold->own_key)
        return; /* there is nothing to pay: what the plan includes is kept */
    hold->overage_mode = rules->overage;
    hold->allowance_limit = 0;
    hold->overage_cap = rules->overage_cap.limit;
    if (rules->has_allowance)
        allowance_line(attempt, &rules->allowance);
    if (rules->overage == OVERAGE_BILL && rules->has_overage_cap)
        (void)add_line(attempt, &rules->overage_cap, ROLE_OVERAGE_CAP);
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
    attempt->hold->window_count = 0;
    if (customer->counters.count > 0)
        counters_forget(&customer->counters, clock_wall_us(attempt->book->clock));
    const struct rules *rules = attempt->want->rules;
    if (rules == NULL)
        return;
    memset(attempt->tightest, 0, sizeof attempt->tightest);
    for (size_t i = 0; i < rules->count; i++)
        window_limit(attempt, i);
    funding_lines(attempt);
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

struct numbers {
    int64_t *limit, *remaining, *reset_us;
};

/* A calendar window that leaves less than the smooth limiters do is the one to tell. */
static void report_window(const struct attempt *attempt, enum metric metric, bool *limited,
                          const struct numbers *numbers)
{
    const struct tightest *tightest = &attempt->tightest[metric];
    const struct rule *rule = tightest->rule;
    bool const refused = attempt->against.first != ERR_OK;
    int64_t const remaining = refused ? tightest->room : tightest->remaining;
    if (rule == NULL || (*limited && *numbers->remaining <= remaining))
        return;
    *limited = true;
    *numbers->limit = rule->limit;
    *numbers->remaining = remaining > 0 ? remaining : 0;
    *numbers->reset_us = until_end_us(attempt, rule);
}

void attempt_report(struct attempt *attempt, struct admission *admission)
{
    const struct gcra_verdict *verdict;
    const struct gcra_limit *limit;
    if (attempt->against.first != ERR_OK)
        attempt_peek(attempt); /* what was looked at with the call in it was not taken */
    *admission = (struct admission){
        .scope = attempt->against.scope,
        .rule = attempt->against.first == ERR_OK ? -1 : attempt->against.rule,
        .holds_in_the_way = attempt->against.first != ERR_OK && !attempt->against.not_only_holds,
        .available =
            customer_available_for(attempt->customer, attempt_feature(attempt), attempt->now_us),
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
    report_window(attempt, METRIC_REQUESTS, &admission->requests_limited,
                  &(struct numbers){&admission->requests_limit, &admission->requests_remaining,
                                    &admission->requests_reset_us});
    report_window(attempt, METRIC_TOKENS, &admission->tokens_limited,
                  &(struct numbers){&admission->tokens_limit, &admission->tokens_remaining,
                                    &admission->tokens_reset_us});
    if (err_row(attempt->against.first)->http == 429 && !attempt->against.never)
        admission->retry_after_us = attempt->against.retry_after_us;
}
