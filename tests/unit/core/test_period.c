/* test_period.c - boundaries from the anchor: the vectors of the design, and what must hold of all.
 */
#include "base/random.h"
#include "core/period.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "zone_help.h"

static int64_t anchor(int year, int month, int day, int hour)
{
    return instant(year, month, day, hour, 0, 0);
}

static void vectors(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum period_unit unit;
        int count, anchor_year, anchor_month, anchor_date, anchor_hour, anchor_day;
        int64_t number;
        int year, month, day, hour; /* UTC */
    } rows[] = {
        {"31", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, 0, 2027, 1, 31, 3},
        {"31: February", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, 1, 2027, 2, 28, 3},
        {"31: March again", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, 2, 2027, 3, 31, 3},
        {"31: April", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, 3, 2027, 4, 30, 3},
        {"31: leap year", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, 13, 2028, 2, 29, 3},
        {"31: before the anchor", PERIOD_MONTH, 1, 2027, 1, 31, 3, 31, -2, 2026, 11, 30, 3},
        {"the anchor's own day", PERIOD_MONTH, 1, 2027, 1, 31, 3, 0, 1, 2027, 2, 28, 3},
        {"4 over DST", PERIOD_MONTH, 1, 2018, 10, 4, 3, 4, 0, 2018, 10, 4, 3},
        {"4: no midnight", PERIOD_MONTH, 1, 2018, 10, 4, 3, 4, 1, 2018, 11, 4, 3},
        {"4: summer", PERIOD_MONTH, 1, 2018, 10, 4, 3, 4, 2, 2018, 12, 4, 2},
        {"4: summer", PERIOD_MONTH, 1, 2018, 10, 4, 3, 4, 4, 2019, 2, 4, 2},
        {"4: the last summer is over", PERIOD_MONTH, 1, 2018, 10, 4, 3, 4, 5, 2019, 3, 4, 3},
        {"an anchor in the evening: its day began", PERIOD_MONTH, 1, 2027, 1, 16, 1, 0, 0, 2027, 1,
         15, 3},
        {"an anchor on the last day, kept for 31", PERIOD_MONTH, 1, 2027, 2, 28, 3, 31, 1, 2027, 3,
         31, 3},
        {"a chosen day that is another", PERIOD_MONTH, 1, 2027, 1, 10, 12, 25, 0, 2027, 1, 25, 3},
        {"quarters", PERIOD_MONTH, 3, 2026, 11, 30, 3, 30, 1, 2027, 2, 28, 3},
        {"quarters, a year on", PERIOD_MONTH, 3, 2026, 11, 30, 3, 30, 4, 2027, 11, 30, 3},
        {"years from 29 February", PERIOD_YEAR, 1, 2028, 2, 29, 3, 29, 1, 2029, 2, 28, 3},
        {"years: the next leap year", PERIOD_YEAR, 1, 2028, 2, 29, 3, 29, 4, 2032, 2, 29, 3},
        {"two years", PERIOD_YEAR, 2, 2026, 5, 5, 3, 5, 2, 2030, 5, 5, 3},
        {"weeks", PERIOD_WEEK, 1, 2026, 11, 18, 9, 0, 1, 2026, 11, 25, 3},
        {"two weeks, back", PERIOD_WEEK, 2, 2026, 11, 18, 9, 18, -1, 2026, 11, 4, 3},
        {"days over the short day", PERIOD_DAY, 1, 2018, 11, 3, 12, 0, 1, 2018, 11, 4, 3},
        {"days: after it", PERIOD_DAY, 1, 2018, 11, 3, 12, 0, 2, 2018, 11, 5, 2},
        {"ten days", PERIOD_DAY, 10, 2026, 11, 21, 12, 0, 3, 2026, 12, 21, 3},
    };
    struct zone zone;
    if (!zone_load("America/Sao_Paulo", &zone))
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct period_rule const rule = {
            .unit = rows[i].unit,
            .count = rows[i].count,
            .anchor_us = anchor(rows[i].anchor_year, rows[i].anchor_month, rows[i].anchor_date,
                                rows[i].anchor_hour),
            .anchor_day = rows[i].anchor_day,
        };
        int64_t const wanted = anchor(rows[i].year, rows[i].month, rows[i].day, rows[i].hour);
        int64_t const got = period_boundary_us(&rule, &zone, rows[i].number);
        if (got != wanted)
            fail_msg("%s, row %zu: %lld s late", rows[i].what, i,
                     (long long)((got - wanted) / second_us));
    }
}

