/* test_price_exact.c - one row = a cost per token as files write it, and USD per million. */
#include "app/price_exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct row {
    const char *what, *per_token, *per_million; /* NULL: refused with `code` */
    enum price_exact code;
} rows[] = {
    {"an exponent", "1.5e-07", "0.15", PRICE_EXACT},
    {"a capital one, with its sign", "2.5E-6", "2.5", PRICE_EXACT},
    {"a positive one", "1e+2", "100000000", PRICE_EXACT},
    {"a plain decimal", "0.00001", "10", PRICE_EXACT},
    {"no zero before the point", ".000003", "3", PRICE_EXACT},
    {"no digit after it", "1.", "1000000", PRICE_EXACT},
    {"free", "0", "0", PRICE_EXACT},
    {"free, written long", "0.000e-99", "0", PRICE_EXACT},
    {"zeros at both ends", "000.0000001500", "0.15", PRICE_EXACT},
    {"the finest", "1e-12", "0.000001", PRICE_EXACT},
    {"the dearest", "999.999999999999", "999999999.999999", PRICE_EXACT},
    {"a double would not be exact", "1.1e-06", "1.1", PRICE_EXACT},
    {"one digit more than a price has", "0.0000003000001", NULL, PRICE_TOO_FINE},
    {"finer than a price", "1e-13", NULL, PRICE_TOO_FINE},
    {"very much finer", "1e-900", NULL, PRICE_TOO_FINE},
    {"dearer than a price", "1000", NULL, PRICE_TOO_LARGE},
    {"very much dearer", "1e900", NULL, PRICE_TOO_LARGE},
    {"negative", "-1e-6", NULL, PRICE_NO_NUMBER},
    {"nothing", "", NULL, PRICE_NO_NUMBER},
    {"a point alone", ".", NULL, PRICE_NO_NUMBER},
    {"two points", "1.2.3", NULL, PRICE_NO_NUMBER},
    {"an exponent without digits", "1e", NULL, PRICE_NO_NUMBER},
    {"only its sign", "1e-", NULL, PRICE_NO_NUMBER},
    {"an exponent that would overflow", "1e99999999999", NULL, PRICE_NO_NUMBER},
    {"an exponent alone", "e5", NULL, PRICE_NO_NUMBER},
    {"words", "free", NULL, PRICE_NO_NUMBER},
    {"more digits than any price has",
     "0.12345678901234567890123456789012345678901234567890123456789012345", NULL, PRICE_NO_NUMBER},
};

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[PRICE_TEXT_BYTES];
        struct str text = {0};
        enum price_exact const code = price_per_million(str_of(rows[i].per_token), out, &text);
        bool const same = code != PRICE_EXACT || str_eq(text, str_of(rows[i].per_million));
        if (code != rows[i].code || !same)
            fail_msg("%s: \"%s\" gives %d \"%.*s\"", rows[i].what, rows[i].per_token, (int)code,
                     STR_ARG(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
