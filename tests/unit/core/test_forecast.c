/* test_forecast.c - rates, weeks and days to come; figures worked out by hand. */
#include "core/forecast.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "zone_help.h"

enum { DAYS_MAX = 60 };

/* 2026-11-01 was a Sunday: 2026-10-26 and 2026-11-02 were Mondays. */
static const struct {
    const char *what;
    int last_month, last_date; /* of 2026; histories end on it */
    size_t count;
    int64_t days[DAYS_MAX];
    bool known, weekly;
    int64_t next_week; /* of the seven days after the last; they start at midnight */
    int64_t next_half; /* of the first twelve hours of them */
} rows[] = {
    {"two days say nothing", 11, 1, 2, {10, 10}, false, false, 0, 0},
    {"no history", 11, 1, 0, {0}, false, false, 0, 0},
    {"never used: no history", 11, 1, 10, {0}, false, false, 0, 0},
    {"three days: their mean", 11, 1, 3, {10, 20, 30}, true, false, 140, 10},
    {"days before the first use do not count",
     11,
     1,
     6,
     {0, 0, 0, 10, 20, 30},
     true,
     false,
     140,
     10},
    {"days without use after it do", 11, 1, 4, {40, 0, 0, 0}, true, false, 70, 5},
    {"the same every day", 11, 1, 10, {8, 8, 8, 8, 8, 8, 8, 8, 8, 8}, true, false, 56, 4},
    {"the eighth day counts for a quarter",
     11,
     1,
     8,
     {8, 8, 8, 8, 8, 8, 8, 16},
     true,
     false,
     70,
     5},
    {"two quiet days after a week: 9/16",
     11,
     1,
     9,
     {16, 16, 16, 16, 16, 16, 16, 0, 0},
     true,
     false,
     63,
     5},
    {"two weeks of working days: Monday first, none at the weekend",
     11,
     1,
     14,
     {10, 10, 10, 10, 10, 0, 0, 10, 10, 10, 10, 10, 0, 0},
     true,
     true,
     50,
     5},
    {"… of which Friday is the last: the next is a Saturday",
     10,
     30,
     16,
     {10, 10, 0, 0, 10, 10, 10, 10, 10, 0, 0, 10, 10, 10, 10, 10},
     true,
     true,
     50,
     0},
    {"only Mondays", 11, 1, 14, {70, 0, 0, 0, 0, 0, 0, 70, 0, 0, 0, 0, 0, 0}, true, true, 70, 35},
    {"28 days are looked at",
     11,
     1,
     30,
     {900, 900, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
     true,
     true,
     7,
     1},
    {"more than can be counted",
     11,
     1,
     3,
     {INT64_MAX, INT64_MAX, INT64_MAX},
     true,
     false,
     INT64_MAX,
     INT64_MAX / 2 + 1},
};

static struct forecast_history history_of(size_t row)
{
    int64_t const at_us = instant(2026, rows[row].last_month, rows[row].last_date, 12, 0, 0);
    return (struct forecast_history){.zone = zone_utc(),
                                     .last_day = zone_day(zone_utc(), at_us),
                                     .count = rows[row].count,
                                     .days = rows[row].days};
}

static void known_forecasts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct forecast forecast;
        struct forecast_history const history = history_of(i);
        bool const known = forecast_make(&history, &forecast);
        if (known != rows[i].known || (known && forecast.weekly != rows[i].weekly))
            fail_msg("%s: known %d, weekly %d", rows[i].what, known, forecast.weekly);
        if (!known)
            continue;
        int64_t const from_us = zone_day_begins_us(zone_utc(), history.last_day + 1);
        int64_t const day_us = SECONDS_PER_DAY * second_us;
        int64_t const week = forecast_between(&forecast, from_us, from_us + 7 * day_us);
        int64_t const half = forecast_between(&forecast, from_us, from_us + day_us / 2);
        if (week != rows[i].next_week || half != rows[i].next_half)
            fail_msg("%s: %lld a week, %lld in half a day", rows[i].what, (long long)week,
                     (long long)half);
    }
}

