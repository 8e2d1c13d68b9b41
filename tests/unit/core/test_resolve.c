/* test_resolve.c - every rule of resolution: one row, one sentence. */
#include "core/resolve.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

enum { NOW = 1000, MANY = 4 };
#define UNIT    1000000000
#define S(text) STR_ROW(text)

static void say(const char *sentence, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: got \"%s\", wanted \"%s\"", sentence, got, wanted);
}

/* ---- one override on one number ---- */

static const struct {
    const char *sentence;
    enum override_op op;
    enum metric metric;
    int64_t whole, nano, before, after;
} numbers[] = {
    {"set replaces", OP_SET, METRIC_REQUESTS, 7, 7 * (int64_t)UNIT, 100, 7},
    {"set on cost is in nano", OP_SET, METRIC_COST, 2, 2 * (int64_t)UNIT, 1, 2 * (int64_t)UNIT},
    {"set makes a limit where none was", OP_SET, METRIC_REQUESTS, 7, 0, -1, 7},
    {"add adds", OP_ADD, METRIC_TOKENS, 50, 0, 100, 150},
    {"a negative add takes away", OP_ADD, METRIC_TOKENS, -30, 0, 100, 70},
    {"nothing gets below zero", OP_ADD, METRIC_TOKENS, -300, 0, 100, 0},
    {"add stops at the largest number", OP_ADD, METRIC_TOKENS, 5, 0, INT64_MAX - 1, INT64_MAX},
    {"add leaves no limit as it is", OP_ADD, METRIC_TOKENS, 5, 0, -1, -1},
    {"multiply by 1.5", OP_MULTIPLY, METRIC_REQUESTS, 1, UNIT + UNIT / 2, 101, 151},
    {"multiply by 0 leaves nothing", OP_MULTIPLY, METRIC_REQUESTS, 0, 0, 101, 0},
    {"multiply stops at the largest number", OP_MULTIPLY, METRIC_COST, 9, 9 * (int64_t)UNIT,
     INT64_MAX / 2, INT64_MAX},
    {"multiply leaves no limit as it is", OP_MULTIPLY, METRIC_REQUESTS, 2, 2 * (int64_t)UNIT, -1,
     -1},
    {"max lifts to at least", OP_MAX, METRIC_REQUESTS, 200, 0, 100, 200},
    {"max never lowers", OP_MAX, METRIC_REQUESTS, 50, 0, 100, 100},
    {"max leaves no limit as it is", OP_MAX, METRIC_REQUESTS, 50, 0, -1, -1},
    {"min lowers to at most", OP_MIN, METRIC_REQUESTS, 50, 0, 100, 50},
    {"min never lifts", OP_MIN, METRIC_REQUESTS, 500, 0, 100, 100},
    {"min makes a limit where none was", OP_MIN, METRIC_REQUESTS, 50, 0, -1, 50},
    {"deny leaves nothing", OP_DENY, METRIC_REQUESTS, 0, 0, 100, 0},
    {"allow lifts the limit", OP_ALLOW, METRIC_REQUESTS, 0, 0, 100, -1},
};

static void one_override_on_one_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct override const override = {
            .op = numbers[i].op, .whole = numbers[i].whole, .nano = numbers[i].nano};
        int64_t const after = override_apply(&override, numbers[i].metric, numbers[i].before);
        if (after != numbers[i].after)
            fail_msg("%s: %lld", numbers[i].sentence, (long long)after);
    }
}

static const struct str mini[] = {S("mini")};

/* ---- resolution: terms in, one line out ---- */

/* The plan of most rows: pro. */
static const struct limit pro_limits[] = {
    {S("day"), 1, WINDOW_DAY, METRIC_REQUESTS, WINDOW_HARD, 100, {{0}, {0}, {0}, {0}}, NULL},
    {S("usd"),
     2,
     WINDOW_MONTH,
     METRIC_COST,
     WINDOW_HARD,
     5 * (int64_t)UNIT,
     {{0}, {0}, {0}, {0}},
     NULL},
};
static const struct item two_items[] = {{.feature = S("*"),
                                         .identity = 3,
                                         .included = 1000,
                                         .metric = METRIC_TOKENS,
                                         .kind = WINDOW_PERIOD,
                                         .overage = OVERAGE_BILL,
                                         .overage_cap = 50},
                                        {.feature = S("chat"),
                                         .identity = 4,
                                         .included = 20,
                                         .metric = METRIC_REQUESTS,
                                         .kind = WINDOW_DAY,
                                         .overage_cap = -1}};
