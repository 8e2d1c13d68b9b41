/* test_window.c - calendar windows against the C library's calendar, and at their edges. */
#include "base/random.h"
#include "core/window.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "zone_help.h"

enum { INSTANTS = 20000, ZONE_INSTANTS = 200 };

/* By the C library: the parts below the window's unit set to their first. */
static int64_t expected(enum window_kind kind, int64_t at_us)
{
    struct tm parts;
    time_t const seconds = (time_t)(at_us / second_us - (at_us % second_us < 0));
    gmtime_r(&seconds, &parts);
    parts.tm_sec = kind >= WINDOW_MINUTE ? 0 : parts.tm_sec;
    parts.tm_min = kind >= WINDOW_HOUR ? 0 : parts.tm_min;
    parts.tm_hour = kind >= WINDOW_DAY ? 0 : parts.tm_hour;
    if (kind == WINDOW_WEEK)
        parts.tm_mday -= (parts.tm_wday + 6) % 7;
    if (kind == WINDOW_MONTH)
        parts.tm_mday = 1;
    return (int64_t)timegm(&parts) * second_us;
}

static void every_instant_is_in_its_window(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 3);
    for (int i = 0; i < INSTANTS; i++) {
        int64_t const span = instant(2400, 1, 1, 0, 0, 0) - instant(1900, 1, 1, 0, 0, 0);
        int64_t const at_us =
            instant(1900, 1, 1, 0, 0, 0) + (int64_t)random_below(&random, (uint64_t)span);
        for (int kind = 0; kind <= WINDOW_MONTH; kind++) {
            int64_t const start = window_start((enum window_kind)kind, at_us);
            int64_t const end = window_end((enum window_kind)kind, start);
            assert_int_equal(start, expected((enum window_kind)kind, at_us));
            assert_true(start <= at_us && at_us < end);
            assert_int_equal(window_start((enum window_kind)kind, end), end); /* half-open */
            assert_int_equal(window_start((enum window_kind)kind, end - 1), start);
        }
    }
}

static void edges_of_the_calendar(void **state)
{
    (void)state;
    assert_int_equal(window_start(WINDOW_MONTH, instant(2028, 2, 29, 23, 59, 59)),
                     instant(2028, 2, 1, 0, 0, 0));
    assert_int_equal(window_end(WINDOW_MONTH, instant(2028, 2, 1, 0, 0, 0)),
                     instant(2028, 3, 1, 0, 0, 0));
    assert_int_equal(window_end(WINDOW_MONTH, instant(2100, 2, 1, 0, 0, 0)),
                     instant(2100, 3, 1, 0, 0, 0)); /* no leap year */
    assert_int_equal(window_end(WINDOW_MONTH, instant(2000, 2, 1, 0, 0, 0)) -
                         instant(2000, 2, 1, 0, 0, 0),
                     29 * 86400 * second_us);
    assert_int_equal(window_end(WINDOW_MONTH, instant(2026, 12, 1, 0, 0, 0)),
                     instant(2027, 1, 1, 0, 0, 0));
    /* Sunday's last second and Monday's first */
    assert_int_equal(window_start(WINDOW_WEEK, instant(2026, 11, 22, 23, 59, 59)),
                     instant(2026, 11, 16, 0, 0, 0));
    assert_int_equal(window_start(WINDOW_WEEK, instant(2026, 11, 23, 0, 0, 0)),
                     instant(2026, 11, 23, 0, 0, 0));
    assert_int_equal(window_start(WINDOW_WEEK, 0), -3 * 86400 * second_us);
    assert_int_equal(window_start(WINDOW_SECOND, -1), -second_us);
}

static void names(void **state)
{
    (void)state;
    static const char *const wanted[] = {"second", "minute", "hour",   "day",
                                         "week",   "month",  "period", "ever"};
    for (int kind = 0; kind < WINDOW_KIND_COUNT; kind++)
        assert_string_equal(window_name((enum window_kind)kind), wanted[kind]);
}

/* --- by a zone ------------------------------------------------------------------------------- */
struct bounds {
    int64_t start_us, end_us;
};

static struct bounds bounds_at(int kind, const struct zone *zone, int64_t at_us)
{
    struct bounds bounds;
    window_bounds((enum window_kind)kind, zone, at_us, &bounds.start_us, &bounds.end_us);
    return bounds;
}

static void utc_bounds_are_the_utc_windows(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 5);
    for (int i = 0; i < INSTANTS; i++) {
        int64_t const at_us =
            (int64_t)random_below(&random, (uint64_t)instant(2200, 1, 1, 0, 0, 0));
        for (int kind = 0; kind <= WINDOW_MONTH; kind++) {
            struct bounds const bounds = bounds_at(kind, zone_utc(), at_us);
            assert_int_equal(bounds.start_us, window_start((enum window_kind)kind, at_us));
            assert_int_equal(bounds.end_us, window_end((enum window_kind)kind, bounds.start_us));
        }
    }
}

static void check_partition(const struct zone *zone, int kind, int64_t at_us)
{
    struct bounds const bounds = bounds_at(kind, zone, at_us);
    if (bounds.start_us > at_us || at_us >= bounds.end_us)
        fail_msg("%s, kind %d, %lld", zone->name, kind, (long long)at_us);
    int64_t const same_us[] = {bounds.start_us, bounds.end_us - 1};
    for (int i = 0; i < 2; i++) {
        struct bounds const same = bounds_at(kind, zone, same_us[i]);
        assert_int_equal(same.start_us, bounds.start_us);
        assert_int_equal(same.end_us, bounds.end_us);
    }
    assert_int_equal(bounds_at(kind, zone, bounds.end_us).start_us, bounds.end_us);
    assert_int_equal(bounds_at(kind, zone, bounds.start_us - 1).end_us, bounds.start_us);
}

