/* money.h - amounts that cannot be mixed up with token counts.
 *
 * What:  struct money, 10^-9 of a currency unit in int64 (+-9.22 billion units). No floating point
 *        anywhere; addition says when it does not fit. Prices are 10^-12 per unit (price.h).
 * Not:   formatting for people; currencies (a wallet has one, and never mixes).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct money {
    int64_t nano;
};

enum { MONEY_SCALE = 9 };

/* False when the sum does not fit; *sum is then untouched. */
NODISCARD static inline bool money_add(struct money a, struct money b, struct money *sum)
{
    int64_t nano;
    if (__builtin_add_overflow(a.nano, b.nano, &nano))
        return false;
    sum->nano = nano;
    return true;
}

NODISCARD static inline bool money_sub(struct money a, struct money b, struct money *difference)
{
    int64_t nano;
    if (__builtin_sub_overflow(a.nano, b.nano, &nano))
        return false;
    difference->nano = nano;
    return true;
}

static inline struct money money_min(struct money a, struct money b)
{
    return a.nano < b.nano ? a : b;
}

/* A decimal number ("-12.5", "0.000000001") times 10^scale as an integer. False: not a plain
 * decimal (no exponent), does not fit, or has more digits than scale can hold. */
bool decimal_parse(struct str text, unsigned scale, int64_t *value);
/* The shortest decimal for value / 10^scale; returns its length; out needs 24 bytes, no NUL. */
size_t decimal_text(int64_t value, unsigned scale, char out[24]);
/* ceil(a * b / c) in 128 bits; a, b >= 0, c > 0; INT64_MAX when it does not fit. */
int64_t mul_div_ceil(int64_t a, int64_t b, int64_t c);
