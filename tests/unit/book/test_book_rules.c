/* test_book_rules.c - rules that a call is handed: refused, counted, paid from, in their windows.
 */
#include "book/counters.h"
#include "book/customer_int.h"
#include "book_calls.h"

enum { HOUR_US_IN_S = 3600 };

static const int64_t hour_us = HOUR_US_IN_S * (int64_t)FIXTURE_SECOND_US;

static const struct counter *counter_of(struct fixture *fixture, const struct rule *rule)
{
    struct record_window_line const line = {.counter = rule->counter,
                                            .kind = rule->kind,
                                            .metric = rule->metric,
                                            .start_us = rule->start_us,
                                            .end_us = rule->end_us};
    return counters_find(&book_find_customer(fixture->book, STR("acme"))->counters, &line);
}

static enum err ask(struct fixture *fixture, int64_t tokens, struct hold **hold,
                    struct admission *admission)
{
    struct reservation const want = fixture_want(fixture, tokens, 0);
    return fixture_reserve(fixture, &want, hold, admission);
}

static void give_back(struct fixture *fixture, struct hold *hold)
{
    book_release(fixture->book, hold, "upstream_error", 502);
    book_unref(hold);
}

static void pay(struct fixture *fixture, struct hold *hold, int64_t tokens)
{
    (void)fixture_settle(fixture, hold, tokens, 0);
    book_unref(hold);
}

/* --- refusing -------------------------------------------------------------------------------- */
/* A call of 60 tokens (60 nano) runs; another of 41 asks. */
static const struct refusal_row {
    const char *sentence;
    enum metric metric;
    int64_t limit;
    enum window_mode mode;
    enum err running, settled, next; /* while the first runs; after it; in the next window */
    bool waits;                      /* after the first is settled, for the end of the window */
} refusals[] = {
    {"one request", METRIC_REQUESTS, 1, WINDOW_HARD, ERR_RATE_LIMITED, ERR_RATE_LIMITED, ERR_OK,
     true},
    {"two requests", METRIC_REQUESTS, 2, WINDOW_HARD, ERR_OK, ERR_OK, ERR_OK, false},
    {"no request at all", METRIC_REQUESTS, 0, WINDOW_HARD, ERR_RATE_LIMITED, ERR_RATE_LIMITED,
     ERR_RATE_LIMITED, false},
    {"a token short", METRIC_TOKENS, 100, WINDOW_HARD, ERR_TOKENS_LIMITED, ERR_TOKENS_LIMITED,
     ERR_OK, true},
    {"tokens met exactly", METRIC_TOKENS, 101, WINDOW_HARD, ERR_OK, ERR_OK, ERR_OK, false},
    {"larger than the window", METRIC_TOKENS, 40, WINDOW_HARD, ERR_TOKENS_LIMITED,
     ERR_TOKENS_LIMITED, ERR_TOKENS_LIMITED, false},
    {"a nano short", METRIC_COST, 100, WINDOW_HARD, ERR_BUDGET_SPENT, ERR_BUDGET_SPENT, ERR_OK,
     false},
    {"money met exactly", METRIC_COST, 101, WINDOW_HARD, ERR_OK, ERR_OK, ERR_OK, false},
    {"one at a time", METRIC_CONCURRENT, 1, WINDOW_HARD, ERR_CONCURRENCY_LIMITED, ERR_OK, ERR_OK,
     false},
    {"two at a time", METRIC_CONCURRENT, 2, WINDOW_HARD, ERR_OK, ERR_OK, ERR_OK, false},
    {"none at a time", METRIC_CONCURRENT, 0, WINDOW_HARD, ERR_CONCURRENCY_LIMITED,
     ERR_CONCURRENCY_LIMITED, ERR_CONCURRENCY_LIMITED, false},
    {"soft passes over", METRIC_TOKENS, 10, WINDOW_SOFT, ERR_OK, ERR_OK, ERR_OK, false},
    {"shadow passes over", METRIC_CONCURRENT, 0, WINDOW_SHADOW, ERR_OK, ERR_OK, ERR_OK, false},
};