static void zones_are_cut_without_gaps(void **state)
{
    (void)state;
    static const char *const zones[] = {
        "America/Sao_Paulo", "America/Manaus",   "America/Rio_Branco",  "America/Noronha",
        "Asia/Kolkata",      "Asia/Kathmandu",   "America/New_York",    "America/Santiago",
        "America/St_Johns",  "Pacific/Apia",     "Australia/Lord_Howe", "Africa/Casablanca",
        "Europe/Dublin",     "Pacific/Kwajalein"};
    struct random random;
    struct zone zone;
    random_seed(&random, 29);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        if (!zone_load(zones[i], &zone))
            continue;
        for (int k = 0; k < ZONE_INSTANTS; k++) {
            uint64_t const span = (uint64_t)instant(2060, 1, 1, 0, 0, 0);
            int64_t at_us = (int64_t)random_below(&random, span);
            if (k % 2 == 0) /* within two days of a change of the clock */
                at_us = zone.at_s[random_below(&random, zone.transition_count)] * second_us +
                        (int64_t)random_below(&random, 4ull * 86400 * 1000000) -
                        2 * 86400 * second_us;
            for (int kind = 0; kind <= WINDOW_MONTH; kind++)
                check_partition(&zone, kind, at_us);
        }
    }
}

static const struct {
    const char *what, *zone;
    enum window_kind kind;
    const char *at, *start, *end; /* UTC */
} known_rows[] = {
    {"an evening belongs to its local day", "America/Sao_Paulo", WINDOW_DAY, "2026-11-22 02:59",
     "2026-11-21 03:00", "2026-11-22 03:00"},
    {"Sunday night is last week's", "America/Sao_Paulo", WINDOW_WEEK, "2026-11-23 02:59",
     "2026-11-16 03:00", "2026-11-23 03:00"},
    {"New Year's Eve is December's", "America/Sao_Paulo", WINDOW_MONTH, "2027-01-01 02:59",
     "2026-12-01 03:00", "2027-01-01 03:00"},
    {"a day of 23 hours", "America/Sao_Paulo", WINDOW_DAY, "2018-11-04 12:00", "2018-11-04 03:00",
     "2018-11-05 02:00"},
    {"a day of 25 hours, its second 23:00", "America/Sao_Paulo", WINDOW_DAY, "2019-02-17 02:30",
     "2019-02-16 02:00", "2019-02-17 03:00"},
    {"the hour that came twice is two", "America/Sao_Paulo", WINDOW_HOUR, "2019-02-17 02:30",
     "2019-02-17 02:00", "2019-02-17 03:00"},
    {"a month with a change", "America/Sao_Paulo", WINDOW_MONTH, "2018-11-20 00:00",
     "2018-11-01 03:00", "2018-12-01 02:00"},
    {"half an hour", "Asia/Kolkata", WINDOW_HOUR, "2026-11-21 12:15", "2026-11-21 11:30",
     "2026-11-21 12:30"},
    {"three quarters", "Asia/Kathmandu", WINDOW_HOUR, "2026-11-21 12:14", "2026-11-21 11:15",
     "2026-11-21 12:15"},
    {"clocks back by half an hour", "Australia/Lord_Howe", WINDOW_HOUR, "2026-04-04 15:10",
     "2026-04-04 15:00", "2026-04-04 15:30"},
    {"minutes are the same everywhere", "Asia/Kathmandu", WINDOW_MINUTE, "2026-11-21 12:14",
     "2026-11-21 12:14", "2026-11-21 12:15"},
    {"midnight came twice: the first began the day", "America/St_Johns", WINDOW_DAY,
     "2010-11-07 03:00", "2010-11-07 02:30", "2010-11-08 03:30"},
    {"the day that was not", "Pacific/Apia", WINDOW_DAY, "2011-12-30 09:59", "2011-12-29 10:00",
     "2011-12-30 10:00"},
    {"a day of daylight, by the footer", "America/New_York", WINDOW_DAY, "2040-03-11 12:00",
     "2040-03-11 05:00", "2040-03-12 04:00"},
};

static int64_t minute_of(const char *text)
{
    struct tm parts = {.tm_sec = 0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &parts));
    return (int64_t)timegm(&parts) * second_us;
}

static void known_windows(void **state)
{
    (void)state;
    struct zone zone;
    for (size_t i = 0; i < sizeof known_rows / sizeof known_rows[0]; i++) {
        if (!zone_load(known_rows[i].zone, &zone))
            continue;
        struct bounds const bounds =
            bounds_at((int)known_rows[i].kind, &zone, minute_of(known_rows[i].at));
        int64_t const start_us = minute_of(known_rows[i].start);
        int64_t const end_us = minute_of(known_rows[i].end);
        if (bounds.start_us != start_us || bounds.end_us != end_us)
            fail_msg("%s: starts %lld s late, ends %lld s late", known_rows[i].what,
                     (long long)((bounds.start_us - start_us) / second_us),
                     (long long)((bounds.end_us - end_us) / second_us));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instant_is_in_its_window),
        cmocka_unit_test(edges_of_the_calendar),
        cmocka_unit_test(names),
        cmocka_unit_test(utc_bounds_are_the_utc_windows),
        cmocka_unit_test(zones_are_cut_without_gaps),
        cmocka_unit_test(known_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
