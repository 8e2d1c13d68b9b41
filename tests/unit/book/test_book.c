/* test_book.c - one call's money: reserve, settle, release, expire. */
#include "book_calls.h"

static void a_call_is_held_and_settled(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    struct balance balance = fixture_balance(fixture);
    assert_int_equal(balance.held.nano, 300);
    assert_int_equal(balance.available.nano, 700);
    struct settled const settled = fixture_settle(fixture, hold, 90, 10);
    assert_int_equal(settled.charged.nano, 100);
    assert_int_equal(settled.available.nano, 900);
    assert_false(settled.repeated);
    struct settled const again = fixture_settle(fixture, hold, 1, 1);
    assert_true(again.repeated);
    assert_int_equal(again.charged.nano, 100);
    assert_int_equal(again.lsn, settled.lsn);
    book_release(fixture->book, hold, "late", 500);
    balance = fixture_balance(fixture);
    assert_int_equal(balance.consumed.nano, 100);
    fixture_nothing_held(fixture);
    book_unref(hold);
}

static void a_released_call_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    book_release(fixture->book, hold, "upstream_error", 502);
    fixture_nothing_held(fixture);
    assert_int_equal(fixture_balance(fixture).available.nano, 1000);
    struct settled const settled = fixture_settle(fixture, hold, 100, 200);
    assert_true(settled.repeated);
    assert_int_equal(settled.cost.nano, 0);
    assert_int_equal(fixture_balance(fixture).consumed.nano, 0);
    book_unref(hold);
}

static void one_nano_short_is_402_and_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    fixture_grant(fixture, "1", 299, 0);
    struct reservation want = fixture_want(fixture, 100, 200);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    assert_null(hold);
    assert_int_equal(admission.scope, SCOPE_CREDIT);
    assert_int_equal(admission.available.nano, 299);
    assert_int_equal(admission.retry_after_us, 0);
    assert_false(admission.holds_in_the_way);
    fixture_nothing_held(fixture);
    want.estimate.tokens[POOL_OUTPUT] = 199;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    /* the next one would fit if that hold ended */
    struct hold *second;
    want.id = ulid_make(&fixture->random, 1);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_CREDIT_SHORT);
    assert_true(admission.holds_in_the_way);
    book_release(fixture->book, hold, "ok", 200);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void output_is_shrunk_to_the_credit(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    fixture_grant(fixture, "1", 150, 0);
    struct reservation want = fixture_want(fixture, 100, 4000);
    want.choices = 2;
    want.output_min = 26;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    want.output_min = 25;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    assert_int_equal(admission.output_cap, 25);
    assert_int_equal(fixture_balance(fixture).held.nano, 150);
    assert_int_equal(fixture_settle(fixture, hold, 100, 50).debt.nano, 0);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void quota_stretches_a_shrunk_output(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules const rules = {.has_allowance = true,
                                .allowance =
                                    fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 100)};
    fixture->rules = &rules;
    fixture_grant(fixture, "1", 50, 0);
    struct reservation want = fixture_want(fixture, 100, 400);
    want.output_min = 1;
    /* 150 tokens: 100 are covered, 50 are due */
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    assert_int_equal(admission.output_cap, 50);
    struct settled const settled = fixture_settle(fixture, hold, 100, 50);
    assert_int_equal(settled.covered.nano, 100);
    assert_int_equal(settled.charged.nano, 50);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void an_overrun_takes_what_is_free_and_the_rest_is_debt(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 300, 0);
    struct hold *hold = fixture_hold(fixture, 100, 100), *other = fixture_hold(fixture, 50, 0);
    struct settled const settled = fixture_settle(fixture, hold, 100, 500);
    assert_int_equal(settled.cost.nano, 600);
    assert_int_equal(settled.charged.nano, 250); /* what the other hold protects stays its own */
    assert_int_equal(settled.debt.nano, 350);
    assert_int_equal(fixture_settle(fixture, other, 50, 0).charged.nano, 50);
    struct balance balance = fixture_balance(fixture);
    assert_int_equal(balance.debt.nano, 350);
    assert_int_equal(balance.available.nano, -350);
    /* new credit pays the debt back first */
    fixture_grant(fixture, "2", 400, 0);
    balance = fixture_balance(fixture);
    assert_int_equal(balance.debt.nano, 0);
    assert_int_equal(balance.available.nano, 50);
    assert_int_equal(balance.consumed.nano, 650);
    book_unref(hold);
    book_unref(other);
    fixture_nothing_held(fixture);
}

