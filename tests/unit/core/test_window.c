/* test_window.c - calendar windows against the C library's calendar, and at their edges. */
#include "base/random.h"
#include "core/window.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

enum { INSTANTS = 20000 };
static const int64_t second_us = 1000000;

static int64_t instant(int year, int month, int day, int hour, int minute, int second)
{
    struct tm parts = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second};
    return (int64_t)timegm(&parts) * second_us;
}

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
        for (int kind = 0; kind < WINDOW_KIND_COUNT; kind++) {
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
    assert_string_equal(window_name(WINDOW_SECOND), "second");
    assert_string_equal(window_name(WINDOW_MONTH), "month");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instant_is_in_its_window),
        cmocka_unit_test(edges_of_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
