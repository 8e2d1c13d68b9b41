/* resolve.c - permission, matrix cell and limits of one call, after the overrides. */
#include "core/resolve.h"
#include "base/must.h"

static const int64_t nano_per_unit = 1000000000;

static bool fits(struct str wanted, struct str said)
{
    return str_empty(wanted) || str_eq(wanted, said);
}

bool selector_matches(const struct selector *selector, const struct call *call)
{
    return fits(selector->feature, call->feature) && fits(selector->provider, call->provider) &&
           fits(selector->model, call->model) && fits(selector->profile, call->profile);
}

int selector_weight(const struct selector *selector)
{
    return (str_empty(selector->model) ? 0 : 8) + (str_empty(selector->provider) ? 0 : 4) +
           (str_empty(selector->feature) ? 0 : 2) + (str_empty(selector->profile) ? 0 : 1);
}

static int64_t clamp(__int128 value)
{
    return value < 0 ? 0 : value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int64_t override_apply(const struct override *override, enum metric metric, int64_t value)
{
    int64_t const by = metric == METRIC_COST ? override->nano : override->whole;
    bool const unlimited = value < 0;
    MUST(override->op < OP_COUNT);
    switch (override->op) {
    case OP_SET:
        return clamp(by);
    case OP_ADD:
        return unlimited ? -1 : clamp((__int128)value + by);
    case OP_MULTIPLY:
        return unlimited ? -1 : clamp((__int128)value * override->nano / nano_per_unit);
    case OP_MAX:
        return unlimited || value > by ? value : clamp(by);
    case OP_MIN:
        return !unlimited && value < by ? value : clamp(by);
    case OP_DENY:
        return 0;
    default:
        return -1; /* allow: no limit */
    }
}

void resolution_begin(struct resolution *resolution, const struct call *call,
                      uint64_t customer_whom, uint64_t cell_whom)
{
    resolution->call = *call;
    resolution->known = (struct known){0};
    resolution->plan = NULL;
    resolution->item = NULL;
    resolution->cells = (struct cell_choice){0};
    resolution->customer_whom = customer_whom;
    resolution->cell_whom = cell_whom;
    resolution->full = false;
    resolution->edge_us = INT64_MAX;
    resolution->override_count = 0;
    resolution->count = 0;
    resolution->has_cell = false;
    resolution->daily = resolution->monthly = -1;
    resolution->cell_id = (struct str){0};
    resolution->cell_layer = LAYER_MATRIX;
    resolution->output_max = 0;
    resolution->has_allowance = resolution->has_overage_cap = false;
    resolution->overage = OVERAGE_BLOCK;
    resolution->throttle_per_minute = resolution->rollover_max = 0;
}

static const struct item *item_for(const struct plan_terms *plan, struct str feature)
{
    const struct item *any = NULL;
    for (size_t i = 0; i < plan->item_count; i++) {
        if (!str_empty(feature) && str_eq(plan->items[i].feature, feature))
            return &plan->items[i];
        if (str_eq(plan->items[i].feature, STR("*")) && !any)
            any = &plan->items[i];
    }
    return any;
}

void resolution_plan(struct resolution *resolution, const struct plan_terms *plan)
{
    resolution->plan = plan;
    resolution->item = item_for(plan, resolution->call.feature);
    for (size_t i = 0; i < plan->limit_count; i++)
        resolution_limit(resolution, &plan->limits[i], LAYER_PLAN, resolution->customer_whom,
                         plan->id, plan);
}

/* False: there is a more specific one already. A less specific one is lifted. */
static bool is_most_specific(struct resolution *resolution, const struct limit *limit,
                             const void *owner)
{
    int const weight = selector_weight(&limit->where);
    if (str_empty(limit->name))
        return true;
    for (size_t i = 0; i < resolution->count; i++) {
        struct entry *other = &resolution->list[i];
        if (other->owner != owner || !str_eq(other->limit.name, limit->name))
            continue;
        int const others = selector_weight(&other->limit.where);
        if (others > weight)
            return false;
        other->lifted = other->lifted || others < weight;
    }
    return true;
}

static void entry_add(struct resolution *resolution, const struct limit *limit, enum layer layer,
                      uint64_t whom, struct str id, const void *owner)
{
    resolution->full = resolution->full || resolution->count == RULES_PER_CALL_MAX;
    if (resolution->full)
        return;
    resolution->list[resolution->count++] = (struct entry){.limit = *limit,
                                                           .whom = whom,
                                                           .layer = layer,
                                                           .owner_layer = layer,
                                                           .id = id,
                                                           .owner = owner};
}

void resolution_limit(struct resolution *resolution, const struct limit *limit, enum layer layer,
                      uint64_t whom, struct str id, const void *owner)
{
    if (selector_matches(&limit->where, &resolution->call) &&
        is_most_specific(resolution, limit, owner))
        entry_add(resolution, limit, layer, whom, id, owner);
}

void resolution_cell(struct resolution *resolution, const struct cell *cell)
{
    struct cell_choice *choice = &resolution->cells;
    bool const exact = str_eq(cell->profile, resolution->call.profile);
    choice->any = true;
    if (!exact && !str_eq(cell->profile, STR("*")))
        return;
    choice->any_profile = choice->any_profile || cell->active;
    if (!str_eq(cell->provider, resolution->call.provider))
        return;
    const struct cell *best = choice->best;
    bool const better =
        !best || exact > choice->exact ||
        (exact == choice->exact && (cell->active > best->active ||
                                    (cell->active == best->active && cell->origin > best->origin)));
    if (better) {
        choice->best = cell;
        choice->exact = exact;
    }
}

void resolution_override(struct resolution *resolution, const struct override *override)
{
    int64_t const now_us = resolution->call.now_us;
    if (override->starts_us > now_us && override->starts_us < resolution->edge_us)
        resolution->edge_us = override->starts_us;
    if (override->expires_us > now_us && override->expires_us < resolution->edge_us)
        resolution->edge_us = override->expires_us;
    if (override->starts_us != 0 && now_us < override->starts_us)
        return;
    if (override->expires_us != 0 && now_us >= override->expires_us)
        return;
    if (!selector_matches(&override->where, &resolution->call))
        return;
    resolution->full = resolution->full || resolution->override_count == OVERRIDES_PER_CALL_MAX;
    if (!resolution->full)
        resolution->overrides[resolution->override_count++] = override;
}

static enum err refuse(struct refusal *refusal, enum err err, enum refusal_scope scope,
                       enum layer layer, struct str id, const char *why)
{
    *refusal = (struct refusal){.err = err, .scope = scope, .layer = layer, .id = id, .why = why};
    return err;
}

/* ERR_OK, or denied by an override; *allowed when one allows. */
static enum err look_for_deny(const struct resolution *resolution, enum override_target target,
                              enum err err, bool *allowed, struct refusal *refusal)
{
    *allowed = false;
    for (size_t i = 0; i < resolution->override_count; i++) {
        const struct override *override = resolution->overrides[i];
        if (override->target != target)
            continue;
        *allowed = *allowed || override->op == OP_ALLOW;
        if (override->op != OP_DENY)
            continue;
        refuse(refusal, err, layer_scope(override->layer), override->layer, override->id,
               "an override denies it");
        refusal->until_us = override->expires_us;
        return err;
    }
    return ERR_OK;
}

static enum err permit_feature(const struct resolution *resolution, bool *allowed,
                               struct refusal *refusal)
{
    const struct known *known = &resolution->known;
    struct str const plan = resolution->plan ? resolution->plan->id : (struct str){0};
    enum err const err = ERR_FEATURE_FORBIDDEN;
    enum err const denied = look_for_deny(resolution, TARGET_FEATURE, err, allowed, refusal);
    if (denied != ERR_OK || *allowed)
        return denied;
    if (known->feature_inactive)
        return refuse(refusal, err, SCOPE_FEATURE, LAYER_PLAN, resolution->call.feature,
                      "the feature is switched off");
    if (known->feature_boolean && resolution->plan && !resolution->item && !resolution->cells.any)
        return refuse(refusal, err, SCOPE_FEATURE, LAYER_PLAN, plan,
                      "the plan has no item for the feature");
    return ERR_OK;
}

static enum err permit_provider(const struct resolution *resolution, bool *allowed,
                                struct refusal *refusal)
{
    const struct plan_terms *plan = resolution->plan;
    struct str const provider = resolution->call.provider;
    enum err const err = ERR_PROVIDER_FORBIDDEN;
    enum err const denied = look_for_deny(resolution, TARGET_PROVIDER, err, allowed, refusal);
    if (denied != ERR_OK)
        return denied;
    if (resolution->known.provider_disabled)
        return refuse(refusal, err, SCOPE_FEATURE, LAYER_PLAN, provider,
                      "the provider is disabled");
    if (!*allowed && plan && plan->providers.said && !str_empty(provider) &&
        !names_have(&plan->providers, provider))
        return refuse(refusal, err, SCOPE_PLAN, LAYER_PLAN, plan->id,
                      "the provider is not in the plan's list");
    return ERR_OK;
}

static enum err permit_model(const struct resolution *resolution, struct refusal *refusal)
{
    const struct plan_terms *plan = resolution->plan;
    struct str const model = resolution->call.model;
    bool allowed;
    enum err const denied =
        look_for_deny(resolution, TARGET_MODEL, ERR_MODEL_FORBIDDEN, &allowed, refusal);
    if (denied != ERR_OK || allowed)
        return denied;
    if (plan && plan->models.said && !str_empty(model) && !names_have(&plan->models, model))
        return refuse(refusal, ERR_MODEL_FORBIDDEN, SCOPE_PLAN, LAYER_PLAN, plan->id,
                      "the model is not in the plan's list");
    return ERR_OK;
}

/* Gives one count of the cell to an override, unless that is for the other window. */
static void cell_override(struct resolution *resolution, const struct override *override,
                          enum window_kind kind, int64_t *value)
{
    if (override->has_kind && override->kind != kind)
        return;
    if (override->has_metric && override->metric != METRIC_REQUESTS)
        return;
    *value = override_apply(override, METRIC_REQUESTS, *value);
    resolution->cell_layer = override->layer;
    resolution->cell_id = override->id;
}

static enum err cell_missing(const struct resolution *resolution, bool feature_allowed,
                             bool provider_allowed, struct refusal *refusal)
{
    const struct cell *best = resolution->cells.best;
    struct str const id = best ? best->id : resolution->plan->id;
    if (feature_allowed || provider_allowed)
        return ERR_OK;
    if (!resolution->cells.any_profile)
        return refuse(refusal, ERR_FEATURE_FORBIDDEN, SCOPE_FEATURE, LAYER_MATRIX, id,
                      "no active cell of the plan's matrix is for this feature and profile");
    if (str_empty(resolution->call.provider))
        return ERR_OK; /* not chosen yet */
    return refuse(refusal, ERR_PROVIDER_FORBIDDEN, SCOPE_FEATURE, LAYER_MATRIX, id,
                  "no active cell of the plan's matrix is for this provider and profile");
}

static void cell_limit(struct resolution *resolution, struct str name, enum window_kind kind,
                       uint64_t identity, int64_t value)
{
    struct limit const limit = {.name = name,
                                .identity = identity,
                                .kind = kind,
                                .metric = METRIC_REQUESTS,
                                .mode = WINDOW_HARD,
                                .value = value};
    if (value < 0)
        return;
    entry_add(resolution, &limit, LAYER_MATRIX, resolution->cell_whom, resolution->cell_id, NULL);
    if (!resolution->full)
        resolution->list[resolution->count - 1].layer = resolution->cell_layer;
}

static enum err choose_cell(struct resolution *resolution, bool feature_allowed,
                            bool provider_allowed, struct refusal *refusal)
{
    const struct cell *best = resolution->cells.best;
    bool open = false;
    uint64_t identity = best ? best->identity : 0;
    if (!resolution->cells.any)
        return ERR_OK;
    enum err const denied =
        look_for_deny(resolution, TARGET_MATRIX, ERR_PROVIDER_FORBIDDEN, &open, refusal);
    if (denied != ERR_OK)
        return denied;
    if (!open && (!best || !best->active))
        return cell_missing(resolution, feature_allowed, provider_allowed, refusal);
    if (best) {
        resolution->daily = best->daily;
        resolution->monthly = best->monthly;
        resolution->cell_origin = best->origin;
        resolution->cell_id = best->id;
    }
    resolution->has_cell = true;
    for (size_t i = 0; i < resolution->override_count; i++) {
        const struct override *override = resolution->overrides[i];
        if (override->target != TARGET_MATRIX)
            continue;
        if (override->op != OP_ALLOW) {
            cell_override(resolution, override, WINDOW_DAY, &resolution->daily);
            cell_override(resolution, override, WINDOW_MONTH, &resolution->monthly);
        } else if (!best && identity == 0) {
            identity = terms_hash(override->id); /* the override stands for the cell */
            resolution->cell_id = override->id;
            resolution->cell_layer = override->layer;
            resolution->cell_origin = ORIGIN_EXCLUSIVE;
        }
    }
    cell_limit(resolution, STR("cell/day"), WINDOW_DAY, identity, resolution->daily);
    cell_limit(resolution, STR("cell/month"), WINDOW_MONTH, identity, resolution->monthly);
    return ERR_OK;
}

/* Without a name it does not reach what a nearer layer has set for itself: a group's "twice as
 * much" leaves the budget of a key alone. Deny always does. */
static bool override_is_for(const struct override *override, const struct entry *entry)
{
    const struct limit *limit = &entry->limit;
    if (override->target != TARGET_LIMIT || !fits(override->name, limit->name))
        return false;
    if (str_empty(override->name) && override->op != OP_DENY &&
        entry->owner_layer > override->layer)
        return false;
    return (!override->has_metric || override->metric == limit->metric) &&
           (!override->has_kind || override->kind == limit->kind);
}

/* One that is denied stays denied; one that is allowed has no limit, until another is set. */
static void override_limits(struct resolution *resolution)
{
    for (size_t i = 0; i < resolution->count; i++) {
        struct entry *entry = &resolution->list[i];
        for (size_t k = 0; k < resolution->override_count; k++) {
            const struct override *override = resolution->overrides[k];
            if (!override_is_for(override, entry))
                continue;
            entry->limit.value = override_apply(override, entry->limit.metric, entry->limit.value);
            entry->layer = override->layer;
            entry->id = override->id;
            if (override->op == OP_DENY) {
                entry->limit.mode = WINDOW_HARD;
                break;
            }
        }
    }
}

static void drop_lifted(struct resolution *resolution)
{
    size_t kept = 0;
    for (size_t i = 0; i < resolution->count; i++)
        if (!resolution->list[i].lifted && resolution->list[i].limit.value >= 0) {
            if (kept != i)
                resolution->list[kept] = resolution->list[i];
            kept++;
        }
    resolution->count = kept;
}

/* One number that is no window limit: -1 or what the overrides made of `value`. */
static int64_t override_number(const struct resolution *resolution, enum override_target target,
                               enum metric metric, int64_t value, struct entry *entry)
{
    for (size_t i = 0; i < resolution->override_count; i++) {
        const struct override *override = resolution->overrides[i];
        if (override->target != target || (override->has_metric && override->metric != metric))
            continue;
        value = override_apply(override, metric, value);
        if (entry) {
            entry->layer = override->layer;
            entry->id = override->id;
        }
        if (override->op == OP_DENY)
            return 0;
    }
    return value;
}

static void find_allowance(struct resolution *resolution)
{
    const struct plan_terms *plan = resolution->plan;
    const struct item *item = resolution->item;
    if (!item)
        return;
    struct entry const base = {
        .whom = resolution->customer_whom, .layer = LAYER_PLAN, .id = plan->id, .owner = plan};
    resolution->overage = item->overage;
    resolution->throttle_per_minute = item->throttle_per_minute;
    resolution->rollover_max = item->rollover_max;
    resolution->allowance = resolution->overage_cap = base;
    resolution->allowance.limit = (struct limit){.name = item->feature,
                                                 .identity = item->identity,
                                                 .kind = item->kind,
                                                 .metric = item->metric,
                                                 .alerts = item->alerts};
    resolution->overage_cap.limit = (struct limit){.name = STR("overage"),
                                                   .identity = plan->overage_identity,
                                                   .kind = WINDOW_PERIOD,
                                                   .metric = METRIC_COST,
                                                   .alerts = item->cap_alerts};
    int64_t const included = item->included < 0 ? 0 : item->included;
    int64_t const value = override_number(resolution, TARGET_ALLOWANCE, item->metric, included,
                                          &resolution->allowance);
    resolution->has_allowance = item->included >= 0 || resolution->allowance.layer != LAYER_PLAN;
    resolution->allowance.limit.value = value < 0 ? INT64_MAX : value;
    int64_t const cap = override_number(resolution, TARGET_OVERAGE_CAP, METRIC_COST,
                                        item->overage_cap, &resolution->overage_cap);
    resolution->has_overage_cap = cap >= 0;
    resolution->overage_cap.limit.value = cap;
}

enum err resolution_end(struct resolution *resolution, struct refusal *refusal)
{
    bool feature_allowed, provider_allowed;
    enum err err = permit_feature(resolution, &feature_allowed, refusal);
    if (err == ERR_OK)
        err = permit_provider(resolution, &provider_allowed, refusal);
    if (err == ERR_OK)
        err = permit_model(resolution, refusal);
    if (err != ERR_OK)
        return err;
    override_limits(resolution);
    drop_lifted(resolution);
    err = choose_cell(resolution, feature_allowed, provider_allowed, refusal);
    if (err != ERR_OK)
        return err;
    if (resolution->full)
        return refuse(refusal, ERR_TOO_LARGE, SCOPE_NONE, LAYER_PLAN, (struct str){0},
                      "more limits or overrides apply than a call may have");
    find_allowance(resolution);
    int64_t const base =
        resolution->plan && resolution->plan->output_max > 0 ? resolution->plan->output_max : -1;
    int64_t const most = override_number(resolution, TARGET_OUTPUT_MAX, METRIC_TOKENS, base, NULL);
    resolution->output_max = most < 0 ? 0 : most;
    return ERR_OK;
}
