/* period.c - every boundary from the original anchor: day arithmetic, then the zone's local day. */
#include "core/period.h"
#include "base/must.h"
#include "core/calendar.h"

/* A period that follows a change of the zone is longer than two zones can lie apart. */
static const int64_t zones_apart_us = 26 * 3600 * US_PER_SECOND;
/* … which moves a date by so many days at most. */
enum { DATE_SHIFT_MAX = 2 };

/* The day on which period 0 begins. */
struct first {
    int64_t month;    /* number, core/calendar.h */
    int day_of_month; /* the wanted one: shorter months end before it */
    int64_t day;      /* number */
};

static int64_t day_in_month(int64_t month, int day_of_month)
{
    int64_t const first = calendar_month_first_day(month);
    int64_t const next = calendar_month_first_day(month + 1);
    int64_t const day = first + day_of_month - 1;
    return day < next ? day : next - 1;
}

/* The anchor's local date in this zone. Where a zone change moved it off the anchor day, even into
 * a neighbouring month, the anchor day near it: a quarter that began on 1 February does so still.
 */
static struct first first_of(const struct period_rule *rule, const struct zone *zone)
{
    MUST(rule->count >= 1 && rule->unit < PERIOD_UNIT_COUNT);
    MUST(rule->anchor_day >= 0 && rule->anchor_day <= 31);
    int64_t const local_day = zone_day(zone, rule->anchor_us);
    int64_t const month = calendar_month_of_day(local_day);
    if (rule->anchor_day == 0)
        return (struct first){month, (int)(local_day - calendar_month_first_day(month)) + 1,
                              local_day};
    for (int distance = 0; distance <= DATE_SHIFT_MAX; distance++) {
        for (int side = -1; side <= 1; side += 2) {
            int64_t const day = local_day + side * distance;
            int64_t const near = calendar_month_of_day(day);
            if (day_in_month(near, rule->anchor_day) == day)
                return (struct first){near, rule->anchor_day, day};
        }
    }
    return (struct first){month, rule->anchor_day, local_day};
}

/* Months, or days, from one boundary to the next. */
static int64_t step_of(const struct period_rule *rule)
{
    static const int factors[PERIOD_UNIT_COUNT] = {1, DAYS_PER_WEEK, 1, MONTHS_PER_YEAR};
    return (int64_t)rule->count * factors[rule->unit];
}

static bool counts_days(const struct period_rule *rule)
{
    return rule->unit == PERIOD_DAY || rule->unit == PERIOD_WEEK;
}

static int64_t boundary_us(const struct period_rule *rule, const struct zone *zone,
                           const struct first *first, int64_t number)
{
    int64_t const steps = number * step_of(rule);
    int64_t const day = counts_days(rule) ? first->day + steps
                                          : day_in_month(first->month + steps, first->day_of_month);
    return zone_day_begins_us(zone, day);
}

int64_t period_boundary_us(const struct period_rule *rule, const struct zone *zone, int64_t number)
{
    struct first const first = first_of(rule, zone);
    return boundary_us(rule, zone, &first, number);
}

struct period period_at(const struct period_rule *rule, const struct zone *zone, int64_t at_us)
{
    struct first const first = first_of(rule, zone);
    int64_t const day = zone_day(zone, at_us);
    int64_t const passed =
        counts_days(rule) ? day - first.day : calendar_month_of_day(day) - first.month;
    int64_t number = floor_div(passed, step_of(rule)); /* or one off: within its month */
    int64_t start_us = boundary_us(rule, zone, &first, number);
    int64_t end_us = boundary_us(rule, zone, &first, number + 1);
    while (start_us > at_us) {
        end_us = start_us;
        start_us = boundary_us(rule, zone, &first, --number);
    }
    while (end_us <= at_us) {
        start_us = end_us;
        end_us = boundary_us(rule, zone, &first, ++number + 1);
    }
    return (struct period){number, start_us, end_us};
}

struct period period_after(const struct period_rule *rule, const struct zone *zone, int64_t end_us)
{
    struct period const last = period_at(rule, zone, end_us + zones_apart_us);
    return (struct period){last.number, end_us, last.end_us};
}

int64_t period_prorate(const struct period *period, const struct zone *zone, int64_t at_us,
                       int64_t amount)
{
    MUST(amount >= 0 && period->start_us < period->end_us);
    if (at_us >= period->end_us)
        return 0;
    int64_t const first = zone_day(zone, period->start_us);
    int64_t const last = zone_day(zone, period->end_us - 1);
    int64_t const today = zone_day(zone, at_us);
    /* Clocks that go back over midnight show a date before the first, or after the last. */
    if (at_us <= period->start_us || today <= first)
        return amount;
    int64_t const remaining = today <= last ? last - today + 1 : 1;
    int64_t const result = (int64_t)((__int128)amount * remaining / (last - first + 1));
    MUST(result >= 0 && result <= amount);
    return result;
}

const char *period_unit_name(enum period_unit unit)
{
    static const char *const names[PERIOD_UNIT_COUNT] = {"day", "week", "month", "year"};
    MUST(unit < PERIOD_UNIT_COUNT);
    return names[unit];
}
