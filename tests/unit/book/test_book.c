/* test_book.c - one call's money: reserve, settle, release, expire, and what is refused why. */
#include "book_fixture.h"

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
    struct policy const policy = {.allowance = {true, WINDOW_MONTH, METRIC_TOKENS, 100}};
    assert_true(book_policy_set(fixture->book, key_customer(fixture->key), &policy));
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

/* --- limits -------------------------------------------------------------------------------- */
static void the_request_rate_is_kept_by_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    fixture->key = fixture_key(fixture, "acme", "slow", (struct limits_wanted){3, 0, 0});
    struct reservation want = fixture_want(fixture, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    assert_true(admission.requests_limited);
    assert_int_equal(admission.requests_limit, 3);
    assert_int_equal(admission.requests_remaining, 2);
    fixture_grant(fixture, "1", 300, 0);
    want.rate_taken = true; /* the same call, another provider */
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    assert_int_equal(admission.requests_remaining, 2);
    book_release(fixture->book, hold, "ok", 200);
    book_unref(hold);
    want.rate_taken = false;
    for (int i = 1; i >= 0; i--) {
        want.id = ulid_make(&fixture->random, 1);
        assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
        assert_int_equal(admission.requests_remaining, i);
        book_release(fixture->book, hold, "ok", 200);
        book_unref(hold);
    }
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_RATE_LIMITED);
    assert_int_equal(admission.scope, SCOPE_KEY);
    assert_int_equal(admission.retry_after_us, 20 * FIXTURE_SECOND_US);
    book_limits(fixture->book, fixture->key, &admission);
    assert_int_equal(admission.requests_remaining, 0);
    fixture->clock.now_us += admission.requests_reset_us;
    book_limits(fixture->book, fixture->key, &admission);
    assert_int_equal(admission.requests_remaining, 3);
    fixture_nothing_held(fixture);
}

static void tokens_not_used_come_back_to_the_limiter(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    fixture_customer(fixture, (struct customer_wanted){.limits = {.tokens_per_minute = 1000}});
    fixture_grant(fixture, "1", 100000, 0);
    hold = fixture_hold(fixture, 100, 800);
    struct reservation want = fixture_want(fixture, 200, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.scope, SCOPE_CUSTOMER);
    assert_true(admission.holds_in_the_way);
    assert_true(admission.retry_after_us > 0);
    assert_int_equal(admission.tokens_remaining, 100);
    (void)fixture_settle(fixture, hold, 100, 50);
    book_limits(fixture->book, fixture->key, &admission);
    assert_int_equal(admission.tokens_remaining, 850);
    book_unref(hold);
    hold = fixture_hold(fixture, 850, 0);
    book_release(fixture->book, hold, "upstream_error", 502); /* all of it */
    book_unref(hold);
    book_limits(fixture->book, fixture->key, &admission);
    assert_int_equal(admission.tokens_remaining, 850);
    hold = fixture_hold(fixture, 10, 0);
    (void)fixture_settle(fixture, hold, 10, 1840); /* an overrun is taken too */
    book_unref(hold);
    book_limits(fixture->book, fixture->key, &admission);
    assert_int_equal(admission.tokens_remaining, 0);
    want.estimate.tokens[POOL_INPUT] = 1001; /* more than the limiter ever lets in */
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.retry_after_us, 0);
    assert_false(admission.holds_in_the_way);
    fixture_nothing_held(fixture);
}

static void concurrency_counts_live_holds(void **state)
{
    struct fixture *fixture = *state;
    struct hold *first, *second, *third;
    struct admission admission;
    fixture_grant(fixture, "1", 1000, 0);
    fixture->key = fixture_key(fixture, "acme", "two", (struct limits_wanted){0, 0, 2});
    first = fixture_hold(fixture, 1, 0);
    second = fixture_hold(fixture, 1, 0);
    struct reservation const want = fixture_want(fixture, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &third, &admission), ERR_CONCURRENCY_LIMITED);
    assert_true(admission.holds_in_the_way);
    assert_int_equal(admission.scope, SCOPE_KEY);
    assert_int_equal(admission.retry_after_us, 0);
    (void)fixture_settle(fixture, first, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &third, &admission), ERR_OK);
    fixture->clock.now_us += 61 * (int64_t)FIXTURE_SECOND_US;
    assert_int_equal(book_sweep(fixture->book), 2); /* expiry frees the slots as well */
    book_unref(first);
    book_unref(second);
    book_unref(third);
    fixture_nothing_held(fixture);
}

static const struct precedence_row {
    const char *sentence;
    bool credit, suspended, revoked, tokens;
    enum err err;
    bool holds;
} precedence[] = {
    {"everything wrong: credit first", false, true, true, true, ERR_CREDIT_SHORT, false},
    {"suspended before limited", true, true, false, true, ERR_CUSTOMER_SUSPENDED, false},
    {"revoked before limited", true, false, true, true, ERR_KEY_REVOKED, false},
    {"revoked before suspended", true, true, true, false, ERR_KEY_REVOKED, false},
    {"only limited", true, false, false, true, ERR_TOKENS_LIMITED, false},
    {"nothing wrong", true, false, false, false, ERR_OK, false},
};

