/* effect.c - see effect.h; small steps, each of which keeps the invariants of domain.md 5.5. */
#include "book/effect.h"
#include "book/counters.h"
#include "book/customer_int.h"

/* Amounts come from journals too: a sum that does not fit stays at the end of the range. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void set_limiters(struct customer *customer, struct key *key,
                         const struct record_limiters *limiters)
{
    struct gcra *const states[LIMITER_COUNT] = {
        [LIMITER_KEY_REQUESTS] = &key->meter.requests,
        [LIMITER_CUSTOMER_REQUESTS] = &customer->meter.requests,
        [LIMITER_KEY_TOKENS] = &key->meter.tokens,
        [LIMITER_CUSTOMER_TOKENS] = &customer->meter.tokens,
        [LIMITER_CUSTOMER_THROTTLE] = &customer->meter.throttle,
    };
    for (unsigned i = 0; i < LIMITER_COUNT; i++)
        if (limiters->set & 1u << i)
            states[i]->tat = limiters->tat[i];
}

/* --- a hold begins ------------------------------------------------------------------------- */
static bool line_fits(const struct hold *hold, size_t line, bool partly)
{
    const struct waterfall_grant *funds = &hold->grants[line].grant->funds;
    int64_t const amount = hold->grants[line].amount;
    int64_t held;
    for (size_t i = 0; i < line; i++)
        if (hold->grants[i].grant == hold->grants[line].grant)
            return false;
    if (amount < 0 || __builtin_add_overflow(funds->held, amount, &held))
        return false;
    return partly || held <= funds->remaining;
}

bool effect_reserve_fits(const struct hold *hold, bool partly)
{
    const struct customer *customer = hold->customer;
    int64_t sum = customer->grants_held, total;
    for (size_t i = 0; i < hold->grant_count; i++)
        if (!line_fits(hold, i, partly) ||
            __builtin_add_overflow(sum, hold->grants[i].amount, &sum))
            return false;
    return !__builtin_add_overflow(customer->overage_held, hold->overage.nano, &total) &&
           !__builtin_add_overflow(customer->overdraft_held, hold->overdraft.nano, &total);
}

static void meter_add(struct meter *meter, int64_t tokens)
{
    meter->live++;
    meter->tokens_held = plus(meter->tokens_held, tokens);
}

static void meter_drop(struct meter *meter, int64_t tokens)
{
    MUST(meter->live > 0);
    meter->live--;
    meter->tokens_held = tokens < meter->tokens_held ? meter->tokens_held - tokens : 0;
}

void effect_rollover(const struct hold *hold, const struct record_rollover *rollover,
                     int64_t now_us)
{
    const struct hold_window *line = rollover->said ? hold_line(hold, ROLE_ALLOWANCE) : NULL;
    if (line != NULL)
        counters_carry(&hold->customer->counters, line->counter, rollover, now_us);
}

void effect_reserve(struct hold *hold, const struct record_limiters *limiters)
{
    struct customer *customer = hold->customer;
    for (size_t i = 0; i < hold->grant_count; i++) {
        hold->grants[i].grant->funds.held += hold->grants[i].amount;
        customer->grants_held += hold->grants[i].amount;
    }
    for (size_t i = 0; i < hold->window_count; i++) {
        struct counter *counter = hold->windows[i].counter;
        counter->held = plus(counter->held, hold->windows[i].amount);
        counter->lines++;
    }
    customer->overage_held += hold->overage.nano;
    customer->overdraft_held += hold->overdraft.nano;
    meter_add(&customer->meter, hold->tokens);
    meter_add(&hold->key->meter, hold->tokens);
    set_limiters(customer, hold->key, limiters);
    hold->state = HOLD_HELD;
}

/* --- a hold ends --------------------------------------------------------------------------- */
/* What the hold keeps of a grant is dropped before anything is consumed. */
static int64_t held_after_drop(const struct effect *effect, const struct grant *grant)
{
    int64_t held = grant->funds.held;
    for (size_t i = 0; effect->hold && !effect->late && i < effect->hold->grant_count; i++)
        if (effect->hold->grants[i].grant == grant)
            held -= effect->hold->grants[i].amount;
    return held;
}

static bool state_allows(const struct effect *effect)
{
    if (!effect->hold)
        return effect->late && effect->type != RECORD_EXPIRE;
    if (effect->late)
        return effect->hold->state == HOLD_EXPIRED && effect->type != RECORD_EXPIRE;
    return effect->hold->state == HOLD_HELD;
}

bool effect_end_fits(const struct effect *effect)
{
    if (!state_allows(effect))
        return false;
    int64_t sum = 0;
    for (size_t i = 0; i < effect->grant_count; i++) {
        const struct effect_grant *line = &effect->grants[i];
        for (size_t j = 0; j < i; j++)
            if (effect->grants[j].grant == line->grant)
                return false;
        int64_t const held = held_after_drop(effect, line->grant);
        if (line->consumed < 0 || line->consumed > line->grant->funds.remaining - held)
            return false;
        if (__builtin_add_overflow(sum, line->consumed, &sum))
            return false;
    }
    bool const charges = effect->type == RECORD_SETTLE;
    return sum == effect->charged.nano && (charges || effect->charge.nano == 0);
}

