/* funds.c - who pays for a call, and how much output the credit buys when it is short. */
#include "book/attempt.h"
#include "book/customer_int.h"

/* What included quota and funds look like for one call, holds counted as gone or not. */
struct purse {
    bool has_quota;
    enum metric metric; /* of the quota */
    int64_t quota;      /* what it still covers */
    struct waterfall_funds funds;
};

static struct purse purse_of(const struct attempt *attempt, bool ignore_holds)
{
    const struct hold *hold = attempt->hold;
    int64_t const overage = hold_overage_room(hold, ignore_holds);
    struct purse purse = {
        .funds = customer_funds(attempt->customer, overage, attempt->now_us, ignore_holds)};
    purse.funds.feature = attempt_feature(attempt);
    const struct hold_window *line = hold_line(hold, ROLE_ALLOWANCE);
    if (line == NULL)
        return purse;
    int64_t const room = customer_window_room(line->counter, hold->allowance_limit, ignore_holds);
    purse.has_quota = true;
    purse.metric = line->counter->metric;
    purse.quota = room > 0 ? room : 0;
    return purse;
}

struct price_tag {
    int64_t due, covered;
    bool whole; /* quota covers all of it */
};

static struct price_tag tag_of(const struct purse *purse, struct money cost, int64_t tokens)
{
    if (!purse->has_quota)
        return (struct price_tag){cost.nano, 0, false};
    int64_t metric = 1;
    if (purse->metric == METRIC_TOKENS)
        metric = tokens;
    else if (purse->metric == METRIC_COST)
        metric = cost.nano;
    int64_t const covered = metric < purse->quota ? metric : purse->quota;
    return (struct price_tag){coverage_due(cost.nano, metric, covered), covered, covered == metric};
}

/* Would the call with `output` tokens per choice be funded by `credit`? */
static bool fits(const struct attempt *attempt, const struct purse *purse, int64_t output,
                 int64_t credit)
{
    struct usage usage = attempt->estimate;
    struct money cost, charge;
    usage.tokens[POOL_OUTPUT] = output * attempt->want->choices;
    if (hold_charge(attempt->hold, &usage, &cost, &charge) != ERR_OK)
        return false;
    return tag_of(purse, charge, usage_total(&usage)).due <= credit;
}

/* Most output per choice, up to what was asked for, that can be paid; 0: none. What is due grows
 * with the output, so halving finds it; without quota and tariff it is one division. */
