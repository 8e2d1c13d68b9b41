/* steps.c - the random operations, each done to the book and to the model, replies compared. */
#include "world.h"
#include <stdio.h>

static const int64_t second_us = 1000000;
static const int64_t day_us = 86400 * (int64_t)1000000;

static void pass_time(struct world *world)
{
    int64_t *now_us = &world->clock.now_us;
    int64_t const dice = below(world, 1000);
    if (dice < 600)
        *now_us += below(world, second_us / 2);
    else if (dice < 900)
        *now_us += below(world, 6 * second_us);
    else if (dice < 960)
        *now_us -= below(world, chance(world, 80) ? 3 * second_us : 40 * second_us); /* set back */
    else if (dice < 985)
        *now_us += below(world, 3600 * second_us);
    else if (dice < 997)
        *now_us += below(world, 2 * day_us);
    else
        *now_us += below(world, 40 * day_us);
}

/* To the very instant at which a hold, a grant or a window ends: off-by-one errors live there. */
static void pass_to_an_end(struct world *world, int customer)
{
    const struct model_customer *model = &world->model.customers[customer];
    const struct model_hold *hold = &model->holds[below(world, MODEL_HOLDS)];
    int64_t end_us = hold->state == MODEL_HELD ? hold->deadline : 0;
    if (model->grant_count > 0 && chance(world, 50))
        end_us = model->grants[below(world, model->grant_count)].expires;
    int64_t far_us = 100 * second_us;
    if (model->counter_count > 0 && chance(world, 40)) {
        end_us = model->counters[below(world, model->counter_count)].window.end;
        far_us = chance(world, 20) ? 2 * day_us : 3600 * second_us;
    }
    int64_t const away_us = end_us - world->clock.now_us;
    if (away_us > 0 && away_us < far_us)
        world->clock.now_us = end_us;
}

static void keep_clock(struct world *world)
{
    int64_t const lowest_us = world->highest_us - MODEL_GRACE_US + second_us;
    if (world->clock.now_us < lowest_us)
        world->clock.now_us = lowest_us;
    if (world->clock.now_us > world->highest_us)
        world->highest_us = world->clock.now_us;
}

/* A slot of a state, or -1; FREE also finds those whose story is over. */
static int find_slot(struct world *world, int customer, enum model_state state)
{
    const struct model_customer *model = &world->model.customers[customer];
    int const start = (int)below(world, MODEL_HOLDS);
    for (int i = 0; i < MODEL_HOLDS; i++) {
        int const slot = (start + i) % MODEL_HOLDS;
        enum model_state const is = model->holds[slot].state;
        bool const over = is == MODEL_FREE || is == MODEL_RELEASED || is == MODEL_SETTLED ||
                          is == MODEL_FORGOTTEN;
        if (state == MODEL_FREE ? over : is == state && world->holds[customer][slot])
            return slot;
    }
    return -1;
}

/* --- reserve --------------------------------------------------------------------------------- */
static const char *const features[MODEL_FEATURES] = {"", "chat", "reports"};

static struct tariff tariff_of(const struct model_tariff *tariff)
{
    static const enum credit_basis bases[] = {CREDIT_NONE, CREDIT_COST, CREDIT_TOKENS,
                                              CREDIT_REQUESTS};
    return (struct tariff){.marked = tariff->marked,
                           .basis = bases[tariff->basis],
                           .factor = tariff->factor,
                           .fixed = tariff->fixed,
                           .rate = tariff->rate,
                           .minimum = tariff->minimum};
}

static struct model_want random_want(struct world *world)
{
    static const int64_t prices[] = {0, 333, 1000, 2500, 4000};
    struct model_want want = {
        .key = (int)below(world, MODEL_KEYS),
        .user = (int)below(world, MODEL_USERS),
        .feature = (int)below(world, MODEL_FEATURES),
        .input = 1 + below(world, 200),
        .output = below(world, 200),
        .choices = chance(world, 80) ? 1 : 2 + below(world, 2),
        .price_in = prices[below(world, 5)],
        .price_out = prices[below(world, 5)],
        .rate_taken = chance(world, 10),
    };
    want.orphan = below(world, want.input + 1);
    want.output_min = chance(world, 40) ? 1 + below(world, want.output + 1) : 0;
    want.deadline = world->clock.now_us + below(world, 90 * second_us);
    return want;
}

