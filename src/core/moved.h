/* moved.h - windows and periods of a customer whose time zone has changed.
 *
 * What:  the window that runs when the zone changes keeps its start and its end, and what was used
 *        of it; the next one begins where it ends, and ends at a boundary of the new zone: the
 *        first more than 26 hours later (period.h), of days the first more than half a day later.
 *        From then on everything is by the new zone. So windows neither overlap nor leave gaps.
 * Not:   hours and shorter ones, which are those of the new zone at once. Source: domain.md 2.6.
 */
#pragma once
#include "core/period.h"
#include "core/window.h"

enum { ZONES_PAST_MAX = 8 };

/* The zones before the one in force, oldest first. */
struct zones_past {
    size_t count;
    struct zone_past {
        const struct zone *zone;
        int64_t until_us; /* then the next one took its place */
    } list[ZONES_PAST_MAX];
};

/* The calendar window that holds at_us. */
void moved_window(enum window_kind kind, const struct zone *zone, const struct zones_past *past,
                  int64_t at_us, int64_t *start_us, int64_t *end_us);
/* The billing period; its number is that of the zone that made its end. */
struct period moved_period(const struct period_rule *rule, const struct zone *zone,
                           const struct zones_past *past, int64_t at_us);
