/* compare.c - reads the inside of the book, figure by figure. */
#include "compare.h"
#include "book/counters.h"
#include <stdio.h>

struct difference {
    char *what;
    size_t room;
    bool found;
};

static void same(struct difference *difference, const char *name, int64_t book, int64_t model)
{
    if (book == model || difference->found)
        return;
    difference->found = true;
    snprintf(difference->what, difference->room, "%s: book %lld, model %lld", name, (long long)book,
             (long long)model);
}

static void compare_meter(struct difference *difference, const char *name,
                          const struct meter *meter, const struct model_meter *model, bool saved)
{
    char text[64];
    snprintf(text, sizeof text, "request tat of the %s", name);
    same(difference, text, meter->requests.tat, saved ? model->saved_requests : model->requests);
    snprintf(text, sizeof text, "token tat of the %s", name);
    same(difference, text, meter->tokens.tat, saved ? model->saved_tokens : model->tokens);
    snprintf(text, sizeof text, "throttle tat of the %s", name);
    same(difference, text, meter->throttle.tat, saved ? model->saved_throttle : model->throttle);
}

static void compare_grants(struct difference *difference, const struct customer *customer,
                           const struct model_customer *model)
{
    int count = 0;
    int64_t held = 0;
    for (const struct grant *grant = customer->grants; grant; grant = grant->next, count++) {
        const struct model_grant *other = &model->grants[count];
        if (count >= model->grant_count)
            break;
        same(difference, "id of a grant", (int64_t)grant->funds.id.low, (int64_t)other->id.low);
        same(difference, "remaining of a grant", grant->funds.remaining, other->remaining);
        same(difference, "held of a grant", grant->funds.held, other->held);
        same(difference, "expired grant", grant->status == GRANT_EXPIRED, other->expired);
        held += other->held;
    }
    same(difference, "number of grants", count, model->grant_count);
    same(difference, "held of all grants", customer->grants_held, held);
}

static struct record_window_line line_of(const struct model_counter *counter)
{
    return (struct record_window_line){.counter = counter->window.id,
                                       .metric = counter->metric,
                                       .start_us = counter->window.start,
                                       .end_us = counter->window.end};
}

static bool known(const struct model_customer *model, const struct counter *counter)
{
    for (int i = 0; i < model->counter_count; i++) {
        const struct model_counter *other = &model->counters[i];
        if (other->window.id == counter->id && other->window.start == counter->start_us &&
            other->window.end == counter->end_us && other->metric == counter->metric)
            return true;
    }
    return false;
}

/* The model has used the place of a window that is over for another one. */
static void compare_unknown(struct difference *difference, const struct customer *customer,
                            const struct model_customer *model, int64_t highest_us)
{
    size_t slot = 0;
    for (const struct counter *counter = counters_next(&customer->counters, &slot, NULL); counter;
         counter = counters_next(&customer->counters, &slot, counter)) {
        bool const over = counter->metric != METRIC_CONCURRENT &&
                          counter->end_us <= highest_us - MODEL_GRACE_US && counter->lines == 0;
        if (!over)
            same(difference, "counter that only the book has", !known(model, counter), false);
    }
}

/* The book forgets counters of windows that are over and that no hold can end in. */
static void compare_counters(struct difference *difference, const struct customer *customer,
                             const struct model_customer *model, int64_t highest_us)
{
    size_t found = 0;
    for (int i = 0; i < model->counter_count; i++) {
        const struct model_counter *other = &model->counters[i];
        struct record_window_line const line = line_of(other);
        const struct counter *counter = counters_find(&customer->counters, &line);
        if (counter) {
            found++;
            same(difference, "used of a window", counter->used, other->used);
            same(difference, "held of a window", counter->held, other->held);
            same(difference, "included in a window", counter->included,
                 other->rolls ? other->included : -1);
            same(difference, "carried into a window", counter->carried, other->carried);
            same(difference, "given by a window", counter->given, other->given);
        } else if (other->used > 0 || other->held > 0) {
            same(difference, "counter that is needed", model_is_over(model, i, highest_us), true);
        }
    }
    if (found < customer->counters.count)
        compare_unknown(difference, customer, model, highest_us);
}

