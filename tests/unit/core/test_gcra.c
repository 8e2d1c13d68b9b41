/* test_gcra.c - the smooth limiter against a brute-force one, and its edges. */
#include "base/random.h"
#include "core/gcra.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const int64_t start_us = 1790000000000000; /* 2026 */
enum { MINUTE_US = 60000000, STEPS = 20000 };

/* The same rule as a bucket that leaks: exact fractions of a unit, no tat. */
struct bucket {
    __int128 level; /* units x period_us */
    int64_t at_us;
};

static bool bucket_take(struct bucket *bucket, const struct gcra_limit *limit, int64_t n,
                        int64_t now_us)
{
    int64_t const burst = limit->burst ? limit->burst : limit->limit;
    bucket->level -= (__int128)(now_us - bucket->at_us) * limit->limit;
    bucket->at_us = now_us;
    if (bucket->level < 0)
        bucket->level = 0;
    if (bucket->level + (__int128)n * limit->period_us > (__int128)burst * limit->period_us)
        return false;
    bucket->level += (__int128)n * limit->period_us;
    return true;
}

/* Rounding is about a nanosecond per request, so the two may differ for an instant: what is let in
 * over time may not. */
static void lets_in_what_a_leaking_bucket_lets_in(void **state)
{
    (void)state;
    static const struct gcra_limit limits[] = {
        {60, MINUTE_US, 0},         {7, MINUTE_US, 0}, {100000, MINUTE_US, 500},
        {1000000000, MINUTE_US, 0}, {3, 1000000, 10},  {1, (int64_t)86400 * 1000000, 1},
    };
    struct random random;
    random_seed(&random, 7);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct gcra gcra = {0};
        struct bucket bucket = {0, start_us};
        int64_t now_us = start_us, ours = 0, theirs = 0;
        int64_t const burst = limits[i].burst ? limits[i].burst : limits[i].limit;
        for (int step = 0; step < STEPS; step++) {
            uint64_t const mean = (uint64_t)(limits[i].period_us / limits[i].limit + 1);
            now_us += (int64_t)random_below(&random, 2 * mean);
            int64_t const n = 1 + (int64_t)random_below(&random, (uint64_t)(burst / 4 + 1));
            struct gcra_verdict const verdict = gcra_check(&gcra, &limits[i], n, now_us);
            if (verdict.allowed) {
                gcra = verdict.next;
                ours += n;
            }
            if (bucket_take(&bucket, &limits[i], n, now_us))
                theirs += n;
            assert_true(verdict.remaining >= 0 && verdict.remaining <= burst);
        }
        print_message("  %lld per %lld us: %lld let in, %lld by the bucket\n",
                      (long long)limits[i].limit, (long long)limits[i].period_us, (long long)ours,
                      (long long)theirs);
        int64_t const apart = ours > theirs ? ours - theirs : theirs - ours;
        assert_true(apart <= 1 + theirs / 100000);
    }
}

static void a_whole_limit_fits_at_once_whatever_its_fraction(void **state)
{
    (void)state;
    for (int64_t limit = 1; limit < 400; limit++) {
        struct gcra_limit const rule = {limit, MINUTE_US, 0};
        struct gcra gcra = {0};
        for (int64_t i = 0; i < limit; i++) {
            struct gcra_verdict const verdict = gcra_check(&gcra, &rule, 1, start_us);
            assert_true(verdict.allowed);
            assert_int_equal(verdict.remaining, limit - 1 - i);
            gcra = verdict.next;
        }
        struct gcra_verdict const over = gcra_check(&gcra, &rule, 1, start_us);
        assert_false(over.allowed);
        assert_int_equal(over.remaining, 0);
        /* and it says exactly when the next one is let in */
        assert_true(over.retry_after_us > 0);
        assert_false(gcra_check(&gcra, &rule, 1, start_us + over.retry_after_us - 1).allowed);
        assert_true(gcra_check(&gcra, &rule, 1, start_us + over.retry_after_us).allowed);
        assert_true(over.reset_after_us <= MINUTE_US);
        assert_int_equal(gcra_check(&gcra, &rule, 0, start_us + over.reset_after_us).remaining,
                         limit);
    }
}

