/* test_alert.c - which shares of a limit one step of use takes it across. */
#include "core/alert.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct row {
    const char *sentence;
    int64_t before, after, limit;
    struct alert_thresholds thresholds, passed;
} rows[] = {
    {"nothing is used", 0, 0, 100, {{80, 100}}, {{0}}},
    {"below the first share", 0, 79, 100, {{80, 100}}, {{0}}},
    {"the first share exactly", 79, 80, 100, {{80, 100}}, {{80}}},
    {"told already", 80, 81, 100, {{80, 100}}, {{0}}},
    {"the limit is met", 99, 100, 100, {{80, 100}}, {{100}}},
    {"both in one step", 79, 100, 100, {{80, 100}}, {{80, 100}}},
    {"all of them from the start", 0, 300, 100, {{1, 50, 80, 300}}, {{1, 50, 80, 300}}},
    {"beyond the limit, of a soft one", 100, 150, 100, {{100, 120, 150, 200}}, {{120, 150}}},
    {"a share that is no whole number is rounded up", 0, 2, 3, {{80}}, {{0}}},
    {"... and reached by the next one", 2, 3, 3, {{80}}, {{80}}},
    {"a limit of one", 0, 1, 1, {{1, 80, 100}}, {{1, 80, 100}}},
    {"nothing reaches a limit of zero", 0, 5, 0, {{80, 100}}, {{0}}},
    {"no shares", 0, 100, 100, {{0}}, {{0}}},
    {"raised from 100 to 200 at 90: 80 % of it is told again", 90, 160, 200, {{80}}, {{80}}},
    {"raised from 100 to 105 at 90: 80 % of it is below what is used", 90, 91, 105, {{80}}, {{0}}},
    {"lowered to 50 at 90: nothing of it is above what is used", 90, 91, 50, {{80, 100}}, {{0}}},
    {"as much as int64 counts", INT64_MAX - 1, INT64_MAX, INT64_MAX, {{99, 100, 1000}}, {{100}}},
};

static void shares_are_passed_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct alert_thresholds passed;
        size_t wanted = 0;
        print_message("  %s\n", rows[i].sentence);
        while (wanted < ALERT_THRESHOLDS_MAX && rows[i].passed.percent[wanted] > 0)
            wanted++;
        assert_int_equal(
            alert_edges(rows[i].before, rows[i].after, rows[i].limit, &rows[i].thresholds, &passed),
            wanted);
        assert_memory_equal(&passed, &rows[i].passed, sizeof passed);
    }
}

/* However use is cut into steps, each share is passed by exactly one. */
static void however_it_is_cut_into_steps(void **state)
{
    struct alert_thresholds const thresholds = {{1, 33, 80, 100, 250}};
    (void)state;
    for (int64_t limit = 1; limit <= 40; limit++)
        for (int64_t step = 1; step <= 7; step++) {
            size_t told = 0;
            struct alert_thresholds passed;
            for (int64_t used = 0; used < 3 * limit; used += step)
                told += alert_edges(used, used + step, limit, &thresholds, &passed);
            assert_int_equal(told, 5);
        }
}

static void thresholds_stay_in_order(void **state)
{
    static const int64_t given[] = {100, 80, 0, 80, 1000, 1, 50, 60, 70, 90};
    struct alert_thresholds thresholds = {0};
    struct alert_thresholds const expected = {{1, 50, 60, 70, 80, 90, 100, 1000}};
    (void)state;
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        assert_true(alert_add(&thresholds, given[i]));
    assert_memory_equal(&thresholds, &expected, sizeof thresholds);
    assert_true(alert_add(&thresholds, 1000));
    assert_false(alert_add(&thresholds, 2));
    assert_false(alert_add(&thresholds, -1));
    assert_false(alert_add(&thresholds, ALERT_PERCENT_MAX + 1));
    assert_memory_equal(&thresholds, &expected, sizeof thresholds);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_passed_once),
        cmocka_unit_test(however_it_is_cut_into_steps),
        cmocka_unit_test(thresholds_stay_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
