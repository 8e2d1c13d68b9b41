/* compare.c - reads the inside of the book, figure by figure. */
#include "compare.h"
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

static const struct model_counter *find(const struct model_customer *model,
                                        const struct counter *counter)
{
    for (int i = 0; i < model->counter_count; i++) {
        const struct model_counter *other = &model->counters[i];
        if (other->rule == counter->rule && other->start == counter->start_us &&
            other->kind == counter->kind && other->metric == counter->metric)
            return other;
    }
    return NULL;
}

/* The book forgets counters of windows that are over and that no hold can end in. */
static void compare_counters(struct difference *difference, const struct customer *customer,
                             const struct model_customer *model)
{
    int64_t book_used = 0, model_used = 0, held = 0;
    for (const struct counter *counter = customer->counters; counter; counter = counter->next) {
        const struct model_counter *other = find(model, counter);
        held += counter->held;
        if (!other && counter->lines == 0)
            continue; /* the model has recycled its place, or never needed one */
        same(difference, "counter of a live hold", other != NULL, true);
        if (!other)
            return;
        same(difference, "end of a window", counter->end_us, other->end);
        same(difference, "used of a window", counter->used, other->used);
        same(difference, "held of a window", counter->held, other->held);
        if (counter->end_us > model->now)
            book_used += counter->used;
    }
    for (int i = 0; i < model->counter_count; i++) {
        held -= model->counters[i].held;
        if (model->counters[i].end > model->now)
            model_used += model->counters[i].used;
    }
    same(difference, "held of all windows, less the model's", held, 0);
    same(difference, "used of all open windows", book_used, model_used);
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

bool compare_customer(struct customer *customer, const struct model_customer *model, bool saved,
                      char *what, size_t room)
{
    struct difference difference = {.what = what, .room = room};
    int key_number = 0;
    pthread_mutex_lock(&customer->lock);
    compare_totals(&difference, customer, model);
    compare_grants(&difference, customer, model);
    compare_counters(&difference, customer, model);
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
    return !difference.found;
}
