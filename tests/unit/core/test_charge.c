/* test_charge.c - what is charged, row by row (domain.md 5.5 "What is charged / returned"). */
#include "core/charge.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HELD .held.tokens = {[POOL_INPUT] = 1000, [POOL_OUTPUT] = 500}, .input_estimate = 40
#define REPORT(in, out)                                                                            \
    .has_usage = true, .reported.tokens = {[POOL_INPUT] = in, [POOL_OUTPUT] = out}

static const struct row {
    const char *sentence;
    struct charge_facts facts;
    bool free, clamped;
    int64_t input, output;
    enum usage_source source;
} rows[] = {
    {"never sent: free", {HELD, .client_gone = true}, true, false, 0, 0, 0},
    {"refused by the provider: free, error text is never output",
     {HELD, .dispatched = true, .refused = true, .whole = true, .output_estimate = 99},
     true,
     false,
     0,
     0,
     0},
    {"refused although usage was reported: free for the customer",
     {HELD, .dispatched = true, .refused = true, REPORT(7, 3)},
     true,
     false,
     0,
     0,
     0},
    {"no answer at all and the client still there: our failure, free",
     {HELD, .dispatched = true},
     true,
     false,
     0,
     0,
     0},
    {"whole, with usage: the provider's figures",
     {HELD, .dispatched = true, .whole = true, REPORT(7, 3)},
     false,
     false,
     7,
     3,
     USAGE_PROVIDER},
    {"an explicit zero is a value, not missing",
     {HELD, .dispatched = true, .whole = true, .output_estimate = 50, REPORT(0, 0)},
     false,
     false,
     0,
     0,
     USAGE_PROVIDER},
    {"whole, without usage: our count, marked",
     {HELD, .dispatched = true, .whole = true, .output_estimate = 12},
     false,
     false,
     40,
     12,
     USAGE_ESTIMATED},
    {"cut after the first event: input and what was received",
     {HELD, .dispatched = true, .begun = true, .output_estimate = 5},
     false,
     false,
     40,
     5,
     USAGE_ESTIMATED},
    {"a provider that never stops: our count ends at what was held",
     {HELD, .dispatched = true, .begun = true, .output_estimate = 90000},
     false,
     false,
     40,
     500,
     USAGE_ESTIMATED},
    {"client gone before the first byte: the input",
     {HELD, .dispatched = true, .client_gone = true},
     false,
     false,
     40,
     0,
     USAGE_ESTIMATED},
    {"client gone, drained to usage: the provider's figures",
     {HELD, .dispatched = true, .client_gone = true, .whole = true, .begun = true, REPORT(7, 3)},
     false,
     false,
     7,
     3,
     USAGE_PROVIDER},
    {"cut while a running total lags behind: the input reported, the output seen",
     {HELD, .dispatched = true, .begun = true, .output_estimate = 20, REPORT(7, 3)},
     false,
     false,
     7,
     20,
     USAGE_ESTIMATED},
    {"cut while a running total is ahead: the total",
     {HELD, .dispatched = true, .begun = true, .output_estimate = 2, REPORT(7, 3)},
     false,
     false,
     7,
     3,
     USAGE_PROVIDER},
    {"absurd usage: clamped to the hold, and told",
     {HELD, .dispatched = true, .whole = true, .absurd = true},
     false,
     true,
     1000,
     500,
     USAGE_ESTIMATED},
    {"a number beyond reason is absurd too",
     {HELD, .dispatched = true, .whole = true, REPORT(7, USAGE_TOKENS_MAX + 1)},
     false,
     true,
     1000,
     500,
     USAGE_ESTIMATED},
    {"more than was held but possible: charged as reported",
     {HELD, .dispatched = true, .whole = true, REPORT(5000, 600)},
     false,
     false,
     5000,
     600,
     USAGE_PROVIDER},
};

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct charge_verdict const got = charge_decide(&rows[i].facts);
        print_message("  %s\n", rows[i].sentence);
        assert_int_equal(got.free, rows[i].free);
        assert_int_equal(got.clamped, rows[i].clamped);
        assert_int_equal(usage_input(&got.usage), rows[i].input);
        assert_int_equal(usage_output(&got.usage), rows[i].output);
        if (!rows[i].free)
            assert_int_equal(got.usage.source, rows[i].source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
