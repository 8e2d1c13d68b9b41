/* model_reserve.c - the model's admission, one question after the other. */
#include "model_int.h"
#include <string.h>

struct tries {
    struct reason {
        enum err err; /* ERR_OK: none */
        enum refusal_scope scope;
        int rule;
    } reason402, reason403, reason429;
    bool other_than_holds;
};

static void note_rule(struct tries *tries, struct reason reason, bool holds)
{
    enum err const err = reason.err;
    struct reason *const slot =
        err == ERR_CREDIT_SHORT || err == ERR_BUDGET_SPENT        ? &tries->reason402
        : err == ERR_KEY_REVOKED || err == ERR_CUSTOMER_SUSPENDED ? &tries->reason403
                                                                  : &tries->reason429;
    if (slot->err == ERR_OK)
        *slot = reason;
    tries->other_than_holds |= !holds;
}

static void note(struct tries *tries, enum err err, enum refusal_scope scope, bool holds)
{
    note_rule(tries, (struct reason){err, scope, -1}, holds);
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
        note(tries, ERR_RATE_LIMITED, ok ? SCOPE_CUSTOMER : SCOPE_KEY, false);
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
        note(tries, ERR_TOKENS_LIMITED, key < 0 ? SCOPE_CUSTOMER : SCOPE_KEY,
             within(without, limits->tokens, tokens, now));
    }
}

static void check_concurrency(const struct model_customer *customer, int key, struct tries *tries)
{
    int64_t const most_at_once =
        key < 0 ? customer->limits.concurrent : customer->key_limits[key].concurrent;
    int64_t held;
    if (most_at_once > 0 && live(customer, key, &held) >= most_at_once)
        note(tries, ERR_CONCURRENCY_LIMITED, key < 0 ? SCOPE_CUSTOMER : SCOPE_KEY, true);
}

/* One try to get in. */
struct entry {
    struct model_customer *customer;
    struct model_hold *hold;
    const struct model_want *want;
    int64_t now, clock;
    struct tries tries;
    struct rule_numbers rules[MODEL_RULES];
};

static struct model_counter *add_line(struct entry *entry, const struct model_rule *rule,
                                      enum window_role role)
{
    struct model_hold *hold = entry->hold;
    int const at = counter_at(entry->customer, rule,
                              model_window_of(&entry->customer->policy, rule, entry->want->key,
                                              entry->want->user, entry->clock));
    hold->lines[hold->line_count++] = (struct model_line){.counter = at, .role = role};
    return &entry->customer->counters[at];
}

static void add_quota(struct entry *entry)
{
    const struct model_policy *policy = &entry->customer->policy;
    struct model_hold *hold = entry->hold;
    const struct model_counter *counter = add_line(entry, &policy->quota, ROLE_ALLOWANCE);
    if (!counter->rolls && policy->rollover == 0)
        return;
    hold->rolls = true;
    hold->included = policy->quota.limit;
    hold->carried = counter->rolls
                        ? least(counter->carried, policy->rollover)
                        : left_before(entry->customer, (int)(counter - entry->customer->counters),
                                      policy->rollover, entry->now);
    hold->quota_limit += hold->carried;
}

static void check_windows(struct entry *entry)
{
    static const enum err errors[] = {ERR_RATE_LIMITED, ERR_TOKENS_LIMITED, ERR_BUDGET_SPENT,
                                      ERR_CONCURRENCY_LIMITED};
    const struct model_policy *policy = &entry->customer->policy;
    struct model_hold *hold = entry->hold;
    hold->line_count = 0;
    for (int i = 0; i < policy->rule_count; i++) {
        const struct model_rule *rule = &policy->rules[i];
        const struct model_counter *counter = add_line(entry, rule, ROLE_LIMIT);
        int64_t const need = measure(rule->metric, hold->input + hold->output, hold->cost);
        hold->lines[i].amount = need;
        entry->rules[i] = (struct rule_numbers){counter->used, counter->held, need};
        if (rule->mode == WINDOW_HARD && counter->used + counter->held + need > rule->limit)
            note_rule(&entry->tries, (struct reason){errors[rule->metric], rule->scope, i},
                      counter->used + need <= rule->limit);
    }
    hold->rolls = false;
    hold->quota_limit = policy->quota.limit;
    hold->bills = policy->bills;
    hold->cap_limit = policy->cap.limit;
    if (policy->has_quota)
        add_quota(entry);
    if (policy->bills && policy->has_cap)
        add_line(entry, &policy->cap, ROLE_OVERAGE_CAP)->is_cap = true;
}

