/* ulid.h - 128-bit ids that sort by time: 48 bits of milliseconds, 80 of randomness.
 *
 * Text:  26 characters of Crockford base32. Source: the ULID specification (github.com/ulid/spec).
 */
#pragma once
#include "base/random.h"
#include "base/str.h"

enum { ULID_TEXT_BYTES = 26 };

struct ulid {
    uint64_t high, low;
};

struct ulid ulid_make(struct random *random, int64_t wall_us);
/* Writes 26 characters, no NUL. */
void ulid_text(struct ulid id, char text[ULID_TEXT_BYTES]);
bool ulid_parse(struct str text, struct ulid *id);

static inline bool ulid_eq(struct ulid a, struct ulid b)
{
    return a.high == b.high && a.low == b.low;
}
