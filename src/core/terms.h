/* terms.h - what documents say, as plain structs: limits, overrides, plans, licences, keys.
 *
 * What:  the input of resolve.h. Text is borrowed from whoever holds the document.
 * Not:   JSON (govern/compile_*.c makes these), windows' bounds, counters.
 * Rules: -1 in an optional count or amount: not said, no limit. 0 in an optional instant: none.
 */
#pragma once
#include "base/str.h"
#include "core/cidr.h"
#include "core/markup.h"
#include "core/period.h"
#include "core/rule.h"

/* Where something comes from; in the order in which overrides are applied. */
enum layer {
    LAYER_PLAN,
    LAYER_LICENSE,
    LAYER_MATRIX,
    LAYER_GROUP,
    LAYER_CUSTOMER,
    LAYER_USER,
    LAYER_KEY,
    LAYER_COUNT,
};
const char *layer_name(enum layer layer);
enum refusal_scope layer_scope(enum layer layer);

/* Which calls something is for. Empty: any. */
struct selector {
    struct str feature, provider, model, profile;
};

struct names {
    bool said; /* false: no list, everything is allowed */
    size_t count;
    const struct str *list;
};
bool names_have(const struct names *names, struct str name);

struct limit {
    struct str name;
    uint64_t identity; /* terms_hash of what it is, whichever version of a plan says it */
    enum window_kind kind;
    enum metric metric;
    enum window_mode mode;
    int64_t value; /* METRIC_COST: nano */
    struct selector where;
    const struct alert_terms *alerts; /* NULL: nobody is told how much is used */
};

enum override_target {
    TARGET_LIMIT,
    TARGET_ALLOWANCE,
    TARGET_FEATURE,
    TARGET_PROVIDER,
    TARGET_MODEL,
    TARGET_MATRIX,
    TARGET_OUTPUT_MAX,
    TARGET_OVERAGE_CAP,
    TARGET_COUNT,
};
enum override_op { OP_SET, OP_ADD, OP_MULTIPLY, OP_MAX, OP_MIN, OP_DENY, OP_ALLOW, OP_COUNT };

struct override {
    struct str id;
    enum layer layer;
    enum override_target target;
    enum override_op op;
    struct str name; /* of the limit; empty: any */
    bool has_metric, has_kind;
    enum metric metric;
    enum window_kind kind;
    struct selector where;
    int64_t whole, nano; /* the value, rounded down, and times 10^9; INT64_MAX: more than fits */
    int64_t priority, starts_us, expires_us;
};

enum cell_origin { ORIGIN_DEFAULT, ORIGIN_PROMO, ORIGIN_EXCLUSIVE, ORIGIN_COUNT };
const char *cell_origin_name(enum cell_origin origin);
struct cell {
    struct str id, provider, profile, model; /* profile "*": any */
    uint64_t identity;
    int64_t daily, monthly; /* requests; -1: no limit */
    bool active;
    enum cell_origin origin;
};

struct item {
    struct str feature; /* "*": any */
    uint64_t identity;
    int64_t included; /* -1: says nothing about quantity */
    int64_t rollover_max;
    enum metric metric;
    enum window_kind kind;
    enum overage_mode overage;
    int64_t overage_cap; /* nano; -1: none */
    int64_t throttle_per_minute;
    const struct alert_terms *alerts, *cap_alerts; /* of the quantity, and of the cap */
};

struct plan_terms {
    struct str id, plan; /* of the version; of the plan */
    int64_t number;
    bool active;
    enum period_unit unit;
    int unit_count;
    struct names models, providers;
    int64_t ai_token_limit; /* per month, of a licence; -1: none */
    int64_t output_max;     /* 0: the model's own */
    int64_t low_credit;     /* nano; 0: none */
    uint64_t overage_identity;
    size_t item_count, limit_count;
    const struct item *items;
    const struct limit *limits;
    const struct credit_terms *credit; /* NULL: the plan's customers pay money */
};

/* Stable: stored with counters. */
uint64_t terms_hash(struct str text);
uint64_t terms_join(uint64_t a, uint64_t b);