static void refused_as(struct fixture *fixture, enum err expected, bool holds, bool waits)
{
    struct hold *hold;
    struct admission admission;
    assert_int_equal(ask(fixture, 41, &hold, &admission), expected);
    assert_int_equal(admission.rule, expected == ERR_OK ? -1 : 0);
    assert_int_equal(admission.scope, expected == ERR_OK ? SCOPE_NONE : SCOPE_PLAN);
    assert_int_equal(admission.holds_in_the_way, expected != ERR_OK && holds);
    if (waits)
        assert_int_equal(admission.retry_after_us,
                         fixture->rules->list[0].end_us - fixture->clock.now_us);
    if (hold)
        give_back(fixture, hold);
}

static void rules_refuse_by_their_metric(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules rules = {.count = 1}, none = {0};
    fixture_grant(fixture, "1", 100000, 0);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal_row *row = &refusals[i];
        print_message("  %s\n", row->sentence);
        rules.list[0] = fixture_rule(fixture, i + 1, WINDOW_HOUR, row->metric, row->limit);
        rules.list[0].mode = WINDOW_SHADOW; /* the first is only counted */
        fixture->rules = &rules;
        assert_int_equal(ask(fixture, 60, &hold, &admission), ERR_OK);
        rules.list[0].mode = row->mode;
        int64_t const need = row->metric == METRIC_REQUESTS || row->metric == METRIC_CONCURRENT
                                 ? 1
                                 : 41; /* is there room for it when all holds are gone? */
        refused_as(fixture, row->running, need <= row->limit, false);
        pay(fixture, hold, 60);
        refused_as(fixture, row->settled, false, row->waits);
        fixture->clock.now_us = rules.list[0].end_us;
        rules.list[0].start_us += hour_us;
        rules.list[0].end_us += hour_us;
        refused_as(fixture, row->next, false, false);
    }
    fixture->rules = &none;
    give_back(fixture, fixture_hold(fixture, 1, 0));
    fixture_nothing_held(fixture);
}

static void the_rule_that_refused_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    struct rule_state states[RULES_PER_CALL_MAX] = {{0}};
    struct rules rules = {.count = 4,
                          .list = {fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 1000),
                                   fixture_rule(fixture, 2, WINDOW_DAY, METRIC_REQUESTS, 2),
                                   fixture_rule(fixture, 3, WINDOW_HOUR, METRIC_TOKENS, 100),
                                   fixture_rule(fixture, 4, WINDOW_DAY, METRIC_COST, 1000)}};
    rules.list[1].scope = SCOPE_USER;
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    pay(fixture, fixture_hold(fixture, 50, 0), 20);
    hold = fixture_hold(fixture, 30, 0);
    struct reservation want = fixture_want(fixture, 70, 0);
    want.states = states;
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_RATE_LIMITED);
    assert_int_equal(admission.rule, 1); /* the first of two with the same rank */
    assert_int_equal(admission.scope, SCOPE_USER);
    static const struct rule_state expected[] = {
        {20, 30, 70, 0}, {1, 1, 1, 0}, {20, 30, 70, 0}, {20, 30, 70, 0}};
    assert_memory_equal(states, expected, sizeof expected);
    assert_true(admission.holds_in_the_way);
    rules.list[3].limit = 119; /* money is what a client can act on */
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_BUDGET_SPENT);
    assert_int_equal(admission.rule, 3);
    assert_int_equal(admission.scope, SCOPE_PLAN);
    rules.list[3].limit = 1000;
    want.estimate.tokens[POOL_INPUT] = 20000; /* credit, which is no rule */
    rules.list[3].mode = WINDOW_SOFT;
    assert_int_equal(fixture_reserve(fixture, &want, &second, &admission), ERR_CREDIT_SHORT);
    assert_int_equal(admission.rule, -1);
    assert_int_equal(admission.scope, SCOPE_CREDIT);
    assert_false(admission.holds_in_the_way);
    give_back(fixture, hold);
    fixture_nothing_held(fixture);
}

