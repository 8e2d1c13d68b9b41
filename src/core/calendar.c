/* calendar.c - leap years counted, months guessed and corrected. */
#include "core/calendar.h"

static int64_t leap_days_before(int64_t year) /* since year 0, 29 Februaries of earlier years */
{
    int64_t const last = year - 1;
    return floor_div(last, 4) - floor_div(last, 100) + floor_div(last, 400);
}

bool calendar_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int calendar_days_before(int month_of_year, bool leap)
{
    static const int before[MONTHS_PER_YEAR + 1] = {0,   31,  59,  90,  120, 151, 181,
                                                    212, 243, 273, 304, 334, 365};
    return before[month_of_year] + (leap && month_of_year > 1);
}

int64_t calendar_month_first_day(int64_t month)
{
    int64_t const year = floor_div(month, MONTHS_PER_YEAR);
    int const in_year = (int)(month - year * MONTHS_PER_YEAR);
    int64_t const days_1970 = (int64_t)1970 * 365 + leap_days_before(1970);
    return year * 365 + leap_days_before(year) +
           calendar_days_before(in_year, calendar_is_leap(year)) - days_1970;
}

int64_t calendar_month_of_day(int64_t day)
{
    /* A guess by the mean month, which is never more than one off; then corrected. */
    int64_t month = (int64_t)1970 * MONTHS_PER_YEAR + floor_div(day * 4800, 146097);
    while (calendar_month_first_day(month) > day)
        month--;
    while (calendar_month_first_day(month + 1) <= day)
        month++;
    return month;
}
