/* test_book_terms.c - what is charged beside the cost, wallets in credits, grants for some
 * features, plans that slow down; and that the journal alone brings all of it back. */
#include "book_calls.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static const struct tariff three_a_call = {.basis = CREDIT_REQUESTS, .rate = 3, .minimum = 10};

static enum err give(struct fixture *fixture, const char *source, int64_t amount, bool credits,
                     const char *features)
{
    struct fault fault = {0};
    bool existed;
    struct grant_wanted const want = {.customer_id = STR("acme"),
                                      .category = STR("paid"),
                                      .amount = {amount},
                                      .credits = credits,
                                      .features = str_of(features),
                                      .source_type = STR("test"),
                                      .source_id = str_of(source)};
    return book_grant(fixture->book, &want, &existed, &fault);
}

static enum err ask(struct fixture *fixture, const struct tariff *tariff, int64_t tokens,
                    struct hold **hold)
{
    struct admission admission;
    struct reservation want = fixture_want(fixture, tokens, 0);
    want.tariff = tariff;
    return fixture_reserve(fixture, &want, hold, &admission);
}

/* Admitted, and settled with as many tokens. */
static struct settled run(struct fixture *fixture, const struct tariff *tariff, int64_t asked,
                          int64_t used)
{
    struct hold *hold;
    assert_int_equal(ask(fixture, tariff, asked, &hold), ERR_OK);
    struct settled const settled = fixture_settle(fixture, hold, used, 0);
    book_unref(hold);
    return settled;
}

static bool apply(void *owner, const struct journal_record *record)
{
    struct fault fault = {0};
    return book_apply_record(owner, record, REPLAY_WHOLE, &fault) == ERR_OK;
}

/* As if killed: the book forgets, the journal stays. */
static struct book_orphans restart(struct fixture *fixture)
{
    struct journal_opened opened;
    struct book_orphans orphans;
    struct fault fault = {0};
    fixture_shut(fixture);
    fixture_open(fixture, &opened);
    assert_int_equal(journal_replay(fixture->journal, 1, apply, fixture->book, &fault), ERR_OK);
    assert_int_equal(book_close_orphans(fixture->book, &orphans, &fault), ERR_OK);
    assert_int_equal(orphans.mismatches, 0);
    return orphans;
}

static void a_markup_is_charged_the_cost_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct tariff const half_more = {.marked = true, .factor = 1500000000, .fixed = 7};
    assert_int_equal(give(fixture, "1", 1000, false, ""), ERR_OK);
    struct settled const settled = run(fixture, &half_more, 200, 101);
    assert_int_equal(settled.cost.nano, 101);
    assert_int_equal(settled.charge.nano, 152 + 7);
    assert_int_equal(settled.charged.nano, 159);
    struct tariff const gratis = {.marked = true, .factor = 0};
    assert_int_equal(run(fixture, &gratis, 9999, 9999).charge.nano, 0);
    assert_int_equal(fixture_balance(fixture).available.nano, 841);
    struct hold *hold;
    assert_int_equal(ask(fixture, &half_more, 557, &hold), ERR_CREDIT_SHORT); /* 836 and 7 */
    assert_int_equal(ask(fixture, &half_more, 556, &hold), ERR_OK);
    struct fault fault = {0};
    assert_int_equal(book_dispatch(fixture->book, hold, &fault), ERR_OK);
    book_unref(hold);
    assert_int_equal(restart(fixture).settled, 1); /* an orphan is charged by its tariff: 278 */
    assert_int_equal(fixture_balance(fixture).available.nano, 841 - 417 - 7);
}

static void a_wallet_has_one_unit(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    assert_int_equal(ask(fixture, &three_a_call, 1, &hold), ERR_CREDIT_SHORT);
    assert_int_equal(give(fixture, "1", 100, true, ""), ERR_OK); /* never used: it turns */
    assert_true(customer_in_credits(book_customer(fixture->book, STR("acme"))));
    assert_int_equal(ask(fixture, NULL, 1, &hold), ERR_CREDIT_SHORT);
    assert_int_equal(give(fixture, "2", 100, false, ""), ERR_CONFLICT);
    assert_int_equal(run(fixture, &three_a_call, 100, 100).charge.nano, 3);
    assert_int_equal(restart(fixture).settled, 0);
    assert_true(customer_in_credits(book_customer(fixture->book, STR("acme"))));
    assert_int_equal(fixture_balance(fixture).available.nano, 97);
}

