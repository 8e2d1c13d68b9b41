/* model.h - an independent, slow and obvious model of the ledger: the auditor of the simulator.
 *
 * What:  a port of the executable reference of the domain (ledger_model.py), extended by limits,
 *        policies (rules per customer, key and user in local windows, quota, capped overage),
 *        overdraft, unlimited customers, shrinking and crashes. Plain arrays, linear searches, its
 *        own arithmetic and its own calendar.
 * Not:   any code of src/book or src/core; only types, enums and bounds are shared.
 */
#pragma once
#include "base/err.h"
#include "base/limits.h"
#include "base/ulid.h"
#include "model_policy.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_CUSTOMERS = 3,
    MODEL_KEYS = 2, /* per customer */
    MODEL_GRANTS = 64,
    MODEL_HOLDS = 192,
    MODEL_USERS = 3,    /* per customer */
    MODEL_FEATURES = 3, /* the first is none */
    MODEL_COUNTERS = 512,
    MODEL_LINES = MODEL_RULES + 2, /* quota and cap */
    MODEL_ROLLS = 4,           /* … and so many of its own lengths later, what is left is lost */
    MODEL_GRACE_US = 60000000, /* a clock that goes back by less finds its windows again */
};

enum model_state {
    MODEL_FREE,
    MODEL_HELD,
    MODEL_SETTLED,
    MODEL_RELEASED,
    MODEL_EXPIRED,
    MODEL_FORGOTTEN
};

struct model_limits {
    int64_t requests, tokens, concurrent;
};

/* tat in 2^-10 us; saved_…: as the journal knows it. */
struct model_meter {
    int64_t requests, tokens, throttle, saved_requests, saved_tokens, saved_throttle;
};

struct model_grant {
    struct ulid id;
    unsigned features; /* bit per feature it is for; 0: for all */
    int64_t amount, remaining, held, priority, effective, expires, created;
    bool expired;
};

struct model_counter {
    struct model_window window;
    enum metric metric;
    int64_t used, held;
    bool rolls, is_cap; /* rolls: the three that follow mean something */
    int64_t included, carried, given;
    int64_t limit_highest; /* of a cap: under which a call was ever admitted (I7) */
};

struct model_hold {
    enum model_state state;
    struct ulid id;
    int key;
    bool dispatched, unlimited, free, throttled;
    int feature; /* 0: the call said none */
    struct model_tariff tariff;
    bool bills, rolls; /* down to cap_limit: not in the journal, a crash forgets them */
    int64_t included, carried, quota_limit, cap_limit; /* the first two: as a commit leaves them */
    int64_t input, output, orphan, progress, choices;  /* estimate */
    int64_t price_in, price_out, cost, overage, overdraft, deadline, expired_at;
    bool took_key_tokens, took_customer_tokens;
    int grant_count, line_count;
    struct {
        int grant;
        int64_t amount;
    } grants[GRANTS_PER_HOLD_MAX];
    struct model_line {
        int counter;
        enum window_role role;
        int64_t amount;
    } lines[MODEL_LINES];
};

struct model_customer {
    bool unlimited, suspended, in_credits;
    bool revoked[MODEL_KEYS];
    struct model_limits limits, key_limits[MODEL_KEYS];
    struct model_meter meter, key_meter[MODEL_KEYS];
    struct model_policy policy;
    int64_t overdraft, now, saved_now;
    int64_t granted, consumed, breakage, overage, debt, settled, covered;
    int grant_count, counter_count;
    struct model_grant grants[MODEL_GRANTS];
    struct model_counter counters[MODEL_COUNTERS];
    struct model_hold holds[MODEL_HOLDS];
    const char *broken; /* an invariant that did not hold on the way */
};

struct model {
    struct model_customer customers[MODEL_CUSTOMERS];
};

struct model_want {
    int key, user, feature;
    int64_t input, output, orphan, choices, output_min, price_in, price_out, deadline;
    bool rate_taken;
};

struct model_verdict {
    enum err err;
    enum refusal_scope scope;
    int rule; /* of the policy; -1: none */
    int64_t output_cap, available;
    bool holds_in_the_way;
    struct rule_numbers {
        int64_t used, held, needed;
    } rules[MODEL_RULES];
};

struct model_bill {
    int64_t cost, charge, charged, covered, overage, debt, available;
    bool repeated;
};

/* May the counter be forgotten? `highest`: the latest clock that the book has seen. */
bool model_is_over(const struct model_customer *customer, int counter, int64_t highest);
/* Time of a customer: never back. Every call that gives a time goes through it. */
int64_t model_now(struct model_customer *customer, int64_t clock);
struct model_verdict model_reserve(struct model_customer *customer, int slot, struct ulid id,
                                   const struct model_want *want, int64_t clock);
struct model_bill model_settle(struct model_customer *customer, int slot, int64_t input,
                               int64_t output, int64_t clock);
void model_release(struct model_customer *customer, int slot, int64_t clock);
void model_dispatch(struct model_customer *customer, int slot, int64_t clock);
void model_progress(struct model_customer *customer, int slot, int64_t tokens, int64_t clock);
/* Everything whose time is over at `due`. Returns how many holds expired. */
int model_sweep(struct model_customer *customer, int64_t due, int64_t clock);
void model_forget(struct model_customer *customer, int slot);
void model_grant(struct model_customer *customer, const struct model_grant *grant, int64_t clock);
int model_expire_grants(struct model_customer *customer, int64_t clock);
/* What the journal does not know is gone; orphans are closed, oldest first. */
void model_crash(struct model_customer *customer, int64_t clock);
void model_saved(struct model_customer *customer); /* a record with its time was written */
int64_t model_available(const struct model_customer *customer, int feature, int64_t now);
/* NULL, or the sentence of the invariant that does not hold. */
const char *model_check(const struct model_customer *customer);
