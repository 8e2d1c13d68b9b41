/* rule.h - one limit as it is in force for one call: what is counted where, and how much is left.
 *
 * What:  made by govern/ (which knows plans, overrides, zones), tested and counted by book/ (which
 *        knows none of that): a counter is named by `counter` and the window's start.
 * Not:   journalled: a hold keeps its lines (book/record_parts.h).
 */
#pragma once
#include "base/limits.h"
#include "core/alert.h"
#include "core/money.h"
#include "core/window.h"

enum metric {
    METRIC_REQUESTS,
    METRIC_TOKENS,     /* all pools */
    METRIC_COST,       /* nano */
    METRIC_CONCURRENT, /* calls that run now: held, never used up; its window has no end */
    METRIC_COUNT,
};

const char *metric_name(enum metric metric); /* "requests" … as in documents and counters */

enum window_mode {
    WINDOW_HARD,   /* refuses */
    WINDOW_SOFT,   /* counts, and is passed over */
    WINDOW_SHADOW, /* counts, to see what a limit would do */
};

/* Whose limit refuses: told to the client. */
enum refusal_scope {
    SCOPE_NONE,
    SCOPE_KEY,
    SCOPE_USER,
    SCOPE_PLAN,
    SCOPE_CUSTOMER,
    SCOPE_CREDIT,
    SCOPE_FEATURE,
    SCOPE_COUNT,
};

struct rule {
    uint64_t counter; /* > 0: a hash of the limit's identity and of whom it counts for; within a
                         customer never used for another metric */
    enum window_kind kind;
    enum metric metric;
    enum window_mode mode;
    enum refusal_scope scope;
    int64_t start_us, end_us; /* the window that holds the call, in the customer's zone */
    int64_t limit;            /* >= 0; 0: nothing is allowed */
    int64_t rollover_max; /* of an allowance: so much of what was left of the window before is added
                             to it, at most; 0: nothing */
    const struct alert_terms *alerts; /* NULL: nobody is told how much is used */
};

/* How a rule stood when a call was tested: before it, and what it needed. */
struct rule_state {
    int64_t used, held, needed;
    int64_t carried; /* of an allowance: what the window before has left it */
};

enum overage_mode {
    OVERAGE_BLOCK,    /* no credit, no call */
    OVERAGE_BILL,     /* what credit does not pay is billed later, up to the cap */
    OVERAGE_THROTTLE, /* free, but no more than so many a minute once quota is used up */
};

/* Everything that is in force for a call beside the credit of its customer. */
struct rules {
    size_t count;
    struct rule list[RULES_PER_CALL_MAX];
    bool has_allowance;    /* included quota: pays before any grant does */
    struct rule allowance; /* mode and scope mean nothing */
    enum overage_mode overage;
    bool has_overage_cap;
    int64_t low_credit;          /* tell when less credit than this is left, nano; 0: never */
    struct rule overage_cap;     /* METRIC_COST of what was billed as overage in the period */
    int64_t throttle_per_minute; /* OVERAGE_THROTTLE: > 0 */
};
