/* store_contract.c - the contract of store.h, as tests that know no backend. */
#include "store_contract.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct store_contract *contract;
static struct store *store;
static struct fault fault;

#define OK(expression)                                                                             \
    do {                                                                                           \
        if ((expression) != ERR_OK)                                                                \
            fail_msg("%s: %s", #expression, fault.detail);                                         \
    } while (0)

static int setup(void **state)
{
    (void)state;
    fault = (struct fault){.code = ERR_OK};
    store = contract->open_fresh();
    return store == NULL;
}

static int teardown(void **state)
{
    (void)state;
    store->ops->close(store);
    return 0;
}

static void begin(void)
{
    OK(store->ops->begin(store, &fault));
}

static void commit(uint64_t applied, uint64_t recover)
{
    OK(store->ops->commit(store, (struct store_position){applied, recover}, &fault));
}

/* --- rows to write and find again --- */

static struct customer_row customer_make(const char *id)
{
    return (struct customer_row){.id = str_of(id),
                                 .currency = STR("USD"),
                                 .origin = ORIGIN_RUNTIME,
                                 .status = 1,
                                 .created_us = 17,
                                 .overdraft = {5},
                                 .debt = {6},
                                 .requests_per_minute = 7,
                                 .tokens_per_minute = 8,
                                 .concurrent_max = 9};
}

static struct usage_row usage_make(uint64_t lsn, const char *customer, const char *request)
{
    struct usage_row row = {
        .lsn = lsn,
        .request_id = str_of(request),
        .hold_id = STR("01HOLD"),
        .customer_id = str_of(customer),
        .key_id = STR("01KEY"),
        .user = STR("ana \xc3\xa9"),
        .feature = STR("chat"),
        .endpoint = STR("chat"),
        .model = lsn % 2 == 0 ? STR("even") : STR("odd"),
        .provider = STR("up"),
        .outcome = STR("ok"),
        .stream = lsn % 2 == 0,
        .http_status = 200,
        .attempts = 2,
        .usage = {.source = USAGE_PROVIDER},
        .price_version = 3,
        .cost = {(int64_t)lsn * 10},
        .charged = {(int64_t)lsn * 10},
        .held = {1000},
        .started_us = (int64_t)lsn * 1000,
        .finished_us = (int64_t)lsn * 1000 + 500,
        .ledger_txn = 1,
    };
    row.usage.tokens[POOL_INPUT] = 11;
    row.usage.tokens[POOL_IMAGE_OUTPUT] = INT64_MAX;
    return row;
}

static void ledger_put(int64_t id, const char *customer, int64_t nano, const char *source)
{
    struct ledger_entry_row const entries[] = {
        {.account = STR("credit"),
         .customer_id = str_of(customer),
         .grant_id = STR("01GRANT"),
         .amount = {nano}},
        {.account = STR("cash"), .amount = {-nano}},
    };
    struct ledger_txn_row const txn = {.id = id,
                                       .kind = STR("grant"),
                                       .source_type = STR("test"),
                                       .source_id = str_of(source),
                                       .currency = STR("USD"),
                                       .at_us = 1,
                                       .entry_count = 2,
                                       .entries = entries};
    OK(store->ops->ledger_add(store, &txn, &fault));
}

static int64_t ledger_sum(const char *customer, const char *account)
{
    struct money sum = {-1};
    OK(store->ops->ledger_sum(store, str_of(customer), str_of(account), &sum, &fault));
    return sum.nano;
}

/* --- customers, keys, grants, counters, holds --- */

struct text {
    char bytes[4096];
    size_t len;
    int rows, stop_after;
};

/* One line per row, so that a whole table compares as one text. */
static bool line_add(struct text *text, int printed)
{
    assert_true(printed > 0 && text->len + (size_t)printed < sizeof text->bytes);
    text->len += (size_t)printed;
    text->rows++;
    return text->rows != text->stop_after;
}
#define LINE(owner, ...)                                                                           \
    line_add(owner, snprintf(((struct text *)(owner))->bytes + ((struct text *)(owner))->len,      \
                             sizeof((struct text *)0)->bytes - ((struct text *)(owner))->len,      \
                             __VA_ARGS__))

static bool print_customer(void *owner, const struct customer_row *row)
{
    return LINE(owner, "%.*s %.*s %d %d %d %lld %lld %lld %lld %lld %lld\n", STR_ARG(row->id),
                STR_ARG(row->currency), (int)row->origin, row->unlimited, row->status,
                (long long)row->created_us, (long long)row->overdraft.nano,
                (long long)row->debt.nano, (long long)row->requests_per_minute,
                (long long)row->tokens_per_minute, (long long)row->concurrent_max);
}

static void test_customers(void **state)
{
    (void)state;
    struct text text = {.rows = 0}, one = {.stop_after = 1};
    struct customer_row row = customer_make("b");
    begin();
    OK(store->ops->customer_put(store, &row, &fault));
    row = customer_make("a");
    OK(store->ops->customer_put(store, &row, &fault));
    row.unlimited = true; /* put again: changed */
    row.status = 2;
    OK(store->ops->customer_put(store, &row, &fault));
    commit(1, 2);
    OK(store->ops->customers(store, print_customer, &text, &fault));
    assert_string_equal(text.bytes, "a USD 1 1 2 17 5 6 7 8 9\nb USD 1 0 1 17 5 6 7 8 9\n");
    OK(store->ops->customers(store, print_customer, &one, &fault));
    assert_int_equal(one.rows, 1);
}

static bool print_key(void *owner, const struct key_row *row)
{
    return LINE(owner, "%.*s %.*s %.*s %.*s %d%d %d %d %lld %lld %lld\n", STR_ARG(row->id),
                STR_ARG(row->customer_id), STR_ARG(row->name), STR_ARG(row->prefix), row->hash[0],
                row->hash[31], (int)row->origin, row->status, (long long)row->expires_us,
                (long long)row->requests_per_minute, (long long)row->concurrent_max);
}

static void test_keys(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    struct key_row row = {.id = STR("k1"),
                          .customer_id = STR("a"),
                          .name = STR("main"),
                          .prefix = STR("ck_"),
                          .hash = {[0] = 3, [31] = 4},
                          .expires_us = 99,
                          .requests_per_minute = 60,
                          .concurrent_max = 5};
    begin();
    OK(store->ops->key_put(store, &row, &fault));
    row.status = 1;
    OK(store->ops->key_put(store, &row, &fault));
    commit(1, 2);
    OK(store->ops->keys(store, print_key, &text, &fault));
    assert_string_equal(text.bytes, "k1 a main ck_ 34 0 1 99 60 5\n");
}

static void keys_fill(void)
{
    static const char *const ids[][2] = {
        {"k3", "b"}, {"k1", "b"}, {"k2", "a"}, {"k4", "a"}, {"k5", "ab"}};
    begin();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct key_row const key = {.id = str_of(ids[i][0]),
                                    .customer_id = str_of(ids[i][1]),
                                    .hash = {[0] = (unsigned char)i}};
        struct customer_row const customer = customer_make(ids[i][1]);
        OK(store->ops->customer_put(store, &customer, &fault));
        OK(store->ops->key_put(store, &key, &fault));
    }
    commit(1, 2);
}

