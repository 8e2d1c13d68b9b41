/* zone.h - a time zone: UTC instants to local dates and back, from the bytes of a TZif file.
 *
 * What:  offsets by the recorded transitions, after them by the POSIX rule in the footer. A local
 *        day begins at the first instant whose local date is that day: where the clocks jump at
 *        midnight (Brazil until 2019) that is not 00:00.
 * Not:   reading files (zones.h of book does), the process' own TZ. No allocation.
 * Source: RFC 8536 (TZif), POSIX TZ.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdint.h>

enum { ZONE_TRANSITIONS_MAX = 512, ZONE_TYPES_MAX = 64, ZONE_NAME_BYTES_MAX = 64 };

/* A day of the year on which the footer changes the clock: Mm.w.d, Jn or n, at `seconds` local. */
struct zone_change {
    enum { ZONE_MONTH_WEEK_DAY, ZONE_JULIAN, ZONE_DAY } kind;
    int month, week, day; /* month 1 … 12, week 1 … 5 (5: last), day 0 (Sunday) … 6; or the day */
    int32_t seconds;
};

struct zone {
    char name[ZONE_NAME_BYTES_MAX]; /* "America/Sao_Paulo" */
    size_t transition_count;
    int64_t at_s[ZONE_TRANSITIONS_MAX];    /* UTC seconds, ascending */
    int32_t after_s[ZONE_TRANSITIONS_MAX]; /* the offset from then on, seconds east of UTC */
    int32_t before_s;                      /* the offset before the first transition */
    int32_t standard_s, daylight_s;        /* of the footer */
    bool has_footer, has_daylight;
    struct zone_change daylight_begins, daylight_ends;
};

/* UTC; static. */
const struct zone *zone_utc(void);
/* False: not a TZif file of version 2 or later that fits, or one that counts leap seconds. `name`
 * is copied. */
NODISCARD bool zone_parse(struct str name, struct str tzif, struct zone *zone);
/* Seconds east of UTC at that instant. */
int32_t zone_offset_s(const struct zone *zone, int64_t at_us);

/* Around an instant, [from, until) in UTC seconds, the offset is the same. INT64_MIN and
 * INT64_MAX: for ever. */
struct zone_span {
    int64_t from_s, until_s;
    int32_t offset_s;
};
struct zone_span zone_span(const struct zone *zone, int64_t at_us);
/* The number of the local day (core/calendar.h), and the first instant whose local date is that of
 * the numbered day or later. */
int64_t zone_day(const struct zone *zone, int64_t at_us);
int64_t zone_day_begins_us(const struct zone *zone, int64_t day);

struct zone_date {
    int64_t year;
    int month, day; /* 1 … 12, 1 … 31 */
};
struct zone_date zone_date(const struct zone *zone, int64_t at_us);
/* The first instant whose local date is `date` or later. Day 31 of a shorter month is its last. */
int64_t zone_day_start_us(const struct zone *zone, struct zone_date date);
/* Days of the month of that year. */
int zone_month_days(int64_t year, int month);
