/* waterfall.h - who pays: included quota, then grants in order, then overage, then overdraft.
 *
 * What:  pure allocation. Grants go by priority, then by expiry (never is last), then by age,
 *        whether or not they are for some features alone: who wants those to go first gives them
 *        a lower priority. `held` is never `remaining`: what a hold protects is not there for
 *        anyone else.
 * Not:   changing anything; the book commits what is decided here.
 */
#pragma once
#include "base/limits.h"
#include "base/ulid.h"
#include "core/money.h"

struct waterfall_grant {
    struct ulid id;
    int64_t priority, effective_us, expires_us, created_us; /* expires_us 0: never */
    int64_t remaining, held;                                /* 0 <= held <= remaining */
    struct str features; /* "chat reports": pays for calls of these alone; empty: for all */
};

/* < 0: a pays before b. Total: no two grants are equal. */
int waterfall_order(const struct waterfall_grant *a, const struct waterfall_grant *b);
/* Does it pay for calls of the feature? */
bool waterfall_is_for(const struct waterfall_grant *grant, struct str feature);
/* What the grant can still pay at now_us. */
int64_t waterfall_free(const struct waterfall_grant *grant, int64_t now_us);

struct waterfall_funds {
    const struct waterfall_grant *const *grants; /* in waterfall_order */
    size_t grant_count;
    struct str feature;   /* of the call; empty: it said none */
    int64_t owed;         /* debt that unscoped grants owe first: it lowers what they may pay */
    int64_t overage_room; /* 0: overage is not billed */
    int64_t overdraft_room;
    int64_t now_us;
    bool ignore_holds; /* as if every hold had ended (for holds_in_the_way) */
};

struct waterfall_line {
    size_t grant; /* index into funds->grants */
    int64_t amount;
};

struct waterfall {
    size_t line_count;
    struct waterfall_line lines[GRANTS_PER_HOLD_MAX];
    int64_t from_grants, overage, overdraft;
    int64_t left; /* > 0: not funded */
};

/* What all grants together have for the call, however many they are. */
int64_t waterfall_grants(const struct waterfall_funds *funds);

/* due >= 0. At most GRANTS_PER_HOLD_MAX grants take part; more small ones do not. */
struct waterfall waterfall_allocate(const struct waterfall_funds *funds, int64_t due);

/* Part of `cost` that included quota does not pay when it covers `covered` of `metric` units:
 * ceil(cost x (metric - covered) / metric). Nothing measured: nothing of it, or a call that came to
 * nothing would be charged a fee which quota had covered in its estimate. */
int64_t coverage_due(int64_t cost, int64_t metric, int64_t covered);
