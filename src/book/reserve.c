/* reserve.c - test everything, then commit everything, in one critical section of the customer. */
#include "book/attempt.h"
#include "book/counters.h"
#include "book/customer_int.h"
#include "book/effect.h"
#include "book/end.h"
#include "book/hold.h"

const char *refusal_scope_name(enum refusal_scope scope)
{
    static const char *const names[SCOPE_COUNT] = {"",         "key",    "user",   "plan",
                                                   "customer", "credit", "feature"};
    MUST(scope < SCOPE_COUNT);
    return names[scope];
}

/* Absolute states of the limiters, as the commit leaves them. */
static struct record_limiters limiters_of(const struct attempt *attempt)
{
    struct record_limiters limiters = {.set = attempt->limited};
    for (unsigned i = 0; i < LIMITER_COUNT; i++)
        limiters.tat[i] = attempt->verdicts[i].next.tat;
    return limiters;
}

static void fill_record(const struct hold *hold, struct record_reserve *record)
{
    record->id = hold->id;
    record->key = hold->key->id;
    record->customer_id = hold->customer->id;
    record->price = hold->price;
    record->estimate = hold->estimate;
    record->orphan_input = hold->orphan_input;
    record->tariff = hold->tariff;
    record->free = hold->free;
    record->cost = hold->cost;
    record->overage = hold->overage;
    record->overdraft = hold->overdraft;
    record->deadline_us = hold->deadline_us;
    record->tokens = hold->tokens;
    record->unlimited = hold->unlimited;
    record->dispatched = false;
    record->output_tokens = 0;
    record->grant_count = hold->grant_count;
    record->window_count = hold->window_count;
    record->alerts = hold->alerts;
    for (size_t i = 0; i < hold->grant_count; i++)
        record->grants[i] = (struct record_grant_line){.grant = hold->grants[i].grant->funds.id,
                                                       .amount = hold->grants[i].amount};
    for (size_t i = 0; i < hold->window_count; i++) {
        const struct counter *counter = hold->windows[i].counter;
        record->windows[i] = (struct record_window_line){.counter = counter->id,
                                                         .kind = counter->kind,
                                                         .metric = counter->metric,
                                                         .role = hold->windows[i].role,
                                                         .start_us = counter->start_us,
                                                         .end_us = counter->end_us,
                                                         .amount = hold->windows[i].amount,
                                                         .number = (unsigned)i};
    }
}

/* Pass 2. Nothing has changed when it fails. */
static enum err commit(struct attempt *attempt)
{
    struct hold *hold = attempt->hold;
    struct journal *journal = attempt->book->journal;
    struct record_reserve record;
    unsigned char bytes[RECORD_RESERVE_BYTES_MAX];
    uint64_t lsn;
    hold->estimate = attempt->estimate;
    hold->cost = attempt->cost;
    hold->tokens = attempt->tokens;
    hold->limiters = attempt->limited;
    hold->promised = end_bytes_max(hold);
    fill_record(hold, &record);
    record.limiters = limiters_of(attempt);
    record.rollover = attempt->rollover;
    size_t const len = record_reserve_encode(&record, hold->context, bytes, sizeof bytes);
    MUST(len > 0);
    if (!effect_reserve_fits(hold, false))
        return ERR_FIELD_INVALID; /* an unlimited customer's estimates beyond int64 */
    if (journal_promise(journal, hold->promised) != ERR_OK)
        return ERR_LEDGER_UNAVAILABLE;
    if (journal_append(journal, RECORD_RESERVE, attempt->now_us, str_make((const char *)bytes, len),
                       &lsn) != ERR_OK) {
        journal_forget(journal, hold->promised);
        return ERR_LEDGER_UNAVAILABLE;
    }
    effect_rollover(hold, &record.rollover, attempt->now_us);
    effect_reserve(hold, &record.limiters);
    return ERR_OK;
}

static void decide(struct attempt *attempt)
{
    struct money cost;
    enum err const priced = hold_charge(attempt->hold, &attempt->estimate, &cost, &attempt->cost);
    attempt->now_us = customer_now_us(attempt->book, attempt->customer);
    attempt_rate(attempt);
    if (priced != ERR_OK) {
        attempt_refuse(attempt, priced, SCOPE_NONE, INT64_MAX, false);
        return;
    }
    attempt_limits(attempt);
    attempt_funds(attempt);
    if (attempt->against.first != ERR_OK)
        return;
    enum err const err = commit(attempt);
    if (err != ERR_OK)
        attempt_refuse(attempt, err, SCOPE_NONE, 0, false);
}