static int64_t affordable(const struct attempt *attempt, const struct purse *purse)
{
    const struct reservation *want = attempt->want;
    struct waterfall const all = waterfall_allocate(&purse->funds, INT64_MAX);
    int64_t const credit = INT64_MAX - all.left;
    int64_t const asked = attempt->estimate.tokens[POOL_OUTPUT] / want->choices;
    struct usage input = attempt->estimate;
    input.tokens[POOL_OUTPUT] = 0;
    bool const as_priced = !tariff_is_set(&attempt->hold->tariff);
    int64_t low = 0;
    if (as_priced)
        low = price_affordable_output(&want->price, &input, (struct money){credit}, want->choices);
    if (low >= asked)
        return asked;
    if (purse->quota == 0 && as_priced)
        return low;
    if (low == 0 && !fits(attempt, purse, 0, credit))
        return 0;
    for (int64_t high = asked; low < high;) { /* at most 63 times: low fits, high + 1 does not */
        int64_t const middle = low + (high - low + 1) / 2;
        if (fits(attempt, purse, middle, credit))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* True: the estimate has been shrunk; test everything again. */
static bool shrink(struct attempt *attempt, const struct purse *purse)
{
    const struct reservation *want = attempt->want;
    if (want->output_min <= 0 || attempt->fitted)
        return false;
    int64_t const asked = attempt->estimate.tokens[POOL_OUTPUT] / want->choices;
    int64_t const output = affordable(attempt, purse);
    if (output < want->output_min || output >= asked)
        return false;
    attempt->fitted = true;
    attempt->estimate.tokens[POOL_OUTPUT] = output * want->choices;
    attempt->tokens = usage_total(&attempt->estimate);
    struct money cost;
    MUST(hold_charge(attempt->hold, &attempt->estimate, &cost, &attempt->cost) == ERR_OK);
    return true;
}

static void take_lines(struct attempt *attempt, const struct waterfall_funds *funds,
                       const struct waterfall *shares, int64_t covered)
{
    struct hold *hold = attempt->hold;
    for (size_t i = 0; i < hold->window_count; i++) {
        if (hold->windows[i].role == ROLE_ALLOWANCE)
            hold->windows[i].amount = covered;
        else if (hold->windows[i].role == ROLE_OVERAGE_CAP)
            hold->windows[i].amount = shares->overage;
    }
    hold->grant_count = shares->line_count;
    for (size_t i = 0; i < shares->line_count; i++) {
        hold->grants[i].grant = grant_of(funds->grants[shares->lines[i].grant]);
        hold->grants[i].amount = shares->lines[i].amount;
    }
    hold->overage.nano = shares->overage;
    hold->overdraft.nano = shares->overdraft;
}

/* A plan may want some credits to be there before a call that needs any. */
static bool has_minimum(const struct attempt *attempt, const struct purse *purse, int64_t due)
{
    int64_t const minimum = attempt->hold->tariff.minimum;
    return due == 0 || minimum == 0 || waterfall_grants(&purse->funds) >= minimum;
}

/* Refused now; would it do without the live holds? */
static bool pays_without_holds(const struct attempt *attempt)
{
    struct purse const purse = purse_of(attempt, true);
    int64_t const due = tag_of(&purse, attempt->cost, attempt->tokens).due;
    return has_minimum(attempt, &purse, due) && waterfall_allocate(&purse.funds, due).left == 0;
}

/* The plan pays for all of it; what quota does not cover, no faster than it says. */
static void take_free(struct attempt *attempt, const struct purse *purse,
                      const struct price_tag *tag)
{
    struct waterfall const nobody = {0};
    take_lines(attempt, &purse->funds, &nobody, tag->covered);
    attempt->hold->free = true;
    if (!tag->whole)
        (void)attempt_throttle(attempt, attempt->want->rules->throttle_per_minute);
}

/* Credits never pay for money, nor money for credits. */
static bool pays_in_its_unit(const struct attempt *attempt)
{
    bool const in_credits = attempt->hold->tariff.basis != CREDIT_NONE;
    return in_credits == atomic_load_explicit(&attempt->customer->in_credits, memory_order_relaxed);
}

void attempt_funds(struct attempt *attempt)
{
    struct hold *hold = attempt->hold;
    hold->grant_count = 0;
    hold->overage = hold->overdraft = (struct money){0};
    if (hold->own_key)
        return; /* the customer pays its provider itself */
    if (!pays_in_its_unit(attempt)) {
        attempt_refuse(attempt, ERR_CREDIT_SHORT, SCOPE_CREDIT, INT64_MAX, false);
        return;
    }
    if (hold->unlimited) {
        hold->overage = attempt->cost; /* no credit is asked for: all of it is receivable */
        return;
    }
    struct purse const purse = purse_of(attempt, false);
    struct price_tag const tag = tag_of(&purse, attempt->cost, attempt->tokens);
    if (hold->overage_mode == OVERAGE_THROTTLE) {
        take_free(attempt, &purse, &tag);
        return;
    }
    struct waterfall const shares = waterfall_allocate(&purse.funds, tag.due);
    bool const rich = has_minimum(attempt, &purse, tag.due);
    if (shares.left == 0 && rich) {
        take_lines(attempt, &purse.funds, &shares, tag.covered);
        return;
    }
    if (rich && shrink(attempt, &purse)) {
        attempt_limits(attempt);
        attempt_funds(attempt);
        return;
    }
    attempt_refuse(attempt, ERR_CREDIT_SHORT, SCOPE_CREDIT, INT64_MAX, pays_without_holds(attempt));
}
