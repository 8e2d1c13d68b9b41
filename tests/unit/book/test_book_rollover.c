/* test_book_rollover.c - what is left of an allowance is there in the next window, once. */
#include "book/counters.h"
#include "book/customer_int.h"
#include "book_calls.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static const int64_t hour_us = 3600 * (int64_t)FIXTURE_SECOND_US;

/* An allowance of tokens by the hour; nobody else pays. */
static struct rules plan(const struct fixture *fixture, int64_t included, int64_t rollover_max)
{
    struct rules rules = {.has_allowance = true};
    rules.allowance = fixture_rule(fixture, 7, WINDOW_HOUR, METRIC_TOKENS, included);
    rules.allowance.rollover_max = rollover_max;
    return rules;
}

static enum err ask(struct fixture *fixture, const struct rules *rules, int64_t tokens,
                    struct hold **hold)
{
    struct admission admission;
    fixture->rules = rules;
    struct reservation const want = fixture_want(fixture, tokens, 0);
    return fixture_reserve(fixture, &want, hold, &admission);
}

static void use(struct fixture *fixture, const struct rules *rules, int64_t tokens)
{
    struct hold *hold;
    assert_int_equal(ask(fixture, rules, tokens, &hold), ERR_OK);
    (void)fixture_settle(fixture, hold, tokens, 0);
    book_unref(hold);
}

static struct rule_state state_of(const struct fixture *fixture, const struct rules *rules)
{
    struct rule_state states[RULES_PER_CALL_MAX + 2];
    book_rule_states(book_find_customer(fixture->book, STR("acme")), rules, states);
    return states[0];
}

static bool apply(void *owner, const struct journal_record *record)
{
    struct fault fault = {0};
    return book_apply_record(owner, record, REPLAY_WHOLE, &fault) == ERR_OK;
}

/* As if killed: the book forgets, the journal stays. */
static void restart(struct fixture *fixture)
{
    struct journal_opened opened;
    struct book_orphans orphans;
    struct fault fault = {0};
    fixture_shut(fixture);
    fixture_open(fixture, &opened);
    assert_int_equal(journal_replay(fixture->journal, 1, apply, fixture->book, &fault), ERR_OK);
    assert_int_equal(book_close_orphans(fixture->book, &orphans, &fault), ERR_OK);
    assert_int_equal(orphans.mismatches, 0);
    fixture->key = book_find_customer(fixture->book, STR("acme"))->keys;
}

/* 100 are included; windows of an hour, one after the other. -1: no call at all. */
static const struct row {
    const char *sentence;
    int64_t rollover_max, used[5];
    int64_t carried[5]; /* into each */
} rows[] = {
    {"what is left is carried", 1000, {30, 0, -1, -1, -1}, {0, 70, 100, 0, 0}},
    {"no more than the plan says", 50, {30, 10, 10, 10, 10}, {0, 50, 50, 50, 50}},
    {"nothing is left", 50, {100, 40, 100, 1, 1}, {0, 0, 50, 50, 50}},
    {"what was carried is used first", 1000, {40, 60, 100, 100, 1}, {0, 60, 100, 100, 100}},
    {"… and then what is included", 1000, {40, 130, 1, 1, 1}, {0, 60, 30, 100, 100}},
    {"carried once, not twice", 1000, {0, 0, 0, 0, 0}, {0, 100, 100, 100, 100}},
    {"a window without calls leaves all", 30, {100, -1, 1, 1, 1}, {0, 0, 30, 30, 30}},
    {"three of them, too", 30, {100, -1, -1, -1, 1}, {0, 0, 30, 30, 30}},
    {"a plan without rollover", 0, {30, 10, 1, 1, 1}, {0, 0, 0, 0, 0}},
};

