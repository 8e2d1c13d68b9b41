/* test_book_replay.c - start after a crash: records and rows become the same book again, orphans
 * are closed, damage is refused. (Random runs: tests/sim.) */
#include "book/counters.h"
#include "book/customer_int.h"
#include "book/record_int.h"
#include "book_calls.h"

struct replaying {
    struct book *book;
    uint64_t applied; /* up to here only holds are rebuilt */
    enum err err;
    struct fault fault;
};

static bool apply(void *owner, const struct journal_record *record)
{
    struct replaying *replaying = owner;
    replaying->err = book_apply_record(
        replaying->book, record, record->lsn <= replaying->applied ? REPLAY_HOLDS : REPLAY_WHOLE,
        &replaying->fault);
    return replaying->err == ERR_OK;
}

/* As if killed: the book forgets, the journal stays. */
static struct book_orphans restart(struct fixture *fixture)
{
    struct journal_opened opened;
    struct book_orphans orphans;
    struct fault fault = {0};
    struct replaying replaying = {0};
    fixture_shut(fixture);
    fixture_open(fixture, &opened);
    replaying.book = fixture->book;
    assert_int_equal(journal_replay(fixture->journal, 1, apply, &replaying, &fault), ERR_OK);
    assert_int_equal(replaying.err, ERR_OK);
    assert_int_equal(book_close_orphans(fixture->book, &orphans, &fault), ERR_OK);
    assert_int_equal(orphans.mismatches, 0);
    return orphans;
}

static void orphans_are_released_or_charged(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *idle = fixture_hold(fixture, 100, 100), *sent = fixture_hold(fixture, 100, 100),
                *done = fixture_hold(fixture, 10, 0), *late = fixture_hold(fixture, 10, 0);
    assert_int_equal(book_dispatch(fixture->book, sent, &fault), ERR_OK);
    assert_int_equal(book_dispatch(fixture->book, sent, &fault), ERR_OK); /* once is enough */
    book_progress(fixture->book, sent, 30);
    book_progress(fixture->book, sent, 20); /* never back */
    (void)fixture_settle(fixture, done, 10, 0);
    book_release(fixture->book, late, "upstream_error", 502);
    struct hold *const holds[] = {idle, sent, done, late};
    for (int i = 0; i < 4; i++)
        book_unref(holds[i]);
    struct book_orphans const orphans = restart(fixture);
    assert_int_equal(orphans.released, 1);
    assert_int_equal(orphans.settled, 1);
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.consumed.nano, 10 + 50 + 30); /* orphan_input is half the input */
    fixture_nothing_held(fixture);
    struct book_orphans const again = restart(fixture); /* and they are closed for good */
    assert_int_equal(again.released + again.settled, 0);
    assert_int_equal(fixture_balance(fixture).consumed.nano, 90);
}

/* What its rules were is not in the journal: it is charged from what it held, and from no more. */
static void a_hold_read_back_pays_from_what_it_held(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct rules const rules = {
        .count = 2,
        .list = {fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 1000),
                 fixture_rule(fixture, 2, WINDOW_DAY, METRIC_CONCURRENT, 2)},
        .has_allowance = true,
        .allowance = fixture_rule(fixture, 3, WINDOW_DAY, METRIC_TOKENS, 100),
        .overage = OVERAGE_BILL,
        .has_overage_cap = true,
        .overage_cap = fixture_rule(fixture, 4, WINDOW_DAY, METRIC_COST, 500),
    };
    struct rule const *const counted[] = {&rules.list[0], &rules.list[1], &rules.allowance,
                                          &rules.overage_cap};
    static const int64_t used[] = {60, 0, 30, 30};
    fixture->rules = &rules;
    struct hold *idle = fixture_hold(fixture, 70, 0), *sent = fixture_hold(fixture, 60, 20);
    assert_int_equal(sent->windows[2].amount, 30); /* of the quota; the rest is overage */
    assert_int_equal(book_dispatch(fixture->book, sent, &fault), ERR_OK);
    book_progress(fixture->book, sent, 30); /* 30 + 30: all of 80 is never asked for */
    book_unref(idle);
    book_unref(sent);
    (void)restart(fixture); /* the idle one is released first: 70 of the quota are free */
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.overage.nano, 30);
    assert_int_equal(balance.debt.nano, 0);
    struct customer *acme = book_find_customer(fixture->book, STR("acme"));
    for (size_t i = 0; i < 4; i++) {
        struct record_window_line const line = {.counter = counted[i]->counter,
                                                .metric = counted[i]->metric,
                                                .start_us = counted[i]->start_us,
                                                .end_us = counted[i]->end_us};
        const struct counter *counter = counters_find(&acme->counters, &line);
        assert_non_null(counter);
        assert_int_equal(counter->used, used[i]);
        assert_int_equal(counter->held, 0);
    }
    fixture_nothing_held(fixture);
}

