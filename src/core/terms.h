/* terms.h - what documents say, as plain structs: limits, overrides, plans, licences, keys.
 *
 * What:  the input of resolve.h. Text is borrowed from whoever holds the document.
 * Not:   JSON (govern/compile_*.c makes these), windows' bounds, counters.
 * Rules: -1 in an optional count or amount: not said, no limit. 0 in an optional instant: none.
 */
#pragma once
#include "base/str.h"
#include "core/cidr.h"
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
    enum metric metric;
    enum window_kind kind;
    enum overage_mode overage;
    int64_t overage_cap; /* nano; -1: none */
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
    uint64_t overage_identity;
    size_t item_count, limit_count;
    const struct item *items;
    const struct limit *limits;
};

enum subscription_status {
    SUBSCRIPTION_DRAFT,
    SUBSCRIPTION_TRIALING,
    SUBSCRIPTION_ACTIVE,
    SUBSCRIPTION_PAUSED,
    SUBSCRIPTION_SUSPENDED,
    SUBSCRIPTION_PAST_DUE,
    SUBSCRIPTION_UNPAID,
    SUBSCRIPTION_CANCEL_SCHEDULED,
    SUBSCRIPTION_CANCELED,
    SUBSCRIPTION_INCOMPLETE,
    SUBSCRIPTION_INCOMPLETE_EXPIRED,
    SUBSCRIPTION_STATUS_COUNT,
};
struct subscription_terms {
    struct str id, plan_version;
    int64_t anchor_us, cancel_us, grace_us;
    enum subscription_status status;
    int anchor_day;
    bool has_anchor;
};

struct license_terms {
    struct str id;
    struct names modules;
    bool ai_enabled, active;
    int64_t ai_token_limit, valid_from_us, valid_to_us;
};

struct key_terms {
    struct names scopes, models, features;
    size_t address_count;
    const struct cidr *addresses;
    bool has_addresses, has_budget;
    struct limit budget;
    struct str user; /* fixed; empty: the call says */
};

/* Stable: stored with counters. */
uint64_t terms_hash(struct str text);
uint64_t terms_join(uint64_t a, uint64_t b);