static void the_tightest_window_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    struct rules rules = {.count = 4,
                          .list = {fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 1000),
                                   fixture_rule(fixture, 2, WINDOW_HOUR, METRIC_TOKENS, 500),
                                   fixture_rule(fixture, 3, WINDOW_MINUTE, METRIC_TOKENS, 10),
                                   fixture_rule(fixture, 4, WINDOW_HOUR, METRIC_REQUESTS, 3)}};
    rules.list[2].mode = WINDOW_SOFT; /* not a limit */
    fixture->key = fixture_key(fixture, "acme", "k", (struct limits_wanted){2, 600, 0});
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    assert_int_equal(ask(fixture, 200, &hold, &admission), ERR_OK);
    assert_true(admission.requests_limited && admission.tokens_limited);
    assert_int_equal(admission.tokens_limit, 500); /* the hour has less left than the limiter */
    assert_int_equal(admission.tokens_remaining, 300);
    assert_int_equal(admission.tokens_reset_us, rules.list[1].end_us - fixture->clock.now_us);
    assert_int_equal(admission.requests_limit, 2); /* the limiter has less left than the hour */
    assert_int_equal(admission.requests_remaining, 1);
    assert_int_equal(admission.requests_reset_us, 30 * FIXTURE_SECOND_US);
    assert_int_equal(ask(fixture, 350, &second, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.tokens_limit, 500); /* what is left without the refused call */
    assert_int_equal(admission.tokens_remaining, 300);
    give_back(fixture, hold);
    rules.list[1].limit = 1500; /* now the day is tighter */
    fixture->key = fixture_key(fixture, "acme", "free", (struct limits_wanted){0});
    assert_int_equal(ask(fixture, 1000, &hold, &admission), ERR_OK);
    assert_int_equal(admission.tokens_limit, 1000);
    assert_int_equal(admission.tokens_remaining, 0);
    assert_int_equal(admission.tokens_reset_us, rules.list[0].end_us - fixture->clock.now_us);
    assert_int_equal(admission.requests_limit, 3);
    assert_int_equal(admission.requests_remaining, 2);
    (void)fixture_settle(fixture, hold, 1200, 0);
    book_unref(hold);
    assert_int_equal(ask(fixture, 1, &second, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.tokens_remaining, 0); /* over by 200: never below nothing */
    fixture_nothing_held(fixture);
}

static void a_window_without_end_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules rules = {.count = 1,
                          .list = {{.counter = 1,
                                    .kind = WINDOW_EVER,
                                    .metric = METRIC_TOKENS,
                                    .scope = SCOPE_PLAN,
                                    .end_us = INT64_MAX,
                                    .limit = 100}}};
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    pay(fixture, fixture_hold(fixture, 90, 0), 90);
    fixture->clock.now_us += 400 * 24 * hour_us;
    assert_int_equal(ask(fixture, 11, &hold, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.retry_after_us, 0);
    assert_int_equal(admission.tokens_remaining, 10);
    assert_int_equal(admission.tokens_reset_us, 0);
    assert_int_equal(ask(fixture, 10, &hold, &admission), ERR_OK);
    give_back(fixture, hold);
    fixture_nothing_held(fixture);
}

/* --- whom it counts for, and when ------------------------------------------------------------- */
static void counters_are_told_apart_by_name_and_bounds(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules rules = {.count = 1,
                          .list = {fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_TOKENS, 100)}};
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    pay(fixture, fixture_hold(fixture, 100, 0), 100);
    assert_int_equal(ask(fixture, 1, &hold, &admission), ERR_TOKENS_LIMITED);
    rules.list[0].counter = 2; /* another user */
    give_back(fixture, fixture_hold(fixture, 100, 0));
    rules.list[0].counter = 1;
    rules.list[0].start_us -= hour_us / 2; /* the customer has moved to another zone */
    rules.list[0].end_us -= hour_us / 2;
    give_back(fixture, fixture_hold(fixture, 100, 0));
    rules.list[0] = fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_TOKENS, 100);
    assert_int_equal(ask(fixture, 1, &hold, &admission), ERR_TOKENS_LIMITED); /* and back */
    fixture_nothing_held(fixture);
}

