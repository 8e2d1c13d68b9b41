/* book_calls.h - calls on the fixture's book: one nano per token, in and out. */
#pragma once
#include "book_fixture.h"

static inline void fixture_grant(struct fixture *fixture, const char *source, int64_t nano,
                                 int64_t expires_us)
{
    struct fault fault = {0};
    bool existed;
    struct grant_wanted const want = {.customer_id = STR("acme"),
                                      .category = STR("paid"),
                                      .amount = {nano},
                                      .expires_us = expires_us,
                                      .source_type = STR("test"),
                                      .source_id = str_of(source)};
    assert_int_equal(book_grant(fixture->book, &want, &existed, &fault), ERR_OK);
    assert_false(existed);
}

/* A hard rule of the plan, in the UTC window that holds now; up to WINDOW_DAY. */
static inline struct rule fixture_rule(const struct fixture *fixture, uint64_t counter,
                                       enum window_kind kind, enum metric metric, int64_t limit)
{
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    assert_true(kind <= WINDOW_DAY);
    int64_t const length_us = seconds[kind] * FIXTURE_SECOND_US;
    int64_t const start_us = fixture->clock.now_us / length_us * length_us;
    return (struct rule){.counter = counter,
                         .kind = kind,
                         .metric = metric,
                         .mode = WINDOW_HARD,
                         .scope = SCOPE_PLAN,
                         .start_us = start_us,
                         .end_us = start_us + length_us,
                         .limit = limit};
}

static inline struct reservation fixture_want(struct fixture *fixture, int64_t input,
                                              int64_t output)
{
    struct reservation want = {
        .id = ulid_make(&fixture->random, fixture->clock.now_us),
        .key = fixture->key,
        .context = &fixture->context,
        .orphan_input = input / 2,
        .choices = 1,
        .rules = fixture->rules,
        .deadline_us = fixture->clock.now_us + 60 * (int64_t)FIXTURE_SECOND_US,
    };
    price_init(&want.price);
    want.price.pico[POOL_INPUT] = want.price.pico[POOL_OUTPUT] = 1000;
    want.estimate.tokens[POOL_INPUT] = input;
    want.estimate.tokens[POOL_OUTPUT] = output;
    return want;
}

static inline enum err fixture_reserve(struct fixture *fixture, const struct reservation *want,
                                       struct hold **hold, struct admission *admission)
{
    struct fault fault = {0};
    return book_reserve(fixture->book, want, hold, admission, &fault);
}

/* A hold that must be given. */
static inline struct hold *fixture_hold(struct fixture *fixture, int64_t input, int64_t output)
{
    struct hold *hold;
    struct admission admission;
    struct reservation const want = fixture_want(fixture, input, output);
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    return hold;
}

static inline struct settled fixture_settle(struct fixture *fixture, struct hold *hold,
                                            int64_t input, int64_t output)
{
    struct settled settled;
    struct settlement const how = {
        .outcome = "ok",
        .http_status = 200,
        .attempts = 1,
        .usage = {.tokens = {[POOL_INPUT] = input, [POOL_OUTPUT] = output},
                  .source = USAGE_PROVIDER}};
    book_settle(fixture->book, hold, &how, &settled);
    assert_int_equal(settled.charge.nano, settled.charged.nano + settled.covered.nano +
                                              settled.overage.nano + settled.debt.nano);
    return settled;
}

static inline struct balance fixture_balance(struct fixture *fixture)
{
    struct fault fault = {0};
    struct balance balance;
    assert_int_equal(book_balance(fixture->book, STR("acme"), &balance, &fault), ERR_OK);
    assert_int_equal(balance.granted.nano,
                     balance.remaining.nano + balance.consumed.nano + balance.breakage.nano);
    return balance;
}

/* Money and everything else back at rest. */
static inline void fixture_nothing_held(struct fixture *fixture)
{
    struct balance const balance = fixture_balance(fixture);
    struct book_figures figures;
    book_figures(fixture->book, &figures);
    assert_int_equal(balance.held.nano, 0);
    assert_int_equal(balance.holds, 0);
    assert_int_equal(figures.live_holds, 0);
}
