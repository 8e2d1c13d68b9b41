/* zone.c - the span of one offset around an instant, and everything that follows from it.
 *
 * Why:   asked for every request: a zone whose clock changes no more (Brazil) costs one comparison,
 *        recorded years a binary search; only what lies after the record is computed by the rule.
 */
#include "core/zone.h"
#include "base/must.h"
#include "core/calendar.h"

/* A file's offsets lie within (-25 h, +26 h): no local date is further from UTC's. */
static const int64_t offset_max_s = 26 * 3600;

const struct zone *zone_utc(void)
{
    static const struct zone utc = {.name = "UTC", .has_footer = true};
    return &utc;
}

/* --- offsets --------------------------------------------------------------------------------- */
/* The day of a change in the year that begins on new_year. */
static int64_t change_day(const struct zone_change *change, int64_t new_year, bool leap)
{
    if (change->kind == ZONE_DAY)
        return new_year + change->day;
    if (change->kind == ZONE_JULIAN) /* 1 March is 60, in leap years too */
        return new_year + change->day - (change->day < 60 || !leap);
    int64_t const first = new_year + calendar_days_before(change->month - 1, leap);
    int64_t const next = new_year + calendar_days_before(change->month, leap);
    int64_t const from_sunday = first + 1 - FIRST_MONDAY; /* days since a Sunday */
    int64_t const weekday = from_sunday - floor_div(from_sunday, DAYS_PER_WEEK) * DAYS_PER_WEEK;
    int64_t const skipped = (change->day - weekday + DAYS_PER_WEEK) % DAYS_PER_WEEK;
    int64_t const day = first + skipped + (int64_t)(change->week - 1) * DAYS_PER_WEEK;
    return day < next ? day : day - DAYS_PER_WEEK;
}

/* The span becomes smaller by a change to offset_s at change_s. */
static void narrow(struct zone_span *span, int64_t at_s, int64_t change_s, int32_t offset_s)
{
    if (change_s > at_s) {
        span->until_s = change_s < span->until_s ? change_s : span->until_s;
    } else if (change_s >= span->from_s) {
        span->from_s = change_s;
        span->offset_s = offset_s;
    }
}

/* By the rule in the footer. A change may lie up to 167 hours outside its year (RFC 8536 3.3.1),
 * so the neighbours are looked at. Where one change cancels another (daylight all year) it is the
 * beginning that counts: it comes last. */
static struct zone_span ruled(const struct zone *zone, int64_t at_s)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, zone->standard_s};
    int64_t const day = floor_div(at_s + zone->standard_s, SECONDS_PER_DAY);
    int64_t const this_year = floor_div(calendar_month_of_day(day), MONTHS_PER_YEAR);
    int64_t new_year = calendar_month_first_day((this_year - 1) * MONTHS_PER_YEAR);
    for (int64_t year = this_year - 1; year <= this_year + 2; year++) {
        const struct zone_change *const ends = &zone->daylight_ends;
        const struct zone_change *const begins = &zone->daylight_begins;
        bool const leap = calendar_is_leap(year);
        int64_t const end_day = change_day(ends, new_year, leap);
        int64_t const begin_day = change_day(begins, new_year, leap);
        narrow(&span, at_s, end_day * SECONDS_PER_DAY + ends->seconds - zone->daylight_s,
               zone->standard_s);
        narrow(&span, at_s, begin_day * SECONDS_PER_DAY + begins->seconds - zone->standard_s,
               zone->daylight_s);
        new_year += calendar_days_before(MONTHS_PER_YEAR, leap);
    }
    return span;
}

/* at_s lies before the last recorded transition. */
static struct zone_span recorded(const struct zone *zone, int64_t at_s)
{
    size_t low = 0, high = zone->transition_count - 1; /* the first transition after at_s */
    while (low < high) {
        size_t const middle = low + (high - low) / 2;
        if (zone->at_s[middle] > at_s)
            high = middle;
        else
            low = middle + 1;
    }
    struct zone_span span = {INT64_MIN, zone->at_s[low], zone->before_s};
    if (low > 0) {
        span.from_s = zone->at_s[low - 1];
        span.offset_s = zone->after_s[low - 1];
    }
    return span;
}

static struct zone_span span_of(const struct zone *zone, int64_t at_s)
{
    size_t const count = zone->transition_count;
    int64_t const last_s = count > 0 ? zone->at_s[count - 1] : INT64_MIN;
    if (at_s < last_s)
        return recorded(zone, at_s);
    if (!zone->has_footer)
        return (struct zone_span){last_s, INT64_MAX,
                                  count > 0 ? zone->after_s[count - 1] : zone->before_s};
    if (!zone->has_daylight)
        return (struct zone_span){last_s, INT64_MAX, zone->standard_s};
    struct zone_span span = ruled(zone, at_s);
    if (span.from_s < last_s)
        span.from_s = last_s;
    return span;
}

struct zone_span zone_span(const struct zone *zone, int64_t at_us)
{
    return span_of(zone, floor_div(at_us, US_PER_SECOND));
}

int32_t zone_offset_s(const struct zone *zone, int64_t at_us)
{
    return span_of(zone, floor_div(at_us, US_PER_SECOND)).offset_s;
}

/* --- dates ----------------------------------------------------------------------------------- */
int64_t zone_day(const struct zone *zone, int64_t at_us)
{
    int64_t const at_s = floor_div(at_us, US_PER_SECOND);
    return floor_div(at_s + span_of(zone, at_s).offset_s, SECONDS_PER_DAY);
}

int64_t zone_day_begins_us(const struct zone *zone, int64_t day)
{
    int64_t const local_s = day * SECONDS_PER_DAY;
    int64_t at_s = local_s - offset_max_s; /* the local date is still an earlier one */
    for (;;) {
        struct zone_span const span = span_of(zone, at_s);
        int64_t const midnight_s = local_s - span.offset_s;
        int64_t const first_s = midnight_s > at_s ? midnight_s : at_s;
        if (first_s < span.until_s)
            return first_s * US_PER_SECOND;
        at_s = span.until_s; /* before that day, the clock changes */
    }
}

struct zone_date zone_date(const struct zone *zone, int64_t at_us)
{
    int64_t const day = zone_day(zone, at_us);
    int64_t const month = calendar_month_of_day(day);
    int64_t const year = floor_div(month, MONTHS_PER_YEAR);
    return (struct zone_date){.year = year,
                              .month = (int)(month - year * MONTHS_PER_YEAR) + 1,
                              .day = (int)(day - calendar_month_first_day(month)) + 1};
}

int zone_month_days(int64_t year, int month)
{
    MUST(month >= 1 && month <= MONTHS_PER_YEAR);
    int64_t const index = year * MONTHS_PER_YEAR + month - 1;
    return (int)(calendar_month_first_day(index + 1) - calendar_month_first_day(index));
}

int64_t zone_day_start_us(const struct zone *zone, struct zone_date date)
{
    int const days = zone_month_days(date.year, date.month);
    MUST(date.day >= 1);
    int64_t const first = calendar_month_first_day(date.year * MONTHS_PER_YEAR + date.month - 1);
    return zone_day_begins_us(zone, first + (date.day < days ? date.day : days) - 1);
}