static void a_late_settle_counts_where_it_was_reserved(void **state)
{
    struct fixture *fixture = *state;
    struct rules rules = {.count = 2,
                          .list = {fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_TOKENS, 100),
                                   fixture_rule(fixture, 2, WINDOW_HOUR, METRIC_CONCURRENT, 1)}};
    struct rule const first = rules.list[0];
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    struct hold *late = fixture_hold(fixture, 80, 0);
    assert_int_equal(counter_of(fixture, &first)->held, 80);
    fixture->clock.now_us += 2 * hour_us;
    assert_int_equal(book_sweep(fixture->book), 1);
    rules.list[0] = fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_TOKENS, 100);
    struct hold *now = fixture_hold(fixture, 100, 0); /* one at a time: the expired one is gone */
    (void)fixture_settle(fixture, late, 70, 0);
    const struct counter *before = counter_of(fixture, &first);
    assert_non_null(before); /* kept for the late end, although it is over */
    assert_int_equal(before->used, 70);
    assert_int_equal(before->held, 0);
    assert_int_equal(counter_of(fixture, &rules.list[0])->used, 0);
    pay(fixture, now, 100);
    assert_int_equal(counter_of(fixture, &rules.list[0])->used, 100);
    book_unref(late);
    fixture_nothing_held(fixture);
}

static void a_clock_that_is_set_back_finds_its_windows(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules rules = {.count = 1,
                          .list = {fixture_rule(fixture, 1, WINDOW_SECOND, METRIC_TOKENS, 100)}};
    struct rules const none = {0};
    fixture_grant(fixture, "1", 10000, 0);
    fixture->rules = &rules;
    pay(fixture, fixture_hold(fixture, 100, 0), 100);
    fixture->clock.now_us += 5 * (int64_t)FIXTURE_SECOND_US;
    fixture->rules = &none;
    give_back(fixture, fixture_hold(fixture, 1, 0));
    fixture->clock.now_us -= 5 * (int64_t)FIXTURE_SECOND_US; /* ntp */
    fixture->rules = &rules;
    assert_int_equal(ask(fixture, 1, &hold, &admission), ERR_TOKENS_LIMITED);
    assert_int_equal(admission.tokens_limit, 100);
    assert_int_equal(admission.tokens_reset_us, 0); /* its end has been seen: never negative */
    /* an hour: what is over is lost, but what is counted from now on stays */
    fixture->clock.now_us += 2 * hour_us;
    fixture->rules = &none;
    give_back(fixture, fixture_hold(fixture, 1, 0));
    fixture->clock.now_us -= 2 * hour_us;
    fixture->rules = &rules;
    pay(fixture, fixture_hold(fixture, 90, 0), 90);
    give_back(fixture, fixture_hold(fixture, 10, 0));
    assert_int_equal(ask(fixture, 11, &hold, &admission), ERR_TOKENS_LIMITED);
    fixture_nothing_held(fixture);
}

static void use_by_many(struct fixture *fixture, struct rule rule)
{
    enum { USERS = 500 };
    const struct counters *counters = &book_find_customer(fixture->book, STR("acme"))->counters;
    struct rules rules = {.count = 1};
    fixture->rules = &rules;
    for (uint64_t user = 0; user < USERS; user++) {
        rules.list[0] = rule;
        rules.list[0].counter += user;
        pay(fixture, fixture_hold(fixture, 1, 0), 1);
    }
    assert_true(counters->count > USERS / 2);
    fixture->clock.now_us += 3 * 60 * (int64_t)FIXTURE_SECOND_US;
    give_back(fixture, fixture_hold(fixture, 1, 0));
    assert_int_equal(counters->count, 1);
}

