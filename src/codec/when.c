/* when.c - the civil calendar by arithmetic (days from 0000-03-01), no time zone database. */
#include "codec/when.h"
#include <stdio.h>

#define SECOND_US INT64_C(1000000)
enum { DAY_S = 86400, SPAN_DAYS_MAX = 36500, YEAR_MAX = 9999 };

/* Days since 1970-01-01; the year begins in March, so that the leap day is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t const era = (year >= 0 ? year : year - 399) / 400;
    int64_t const of_era = year - era * 400;
    int64_t const of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t const era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t const of_era = days - era * 146097;
    int64_t const year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t const of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t const shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* Takes `digits` digits and, unless it is 0, the separator after them. */
static bool take(struct str *text, size_t digits, char separator, int64_t *number)
{
    if (text->len < digits + (separator != 0) || !str_to_i64(str_make(text->ptr, digits), number))
        return false;
    if (separator != 0 && text->ptr[digits] != separator)
        return false;
    *text = str_skip(*text, digits + (separator != 0));
    return true;
}

static bool take_fraction(struct str *text, int64_t *us)
{
    *us = 0;
    if (text->len == 0 || text->ptr[0] != '.')
        return true;
    *text = str_skip(*text, 1);
    int64_t unit = SECOND_US;
    size_t digits = 0;
    for (; digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9'; digits++) {
        unit /= 10;
        *us += (text->ptr[digits] - '0') * unit; /* digits beyond microseconds count nothing */
    }
    *text = str_skip(*text, digits);
    return digits > 0 && digits <= 9;
}

/* "Z", "+hh:mm" or "-hh:mm", and nothing after it. */
static bool take_offset(struct str text, int64_t *offset_s)
{
    *offset_s = 0;
    if (text.len == 1)
        return text.ptr[0] == 'Z' || text.ptr[0] == 'z';
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-'))
        return false;
    int64_t const sign = text.ptr[0] == '-' ? -1 : 1;
    int64_t hours, minutes;
    struct str rest = str_skip(text, 1);
    if (!take(&rest, 2, ':', &hours) || !take(&rest, 2, 0, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_date(struct str *text, int64_t *days)
{
    int64_t year, month, day, again_year, again_month, again_day;
    if (!take(text, 4, '-', &year) || !take(text, 2, '-', &month) || !take(text, 2, 0, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    *days = days_of(year, month, day);
    date_of(*days, &again_year, &again_month, &again_day); /* 31 April would become 1 May */
    return again_month == month && again_day == day;
}

bool when_parse(struct str text, int64_t *wall_us)
{
    int64_t days, hours, minutes, seconds, fraction_us, offset_s;
    if (!take_date(&text, &days))
        return false;
    if (text.len == 0) {
        *wall_us = days * DAY_S * SECOND_US;
        return true;
    }
    if (text.ptr[0] != 'T' && text.ptr[0] != 't' && text.ptr[0] != ' ')
        return false;
    text = str_skip(text, 1);
    if (!take(&text, 2, ':', &hours) || !take(&text, 2, ':', &minutes) ||
        !take(&text, 2, 0, &seconds) || hours > 23 || minutes > 59 || seconds > 59)
        return false;
    if (!take_fraction(&text, &fraction_us) || !take_offset(text, &offset_s))
        return false;
    int64_t const second = days * DAY_S + hours * 3600 + minutes * 60 + seconds - offset_s;
    *wall_us = second * SECOND_US + fraction_us;
    return true;
}

bool when_span_parse(struct str text, int64_t *span_us)
{
    int64_t count, unit_s;
    if (text.len < 2 || !str_to_i64(str_make(text.ptr, text.len - 1), &count))
        return false;
    switch (text.ptr[text.len - 1]) {
    case 's':
        unit_s = 1;
        break;
    case 'm':
        unit_s = 60;
        break;
    case 'h':
        unit_s = 3600;
        break;
    case 'd':
        unit_s = DAY_S;
        break;
    default:
        return false;
    }
    if (count > (int64_t)SPAN_DAYS_MAX * DAY_S / unit_s)
        return false;
    *span_us = count * unit_s * SECOND_US;
    return true;
}

bool when_since_parse(struct str text, int64_t now_us, int64_t *wall_us)
{
    int64_t span_us;
    if (!when_span_parse(text, &span_us))
        return when_parse(text, wall_us);
    *wall_us = now_us - span_us;
    return true;
}

struct str when_text(int64_t wall_us, char out[WHEN_TEXT_BYTES])
{
    int64_t second = wall_us / SECOND_US, us = wall_us % SECOND_US;
    if (us < 0) {
        us += SECOND_US;
        second--;
    }
    int64_t days = second / DAY_S, of_day = second % DAY_S;
    if (of_day < 0) {
        of_day += DAY_S;
        days--;
    }
    int64_t year, month, day;
    date_of(days, &year, &month, &day);
    if (year < 0 || year > YEAR_MAX)
        year = year < 0 ? 0 : YEAR_MAX;
    int const len = snprintf(out, WHEN_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (int)year,
                             (int)month, (int)day, (int)(of_day / 3600), (int)(of_day / 60 % 60),
                             (int)(of_day % 60), (int)us);
    return str_make(out, (size_t)len);
}
