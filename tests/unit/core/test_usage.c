/* test_usage.c - each token is in exactly one pool, whatever the provider reports. */
#include "core/usage.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct row {
    const char *sentence;
    struct usage_report report;
    bool ok;
    int64_t tokens[POOL_COUNT];
} rows[] = {
    {"plain", {.prompt = 10, .completion = 5}, true, {[POOL_INPUT] = 10, [POOL_OUTPUT] = 5}},
    {"nothing is a value", {0}, true, {0}},
    {"cached is inside prompt",
     {.prompt = 100, .cached = 80, .completion = 1},
     true,
     {[POOL_INPUT] = 20, [POOL_CACHED_INPUT] = 80, [POOL_OUTPUT] = 1}},
    {"reasoning is inside completion",
     {.prompt = 1, .completion = 50, .reasoning = 45},
     true,
     {[POOL_INPUT] = 1, [POOL_OUTPUT] = 5, [POOL_REASONING] = 45}},
    {"all kinds at once",
     {.prompt = 100,
      .cached = 10,
      .cache_write = 20,
      .audio_in = 30,
      .image_in = 15,
      .completion = 60,
      .reasoning = 10,
      .audio_out = 20,
      .image_out = 5},
     true,
     {[POOL_INPUT] = 25,
      [POOL_CACHED_INPUT] = 10,
      [POOL_CACHE_WRITE_5M] = 20,
      [POOL_AUDIO_INPUT] = 30,
      [POOL_IMAGE_INPUT] = 15,
      [POOL_OUTPUT] = 25,
      [POOL_REASONING] = 10,
      [POOL_AUDIO_OUTPUT] = 20,
      [POOL_IMAGE_OUTPUT] = 5}},
    {"cached and image overlap (xAI): the sum stays the prompt",
     {.prompt = 100, .cached = 80, .image_in = 60},
     true,
     {[POOL_CACHED_INPUT] = 80, [POOL_IMAGE_INPUT] = 20}},
    {"more cached than prompt is clamped",
     {.prompt = 10, .cached = 500, .completion = 3},
     true,
     {[POOL_CACHED_INPUT] = 10, [POOL_OUTPUT] = 3}},
    {"more reasoning than completion is clamped",
     {.prompt = 1, .completion = 3, .reasoning = 9},
     true,
     {[POOL_INPUT] = 1, [POOL_REASONING] = 3}},
    {"a negative total is absurd", {.prompt = -1, .completion = 5}, false, {[POOL_OUTPUT] = 5}},
    {"a negative completion is absurd", {.prompt = 2, .completion = -5}, false, {[POOL_INPUT] = 2}},
    {"a negative part is absurd, and moves nothing",
     {.prompt = 10, .cached = -4},
     false,
     {[POOL_INPUT] = 10}},
    {"a fraction is absurd", {.prompt = 10, .negative = true}, false, {[POOL_INPUT] = 10}},
};

static void every_token_has_one_pool(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct usage usage;
        print_message("  %s\n", rows[i].sentence);
        assert_int_equal(usage_from_report(&rows[i].report, &usage), rows[i].ok);
        for (int pool = 0; pool < POOL_COUNT; pool++)
            assert_int_equal(usage.tokens[pool], rows[i].tokens[pool]);
        assert_int_equal(usage.source, USAGE_PROVIDER);
        if (rows[i].ok)
            assert_int_equal(usage_total(&usage),
                             rows[i].report.prompt + rows[i].report.completion);
    }
}

static void each_negative_part_is_noticed(void **state)
{
    (void)state;
    struct usage usage;
    struct usage_report reports[] = {
        {.prompt = 9, .cache_write = -1},   {.prompt = 9, .audio_in = -1},
        {.prompt = 9, .image_in = -1},      {.completion = 9, .reasoning = -1},
        {.completion = 9, .audio_out = -1}, {.completion = 9, .image_out = -1},
    };
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        assert_false(usage_from_report(&reports[i], &usage));
        assert_int_equal(usage_total(&usage), 9);
    }
}

static void sums_stop_at_the_end_of_the_range(void **state)
{
    (void)state;
    struct usage usage = {0};
    for (int pool = 0; pool < POOL_COUNT; pool++)
        usage.tokens[pool] = INT64_MAX / 2;
    assert_int_equal(usage_input(&usage), INT64_MAX);
    assert_int_equal(usage_output(&usage), INT64_MAX);
    assert_int_equal(usage_total(&usage), INT64_MAX);
}

static void names_come_from_the_table(void **state)
{
    (void)state;
    assert_string_equal(pool_key(POOL_CACHED_INPUT), "cached_input");
    assert_string_equal(pool_column(POOL_IMAGE_OUTPUT), "image_output_tokens");
    assert_string_equal(usage_source_name(USAGE_NONE), "none");
    assert_string_equal(usage_source_name(USAGE_EXACT), "exact");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_has_one_pool),
        cmocka_unit_test(each_negative_part_is_noticed),
        cmocka_unit_test(sums_stop_at_the_end_of_the_range),
        cmocka_unit_test(names_come_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
