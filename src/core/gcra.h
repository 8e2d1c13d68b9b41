/* gcra.h - the generic cell rate algorithm: a smooth rate limit in one number per key.
 *
 * What:  tat, the theoretical arrival time. A request of n units is let in when
 *        max(now, tat) + n*T - now <= burst*T, with T = period / limit. Units of time are
 *        microseconds in 1/2^10: about a nanosecond, and int64 lasts until the year 2255 (with
 *        2^16 it would overflow today). n*T is computed as n*period/limit, so that nothing adds up.
 * Not:   a clock, storage. Source: ITU-T I.371; redis-cell for the quantity argument.
 */
#pragma once
#include "base/err.h"
#include <stdint.h>

enum { GCRA_SHIFT = 10 };

struct gcra {
    int64_t tat; /* microseconds since 1970 << GCRA_SHIFT */
};

struct gcra_limit {
    int64_t limit;     /* units per period; 0: no limit */
    int64_t period_us; /* > 0 */
    int64_t burst;     /* units at once; 0: the same as limit */
};

struct gcra_verdict {
    bool allowed;
    int64_t remaining;      /* units that would be let in now (after this one, if allowed) */
    int64_t retry_after_us; /* when this one would be let in; INT64_MAX: never (n > burst) */
    int64_t reset_after_us; /* until the limit is whole again */
    struct gcra next;       /* the state to store when the request is committed */
};

/* Pure: *gcra is not changed. n >= 0 (0 peeks). */
struct gcra_verdict gcra_check(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                               int64_t now_us);
/* Takes n units whatever the limit says: what was used is used. */
struct gcra gcra_take(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                      int64_t now_us);
/* Gives back n units that were taken but not used; never into the past of now - burst*T. */
struct gcra gcra_refund(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                        int64_t now_us);
