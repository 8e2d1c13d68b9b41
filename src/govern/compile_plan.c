/* compile_plan.c - the catalogue: plans and their versions, features, providers, the matrix. */
#include "govern/compile_int.h"

void compile_feature(struct reading *reading)
{
    static const char *const types[] = {"boolean", "static", "metered"};
    struct doc_feature *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    made->boolean = member_word(reading, "type", types, 3, 2) == 0;
    made->active = member_bool(reading, "active", true);
}

void compile_provider(struct reading *reading)
{
    static const char *const statuses[] = {"active", "disabled", "testing"};
    struct doc_provider *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    int const status = member_word(reading, "status", statuses, 3, 0);
    made->active = status == 0;
    made->disabled = status == 1;
    made->default_model = member_text(reading, "default_model");
}

void compile_plan(struct reading *reading)
{
    (void)reading_room(reading, sizeof(struct doc)); /* that it exists is all we need to know */
}

/* In the unit of the metric; -1 when absent. */
static int64_t read_quantity(struct reading *reading, const char *name, enum metric metric)
{
    struct str const said = member_raw(reading, name);
    if (metric == METRIC_COST && json_type(said) == JSON_STRING)
        return member_amount(reading, name);
    int64_t quantity = member_i64(reading, name, 0, INT64_MAX, -1);
    if (metric == METRIC_COST && json_type(said) == JSON_NUMBER &&
        __builtin_mul_overflow(quantity, (int64_t)1000000000, &quantity))
        reading_wrong(reading, name, "is too large an amount");
    return quantity;
}

static void read_item(struct reading *reading, struct item *item, struct str plan)
{
    static const char *const overages[] = {"block", "bill", "throttle"};
    item->feature = member_name(reading, "feature");
    item->metric = member_metric(reading, METRIC_REQUESTS);
    if (item->metric == METRIC_CONCURRENT)
        reading_wrong(reading, "metric", "concurrent calls cannot be included");
    item->kind = WINDOW_PERIOD;
    (void)read_window(reading, "reset", &item->kind);
    item->included = read_quantity(reading, "included", item->metric);
    int64_t const rollover = read_quantity(reading, "rollover_max", item->metric);
    item->rollover_max = rollover > 0 ? rollover : 0;
    if (rollover >= 0 && (item->included < 0 || item->kind == WINDOW_EVER))
        reading_wrong(reading, "rollover_max", "goes with a quantity that is included again");
    item->overage = (enum overage_mode)member_word(reading, "overage", overages, 3, OVERAGE_BLOCK);
    item->throttle_per_minute = member_i64(reading, "throttle_per_minute", 1, 1000000, 0);
    if ((item->overage == OVERAGE_THROTTLE) != (item->throttle_per_minute > 0))
        reading_wrong(reading, "throttle_per_minute", "goes with overage throttle, and only so");
    item->overage_cap = member_amount(reading, "overage_cap");
    item->identity = identity_of(STR("allowance"), plan, item->feature);
    item->alerts = read_alerts(reading, item->feature, alerts_usual);
    item->cap_alerts = read_alerts(reading, STR("overage"), alerts_usual);
}

static void read_plan_limit(struct reading *reading, struct limit *limit, struct str plan)
{
    read_limit(reading, limit);
    if (str_empty(limit->name))
        reading_wrong(reading, "name", "is missing");
    limit->identity = identity_of(plan, limit->name, (struct str){0});
}

/* The elements of a list of objects; `limits` or `items` is where they go. */
static void read_parts(struct reading *reading, const char *name, struct plan_terms *terms,
                       bool are_limits)
{
    struct json_object object;
    struct str element;
    struct str const value = member_raw(reading, name);
    size_t at = 0, count = 0;
    if (value.ptr && json_type(value) != JSON_ARRAY)
        reading_wrong(reading, name, "is not a list");
    if (json_type(value) != JSON_ARRAY)
        return;
    while (json_next(value, &at, &element))
        count++;
    if (count > GOVERN_LIST_ITEMS_MAX) {
        reading_wrong(reading, name, "has too many elements");
        return;
    }
    size_t const size = are_limits ? sizeof(struct limit) : sizeof(struct item);
    char *list = reading_room(reading, count * size);
    size_t done = 0;
    for (at = 0; list && reading->err == ERR_OK && json_next(value, &at, &element); done++) {
        struct reading inside;
        void *part = list + done * size;
        if (!reading_inside(reading, element, &object, &inside)) {
            reading_wrong(reading, name, "has an element that is not an object");
            return;
        }
        if (are_limits)
            read_plan_limit(&inside, part, terms->plan);
        else
            read_item(&inside, part, terms->plan);
        reading_back(reading, &inside);
    }
    if (are_limits) {
        terms->limits = (const struct limit *)(void *)list;
        terms->limit_count = done;
    } else {
        terms->items = (const struct item *)(void *)list;
        terms->item_count = done;
    }
}