static const struct str openai[] = {S("openai")};
static const struct plan_terms pro = {.id = S("pro.1"),
                                      .plan = S("pro"),
                                      .limits = pro_limits,
                                      .limit_count = 2,
                                      .ai_token_limit = -1},
                               items = {.id = S("items.1"),
                                        .plan = S("items"),
                                        .items = two_items,
                                        .item_count = 2,
                                        .ai_token_limit = -1,
                                        .output_max = 500},
                               narrow = {.id = S("narrow.1"),
                                         .plan = S("narrow"),
                                         .models = {true, 1, mini},
                                         .providers = {true, 1, openai},
                                         .ai_token_limit = -1};

#define SET(number)   .op = OP_SET, .whole = number, .nano = (int64_t)(number)*UNIT
#define TIMES(number) .op = OP_MULTIPLY, .whole = number, .nano = (int64_t)(number)*UNIT
#define PLUS(number)  .op = OP_ADD, .whole = number, .nano = (int64_t)(number)*UNIT
#define DAY           .target = TARGET_LIMIT, .name = S("day")
#define GROUP         .id = S("g"), .layer = LAYER_GROUP
#define CUSTOMER      .id = S("c"), .layer = LAYER_CUSTOMER
#define USER          .id = S("u"), .layer = LAYER_USER
#define KEY           .id = S("k"), .layer = LAYER_KEY
#define CHAT                                                                                       \
    {                                                                                              \
        .feature = S("chat"), .provider = S("openai"), .model = S("mini"), .profile = S("user"),   \
        .now_us = NOW                                                                              \
    }
#define CELL(id_, provider_, profile_, daily_, monthly_)                                           \
    {                                                                                              \
        .id = S(id_), .provider = S(provider_), .profile = S(profile_), .identity = 9,             \
        .daily = daily_, .monthly = monthly_, .active = true                                       \
    }
#define OFF(id_, provider_, profile_)                                                              \
    {                                                                                              \
        .id = S(id_), .provider = S(provider_), .profile = S(profile_), .identity = 9, .daily = 1, \
        .monthly = 1                                                                               \
    }

