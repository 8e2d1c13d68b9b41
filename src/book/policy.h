/* policy.h - what a customer may use besides its credit: calendar windows, an allowance, overage.
 *
 * What:  the rules that a plan will bring (issue: plans). This configuration cannot express
 *        them; the auditor (tests/sim) sets and exercises every one.
 * Not:   journalled: the *effects* on counters are (record_parts.h), and whoever sets a policy sets
 *        it again at start. Changing one never changes a counter: headroom = limit - used - held.
 */
#pragma once
#include "base/limits.h"
#include "core/money.h"
#include "core/window.h"

struct book;
struct customer;

enum metric {
    METRIC_REQUESTS,
    METRIC_TOKENS, /* all pools */
    METRIC_COST,   /* nano */
    METRIC_COUNT,
};

enum window_mode {
    WINDOW_HARD,   /* refuses */
    WINDOW_SOFT,   /* counts, and is passed over */
    WINDOW_SHADOW, /* counts, to see what a limit would do */
};

enum { RULE_ALLOWANCE = 0 /* the rule id of the allowance's counter; window rules are above */ };

struct window_rule {
    uint32_t id; /* > RULE_ALLOWANCE, unique within the customer, never reused for another metric */
    enum window_kind kind;
    enum metric metric;
    enum window_mode mode;
    int64_t limit;
};

/* Included quota: it pays for calls before any grant does. */
struct allowance {
    bool present;
    enum window_kind kind;
    enum metric metric;
    int64_t limit;
};

enum overage_mode {
    OVERAGE_BLOCK, /* no credit, no call */
    OVERAGE_BILL,  /* what credit does not pay is billed later, up to the cap */
};

struct policy {
    size_t window_count;
    struct window_rule windows[LIMITS_PER_OWNER_MAX];
    struct allowance allowance;
    enum overage_mode overage;
    struct money overage_cap; /* of TOTAL_OVERAGE, since the beginning */
};

/* In force for the next request. False: ids not unique or 0, or a limit is negative. */
NODISCARD bool book_policy_set(struct book *book, const struct customer *customer,
                               const struct policy *policy);