static int64_t due_now(const struct model_customer *customer, struct model_hold *hold,
                       int64_t output, bool holds, int64_t *covered)
{
    int64_t const cost =
        charge_of(&hold->tariff, cost_of(hold->price_in, hold->price_out, hold->input, output),
                  hold->input + output);
    const struct model_line *line = line_of(hold, ROLE_ALLOWANCE);
    *covered = 0;
    if (!line)
        return cost;
    const struct model_counter *quota = &customer->counters[line->counter];
    int64_t const metric = measure(quota->metric, hold->input + output, cost);
    int64_t const room = hold->quota_limit - quota->given - quota->used - (holds ? quota->held : 0);
    *covered = least(metric, most(room, 0));
    return due_of(cost, metric, *covered);
}

static void take(struct model_hold *hold, const struct shares *shares, int64_t covered)
{
    struct model_line *quota = line_of(hold, ROLE_ALLOWANCE);
    struct model_line *cap = line_of(hold, ROLE_OVERAGE_CAP);
    hold->grant_count = shares->count;
    for (int i = 0; i < shares->count; i++) {
        hold->grants[i].grant = shares->grant[i];
        hold->grants[i].amount = shares->amount[i];
    }
    hold->overage = shares->overage;
    hold->overdraft = shares->overdraft;
    if (quota)
        quota->amount = covered;
    if (cap)
        cap->amount = shares->overage;
}

/* Largest output, from most to least, that the credit pays; the slow way round. */
static int64_t shrink(const struct model_customer *customer, struct model_hold *hold,
                      int64_t credit, int64_t asked, int64_t choices)
{
    int64_t covered;
    for (int64_t output = asked - 1; output > 0; output--)
        if (due_now(customer, hold, output * choices, true, &covered) <= credit)
            return output;
    return 0;
}

static void pass(struct entry *entry)
{
    struct model_customer *customer = entry->customer;
    struct model_hold *hold = entry->hold;
    int64_t const tokens = hold->input + hold->output;
    hold->cost = charge_of(
        &hold->tariff, cost_of(hold->price_in, hold->price_out, hold->input, hold->output), tokens);
    if (customer->revoked[hold->key])
        note(&entry->tries, ERR_KEY_REVOKED, SCOPE_KEY, false);
    if (customer->suspended)
        note(&entry->tries, ERR_CUSTOMER_SUSPENDED, SCOPE_CUSTOMER, false);
    check_tokens(customer, hold->key, tokens, entry->now, &entry->tries);
    check_tokens(customer, -1, tokens, entry->now, &entry->tries);
    check_concurrency(customer, hold->key, &entry->tries);
    check_concurrency(customer, -1, &entry->tries);
    check_windows(entry);
}

static struct shares funds_for(const struct entry *entry, int64_t due, bool holds)
{
    int64_t const overage = overage_room(entry->customer, entry->hold, holds);
    return fund(entry->customer, entry->hold->feature, due, overage, entry->now,
                (struct view){holds, true});
}

/* May the call begin at all, with as many credits as there are? */
static bool rich(const struct entry *entry, int64_t due, bool holds)
{
    const struct model_customer *customer = entry->customer;
    int64_t scoped = 0, unscoped = 0, room = customer->overdraft - customer->debt;
    for (int i = 0; i < customer->grant_count; i++) {
        const struct model_grant *grant = &customer->grants[i];
        if (pays_for(grant, entry->hold->feature, entry->now))
            *(grant->features ? &scoped : &unscoped) +=
                grant->remaining - (holds ? grant->held : 0);
    }
    for (int i = 0; i < MODEL_HOLDS && holds; i++)
        if (customer->holds[i].state == MODEL_HELD)
            room -= customer->holds[i].overdraft;
    if (room < 0)
        unscoped = most(unscoped + room, 0);
    return due == 0 || scoped + unscoped >= entry->hold->tariff.minimum;
}

/* The plan pays; what its quota does not cover, so many times a minute. */
static void go_free(struct entry *entry, int64_t covered)
{
    struct model_customer *customer = entry->customer;
    struct model_hold *hold = entry->hold;
    struct shares const nobody = {0};
    const struct model_line *line = line_of(hold, ROLE_ALLOWANCE);
    int64_t const tokens = hold->input + hold->output;
    take(hold, &nobody, covered);
    hold->free = true;
    if (line && covered == measure(customer->counters[line->counter].metric, tokens, hold->cost))
        return;
    hold->throttled = true;
    if (!within(customer->meter.throttle, customer->policy.throttle, 1, entry->now))
        note(&entry->tries, ERR_RATE_LIMITED, SCOPE_PLAN, false);
}

