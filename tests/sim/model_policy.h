/* model_policy.h - what a customer's plan says, and the windows its rules count in: the model's own
 * words for it. The book is handed rules made from it, call by call (policy.c). */
#pragma once
#include "book/record_parts.h"

enum { MODEL_RULES = 6 };

enum model_whom { MODEL_FOR_CUSTOMER, MODEL_FOR_KEY, MODEL_FOR_USER };

struct model_rule {
    int number; /* of the limit: with whom it counts for, it names the counter */
    enum window_kind kind;
    enum metric metric;
    enum window_mode mode;
    enum model_whom whom;
    enum refusal_scope scope;
    int64_t limit;
};

/* What a call is charged: 10^9 is once, a unit, a credit. */
struct model_tariff {
    bool marked;
    int basis; /* 0 money; credits by 1 cost, 2 1 000 tokens, 3 calls */
    int64_t factor, fixed, rate, minimum;
};

/* What a customer's plan says; the book is handed rules made from it, call by call. */
struct model_policy {
    int rule_count;
    struct model_rule rules[MODEL_RULES];
    int64_t offset;       /* local time is UTC and this many microseconds */
    int64_t anchor, span; /* of WINDOW_PERIOD */
    bool has_quota, bills, has_cap;
    int64_t rollover; /* of the quota: most that the window before leaves; 0: nothing */
    int64_t throttle; /* free calls a minute beyond the quota; 0: that is not how it goes */
    struct model_tariff tariff;
    struct model_rule quota, cap;
};

struct model_window {
    uint64_t id;
    int64_t start, end;
};

/* The window of a rule that holds `clock`, for a call of that key and user. */
struct model_window model_window_of(const struct model_policy *policy,
                                    const struct model_rule *rule, int key, int user,
                                    int64_t clock);