static void compare_totals(struct difference *difference, const struct customer *customer,
                           const struct model_customer *model)
{
    const int64_t *totals = customer->totals.nano;
    same(difference, "granted", totals[TOTAL_GRANTED], model->granted);
    same(difference, "consumed", totals[TOTAL_CONSUMED], model->consumed);
    same(difference, "breakage", totals[TOTAL_BREAKAGE], model->breakage);
    same(difference, "overage", totals[TOTAL_OVERAGE], model->overage);
    same(difference, "debt", totals[TOTAL_DEBT], model->debt);
    same(difference, "settled", totals[TOTAL_SETTLED], model->settled);
    same(difference, "covered", totals[TOTAL_COVERED], model->covered);
}

static void compare_held(struct difference *difference, const struct customer *customer,
                         const struct model_customer *model)
{
    int64_t overage = 0, overdraft = 0, live = 0, tokens = 0;
    for (int i = 0; i < MODEL_HOLDS; i++) {
        const struct model_hold *hold = &model->holds[i];
        if (hold->state != MODEL_HELD)
            continue;
        overage += hold->overage;
        overdraft += hold->overdraft;
        tokens += hold->input + hold->output;
        live++;
    }
    same(difference, "overage held", customer->overage_held, overage);
    same(difference, "overdraft held", customer->overdraft_held, overdraft);
    same(difference, "live holds", customer->meter.live, live);
    same(difference, "tokens held", customer->meter.tokens_held, tokens);
}

bool compare_customer(struct customer *customer, const struct model_customer *model,
                      int64_t highest_us, bool saved, char *what, size_t room)
{
    struct difference difference = {.what = what, .room = room};
    int key_number = 0;
    pthread_mutex_lock(&customer->lock);
    compare_totals(&difference, customer, model);
    compare_grants(&difference, customer, model);
    compare_counters(&difference, customer, model, highest_us);
    compare_held(&difference, customer, model);
    compare_meter(&difference, "customer", &customer->meter, &model->meter, saved);
    for (const struct key *key = customer->keys; key; key = key->next, key_number++) {
        compare_meter(&difference, "key", &key->meter, &model->key_meter[key_number], saved);
        same(&difference, "key status", key->status != KEY_ACTIVE, model->revoked[key_number]);
    }
    same(&difference, "time", customer->last_us, saved ? model->saved_now : model->now);
    same(&difference, "suspended", customer->status != CUSTOMER_ACTIVE, model->suspended);
    pthread_mutex_unlock(&customer->lock);
    return !difference.found;
}

static void compare_lines(struct difference *difference, const struct hold *hold,
                          const struct model_hold *model)
{
    same(difference, "windows of a hold", (int64_t)hold->window_count, model->line_count);
    for (int i = 0; i < model->line_count && !difference->found; i++) {
        same(difference, "role of a line", hold->windows[i].role, model->lines[i].role);
        same(difference, "part of a window", hold->windows[i].amount, model->lines[i].amount);
    }
}

bool compare_hold(const struct hold *hold, const struct model_hold *model, char *what, size_t room)
{
    static const enum hold_state states[] = {
        [MODEL_HELD] = HOLD_HELD,           [MODEL_SETTLED] = HOLD_SETTLED,
        [MODEL_RELEASED] = HOLD_RELEASED,   [MODEL_EXPIRED] = HOLD_EXPIRED,
        [MODEL_FORGOTTEN] = HOLD_FORGOTTEN,
    };
    struct difference difference = {.what = what, .room = room};
    same(&difference, "state of a hold", hold->state, states[model->state]);
    same(&difference, "cost of a hold", hold->cost.nano, model->cost);
    same(&difference, "overage of a hold", hold->overage.nano, model->overage);
    same(&difference, "overdraft of a hold", hold->overdraft.nano, model->overdraft);
    same(&difference, "grants of a hold", (int64_t)hold->grant_count, model->grant_count);
    for (int i = 0; i < model->grant_count && !difference.found; i++)
        same(&difference, "part of a grant", hold->grants[i].amount, model->grants[i].amount);
    if (model->state == MODEL_HELD || model->state == MODEL_EXPIRED)
        compare_lines(&difference, hold, model);
    return !difference.found;
}