static void run_row(struct fixture *fixture, const struct row *row, uint64_t counter, bool killed)
{
    for (size_t window = 0; window < 5; window++, fixture->clock.now_us += hour_us) {
        struct rules rules = plan(fixture, 100, row->rollover_max);
        rules.allowance.counter = counter;
        if (killed)
            restart(fixture);
        if (row->used[window] < 0)
            continue;
        if (state_of(fixture, &rules).carried != row->carried[window])
            fail_msg("%s: not what is carried into window %zu", row->sentence, window);
        use(fixture, &rules, row->used[window]);
        if (state_of(fixture, &rules).carried != row->carried[window])
            fail_msg("%s: another amount once window %zu has begun", row->sentence, window);
    }
}

static void what_is_left_is_carried(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_row(fixture, &rows[i], 100 + i, false);
        run_row(fixture, &rows[i], 200 + i, true);
    }
}

/* 100 and what is carried: not a token more, neither held nor used. */
static void it_is_met_exactly(void **state)
{
    struct fixture *fixture = *state;
    struct rules rules = plan(fixture, 100, 40);
    struct hold *hold;
    use(fixture, &rules, 70);
    fixture->clock.now_us += hour_us;
    rules = plan(fixture, 100, 40);
    assert_int_equal(ask(fixture, &rules, 131, &hold), ERR_CREDIT_SHORT);
    use(fixture, &rules, 100);
    assert_int_equal(ask(fixture, &rules, 31, &hold), ERR_CREDIT_SHORT);
    restart(fixture);
    assert_int_equal(ask(fixture, &rules, 31, &hold), ERR_CREDIT_SHORT);
    use(fixture, &rules, 30);
    fixture_nothing_held(fixture);
}

/* What a call of the window before still holds is not carried, and its end finds no more there. */
static void a_late_end_takes_nothing_that_was_given(void **state)
{
    struct fixture *fixture = *state;
    struct rules const before = plan(fixture, 100, 1000);
    struct hold *running;
    fixture_grant(fixture, "1", 1000, 0);
    assert_int_equal(ask(fixture, &before, 60, &running), ERR_OK);
    fixture->clock.now_us += hour_us;
    struct rules const after = plan(fixture, 100, 1000);
    use(fixture, &after, 10);
    assert_int_equal(state_of(fixture, &after).carried, 40);
    struct settled const settled = fixture_settle(fixture, running, 95, 0);
    assert_int_equal(settled.covered.nano, 60);
    assert_int_equal(settled.charged.nano, 35);
    book_unref(running);
    restart(fixture);
    assert_int_equal(state_of(fixture, &after).carried, 40);
    fixture->clock.now_us -= hour_us; /* and back again: the other window has nothing left */
    struct hold *hold = NULL;
    assert_int_equal(ask(fixture, &before, 10, &hold), ERR_OK);
    assert_int_equal(fixture_settle(fixture, hold, 10, 0).covered.nano, 0);
    book_unref(hold);
}

static void other_terms_keep_what_they_allow(void **state)
{
    struct fixture *fixture = *state;
    struct rules rules = plan(fixture, 100, 80);
    use(fixture, &rules, 10);
    fixture->clock.now_us += hour_us;
    rules = plan(fixture, 100, 80);
    use(fixture, &rules, 150);
    assert_int_equal(state_of(fixture, &rules).carried, 80);
    rules.allowance.rollover_max = 20; /* 150 of 120 are used: nothing is left, no less */
    use(fixture, &rules, 0);
    assert_int_equal(state_of(fixture, &rules).carried, 20);
    rules.allowance.rollover_max = 500; /* what a change took is gone */
    use(fixture, &rules, 0);
    restart(fixture);
    assert_int_equal(state_of(fixture, &rules).carried, 20);
    fixture->clock.now_us += hour_us;
    rules = plan(fixture, 300, 500);
    assert_int_equal(state_of(fixture, &rules).carried, 0);
    use(fixture, &rules, 50);
    rules.allowance.limit = 200; /* the next one gets what is left of what was included last */
    use(fixture, &rules, 0);
    fixture->clock.now_us += hour_us;
    rules = plan(fixture, 300, 500);
    assert_int_equal(state_of(fixture, &rules).carried, 150);
}