/* False: short. */
static bool pay(struct entry *entry)
{
    struct model_customer *customer = entry->customer;
    struct model_hold *hold = entry->hold;
    int64_t covered;
    hold->grant_count = 0;
    hold->overage = hold->overdraft = 0;
    if ((hold->tariff.basis != 0) != customer->in_credits) {
        note(&entry->tries, ERR_CREDIT_SHORT, SCOPE_CREDIT, false);
        return true; /* nothing more to find out */
    }
    if (customer->unlimited) {
        hold->overage = hold->cost;
        return true;
    }
    int64_t const due = due_now(customer, hold, hold->output, true, &covered);
    if (customer->policy.throttle > 0) {
        go_free(entry, covered);
        return true;
    }
    struct shares const shares = funds_for(entry, due, true);
    if (shares.left > 0 || !rich(entry, due, true))
        return false;
    take(hold, &shares, covered);
    return true;
}

static void hold_all(struct model_customer *customer, struct model_hold *hold, int64_t now)
{
    int64_t const tokens = hold->input + hold->output;
    struct model_meter *key = &customer->key_meter[hold->key];
    int64_t const key_limit = customer->key_limits[hold->key].tokens;
    for (int i = 0; i < hold->grant_count; i++)
        customer->grants[hold->grants[i].grant].held += hold->grants[i].amount;
    if (hold->rolls)
        roll(customer, line_of(hold, ROLE_ALLOWANCE)->counter, hold->carried, hold->included, now);
    for (int i = 0; i < hold->line_count; i++) {
        struct model_counter *counter = &customer->counters[hold->lines[i].counter];
        counter->held += hold->lines[i].amount;
        if (hold->lines[i].role == ROLE_OVERAGE_CAP)
            counter->limit_highest = most(counter->limit_highest, hold->cap_limit);
    }
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
    if (hold->throttled)
        customer->meter.saved_throttle = customer->meter.throttle =
            arrival(customer->meter.throttle, customer->policy.throttle, 1, now);
    hold->state = MODEL_HELD;
    model_saved(customer);
}

static struct reason verdict(const struct tries *tries)
{
    if (tries->reason402.err != ERR_OK)
        return tries->reason402;
    if (tries->reason403.err != ERR_OK)
        return tries->reason403;
    return tries->reason429;
}

/* Everything is asked, then who pays; with less output once, when that helps. */
static void try_in(struct entry *entry)
{
    const struct model_want *want = entry->want;
    struct model_hold *hold = entry->hold;
    struct tries const of_rate = entry->tries;
    pass(entry);
    if (pay(entry))
        return;
    int64_t covered;
    int64_t const now_due = due_now(entry->customer, hold, hold->output, true, &covered);
    if (want->output_min > 0 && rich(entry, now_due, true)) {
        struct shares const all = funds_for(entry, INT64_MAX, true);
        int64_t const output =
            shrink(entry->customer, hold, all.total, want->output, want->choices);
        if (output >= want->output_min) {
            hold->output = output * want->choices;
            entry->tries = of_rate;
            pass(entry);
            if (pay(entry))
                return;
        }
    }
    int64_t const due = due_now(entry->customer, hold, hold->output, false, &covered);
    note(&entry->tries, ERR_CREDIT_SHORT, SCOPE_CREDIT,
         funds_for(entry, due, false).left == 0 && rich(entry, due, false));
}

struct model_verdict model_reserve(struct model_customer *customer, int slot, struct ulid id,
                                   const struct model_want *want, int64_t clock)
{
    struct entry entry = {.customer = customer,
                          .hold = &customer->holds[slot],
                          .want = want,
                          .now = model_now(customer, clock),
                          .clock = clock};
    struct model_hold *hold = entry.hold;
    *hold = (struct model_hold){.id = id,
                                .key = want->key,
                                .feature = want->feature,
                                .tariff = customer->policy.tariff,
                                .unlimited = customer->unlimited,
                                .input = want->input,
                                .output = want->output * want->choices,
                                .orphan = want->orphan,
                                .choices = want->choices,
                                .price_in = want->price_in,
                                .price_out = want->price_out,
                                .deadline = want->deadline};
    if (customer->unlimited && !customer->in_credits)
        hold->tariff.basis = 0;
    (void)take_rate(customer, want, entry.now, &entry.tries);
    try_in(&entry);
    struct reason const reason = verdict(&entry.tries);
    struct model_verdict result = {
        .err = reason.err, .scope = reason.scope, .rule = reason.err == ERR_OK ? -1 : reason.rule};
    memcpy(result.rules, entry.rules, sizeof result.rules);
    result.holds_in_the_way = result.err != ERR_OK && !entry.tries.other_than_holds;
    if (result.err == ERR_OK) {
        hold_all(customer, hold, entry.now);
        result.output_cap = hold->output / want->choices;
    }
    result.available = model_available(customer, hold->feature, entry.now);
    return result;
}