static void absurd_usage_is_charged_as_the_hold(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    assert_int_equal(fixture_settle(fixture, hold, -5, 10).cost.nano, 300);
    book_unref(hold);
    hold = fixture_hold(fixture, 100, 200);
    assert_int_equal(fixture_settle(fixture, hold, INT64_MAX, INT64_MAX).cost.nano, 300);
    book_unref(hold);
    assert_int_equal(fixture_balance(fixture).debt.nano, 0);
    fixture_nothing_held(fixture);
}

static void zero_usage_is_a_value(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    struct settled const settled = fixture_settle(fixture, hold, 0, 0);
    assert_int_equal(settled.cost.nano, 0);
    assert_int_equal(settled.available.nano, 1000);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void unknown_prices_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    fixture_grant(fixture, "1", 1000, 0);
    struct reservation want = fixture_want(fixture, 1, 1);
    want.price.pico[POOL_OUTPUT] = PRICE_UNKNOWN;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_PRICE_UNKNOWN);
    fixture_customer(fixture, (struct customer_wanted){.unlimited = true});
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_PRICE_UNKNOWN);
    fixture_nothing_held(fixture);
}

static void unlimited_customers_owe_everything(void **state)
{
    struct fixture *fixture = *state;
    fixture_customer(fixture, (struct customer_wanted){.unlimited = true});
    assert_true(customer_unlimited(key_customer(fixture->key)));
    fixture_grant(fixture, "1", 10, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    struct settled const settled = fixture_settle(fixture, hold, 100, 1000);
    assert_int_equal(settled.cost.nano, 1100);
    assert_int_equal(settled.overage.nano, 1100);
    assert_int_equal(settled.charged.nano, 0);
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.overage.nano, 1100);
    assert_int_equal(balance.remaining.nano, 10);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void overdraft_is_the_last_to_pay(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    fixture_customer(fixture, (struct customer_wanted){.overdraft = {100}});
    fixture_grant(fixture, "1", 50, 0);
    assert_int_equal(fixture_balance(fixture).available.nano, 150);
    struct reservation const want = fixture_want(fixture, 151, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    hold = fixture_hold(fixture, 150, 0);
    assert_int_equal(fixture_balance(fixture).available.nano, 0);
    struct settled const settled = fixture_settle(fixture, hold, 120, 0);
    assert_int_equal(settled.charged.nano, 50);
    assert_int_equal(settled.debt.nano, 70);
    assert_int_equal(settled.available.nano, 30);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

/* --- time ---------------------------------------------------------------------------------- */
static void a_hold_expires_and_may_be_settled_late(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 300, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200);
    fixture->clock.now_us += 59 * (int64_t)FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 0);
    fixture->clock.now_us += FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 1);
    assert_int_equal(book_sweep(fixture->book), 0);
    fixture_nothing_held(fixture);
    struct hold *other = fixture_hold(fixture, 250, 0); /* the credit is free again */
    struct settled const settled = fixture_settle(fixture, hold, 80, 0);
    assert_int_equal(settled.charged.nano, 50);
    assert_int_equal(settled.debt.nano, 30);
    assert_true(fixture_settle(fixture, hold, 80, 0).repeated);
    assert_int_equal(fixture_settle(fixture, other, 250, 0).charged.nano, 250);
    book_unref(hold);
    book_unref(other);
    fixture_nothing_held(fixture);
}

