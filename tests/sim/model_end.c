/* model_end.c - the model's settles, releases, expiries, grants and crashes. */
#include "model_int.h"

static int64_t adjust(int64_t tat, int64_t limit, int64_t taken, int64_t used, int64_t now)
{
    if (limit == 0 || taken == used)
        return tat;
    return used < taken ? give_back(tat, limit, taken - used, now)
                        : arrival(tat, limit, used - taken, now);
}

static void settle_meters(struct model_customer *customer, struct model_hold *hold, int64_t used,
                          int64_t now)
{
    struct model_meter *key = &customer->key_meter[hold->key];
    int64_t const tokens = hold->input + hold->output;
    int64_t const key_limit = customer->key_limits[hold->key].tokens;
    int64_t const key_taken = hold->took_key_tokens ? tokens : 0;
    int64_t const taken = hold->took_customer_tokens ? tokens : 0;
    key->tokens = adjust(key->tokens, key_limit, key_taken, used, now);
    if (key_limit > 0 && key_taken != used)
        key->saved_tokens = key->tokens;
    customer->meter.tokens =
        adjust(customer->meter.tokens, customer->limits.tokens, taken, used, now);
    if (customer->limits.tokens > 0 && taken != used)
        customer->meter.saved_tokens = customer->meter.tokens;
    hold->took_key_tokens = hold->took_customer_tokens = false;
}

static void drop(struct model_customer *customer, struct model_hold *hold)
{
    for (int i = 0; i < hold->grant_count; i++)
        customer->grants[hold->grants[i].grant].held -= hold->grants[i].amount;
    for (int i = 0; i < hold->line_count; i++)
        customer->counters[hold->lines[i].counter].held -= hold->lines[i].amount;
}

/* The released part of an expired grant is breakage. */
static void sweep_breakage(struct model_customer *customer)
{
    for (int i = 0; i < customer->grant_count; i++) {
        struct model_grant *grant = &customer->grants[i];
        if (!grant->expired)
            continue;
        customer->breakage += grant->remaining - grant->held;
        grant->remaining = grant->held;
    }
}

static void consume(struct model_customer *customer, int grant, int64_t amount,
                    struct model_bill *bill)
{
    customer->grants[grant].remaining -= amount;
    customer->consumed += amount;
    bill->charged += amount;
}

static int64_t use_lines(struct model_customer *customer, const struct model_hold *hold,
                         int64_t tokens, int64_t cost, bool late)
{
    int64_t due = cost;
    for (int i = 0; i < hold->line_count; i++) {
        const struct model_line *line = &hold->lines[i];
        struct model_counter *counter = &customer->counters[line->counter];
        int64_t const metric = measure(counter->metric, tokens, cost);
        if (line->role == ROLE_LIMIT && counter->metric != METRIC_CONCURRENT)
            counter->used += metric;
        if (line->role != ROLE_ALLOWANCE)
            continue;
        /* the hold's own part is dropped already: it may be used again, and what is free besides */
        int64_t const own = late ? 0 : least(metric, line->amount);
        int64_t const held_by_all = counter->held + (late ? 0 : line->amount);
        int64_t const room =
            most(hold->quota_limit - counter->given - counter->used - held_by_all, 0);
        int64_t const covered = own + least(metric - own, room);
        due = due_of(cost, metric, covered);
        counter->used += covered;
    }
    return due;
}

static void charge(struct model_customer *customer, struct model_hold *hold, int64_t due, bool late,
                   int64_t now, struct model_bill *bill)
{
    int64_t left = due;
    for (int i = 0; i < hold->grant_count && !late; i++) {
        int64_t const amount = least(left, hold->grants[i].amount);
        consume(customer, hold->grants[i].grant, amount, bill);
        left -= amount;
    }
    if (!late) {
        bill->overage = least(left, hold->overage);
        left -= bill->overage;
        bill->debt = least(left, hold->overdraft);
        left -= bill->debt;
    }
    const struct model_line *line = line_of(hold, ROLE_OVERAGE_CAP);
    struct model_counter *cap = line ? &customer->counters[line->counter] : NULL;
    if (cap)
        cap->used += bill->overage;
    if (left > 0) {
        int64_t const room = overage_room(customer, hold, true);
        struct shares const extra =
            fund(customer, hold->feature, left, room, now, (struct view){true, false});
        for (int i = 0; i < extra.count; i++)
            consume(customer, extra.grant[i], extra.amount[i], bill);
        bill->overage += extra.overage;
        bill->debt += extra.left;
        if (cap)
            cap->used += extra.overage;
    }
}

