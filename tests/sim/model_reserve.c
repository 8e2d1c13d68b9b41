/* model_reserve.c - the model's admission, one question after the other. */
#include "model_int.h"

struct tries {
    int reason402, reason403, reason429; /* enum err, 0: none */
    bool other_than_holds;
};

static void note(struct tries *tries, enum err err, bool holds)
{
    int *const slot = err == ERR_CREDIT_SHORT                                   ? &tries->reason402
                      : err == ERR_KEY_REVOKED || err == ERR_CUSTOMER_SUSPENDED ? &tries->reason403
                                                                                : &tries->reason429;
    if (*slot == 0)
        *slot = (int)err;
    tries->other_than_holds |= !holds;
}

static bool take_rate(struct model_customer *customer, const struct model_want *want, int64_t now,
                      struct tries *tries)
{
    int64_t *const key_tat = &customer->key_meter[want->key].requests;
    int64_t const key_limit = customer->key_limits[want->key].requests;
    int64_t const limit = customer->limits.requests;
    if (want->rate_taken) {
        if (key_limit)
            *key_tat = most(*key_tat, now * 1024);
        if (limit)
            customer->meter.requests = most(customer->meter.requests, now * 1024);
        return true;
    }
    bool const ok = within(*key_tat, key_limit, 1, now);
    bool const also = within(customer->meter.requests, limit, 1, now);
    if (!ok || !also) {
        note(tries, ERR_RATE_LIMITED, false);
        return false;
    }
    if (key_limit)
        *key_tat = arrival(*key_tat, key_limit, 1, now);
    if (limit)
        customer->meter.requests = arrival(customer->meter.requests, limit, 1, now);
    return true;
}

static int64_t live(const struct model_customer *customer, int key, int64_t *tokens)
{
    int64_t count = 0;
    *tokens = 0;
    for (int i = 0; i < MODEL_HOLDS; i++) {
        const struct model_hold *hold = &customer->holds[i];
        if (hold->state != MODEL_HELD || (key >= 0 && hold->key != key))
            continue;
        count++;
        *tokens += hold->input + hold->output;
    }
    return count;
}

static void check_tokens(const struct model_customer *customer, int key, int64_t tokens,
                         int64_t now, struct tries *tries)
{
    const struct model_limits *limits = key < 0 ? &customer->limits : &customer->key_limits[key];
    const struct model_meter *meter = key < 0 ? &customer->meter : &customer->key_meter[key];
    int64_t held;
    (void)live(customer, key, &held);
    if (!within(meter->tokens, limits->tokens, tokens, now)) {
        int64_t const without = give_back(meter->tokens, limits->tokens, held, now);
        note(tries, ERR_TOKENS_LIMITED, within(without, limits->tokens, tokens, now));
    }
}

static void check_concurrency(const struct model_customer *customer, int key, struct tries *tries)
{
    int64_t const most_at_once =
        key < 0 ? customer->limits.concurrent : customer->key_limits[key].concurrent;
    int64_t held;
    if (most_at_once > 0 && live(customer, key, &held) >= most_at_once)
        note(tries, ERR_CONCURRENCY_LIMITED, true);
}

static void check_windows(struct model_customer *customer, struct model_hold *hold, int64_t tokens,
                          int64_t now, struct tries *tries)
{
    static const enum err errors[] = {ERR_RATE_LIMITED, ERR_TOKENS_LIMITED, ERR_CREDIT_SHORT};
    const struct policy *policy = &customer->policy;
    hold->line_count = 0;
    for (size_t i = 0; i < policy->window_count; i++) {
        const struct window_rule *rule = &policy->windows[i];
        int const at = counter_at(customer, rule->id, rule->kind, rule->metric, now);
        const struct model_counter *counter = &customer->counters[at];
        int64_t const need = measure(rule->metric, tokens, hold->cost);
        hold->lines[hold->line_count].counter = at;
        hold->lines[hold->line_count++].amount = need;
        if (rule->mode == WINDOW_HARD && counter->used + counter->held + need > rule->limit)
            note(tries, errors[rule->metric], counter->used + need <= rule->limit);
    }
    if (policy->allowance.present) {
        hold->lines[hold->line_count].counter = counter_at(
            customer, RULE_ALLOWANCE, policy->allowance.kind, policy->allowance.metric, now);
        hold->lines[hold->line_count++].amount = 0;
    }
}

static int64_t quota(const struct model_customer *customer, const struct model_hold *hold,
                     bool holds)
{
    const struct allowance *allowance = &customer->policy.allowance;
    if (!allowance->present)
        return 0;
    const struct model_counter *counter =
        &customer->counters[hold->lines[hold->line_count - 1].counter];
    return most(allowance->limit - counter->used - (holds ? counter->held : 0), 0);
}

static int64_t due_now(const struct model_customer *customer, const struct model_hold *hold,
                       int64_t output, bool holds, int64_t *covered)
{
    int64_t const cost = cost_of(hold->price_in, hold->price_out, hold->input, output);
    int64_t const metric =
        customer->policy.allowance.present
            ? measure(customer->policy.allowance.metric, hold->input + output, cost)
            : 0;
    *covered = least(metric, quota(customer, hold, holds));
    return customer->policy.allowance.present ? due_of(cost, metric, *covered) : cost;
}