static bool print_customer_id(void *owner, const struct customer_row *row)
{
    return LINE(owner, "%.*s ", STR_ARG(row->id));
}

static bool print_key_id(void *owner, const struct key_row *row)
{
    return LINE(owner, "%.*s.%.*s ", STR_ARG(row->customer_id), STR_ARG(row->id));
}

static void test_account_pages(void **state)
{
    (void)state;
    static const struct {
        struct account_query query;
        const char *customers, *keys;
    } rows[] = {
        {{.limit = 0}, "a ab b ", "a.k2 a.k4 ab.k5 b.k1 b.k3 "},
        {{.limit = 2}, "a ab ", "a.k2 a.k4 "},
        {{.after_customer = STR_ROW("a"), .after_key = STR_ROW("k2")},
         "ab b ",
         "a.k4 ab.k5 b.k1 b.k3 "},
        {{.after_customer = STR_ROW("a"), .after_key = STR_ROW("k4"), .limit = 2},
         "ab b ",
         "ab.k5 b.k1 "},
        {{.after_customer = STR_ROW("b"), .after_key = STR_ROW("k3")}, "", ""},
        {{.customer_id = STR_ROW("b")}, "a ab b ", "b.k1 b.k3 "},
        {{.customer_id = STR_ROW("b"), .after_customer = STR_ROW("b"), .after_key = STR_ROW("k1")},
         "",
         "b.k3 "},
        {{.customer_id = STR_ROW("nobody")}, "a ab b ", ""},
    };
    keys_fill();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text customers = {.rows = 0}, keys = {.rows = 0};
        OK(store->ops->customer_page(store, &rows[i].query, print_customer_id, &customers, &fault));
        OK(store->ops->key_page(store, &rows[i].query, print_key_id, &keys, &fault));
        assert_string_equal(customers.bytes, rows[i].customers);
        assert_string_equal(keys.bytes, rows[i].keys);
    }
}

static bool print_grant(void *owner, const struct grant_row *row)
{
    return LINE(owner, "%.*s %.*s %.*s %.*s %.*s %lld %lld %lld %d\n", STR_ARG(row->id),
                STR_ARG(row->customer_id), STR_ARG(row->category), STR_ARG(row->source_type),
                STR_ARG(row->source_id), (long long)row->amount.nano,
                (long long)row->remaining.nano, (long long)row->priority, row->status);
}