struct model_bill model_settle(struct model_customer *customer, int slot, int64_t input,
                               int64_t output, int64_t clock)
{
    struct model_hold *hold = &customer->holds[slot];
    struct model_bill bill = {0};
    if (hold->state != MODEL_HELD && hold->state != MODEL_EXPIRED)
        return (struct model_bill){.repeated = true};
    bool const late = hold->state == MODEL_EXPIRED;
    int64_t const now = model_now(customer, clock);
    bill.cost = cost_of(hold->price_in, hold->price_out, input, output);
    bill.charge = charge_of(&hold->tariff, bill.cost, input + output);
    settle_meters(customer, hold, input + output, now);
    if (!late)
        drop(customer, hold);
    hold->state = MODEL_SETTLED; /* its overage and overdraft are free again */
    int64_t due = use_lines(customer, hold, input + output, bill.charge, late);
    if (hold->unlimited) {
        bill.overage = bill.charge;
    } else {
        if (hold->free)
            due = 0;
        bill.covered = bill.charge - due;
        charge(customer, hold, due, late, now, &bill);
    }
    customer->overage += bill.overage;
    customer->debt += bill.debt;
    customer->covered += bill.covered;
    customer->settled += bill.charge;
    sweep_breakage(customer);
    model_saved(customer);
    if (!late && bill.debt > hold->overdraft && input <= hold->input && output <= hold->output)
        customer->broken = "I8: debt although the estimate was kept";
    bill.available = model_available(customer, hold->feature, now);
    return bill;
}

static void end_free(struct model_customer *customer, struct model_hold *hold,
                     enum model_state state, int64_t clock)
{
    int64_t const now = model_now(customer, clock);
    if (hold->state == MODEL_HELD) {
        settle_meters(customer, hold, 0, now);
        drop(customer, hold);
    }
    hold->state = state;
    sweep_breakage(customer);
    model_saved(customer);
}

void model_release(struct model_customer *customer, int slot, int64_t clock)
{
    struct model_hold *hold = &customer->holds[slot];
    if (hold->state == MODEL_HELD || hold->state == MODEL_EXPIRED)
        end_free(customer, hold, MODEL_RELEASED, clock);
}

void model_dispatch(struct model_customer *customer, int slot, int64_t clock)
{
    struct model_hold *hold = &customer->holds[slot];
    if (hold->dispatched)
        return;
    hold->dispatched = true;
    if (hold->state != MODEL_HELD)
        return;
    (void)model_now(customer, clock);
    model_saved(customer);
}

void model_progress(struct model_customer *customer, int slot, int64_t tokens, int64_t clock)
{
    struct model_hold *hold = &customer->holds[slot];
    if (tokens <= hold->progress)
        return;
    hold->progress = tokens;
    if (hold->state != MODEL_HELD)
        return;
    (void)model_now(customer, clock);
    model_saved(customer);
}

int model_sweep(struct model_customer *customer, int64_t due, int64_t clock)
{
    int count = 0;
    for (int i = 0; i < MODEL_HOLDS; i++) {
        struct model_hold *hold = &customer->holds[i];
        if (hold->state != MODEL_HELD || hold->deadline > due)
            continue;
        end_free(customer, hold, MODEL_EXPIRED, clock);
        hold->expired_at = due;
        count++;
    }
    return count;
}

void model_forget(struct model_customer *customer, int slot)
{
    if (customer->holds[slot].state == MODEL_EXPIRED)
        customer->holds[slot].state = MODEL_FORGOTTEN;
}

/* --- grants ---------------------------------------------------------------------------------- */
void model_grant(struct model_customer *customer, const struct model_grant *grant, int64_t clock)
{
    int64_t const now = model_now(customer, clock);
    struct model_grant *made = &customer->grants[customer->grant_count++];
    *made = *grant;
    bool const repays = made->effective <= now && made->features == 0;
    int64_t const repaid = repays ? least(customer->debt, made->amount) : 0;
    made->remaining = made->amount - repaid;
    made->held = 0;
    customer->granted += made->amount;
    customer->consumed += repaid;
    customer->debt -= repaid;
    model_saved(customer);
}