static void take(struct model_customer *customer, struct model_hold *hold,
                 const struct shares *shares, int64_t covered)
{
    hold->grant_count = shares->count;
    for (int i = 0; i < shares->count; i++) {
        hold->grants[i].grant = shares->grant[i];
        hold->grants[i].amount = shares->amount[i];
    }
    hold->overage = shares->overage;
    hold->overdraft = shares->overdraft;
    if (customer->policy.allowance.present)
        hold->lines[hold->line_count - 1].amount = covered;
}

/* Largest output, from most to least, that the credit pays; the slow way round. */
static int64_t shrink(const struct model_customer *customer, const struct model_hold *hold,
                      int64_t credit, int64_t asked, int64_t choices)
{
    int64_t covered;
    for (int64_t output = asked - 1; output > 0; output--)
        if (due_now(customer, hold, output * choices, true, &covered) <= credit)
            return output;
    return 0;
}

static void pass(struct model_customer *customer, struct model_hold *hold, int64_t now,
                 struct tries *tries)
{
    int64_t const tokens = hold->input + hold->output;
    hold->cost = cost_of(hold->price_in, hold->price_out, hold->input, hold->output);
    if (customer->revoked[hold->key])
        note(tries, ERR_KEY_REVOKED, false);
    if (customer->suspended)
        note(tries, ERR_CUSTOMER_SUSPENDED, false);
    check_tokens(customer, hold->key, tokens, now, tries);
    check_tokens(customer, -1, tokens, now, tries);
    check_concurrency(customer, hold->key, tries);
    check_concurrency(customer, -1, tries);
    check_windows(customer, hold, tokens, now, tries);
}

/* False: short. */
static bool pay(struct model_customer *customer, struct model_hold *hold, int64_t now)
{
    int64_t covered;
    hold->unlimited = customer->unlimited;
    hold->grant_count = 0;
    hold->overage = hold->overdraft = 0;
    if (customer->unlimited) {
        hold->overage = hold->cost;
        return true;
    }
    int64_t const due = due_now(customer, hold, hold->output, true, &covered);
    struct shares const shares = fund(customer, due, now, (struct view){true, true});
    if (shares.left > 0)
        return false;
    take(customer, hold, &shares, covered);
    return true;
}

static void hold_all(struct model_customer *customer, struct model_hold *hold, int64_t now)
{
    int64_t const tokens = hold->input + hold->output;
    struct model_meter *key = &customer->key_meter[hold->key];
    int64_t const key_limit = customer->key_limits[hold->key].tokens;
    for (int i = 0; i < hold->grant_count; i++)
        customer->grants[hold->grants[i].grant].held += hold->grants[i].amount;
    for (int i = 0; i < hold->line_count; i++)
        customer->counters[hold->lines[i].counter].held += hold->lines[i].amount;
    hold->took_key_tokens = key_limit > 0;
    hold->took_customer_tokens = customer->limits.tokens > 0;
    if (key_limit > 0)
        key->saved_tokens = key->tokens = arrival(key->tokens, key_limit, tokens, now);
    if (customer->limits.tokens > 0)
        customer->meter.saved_tokens = customer->meter.tokens =
            arrival(customer->meter.tokens, customer->limits.tokens, tokens, now);
    if (customer->key_limits[hold->key].requests > 0)
        key->saved_requests = key->requests;
    if (customer->limits.requests > 0)
        customer->meter.saved_requests = customer->meter.requests;
    hold->state = MODEL_HELD;
    model_saved(customer);
}

static enum err verdict(const struct tries *tries)
{
    if (tries->reason402)
        return (enum err)tries->reason402;
    return (enum err)(tries->reason403 ? tries->reason403 : tries->reason429);
}

struct model_verdict model_reserve(struct model_customer *customer, int slot, struct ulid id,
                                   const struct model_want *want, int64_t clock)
{
    int64_t const now = model_now(customer, clock);
    struct tries of_rate = {0};
    struct model_hold *hold = &customer->holds[slot];
    *hold = (struct model_hold){.id = id,
                                .key = want->key,
                                .input = want->input,
                                .output = want->output * want->choices,
                                .orphan = want->orphan,
                                .choices = want->choices,
                                .price_in = want->price_in,
                                .price_out = want->price_out,
                                .deadline = want->deadline};
    (void)take_rate(customer, want, now, &of_rate);
    struct tries tries = of_rate;
    pass(customer, hold, now, &tries);
    bool paid = pay(customer, hold, now);
    if (!paid && want->output_min > 0) {
        struct shares const all = fund(customer, INT64_MAX, now, (struct view){true, true});
        int64_t const output = shrink(customer, hold, all.total, want->output, want->choices);
        if (output >= want->output_min) {
            hold->output = output * want->choices;
            tries = of_rate;
            pass(customer, hold, now, &tries);
            paid = pay(customer, hold, now);
        }
    }
    if (!paid) {
        int64_t covered;
        int64_t const due = due_now(customer, hold, hold->output, false, &covered);
        note(&tries, ERR_CREDIT_SHORT,
             fund(customer, due, now, (struct view){false, true}).left == 0);
    }
    struct model_verdict result = {.err = verdict(&tries)};
    result.holds_in_the_way = result.err != ERR_OK && !tries.other_than_holds;
    if (result.err == ERR_OK) {
        hold_all(customer, hold, now);
        result.output_cap = hold->output / want->choices;
    }
    result.available = model_available(customer, now);
    return result;
}
