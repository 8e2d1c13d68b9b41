/* when.h - instants and spans as people write them.
 *
 * What:  RFC 3339 in and out, and "90s", "15m", "1h", "7d".
 * Not:   time zones by name; leap seconds (":60" is refused).
 */
#pragma once
#include "base/str.h"

enum { WHEN_TEXT_BYTES = 32 };

/* "2026-11-20T12:00:00[.123]Z" or with an offset; a date alone is its midnight in UTC. */
bool when_parse(struct str text, int64_t *wall_us);
/* A whole number with its unit: s, m, h, d. More than 100 years is refused. */
bool when_span_parse(struct str text, int64_t *span_us);
/* Either: an instant, or a span before now_us. */
bool when_since_parse(struct str text, int64_t now_us, int64_t *wall_us);
/* "2026-11-20T12:00:00.123456Z"; returns a view of `out`. Years outside 0000 … 9999 are clamped. */
struct str when_text(int64_t wall_us, char out[WHEN_TEXT_BYTES]);