/* 24 an hour: what is used up when, and that nothing is used backwards. */
static void when_it_is_used_up(void **state)
{
    (void)state;
    static const int64_t days[] = {576, 576, 576};
    struct forecast forecast;
    int64_t const from_us = instant(2026, 11, 20, 18, 0, 0);
    struct forecast_history const history = {zone_utc(), zone_day(zone_utc(), from_us) - 1, 3,
                                             days};
    assert_true(forecast_make(&history, &forecast));
    assert_int_equal(forecast_when(&forecast, from_us, 0), from_us);
    assert_int_equal(forecast_when(&forecast, from_us, -5), from_us);
    assert_int_equal(forecast_when(&forecast, from_us, 24), instant(2026, 11, 20, 19, 0, 0));
    assert_int_equal(forecast_when(&forecast, from_us, 144), instant(2026, 11, 21, 0, 0, 0));
    assert_int_equal(forecast_when(&forecast, from_us, 144 + 576 + 288),
                     instant(2026, 11, 22, 12, 0, 0));
    assert_int_equal(forecast_when(&forecast, from_us, INT64_MAX), INT64_MAX);
    assert_int_equal(forecast_between(&forecast, from_us, from_us), 0);
    assert_int_equal(forecast_between(&forecast, from_us, from_us - 1), 0);
}

static void a_rate_that_died_uses_nothing_up(void **state)
{
    (void)state;
    int64_t days[FORECAST_HISTORY_DAYS] = {5};
    struct forecast forecast;
    int64_t const from_us = instant(2026, 11, 20, 0, 0, 0);
    struct forecast_history const history = {zone_utc(), zone_day(zone_utc(), from_us) - 1,
                                             FORECAST_HISTORY_DAYS, days};
    assert_true(forecast_make(&history, &forecast));
    assert_int_equal(forecast_when(&forecast, from_us, INT64_MAX), INT64_MAX);
}

/* Local days have 23, 24 or 25 hours: each is a whole day's use all the same. */
static void days_of_a_zone(void **state)
{
    (void)state;
    static const int64_t days[] = {100, 100, 100, 100};
    struct zone zone;
    struct forecast forecast;
    if (!zone_load("Europe/Lisbon", &zone))
        return;
    for (int month = 3; month <= 10; month += 7) { /* 29 March, 25 October: the clocks change */
        int64_t const noon_us = instant(2026, month, month == 3 ? 29 : 25, 12, 0, 0);
        int64_t const day = zone_day(&zone, noon_us);
        struct forecast_history const history = {&zone, day - 1, 4, days};
        int64_t const from_us = zone_day_begins_us(&zone, day);
        int64_t const until_us = zone_day_begins_us(&zone, day + 1);
        assert_int_not_equal(until_us - from_us, SECONDS_PER_DAY * second_us);
        assert_true(forecast_make(&history, &forecast));
        assert_int_equal(forecast_between(&forecast, from_us, until_us), 100);
        assert_int_equal(forecast_when(&forecast, from_us, 100), until_us);
        assert_int_equal(forecast_when(&forecast, from_us, 150),
                         until_us + SECONDS_PER_DAY * second_us / 2);
    }
}

/* Whatever the history: cutting a span in two changes nothing but its rounding, and what is used up
 * at an instant is what is used until then. */
static void spans_add_up(void **state)
{
    (void)state;
    uint64_t seed = 12345;
    for (int round = 0; round < 300; round++) {
        int64_t days[40];
        struct forecast forecast;
        size_t const count = 3 + (size_t)(round % 38);
        for (size_t i = 0; i < count; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            days[i] = (int64_t)(seed >> 40) * (int64_t)(seed >> 33 & 3) + (i == 0);
        }
        int64_t const from_us = instant(2026, 5, 1 + round % 28, round % 24, 17, 3);
        struct forecast_history const history = {zone_utc(), zone_day(zone_utc(), from_us) - 1,
                                                 count, days};
        if (!forecast_make(&history, &forecast))
            continue;
        int64_t const until_us = from_us + (1 + round % 31) * SECONDS_PER_DAY * second_us;
        int64_t const cut_us = from_us + (until_us - from_us) / 3;
        int64_t const all = forecast_between(&forecast, from_us, until_us);
        int64_t const cut = forecast_between(&forecast, from_us, cut_us) +
                            forecast_between(&forecast, cut_us, until_us);
        assert_in_range(all - cut + 1, 0, 2);
        int64_t const at_us = forecast_when(&forecast, from_us, all);
        if (all > 0 && at_us != INT64_MAX)
            assert_in_range(forecast_between(&forecast, from_us, at_us) - all + 1, 0, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_forecasts),
        cmocka_unit_test(when_it_is_used_up),
        cmocka_unit_test(a_rate_that_died_uses_nothing_up),
        cmocka_unit_test(days_of_a_zone),
        cmocka_unit_test(spans_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
