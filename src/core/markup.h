/* markup.h - what a customer is charged for a call, from what the call costs us.
 *
 * What:  one pure function for estimate and settlement: charge = cost x (1 + markup) + fixed, or
 *        credits by cost, tokens or calls. It never falls when usage grows, so a call that keeps to
 *        its estimate is never charged more than was held.
 * Not:   which markup or rate is for a call (govern/), who pays (waterfall.h), prices (price.h).
 */
#pragma once
#include "base/str.h"
#include "core/money.h"

/* What a credit is given for. */
enum credit_basis {
    CREDIT_NONE,     /* the charge is money */
    CREDIT_COST,     /* rate: credits per unit of marked-up money */
    CREDIT_TOKENS,   /* rate: credits per 1 000 tokens; markups do not take part */
    CREDIT_REQUESTS, /* rate: credits per call; nor here */
    CREDIT_BASIS_COUNT,
};

/* What a plan says of its credits. */
struct credit_feature {
    struct str feature;
    int64_t rate;
};
struct credit_terms {
    struct str unit_pt, unit_en;
    enum credit_basis basis;
    int64_t rate, minimum; /* nano-credits; see struct tariff */
    size_t feature_count;
    const struct credit_feature *features; /* with rates of their own */
};

enum { MARKUP_UNIT = 1000000000 /* factor of cost that is charged as it is */ };

/* All zero: the cost is charged as it is. */
struct tariff {
    bool marked; /* factor and fixed mean something */
    enum credit_basis basis;
    int64_t factor;  /* times MARKUP_UNIT: +20 % is 1.2; 0: free */
    int64_t fixed;   /* nano per call */
    int64_t rate;    /* nano-credits per what `basis` says */
    int64_t minimum; /* nano-credits that must be there for a call that needs any; 0: none */
};

static inline bool tariff_is_set(const struct tariff *tariff)
{
    return tariff->marked || tariff->basis != CREDIT_NONE;
}
/* Rounded up. ERR_FIELD_INVALID: more than int64 can count; *charge is then untouched. */
NODISCARD enum err tariff_charge(const struct tariff *tariff, struct money cost, int64_t tokens,
                                 struct money *charge);
/* "20" is a factor of 1.2, "-100" of 0. False: not a plain decimal from -100 to 100 000 with at
 * most seven digits behind the point. */
NODISCARD bool markup_factor(struct str percent, int64_t *factor);
