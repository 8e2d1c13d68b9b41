/* test_when.c - instants and spans: one row = one text and what it means. */
#include "codec/when.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define S   INT64_C(1000000)
#define BAD INT64_MIN

static const struct {
    const char *what, *text;
    int64_t wall_us;
} instants[] = {
    {"the beginning", "1970-01-01T00:00:00Z", 0},
    {"a date is its midnight", "1970-01-02", 86400 * S},
    {"a fraction", "1970-01-01T00:00:00.5Z", 500000},
    {"nine digits, three of them beyond us", "1970-01-01T00:00:00.123456789Z", 123456},
    {"ten digits are too many", "1970-01-01T00:00:00.1234567890Z", BAD},
    {"a point without digits", "1970-01-01T00:00:00.Z", BAD},
    {"east of Greenwich", "1970-01-01T03:00:00+03:00", 0},
    {"west of Greenwich", "1969-12-31T21:00:00-03:00", 0},
    {"a leap day", "2024-02-29T00:00:00Z", 1709164800 * S},
    {"a leap day that is none", "2023-02-29T00:00:00Z", BAD},
    {"a century is no leap year", "1900-02-29", BAD},
    {"every fourth century is", "2000-02-29", 951782400 * S},
    {"31 April", "2026-04-31", BAD},
    {"before the beginning", "1969-12-31T23:59:59Z", -1 * S},
    {"a space for the T", "1970-01-01 00:00:01Z", 1 * S},
    {"no zone", "1970-01-01T00:00:00", BAD},
    {"hour 24", "1970-01-01T24:00:00Z", BAD},
    {"minute 60", "1970-01-01T00:60:00Z", BAD},
    {"a leap second", "1970-01-01T00:00:60Z", BAD},
    {"month 13", "1970-13-01", BAD},
    {"day 0", "1970-01-00", BAD},
    {"something after it", "1970-01-01T00:00:00Zx", BAD},
    {"an offset too far", "1970-01-01T00:00:00+24:00", BAD},
    {"a short offset", "1970-01-01T00:00:00+03", BAD},
    {"a sign in a number", "1970-+1-01", BAD},
    {"nothing", "", BAD},
    {"a word", "tomorrow", BAD},
};

static void instants_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        int64_t wall_us = BAD;
        if (!when_parse(str_of(instants[i].text), &wall_us))
            wall_us = BAD;
        if (wall_us != instants[i].wall_us)
            fail_msg("%s: %lld", instants[i].what, (long long)wall_us);
    }
}

static const struct {
    const char *text;
    int64_t span_us;
} spans[] = {{"90s", 90 * S},
             {"15m", 900 * S},
             {"1h", 3600 * S},
             {"7d", 7 * 86400 * S},
             {"0s", 0},
             {"1w", BAD},
             {"h", BAD},
             {"", BAD},
             {"-1h", BAD},
             {"1.5h", BAD},
             {"36500d", INT64_C(36500) * 86400 * S},
             {"36501d", BAD},
             {"99999999999999999999s", BAD}};

static void spans_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        int64_t span_us = BAD;
        if (!when_span_parse(str_of(spans[i].text), &span_us))
            span_us = BAD;
        if (span_us != spans[i].span_us)
            fail_msg("%s: %lld", spans[i].text, (long long)span_us);
    }
    int64_t since_us;
    assert_true(when_since_parse(STR("1h"), 7200 * S, &since_us));
    assert_int_equal(since_us, 3600 * S);
    assert_true(when_since_parse(STR("1970-01-01T00:00:01Z"), 7200 * S, &since_us));
    assert_int_equal(since_us, 1 * S);
    assert_false(when_since_parse(STR("yesterday"), 7200 * S, &since_us));
}

/* Each day of 800 years, written and read back; and the ends of what can be written. */
static void what_is_written_is_read(void **state)
{
    (void)state;
    char text[WHEN_TEXT_BYTES];
    for (int64_t day = -150000; day < 150000; day++) {
        int64_t const wall_us = day * 86400 * S + (day & 0xffff) * 1318;
        int64_t again_us;
        assert_true(when_parse(when_text(wall_us, text), &again_us));
        assert_int_equal(again_us, wall_us);
    }
    assert_true(str_eq(when_text(0, text), STR("1970-01-01T00:00:00.000000Z")));
    assert_true(str_eq(when_text(-1, text), STR("1969-12-31T23:59:59.999999Z")));
    assert_true(str_starts(when_text(INT64_MAX, text), STR("9999-")));
    assert_true(str_starts(when_text(INT64_MIN, text), STR("0000-")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(instants_are_read),
                                       cmocka_unit_test(spans_are_read),
                                       cmocka_unit_test(what_is_written_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
