/* price_exact.h - a cost per token, as price maps write it, to USD per million tokens: exactly.
 *
 * What:  decimal digits are moved, never computed: "1.5e-07" becomes "0.15".
 * Not:   floating point; rounding: what does not fit a price is refused.
 */
#pragma once
#include "base/str.h"

enum price_exact { PRICE_EXACT, PRICE_NO_NUMBER, PRICE_TOO_FINE, PRICE_TOO_LARGE };
enum { PRICE_TEXT_BYTES = 20 };

/* *text is a view of `out`: at most 9 digits before the point and 6 after it. */
enum price_exact price_per_million(struct str per_token, char out[PRICE_TEXT_BYTES],
                                   struct str *text);