static const struct row {
    const char *sentence;
    const struct plan_terms *plan;
    struct override overrides[MANY];
    struct limit limits[MANY]; /* of the customer */
    struct cell cells[MANY];
    struct known known;
    struct call call;
    const char *wanted; /* limits by name and the document that said them, or the error and scope */
} rows[] = {
    {.sentence = "without a plan there are no limits", .call = CHAT, .wanted = ""},
    {.sentence = "the plan's limits",
     .plan = &pro,
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "a customer's override names its limit",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7)}},
     .call = CHAT,
     .wanted = "day=7@c usd=5000000000@pro.1"},
    {.sentence = "group, then customer: the customer has the last word",
     .plan = &pro,
     .overrides = {{GROUP, DAY, SET(7)}, {CUSTOMER, DAY, SET(8)}},
     .call = CHAT,
     .wanted = "day=8@c usd=5000000000@pro.1"},
    {.sentence = "group, customer, user, key build on each other",
     .plan = &pro,
     .overrides = {{GROUP, DAY, TIMES(2)},
                   {CUSTOMER, DAY, PLUS(10)},
                   {USER, DAY, TIMES(3)},
                   {KEY, DAY, PLUS(-30)}},
     .call = CHAT,
     .wanted = "day=600@k usd=5000000000@pro.1"},
    {.sentence = "deny of a group wins over the customer's set",
     .plan = &pro,
     .overrides = {{GROUP, DAY, .op = OP_DENY}, {CUSTOMER, DAY, SET(8)}},
     .call = CHAT,
     .wanted = "day=0@g usd=5000000000@pro.1"},
    {.sentence = "deny after allow wins too",
     .plan = &pro,
     .overrides = {{GROUP, DAY, .op = OP_ALLOW}, {KEY, DAY, .op = OP_DENY}},
     .call = CHAT,
     .wanted = "day=0@k usd=5000000000@pro.1"},
    {.sentence = "allow lifts a limit",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "usd=5000000000@pro.1"},
    {.sentence = "a limit that was lifted can be set again by a later layer",
     .plan = &pro,
     .overrides = {{GROUP, DAY, .op = OP_ALLOW}, {CUSTOMER, DAY, SET(3)}},
     .call = CHAT,
     .wanted = "day=3@c usd=5000000000@pro.1"},
    {.sentence = "an override by metric",
     .plan = &pro,
     .overrides = {{CUSTOMER, .target = TARGET_LIMIT, .has_metric = true, .metric = METRIC_COST,
                    TIMES(2)}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=10000000000@c"},
    {.sentence = "an override by window",
     .plan = &pro,
     .overrides = {{CUSTOMER, .target = TARGET_LIMIT, .has_kind = true, .kind = WINDOW_DAY,
                    TIMES(2)}},
     .call = CHAT,
     .wanted = "day=200@c usd=5000000000@pro.1"},
    {.sentence = "an override with another name leaves it",
     .plan = &pro,
     .overrides = {{CUSTOMER, .target = TARGET_LIMIT, .name = S("week"), SET(1)}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "not begun yet",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .starts_us = NOW + 1}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "begins at this very instant",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .starts_us = NOW}},
     .call = CHAT,
     .wanted = "day=7@c usd=5000000000@pro.1"},
    {.sentence = "over at this very instant",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .expires_us = NOW}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "over a moment later",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .expires_us = NOW + 1}},
     .call = CHAT,
     .wanted = "day=7@c usd=5000000000@pro.1"},
    {.sentence = "an override for another model",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .where = {.model = S("maxi")}}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "an override for this feature and profile",
     .plan = &pro,
     .overrides = {{CUSTOMER, DAY, SET(7), .where = {.feature = S("chat"), .profile = S("user")}}},
     .call = CHAT,
     .wanted = "day=7@c usd=5000000000@pro.1"},
    {.sentence = "a customer's limit stands beside the plan's",
     .plan = &pro,
     .limits = {{.name = S("own"), .value = 5}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1 own=5@x"},
    {.sentence = "one name in plan and customer: both apply",
     .plan = &pro,
     .limits = {{.name = S("day"), .value = 5}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1 day=5@x"},
    {.sentence = "a limit for another provider does not apply",
     .limits = {{.name = S("own"), .value = 5, .where = {.provider = S("anthropic")}}},
     .call = CHAT,
     .wanted = ""},
    {.sentence = "one name: exact model before provider",
     .limits = {{.name = S("a"), .value = 5, .where = {.provider = S("openai")}},
                {.name = S("a"), .value = 9, .where = {.model = S("mini")}}},
     .call = CHAT,
     .wanted = "a=9@x"},
    {.sentence = "one name: provider before any, whichever comes first",
     .limits = {{.name = S("a"), .value = 9, .where = {.provider = S("openai")}},
                {.name = S("a"), .value = 5}},
     .call = CHAT,
     .wanted = "a=9@x"},
    {.sentence = "different names all apply",
     .limits = {{.name = S("a"), .value = 9, .where = {.provider = S("openai")}},
                {.name = S("b"), .value = 5}},
     .call = CHAT,
     .wanted = "a=9@x b=5@x"},
    {.sentence = "a group's override without a name leaves the customer's own limit",
     .limits = {{.name = S("own"), .value = 5}},
     .overrides = {{GROUP, .target = TARGET_LIMIT, TIMES(2)}},
     .call = CHAT,
     .wanted = "own=5@x"},
    {.sentence = "by name it reaches it",
     .limits = {{.name = S("own"), .value = 5}},
     .overrides = {{GROUP, .target = TARGET_LIMIT, .name = S("own"), TIMES(2)}},
     .call = CHAT,
     .wanted = "own=10@g"},
    {.sentence = "and deny does without a name",
     .limits = {{.name = S("own"), .value = 5}},
     .overrides = {{GROUP, .target = TARGET_LIMIT, .op = OP_DENY}},
     .call = CHAT,
     .wanted = "own=0@g"},
    {.sentence = "the exact feature's item is the allowance",
     .plan = &items,
     .call = CHAT,
     .wanted = "| allowance=20@items.1 output=500"},
    {.sentence = "another feature has the item of all, with its overage",
     .plan = &items,
     .call = {.feature = S("legal"), .now_us = NOW},
     .wanted = "| allowance=1000@items.1 bill cap=50@items.1 output=500"},
    {.sentence = "a call without a feature has the item of all",
     .plan = &items,
     .call = {.now_us = NOW},
     .wanted = "| allowance=1000@items.1 bill cap=50@items.1 output=500"},
    {.sentence = "the allowance is multiplied",
     .plan = &items,
     .overrides = {{GROUP, .target = TARGET_ALLOWANCE, TIMES(2)}},
     .call = CHAT,
     .wanted = "| allowance=40@g output=500"},
    {.sentence = "an override of another metric leaves the allowance",
     .plan = &items,
     .overrides = {{GROUP, .target = TARGET_ALLOWANCE, .has_metric = true, .metric = METRIC_TOKENS,
                    TIMES(2)}},
     .call = CHAT,
     .wanted = "| allowance=20@items.1 output=500"},
    {.sentence = "no allowance any more",
     .plan = &items,
     .overrides = {{GROUP, .target = TARGET_ALLOWANCE, .op = OP_DENY},
                   {KEY, .target = TARGET_ALLOWANCE, SET(5)}},
     .call = CHAT,
     .wanted = "| allowance=0@g output=500"},
    {.sentence = "the cap of overage is set",
     .plan = &items,
     .overrides = {{CUSTOMER, .target = TARGET_OVERAGE_CAP, .op = OP_SET, .nano = 70}},
     .call = {.now_us = NOW},
     .wanted = "| allowance=1000@items.1 bill cap=70@c output=500"},
    {.sentence = "the cap of overage is lifted",
     .plan = &items,
     .overrides = {{CUSTOMER, .target = TARGET_OVERAGE_CAP, .op = OP_ALLOW}},
     .call = {.now_us = NOW},
     .wanted = "| allowance=1000@items.1 bill output=500"},
    {.sentence = "the most output",
     .plan = &items,
     .overrides = {{USER, .target = TARGET_OUTPUT_MAX, .op = OP_MIN, .whole = 100}},
     .call = CHAT,
     .wanted = "| allowance=20@items.1 output=100"},
    {.sentence = "no bound on output",
     .plan = &items,
     .overrides = {{USER, .target = TARGET_OUTPUT_MAX, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "| allowance=20@items.1"},
    {.sentence = "a feature denied by a group",
     .plan = &pro,
     .overrides = {{GROUP, .target = TARGET_FEATURE, .op = OP_DENY, .where = {.feature = S("chat")},
                    .expires_us = 5000}},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 4 until 5000"},
    {.sentence = "deny wins over allow of a later layer",
     .plan = &pro,
     .overrides = {{GROUP, .target = TARGET_FEATURE, .op = OP_DENY},
                   {KEY, .target = TARGET_FEATURE, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 4 until 0"},
    {.sentence = "a feature that is switched off",
     .plan = &pro,
     .known = {.feature_inactive = true},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 6 until 0"},
    {.sentence = "switched off, but allowed for a beta group",
     .plan = &pro,
     .known = {.feature_inactive = true},
     .overrides = {{GROUP, .target = TARGET_FEATURE, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "day=100@pro.1 usd=5000000000@pro.1"},
    {.sentence = "a feature of yes or no needs an item",
     .plan = &pro,
     .known = {.feature_boolean = true},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 6 until 0"},
    {.sentence = "a feature of yes or no that has one",
     .plan = &items,
     .known = {.feature_boolean = true},
     .call = CHAT,
     .wanted = "| allowance=20@items.1 output=500"},
    {.sentence = "a provider outside the plan's list",
     .plan = &narrow,
     .call = {.provider = S("xai"), .model = S("mini"), .now_us = NOW},
     .wanted = "provider_not_allowed scope 3 until 0"},
    {.sentence = "a provider outside the list, allowed to this customer",
     .plan = &narrow,
     .overrides = {{CUSTOMER, .target = TARGET_PROVIDER, .op = OP_ALLOW,
                    .where = {.provider = S("xai")}}},
     .call = {.provider = S("xai"), .model = S("mini"), .now_us = NOW},
     .wanted = ""},
    {.sentence = "a provider denied to a user",
     .plan = &pro,
     .overrides = {{USER, .target = TARGET_PROVIDER, .op = OP_DENY,
                    .where = {.provider = S("openai")}}},
     .call = CHAT,
     .wanted = "provider_not_allowed scope 2 until 0"},
    {.sentence = "a provider that is disabled is so for all",
     .plan = &pro,
     .known = {.provider_disabled = true},
     .overrides = {{KEY, .target = TARGET_PROVIDER, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "provider_not_allowed scope 6 until 0"},
    {.sentence = "a model outside the plan's list",
     .plan = &narrow,
     .call = {.provider = S("openai"), .model = S("maxi"), .now_us = NOW},
     .wanted = "model_not_allowed scope 3 until 0"},
    {.sentence = "a model outside the list, allowed to a key",
     .plan = &narrow,
     .overrides = {{KEY, .target = TARGET_MODEL, .op = OP_ALLOW, .where = {.model = S("maxi")}}},
     .call = {.provider = S("openai"), .model = S("maxi"), .now_us = NOW},
     .wanted = ""},
    {.sentence = "a model denied to a key",
     .plan = &pro,
     .overrides = {{KEY, .target = TARGET_MODEL, .op = OP_DENY, .where = {.model = S("mini")}}},
     .call = CHAT,
     .wanted = "model_not_allowed scope 1 until 0"},
    {.sentence = "the cell's limits",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30)},
     .call = CHAT,
     .wanted = "cell/day=3@m cell/month=30@m"},
    {.sentence = "exact profile before star",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30), CELL("n", "openai", "user", 5, -1)},
     .call = CHAT,
     .wanted = "cell/day=5@n"},
    {.sentence = "exact profile before star, in the other order",
     .plan = &narrow,
     .cells = {CELL("n", "openai", "user", 5, -1), CELL("m", "openai", "*", 3, 30)},
     .call = CHAT,
     .wanted = "cell/day=5@n"},
    {.sentence = "an inactive cell for the exact profile shadows the star",
     .plan = &narrow,
     .cells = {OFF("n", "openai", "user"), CELL("m", "openai", "*", 3, 30)},
     .call = CHAT,
     .wanted = "provider_not_allowed scope 6 until 0"},
    {.sentence = "a cell without limits",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", -1, -1)},
     .call = CHAT,
     .wanted = ""},
    {.sentence = "another provider's cell does not serve",
     .plan = &narrow,
     .cells = {CELL("m", "xai", "*", 3, 30)},
     .call = CHAT,
     .wanted = "provider_not_allowed scope 6 until 0"},
    {.sentence = "another profile's cell does not serve",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "admin", 3, 30)},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 6 until 0"},
    {.sentence = "only an inactive cell",
     .plan = &narrow,
     .cells = {OFF("m", "openai", "*")},
     .call = CHAT,
     .wanted = "feature_not_enabled scope 6 until 0"},
    {.sentence = "an exclusive cell before the default",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30),
               {.id = S("v"),
                .provider = S("openai"),
                .profile = S("*"),
                .identity = 9,
                .daily = 8,
                .monthly = -1,
                .active = true,
                .origin = ORIGIN_EXCLUSIVE}},
     .call = CHAT,
     .wanted = "cell/day=8@v"},
    {.sentence = "no provider is chosen yet: the feature is open",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30)},
     .call = {.feature = S("chat"), .profile = S("user"), .now_us = NOW},
     .wanted = ""},
    {.sentence = "Black Friday doubles the cell",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30)},
     .overrides = {{GROUP, .target = TARGET_MATRIX, TIMES(2)}},
     .call = CHAT,
     .wanted = "cell/day=6@g cell/month=60@g"},
    {.sentence = "only the cell's day",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30)},
     .overrides = {{GROUP, .target = TARGET_MATRIX, .has_kind = true, .kind = WINDOW_DAY, PLUS(1)}},
     .call = CHAT,
     .wanted = "cell/day=4@g cell/month=30@g"},
    {.sentence = "the matrix denies a provider to a customer",
     .plan = &narrow,
     .cells = {CELL("m", "openai", "*", 3, 30)},
     .overrides = {{CUSTOMER, .target = TARGET_MATRIX, .op = OP_DENY,
                    .where = {.provider = S("openai")}}},
     .call = CHAT,
     .wanted = "provider_not_allowed scope 4 until 0"},
    {.sentence = "an override opens an inactive cell, with its limits",
     .plan = &narrow,
     .cells = {OFF("m", "openai", "*")},
     .overrides = {{GROUP, .target = TARGET_MATRIX, .op = OP_ALLOW}},
     .call = CHAT,
     .wanted = "cell/day=1@m cell/month=1@m"},
    {.sentence = "an override stands for a cell that is not there",
     .plan = &narrow,
     .cells = {CELL("m", "xai", "*", 3, 30)},
     .overrides = {{GROUP, .target = TARGET_MATRIX, .op = OP_ALLOW},
                   {CUSTOMER, .target = TARGET_MATRIX, .has_kind = true, .kind = WINDOW_DAY,
                    SET(2)}},
     .call = CHAT,
     .wanted = "cell/day=2@c"},
    {.sentence = "a plan without a cell for the feature has no matrix there",
     .plan = &narrow,
     .overrides = {{GROUP, .target = TARGET_MATRIX, TIMES(2)}},
     .call = CHAT,
     .wanted = ""},
};

static void render(const struct resolution *resolution, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
#define ADD(...)                                                                                   \
    at += (size_t)snprintf(out + at, size - at, "%s", at > 0 ? " " : ""),                          \
        at += (size_t)snprintf(out + at, size - at, __VA_ARGS__)
    for (size_t i = 0; i < resolution->count; i++)
        ADD("%.*s=%lld@%.*s", STR_ARG(resolution->list[i].limit.name),
            (long long)resolution->list[i].limit.value, STR_ARG(resolution->list[i].id));
    if (resolution->has_allowance || resolution->output_max > 0)
        ADD("|");
    if (resolution->has_allowance)
        ADD("allowance=%lld@%.*s", (long long)resolution->allowance.limit.value,
            STR_ARG(resolution->allowance.id));
    if (resolution->overage == OVERAGE_BILL)
        ADD("bill");
    if (resolution->has_overage_cap)
        ADD("cap=%lld@%.*s", (long long)resolution->overage_cap.limit.value,
            STR_ARG(resolution->overage_cap.id));
    if (resolution->output_max > 0)
        ADD("output=%lld", (long long)resolution->output_max);
#undef ADD
}

static void each_row(void **state)
{
    (void)state;
    static const int owner;
    assert_true(sizeof rows / sizeof *rows >= 60);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct resolution resolution;
        struct refusal refusal = {0};
        char got[512];
        resolution_begin(&resolution, &row->call, 1, 2);
        resolution.known = row->known;
        if (row->plan)
            resolution_plan(&resolution, row->plan);
        for (size_t k = 0; k < MANY && row->limits[k].name.ptr; k++)
            resolution_limit(&resolution, &row->limits[k], LAYER_CUSTOMER, 1, STR("x"), &owner);
        for (size_t k = 0; k < MANY && row->overrides[k].id.ptr; k++)
            resolution_override(&resolution, &row->overrides[k]);
        for (size_t k = 0; k < MANY && row->cells[k].id.ptr; k++)
            resolution_cell(&resolution, &row->cells[k]);
        enum err const err = resolution_end(&resolution, &refusal);
        if (err == ERR_OK)
            render(&resolution, got, sizeof got);
        else
            snprintf(got, sizeof got, "%s scope %d until %lld", err_row(err)->code.ptr,
                     (int)refusal.scope, (long long)refusal.until_us);
        say(row->sentence, got, row->wanted);
    }
}

static void more_than_a_call_may_have(void **state)
{
    (void)state;
    struct call const call = CHAT;
    struct limit const limit = {.value = 1};
    struct override const override = {GROUP, DAY, SET(1)};
    struct resolution resolution;
    struct refusal refusal = {0};
    resolution_begin(&resolution, &call, 1, 2);
    for (int i = 0; i < RULES_PER_CALL_MAX; i++)
        resolution_limit(&resolution, &limit, LAYER_KEY, 1, STR("x"), NULL);
    assert_int_equal(resolution_end(&resolution, &refusal), ERR_OK);
    resolution_limit(&resolution, &limit, LAYER_KEY, 1, STR("x"), NULL);
    assert_int_equal(resolution_end(&resolution, &refusal), ERR_TOO_LARGE);
    resolution_begin(&resolution, &call, 1, 2);
    for (int i = 0; i <= OVERRIDES_PER_CALL_MAX; i++)
        resolution_override(&resolution, &override);
    assert_int_equal(resolution_end(&resolution, &refusal), ERR_TOO_LARGE);
}

/* Counters are stored: these numbers may never change. */
static void identities_are_stable(void **state)
{
    (void)state;
    assert_true(terms_hash(STR("pro/day")) == UINT64_C(0x5cbc4ed1fae7ffb1));
    assert_true(terms_join(1, 2) == UINT64_C(0xc4858308e5949c49));
    assert_true(terms_join(1, 2) != terms_join(2, 1));
    assert_string_equal(layer_name(LAYER_LICENSE), "license");
    assert_int_equal(layer_scope(LAYER_KEY), SCOPE_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_override_on_one_number),
        cmocka_unit_test(each_row),
        cmocka_unit_test(more_than_a_call_may_have),
        cmocka_unit_test(identities_are_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