static void keys_limits_and_customers_survive(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct key_made made;
    const struct key *key;
    fixture_customer(fixture, (struct customer_wanted){.overdraft = {5}, .limits = {2, 0, 0}});
    struct key_wanted const want = {STR("acme"), STR("k"), STR("ck_test_survivor_1"),
                                    .origin = ORIGIN_FILE, .limits = {0, 70, 0}};
    assert_int_equal(book_key_create(fixture->book, &want, fixture->arena, &made, &fault), ERR_OK);
    (void)fixture_key(fixture, "acme", "gone", (struct limits_wanted){0});
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), STR("gone"), &fault), ERR_OK);
    fixture_grant(fixture, "1", 1000, 0);
    struct hold *hold = fixture_hold(fixture, 1, 0);
    (void)fixture_settle(fixture, hold, 1, 0);
    book_unref(hold);
    (void)restart(fixture);
    assert_int_equal(book_authenticate(fixture->book, want.secret, &key, &fault), ERR_OK);
    assert_int_equal(key->limits.tokens.limit, 70);
    struct admission admission;
    book_limits(fixture->book, key, &admission);
    assert_int_equal(admission.requests_remaining, 1); /* the limiter remembers */
    bool existed;
    struct grant_wanted const grant = {.customer_id = STR("acme"),
                                       .amount = {1000},
                                       .source_type = STR("test"),
                                       .source_id = STR("1")};
    assert_int_equal(book_grant(fixture->book, &grant, &existed, &fault), ERR_OK);
    assert_true(existed);
    assert_int_equal(fixture_balance(fixture).available.nano, 1000 - 1 + 5);
}

static void idempotency_keys_survive(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct idempotency_answer answer = {0};
    struct idempotency_answer const good = {200, STR("t"), STR(""), STR("body")};
    const unsigned char print[32] = {9};
    unsigned char hashes[4][32] = {{1}, {2}, {3}, {4}};
    struct hold *holds[4];
    struct key_made made;
    struct key_wanted const want = {STR("acme"), STR("k"), STR("ck_test_survivor_1"),
                                    .origin = ORIGIN_FILE};
    assert_int_equal(book_key_create(fixture->book, &want, fixture->arena, &made, &fault), ERR_OK);
    assert_int_equal(book_authenticate(fixture->book, want.secret, &fixture->key, &fault), ERR_OK);
    fixture_grant(fixture, "1", 1000, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(book_idempotency_begin(fixture->book, key_customer(fixture->key),
                                                hashes[i], print, fixture->arena, &answer),
                         IDEMPOTENCY_NEW);
        fixture->context.idempotency = hashes[i];
        holds[i] = fixture_hold(fixture, 10, 0);
    }
    /* answered; settled but not answered; sent; never sent */
    (void)fixture_settle(fixture, holds[0], 10, 0);
    book_idempotency_finish(fixture->book, key_customer(fixture->key), hashes[0], &good);
    (void)fixture_settle(fixture, holds[1], 10, 0);
    assert_int_equal(book_dispatch(fixture->book, holds[2], &fault), ERR_OK);
    for (int i = 0; i < 4; i++)
        book_unref(holds[i]);
    (void)restart(fixture);
    static const enum idempotency_state expected[] = {IDEMPOTENCY_DONE, IDEMPOTENCY_LOST,
                                                      IDEMPOTENCY_LOST, IDEMPOTENCY_NEW};
    for (int i = 0; i < 4; i++)
        assert_int_equal(book_idempotency_begin(fixture->book,
                                                book_customer(fixture->book, STR("acme")),
                                                hashes[i], print, fixture->arena, &answer),
                         expected[i]);
    assert_int_equal(answer.status, 200);
    assert_true(str_eq(answer.body, STR("body")));
}