static void test_grants(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    struct grant_row const row = {.id = STR("g1"),
                                  .customer_id = STR("a"),
                                  .category = STR("paid"),
                                  .source_type = STR("stripe"),
                                  .source_id = STR("pi_1"),
                                  .amount = {100},
                                  .remaining = {100},
                                  .priority = 3};
    begin();
    OK(store->ops->grant_put(store, &row, &fault));
    OK(store->ops->grant_left(store, STR("g1"), (struct money){40}, -1, &fault));
    commit(1, 2);
    OK(store->ops->grants(store, print_grant, &text, &fault));
    begin();
    OK(store->ops->grant_left(store, STR("g1"), (struct money){0}, 1, &fault));
    assert_int_equal(store->ops->grant_left(store, STR("g2"), (struct money){0}, 1, &fault),
                     ERR_STORE_FAILED);
    commit(2, 3);
    OK(store->ops->grants(store, print_grant, &text, &fault));
    assert_string_equal(text.bytes, "g1 a paid stripe pi_1 100 40 3 0\n"
                                    "g1 a paid stripe pi_1 100 0 3 1\n");
}

static bool print_counter(void *owner, const struct counter_row *row)
{
    return LINE(owner, "%.*s %.*s %lld %lld\n", STR_ARG(row->customer_id), STR_ARG(row->name),
                (long long)row->value, (long long)row->until_us);
}

static void test_counters_and_forgetting(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    begin();
    for (int64_t i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%lld", (long long)i);
        struct counter_row const row = {
            .customer_id = STR("a"), .name = str_of(name), .value = i, .until_us = i * 100};
        OK(store->ops->counter_put(store, &row, &fault));
    }
    struct counter_row const again = {
        .customer_id = STR("a"), .name = STR("c3"), .value = -9, .until_us = 301};
    OK(store->ops->counter_put(store, &again, &fault));
    struct idempotency_row key = {.customer_id = STR("a"), .key_hash = {1}, .expires_us = 200};
    OK(store->ops->idempotency_put(store, &key, &fault));
    commit(1, 2);
    begin();
    OK(store->ops->forget(store, 200, &fault));
    commit(2, 3);
    OK(store->ops->counters(store, print_counter, &text, &fault));
    assert_string_equal(text.bytes, "a c0 0 0\na c3 -9 301\n");
    bool found = true;
    OK(store->ops->idempotency_get(store, STR("a"), key.key_hash, NULL, NULL, &found, &fault));
    assert_false(found);
}

static bool print_hold(void *owner, const struct hold_row *row)
{
    return LINE(owner, "%.*s %.*s %lld %zu\n", STR_ARG(row->id), STR_ARG(row->customer_id),
                (long long)row->deadline_us, row->record.len);
}

static void test_holds(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    struct hold_row row = {
        .id = STR("h1"), .customer_id = STR("a"), .deadline_us = 5, .record = {"\0x\0", 3}};
    begin();
    OK(store->ops->hold_put(store, &row, &fault));
    row.record.len = 2;
    OK(store->ops->hold_put(store, &row, &fault));
    row.id = STR("h2");
    OK(store->ops->hold_put(store, &row, &fault));
    OK(store->ops->hold_delete(store, STR("h2"), &fault));
    OK(store->ops->hold_delete(store, STR("never there"), &fault));
    commit(1, 2);
    OK(store->ops->holds(store, print_hold, &text, &fault));
    assert_string_equal(text.bytes, "h1 a 5 2\n");
}

/* --- transactions --- */

static void test_rollback_leaves_no_trace(void **state)
{
    (void)state;
    struct text before = {.rows = 0}, after = {.rows = 0};
    struct customer_row row = customer_make("a");
    struct store_position position;
    begin();
    OK(store->ops->customer_put(store, &row, &fault));
    ledger_put(1, "a", 50, "s1");
    commit(10, 8);
    OK(store->ops->customers(store, print_customer, &before, &fault));
    begin();
    row.status = 7;
    OK(store->ops->customer_put(store, &row, &fault));
    struct usage_row const usage = usage_make(11, "a", "r");
    OK(store->ops->usage_add(store, &usage, &fault));
    ledger_put(11, "a", 1, "s2");
    store->ops->rollback(store);
    OK(store->ops->customers(store, print_customer, &after, &fault));
    assert_string_equal(before.bytes, after.bytes);
    assert_int_equal(ledger_sum("a", "credit"), 50);
    OK(store->ops->position(store, &position, &fault));
    assert_int_equal(position.applied_lsn, 10);
    assert_int_equal(position.recover_lsn, 8);
    begin(); /* and goes on */
    OK(store->ops->usage_add(store, &usage, &fault));
    commit(11, 12);
}

