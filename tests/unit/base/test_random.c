/* test_random.c - a seed repeats its numbers, a bound holds, secrets differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include <cmocka.h>
#include <string.h>

static void a_seed_repeats_and_another_does_not(void **state)
{
    (void)state;
    struct random a, b, c;
    int same = 0;
    random_seed(&a, 42);
    random_seed(&b, 42);
    random_seed(&c, 43);
    for (int i = 0; i < 1000; i++) {
        uint64_t const value = random_next(&a);
        assert_true(value == random_next(&b));
        same += value == random_next(&c);
    }
    assert_int_equal(same, 0);
}

static void the_generator_is_xoshiro256_star_star(void **state)
{
    (void)state;
    /* the first outputs from state 1, 2, 3, 4, worked out by hand from the published algorithm:
     * rotl(2 * 5, 7) * 9 = 11520; then s[1] = 0, rotl(0, 7) * 9 = 0 */
    struct random random = {{1, 2, 3, 4}};
    assert_true(random_next(&random) == 11520);
    assert_true(random_next(&random) == 0);
    assert_true(random_next(&random) == 1509978240);
}

static void numbers_stay_below_the_bound_and_spread(void **state)
{
    (void)state;
    struct random random;
    int seen[10] = {0};
    random_seed(&random, 5);
    for (int i = 0; i < 10000; i++) {
        uint64_t const value = random_below(&random, 10);
        assert_true(value < 10);
        seen[value]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 800, 1200);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&random, 1) == 0);
}

static void secrets_differ(void **state)
{
    (void)state;
    unsigned char a[32] = {0}, b[32] = {0}, zero[32] = {0};
    random_secret(a, sizeof a);
    random_secret(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, zero, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_repeats_and_another_does_not),
        cmocka_unit_test(the_generator_is_xoshiro256_star_star),
        cmocka_unit_test(numbers_stay_below_the_bound_and_spread),
        cmocka_unit_test(secrets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
