/* test_str.c - views, the empty one and the NULL one among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include <cmocka.h>

static const struct str nothing;

static void every_byte_at(size_t place, size_t len)
{
    char a[20], b[20];
    memset(a, 'Q', sizeof a);
    memset(b, 'q', sizeof b);
    for (unsigned byte = 0; byte < 256; byte++) {
        bool const letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z' && byte < 128;
        a[place] = (char)byte;
        for (unsigned other = 0; other < 256; other++) {
            bool const same = byte == other || (letter && (byte ^ other) == 0x20);
            b[place] = (char)other;
            assert_int_equal(str_eq_nocase(str_make(a, len), str_make(b, len)), same);
        }
    }
}

static void views_are_compared(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), STR("a")));
    assert_false(str_eq(STR("a"), STR("A")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq(nothing, STR("")));
    assert_true(str_empty(nothing));
    assert_int_equal(str_of(NULL).len, 0);
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_eq_nocase(STR("a["), STR("a{"))); /* 0x20 apart, but no letters */
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(nothing, STR("")));
    for (size_t len = 1; len < 20; len++) /* words overlap in other ways at each length */
        for (size_t place = 0; place < len; place++)
            every_byte_at(place, len);
    assert_false(str_eq_nocase(STR("\xc3\x87"), STR("\xe3\x87"))); /* ASCII only */
}

static void prefixes_and_rests(void **state)
{
    (void)state;
    assert_true(str_starts(STR("Bearer x"), STR("Bearer ")));
    assert_false(str_starts(STR("Bear"), STR("Bearer")));
    assert_true(str_starts(STR("x"), STR("")));
    assert_true(str_starts(nothing, STR("")));
    assert_true(str_starts(nothing, nothing));
    assert_true(str_eq(str_skip(STR("abc"), 1), STR("bc")));
    assert_true(str_eq(str_skip(STR("abc"), 0), STR("abc")));
    assert_int_equal(str_skip(STR("abc"), 3).len, 0);
    assert_int_equal(str_skip(STR("abc"), 99).len, 0);
    assert_int_equal(str_skip(nothing, 5).len, 0);
}

static void needles_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *needle;
        size_t at;
    } cases[] = {
        {"abcabc", "c", 2}, {"abcabc", "cab", 2}, {"abc", "abcd", 3}, {"abc", "", 0},
        {"", "a", 0},       {"abc", "x", 3},      {"aaab", "aab", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(str_find(str_of(cases[i].text), str_of(cases[i].needle)), cases[i].at);
    assert_int_equal(str_find(nothing, STR("a")), 0);
}

static void blanks_are_trimmed(void **state)
{
    (void)state;
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR("\na\r")), STR("\na\r"))); /* line ends are not blanks */
    assert_int_equal(str_trim(STR(" \t ")).len, 0);
    assert_int_equal(str_trim(nothing).len, 0);
}

static void numbers_are_digits_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1a", false, 0},
        {"\xd9\xa1", false, 0}, /* a digit elsewhere */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        assert_int_equal(str_to_i64(str_of(cases[i].text), &value), cases[i].valid);
        assert_int_equal(value, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_compared),          cmocka_unit_test(prefixes_and_rests),
        cmocka_unit_test(needles_are_found),           cmocka_unit_test(blanks_are_trimmed),
        cmocka_unit_test(numbers_are_digits_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