static void the_most_actionable_reason_wins(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof precedence / sizeof precedence[0]; i++) {
        const struct precedence_row *row = &precedence[i];
        struct fault fault = {0};
        char name[24];
        struct hold *hold;
        struct admission admission;
        snprintf(name, sizeof name, "customer-%zu", i);
        struct customer_wanted customer = {.id = str_of(name),
                                           .overdraft = {row->credit ? 999 : 0}};
        fixture_customer(fixture, customer);
        fixture->key =
            fixture_key(fixture, name, "k", (struct limits_wanted){0, row->tokens ? 10 : 0, 0});
        if (row->revoked)
            assert_int_equal(book_key_revoke(fixture->book, str_of(name), STR("k"), &fault),
                             ERR_OK);
        if (row->suspended)
            customer.status = CUSTOMER_SUSPENDED;
        fixture_customer(fixture, customer);
        struct reservation const want = fixture_want(fixture, 100, 0);
        print_message("  %s\n", row->sentence);
        assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), row->err);
        assert_int_equal(admission.holds_in_the_way, row->holds);
        if (hold) {
            book_release(fixture->book, hold, "ok", 200);
            book_unref(hold);
        }
    }
}

static void windows_refuse_by_their_metric(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    struct policy policy = {
        .window_count = 1,
        .windows = {{1, WINDOW_DAY, METRIC_COST, WINDOW_HARD, 100}},
    };
    const struct customer *customer = key_customer(fixture->key);
    fixture_grant(fixture, "1", 10000, 0);
    assert_true(book_policy_set(fixture->book, customer, &policy));
    hold = fixture_hold(fixture, 60, 0);
    struct reservation const want = fixture_want(fixture, 41, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_CREDIT_SHORT);
    assert_int_equal(admission.scope, SCOPE_PLAN);
    assert_true(admission.holds_in_the_way);
    (void)fixture_settle(fixture, hold, 60, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_CREDIT_SHORT);
    assert_false(admission.holds_in_the_way);
    policy.windows[0].mode = WINDOW_SOFT;
    assert_true(book_policy_set(fixture->book, customer, &policy));
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_OK);
    book_release(fixture->book, second, "ok", 200);
    book_unref(second);
    policy.windows[0] = (struct window_rule){2, WINDOW_HOUR, METRIC_REQUESTS, WINDOW_HARD, 0};
    assert_true(book_policy_set(fixture->book, customer, &policy));
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_RATE_LIMITED);
    assert_int_equal(admission.retry_after_us, 0); /* never: the limit is 0 */
    policy.windows[0].limit = 1;
    assert_true(book_policy_set(fixture->book, customer, &policy));
    struct hold *third = fixture_hold(fixture, 1, 0);
    (void)fixture_settle(fixture, third, 1, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_RATE_LIMITED);
    assert_true(admission.retry_after_us > 0); /* until the hour is over */
    fixture->clock.now_us += admission.retry_after_us;
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_OK);
    book_release(fixture->book, second, "ok", 200);
    book_unref(hold);
    book_unref(second);
    book_unref(third);
    fixture_nothing_held(fixture);
}

static void policies_that_cannot_be_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct customer *customer = key_customer(fixture->key);
    struct policy policy = {.window_count = 2,
                            .windows = {{1, WINDOW_DAY, METRIC_COST, WINDOW_HARD, 1},
                                        {1, WINDOW_DAY, METRIC_TOKENS, WINDOW_HARD, 1}}};
    assert_false(book_policy_set(fixture->book, customer, &policy)); /* one id, two rules */
    policy.windows[1].id = RULE_ALLOWANCE;
    assert_false(book_policy_set(fixture->book, customer, &policy));
    policy.windows[1].id = 2;
    policy.windows[1].limit = -1;
    assert_false(book_policy_set(fixture->book, customer, &policy));
    policy.window_count = LIMITS_PER_OWNER_MAX + 1;
    assert_false(book_policy_set(fixture->book, customer, &policy));
    policy = (struct policy){.overage_cap = {-1}};
    assert_false(book_policy_set(fixture->book, customer, &policy));
    policy = (struct policy){.allowance = {.present = true, .limit = -1}};
    assert_false(book_policy_set(fixture->book, customer, &policy));
}

static void scopes_have_names(void **state)
{
    (void)state;
    assert_string_equal(refusal_scope_name(SCOPE_NONE), "");
    assert_string_equal(refusal_scope_name(SCOPE_PLAN), "plan");
    assert_string_equal(refusal_scope_name(SCOPE_CREDIT), "credit");
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
        TEST(the_request_rate_is_kept_by_a_refusal),
        TEST(tokens_not_used_come_back_to_the_limiter),
        TEST(concurrency_counts_live_holds),
        TEST(the_most_actionable_reason_wins),
        TEST(windows_refuse_by_their_metric),
        TEST(policies_that_cannot_be_are_refused),
        TEST(scopes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
