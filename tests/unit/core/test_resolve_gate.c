/* test_resolve_gate.c - subscription, licence and key: one row, one sentence. */
#include "core/resolve.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NOW = 1000 };
#define S(text) STR_ROW(text)

static const struct {
    const char *sentence;
    struct subscription_terms terms;
    enum standing standing;
} subscriptions[] = {
    {"a draft is as if it were not there", {.status = SUBSCRIPTION_DRAFT}, STANDING_NONE},
    {"a trial gives access", {.status = SUBSCRIPTION_TRIALING}, STANDING_ACCESS},
    {"an active one gives access", {.status = SUBSCRIPTION_ACTIVE}, STANDING_ACCESS},
    {"one paused is suspended", {.status = SUBSCRIPTION_PAUSED}, STANDING_SUSPENDED},
    {"one suspended is", {.status = SUBSCRIPTION_SUSPENDED}, STANDING_SUSPENDED},
    {"past due without a grace gives access", {.status = SUBSCRIPTION_PAST_DUE}, STANDING_ACCESS},
    {"past due within the grace gives access",
     {.status = SUBSCRIPTION_PAST_DUE, .grace_us = NOW + 1},
     STANDING_ACCESS},
    {"past due at the end of the grace does not",
     {.status = SUBSCRIPTION_PAST_DUE, .grace_us = NOW},
     STANDING_INACTIVE},
    {"unpaid gives none", {.status = SUBSCRIPTION_UNPAID}, STANDING_INACTIVE},
    {"a scheduled end has not come",
     {.status = SUBSCRIPTION_CANCEL_SCHEDULED, .cancel_us = NOW + 1},
     STANDING_ACCESS},
    {"a scheduled end has come",
     {.status = SUBSCRIPTION_CANCEL_SCHEDULED, .cancel_us = NOW},
     STANDING_INACTIVE},
    {"cancelled gives none", {.status = SUBSCRIPTION_CANCELED}, STANDING_INACTIVE},
    {"incomplete gives none", {.status = SUBSCRIPTION_INCOMPLETE}, STANDING_INACTIVE},
    {"incomplete for too long gives none",
     {.status = SUBSCRIPTION_INCOMPLETE_EXPIRED},
     STANDING_INACTIVE},
};

static void subscriptions_and_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof subscriptions / sizeof *subscriptions; i++)
        if (subscription_standing(&subscriptions[i].terms, NOW) != subscriptions[i].standing)
            fail_msg("%s", subscriptions[i].sentence);
}

static const struct str ai_and_patients[] = {S("ai"), S("patients")}, only_api[] = {S("api")},
                        only_patients[] = {S("patients")};
#define AI                                                                                         \
    {                                                                                              \
        true, 2, ai_and_patients                                                                   \
    }
static const struct {
    const char *sentence;
    struct license_terms terms;
    struct str module;
    bool permits;
    int64_t until_us;
} licenses[] = {
    {"active, AI on, module ai", {.modules = AI, .ai_enabled = true, .active = true}, {0}, true, 0},
    {"module api does as well",
     {.modules = {true, 1, only_api}, .ai_enabled = true, .active = true},
     {0},
     true,
     0},
    {"neither ai nor api",
     {.modules = {true, 1, only_patients}, .ai_enabled = true, .active = true},
     {0},
     false,
     0},
    {"no list is no module", {.ai_enabled = true, .active = true}, {0}, false, 0},
    {"AI is off", {.modules = AI, .active = true}, {0}, false, 0},
    {"not active", {.modules = AI, .ai_enabled = true}, {0}, false, 0},
    {"not valid yet: says until when",
     {.modules = AI, .ai_enabled = true, .active = true, .valid_from_us = NOW + 1},
     {0},
     false,
     NOW + 1},
    {"valid from this instant on",
     {.modules = AI, .ai_enabled = true, .active = true, .valid_from_us = NOW},
     {0},
     true,
     0},
    {"not valid any more from this instant on",
     {.modules = AI, .ai_enabled = true, .active = true, .valid_to_us = NOW},
     {0},
     false,
     0},
    {"a module that the licence has",
     {.modules = AI, .ai_enabled = true, .active = true},
     S("patients"),
     true,
     0},
    {"a module that it does not have",
     {.modules = AI, .ai_enabled = true, .active = true},
     S("billing"),
     false,
     0},
    {"a call that says module api needs no api beside ai",
     {.modules = AI, .ai_enabled = true, .active = true},
     S("api"),
     true,
     0},
};

