/* test_price.c - what tokens cost: one rounding, fallbacks, unknown is never free. */
#include "core/price.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UNKNOWN PRICE_UNKNOWN
enum { MINI_IN = 150000, MINI_OUT = 600000, MINI_CACHED = 75000 }; /* pico: 0.15, 0.60, 0.075 */

static struct price mini(void)
{
    struct price price;
    price_init(&price);
    price.pico[POOL_INPUT] = MINI_IN;
    price.pico[POOL_OUTPUT] = MINI_OUT;
    price.pico[POOL_CACHED_INPUT] = MINI_CACHED;
    return price;
}

static const struct row {
    const char *sentence;
    int64_t tokens[POOL_COUNT];
    enum err err;
    int64_t nano;
} rows[] = {
    {"nothing costs nothing", {0}, ERR_OK, 0},
    {"a thousand in, 500 out", {[POOL_INPUT] = 1000, [POOL_OUTPUT] = 500}, ERR_OK, 450000},
    {"cached has its own price", {[POOL_CACHED_INPUT] = 1000}, ERR_OK, 75000},
    {"reasoning falls back to output", {[POOL_REASONING] = 10}, ERR_OK, 6000},
    {"audio in falls back to input", {[POOL_AUDIO_INPUT] = 10}, ERR_OK, 1500},
    {"an hour's cache write falls back twice", {[POOL_CACHE_WRITE_1H] = 10}, ERR_OK, 1500},
    {"negative tokens are refused", {[POOL_INPUT] = -1}, ERR_FIELD_INVALID, 0},
    {"a sum beyond int64 is refused", {[POOL_INPUT] = INT64_MAX}, ERR_FIELD_INVALID, 0},
    {"two large pools do not wrap",
     {[POOL_INPUT] = INT64_MAX, [POOL_OUTPUT] = INT64_MAX},
     ERR_FIELD_INVALID,
     0},
    {"beyond 64 bits of pico, within int64 of nano",
     {[POOL_OUTPUT] = 15000000000000},
     ERR_OK,
     9000000000000000},
};

static void costs_are_exact(void **state)
{
    (void)state;
    struct price const price = mini();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct usage usage = {.source = USAGE_EXACT};
        struct money cost = {-7};
        memcpy(usage.tokens, rows[i].tokens, sizeof usage.tokens);
        print_message("  %s\n", rows[i].sentence);
        assert_int_equal(price_cost(&price, &usage, &cost), rows[i].err);
        assert_int_equal(cost.nano, rows[i].err == ERR_OK ? rows[i].nano : -7);
    }
}

static void the_sum_is_rounded_up_once(void **state)
{
    (void)state;
    struct price price;
    struct usage usage = {0};
    struct money cost;
    price_init(&price);
    price.pico[POOL_INPUT] = 1; /* a thousandth of a nano each */
    price.pico[POOL_OUTPUT] = 1;
    usage.tokens[POOL_INPUT] = usage.tokens[POOL_OUTPUT] = 1;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
    assert_int_equal(cost.nano, 1); /* not 2: pools are summed before they are rounded */
    usage.tokens[POOL_INPUT] = 999;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
    assert_int_equal(cost.nano, 1);
    usage.tokens[POOL_OUTPUT] = 2;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
    assert_int_equal(cost.nano, 2);
    /* the largest that fits, in both widths */
    price.pico[POOL_INPUT] = 1000;
    usage.tokens[POOL_INPUT] = INT64_MAX;
    usage.tokens[POOL_OUTPUT] = 0;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
    assert_int_equal(cost.nano, INT64_MAX);
    usage.tokens[POOL_OUTPUT] = 1;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_FIELD_INVALID);
}

static void unknown_is_refused_and_free_is_free(void **state)
{
    (void)state;
    struct price price;
    struct usage usage = {0};
    struct money cost;
    price_init(&price);
    price.pico[POOL_INPUT] = 0;
    usage.tokens[POOL_INPUT] = 1000;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
    assert_int_equal(cost.nano, 0);
    usage.tokens[POOL_OUTPUT] = 1;
    assert_int_equal(price_cost(&price, &usage, &cost), ERR_PRICE_UNKNOWN);
    assert_int_equal(price_of(&price, POOL_OUTPUT), UNKNOWN);
    assert_int_equal(price_of(&price, POOL_REASONING), UNKNOWN);
    assert_int_equal(price_of(&price, POOL_CACHE_WRITE_1H), 0);
}

static const struct afford_row {
    const char *sentence;
    int64_t in, out, input_tokens, budget, choices, output;
} affordable[] = {
    {"exactly ten", 1000, 2000, 10, 30, 1, 10},
    {"a nano short of ten", 1000, 2000, 10, 29, 1, 9},
    {"two choices share", 1000, 2000, 10, 30, 2, 5},
    {"the input alone is too much", 1000, 2000, 31, 30, 1, 0},
    {"the input takes it all", 1000, 2000, 30, 30, 1, 0},
    {"free output has no bound", 1000, 0, 30, 30, 2, INT64_MAX / 2},
    {"no budget, all free", 0, 0, 5, 0, 1, INT64_MAX},
    {"debt buys nothing", 0, 0, 0, -1, 1, 0},
    {"unknown input price", UNKNOWN, 10, 5, 100, 1, 0},
    {"unknown output price", 10, UNKNOWN, 5, 100, 1, 0},
    {"fractions of a nano count", 0, 1, 0, 1, 1, 1000},
    {"more than int64 tokens", 0, 1, 0, INT64_MAX, 1, INT64_MAX},
};

static void the_budget_buys_the_most_that_it_pays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof affordable / sizeof affordable[0]; i++) {
        const struct afford_row *row = &affordable[i];
        struct price price;
        struct usage usage = {.tokens = {[POOL_INPUT] = row->input_tokens}};
        price_init(&price);
        price.pico[POOL_INPUT] = row->in;
        price.pico[POOL_OUTPUT] = row->out;
        print_message("  %s\n", row->sentence);
        struct money const budget = {row->budget};
        int64_t const output = price_affordable_output(&price, &usage, budget, row->choices);
        assert_int_equal(output, row->output);
        if (output == 0 || output > 1000000)
            continue;
        struct money cost;
        usage.tokens[POOL_OUTPUT] = output * row->choices;
        assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
        assert_true(cost.nano <= row->budget);
        usage.tokens[POOL_OUTPUT] += row->choices;
        assert_int_equal(price_cost(&price, &usage, &cost), ERR_OK);
        assert_true(cost.nano > row->budget);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_exact),
        cmocka_unit_test(the_sum_is_rounded_up_once),
        cmocka_unit_test(unknown_is_refused_and_free_is_free),
        cmocka_unit_test(the_budget_buys_the_most_that_it_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
