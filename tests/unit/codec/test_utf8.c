/* test_utf8.c - every edge of RFC 3629, and all code points there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/utf8.h"
#include <cmocka.h>

static void edges_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        size_t valid; /* length of the valid prefix */
    } cases[] = {
        {"nothing", "", 0},
        {"ASCII", "abc\x7f", 4},
        {"first and last of two bytes", "\xc2\x80\xdf\xbf", 4},
        {"first and last of three bytes", "\xe0\xa0\x80\xef\xbf\xbf", 6},
        {"around the surrogates", "\xed\x9f\xbf\xee\x80\x80", 6},
        {"first and last of four bytes", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8},
        {"a tail alone", "a\x80", 1},
        {"overlong two bytes", "ab\xc0\x80", 2},
        {"overlong two bytes, last", "\xc1\xbf", 0},
        {"overlong three bytes", "\xe0\x9f\xbf", 0},
        {"overlong four bytes", "\xf0\x8f\xbf\xbf", 0},
        {"first surrogate", "\xed\xa0\x80", 0},
        {"last surrogate", "\xed\xbf\xbf", 0},
        {"above the last code point", "\xf4\x90\x80\x80", 0},
        {"a lead that never occurs", "\xf5\x80\x80\x80", 0},
        {"five bytes of old", "\xf8\x88\x80\x80\x80", 0},
        {"FE and FF", "\xfe\xff", 0},
        {"two bytes, cut", "abcdefgh\xc3", 8},
        {"three bytes, cut after two", "abcdefgh\xe2\x82", 8},
        {"four bytes, cut after three", "abcdefghi\xf0\x9f\x98", 9},
        {"two bytes, wrong tail", "\xc3(", 0},
        {"three bytes, wrong second", "\xe2(\xa1", 0},
        {"three bytes, wrong third", "\xe2\x82(", 0},
        {"four bytes, wrong second", "\xf0(\x8c\xbc", 0},
        {"four bytes, wrong third", "\xf0\x90(\xbc", 0},
        {"four bytes, wrong fourth", "\xf0\x90\x8c(", 0},
        {"a bad byte among eight good ones",
         "abcdefg\xff"
         "12345678",
         7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str const text = str_of(cases[i].text);
        if (utf8_valid_prefix(text) != cases[i].valid ||
            utf8_valid(text) != (cases[i].valid == text.len))
            fail_msg("%s", cases[i].name);
    }
    assert_true(utf8_valid((struct str){0}));
    assert_true(utf8_valid(str_make("a\0b", 3)));
}

static void every_code_point_is_valid_but_the_surrogates(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= 0x10ffff + 0x1000; code++) {
        char text[4] = {0};
        size_t len = 1;
        text[0] = (char)code;
        if (code >= 0x80) {
            len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
            unsigned const lead = len == 2 ? 0xc0 : len == 3 ? 0xe0 : 0xf0;
            text[0] = (char)(lead | code >> 6 * (len - 1));
            for (size_t i = 1; i < len; i++)
                text[i] = (char)(0x80 | (code >> 6 * (len - 1 - i) & 0x3f));
        }
        bool const valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        if (utf8_valid(str_make(text, len)) != valid)
            fail_msg("U+%04X", code);
    }
}

/* Of all two-byte and three-byte texts exactly those that decode are valid: counted, not listed. */
static void exactly_the_right_number_of_short_texts_is_valid(void **state)
{
    (void)state;
    size_t two = 0, three = 0;
    for (unsigned value = 0; value < 1u << 24; value++) {
        char const text[] = {(char)(value >> 16), (char)(value >> 8), (char)value};
        three += utf8_valid(str_make(text, 3));
        if (value < 1u << 16)
            two += utf8_valid(str_make(text + 1, 2));
    }
    assert_int_equal(two, 128 * 128 + 1920);
    assert_int_equal(three, 128 * 128 * 128 + 2 * 128 * 1920 + (65536 - 2048 - 2048));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_known),
        cmocka_unit_test(every_code_point_is_valid_but_the_surrogates),
        cmocka_unit_test(exactly_the_right_number_of_short_texts_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
