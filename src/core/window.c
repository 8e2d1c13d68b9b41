/* window.c - calendar arithmetic on day numbers; no libc calendar, no zone. */
#include "core/window.h"
#include "base/must.h"

static const int64_t second_us = 1000000;
static const int64_t day_us = 86400 * (int64_t)1000000;
/* 1970-01-01 was a Thursday: the Monday before it is day -3. */
enum { MONDAY = -3, DAYS_PER_WEEK = 7, MONTHS_PER_YEAR = 12 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t leap_days_before(int64_t year) /* since year 0, 29 Februaries of earlier years */
{
    int64_t const last = year - 1;
    return floor_div(last, 4) - floor_div(last, 100) + floor_div(last, 400);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Day number (1970-01-01 is 0) of the first of a month; months count from January of year 0. */
static int64_t month_first_day(int64_t month_index)
{
    static const int before[MONTHS_PER_YEAR] = {0,   31,  59,  90,  120, 151,
                                                181, 212, 243, 273, 304, 334};
    int64_t const year = floor_div(month_index, MONTHS_PER_YEAR);
    int64_t const month = month_index - year * MONTHS_PER_YEAR;
    int64_t const days_1970 = (int64_t)1970 * 365 + leap_days_before(1970);
    int64_t const leap = is_leap(year) && month > 1 ? 1 : 0;
    return year * 365 + leap_days_before(year) + before[month] + leap - days_1970;
}

static int64_t month_of_day(int64_t day)
{
    /* A guess by the mean month, which is never more than one off; then corrected. */
    int64_t month = (int64_t)1970 * MONTHS_PER_YEAR + floor_div(day * 4800, 146097);
    while (month_first_day(month) > day)
        month--;
    while (month_first_day(month + 1) <= day)
        month++;
    return month;
}

static int64_t length_us(enum window_kind kind)
{
    static const int64_t seconds[] = {1, 60, 3600, 86400, (int64_t)DAYS_PER_WEEK * 86400};
    MUST(kind < WINDOW_MONTH);
    return seconds[kind] * second_us;
}

int64_t window_start(enum window_kind kind, int64_t at_us)
{
    if (kind == WINDOW_MONTH)
        return month_first_day(month_of_day(floor_div(at_us, day_us))) * day_us;
    int64_t const length = length_us(kind);
    int64_t const origin = kind == WINDOW_WEEK ? MONDAY * day_us : 0;
    return origin + floor_div(at_us - origin, length) * length;
}

int64_t window_end(enum window_kind kind, int64_t start_us)
{
    if (kind == WINDOW_MONTH)
        return month_first_day(month_of_day(floor_div(start_us, day_us)) + 1) * day_us;
    return start_us + length_us(kind);
}

const char *window_name(enum window_kind kind)
{
    static const char *const names[] = {"second", "minute", "hour", "day", "week", "month"};
    MUST(kind < WINDOW_KIND_COUNT);
    return names[kind];
}