static void counters_that_are_over_are_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct rule const running = {.counter = 1,
                                 .kind = WINDOW_EVER,
                                 .metric = METRIC_CONCURRENT,
                                 .end_us = INT64_MAX,
                                 .limit = 1};
    fixture_grant(fixture, "1", 100000, 0);
    use_by_many(fixture, running); /* no window ever ends, and yet they go */
    fixture->clock.now_us += 60 * (int64_t)FIXTURE_SECOND_US;
    fixture->rules = NULL;
    give_back(fixture, fixture_hold(fixture, 1, 0));
    use_by_many(fixture, fixture_rule(fixture, 1, WINDOW_SECOND, METRIC_REQUESTS, 9));
    fixture_nothing_held(fixture);
}

/* --- who pays -------------------------------------------------------------------------------- */
static void overage_is_billed_up_to_its_cap_per_window(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    struct rules rules = {.overage = OVERAGE_BILL,
                          .has_overage_cap = true,
                          .overage_cap = fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_COST, 100)};
    fixture_grant(fixture, "1", 50, 0);
    fixture->rules = &rules;
    assert_int_equal(ask(fixture, 151, &hold, &admission), ERR_CREDIT_SHORT);
    assert_int_equal(admission.scope, SCOPE_CREDIT);
    assert_int_equal(ask(fixture, 150, &hold, &admission), ERR_OK); /* met exactly */
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->held, 100);
    assert_int_equal(ask(fixture, 1, &second, &admission), ERR_CREDIT_SHORT);
    assert_true(admission.holds_in_the_way);
    struct settled settled = fixture_settle(fixture, hold, 110, 0);
    assert_int_equal(settled.charged.nano, 50);
    assert_int_equal(settled.overage.nano, 60);
    book_unref(hold);
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->used, 60);
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->held, 0);
    hold = fixture_hold(fixture, 30, 0);
    settled = fixture_settle(fixture, hold, 45, 0); /* an overrun fills the cap, the rest is debt */
    assert_int_equal(settled.overage.nano, 40);
    assert_int_equal(settled.debt.nano, 5);
    book_unref(hold);
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->used, 100);
    assert_int_equal(ask(fixture, 1, &hold, &admission), ERR_CREDIT_SHORT);
    assert_false(admission.holds_in_the_way);
    fixture->clock.now_us = rules.overage_cap.end_us; /* free again in the next window */
    rules.overage_cap = fixture_rule(fixture, 1, WINDOW_HOUR, METRIC_COST, 100);
    assert_int_equal(ask(fixture, 101, &hold, &admission), ERR_CREDIT_SHORT);
    pay(fixture, fixture_hold(fixture, 100, 0), 100);
    assert_int_equal(fixture_balance(fixture).overage.nano, 200);
    rules.has_overage_cap = false; /* without a cap all of it is billed */
    pay(fixture, fixture_hold(fixture, 5000, 0), 6000);
    assert_int_equal(fixture_balance(fixture).overage.nano, 6200);
    assert_int_equal(fixture_balance(fixture).debt.nano, 5);
    fixture_nothing_held(fixture);
}

static void a_lower_cap_binds_new_calls_only(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold, *second;
    struct admission admission;
    struct rules rules = {.overage = OVERAGE_BILL,
                          .has_overage_cap = true,
                          .overage_cap = fixture_rule(fixture, 1, WINDOW_DAY, METRIC_COST, 100)};
    fixture->rules = &rules;
    hold = fixture_hold(fixture, 60, 0);
    rules.overage_cap.limit = 10;
    assert_int_equal(ask(fixture, 1, &second, &admission), ERR_CREDIT_SHORT);
    assert_int_equal(fixture_settle(fixture, hold, 100, 0).overage.nano, 100);
    book_unref(hold);
    assert_int_equal(fixture_balance(fixture).debt.nano, 0);
    rules.overage = OVERAGE_BLOCK; /* a cap alone bills nothing */
    rules.overage_cap.limit = 1000;
    assert_int_equal(ask(fixture, 1, &hold, &admission), ERR_CREDIT_SHORT);
    fixture_nothing_held(fixture);
}