int model_expire_grants(struct model_customer *customer, int64_t clock)
{
    int count = 0;
    for (int i = 0; i < customer->grant_count; i++) {
        struct model_grant *grant = &customer->grants[i];
        if (grant->expired || grant->expires == 0 || grant->expires > clock)
            continue;
        grant->expired = true;
        (void)model_now(customer, clock);
        sweep_breakage(customer);
        model_saved(customer);
        count++;
    }
    return count;
}

/* --- crash ----------------------------------------------------------------------------------- */
static int oldest_held(const struct model_customer *customer)
{
    int found = -1;
    for (int i = 0; i < MODEL_HOLDS; i++) {
        const struct model_hold *hold = &customer->holds[i];
        if (hold->state != MODEL_HELD)
            continue;
        const struct model_hold *best = found < 0 ? NULL : &customer->holds[found];
        if (!best || hold->id.high < best->id.high ||
            (hold->id.high == best->id.high && hold->id.low < best->id.low))
            found = i;
    }
    return found;
}

void model_crash(struct model_customer *customer, int64_t clock)
{
    customer->now = customer->saved_now;
    customer->meter.requests = customer->meter.saved_requests;
    customer->meter.tokens = customer->meter.saved_tokens;
    customer->meter.throttle = customer->meter.saved_throttle;
    for (int i = 0; i < MODEL_KEYS; i++) {
        customer->key_meter[i].requests = customer->key_meter[i].saved_requests;
        customer->key_meter[i].tokens = customer->key_meter[i].saved_tokens;
    }
    for (int i = 0; i < MODEL_HOLDS; i++)
        model_forget(customer, i);
    for (int i = oldest_held(customer); i >= 0; i = oldest_held(customer)) {
        struct model_hold *hold = &customer->holds[i];
        hold->bills = false; /* what its rules were is not known any more */
        hold->quota_limit = hold->cap_limit = 0;
        if (hold->dispatched)
            (void)model_settle(customer, i, hold->orphan, hold->progress, clock);
        else
            model_release(customer, i, clock);
    }
}

/* --- invariants ------------------------------------------------------------------------------ */
static const char *check_sums(const struct model_customer *customer)
{
    int64_t grants[MODEL_GRANTS] = {0}, counters[MODEL_COUNTERS] = {0}, remaining = 0;
    for (int i = 0; i < MODEL_HOLDS; i++) {
        const struct model_hold *hold = &customer->holds[i];
        if (hold->state != MODEL_HELD)
            continue;
        for (int line = 0; line < hold->grant_count; line++)
            grants[hold->grants[line].grant] += hold->grants[line].amount;
        for (int line = 0; line < hold->line_count; line++)
            counters[hold->lines[line].counter] += hold->lines[line].amount;
    }
    for (int i = 0; i < customer->grant_count; i++) {
        const struct model_grant *grant = &customer->grants[i];
        remaining += grant->remaining;
        if (grant->held < 0 || grant->held > grant->remaining)
            return "I2: 0 <= held <= remaining of each grant";
        if (grant->held != grants[i])
            return "I3: held of a grant is the sum of the live holds' lines";
    }
    for (int i = 0; i < customer->counter_count; i++)
        if (customer->counters[i].held != counters[i])
            return "I3: held of a window is the sum of the live holds' lines";
    if (customer->granted != remaining + customer->consumed + customer->breakage)
        return "I1: granted = remaining + consumed + breakage";
    return NULL;
}

static const char *check_counters(const struct model_customer *customer)
{
    for (int i = 0; i < customer->counter_count; i++) {
        const struct model_counter *counter = &customer->counters[i];
        if (counter->used < 0 || counter->held < 0)
            return "used and held of a window are never negative";
        if (counter->metric == METRIC_CONCURRENT && counter->used != 0)
            return "a call that runs is held, never used up";
        if (counter->is_cap && counter->used + counter->held > counter->limit_highest)
            return "I7: overage used + held <= the highest cap a call was admitted under";
    }
    return NULL;
}

const char *model_check(const struct model_customer *customer)
{
    if (customer->broken)
        return customer->broken;
    if (customer->settled !=
        customer->covered + customer->consumed + customer->overage + customer->debt)
        return "I4: settled = covered + consumed + overage + debt";
    const char *broken = check_sums(customer);
    return broken ? broken : check_counters(customer);
}
