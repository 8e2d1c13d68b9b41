/* test_markup.c - what is charged, to the last nano; and that it never falls when usage grows. */
#include "core/markup.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define USD(dollars)         ((int64_t)((dollars)*1000000000LL))
#define MARK(per_mille, fee) .marked = true, .factor = (per_mille)*1000000LL, .fixed = (fee)

static const struct row {
    const char *sentence;
    struct tariff tariff;
    int64_t cost, tokens, charge;
    enum err err;
} rows[] = {
    {"no tariff: the cost", {0}, 12345, 7, 12345, ERR_OK},
    {"no tariff: as much as there is", {0}, INT64_MAX, 7, INT64_MAX, ERR_OK},
    {"20 % more", {MARK(1200, 0)}, 1000, 7, 1200, ERR_OK},
    {"20 % more, rounded up", {MARK(1200, 0)}, 1, 7, 2, ERR_OK},
    {"-100 %: free", {MARK(0, 0)}, 1000, 7, 0, ERR_OK},
    {"a fee beside it", {MARK(1200, 50)}, 1000, 7, 1250, ERR_OK},
    {"a fee alone, for what costs nothing", {MARK(1000, 50)}, 0, 7, 50, ERR_OK},
    {"100 credits per dollar",
     {.basis = CREDIT_COST, .rate = USD(100)},
     USD(2),
     7,
     USD(200),
     ERR_OK},
    {"credits come after the markup, fee and all",
     {MARK(1500, USD(1)), .basis = CREDIT_COST, .rate = USD(100)},
     USD(2),
     7,
     USD(400),
     ERR_OK},
    {"both roundings are up",
     {MARK(1001, 0), .basis = CREDIT_COST, .rate = 300000000},
     1,
     7,
     1,
     ERR_OK},
    {"2 credits per 1 000 tokens, whatever they cost",
     {MARK(1500, 0), .basis = CREDIT_TOKENS, .rate = USD(2)},
     USD(9),
     1500,
     USD(3),
     ERR_OK},
    {"a third of a credit per 1 000 tokens, rounded up",
     {.basis = CREDIT_TOKENS, .rate = 333333333},
     0,
     1,
     333334,
     ERR_OK},
    {"no tokens", {.basis = CREDIT_TOKENS, .rate = USD(2)}, USD(9), 0, 0, ERR_OK},
    {"3 credits per call", {.basis = CREDIT_REQUESTS, .rate = USD(3)}, USD(9), 99, USD(3), ERR_OK},
    {"the markup is too much", {MARK(2000, 0)}, INT64_MAX, 7, -1, ERR_FIELD_INVALID},
    {"the fee is too much", {MARK(1000, INT64_MAX)}, 2, 7, -1, ERR_FIELD_INVALID},
    {"the credits are too much",
     {.basis = CREDIT_TOKENS, .rate = INT64_MAX},
     0,
     2000,
     -1,
     ERR_FIELD_INVALID},
    {"the markup is too much before it is credits",
     {MARK(2000, 0), .basis = CREDIT_COST, .rate = 1},
     INT64_MAX,
     7,
     -1,
     ERR_FIELD_INVALID},
};

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct money charge = {-1};
        enum err const err =
            tariff_charge(&row->tariff, (struct money){row->cost}, row->tokens, &charge);
        if (err != row->err || charge.nano != row->charge)
            fail_msg("%s: error %d, charge %lld", row->sentence, (int)err, (long long)charge.nano);
    }
}

static const struct percent_row {
    const char *percent;
    bool good;
    int64_t factor;
} percents[] = {
    {"0", true, 1000000000},
    {"20", true, 1200000000},
    {"-100", true, 0},
    {"-0.5", true, 995000000},
    {"0.0000001", true, 1000000001},
    {"100000", true, 1001000000000},
    {"-100.0000001", false, 0}, /* would pay the customer */
    {"100000.1", false, 0},
    {"0.00000001", false, 0}, /* more digits than are kept */
    {"1e2", false, 0},
    {"", false, 0},
};

static void each_percent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        int64_t factor = 0;
        if (markup_factor(str_of(percents[i].percent), &factor) != percents[i].good ||
            factor != percents[i].factor)
            fail_msg("%s: %lld", percents[i].percent, (long long)factor);
    }
}

/* Why a call that keeps to its estimate is never charged more than was held. */
static void the_charge_is_monotone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tariff const *tariff = &rows[i].tariff;
        struct money before = {0}, now;
        if (rows[i].err != ERR_OK)
            continue;
        for (int64_t usage = 0; usage < 3000; usage++) {
            assert_int_equal(tariff_charge(tariff, (struct money){usage * 37}, usage, &now),
                             ERR_OK);
            assert_true(now.nano >= before.nano);
            before = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row),
        cmocka_unit_test(each_percent),
        cmocka_unit_test(the_charge_is_monotone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