/* --- from rows ----------------------------------------------------------------------------- */
struct rows {
    struct book *from, *to;
    struct fault fault;
    int count;
};

static bool move_customer(void *owner, const struct customer_row *row)
{
    struct rows *rows = owner;
    return book_load_customer(rows->to, row, &rows->fault) == ERR_OK;
}
static bool move_key(void *owner, const struct key_row *row)
{
    struct rows *rows = owner;
    return book_load_key(rows->to, row, &rows->fault) == ERR_OK;
}
static bool move_grant(void *owner, const struct grant_row *row)
{
    struct rows *rows = owner;
    return book_load_grant(rows->to, row, &rows->fault) == ERR_OK;
}

static struct record_window_line line_of(const struct counter *counter)
{
    return (struct record_window_line){.counter = counter->id,
                                       .kind = counter->kind,
                                       .metric = counter->metric,
                                       .start_us = counter->start_us,
                                       .end_us = counter->end_us};
}

/* What a projector would have written up to now: rows, totals, limiters, windows. */
static void move_counters(struct rows *rows, const struct customer *customer)
{
    char name[RECORD_COUNTER_NAME_BYTES_MAX];
    struct counter_row row = {.customer_id = customer->id};
    for (unsigned i = 0; i < TOTAL_COUNT; i++) {
        row.name = str_make(name, record_total_name((enum record_total)i, name));
        row.value = customer->totals.nano[i];
        assert_int_equal(book_load_counter(rows->to, &row, &rows->fault), ERR_OK);
    }
    for (const struct key *key = customer->keys; key; key = key->next) {
        row.name = str_make(name, record_limiter_name(LIMITER_KEY_TOKENS, key->id, name));
        row.value = key->meter.tokens.tat;
        assert_int_equal(book_load_counter(rows->to, &row, &rows->fault), ERR_OK);
    }
    row.name =
        str_make(name, record_limiter_name(LIMITER_CUSTOMER_REQUESTS, (struct ulid){0}, name));
    row.value = customer->meter.requests.tat;
    assert_int_equal(book_load_counter(rows->to, &row, &rows->fault), ERR_OK);
    size_t slot = 0;
    for (const struct counter *counter = counters_next(&customer->counters, &slot, NULL); counter;
         counter = counters_next(&customer->counters, &slot, counter)) {
        struct record_window_line const line = line_of(counter);
        row.name = str_make(name, record_window_name(&line, name));
        row.value = counter->used;
        assert_int_equal(book_load_counter(rows->to, &row, &rows->fault), ERR_OK);
    }
}

static void same_customer(const struct customer *acme, const struct customer *copy)
{
    assert_memory_equal(&copy->totals, &acme->totals, sizeof copy->totals);
    assert_int_equal(copy->grants_held, acme->grants_held);
    assert_int_equal(copy->meter.live, 1);
    for (const struct grant *a = acme->grants, *b = copy->grants; a; a = a->next, b = b->next) {
        assert_int_equal(a->funds.remaining, b->funds.remaining);
        assert_int_equal(a->funds.held, b->funds.held);
        assert_int_equal(a->status, b->status);
    }
    size_t slot = 0, windows = 0;
    for (const struct counter *a = counters_next(&acme->counters, &slot, NULL); a;
         a = counters_next(&acme->counters, &slot, a), windows++) {
        struct record_window_line const line = line_of(a);
        const struct counter *b = counters_find(&copy->counters, &line);
        assert_non_null(b);
        assert_int_equal(a->used, b->used);
        assert_int_equal(a->held, b->held);
        assert_int_equal(a->lines, b->lines);
    }
    assert_int_equal(windows, 4);
    assert_int_equal(acme->keys->next->meter.tokens.tat, copy->keys->next->meter.tokens.tat);
}

