/* calendar.h - the proleptic Gregorian calendar on day and month numbers; no zone, no libc.
 *
 * What:  days count from 1970-01-01 (0), months from January of year 0 (0): year * 12 + month - 1.
 * Not:   clocks; see window.h and zone.h.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MONTHS_PER_YEAR = 12, DAYS_PER_WEEK = 7, SECONDS_PER_DAY = 86400 };
/* 1970-01-01 was a Thursday: the Monday before it is day -3. */
enum { FIRST_MONDAY = -3 };
#define US_PER_SECOND ((int64_t)1000000)

/* Inline: the divisor is mostly a constant, which spares the division. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool calendar_is_leap(int64_t year);
/* Days of a year before a month of it, 0 … 12: of 12, the days of the year. */
int calendar_days_before(int month_of_year, bool leap);
/* The day number of the first of that month. */
int64_t calendar_month_first_day(int64_t month);
/* The month number that holds a day. */
int64_t calendar_month_of_day(int64_t day);