static void an_expired_hold_is_forgotten_after_two_days(void **state)
{
    struct fixture *fixture = *state;
    fixture_grant(fixture, "1", 300, 0);
    struct hold *hold = fixture_hold(fixture, 100, 200), *freed = fixture_hold(fixture, 0, 0);
    book_unref(freed); /* its caller is gone: the sweep still finds it */
    fixture->clock.now_us += 61 * (int64_t)FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 2);
    fixture->clock.now_us += (int64_t)HOLD_MEMORY_S * FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 0);
    struct settled const settled = fixture_settle(fixture, hold, 80, 0);
    assert_true(settled.repeated);
    assert_int_equal(settled.cost.nano, 0);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void every_deadline_is_found(void **state)
{
    struct fixture *fixture = *state;
    enum { HOLDS = 400 };
    struct random random;
    size_t expired = 0;
    random_seed(&random, 1);
    fixture_grant(fixture, "1", HOLDS, 0);
    int64_t const start_us = fixture->clock.now_us;
    for (int i = 0; i < HOLDS; i++) {
        struct hold *hold;
        struct admission admission;
        struct reservation want = fixture_want(fixture, 1, 0);
        /* some in the past, some beyond a turn of the wheel */
        want.deadline_us = start_us - 5 * (int64_t)FIXTURE_SECOND_US +
                           (int64_t)random_below(&random, 2000) * FIXTURE_SECOND_US;
        assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
        book_unref(hold);
    }
    while (fixture->clock.now_us < start_us + 2100 * (int64_t)FIXTURE_SECOND_US) {
        expired += book_sweep(fixture->book);
        fixture->clock.now_us += (int64_t)random_below(&random, 700 * FIXTURE_SECOND_US / 10);
        if (random_below(&random, 10) == 0)
            fixture->clock.now_us -= 3 * FIXTURE_SECOND_US;
    }
    assert_int_equal(expired, HOLDS);
    fixture_nothing_held(fixture);
}

static void a_grant_that_expires_while_held_may_still_pay(void **state)
{
    struct fixture *fixture = *state;
    int64_t const end_us = fixture->clock.now_us + 10 * (int64_t)FIXTURE_SECOND_US;
    fixture_grant(fixture, "1", 300, end_us);
    struct hold *hold = fixture_hold(fixture, 100, 100);
    assert_int_equal(book_expire_grants(fixture->book), 0);
    fixture->clock.now_us = end_us;
    assert_int_equal(fixture_balance(fixture).available.nano, 0);
    assert_int_equal(book_expire_grants(fixture->book), 1);
    assert_int_equal(book_expire_grants(fixture->book), 0);
    struct balance balance = fixture_balance(fixture);
    assert_int_equal(balance.breakage.nano, 100);
    assert_int_equal(balance.remaining.nano, 200);
    assert_int_equal(fixture_settle(fixture, hold, 150, 0).charged.nano, 150);
    balance = fixture_balance(fixture);
    assert_int_equal(balance.breakage.nano, 150);
    assert_int_equal(balance.remaining.nano, 0);
    assert_int_equal(balance.debt.nano, 0);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void a_clock_that_is_set_back_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture_customer(fixture, (struct customer_wanted){.limits = {.requests_per_minute = 2}});
    fixture_grant(fixture, "1", 300, 0);
    struct hold *first = fixture_hold(fixture, 1, 0), *second = fixture_hold(fixture, 1, 0), *third;
    struct admission admission;
    struct reservation const want = fixture_want(fixture, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &third, &admission), ERR_RATE_LIMITED);
    int64_t const wait_us = admission.retry_after_us;
    fixture->clock.now_us -= 3600 * (int64_t)FIXTURE_SECOND_US;
    assert_int_equal(fixture_reserve(fixture, &want, &third, &admission), ERR_RATE_LIMITED);
    assert_int_equal(admission.retry_after_us, wait_us);
    book_release(fixture->book, first, "ok", 200);
    book_release(fixture->book, second, "ok", 200);
    book_unref(first);
    book_unref(second);
    fixture_nothing_held(fixture);
}

