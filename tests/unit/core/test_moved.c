/* test_moved.c - the vectors of domain.md 2.6 for a zone that changes in the middle of a window. */
#include "core/moved.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "zone_help.h"

enum { PLACES = 5 };
enum place { SAO_PAULO, MANAUS, NORONHA, TOKYO, KOLKATA };
static struct zone zones[PLACES];

static bool zones_there(void)
{
    static const char *const names[PLACES] = {"America/Sao_Paulo", "America/Manaus",
                                              "America/Noronha", "Asia/Tokyo", "Asia/Kolkata"};
    for (size_t i = 0; i < PLACES; i++)
        if (!zone_load(names[i], &zones[i]))
            return false;
    return true;
}

/* An hour of a day of March 2027, UTC; days may be beyond it. */
static int64_t march(int day, int hour, int minute)
{
    return instant(2027, 3, day, hour, minute, 0);
}

static const struct row {
    const char *sentence;
    enum window_kind kind; /* WINDOW_PERIOD: a month from the 4th on */
    enum place from, to;
    int change_day, change_hour, at_day, at_hour;
    int start_day, start_hour, end_day, end_hour, end_minute;
} rows[] = {
    {"before the change", WINDOW_MONTH, SAO_PAULO, MANAUS, 10, 12, 9, 0, 1, 3, 32, 3, 0},
    {"what runs keeps its end", WINDOW_MONTH, SAO_PAULO, MANAUS, 10, 12, 11, 0, 1, 3, 32, 3, 0},
    {"to its last hour", WINDOW_MONTH, SAO_PAULO, MANAUS, 10, 12, 32, 2, 1, 3, 32, 3, 0},
    {"to the west: no month of one hour", WINDOW_MONTH, SAO_PAULO, MANAUS, 10, 12, 32, 3, 32, 3, 62,
     4, 0},
    {"to the east: a month less an hour", WINDOW_MONTH, SAO_PAULO, NORONHA, 10, 12, 32, 3, 32, 3,
     62, 2, 0},
    {"then by the new zone alone", WINDOW_MONTH, SAO_PAULO, NORONHA, 10, 12, 62, 2, 62, 2, 93, 2,
     0},
    {"far to the east", WINDOW_MONTH, SAO_PAULO, TOKYO, 10, 12, 40, 0, 32, 3, 61, 15, 0},
    {"a week", WINDOW_WEEK, SAO_PAULO, MANAUS, 10, 12, 15, 3, 15, 3, 22, 4, 0},
    {"the day that runs", WINDOW_DAY, SAO_PAULO, TOKYO, 10, 12, 11, 2, 10, 3, 11, 3, 0},
    {"a day of half a day at least", WINDOW_DAY, SAO_PAULO, TOKYO, 10, 12, 11, 3, 11, 3, 12, 15, 0},
    {"a day and an hour", WINDOW_DAY, SAO_PAULO, MANAUS, 10, 12, 11, 3, 11, 3, 12, 4, 0},
    {"a day less an hour", WINDOW_DAY, SAO_PAULO, NORONHA, 10, 12, 11, 3, 11, 3, 12, 2, 0},
    {"an hour is the new zone's at once", WINDOW_HOUR, SAO_PAULO, TOKYO, 10, 12, 10, 13, 10, 13, 10,
     14, 0},
    {"the same windows: nothing to move", WINDOW_DAY, MANAUS, MANAUS, 10, 12, 11, 5, 11, 4, 12, 4,
     0},
    {"a period that runs keeps its end", WINDOW_PERIOD, SAO_PAULO, TOKYO, 10, 12, 34, 0, 4, 3, 35,
     3, 0},
    {"the next one begins there", WINDOW_PERIOD, SAO_PAULO, MANAUS, 10, 12, 40, 0, 35, 3, 65, 4, 0},
    {"half an hour", WINDOW_PERIOD, SAO_PAULO, KOLKATA, 10, 12, 40, 0, 35, 3, 64, 18, 30},
};

static struct period window_of(enum window_kind kind, const struct zone *zone,
                               const struct zones_past *past, int64_t at_us)
{
    struct period_rule const monthly = {
        .unit = PERIOD_MONTH, .count = 1, .anchor_us = march(4, 12, 0), .anchor_day = 4};
    struct period window = {0};
    if (kind == WINDOW_PERIOD)
        return moved_period(&monthly, zone, past, at_us);
    moved_window(kind, zone, past, at_us, &window.start_us, &window.end_us);
    return window;
}

static void a_window_over_a_change(void **state)
{
    (void)state;
    if (!zones_there())
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct zones_past const past = {
            1, {{&zones[row->from], march(row->change_day, row->change_hour, 0)}}};
        struct period const window =
            window_of(row->kind, &zones[row->to], &past, march(row->at_day, row->at_hour, 0));
        if (window.start_us != march(row->start_day, row->start_hour, 0) ||
            window.end_us != march(row->end_day, row->end_hour, row->end_minute))
            fail_msg(
                "%s: %lld s and %lld s late", row->sentence,
                (long long)((window.start_us - march(row->start_day, row->start_hour, 0)) /
                            second_us),
                (long long)((window.end_us - march(row->end_day, row->end_hour, row->end_minute)) /
                            second_us));
    }
}

/* Whatever changes, at any time: each instant is in one window, windows follow one another, and
 * one that has begun ends when it said it would. */
static void windows_follow_one_another(void **state)
{
    static const enum window_kind kinds[] = {WINDOW_DAY, WINDOW_WEEK, WINDOW_MONTH, WINDOW_PERIOD};
    int64_t const hour_us = 3600 * second_us;
    (void)state;
    if (!zones_there())
        skip();
    for (int seed = 0; seed < 200; seed++) {
        struct zones_past past = {0};
        enum window_kind const kind = kinds[seed % 4];
        const struct zone *zone = &zones[seed % PLACES];
        int64_t at_us = march(1, 0, 0) + seed * 7 * hour_us;
        struct period before = window_of(kind, zone, &past, at_us);
        for (int step = 1; step < 2000; step++) {
            at_us += hour_us;
            struct period const window = window_of(kind, zone, &past, at_us);
            bool const same = window.start_us == before.start_us && window.end_us == before.end_us;
            assert_true(window.start_us <= at_us && at_us < window.end_us);
            if (at_us < before.end_us && !same)
                fail_msg("seed %d, step %d: a window that runs has changed", seed, step);
            if (at_us >= before.end_us && window.start_us != before.end_us)
                fail_msg("seed %d, step %d: windows that do not meet", seed, step);
            before = window;
            if ((step * 31 + seed * 17) % 211 == 0 && past.count < ZONES_PAST_MAX) {
                past.list[past.count++] = (struct zone_past){zone, at_us};
                zone = &zones[(seed + step) % PLACES];
            }
        }
        assert_int_equal(past.count, ZONES_PAST_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_over_a_change),
        cmocka_unit_test(windows_follow_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
