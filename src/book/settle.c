/* settle.c - what a finished call costs, and who pays: recorded lines first, then whatever there
 * is. */
#include "base/log.h"
#include "book/customer_int.h"
#include "book/end.h"
#include "book/hold.h"

struct bill {
    struct usage usage;
    struct money cost, charge; /* what the provider asks, what the customer is asked */
    int64_t tokens;
    bool absurd;
};

/* Impossible usage (negative, beyond int64, of a pool nobody has priced) is charged as the hold. */
static struct bill measure(const struct hold *hold, const struct usage *usage)
{
    struct bill bill = {.usage = *usage};
    if (hold_charge(hold, usage, &bill.cost, &bill.charge) != ERR_OK) {
        bill.absurd = true;
        bill.usage = hold->estimate;
        bill.usage.source = USAGE_ESTIMATED;
        MUST(hold_charge(hold, &hold->estimate, &bill.cost, &bill.charge) == ERR_OK);
    }
    bill.tokens = usage_total(&bill.usage);
    return bill;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t measured(const struct bill *bill, enum metric metric)
{
    switch (metric) {
    case METRIC_REQUESTS:
        return 1;
    case METRIC_TOKENS:
        return bill->tokens;
    case METRIC_COST:
        return bill->charge.nano;
    case METRIC_CONCURRENT: /* held only */
    case METRIC_COUNT:
        break;
    }
    return 0;
}

/* Included quota pays for as much as it did at reserve, and more when it has room by now. */
static int64_t cover(const struct effect *effect, const struct hold_window *line, int64_t metric)
{
    const struct hold *hold = effect->hold;
    int64_t covered = effect->late ? 0 : smaller(metric, line->amount);
    int64_t const room = customer_window_room(line->counter, hold->allowance_limit, false);
    if (room > 0)
        covered += smaller(metric - covered, room);
    return covered;
}

/* Fills the windows; returns what is due after included quota. */
static int64_t use_windows(struct effect *effect, const struct bill *bill)
{
    const struct hold *hold = effect->hold;
    int64_t due = bill->charge.nano;
    for (size_t i = 0; i < hold->window_count; i++) {
        const struct hold_window *line = &hold->windows[i];
        int64_t amount = measured(bill, line->counter->metric);
        if (line->role == ROLE_ALLOWANCE) {
            int64_t const covered = cover(effect, line, amount);
            due = coverage_due(due, amount, covered);
            amount = covered;
        }
        if (line->role == ROLE_OVERAGE_CAP)
            amount = 0; /* known when all is paid */
        effect->windows[effect->window_count++] = (struct effect_window){line->counter, amount};
    }
    return due;
}

static void use_overage(struct effect *effect)
{
    for (size_t i = 0; i < effect->window_count; i++)
        if (effect->hold->windows[i].role == ROLE_OVERAGE_CAP)
            effect->windows[i].used = effect->overage.nano;
}

static void consume(struct effect *effect, struct grant *grant, int64_t amount)
{
    size_t at = 0;
    while (at < effect->grant_count && effect->grants[at].grant != grant)
        at++;
    if (at == effect->grant_count) {
        MUST(effect->grant_count < RECORD_GRANTS_MAX);
        effect->grants[effect->grant_count++] = (struct effect_grant){.grant = grant};
    }
    effect->grants[at].consumed += amount;
    effect->charged.nano += amount;
}

/* The hold's own lines, in their order. Returns what they do not pay. */
static int64_t pay_recorded(struct effect *effect, int64_t due)
{
    const struct hold *hold = effect->hold;
    for (size_t i = 0; i < hold->grant_count; i++) {
        int64_t const amount = smaller(due, hold->grants[i].amount);
        consume(effect, hold->grants[i].grant, amount);
        due -= amount;
    }
    effect->overage.nano = smaller(due, hold->overage.nano);
    due -= effect->overage.nano;
    effect->debt.nano = smaller(due, hold->overdraft.nano);
    return due - effect->debt.nano;
}

/* More than was held, or too late: whatever is free now; the rest is debt. The hold's own lines are
 * used up by then (or gone), so what is free beside them is exactly what is free. */
static void pay_overrun(struct effect *effect, int64_t due, int64_t now_us)
{
    int64_t const overage = hold_overage_room(effect->hold, false);
    struct waterfall_funds funds = customer_funds(effect->customer, overage, now_us, false);
    funds.owed = funds.overdraft_room = 0; /* both would end as debt anyway */
    funds.feature = record_context_feature(effect->hold->context);
    struct waterfall const extra = waterfall_allocate(&funds, due);
    for (size_t i = 0; i < extra.line_count; i++)
        consume(effect, grant_of(funds.grants[extra.lines[i].grant]), extra.lines[i].amount);
    effect->overage.nano += extra.overage;
    effect->debt.nano += extra.left;
}

static void decide(struct effect *effect, struct hold *hold, const struct bill *bill,
                   int64_t now_us)
{
    effect->type = RECORD_SETTLE;
    effect->customer = hold->customer;
    effect->key = hold->key;
    effect->hold = hold;
    effect->late = hold->state == HOLD_EXPIRED;
    effect->grant_count = effect->window_count = 0;
    effect->cost = bill->cost;
    effect->charge = bill->charge;
    effect->list = (struct money){0};
    effect->charged = effect->covered = effect->overage = effect->debt = (struct money){0};
    end_limiters(effect, bill->tokens, now_us);
    int64_t due = use_windows(effect, bill);
    if (hold->own_key) { /* limits have counted it by the list price; nobody owes us anything */
        effect->list = bill->cost;
        effect->cost = effect->charge = (struct money){0};
        return;
    }
    if (hold->unlimited) {
        effect->overage = bill->charge; /* receivable: no credit is asked for, all is owed */
        return;
    }
    if (hold->free)
        due = 0;
    effect->covered.nano = bill->charge.nano - due;
    if (!effect->late)
        due = pay_recorded(effect, due);
    if (due > 0)
        pay_overrun(effect, due, now_us);
    use_overage(effect);
}

static void report(const struct hold *hold, const struct bill *bill, struct money debt)
{
    char id[ULID_TEXT_BYTES];
    ulid_text(hold->id, id);
    if (bill->absurd)
        LOG(upstream_usage_absurd, field_str("hold", str_make(id, sizeof id)),
            field_str("customer", hold->customer->id));
    if (debt.nano > 0)
        LOG(debt_booked, field_str("hold", str_make(id, sizeof id)),
            field_str("customer", hold->customer->id), field_int("nano", debt.nano));
}

void book_settle(struct book *book, struct hold *hold, const struct settlement *how,
                 struct settled *result)
{
    struct customer *customer = hold->customer;
    struct bill const bill = measure(hold, &how->usage);
    struct end_facts const facts = {str_of(how->outcome), how->http_status, how->attempts,
                                    how->first_byte_us, bill.usage};
    struct effect effect;
    MUST(facts.outcome.len <= RECORD_OUTCOME_BYTES_MAX);
    pthread_mutex_lock(&customer->lock);
    if (hold->state != HOLD_HELD && hold->state != HOLD_EXPIRED) {
        *result = hold->result;
        result->repeated = true;
        pthread_mutex_unlock(&customer->lock);
        return;
    }
    int64_t const now_us = customer_now_us(book, customer);
    decide(&effect, hold, &bill, now_us);
    uint64_t const lsn = end_commit(book, &effect, &facts, hold->promised, now_us);
    hold->result = (struct settled){
        .cost = effect.cost,
        .charge = effect.charge,
        .charged = effect.charged,
        .covered = effect.covered,
        .overage = effect.overage,
        .debt = effect.debt,
        .available =
            customer_available_for(customer, record_context_feature(hold->context), now_us),
        .lsn = lsn,
    };
    *result = hold->result;
    pthread_mutex_unlock(&customer->lock);
    hold_unlist(book, hold, RECORD_SETTLE);
    if (bill.absurd || effect.debt.nano > 0)
        report(hold, &bill, effect.debt);
}
