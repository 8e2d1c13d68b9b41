/* window.c - calendar windows by UTC arithmetic, or by the days of a zone. */
#include "core/window.h"
#include "base/must.h"
#include "core/calendar.h"
#include "core/zone.h"

enum { SECONDS_PER_HOUR = 3600 };
static const int64_t day_us = SECONDS_PER_DAY * US_PER_SECOND;

static int64_t length_us(enum window_kind kind)
{
    static const int64_t seconds[] = {1, 60, SECONDS_PER_HOUR, SECONDS_PER_DAY,
                                      (int64_t)DAYS_PER_WEEK * SECONDS_PER_DAY};
    MUST(kind < WINDOW_MONTH);
    return seconds[kind] * US_PER_SECOND;
}

int64_t window_start(enum window_kind kind, int64_t at_us)
{
    if (kind == WINDOW_MONTH)
        return calendar_month_first_day(calendar_month_of_day(floor_div(at_us, day_us))) * day_us;
    int64_t const length = length_us(kind);
    int64_t const origin = kind == WINDOW_WEEK ? FIRST_MONDAY * day_us : 0;
    return origin + floor_div(at_us - origin, length) * length;
}

int64_t window_end(enum window_kind kind, int64_t start_us)
{
    if (kind == WINDOW_MONTH) {
        int64_t const month = calendar_month_of_day(floor_div(start_us, day_us));
        return calendar_month_first_day(month + 1) * day_us;
    }
    return start_us + length_us(kind);
}

/* Cut where the offset changes: a change by half an hour ends one window and begins another. */
static void hour_bounds(const struct zone *zone, int64_t at_us, int64_t *start_us, int64_t *end_us)
{
    struct zone_span const span = zone_span(zone, at_us);
    int64_t const local_s = floor_div(at_us, US_PER_SECOND) + span.offset_s;
    int64_t const hour_s = floor_div(local_s, SECONDS_PER_HOUR) * SECONDS_PER_HOUR - span.offset_s;
    int64_t const next_s = hour_s + SECONDS_PER_HOUR;
    *start_us = (hour_s > span.from_s ? hour_s : span.from_s) * US_PER_SECOND;
    *end_us = (next_s < span.until_s ? next_s : span.until_s) * US_PER_SECOND;
}

/* The first day of the day, week or month that holds `day`. */
static int64_t first_day(enum window_kind kind, int64_t day)
{
    if (kind == WINDOW_DAY)
        return day;
    if (kind == WINDOW_WEEK)
        return FIRST_MONDAY + floor_div(day - FIRST_MONDAY, DAYS_PER_WEEK) * DAYS_PER_WEEK;
    return calendar_month_first_day(calendar_month_of_day(day));
}

static int64_t next_first_day(enum window_kind kind, int64_t first)
{
    if (kind == WINDOW_MONTH)
        return calendar_month_first_day(calendar_month_of_day(first) + 1);
    return first + (kind == WINDOW_WEEK ? DAYS_PER_WEEK : 1);
}

void window_bounds(enum window_kind kind, const struct zone *zone, int64_t at_us, int64_t *start_us,
                   int64_t *end_us)
{
    MUST(kind <= WINDOW_MONTH);
    if (kind < WINDOW_HOUR) {
        *start_us = window_start(kind, at_us);
        *end_us = *start_us + length_us(kind);
        return;
    }
    if (kind == WINDOW_HOUR) {
        hour_bounds(zone, at_us, start_us, end_us);
        return;
    }
    int64_t first = first_day(kind, zone_day(zone, at_us));
    *start_us = zone_day_begins_us(zone, first);
    *end_us = zone_day_begins_us(zone, first = next_first_day(kind, first));
    /* A clock set back over midnight shows the old date again: the new day has begun all the same.
     * Offsets differ by less than three days, so this ends soon. */
    while (at_us >= *end_us) {
        *start_us = *end_us;
        *end_us = zone_day_begins_us(zone, first = next_first_day(kind, first));
    }
    MUST(*start_us <= at_us);
}

const char *window_name(enum window_kind kind)
{
    static const char *const names[] = {"second", "minute", "hour",   "day",
                                        "week",   "month",  "period", "ever"};
    MUST(kind < WINDOW_KIND_COUNT);
    return names[kind];
}