/* A hold with all that is known before the critical section; NULL: *err says why. */
static struct hold *prepare(const struct reservation *want, enum err *err)
{
    char context[RECORD_CONTEXT_BYTES_MAX];
    unsigned char alerts[ALERT_LINES_BYTES_MAX];
    size_t const len = record_context_encode(want->context, context, sizeof context);
    if (len == 0) {
        *err = ERR_FIELD_INVALID;
        return NULL;
    }
    size_t const told =
        want->rules ? alert_lines_begin(want->rules, want->context->own_key, alerts) : 0;
    struct hold *hold = hold_new(str_make(context, len), str_make((const char *)alerts, told));
    if (!hold) {
        *err = ERR_NO_MEMORY;
        return NULL;
    }
    hold->key = (struct key *)(uintptr_t)want->key; /* const is the caller's view of it */
    hold->customer = hold->key->customer;
    hold->id = want->id;
    hold->own_key = want->context->own_key;
    hold->price = want->price;
    hold->unlimited = !hold->own_key && atomic_load(&hold->customer->unlimited);
    if (want->tariff && !hold->own_key)
        hold->tariff = *want->tariff;
    if (hold->unlimited && !atomic_load(&hold->customer->in_credits))
        hold->tariff.basis = CREDIT_NONE; /* who pays by invoice pays money */
    hold->orphan_input = want->orphan_input;
    hold->deadline_us = want->deadline_us;
    return hold;
}

enum err book_reserve(struct book *book, const struct reservation *want, struct hold **hold,
                      struct admission *admission, struct fault *fault)
{
    MUST(want->choices > 0 && want->orphan_input >= 0);
    MUST(want->deadline_us >= 0);
    enum err err = ERR_OK;
    *hold = prepare(want, &err);
    if (!*hold) {
        *admission = (struct admission){0};
        return fault_set(fault, err, "the hold could not be made");
    }
    struct attempt attempt = {
        .book = book,
        .want = want,
        .customer = (*hold)->customer,
        .key = (*hold)->key,
        .hold = *hold,
        .estimate = want->estimate,
        .against = {.rule = -1},
    };
    attempt.tokens = usage_total(&want->estimate);
    pthread_mutex_lock(&attempt.customer->lock);
    decide(&attempt);
    attempt_report(&attempt, admission);
    pthread_mutex_unlock(&attempt.customer->lock);
    if (attempt.against.first == ERR_OK) {
        admission->output_cap = attempt.estimate.tokens[POOL_OUTPUT] / want->choices;
        hold_enlist(book, *hold);
        return ERR_OK;
    }
    hold_unref(*hold);
    *hold = NULL;
    hold_count_refusal(book);
    return fault_set(fault, attempt.against.first, "%s", err_row(attempt.against.first)->code.ptr);
}

void book_limits(struct book *book, const struct key *key, struct admission *admission)
{
    struct reservation const want = {.rate_taken = true};
    struct attempt attempt = {
        .book = book,
        .want = &want,
        .customer = key->customer,
        .key = (struct key *)(uintptr_t)key, /* nothing of it is changed */
    };
    pthread_mutex_lock(&attempt.customer->lock);
    attempt.now_us = customer_now_us(book, attempt.customer);
    attempt_peek(&attempt);
    attempt_report(&attempt, admission);
    pthread_mutex_unlock(&attempt.customer->lock);
}

static struct rule_state state_of(const struct customer *customer, const struct rule *rule,
                                  int64_t now_us)
{
    struct record_window_line const line = {.counter = rule->counter,
                                            .metric = rule->metric,
                                            .start_us = rule->start_us,
                                            .end_us = rule->end_us};
    const struct counter *counter = counters_find(&customer->counters, &line);
    struct rule_state state = {0};
    if (rule->rollover_max > 0)
        state.carried = counters_carried(&customer->counters, counter, rule, now_us);
    if (counter != NULL) {
        state.used = counter->used;
        state.held = counter->held;
    }
    return state;
}

void book_rule_states(const struct customer *customer, const struct rules *rules,
                      struct rule_state states[RULES_PER_CALL_MAX + 2])
{
    struct customer *owner = (struct customer *)(uintptr_t)customer; /* a lock is no change */
    size_t at = 0;
    pthread_mutex_lock(&owner->lock);
    for (; at < rules->count; at++)
        states[at] = state_of(customer, &rules->list[at], 0);
    if (rules->has_allowance)
        states[at++] = state_of(customer, &rules->allowance, owner->last_us);
    if (rules->has_overage_cap)
        states[at] = state_of(customer, &rules->overage_cap, 0);
    pthread_mutex_unlock(&owner->lock);
}