/* A call of 40 tokens at 1 nano each, held against an allowance of 100 units; 50 are used. */
static const struct allowance_row {
    const char *sentence;
    enum metric metric;
    int64_t limit, held_covered, settled_tokens, settled_covered, used;
} allowances[] = {
    {"requests cover whole calls", METRIC_REQUESTS, 2, 1, 90, 90, 1},
    {"no request left", METRIC_REQUESTS, 0, 0, 40, 0, 0},
    {"tokens cover their part", METRIC_TOKENS, 30, 30, 40, 30, 30},
    {"more tokens than were held", METRIC_TOKENS, 100, 40, 90, 90, 90},
    {"more tokens than there are", METRIC_TOKENS, 60, 40, 90, 60, 60},
    {"money covers itself", METRIC_COST, 30, 30, 35, 30, 30},
    {"less money than was held", METRIC_COST, 100, 40, 10, 10, 10},
};

static void allowances_cover_by_their_metric(void **state)
{
    struct fixture *fixture = *state;
    struct rules rules = {.has_allowance = true};
    fixture_grant(fixture, "1", 100000, 0);
    fixture->rules = &rules;
    for (size_t i = 0; i < sizeof allowances / sizeof allowances[0]; i++) {
        const struct allowance_row *row = &allowances[i];
        print_message("  %s\n", row->sentence);
        rules.allowance = fixture_rule(fixture, i + 1, WINDOW_DAY, row->metric, row->limit);
        struct hold *hold = fixture_hold(fixture, 40, 0);
        const struct counter *counter = counter_of(fixture, &rules.allowance);
        assert_int_equal(counter->held, row->held_covered);
        struct settled const settled = fixture_settle(fixture, hold, row->settled_tokens, 0);
        book_unref(hold);
        assert_int_equal(settled.covered.nano, row->settled_covered);
        assert_int_equal(settled.charged.nano, row->settled_tokens - row->settled_covered);
        assert_int_equal(counter->used, row->used);
    }
    fixture_nothing_held(fixture);
}

static void quota_at_settle_is_that_of_the_reserve(void **state)
{
    struct fixture *fixture = *state;
    struct rules rules = {.has_allowance = true,
                          .allowance = fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 100)};
    fixture_grant(fixture, "1", 1000, 0);
    fixture->rules = &rules;
    struct hold *other = fixture_hold(fixture, 80, 0), *hold = fixture_hold(fixture, 50, 0);
    assert_int_equal(counter_of(fixture, &rules.allowance)->held, 100); /* 80 and 20 of 50 */
    give_back(fixture, other);  /* leaves room for the other 30 */
    rules.allowance.limit = 10; /* the plan has changed meanwhile */
    struct settled settled = fixture_settle(fixture, hold, 70, 0);
    assert_int_equal(settled.covered.nano, 70);
    assert_int_equal(settled.charged.nano, 0);
    book_unref(hold);
    hold = fixture_hold(fixture, 10, 0); /* above the new limit: nothing is covered */
    rules.allowance.limit = 1000;        /* a larger one comes too late for this call */
    settled = fixture_settle(fixture, hold, 10, 0);
    assert_int_equal(settled.covered.nano, 0);
    assert_int_equal(settled.charged.nano, 10);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void unlimited_customers_are_counted_not_covered(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules rules = {.count = 1,
                          .list = {fixture_rule(fixture, 1, WINDOW_DAY, METRIC_COST, 100)},
                          .overage = OVERAGE_BILL,
                          .has_overage_cap = true,
                          .overage_cap = fixture_rule(fixture, 2, WINDOW_DAY, METRIC_COST, 10)};
    fixture_customer(fixture, (struct customer_wanted){.unlimited = true});
    fixture->rules = &rules;
    struct settled const settled =
        fixture_settle(fixture, hold = fixture_hold(fixture, 90, 0), 95, 0);
    assert_int_equal(settled.overage.nano, 95);
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->used, 0); /* not the plan's */
    assert_int_equal(counter_of(fixture, &rules.list[0])->used, 95);
    book_unref(hold);
    assert_int_equal(ask(fixture, 6, &hold, &admission), ERR_BUDGET_SPENT);
    assert_int_equal(admission.rule, 0);
    fixture_nothing_held(fixture);
}