/* Every instant is in exactly one period, and the next one begins where it ends. */
static void periods_have_no_gaps(void **state)
{
    (void)state;
    static const char *const names[] = {
        "UTC",          "America/Sao_Paulo", "America/New_York", "Asia/Kathmandu",
        "Pacific/Apia", "America/St_Johns"};
    struct random random;
    struct zone zone;
    random_seed(&random, 19);
    uint64_t const span = (uint64_t)(anchor(2100, 1, 1, 0) - anchor(1990, 1, 1, 0));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!zone_load(names[i], &zone))
            continue;
        for (int k = 0; k < 1500; k++) {
            struct period_rule const rule = {
                .unit = (enum period_unit)random_below(&random, PERIOD_UNIT_COUNT),
                .count = 1 + (int)random_below(&random, 5),
                .anchor_us = anchor(1990, 1, 1, 0) + (int64_t)random_below(&random, span),
                .anchor_day = (int)random_below(&random, 32),
            };
            int64_t const at_us = anchor(1990, 1, 1, 0) + (int64_t)random_below(&random, span);
            struct period const period = period_at(&rule, &zone, at_us);
            assert_true(period.start_us <= at_us && at_us < period.end_us);
            assert_int_equal(period_boundary_us(&rule, &zone, period.number), period.start_us);
            assert_int_equal(period_at(&rule, &zone, period.start_us).number, period.number);
            assert_int_equal(period_at(&rule, &zone, period.end_us - 1).number, period.number);
            assert_int_equal(period_at(&rule, &zone, period.end_us).start_us, period.end_us);
        }
    }
}

/* 00:01 became 23:01 of the day before: that day was over all the same. */
static void a_midnight_that_came_twice(void **state)
{
    (void)state;
    struct zone zone;
    struct period_rule const rule = {
        .unit = PERIOD_DAY, .count = 1, .anchor_us = anchor(2010, 11, 1, 12)};
    if (!zone_load("America/St_Johns", &zone))
        skip();
    struct period const period = period_at(&rule, &zone, anchor(2010, 11, 7, 3));
    assert_int_equal(period.number, 6);
    assert_int_equal(period.start_us, instant(2010, 11, 7, 2, 30, 0));
    assert_int_equal(period.end_us, instant(2010, 11, 8, 3, 30, 0));
    assert_int_equal(period_prorate(&period, &zone, anchor(2010, 11, 7, 3), 100), 100);
    /* A period of another zone that ends in the second 23rd hour; the first midnight before. */
    struct period const odd = {0, anchor(2010, 11, 3, 12), anchor(2010, 11, 7, 3)};
    assert_int_equal(period_prorate(&odd, &zone, instant(2010, 11, 7, 2, 30, 30), 400), 100);
}

static void the_anchors_period_is_the_first(void **state)
{
    (void)state;
    struct period_rule rule = {.unit = PERIOD_MONTH, .count = 1};
    for (int day = 1; day <= 31; day++) {
        rule.anchor_us = anchor(2027, 1, day, 15);
        struct period const period = period_at(&rule, zone_utc(), rule.anchor_us);
        assert_int_equal(period.number, 0);
        assert_int_equal(period.start_us, anchor(2027, 1, day, 0));
    }
}

/* An anchor at midnight in Sao Paulo is 23:00 of the day before in Manaus. */
static void the_anchor_day_outlives_the_zone(void **state)
{
    (void)state;
    struct zone manaus;
    if (!zone_load("America/Manaus", &manaus))
        skip();
    struct period_rule rule = {
        .unit = PERIOD_MONTH, .count = 3, .anchor_us = anchor(2026, 2, 1, 3), .anchor_day = 1};
    assert_int_equal(period_boundary_us(&rule, &manaus, 0), anchor(2026, 2, 1, 4));
    assert_int_equal(period_boundary_us(&rule, &manaus, 1), anchor(2026, 5, 1, 4));
    rule.anchor_day = 0; /* else it would be 31 January */
    assert_int_equal(period_boundary_us(&rule, &manaus, 0), anchor(2026, 1, 31, 4));
    assert_int_equal(period_boundary_us(&rule, &manaus, 1), anchor(2026, 4, 30, 4));
    rule = (struct period_rule){
        .unit = PERIOD_WEEK, .count = 1, .anchor_us = anchor(2026, 2, 1, 3), .anchor_day = 1};
    assert_int_equal(period_boundary_us(&rule, &manaus, 1), anchor(2026, 2, 8, 4));
    /* 31 January, kept from a zone to the east, in a month that ends on the 28th. */
    rule = (struct period_rule){
        .unit = PERIOD_MONTH, .count = 1, .anchor_us = anchor(2027, 3, 1, 2), .anchor_day = 31};
    assert_int_equal(period_boundary_us(&rule, &manaus, 0), anchor(2027, 2, 28, 4));
    assert_int_equal(period_boundary_us(&rule, &manaus, 1), anchor(2027, 3, 31, 4));
}