void compile_plan_version(struct reading *reading)
{
    static const char *const statuses[] = {"draft", "active", "archived"};
    static const char *const intervals[] = {"day", "week", "month", "year"};
    struct doc_plan_version *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct plan_terms *terms = &made->terms;
    terms->id = reading_copy(reading, reading->id);
    terms->plan = member_name(reading, "plan");
    terms->number = member_i64(reading, "number", 0, INT32_MAX, 0);
    terms->active = member_word(reading, "status", statuses, 3, 0) == 1;
    terms->unit = (enum period_unit)member_word(reading, "interval", intervals, 4, PERIOD_MONTH);
    terms->unit_count = (int)member_i64(reading, "interval_count", 1, 1000, 1);
    terms->models = member_names(reading, "models");
    terms->providers = member_names(reading, "providers");
    terms->ai_token_limit = member_i64(reading, "ai_token_limit", 0, INT64_MAX, -1);
    terms->output_max = member_i64(reading, "output_max", 1, INT64_MAX, 0);
    int64_t const low_credit = member_amount(reading, "low_credit");
    terms->low_credit = low_credit < 0 ? 0 : low_credit;
    terms->overage_identity = identity_of(STR("overage"), terms->plan, (struct str){0});
    terms->credit = read_credit(reading);
    made->doc.owner_kind = NODE_PLAN;
    made->doc.owner = terms->plan;
    made->doc.head.list = LIST_SELF;
    read_parts(reading, "items", terms, false);
    read_parts(reading, "limits", terms, true);
}

void compile_route(struct reading *reading)
{
    static const char *const roles[] = {"analysis", "voting", "consensus", "generation",
                                        "fallback"};
    struct doc_route *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    made->doc.owner_kind = NODE_FEATURE;
    made->doc.owner = member_name(reading, "feature");
    made->doc.head.list = LIST_SELF;
    made->provider = member_name(reading, "provider");
    made->role = str_of(roles[member_word(reading, "role", roles, 5, 3)]);
    made->model = member_text(reading, "model");
    made->weight = member_i64(reading, "weight", 0, 1000, 100);
    made->order = member_i64(reading, "order", 0, INT32_MAX, 0);
    made->active = member_bool(reading, "active", true);
}

void compile_cell(struct reading *reading)
{
    static const char *const origins[] = {"default", "promo", "exclusive"};
    struct doc_cell *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct cell *cell = &made->cell;
    struct str const plan = member_name(reading, "plan");
    struct str const feature = member_name(reading, "feature");
    made->doc.owner_kind = NODE_MATRIX;
    made->doc.owner = reading_join(reading, plan, "\x1f", feature);
    made->doc.head.list = LIST_SELF;
    cell->id = reading_copy(reading, reading->id);
    cell->provider = member_name(reading, "provider");
    cell->profile = member_text(reading, "profile");
    if (str_empty(cell->profile))
        cell->profile = STR("*");
    cell->model = member_text(reading, "model");
    cell->daily = member_i64(reading, "daily_limit", 0, INT64_MAX, -1);
    cell->monthly = member_i64(reading, "monthly_limit", 0, INT64_MAX, -1);
    cell->active = member_bool(reading, "active", true);
    cell->origin = (enum cell_origin)member_word(reading, "origin", origins, ORIGIN_COUNT, 0);
    cell->identity = identity_of(STR("cell"), reading->id, (struct str){0});
}

void compile_group(struct reading *reading)
{
    struct doc_group *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    made->priority = member_i64(reading, "priority", INT32_MIN, INT32_MAX, 0);
    made->doc.owner_kind = NODE_GROUP;
    made->doc.owner = reading_copy(reading, reading->id);
    made->doc.head.list = LIST_SELF;
}
