/* window.h - calendar windows: the second, minute … month that holds an instant.
 *
 * What:  half-open [start, end) in microseconds since 1970; weeks begin on Monday (ISO 8601). By
 *        UTC, or by a customer's zone: a local day begins at the first instant of its date.
 * Not:   billing periods (period.h) and windows that never end: they have a kind and a name here,
 *        because stored lines name them, but whoever makes such a rule brings its bounds.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct zone;

enum window_kind {
    WINDOW_SECOND,
    WINDOW_MINUTE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_WEEK,
    WINDOW_MONTH,
    WINDOW_PERIOD, /* the last two are of no calendar: only window_name takes them */
    WINDOW_EVER,
    WINDOW_KIND_COUNT,
};

/* First instant of the UTC window that holds at_us; it identifies the window. */
int64_t window_start(enum window_kind kind, int64_t at_us);
/* First instant after the UTC window that begins at start_us. */
int64_t window_end(enum window_kind kind, int64_t start_us);
/* The window of the zone that holds at_us. Seconds and minutes are those of UTC; an hour is local,
 * and one that the clock shows twice is two windows. */
void window_bounds(enum window_kind kind, const struct zone *zone, int64_t at_us, int64_t *start_us,
                   int64_t *end_us);
const char *window_name(enum window_kind kind);