static void a_period_after_a_zone_change(void **state)
{
    (void)state;
    static const struct {
        const char *what, *zone;
        int day, hour; /* of March: the end, from the old zone; the anchor's day is 4 */
        int end_month, end_day, end_hour, end_minute;
    } rows[] = {
        {"to the west: no period of one hour", "America/Manaus", 4, 3, 4, 4, 4, 0},
        {"to the east: a month less one hour", "America/Noronha", 4, 3, 4, 4, 2, 0},
        {"far to the east", "Pacific/Kiritimati", 4, 3, 4, 3, 10, 0},
        {"from the far east", "America/Manaus", 3, 10, 4, 4, 4, 0},
        {"half an hour", "Asia/Kolkata", 4, 3, 4, 3, 18, 30},
        {"no change at all", "America/Sao_Paulo", 4, 3, 4, 4, 3, 0},
        {"just over 26 hours are a period", "America/Manaus", 3, 1, 3, 4, 4, 0},
    };
    struct zone zone;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!zone_load(rows[i].zone, &zone))
            continue;
        struct period_rule const rule = {
            .unit = PERIOD_MONTH, .count = 1, .anchor_us = anchor(2026, 12, 4, 3), .anchor_day = 4};
        int64_t const end_us = anchor(2027, 3, rows[i].day, rows[i].hour);
        int64_t const wanted = instant(2027, rows[i].end_month, rows[i].end_day, rows[i].end_hour,
                                       rows[i].end_minute, 0);
        struct period const period = period_after(&rule, &zone, end_us);
        if (period.start_us != end_us || period.end_us != wanted)
            fail_msg("%s: %lld s late", rows[i].what,
                     (long long)((period.end_us - wanted) / second_us));
        /* From there on the zone's own periods follow without a gap. */
        struct period const next = period_at(&rule, &zone, period.end_us);
        assert_int_equal(next.start_us, period.end_us);
        assert_int_equal(next.number, period.number + 1);
    }
    struct period_rule const daily = {.unit = PERIOD_DAY, .count = 1, .anchor_us = 0};
    struct period const exact = /* 26 hours after is a boundary: it is not more than that */
        period_after(&daily, zone_utc(), anchor(2027, 3, 1, 22));
    assert_int_equal(exact.end_us, anchor(2027, 3, 4, 0));
}

static void shares_of_a_period(void **state)
{
    (void)state;
    struct zone zone;
    struct period_rule const rule = {
        .unit = PERIOD_MONTH, .count = 1, .anchor_us = anchor(2027, 3, 1, 3)};
    if (!zone_load("America/Sao_Paulo", &zone))
        skip();
    struct period const march = period_at(&rule, &zone, rule.anchor_us); /* 31 days */
    static const struct {
        const char *what;
        int month, day, hour; /* UTC */
        int64_t amount, wanted;
    } rows[] = {
        {"the first instant", 3, 1, 3, 3100, 3100},
        {"the first day counts as remaining", 3, 2, 2, 3100, 3100},
        {"from the second day", 3, 2, 3, 3100, 3000},
        {"22:00 local on the 15th", 3, 16, 1, 3100, 1700},
        {"the last day", 3, 31, 12, 3100, 100},
        {"its last hour", 4, 1, 2, 3100, 100},
        {"the end", 4, 1, 3, 3100, 0},
        {"long after", 9, 1, 3, 3100, 0},
        {"before", 2, 1, 3, 3100, 3100},
        {"rounded down", 3, 31, 12, 61, 1},
        {"nothing", 3, 5, 12, 0, 0},
        {"no overflow", 3, 2, 3, INT64_MAX, INT64_MAX / 31 * 30 + 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t const at_us = anchor(2027, rows[i].month, rows[i].day, rows[i].hour);
        int64_t const got = period_prorate(&march, &zone, at_us, rows[i].amount);
        if (got != rows[i].wanted)
            fail_msg("%s: %lld", rows[i].what, (long long)got);
    }
    /* A month with a day of 23 hours has its 30 days all the same. */
    struct period const november = period_at(&rule, &zone, anchor(2018, 11, 10, 12));
    assert_int_equal(period_prorate(&november, &zone, anchor(2018, 11, 4, 3), 300), 270);
    /* A period that ends within a day, after a zone change: that day counts. */
    struct period const odd = {0, anchor(2027, 3, 1, 12), anchor(2027, 3, 4, 12)};
    assert_int_equal(period_prorate(&odd, zone_utc(), anchor(2027, 3, 4, 11), 400), 100);
}

static void names(void **state)
{
    (void)state;
    static const char *const wanted[] = {"day", "week", "month", "year"};
    for (int i = 0; i < PERIOD_UNIT_COUNT; i++)
        assert_string_equal(period_unit_name((enum period_unit)i), wanted[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(periods_have_no_gaps),
        cmocka_unit_test(a_midnight_that_came_twice),
        cmocka_unit_test(the_anchors_period_is_the_first),
        cmocka_unit_test(the_anchor_day_outlives_the_zone),
        cmocka_unit_test(a_period_after_a_zone_change),
        cmocka_unit_test(shares_of_a_period),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