/* All room that the journal can ever make is promised away, as on a full disk. */
static int64_t fill_journal(struct journal *journal, size_t bytes)
{
    int64_t promises = 0;
    for (int idle = 0; idle < 20;) {
        if (journal_promise(journal, bytes) == ERR_OK) {
            promises++;
            idle = 0;
        } else {
            idle++;
            usleep(5000); /* it may be preparing another segment */
        }
        assert_true(promises < 10000000);
    }
    return promises;
}

static void a_full_journal_admits_nothing_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    enum { BLOCK_BYTES = 1 << 16, CRUMB_BYTES = 1 };
    struct hold *hold, *second;
    struct admission admission;
    struct fault fault = {0};
    bool existed;
    fixture_grant(fixture, "1", 1000, fixture->clock.now_us + 30 * (int64_t)FIXTURE_SECOND_US);
    hold = fixture_hold(fixture, 100, 0);
    struct hold *expiring = fixture_hold(fixture, 200, 0);
    int64_t const blocks = fill_journal(fixture->journal, BLOCK_BYTES);
    int64_t const crumbs = fill_journal(fixture->journal, CRUMB_BYTES);
    struct reservation const want = fixture_want(fixture, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_LEDGER_UNAVAILABLE);
    assert_null(second);
    assert_int_equal(fixture_balance(fixture).held.nano, 300);
    assert_int_equal(book_dispatch(fixture->book, hold, &fault), ERR_LEDGER_UNAVAILABLE);
    struct grant_wanted const grant = {
        .customer_id = STR("acme"), .amount = {5}, .source_type = STR("t"), .source_id = STR("2")};
    assert_int_equal(book_grant(fixture->book, &grant, &existed, &fault), ERR_LEDGER_UNAVAILABLE);
    assert_int_equal(fixture_balance(fixture).granted.nano, 1000);
    /* what was promised before is kept: the end of a hold is written */
    assert_int_equal(fixture_settle(fixture, hold, 90, 0).charged.nano, 90);
    /* what was not is put off */
    fixture->clock.now_us += 61 * (int64_t)FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 0);
    assert_int_equal(book_expire_grants(fixture->book), 0);
    assert_int_equal(fixture_balance(fixture).holds, 1);
    for (int64_t i = 0; i < blocks; i++)
        journal_forget(fixture->journal, BLOCK_BYTES);
    for (int64_t i = 0; i < crumbs; i++)
        journal_forget(fixture->journal, CRUMB_BYTES);
    assert_int_equal(book_sweep(fixture->book), 1);
    assert_int_equal(book_expire_grants(fixture->book), 1);
    assert_int_equal(fixture_balance(fixture).breakage.nano, 910);
    book_unref(hold);
    book_unref(expiring);
    fixture_nothing_held(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_held_and_settled),
        TEST(a_released_call_costs_nothing),
        TEST(one_nano_short_is_402_and_holds_nothing),
        TEST(output_is_shrunk_to_the_credit),
        TEST(quota_stretches_a_shrunk_output),
        TEST(an_overrun_takes_what_is_free_and_the_rest_is_debt),
        TEST(absurd_usage_is_charged_as_the_hold),
        TEST(zero_usage_is_a_value),
        TEST(unknown_prices_are_refused),
        TEST(unlimited_customers_owe_everything),
        TEST(overdraft_is_the_last_to_pay),
        TEST(a_hold_expires_and_may_be_settled_late),
        TEST(an_expired_hold_is_forgotten_after_two_days),
        TEST(every_deadline_is_found),
        TEST(a_grant_that_expires_while_held_may_still_pay),
        TEST(a_clock_that_is_set_back_changes_nothing),
        TEST(a_full_journal_admits_nothing_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