/* A hold's memory is used again: nothing of the last call's rules may be left in it. */
static void a_call_without_rules_has_none(void **state)
{
    struct fixture *fixture = *state;
    struct hold *hold;
    struct admission admission;
    struct rules const rules = {.overage = OVERAGE_BILL};
    for (int i = 0; i < 8; i++) {
        fixture->rules = &rules;
        give_back(fixture, fixture_hold(fixture, 10, 0));
        fixture->rules = NULL;
        assert_int_equal(ask(fixture, 10, &hold, &admission), ERR_CREDIT_SHORT);
        assert_int_equal(admission.rule, -1);
        assert_false(admission.tokens_limited || admission.requests_limited);
    }
    fixture_grant(fixture, "1", 10, 0);
    hold = fixture_hold(fixture, 10, 0);
    assert_int_equal(fixture_settle(fixture, hold, 25, 0).debt.nano, 15);
    book_unref(hold);
    fixture_nothing_held(fixture);
}

static void the_most_rules_fit(void **state)
{
    struct fixture *fixture = *state;
    struct rule_state states[RULES_PER_CALL_MAX];
    struct hold *hold;
    struct admission admission;
    static struct rules rules;
    rules = (struct rules){.count = RULES_PER_CALL_MAX,
                           .has_allowance = true,
                           .allowance = fixture_rule(fixture, 100, WINDOW_DAY, METRIC_COST, 10),
                           .overage = OVERAGE_BILL,
                           .has_overage_cap = true,
                           .overage_cap = fixture_rule(fixture, 101, WINDOW_DAY, METRIC_COST, 10)};
    for (uint64_t i = 0; i < RULES_PER_CALL_MAX; i++)
        rules.list[i] =
            fixture_rule(fixture, UINT64_MAX - i, WINDOW_DAY, METRIC_TOKENS, 20 + (int64_t)i);
    fixture->rules = &rules;
    struct reservation want = fixture_want(fixture, 20, 0);
    want.states = states;
    assert_int_equal(fixture_reserve(fixture, &want, &hold, &admission), ERR_OK);
    assert_int_equal(admission.tokens_limit, 20);
    assert_int_equal(states[RULES_PER_CALL_MAX - 1].needed, 20);
    pay(fixture, hold, 20);
    for (size_t i = 0; i < RULES_PER_CALL_MAX; i++)
        assert_int_equal(counter_of(fixture, &rules.list[i])->used, 20);
    assert_int_equal(counter_of(fixture, &rules.allowance)->used, 10);
    assert_int_equal(counter_of(fixture, &rules.overage_cap)->used, 10);
    fixture_nothing_held(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_refuse_by_their_metric),
        TEST(the_rule_that_refused_is_told),
        TEST(the_tightest_window_is_told),
        TEST(a_window_without_end_is_not_waited_for),
        TEST(counters_are_told_apart_by_name_and_bounds),
        TEST(a_late_settle_counts_where_it_was_reserved),
        TEST(a_clock_that_is_set_back_finds_its_windows),
        TEST(counters_that_are_over_are_dropped),
        TEST(overage_is_billed_up_to_its_cap_per_window),
        TEST(a_lower_cap_binds_new_calls_only),
        TEST(allowances_cover_by_their_metric),
        TEST(quota_at_settle_is_that_of_the_reserve),
        TEST(unlimited_customers_are_counted_not_covered),
        TEST(a_call_without_rules_has_none),
        TEST(the_most_rules_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
