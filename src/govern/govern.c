/* govern.c - one call's verdict: gather, resolve, and put windows to the limits. */
#include "govern/govern.h"
#include "base/must.h"
#include "govern/basis.h"
#include "govern/recent.h"

static struct govern_source source_of(const struct entry *entry)
{
    return (struct govern_source){layer_name(entry->layer), entry->id, entry->limit.name};
}

static struct rule rule_of(const struct gathering *gathering, struct slot *slot,
                           const struct entry *entry)
{
    enum window_kind kind = entry->limit.kind;
    struct bounds const bounds =
        slot_window(slot, &kind, gathering->zone, gathering->past, gathering->subscription,
                    gathering->plan, gathering->call.now_us);
    uint64_t const counted = (uint64_t)kind << 8 | (uint64_t)entry->limit.metric;
    return (struct rule){.counter =
                             terms_join(terms_join(entry->limit.identity, entry->whom), counted),
                         .kind = kind,
                         .metric = entry->limit.metric,
                         .mode = entry->limit.mode,
                         .scope = layer_scope(entry->owner_layer),
                         .start_us = bounds.start_us,
                         .end_us = bounds.end_us,
                         .limit = entry->limit.value,
                         .alerts = entry->limit.alerts};
}

static void verdict_fill(struct govern_verdict *verdict, const struct gathering *gathering,
                         struct slot *slot, const struct resolution *resolution)
{
    struct rules *rules = &verdict->rules;
    rules->count = resolution->count;
    for (size_t i = 0; i < resolution->count; i++) {
        rules->list[i] = rule_of(gathering, slot, &resolution->list[i]);
        verdict->sources[i] = source_of(&resolution->list[i]);
    }
    verdict->output_max = resolution->output_max;
    if (resolution->has_cell) {
        verdict->cell = resolution->cell_id;
        verdict->cell_origin = cell_origin_name(resolution->cell_origin);
    }
    rules->overage = resolution->overage;
    rules->throttle_per_minute = resolution->throttle_per_minute;
    rules->low_credit = gather_low_credit(gathering);
    rules->has_allowance = resolution->has_allowance;
    rules->has_overage_cap = resolution->has_overage_cap;
    if (rules->has_allowance) {
        rules->allowance = rule_of(gathering, slot, &resolution->allowance);
        rules->allowance.rollover_max = resolution->rollover_max;
        verdict->sources[rules->count] = source_of(&resolution->allowance);
    }
    if (rules->has_overage_cap) {
        rules->overage_cap = rule_of(gathering, slot, &resolution->overage_cap);
        verdict->sources[rules->count + 1] = source_of(&resolution->overage_cap);
    }
}

static void verdict_begin(struct govern_verdict *verdict, const struct zone *zone)
{
    verdict->governed = false;
    verdict->scope = SCOPE_NONE;
    verdict->until_us = 0;
    verdict->rules.count = 0;
    verdict->rules.has_allowance = verdict->rules.has_overage_cap = false;
    verdict->rules.overage = OVERAGE_BLOCK;
    verdict->rules.throttle_per_minute = 0;
    verdict->tariff = (struct tariff){0};
    verdict->unit_pt = verdict->unit_en = (struct str){0};
    verdict->rules.low_credit = 0;
    verdict->output_max = 0;
    verdict->plan = verdict->plan_version = verdict->subscription = (struct str){0};
    verdict->cell = (struct str){0};
    verdict->cell_origin = NULL;
    verdict->basis = 0;
    verdict->zone = zone;
}

static void verdict_name(struct govern_verdict *verdict, const struct gathering *gathering)
{
    verdict->governed = gathering->plan || gathering->license;
    if (gathering->subscription)
        verdict->subscription = gathering->subscription->terms.id;
    if (!gathering->plan)
        return;
    if (gathering->plan->credit) {
        verdict->unit_pt = gathering->plan->credit->unit_pt;
        verdict->unit_en = gathering->plan->credit->unit_en;
    }
    verdict->plan = gathering->plan->plan;
    verdict->plan_version = gathering->plan->id;
}

static enum err explain(const struct refusal *refusal, struct fault *fault)
{
    if (str_empty(refusal->id))
        return fault_set(fault, refusal->err, "%s", refusal->why);
    return fault_set(fault, refusal->err, "%s (%s: %.*s)", refusal->why, layer_name(refusal->layer),
                     STR_ARG(refusal->id));
}

enum err govern_resolve(struct govern *govern, const struct govern_ask *ask,
                        struct govern_verdict *verdict, struct fault *fault)
{
    struct gathering gathering;
    struct resolution resolution;
    struct refusal refusal = {0};
    if (govern->changes == 0) { /* there has never been a document: nobody is governed */
        verdict->held = NULL;
        verdict_begin(verdict, zones_default(govern->compiler.zones));
        return ERR_OK;
    }
    char text[RECENT_ASK_BYTES_MAX];
    struct str const said = {text, recent_ask(ask, text)};
    unsigned const number = slot_lock(govern);
    verdict->held = era_hold(govern, number);
    verdict->slot = number;
    if (recent_find(govern, &govern->slots[number], said, ask->now_us, verdict)) {
        slot_unlock(govern, number);
        return ERR_OK;
    }
    gather_who(&gathering, govern, ask);
    verdict_begin(verdict, gathering.zone);
    enum err err = gather_gates(&gathering, &refusal);
    verdict_name(verdict, &gathering);
    if (err == ERR_OK) {
        gather_groups(&gathering);
        gather_rules(&gathering, &resolution);
        err = resolution_end(&resolution, &refusal);
    }
    if (err == ERR_OK) {
        gather_tariff(&gathering, &verdict->tariff);
        verdict_fill(verdict, &gathering, &govern->slots[number], &resolution);
        if (verdict->governed || verdict->rules.count > 0)
            verdict->basis = basis_name(ask, verdict);
        recent_keep(govern, &govern->slots[number], said, &gathering, resolution.edge_us, verdict);
    }
    slot_unlock(govern, number);
    if (err == ERR_OK)
        return ERR_OK;
    MUST(refusal.err == err);
    verdict->scope = refusal.scope;
    verdict->until_us = refusal.until_us;
    return explain(&refusal, fault); /* the era keeps the refusal's id alive */
}

void govern_release(struct govern *govern, struct govern_verdict *verdict)
{
    (void)govern;
    if (verdict->held)
        era_release(verdict->held, verdict->slot);
    verdict->held = NULL;
}