static void fill_reservation(const struct world *world, int customer, const struct model_want *want,
                             struct reservation *reservation)
{
    reservation->key = world->keys[customer][want->key];
    price_init(&reservation->price);
    reservation->price.pico[POOL_INPUT] = want->price_in;
    reservation->price.pico[POOL_OUTPUT] = want->price_out;
    reservation->estimate.tokens[POOL_INPUT] = want->input;
    reservation->estimate.tokens[POOL_OUTPUT] = want->output * want->choices;
    reservation->orphan_input = want->orphan;
    reservation->choices = want->choices;
    reservation->output_min = want->output_min;
    reservation->deadline_us = want->deadline;
    reservation->rate_taken = want->rate_taken;
}

static bool same_verdict(struct world *world, enum err err, const struct admission *admission,
                         const struct model_verdict *verdict)
{
    if (err != verdict->err)
        return world_fail(world, "reserve: book %s, model %s", err_row(err)->name.ptr,
                          err_row(verdict->err)->name.ptr);
    if (admission->scope != verdict->scope || admission->rule != verdict->rule)
        return world_fail(world, "%s: book scope %d, rule %d; model scope %d, rule %d",
                          err_row(err)->name.ptr, (int)admission->scope, admission->rule,
                          (int)verdict->scope, verdict->rule);
    if (admission->output_cap != verdict->output_cap)
        return world_fail(world, "output cap: book %lld, model %lld",
                          (long long)admission->output_cap, (long long)verdict->output_cap);
    if (admission->holds_in_the_way != verdict->holds_in_the_way)
        return world_fail(world, "holds in the way of %s: book %d, model %d",
                          err_row(err)->name.ptr, admission->holds_in_the_way,
                          verdict->holds_in_the_way);
    if (admission->available.nano != verdict->available)
        return world_fail(world, "available: book %lld, model %lld",
                          (long long)admission->available.nano, (long long)verdict->available);
    return true;
}

static bool same_states(struct world *world, const struct rules *rules,
                        const struct rule_state *states, const struct model_verdict *verdict)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule_numbers *model = &verdict->rules[i];
        if (states[i].used != model->used || states[i].held != model->held ||
            states[i].needed != model->needed)
            return world_fail(world, "state of rule %zu: book %lld %lld %lld, model %lld %lld %lld",
                              i, (long long)states[i].used, (long long)states[i].held,
                              (long long)states[i].needed, (long long)model->used,
                              (long long)model->held, (long long)model->needed);
    }
    return true;
}

static bool do_reserve(struct world *world, int customer)
{
    struct call_context context = {.request_id = STR("sim"),
                                   .endpoint = STR("chat"),
                                   .model = STR("m"),
                                   .started_us = world->clock.now_us,
                                   .stream = chance(world, 50)};
    struct model_want const want = random_want(world);
    struct rules rules;
    struct rule_state states[RULES_PER_CALL_MAX];
    struct reservation reservation = {.context = &context, .rules = &rules};
    struct admission admission;
    struct fault fault = {0};
    struct hold *hold = NULL;
    int const slot = find_slot(world, customer, MODEL_FREE);
    if (slot < 0)
        return true;
    if (world->holds[customer][slot])
        book_unref(world->holds[customer][slot]);
    fill_reservation(world, customer, &want, &reservation);
    context.feature = str_of(features[want.feature]);
    const struct model_policy *policy = &world->model.customers[customer].policy;
    struct tariff const tariff = tariff_of(&policy->tariff);
    reservation.tariff = tariff_is_set(&tariff) || chance(world, 50) ? &tariff : NULL;
    if (!policy_rules(policy, &want, world->clock.now_us, &rules) && chance(world, 50))
        reservation.rules = NULL;
    reservation.states = chance(world, 50) ? states : NULL;
    reservation.id = ulid_make(&world->random, world->clock.now_us);
    enum err const err = book_reserve(world->book, &reservation, &hold, &admission, &fault);
    struct model_verdict const verdict = model_reserve(&world->model.customers[customer], slot,
                                                       reservation.id, &want, world->clock.now_us);
    world->holds[customer][slot] = hold;
    world->counts->reserves++;
    world->counts->refusals += err != ERR_OK;
    world->counts->fitted += err == ERR_OK && admission.output_cap < want.output;
    world->counts->by_rule += admission.rule >= 0;
    return same_verdict(world, err, &admission, &verdict) &&
           (reservation.states == NULL || same_states(world, &rules, states, &verdict));
}

/* --- ends ------------------------------------------------------------------------------------ */
static bool same_bill(struct world *world, const struct settled *settled,
                      const struct model_bill *bill)
{
    const int64_t book[] = {settled->cost.nano,    settled->charged.nano, settled->covered.nano,
                            settled->overage.nano, settled->debt.nano,    settled->available.nano,
                            settled->charge.nano};
    const int64_t model[] = {bill->cost, bill->charged,   bill->covered, bill->overage,
                             bill->debt, bill->available, bill->charge};
    static const char *const names[] = {"cost", "charged",   "covered", "overage",
                                        "debt", "available", "charge"};
    int const count = (int)(sizeof names / sizeof names[0]);
    if (settled->repeated != bill->repeated)
        return world_fail(world, "settle repeated: book %d, model %d", settled->repeated,
                          bill->repeated);
    for (int i = 0; i < count && !bill->repeated; i++)
        if (book[i] != model[i])
            return world_fail(world, "settle %s: book %lld, model %lld", names[i],
                              (long long)book[i], (long long)model[i]);
    return true;
}

