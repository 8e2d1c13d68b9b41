/* charge.h - what a call that has ended is charged for. Facts in, verdict out.
 *
 * What:  the table "what is charged" of the domain: a call whose client got an error status is
 *        free; once an answer has begun, what was received is charged; the provider's own usage
 *        wins over our estimate, and an absurd one is clamped to what was held.
 * Not:   prices (price.h), the hold (book/).
 */
#pragma once
#include "core/usage.h"

enum { USAGE_TOKENS_MAX = 100000000 }; /* per pool; more is a provider's mistake */

struct charge_facts {
    bool dispatched; /* the provider may have seen the request */
    bool refused;    /* the provider answered with an error (status or body) */
    bool whole;      /* the answer came to its own end */
    bool begun;      /* part of an answer is with the client, or would be had it stayed */
    bool client_gone;
    bool has_usage, absurd; /* of the provider's report */
    struct usage reported;
    int64_t input_estimate;  /* tokens, our count */
    int64_t output_estimate; /* tokens received, our count */
    struct usage held;       /* the upper bound that was reserved */
};

struct charge_verdict {
    bool free;    /* release the hold */
    bool clamped; /* the report was absurd: tell the operator */
    struct usage usage;
};

struct charge_verdict charge_decide(const struct charge_facts *facts);
