/* test_money.c - decimals, 128-bit products, sums that do not fit. */
#include "core/money.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct decimal_row {
    const char *text;
    unsigned scale;
    bool ok;
    int64_t value;
} decimals[] = {
    {"0", 9, true, 0},
    {"100", 9, true, 100000000000},
    {"0.15", 6, true, 150000},
    {"0.0028", 6, true, 2800},
    {"-12.5", 9, true, -12500000000},
    {"-0", 9, true, 0},
    {"0.000000001", 9, true, 1},
    {"0.0000000010", 9, true, 1},  /* more digits, all of them zero */
    {"0.0000000011", 9, false, 0}, /* more than the scale can hold */
    {"007", 2, true, 700},
    {"9223372036.854775807", 9, true, INT64_MAX},
    {"9223372036.854775808", 9, false, 0},
    {"-9223372036.854775808", 9, true, INT64_MIN},
    {"-9223372036.854775809", 9, false, 0},
    {"99999999999999999999", 0, false, 0},
    {"9300000000", 9, false, 0},
    {"5", 0, true, 5},
    {"5.0", 0, true, 5},
    {"5.1", 0, false, 0},
    {"", 9, false, 0},
    {"-", 9, false, 0},
    {".", 9, false, 0},
    {".5", 9, false, 0},
    {"5.", 9, false, 0},
    {"1e3", 9, false, 0},
    {"+1", 9, false, 0},
    {" 1", 9, false, 0},
    {"1 ", 9, false, 0},
    {"1.2.3", 9, false, 0},
    {"0x10", 9, false, 0},
    {"nan", 9, false, 0},
    {"--1", 9, false, 0},
    {"1,5", 9, false, 0},
};

static void decimals_are_exact_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decimals / sizeof decimals[0]; i++) {
        const struct decimal_row *row = &decimals[i];
        int64_t value = 42;
        print_message("  \"%s\" at scale %u\n", row->text, row->scale);
        assert_int_equal(decimal_parse(str_of(row->text), row->scale, &value), row->ok);
        assert_int_equal(value, row->ok ? row->value : 42);
    }
}

static const struct text_row {
    int64_t value;
    unsigned scale;
    const char *text;
} texts[] = {
    {0, 9, "0"},
    {1, 9, "0.000000001"},
    {-1, 9, "-0.000000001"},
    {1500000000, 9, "1.5"},
    {1000000000, 9, "1"},
    {150000, 6, "0.15"},
    {-12500000000, 9, "-12.5"},
    {120, 0, "120"},
    {INT64_MAX, 9, "9223372036.854775807"},
    {INT64_MIN, 9, "-9223372036.854775808"},
    {INT64_MIN, 18, "-9.223372036854775808"},
    {INT64_MIN, 0, "-9223372036854775808"},
};

static void the_shortest_decimal_comes_back_as_the_same_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[24];
        int64_t back = 0;
        size_t const len = decimal_text(texts[i].value, texts[i].scale, out);
        assert_int_equal(len, strlen(texts[i].text));
        assert_memory_equal(out, texts[i].text, len);
        assert_true(decimal_parse(str_make(out, len), texts[i].scale, &back));
        assert_int_equal(back, texts[i].value);
    }
}

static const struct product_row {
    int64_t a, b, c, result;
} products[] = {
    {0, 5, 3, 0},
    {10, 3, 3, 10},
    {10, 1, 3, 4}, /* rounded up */
    {1, 1, INT64_MAX, 1},
    {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
    {INT64_MAX, 2, 2, INT64_MAX},
    {INT64_MAX, 2, 1, INT64_MAX}, /* does not fit */
    {INT64_MAX - 1, 1, 1, INT64_MAX - 1},
    {3000000000, 4000000000, 7, 1714285714285714286},
};

static void products_are_taken_in_128_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        assert_int_equal(mul_div_ceil(products[i].a, products[i].b, products[i].c),
                         products[i].result);
}

static void sums_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    struct money sum = {7};
    struct money const most = {INT64_MAX}, least = {INT64_MIN}, one = {1};
    assert_false(money_add(most, one, &sum));
    assert_false(money_sub(least, one, &sum));
    assert_int_equal(sum.nano, 7);
    assert_true(money_add(most, least, &sum));
    assert_int_equal(sum.nano, -1);
    assert_true(money_sub(one, most, &sum));
    assert_int_equal(sum.nano, INT64_MIN + 2);
    assert_int_equal(money_min(one, most).nano, 1);
    assert_int_equal(money_min(most, one).nano, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_exact_or_refused),
        cmocka_unit_test(the_shortest_decimal_comes_back_as_the_same_number),
        cmocka_unit_test(products_are_taken_in_128_bits),
        cmocka_unit_test(sums_that_do_not_fit_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