static void rows_and_later_records_give_the_same_book(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct rules const rules = {
        .count = 2,
        .list = {fixture_rule(fixture, 1, WINDOW_DAY, METRIC_TOKENS, 100000),
                 fixture_rule(fixture, 2, WINDOW_DAY, METRIC_CONCURRENT, 9)},
        .has_allowance = true,
        .allowance = fixture_rule(fixture, UINT64_MAX, WINDOW_DAY, METRIC_TOKENS, 40),
        .overage = OVERAGE_BILL,
        .has_overage_cap = true,
        .overage_cap = fixture_rule(fixture, 3, WINDOW_HOUR, METRIC_COST, 50),
    };
    fixture->key = fixture_key(fixture, "acme", "k", (struct limits_wanted){0, 5000, 0});
    fixture->rules = &rules;
    fixture_grant(fixture, "1", 300, 0);
    fixture_grant(fixture, "2", 1000, fixture->clock.now_us + FIXTURE_SECOND_US);
    struct hold *before = fixture_hold(fixture, 90, 0), *across = fixture_hold(fixture, 100, 0),
                *expired = fixture_hold(fixture, 50, 0);
    (void)fixture_settle(fixture, before, 80, 0);
    fixture->clock.now_us += FIXTURE_SECOND_US;
    assert_int_equal(book_expire_grants(fixture->book), 1);
    /* here the projector has come to: rows are taken */
    struct rows rows = {.from = fixture->book};
    struct book_options const options = {
        .journal = fixture->journal, .clock = &fixture->clock.clock, .pepper = "pepper"};
    assert_int_equal(book_new(&options, &rows.to, &fault), ERR_OK);
    book_customers(fixture->book, move_customer, &rows);
    book_keys(fixture->book, STR("acme"), move_key, &rows);
    book_grants(fixture->book, STR("acme"), move_grant, &rows);
    struct customer *acme = book_find_customer(fixture->book, STR("acme"));
    move_counters(&rows, acme);
    struct replaying replaying = {.book = rows.to, .applied = journal_last_lsn(fixture->journal)};
    /* and later the holds end, credit comes, one hold is settled late */
    fixture->clock.now_us += 70 * (int64_t)FIXTURE_SECOND_US;
    (void)fixture_settle(fixture, across, 60, 0);
    assert_int_equal(book_sweep(fixture->book), 1);
    fixture_grant(fixture, "3", 400, 0);
    (void)fixture_settle(fixture, expired, 45, 0);
    struct hold *live = fixture_hold(fixture, 10, 10);
    assert_int_equal(journal_replay(fixture->journal, 1, apply, &replaying, &fault), ERR_OK);
    assert_int_equal(replaying.err, ERR_OK);
    assert_int_equal(rows.to->mismatches, 0);
    same_customer(acme, book_find_customer(rows.to, STR("acme")));
    book_free(rows.to);
    struct hold *const holds[] = {before, across, expired, live};
    for (int i = 0; i < 4; i++)
        book_unref(holds[i]);
}

static void a_row_of_a_hold_is_a_hold(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct book_orphans orphans;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_RESERVE_BYTES_MAX];
    fixture_grant(fixture, "1", 1000, 0);
    struct customer *acme = book_find_customer(fixture->book, STR("acme"));
    struct record_reserve record = {.id = {1, 2},
                                    .key = fixture->key->id,
                                    .customer_id = STR("acme"),
                                    .orphan_input = 40,
                                    .output_tokens = 5,
                                    .dispatched = true,
                                    .cost = {100},
                                    .estimate.tokens = {[POOL_INPUT] = 100},
                                    .grant_count = 1,
                                    .grants = {{.grant = acme->grants->funds.id, .amount = 100}}};
    price_init(&record.price);
    record.price.pico[POOL_INPUT] = record.price.pico[POOL_OUTPUT] = 1000;
    size_t const head = record_context_encode(&fixture->context, context, sizeof context);
    size_t const len =
        record_reserve_encode(&record, str_make((char *)context, head), bytes, sizeof bytes);
    struct hold_row const row = {
        .id = STR("x"), .customer_id = STR("acme"), .record = str_make((char *)bytes, len)};
    assert_int_equal(book_load_hold(fixture->book, &row, &fault), ERR_OK);
    assert_int_equal(fixture_balance(fixture).held.nano, 100);
    assert_int_equal(book_load_hold(fixture->book, &row, &fault), ERR_CORRUPT); /* twice */
    assert_int_equal(book_close_orphans(fixture->book, &orphans, &fault), ERR_OK);
    assert_int_equal(orphans.settled, 1);
    assert_int_equal(fixture_balance(fixture).consumed.nano, 45);
    fixture_nothing_held(fixture);
}