static void test_position_of_a_fresh_store(void **state)
{
    (void)state;
    struct store_position position = {9, 9};
    OK(store->ops->position(store, &position, &fault));
    assert_int_equal(position.applied_lsn, 0);
    assert_int_equal(position.recover_lsn, 1);
}

static void test_everything_is_there_after_reopening(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    struct store_position position;
    struct customer_row const row = customer_make("kept");
    begin();
    OK(store->ops->customer_put(store, &row, &fault));
    ledger_put(1, "kept", 50, "s1");
    commit(77, 70);
    store->ops->close(store);
    store = contract->open_again();
    assert_non_null(store);
    OK(store->ops->customers(store, print_customer, &text, &fault));
    assert_int_equal(text.rows, 1);
    assert_int_equal(ledger_sum("kept", "credit"), 50);
    OK(store->ops->position(store, &position, &fault));
    assert_int_equal(position.applied_lsn, 77);
    assert_int_equal(position.recover_lsn, 70);
}

#include "store_contract_alerts.c"
#include "store_contract_endings.c"
#include "store_contract_money.c"
#include "store_contract_objects.c"

/* --- idempotency --- */

static bool print_answer(void *owner, const struct idempotency_row *row)
{
    return LINE(owner, "%.*s %d%d %d %.*s %.*s %.*s %lld\n", STR_ARG(row->customer_id),
                row->key_hash[0], row->fingerprint[0], row->status, STR_ARG(row->content_type),
                STR_ARG(row->headers), STR_ARG(row->body), (long long)row->expires_us);
}

static void test_idempotency(void **state)
{
    (void)state;
    struct text list = {.rows = 0}, one = {.rows = 0};
    bool found;
    struct idempotency_row row = {
        .customer_id = STR("a"), .key_hash = {1}, .fingerprint = {2}, .expires_us = 50};
    begin();
    OK(store->ops->idempotency_put(store, &row, &fault));
    row.status = 200;
    row.content_type = STR("json");
    row.headers = STR("x: y");
    row.body = STR("{}");
    OK(store->ops->idempotency_put(store, &row, &fault));
    commit(1, 2);
    OK(store->ops->idempotency(store, print_answer, &list, &fault));
    assert_string_equal(list.bytes, "a 12 200 json x: y  50\n"); /* bodies stay where they are */
    OK(store->ops->idempotency_get(store, STR("a"), row.key_hash, print_answer, &one, &found,
                                   &fault));
    assert_true(found);
    assert_string_equal(one.bytes, "a 12 200 json x: y {} 50\n");
    row.key_hash[31] = 1;
    OK(store->ops->idempotency_get(store, STR("a"), row.key_hash, print_answer, &one, &found,
                                   &fault));
    assert_false(found);
}

/* --- threads --- */

static _Atomic bool writing;

struct pair {
    int64_t one, two;
};

static bool read_pair(void *owner, const struct counter_row *row)
{
    struct pair *pair = owner;
    *(str_eq(row->name, STR("one")) ? &pair->one : &pair->two) = row->value;
    return true;
}

static void *reader(void *owner)
{
    int64_t *torn = owner;
    while (writing) {
        struct pair pair = {0};
        struct fault own = {.code = ERR_OK};
        if (store->ops->counters(store, read_pair, &pair, &own) != ERR_OK || pair.one != pair.two)
            ++*torn;
    }
    return NULL;
}

static void test_readers_see_whole_transactions(void **state)
{
    (void)state;
    enum { READERS = 6, ROUNDS = 300 };
    pthread_t threads[READERS];
    int64_t torn[READERS] = {0};
    writing = true;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &torn[i]), 0);
    for (int64_t i = 1; i <= ROUNDS; i++) {
        struct counter_row row = {.customer_id = STR("a"), .name = STR("one"), .value = i};
        begin();
        OK(store->ops->counter_put(store, &row, &fault));
        row.name = STR("two");
        OK(store->ops->counter_put(store, &row, &fault));
        commit((uint64_t)i, (uint64_t)i + 1);
    }
    writing = false;
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(torn[i], 0);
    }
}

int store_contract_run(const struct store_contract *doors)
{
    contract = doors;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_customers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_account_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counters_and_forgetting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rollback_leaves_no_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_position_of_a_fresh_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_buckets_sum_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit_finds_each_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idempotency, setup, teardown),
        cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_object_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_object_lists_refuse_bad_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alerts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit_trail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers_see_whole_transactions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_is_there_after_reopening, setup, teardown),
    };
    size_t const count = sizeof tests / sizeof tests[0] - (doors->open_again == NULL ? 1 : 0);
    return _cmocka_run_group_tests("store", tests, count, NULL, NULL);
}
