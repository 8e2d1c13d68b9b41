/* window.h - calendar windows: the UTC second, minute … month that holds an instant.
 *
 * What:  half-open [start, end) in microseconds since 1970; weeks begin on Monday (ISO 8601).
 * Not:   time zones of customers (issue: plans): they will bring a zone argument to these
 * functions; stored lines keep start and kind, so that nothing recorded changes its meaning then.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum window_kind {
    WINDOW_SECOND,
    WINDOW_MINUTE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_WEEK,
    WINDOW_MONTH,
    WINDOW_KIND_COUNT,
};

/* First instant of the window that holds at_us; it identifies the window. */
int64_t window_start(enum window_kind kind, int64_t at_us);
/* First instant after the window that begins at start_us. */
int64_t window_end(enum window_kind kind, int64_t start_us);
const char *window_name(enum window_kind kind);
