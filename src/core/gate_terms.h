/* gate_terms.h - what decides whether a call may run at all: subscription, licence, key.
 *
 * Not:   limits and permissions of plans (terms.h); the decision (resolve.h).
 */
#pragma once
#include "core/terms.h"

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