/* --- damage -------------------------------------------------------------------------------- */
static enum err feed(struct fixture *fixture, enum record_type type, const void *bytes, size_t len,
                     enum replay_mode mode)
{
    struct fault fault = {0};
    struct journal_record const record = {1, 1, 1, (uint8_t)type, str_make(bytes, len)};
    return book_apply_record(fixture->book, &record, mode, &fault);
}

static void records_that_do_not_fit_are_damage(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_RESERVE_BYTES_MAX];
    fixture_grant(fixture, "1", 1000, 0);
    struct customer *acme = book_find_customer(fixture->book, STR("acme"));
    struct ulid const grant = acme->grants->funds.id;
    size_t const head = record_context_encode(&fixture->context, context, sizeof context);
    struct str const made = str_make((char *)context, head);
    struct record_reserve good = {.id = {1, 2},
                                  .key = fixture->key->id,
                                  .customer_id = STR("acme"),
                                  .grant_count = 1,
                                  .grants = {{.grant = grant, .amount = 100}}};
    price_init(&good.price);
    struct record_reserve wrong[7];
    for (int i = 0; i < 7; i++)
        wrong[i] = good;
    wrong[0].customer_id = STR("nobody");
    wrong[1].key = (struct ulid){9, 9};
    wrong[2].grants[0].grant = (struct ulid){9, 9};
    wrong[3].grants[0].amount = 1001;
    wrong[4].grant_count = 2; /* one grant twice, more than it has */
    wrong[4].grants[0].amount = wrong[4].grants[1].amount = 600;
    wrong[4].grants[1].grant = grant;
    wrong[5].grants[0].amount = INT64_MAX;
    wrong[6].overage.nano = INT64_MAX;
    acme->overage_held = 1;
    for (int i = 0; i < 7; i++) {
        size_t const len = record_reserve_encode(&wrong[i], made, bytes, sizeof bytes);
        assert_int_equal(feed(fixture, RECORD_RESERVE, bytes, len, REPLAY_WHOLE), ERR_CORRUPT);
    }
    acme->overage_held = 0;
    fixture_nothing_held(fixture);
    static const int types[] = {RECORD_CUSTOMER,
                                RECORD_KEY,
                                RECORD_GRANT,
                                RECORD_GRANT_EXPIRE,
                                RECORD_RESERVE,
                                RECORD_SETTLE,
                                RECORD_RELEASE,
                                RECORD_EXPIRE,
                                RECORD_DISPATCH,
                                RECORD_IDEMPOTENCY,
                                0,
                                12,
                                255};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(feed(fixture, (enum record_type)types[i], "rubbish", 7, REPLAY_WHOLE),
                         ERR_CORRUPT);
    size_t const len = record_reserve_encode(&good, made, bytes, sizeof bytes);
    assert_int_equal(feed(fixture, RECORD_RESERVE, bytes, len, REPLAY_WHOLE), ERR_OK);
    assert_int_equal(feed(fixture, RECORD_RESERVE, bytes, len, REPLAY_WHOLE), ERR_CORRUPT);
}