static void drop_lines(struct hold *hold)
{
    struct customer *customer = hold->customer;
    for (size_t i = 0; i < hold->grant_count; i++) {
        hold->grants[i].grant->funds.held -= hold->grants[i].amount;
        customer->grants_held -= hold->grants[i].amount;
    }
    for (size_t i = 0; i < hold->window_count; i++) {
        struct counter *counter = hold->windows[i].counter;
        int64_t const amount = hold->windows[i].amount;
        counter->held = amount < counter->held ? counter->held - amount : 0;
    }
    customer->overage_held -= hold->overage.nano;
    customer->overdraft_held -= hold->overdraft.nano;
    meter_drop(&customer->meter, hold->tokens);
    meter_drop(&hold->key->meter, hold->tokens);
}

/* Of an expired grant only what holds protect may remain. */
static int64_t break_rest(struct grant *grant)
{
    if (grant->status != GRANT_EXPIRED)
        return 0;
    int64_t const breakage = grant->funds.remaining - grant->funds.held;
    int64_t *total = &grant->customer->totals.nano[TOTAL_BREAKAGE];
    grant->funds.remaining = grant->funds.held;
    *total = plus(*total, breakage);
    return breakage;
}

static void consume(struct effect *effect)
{
    struct customer *customer = effect->customer;
    int64_t *totals = customer->totals.nano;
    for (size_t i = 0; i < effect->grant_count; i++) {
        struct effect_grant *line = &effect->grants[i];
        line->grant->funds.remaining -= line->consumed;
        totals[TOTAL_CONSUMED] = plus(totals[TOTAL_CONSUMED], line->consumed);
        line->breakage = break_rest(line->grant);
        if (line->grant->funds.remaining == 0)
            customer_deactivate(customer, line->grant);
    }
    for (size_t i = 0; i < effect->window_count; i++)
        effect->windows[i].counter->used =
            plus(effect->windows[i].counter->used, effect->windows[i].used);
    totals[TOTAL_OVERAGE] = plus(totals[TOTAL_OVERAGE], effect->overage.nano);
    totals[TOTAL_DEBT] = plus(totals[TOTAL_DEBT], effect->debt.nano);
    totals[TOTAL_SETTLED] = plus(totals[TOTAL_SETTLED], effect->charge.nano);
    totals[TOTAL_COVERED] = plus(totals[TOTAL_COVERED], effect->covered.nano);
}

void effect_end(struct effect *effect)
{
    static const enum hold_state ends[] = {
        [RECORD_SETTLE] = HOLD_SETTLED,
        [RECORD_RELEASE] = HOLD_RELEASED,
        [RECORD_EXPIRE] = HOLD_EXPIRED,
    };
    struct hold *hold = effect->hold;
    if (hold && !effect->late)
        drop_lines(hold);
    consume(effect);
    set_limiters(effect->customer, effect->key, &effect->limiters);
    if (!hold)
        return;
    hold->state = ends[effect->type];
    hold->limiters = 0;
    if (hold->state != HOLD_EXPIRED)
        effect_forget(hold);
}

void effect_forget(struct hold *hold)
{
    if (hold->state == HOLD_EXPIRED)
        hold->state = HOLD_FORGOTTEN;
    for (size_t i = 0; i < hold->window_count; i++) {
        MUST(hold->windows[i].counter->lines > 0);
        hold->windows[i].counter->lines--;
    }
    hold->window_count = 0; /* the counters may go now */
}

/* --- grants -------------------------------------------------------------------------------- */
bool effect_grant_fits(const struct customer *customer, const struct grant *grant,
                       struct money repaid)
{
    int64_t sum;
    return grant->amount.nano > 0 && repaid.nano >= 0 && repaid.nano <= grant->amount.nano &&
           repaid.nano <= customer->totals.nano[TOTAL_DEBT] &&
           !__builtin_add_overflow(customer->totals.nano[TOTAL_GRANTED], grant->amount.nano, &sum);
}

void effect_grant(struct customer *customer, struct grant *grant, struct money repaid)
{
    int64_t *totals = customer->totals.nano;
    grant->funds.remaining = grant->amount.nano - repaid.nano;
    grant->funds.held = 0;
    totals[TOTAL_GRANTED] += grant->amount.nano;
    totals[TOTAL_DEBT] -= repaid.nano;
    totals[TOTAL_CONSUMED] = plus(totals[TOTAL_CONSUMED], repaid.nano);
    if (grant->funds.remaining == 0)
        customer_deactivate(customer, grant);
}

struct money effect_grant_expire(struct customer *customer, struct grant *grant)
{
    MUST(grant->status == GRANT_ACTIVE);
    grant->status = GRANT_EXPIRED;
    int64_t const breakage = break_rest(grant);
    customer_deactivate(customer, grant);
    return (struct money){breakage};
}