static bool settle_repeated(struct world *world, struct hold *hold, const struct settlement *how,
                            const struct settled *first)
{
    struct settled again;
    book_settle(world->book, hold, how, &again);
    book_release(world->book, hold, "late", 500);
    world->counts->repeats++;
    if (!again.repeated || again.cost.nano != first->cost.nano ||
        again.charged.nano != first->charged.nano || again.lsn != first->lsn)
        return world_fail(world, "I5: the second settle is not a repeat of the first");
    return true;
}

static bool do_settle(struct world *world, int customer, enum model_state state)
{
    int const slot = find_slot(world, customer, state);
    if (slot < 0)
        return true;
    struct model_customer *model = &world->model.customers[customer];
    struct model_hold const before = model->holds[slot];
    struct hold *hold = world->holds[customer][slot];
    bool const over = chance(world, 20), absurd = chance(world, 3);
    int64_t const input = below(world, before.input * (over ? 4 : 1) + 1);
    int64_t const output = below(world, before.output * (over ? 4 : 1) + 1);
    struct settlement how = {.outcome = "ok", .http_status = 200, .attempts = 1};
    struct settled settled;
    how.usage.tokens[POOL_INPUT] = absurd ? -1 : input;
    how.usage.tokens[POOL_OUTPUT] = output;
    how.usage.source = USAGE_PROVIDER;
    book_settle(world->book, hold, &how, &settled);
    struct model_bill const bill =
        model_settle(model, slot, absurd ? before.input : input, absurd ? before.output : output,
                     world->clock.now_us);
    world->counts->settles++;
    world->counts->late += state == MODEL_EXPIRED;
    world->counts->overruns += bill.charge > before.cost;
    world->counts->debts += bill.debt > 0;
    world->counts->covered += bill.covered > 0;
    world->counts->billed += bill.overage > 0;
    if (!same_bill(world, &settled, &bill))
        return false;
    return settle_repeated(world, hold, &how, &settled);
}

static bool do_release(struct world *world, int customer)
{
    int const slot = find_slot(world, customer, chance(world, 90) ? MODEL_HELD : MODEL_EXPIRED);
    if (slot < 0)
        return true;
    struct settled settled;
    struct hold *hold = world->holds[customer][slot];
    book_release(world->book, hold, "upstream_error", 502);
    model_release(&world->model.customers[customer], slot, world->clock.now_us);
    world->counts->releases++;
    struct settlement const how = {.outcome = "ok", .usage.tokens = {100}};
    book_settle(world->book, hold, &how, &settled);
    if (!settled.repeated || settled.cost.nano != 0)
        return world_fail(world, "I5: a released hold was charged");
    return true;
}

static bool do_progress(struct world *world, int customer)
{
    struct fault fault = {0};
    int const slot = find_slot(world, customer, chance(world, 90) ? MODEL_HELD : MODEL_EXPIRED);
    if (slot < 0)
        return true;
    struct model_customer *model = &world->model.customers[customer];
    struct hold *hold = world->holds[customer][slot];
    if (book_dispatch(world->book, hold, &fault) != ERR_OK)
        return world_fail(world, "book_dispatch: %s", fault.detail);
    model_dispatch(model, slot, world->clock.now_us);
    int64_t const tokens = below(world, model->holds[slot].output + 1);
    if (chance(world, 50)) {
        book_progress(world->book, hold, tokens);
        model_progress(model, slot, tokens, world->clock.now_us);
    }
    return true;
}

