/* test_book_limits.c - what is refused, and why: rates, concurrency, order of reasons. (Rules of
 * plans: test_book_rules.c.) */
#include "book_calls.h"

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
        TEST(the_request_rate_is_kept_by_a_refusal),
        TEST(tokens_not_used_come_back_to_the_limiter),
        TEST(concurrency_counts_live_holds),
        TEST(the_most_actionable_reason_wins),
        TEST(scopes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
