/* price.h - what tokens cost.
 *
 * What:  pico-units (10^-12) per token and pool; a request's cost is summed in 128 bits and rounded
 *        once: up for charges. USD per 1M tokens x 10^6 = pico-USD per token.
 * Not:   versions and import of prices (issue: catalogue); free is a price of 0, unknown is not.
 */
#pragma once
#include "core/money.h"
#include "core/usage.h"

enum { PRICE_UNKNOWN = -1, PRICE_SCALE = 6 /* decimal USD per 1M tokens -> pico per token */ };

struct price {
    int64_t pico[POOL_COUNT]; /* PRICE_UNKNOWN: none of its own */
    uint32_t version;         /* which price table it was, for the record */
};

/* All pools unknown. */
void price_init(struct price *price);
/* pico per token of a pool, by its fallback (pools.def) when it has none of its own;
 * PRICE_UNKNOWN when there is none. */
int64_t price_of(const struct price *price, enum pool pool);
/* ceil(sum tokens x pico / 1000) nano. ERR_PRICE_UNKNOWN when a pool with tokens has no price;
 * ERR_FIELD_INVALID when a count is negative or the sum does not fit. */
NODISCARD enum err price_cost(const struct price *price, const struct usage *usage,
                              struct money *cost);
/* Most output tokens that `budget` buys after `input` is paid; 0 when none. */
int64_t price_affordable_output(const struct price *price, const struct usage *input,
                                struct money budget, int64_t choices);