static void a_used_wallet_stays_in_its_unit(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(give(fixture, "1", 100, false, ""), ERR_OK);
    assert_int_equal(give(fixture, "2", 100, true, ""), ERR_CONFLICT);
    assert_false(customer_in_credits(book_customer(fixture->book, STR("acme"))));
    struct customer_wanted const again = {.id = STR("acme")}; /* says no currency: it keeps its */
    fixture_customer(fixture, again);
}

static void the_minimum_must_be_there(void **state)
{
    struct fixture *fixture = *state;
    struct tariff const nothing = {.basis = CREDIT_REQUESTS, .rate = 0, .minimum = 10};
    struct hold *first, *hold;
    struct admission admission;
    assert_int_equal(give(fixture, "1", 12, true, ""), ERR_OK);
    assert_int_equal(ask(fixture, &three_a_call, 1, &first), ERR_OK); /* 9 are left */
    struct reservation want = fixture_want(fixture, 1, 0);
    want.tariff = &three_a_call;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    assert_true(admission.holds_in_the_way); /* it would do when the first is given back */
    assert_int_equal(ask(fixture, &nothing, 1, &hold), ERR_OK); /* needs none */
    book_release(fixture->book, hold, "upstream_error", 502);
    book_unref(hold);
    book_release(fixture->book, first, "upstream_error", 502);
    book_unref(first);
    assert_int_equal(run(fixture, &three_a_call, 1, 1).charge.nano, 3);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_CREDIT_SHORT);
    assert_false(admission.holds_in_the_way);
}

static void grants_for_features_pay_for_them_alone(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    assert_int_equal(give(fixture, "1", 100, false, "chat reports"), ERR_OK);
    assert_int_equal(fixture_balance(fixture).scoped.nano, 100);
    assert_int_equal(ask(fixture, NULL, 10, &hold), ERR_CREDIT_SHORT);
    fixture->context.feature = STR("report");
    assert_int_equal(ask(fixture, NULL, 10, &hold), ERR_CREDIT_SHORT);
    fixture->context.feature = STR("reports");
    assert_int_equal(run(fixture, NULL, 10, 15).charged.nano, 15); /* an overrun, too */
    assert_int_equal(run(fixture, NULL, 10, 90).debt.nano, 5);
    assert_int_equal(give(fixture, "2", 50, false, "chat"), ERR_OK);
    assert_int_equal(fixture_balance(fixture).debt.nano, 5); /* is not of its feature */
    fixture->context.feature = STR("chat");
    assert_int_equal(run(fixture, NULL, 50, 50).charged.nano, 50);
    assert_int_equal(give(fixture, "3", 50, false, "chat"), ERR_OK);
    assert_int_equal(restart(fixture).settled, 0);
    fixture->context.feature = STR("");
    fixture->key = NULL;
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.scoped.nano, 50);
    assert_int_equal(balance.available.nano, 45);
}

static void a_plan_slows_down(void **state)
{
    struct fixture *fixture = *state;
    struct rules const rules = {
        .has_allowance = true,
        .allowance = fixture_rule(fixture, 7, WINDOW_DAY, METRIC_REQUESTS, 1),
        .overage = OVERAGE_THROTTLE,
        .throttle_per_minute = 2,
    };
    struct admission admission;
    struct hold *hold;
    fixture->rules = &rules;
    for (int i = 0; i < 3; i++) { /* one is included, two are free this minute */
        struct settled const settled = run(fixture, NULL, 10, 500);
        assert_int_equal(settled.covered.nano, 500);
    }
    struct reservation want = fixture_want(fixture, 10, 0);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_RATE_LIMITED);
    assert_int_equal(admission.scope, SCOPE_PLAN);
    assert_int_equal(admission.retry_after_us, 30 * FIXTURE_SECOND_US);
    fixture->clock.now_us += 30 * FIXTURE_SECOND_US;
    struct fault fault = {0};
    hold = fixture_hold(fixture, 10, 0);
    assert_int_equal(book_dispatch(fixture->book, hold, &fault), ERR_OK);
    book_unref(hold);
    assert_int_equal(restart(fixture).settled, 1); /* free, also after a restart */
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.covered.nano, 1505);
    assert_int_equal(balance.debt.nano, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_markup_is_charged_the_cost_is_kept),   TEST(a_wallet_has_one_unit),
        TEST(a_used_wallet_stays_in_its_unit),        TEST(the_minimum_must_be_there),
        TEST(grants_for_features_pay_for_them_alone), TEST(a_plan_slows_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