/* --- time ------------------------------------------------------------------------------------ */
static bool do_sweep(struct world *world)
{
    int64_t const hold_memory_us = HOLD_MEMORY_S * second_us;
    if (world->clock.now_us > world->swept_us)
        world->swept_us = world->clock.now_us;
    size_t const book_holds = book_sweep(world->book);
    int model_holds = 0;
    for (int c = 0; c < MODEL_CUSTOMERS; c++) {
        struct model_customer *model = &world->model.customers[c];
        /* Expiry is found by the sweep's clock, and booked at the customer's time. */
        model_holds += model_sweep(model, world->swept_us, world->clock.now_us);
        for (int i = 0; i < MODEL_HOLDS; i++)
            if (model->holds[i].state == MODEL_EXPIRED &&
                model->holds[i].expired_at + hold_memory_us <= world->swept_us)
                model_forget(model, i);
    }
    world->counts->expired += model_holds;
    if ((int)book_holds != model_holds)
        return world_fail(world, "expired holds: book %zu, model %d", book_holds, model_holds);
    int model_grants = 0;
    size_t const book_grants = book_expire_grants(world->book);
    for (int c = 0; c < MODEL_CUSTOMERS; c++)
        model_grants += model_expire_grants(&world->model.customers[c], world->clock.now_us);
    if ((int)book_grants != model_grants)
        return world_fail(world, "expired grants: book %zu, model %d", book_grants, model_grants);
    return true;
}

/* --- credit and policy ----------------------------------------------------------------------- */
static bool do_grant(struct world *world, int customer)
{
    struct model_customer *model = &world->model.customers[customer];
    struct fault fault = {0};
    char source[32];
    bool existed = false, again = false;
    if (model->grant_count == MODEL_GRANTS)
        return true;
    snprintf(source, sizeof source, "source-%lld", (long long)world->sources++);
    unsigned const some = chance(world, 70) ? 0 : 1u + (unsigned)below(world, 3);
    static const char *const scopes[] = {"", "chat", "reports", "chat reports"};
    struct grant_wanted want = {
        .features = str_of(scopes[some]),
        .credits = model->in_credits,
        .customer_id = world->customers[customer]->id,
        .category = STR("paid"),
        .amount = {1 + below(world, chance(world, 30) ? 200 : 1500)},
        .priority = below(world, 4) - 1,
        .source_type = STR("sim"),
        .source_id = str_of(source),
    };
    if (chance(world, 20))
        want.effective_us = world->clock.now_us + below(world, 60 * second_us);
    if (chance(world, 60)) {
        int64_t const from = want.effective_us ? want.effective_us : world->clock.now_us;
        int64_t const length = chance(world, 50) ? 20 * second_us : 2 * day_us;
        want.expires_us = from + 1 + below(world, length);
    }
    if (book_grant(world->book, &want, &existed, &fault) != ERR_OK || existed)
        return world_fail(world, "book_grant: %s", fault.detail);
    const struct grant *made = world->customers[customer]->grants;
    while (made->next)
        made = made->next;
    int64_t const now_us = model_now(model, world->clock.now_us);
    struct model_grant const grant = {
        .id = made->funds.id,
        .features = some << 1,
        .amount = want.amount.nano,
        .priority = want.priority,
        .effective = want.effective_us ? want.effective_us : now_us,
        .expires = want.expires_us,
        .created = now_us,
    };
    model_grant(model, &grant, world->clock.now_us);
    world->counts->grants++;
    if (book_grant(world->book, &want, &again, &fault) != ERR_OK || !again)
        return world_fail(world, "the same source paid twice");
    return true;
}

static bool do_policy(struct world *world, int customer)
{
    struct model_customer *model = &world->model.customers[customer];
    if (chance(world, 40))
        random_policy(world, &model->policy, model->in_credits);
    else if (chance(world, 70))
        random_change(world, &model->policy, model->in_credits);
    if (chance(world, 10))
        model->suspended = !model->suspended;
    if (chance(world, 5))
        model->unlimited = !model->unlimited;
    if (chance(world, 15))
        model->overdraft = chance(world, 50) ? 0 : below(world, 1000);
    if (chance(world, 15))
        model->limits.tokens = chance(world, 50) ? 0 : 300 + below(world, 6000);
    uint64_t const before = journal_last_lsn(world->journal);
    if (!world_configure(world, customer))
        return false;
    if (journal_last_lsn(world->journal) > before) {
        (void)model_now(model, world->clock.now_us);
        model_saved(model);
    }
    return true;
}

bool world_step(struct world *world)
{
    int const customer = (int)below(world, MODEL_CUSTOMERS);
    int64_t const dice = below(world, 1000);
    pass_time(world);
    if (chance(world, 10))
        pass_to_an_end(world, customer);
    keep_clock(world);
    if (dice < 420)
        return do_reserve(world, customer);
    if (dice < 640)
        return do_settle(world, customer, MODEL_HELD);
    if (dice < 680)
        return do_settle(world, customer, MODEL_EXPIRED);
    if (dice < 740)
        return do_release(world, customer);
    if (dice < 810)
        return do_progress(world, customer);
    if (dice < 890)
        return do_sweep(world);
    if (dice < 950)
        return do_grant(world, customer);
    if (dice < 980)
        return do_policy(world, customer);
    if (dice < 985)
        return world_replay(world);
    return dice < 995 || world_crash(world);
}
