/* compile_limit.c - limits and overrides: what is counted, and who changes it until when. */
#include "base/must.h"
#include "govern/compile_int.h"

static const char *const metrics[] = {"requests", "tokens", "cost", "concurrent"};
static const char *const modes[] = {"hard", "soft", "shadow"};
static const char *const owners[] = {"group", "customer", "user", "key"};
static const enum node_kind owner_nodes[] = {NODE_GROUP, NODE_CUSTOMER, NODE_USER, NODE_KEY};
static const enum layer owner_layers[] = {LAYER_GROUP, LAYER_CUSTOMER, LAYER_USER, LAYER_KEY};
enum { METRIC_WORDS = 4, MODE_WORDS = 3, OWNER_WORDS = 4 };

enum metric member_metric(struct reading *reading, int absent)
{
    int const word = member_word(reading, "metric", metrics, METRIC_WORDS, -1);
    if (word < 0 && absent < 0)
        reading_wrong(reading, "metric", "is missing");
    return (enum metric)(word < 0 ? (absent < 0 ? 0 : absent) : word);
}

bool read_window(struct reading *reading, const char *name, enum window_kind *kind)
{
    static const char *const words[] = {"second", "minute", "hour",   "day",
                                        "week",   "month",  "period", "one_off"};
    static const enum window_kind kinds[] = {WINDOW_SECOND, WINDOW_MINUTE, WINDOW_HOUR,
                                             WINDOW_DAY,    WINDOW_WEEK,   WINDOW_MONTH,
                                             WINDOW_PERIOD, WINDOW_EVER};
    int const word = member_word(reading, name, words, (int)(sizeof words / sizeof *words), -1);
    if (word >= 0)
        *kind = kinds[word];
    return word >= 0;
}

const struct alert_thresholds alerts_usual = {{80, 100}};

const struct alert_terms *read_alerts(struct reading *reading, struct str name,
                                      struct alert_thresholds absent)
{
    struct alert_thresholds thresholds = absent;
    struct str const list = member_raw(reading, "alert_percent");
    struct str element;
    size_t at = 0;
    if (list.ptr) {
        thresholds = (struct alert_thresholds){0};
        if (json_type(list) != JSON_ARRAY)
            reading_wrong(reading, "alert_percent", "is not a list");
        while (json_type(list) == JSON_ARRAY && json_next(list, &at, &element)) {
            int64_t percent = -1;
            if (!json_i64(element, &percent) || !alert_add(&thresholds, percent))
                reading_wrong(reading, "alert_percent", "has too many shares, or one that is none");
        }
    }
    if (thresholds.percent[0] == 0)
        return NULL;
    struct alert_terms *terms = reading_room(reading, sizeof *terms);
    if (terms)
        *terms = (struct alert_terms){.name = name, .thresholds = thresholds};
    return terms;
}

void read_limit(struct reading *reading, struct limit *limit)
{
    limit->name = member_text(reading, "name");
    limit->metric = member_metric(reading, -1);
    limit->kind = WINDOW_EVER;
    if (!read_window(reading, "window", &limit->kind) && limit->metric != METRIC_CONCURRENT)
        reading_wrong(reading, "window", "is missing");
    if (limit->metric == METRIC_CONCURRENT)
        limit->kind = WINDOW_EVER; /* held, never used up: it has no window */
    limit->mode = (enum window_mode)member_word(reading, "mode", modes, MODE_WORDS, WINDOW_HARD);
    limit->value = limit->metric == METRIC_COST ? member_amount(reading, "value")
                                                : member_i64(reading, "value", 0, INT64_MAX, -1);
    if (limit->value < 0)
        reading_wrong(reading, "value", "is missing");
    limit->where = member_selector(reading, reading->object);
    struct alert_thresholds const none = {0};
    struct str const name = str_empty(limit->name) ? reading->id : limit->name;
    limit->alerts = read_alerts(reading, reading_copy(reading, name), none);
}