/* Rows know what a window got; what the one before gave follows from it. */
static void rows_are_enough(void **state)
{
    struct fixture *fixture = *state;
    struct rules const before = plan(fixture, 100, 60);
    struct rules const after = {.has_allowance = true,
                                .allowance = {.counter = 7,
                                              .kind = WINDOW_HOUR,
                                              .metric = METRIC_TOKENS,
                                              .start_us = before.allowance.end_us,
                                              .end_us = before.allowance.end_us + hour_us,
                                              .limit = 100,
                                              .rollover_max = 60}};
    char name[RECORD_COUNTER_NAME_BYTES_MAX];
    struct fault fault = {0};
    for (int window = 0; window < 2; window++) {
        const struct rule *rule = window == 0 ? &before.allowance : &after.allowance;
        struct record_window_line const line = {.counter = rule->counter,
                                                .kind = rule->kind,
                                                .metric = rule->metric,
                                                .role = ROLE_ALLOWANCE,
                                                .start_us = rule->start_us,
                                                .end_us = rule->end_us};
        struct counter_row row = {.customer_id = STR("acme"),
                                  .name = {name, record_window_name(&line, name)},
                                  .value = 40};
        assert_int_equal(book_load_counter(fixture->book, &row, &fault), ERR_OK);
        row.name.len = record_rollover_name(&line, true, name);
        row.value = 100;
        assert_int_equal(book_load_counter(fixture->book, &row, &fault), ERR_OK);
        row.name.len = record_rollover_name(&line, false, name);
        row.value = window == 0 ? 0 : 55;
        assert_int_equal(book_load_counter(fixture->book, &row, &fault), ERR_OK);
        assert_true(record_window_until_us(&line) > rule->end_us + RECORD_ROLLS * hour_us);
    }
    struct book_orphans orphans;
    assert_int_equal(book_close_orphans(fixture->book, &orphans, &fault), ERR_OK);
    assert_int_equal(state_of(fixture, &after).carried, 55);
    assert_int_equal(state_of(fixture, &after).used, 40);
    struct hold *hold;
    assert_int_equal(ask(fixture, &before, 6, &hold), ERR_CREDIT_SHORT); /* 40 used, 55 given */
    use(fixture, &before, 5);
}

static void the_record_says_it_once(void **state)
{
    struct fixture *fixture = *state;
    unsigned char bytes[RECORD_RESERVE_BYTES_MAX];
    char context[RECORD_CONTEXT_BYTES_MAX];
    struct record_reserve read;
    struct record_reserve record = {.customer_id = STR("acme"),
                                    .window_count = 1,
                                    .rollover = {true, 55, INT64_MAX},
                                    .windows = {{.counter = 7,
                                                 .kind = WINDOW_DAY,
                                                 .metric = METRIC_TOKENS,
                                                 .role = ROLE_ALLOWANCE,
                                                 .end_us = 1}}};
    size_t const context_len = record_context_encode(&fixture->context, context, sizeof context);
    price_init(&record.price);
    for (int said = 1; said >= 0; said--) {
        record.rollover.said = said == 1;
        size_t const len =
            record_reserve_encode(&record, str_make(context, context_len), bytes, sizeof bytes);
        assert_true(len > 0);
        struct str const payload = str_make((const char *)bytes, len);
        assert_true(record_reserve_decode(payload, &read));
        assert_int_equal(read.rollover.said, said == 1);
        assert_int_equal(read.rollover.carried, said == 1 ? 55 : 0);
        assert_int_equal(read.rollover.included, said == 1 ? INT64_MAX : 0);
        for (size_t cut = 0; cut < len; cut++)
            assert_false(record_reserve_decode(str_make(payload.ptr, cut), &read));
    }
    record.rollover.said = true;
    record.windows[0].role = ROLE_LIMIT; /* of no allowance: not what we write */
    size_t const len =
        record_reserve_encode(&record, str_make(context, context_len), bytes, sizeof bytes);
    assert_false(record_reserve_decode(str_make((const char *)bytes, len), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_left_is_carried),
        TEST(it_is_met_exactly),
        TEST(a_late_end_takes_nothing_that_was_given),
        TEST(other_terms_keep_what_they_allow),
        TEST(rows_are_enough),
        TEST(the_record_says_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