static void edges(void **state)
{
    (void)state;
    struct gcra const fresh = {0};
    struct gcra_limit const none = {0}, ten = {10, MINUTE_US, 0}, burst = {10, MINUTE_US, 3};
    /* more than the clock can tell apart: the smallest step, but never for nothing */
    struct gcra_limit const huge = {1000000000000, MINUTE_US, 0};
    struct gcra const stepped = gcra_take(&fresh, &huge, 1, start_us);
    assert_int_equal(stepped.tat, (start_us << GCRA_SHIFT) + 1);
    struct gcra_verdict verdict = gcra_check(&fresh, &none, 1000, start_us);
    assert_true(verdict.allowed); /* no limit */
    assert_int_equal(verdict.remaining, INT64_MAX);
    assert_int_equal(gcra_take(&fresh, &none, 5, start_us).tat, 0);
    assert_int_equal(gcra_refund(&fresh, &none, 5, start_us).tat, 0);
    verdict = gcra_check(&fresh, &ten, 11, start_us);
    assert_false(verdict.allowed); /* never: more than the burst */
    assert_int_equal(verdict.retry_after_us, INT64_MAX);
    verdict = gcra_check(&fresh, &burst, 4, start_us);
    assert_false(verdict.allowed);
    assert_true(gcra_check(&fresh, &burst, 3, start_us).allowed);
    verdict = gcra_check(&fresh, &ten, 0, start_us);
    assert_true(verdict.allowed); /* a peek takes nothing */
    assert_int_equal(verdict.remaining, 10);
    assert_int_equal(verdict.reset_after_us, 0);
}

static void a_refund_gives_back_what_was_not_used(void **state)
{
    (void)state;
    struct gcra_limit const limit = {1000, MINUTE_US, 0};
    struct gcra const full = gcra_check(&(struct gcra){0}, &limit, 1000, start_us).next;
    assert_false(gcra_check(&full, &limit, 1, start_us).allowed);
    struct gcra const half = gcra_refund(&full, &limit, 600, start_us);
    assert_true(gcra_check(&half, &limit, 600, start_us).allowed);
    assert_false(gcra_check(&half, &limit, 601, start_us).allowed);
    /* never more than a whole burst, however much is given back */
    struct gcra const more = gcra_refund(&full, &limit, 1000000, start_us);
    assert_int_equal(gcra_check(&more, &limit, 0, start_us).remaining, 1000);
    struct gcra const early = gcra_refund(&(struct gcra){0}, &limit, 10, 0);
    assert_int_equal(early.tat, 0);
}

static void what_is_used_is_taken_even_over_the_limit(void **state)
{
    (void)state;
    struct gcra_limit const limit = {1000, MINUTE_US, 0};
    struct gcra const over = gcra_take(&(struct gcra){0}, &limit, 2500, start_us);
    struct gcra_verdict const verdict = gcra_check(&over, &limit, 1, start_us);
    assert_false(verdict.allowed);
    assert_in_range(verdict.retry_after_us, 90000000, 90100000); /* 1.5 minutes and one unit */
    /* absurd amounts stop at the end of the range instead of wrapping */
    struct gcra forever = over;
    for (int i = 0; i < 100; i++)
        forever = gcra_take(&forever, &limit, INT64_MAX, start_us);
    assert_int_equal(forever.tat, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_in_what_a_leaking_bucket_lets_in),
        cmocka_unit_test(a_whole_limit_fits_at_once_whatever_its_fraction),
        cmocka_unit_test(edges),
        cmocka_unit_test(a_refund_gives_back_what_was_not_used),
        cmocka_unit_test(what_is_used_is_taken_even_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