static void licences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof licenses / sizeof *licenses; i++) {
        struct refusal refusal = {0};
        bool const permits = license_permits(&licenses[i].terms, licenses[i].module, NOW, &refusal);
        if (permits != licenses[i].permits || refusal.until_us != licenses[i].until_us)
            fail_msg("%s", licenses[i].sentence);
        if (!permits && refusal.err != ERR_LICENSE_FORBIDDEN)
            fail_msg("%s: the error", licenses[i].sentence);
    }
}

static const struct str inference[] = {S("inference")}, usage[] = {S("usage:read")},
                        mini[] = {S("mini")}, chat[] = {S("chat")};
static const struct {
    const char *sentence;
    struct key_terms terms;
    struct call call;
    enum err err;
    const char *network;
} keys[] = {
    {"a key without lists may everything", {}, {.model = S("any")}, ERR_OK, NULL},
    {"scope inference", {.scopes = {true, 1, inference}}, {}, ERR_OK, NULL},
    {"another scope only", {.scopes = {true, 1, usage}}, {}, ERR_SCOPE_FORBIDDEN, NULL},
    {"an empty list of scopes is none", {.scopes = {true, 0, NULL}}, {}, ERR_SCOPE_FORBIDDEN, NULL},
    {"a model of the list", {.models = {true, 1, mini}}, {.model = S("mini")}, ERR_OK, NULL},
    {"a model that is not",
     {.models = {true, 1, mini}},
     {.model = S("maxi")},
     ERR_MODEL_FORBIDDEN,
     NULL},
    {"a feature of the list", {.features = {true, 1, chat}}, {.feature = S("chat")}, ERR_OK, NULL},
    {"a feature that is not",
     {.features = {true, 1, chat}},
     {.feature = S("legal")},
     ERR_FEATURE_FORBIDDEN,
     NULL},
    {"keeping quiet about the feature does not help",
     {.features = {true, 1, chat}},
     {},
     ERR_FEATURE_FORBIDDEN,
     NULL},
    {"an address of the network",
     {.has_addresses = true},
     {.address = S("10.1.2.3")},
     ERR_OK,
     "10.0.0.0/8"},
    {"an address outside",
     {.has_addresses = true},
     {.address = S("11.1.2.3")},
     ERR_ADDRESS_FORBIDDEN,
     "10.0.0.0/8"},
    {"no address known", {.has_addresses = true}, {}, ERR_ADDRESS_FORBIDDEN, "10.0.0.0/8"},
    {"an empty list of addresses is none",
     {.has_addresses = true},
     {.address = S("10.1.2.3")},
     ERR_ADDRESS_FORBIDDEN,
     NULL},
};

static void keys_and_their_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct refusal refusal = {0};
        struct key_terms terms = keys[i].terms;
        struct cidr network;
        if (keys[i].network) {
            assert_true(cidr_parse(str_of(keys[i].network), &network));
            terms.addresses = &network;
            terms.address_count = 1;
        }
        bool const permits = key_permits(&terms, &keys[i].call, &refusal);
        if (permits != (keys[i].err == ERR_OK) || refusal.err != keys[i].err ||
            (!permits && refusal.scope != SCOPE_KEY))
            fail_msg("%s", keys[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_and_time),
        cmocka_unit_test(licences),
        cmocka_unit_test(keys_and_their_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