static void ends_that_do_not_fit_are_damage(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    fixture_grant(fixture, "1", 1000, 0);
    struct customer *acme = book_find_customer(fixture->book, STR("acme"));
    struct ulid const grant = acme->grants->funds.id;
    struct str const made = str_make(
        (char *)context, record_context_encode(&fixture->context, context, sizeof context));
    struct record_end good = {.id = {1, 2},
                              .key = fixture->key->id,
                              .customer_id = STR("acme"),
                              .late = true,
                              .charged = {70},
                              .cost = {70},
                              .grant_count = 1,
                              .grants = {{.grant = grant, .amount = 70}}};
    struct record_end wrong[6];
    for (int i = 0; i < 6; i++)
        wrong[i] = good;
    wrong[0].late = false; /* no such hold */
    wrong[1].customer_id = STR("nobody");
    wrong[2].key = (struct ulid){9, 9};
    wrong[3].grants[0].grant = (struct ulid){9, 9};
    wrong[4].charged.nano = 71; /* more than its lines */
    wrong[5].grants[0].amount = wrong[5].charged.nano = 1001;
    for (int i = 0; i < 6; i++) {
        size_t const len = record_end_encode(RECORD_SETTLE, &wrong[i], made, bytes, sizeof bytes);
        assert_int_equal(feed(fixture, RECORD_SETTLE, bytes, len, REPLAY_WHOLE), ERR_CORRUPT);
    }
    assert_int_equal(fixture_balance(fixture).consumed.nano, 0);
    /* a late end whose hold is forgotten already stands on its own */
    size_t const len = record_end_encode(RECORD_SETTLE, &good, made, bytes, sizeof bytes);
    assert_int_equal(feed(fixture, RECORD_SETTLE, bytes, len, REPLAY_WHOLE), ERR_OK);
    assert_int_equal(fixture_balance(fixture).consumed.nano, 70);
    assert_int_equal(fixture->book->mismatches, 1); /* its totals were not filled in: noticed */
}

static void rows_that_cannot_be_are_damage(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct book *book = fixture->book;
    struct customer_row const customers[] = {{.id = STR("acme")},
                                             {.id = STR("")},
                                             {.id = STR("x"), .status = 9},
                                             {.id = STR("x"), .overdraft = {-1}}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(book_load_customer(book, &customers[i], &fault), ERR_CORRUPT);
    struct str const id = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"), acme = STR("acme");
    struct key_row const keys[] = {{.id = id, .customer_id = STR("x")},
                                   {.id = STR("short"), .customer_id = acme},
                                   {.id = id, .customer_id = acme, .status = 7},
                                   {.id = id, .customer_id = acme, .concurrent_max = -1}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(book_load_key(book, &keys[i], &fault), ERR_CORRUPT);
    struct grant_row const grants[] = {
        {.id = id, .customer_id = STR("x"), .amount = {1}},
        {.id = STR("short"), .customer_id = acme, .amount = {1}},
        {.id = id, .customer_id = acme, .amount = {0}},
        {.id = id, .customer_id = acme, .amount = {5}, .remaining = {6}},
        {.id = id, .customer_id = acme, .amount = {5}, .remaining = {-1}}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(book_load_grant(book, &grants[i], &fault), ERR_CORRUPT);
    struct counter_row const counters[] = {
        {STR("x"), STR("total/debt"), 1, 0},
        {acme, STR("total/debt"), -1, 0},
        {acme, STR("apples"), 1, 0},
        {acme, STR("window/0000000000000001/cost/day/5/5"), 1, 0}, /* of no length */
        {acme, STR("limiter/tokens/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1, 0}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(book_load_counter(book, &counters[i], &fault), ERR_CORRUPT);
    struct hold_row const hold = {.record = STR("rubbish")};
    assert_int_equal(book_load_hold(book, &hold, &fault), ERR_CORRUPT);
    struct idempotency_row const key = {.customer_id = STR("x")};
    assert_int_equal(book_load_idempotency(book, &key, &fault), ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(orphans_are_released_or_charged),
        TEST(a_hold_read_back_pays_from_what_it_held),
        TEST(keys_limits_and_customers_survive),
        TEST(idempotency_keys_survive),
        TEST(rows_and_later_records_give_the_same_book),
        TEST(a_row_of_a_hold_is_a_hold),
        TEST(records_that_do_not_fit_are_damage),
        TEST(ends_that_do_not_fit_are_damage),
        TEST(rows_that_cannot_be_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
