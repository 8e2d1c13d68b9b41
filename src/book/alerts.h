/* alerts.h - at a SETTLE: which shares of limits and of credit were reached, while all is locked.
 *
 * What:  shares of windows need no memory (core/alert.h). Little credit does: it is told once, and
 *        again only after more credit came in and there was a tenth more than the threshold, so
 *        that holds, which come and go, tell nothing twice.
 */
#pragma once
#include "book/effect.h"

/* What the record says about it; the effect is applied already. Changes the customer's low_told.
 * Returns the length; 0: nothing was reached. */
size_t alerts_reached(const struct effect *effect, const struct record_end *record, int64_t now_us,
                      unsigned char out[ALERT_LINES_BYTES_MAX]);
void alerts_replay(struct customer *customer, struct str alerts);