void compile_limit(struct reading *reading)
{
    struct doc_limit *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    int const owner = member_word(reading, "owner", owners, OWNER_WORDS, -1);
    if (owner < 0)
        reading_wrong(reading, "owner", "is missing");
    made->doc.owner_kind = (uint8_t)(owner < 0 ? NODE_NONE : owner_nodes[owner]);
    made->doc.owner = member_name(reading, "owner_id");
    made->doc.head.list = LIST_LIMITS;
    read_limit(reading, &made->limit);
    made->limit.identity = identity_of(STR("limit"), reading->id, (struct str){0});
}

/* The value as a whole number and in nano; either may be more than fits. */
static void read_value(struct reading *reading, struct override *override)
{
    static const int64_t unit = 1000000000;
    struct str text;
    struct str const value = member_raw(reading, "value");
    if (json_i64(value, &override->whole)) {
        if (__builtin_mul_overflow(override->whole, unit, &override->nano))
            override->nano = override->whole < 0 ? INT64_MIN : INT64_MAX;
    } else if (json_plain_text(value, &text) && decimal_parse(text, MONEY_SCALE, &override->nano)) {
        override->whole = override->nano / unit - (override->nano % unit < 0);
    } else {
        reading_wrong(reading, "value", "is neither a whole number nor a decimal (\"1.5\")");
    }
    if (override->op != OP_ADD && override->nano < 0)
        reading_wrong(reading, "value", "is negative");
}

static void read_override_selector(struct reading *reading, struct override *override)
{
    struct json_object object;
    struct reading inside;
    struct str const value = member_raw(reading, "selector");
    if (!value.ptr)
        return;
    if (!reading_inside(reading, value, &object, &inside)) {
        reading_wrong(reading, "selector", "is not an object");
        return;
    }
    override->name = member_text(&inside, "name");
    int const metric = member_word(&inside, "metric", metrics, METRIC_WORDS, -1);
    override->has_metric = metric >= 0;
    override->metric = (enum metric)(metric < 0 ? 0 : metric);
    override->has_kind = read_window(&inside, "window", &override->kind);
    override->where = member_selector(&inside, inside.object);
    reading_back(reading, &inside);
}

void compile_override(struct reading *reading)
{
    static const char *const targets[] = {"limit", "allowance", "feature",    "provider",
                                          "model", "matrix",    "output_max", "overage_cap"};
    static const char *const ops[] = {"set", "add", "multiply", "max", "min", "deny", "allow"};
    _Static_assert(sizeof targets / sizeof *targets == TARGET_COUNT, "a word for each target");
    _Static_assert(sizeof ops / sizeof *ops == OP_COUNT, "a word for each operation");
    struct doc_override *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct override *override = &made->override;
    int const scope = member_word(reading, "scope", owners, OWNER_WORDS, -1);
    int const target = member_word(reading, "target", targets, TARGET_COUNT, -1);
    int const op = member_word(reading, "op", ops, OP_COUNT, -1);
    if (scope < 0 || target < 0 || op < 0) {
        reading_wrong(reading, scope < 0 ? "scope" : target < 0 ? "target" : "op", "is missing");
        return;
    }
    made->doc.owner_kind = (uint8_t)owner_nodes[scope];
    made->doc.owner = member_name(reading, "scope_id");
    made->doc.head.list = LIST_OVERRIDES;
    override->id = reading_copy(reading, reading->id);
    override->layer = owner_layers[scope];
    override->target = (enum override_target)target;
    override->op = (enum override_op)op;
    bool const counts = op != OP_DENY && op != OP_ALLOW;
    if (counts)
        read_value(reading, override);
    if (counts && (target == TARGET_FEATURE || target == TARGET_PROVIDER || target == TARGET_MODEL))
        reading_wrong(reading, "op", "must be allow or deny for this target");
    read_override_selector(reading, override);
    override->priority = member_i64(reading, "priority", INT32_MIN, INT32_MAX, 0);
    override->starts_us = member_instant(reading, "starts_at");
    override->expires_us = member_instant(reading, "expires_at");
}
