/* test_book_manage.c - customers, keys, grants, and Idempotency-Keys. */
#include "book/customer_int.h"
#include "book/token_key.h"
#include "book_calls.h"

static enum err authenticate(struct fixture *fixture, struct str secret, const struct key **key)
{
    struct fault fault = {0};
    return book_authenticate(fixture->book, secret, key, &fault);
}

static enum err create(struct fixture *fixture, struct key_wanted want, struct key_made *made)
{
    struct fault fault = {0};
    return book_key_create(fixture->book, &want, fixture->arena, made, &fault);
}

/* --- keys ---------------------------------------------------------------------------------- */
static void fresh_secrets_differ_and_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct key_made first, second;
    const struct key *key;
    struct key_wanted want = {
        .customer_id = STR("acme"), .name = STR("one"), .origin = ORIGIN_RUNTIME};
    assert_int_equal(create(fixture, want, &first), ERR_OK);
    want.name = STR("two");
    assert_int_equal(create(fixture, want, &second), ERR_OK);
    assert_true(str_starts(first.secret, STR("ck_live_")));
    assert_false(str_eq(first.secret, second.secret));
    assert_false(first.existed);
    assert_int_equal(authenticate(fixture, first.secret, &key), ERR_OK);
    assert_true(str_eq(key_name(key), STR("one")));
    assert_memory_equal(key_id(key).ptr, first.id, ULID_TEXT_BYTES);
    assert_true(str_eq(customer_id(key_customer(key)), STR("acme")));
    /* neither the key object nor its shown prefix gives it away */
    assert_true(key->prefix.len <= 12);
    assert_true(str_starts(first.secret, key->prefix));
    char *object = (char *)(uintptr_t)key;
    assert_int_equal(str_find(str_make(object, sizeof *key), str_skip(first.secret, 12)),
                     sizeof *key);
}

static const struct wanted_row {
    const char *sentence;
    struct key_wanted want;
    enum err err;
} wanted[] = {
    {"no such customer",
     {STR_ROW("nobody"), STR_ROW("k"), .origin = ORIGIN_RUNTIME},
     ERR_NOT_FOUND},
    {"no name", {STR_ROW("acme"), .origin = ORIGIN_RUNTIME}, ERR_FIELD_INVALID},
    {"a short secret",
     {STR_ROW("acme"), STR_ROW("k"), STR_ROW("only-15-bytes.."), .origin = ORIGIN_RUNTIME},
     ERR_FIELD_INVALID},
    {"a negative limit",
     {STR_ROW("acme"), STR_ROW("k"), .origin = ORIGIN_RUNTIME, .limits = {-1, 0, 0}},
     ERR_FIELD_INVALID},
    {"a name that is taken",
     {STR_ROW("acme"), STR_ROW("main"), .origin = ORIGIN_RUNTIME},
     ERR_CONFLICT},
    {"a secret of one's own",
     {STR_ROW("acme"), STR_ROW("own"), STR_ROW("ck_test_0123456789abcdef"), .origin = ORIGIN_FILE},
     ERR_OK},
    {"the same again changes limits",
     {STR_ROW("acme"),
      STR_ROW("own"),
      STR_ROW("ck_test_0123456789abcdef"),
      ORIGIN_FILE,
      0,
      {5, 0, 0}},
     ERR_OK},
    {"the same again from elsewhere",
     {STR_ROW("acme"), STR_ROW("own"), STR_ROW("ck_test_0123456789abcdef"),
      .origin = ORIGIN_RUNTIME},
     ERR_CONFLICT},
    {"the same secret for another customer",
     {STR_ROW("other"), STR_ROW("own"), STR_ROW("ck_test_0123456789abcdef"), .origin = ORIGIN_FILE},
     ERR_CONFLICT},
};

static void keys_are_checked_before_they_are_made(void **state)
{
    struct fixture *fixture = *state;
    struct key_made made;
    const struct key *key;
    fixture_customer(fixture, (struct customer_wanted){.id = STR("other")});
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        print_message("  %s\n", wanted[i].sentence);
        assert_int_equal(create(fixture, wanted[i].want, &made), wanted[i].err);
    }
    assert_int_equal(authenticate(fixture, STR("ck_test_0123456789abcdef"), &key), ERR_OK);
    assert_int_equal(key->limits.requests.limit, 5);
}

static void strangers_get_401_and_the_expired_too(void **state)
{
    struct fixture *fixture = *state;
    struct key_made made;
    const struct key *key;
    char longest[KEY_SECRET_BYTES_MAX + 1];
    memset(longest, 'k', sizeof longest);
    assert_int_equal(authenticate(fixture, STR(""), &key), ERR_KEY_INVALID);
    assert_int_equal(authenticate(fixture, STR("ck_live_unknown_unknown"), &key), ERR_KEY_INVALID);
    assert_int_equal(authenticate(fixture, str_make(longest, sizeof longest), &key),
                     ERR_KEY_INVALID);
    struct key_wanted const want = {.customer_id = STR("acme"),
                                    .name = STR("short"),
                                    .origin = ORIGIN_RUNTIME,
                                    .expires_us = fixture->clock.now_us + 10};
    assert_int_equal(create(fixture, want, &made), ERR_OK);
    assert_int_equal(authenticate(fixture, made.secret, &key), ERR_OK);
    fixture->clock.now_us += 10;
    assert_int_equal(authenticate(fixture, made.secret, &key), ERR_KEY_EXPIRED);
    assert_null(key);
}

static void a_revoked_key_never_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct key_made made;
    const struct key *key;
    struct key_wanted const want = {STR("acme"), STR("k"), STR("ck_test_revoked_revoked"),
                                    .origin = ORIGIN_FILE};
    assert_int_equal(create(fixture, want, &made), ERR_OK);
    assert_int_equal(authenticate(fixture, want.secret, &key), ERR_OK);
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), STR("k"), &fault), ERR_OK);
    assert_int_equal(authenticate(fixture, want.secret, &key), ERR_KEY_REVOKED);
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), str_make(made.id, 26), &fault),
                     ERR_OK); /* again: fine */
    assert_int_equal(create(fixture, want, &made), ERR_KEY_REVOKED);
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), STR("no"), &fault), ERR_NOT_FOUND);
    assert_int_equal(book_key_revoke(fixture->book, STR("nobody"), STR("k"), &fault),
                     ERR_NOT_FOUND);
    /* its name is free for another secret */
    struct key_wanted const next = {
        .customer_id = STR("acme"), .name = STR("k"), .origin = ORIGIN_FILE};
    assert_int_equal(create(fixture, next, &made), ERR_OK);
    assert_int_equal(authenticate(fixture, made.secret, &key), ERR_OK);
}

static void the_key_for_tokens_is_the_newest(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct key_made first, second;
    const struct key *key = fixture->key;
    struct key_wanted const want = {
        .customer_id = STR("acme"), .name = TOKEN_KEY_NAME, .origin = ORIGIN_RUNTIME};
    assert_int_equal(book_token_key(fixture->book, STR("acme"), &key, &fault), ERR_OK);
    assert_null(key); /* none yet */
    assert_int_equal(book_token_key(fixture->book, STR("nobody"), &key, &fault), ERR_TOKEN_INVALID);
    assert_int_equal(create(fixture, want, &first), ERR_OK);
    assert_int_equal(book_token_key(fixture->book, STR("acme"), &key, &fault), ERR_OK);
    assert_memory_equal(key_id(key).ptr, first.id, ULID_TEXT_BYTES);
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), TOKEN_KEY_NAME, &fault), ERR_OK);
    fault = (struct fault){0};
    assert_int_equal(book_token_key(fixture->book, STR("acme"), &key, &fault), ERR_KEY_REVOKED);
    assert_null(key);
    assert_int_equal(create(fixture, want, &second), ERR_OK);
    fault = (struct fault){0};
    assert_int_equal(book_token_key(fixture->book, STR("acme"), &key, &fault), ERR_OK);
    assert_memory_equal(key_id(key).ptr, second.id, ULID_TEXT_BYTES);
    struct customer_wanted const suspended = {
        .id = STR("acme"), .origin = key_customer(key)->origin, .status = CUSTOMER_SUSPENDED};
    assert_int_equal(book_customer_put(fixture->book, &suspended, &fault), ERR_OK);
    assert_int_equal(book_token_key(fixture->book, STR("acme"), &key, &fault), ERR_TOKEN_INVALID);
    assert_null(key);
}

static void two_books_do_not_share_the_cache_of_a_thread(void **state)
{
    struct fixture *fixture = *state, *other;
    struct key_made made;
    const struct key *key;
    struct key_wanted const want = {STR("acme"), STR("k"), STR("ck_test_both_books_1"),
                                    .origin = ORIGIN_FILE};
    assert_int_equal(create(fixture, want, &made), ERR_OK);
    assert_int_equal(authenticate(fixture, want.secret, &key), ERR_OK);
    assert_int_equal(fixture_setup((void **)&other), 0);
    assert_int_equal(authenticate(other, want.secret, &key), ERR_KEY_INVALID);
    assert_int_equal(authenticate(fixture, want.secret, &key), ERR_OK);
    fixture_teardown((void **)&other);
}

/* --- customers ----------------------------------------------------------------------------- */
static void customers_belong_to_whom_made_them(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct customer_wanted want = {.id = STR("file"), .origin = ORIGIN_FILE};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_OK);
    uint64_t const before = journal_last_lsn(fixture->journal);
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_OK);
    assert_int_equal(journal_last_lsn(fixture->journal), before); /* nothing changed: no record */
    want.status = CUSTOMER_SUSPENDED;
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_OK);
    assert_int_equal(journal_last_lsn(fixture->journal), before + 1);
    want.origin = ORIGIN_RUNTIME;
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_CONFLICT);
    want =
        (struct customer_wanted){.id = STR("file"), .origin = ORIGIN_FILE, .currency = STR("BRL")};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_CONFLICT);
    want = (struct customer_wanted){.origin = ORIGIN_FILE};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_FIELD_INVALID);
    want = (struct customer_wanted){.id = STR("x"), .overdraft = {-1}};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_FIELD_INVALID);
    want = (struct customer_wanted){.id = STR("x"), .limits = {0, 0, -1}};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_FIELD_INVALID);
    want = (struct customer_wanted){.id = STR("x"), .currency = STR("12345678901234567")};
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_FIELD_INVALID);
    assert_null(book_customer(fixture->book, STR("x")));
}

static bool count_customer(void *owner, const struct customer_row *row)
{
    assert_true(row->id.len > 0);
    return ++*(int *)owner < 3;
}
static bool count_key(void *owner, const struct key_row *row)
{
    assert_int_equal(row->id.len, ULID_TEXT_BYTES);
    return ++*(int *)owner < 3;
}

static void lists_can_be_stopped(void **state)
{
    struct fixture *fixture = *state;
    int customers = 0, keys = 0;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        fixture_customer(fixture, (struct customer_wanted){.id = str_of(name)});
        (void)fixture_key(fixture, "acme", name, (struct limits_wanted){0});
    }
    book_customers(fixture->book, count_customer, &customers);
    book_keys(fixture->book, STR("acme"), count_key, &keys);
    assert_int_equal(customers, 3);
    assert_int_equal(keys, 3);
    book_keys(fixture->book, STR("nobody"), count_key, &keys);
    assert_int_equal(keys, 3);
    struct book_figures figures;
    book_figures(fixture->book, &figures);
    assert_int_equal(figures.customers, 6);
    assert_int_equal(figures.keys, 6);
}

/* --- grants -------------------------------------------------------------------------------- */
static void a_source_pays_once(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    bool existed;
    struct grant_wanted want = {.customer_id = STR("acme"),
                                .amount = {100},
                                .source_type = STR("stripe"),
                                .source_id = STR("pi_1")};
    fixture_customer(fixture, (struct customer_wanted){.id = STR("other")});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(book_grant(fixture->book, &want, &existed, &fault), ERR_OK);
        assert_int_equal(existed, i > 0);
    }
    assert_int_equal(fixture_balance(fixture).granted.nano, 100);
    want.customer_id = STR("other");
    assert_int_equal(book_grant(fixture->book, &want, &existed, &fault), ERR_CONFLICT);
    want.source_type = STR("cli"); /* another kind of source */
    assert_int_equal(book_grant(fixture->book, &want, &existed, &fault), ERR_OK);
    assert_false(existed);
}

static void grants_are_checked(void **state)
{
    struct fixture *fixture = *state;
    struct grant_wanted const good = {
        .customer_id = STR("acme"), .amount = {1}, .source_type = STR("t"), .source_id = STR("1")};
    struct grant_wanted wrong[7];
    bool existed;
    for (int i = 0; i < 7; i++)
        wrong[i] = good;
    wrong[0].amount.nano = 0;
    wrong[1].amount.nano = -1;
    wrong[2].source_id = STR("");
    wrong[3].source_type = STR("");
    wrong[4].expires_us = fixture->clock.now_us;
    wrong[5].effective_us = fixture->clock.now_us + 20;
    wrong[5].expires_us = fixture->clock.now_us + 20;
    wrong[6].effective_us = -1;
    for (int i = 0; i < 7; i++) {
        struct fault fault = {0};
        assert_int_equal(book_grant(fixture->book, &wrong[i], &existed, &fault), ERR_FIELD_INVALID);
    }
    struct fault fault = {0};
    struct grant_wanted nobody = good;
    nobody.customer_id = STR("nobody");
    assert_int_equal(book_grant(fixture->book, &nobody, &existed, &fault), ERR_NOT_FOUND);
    struct balance balance;
    assert_int_equal(book_balance(fixture->book, STR("nobody"), &balance, &fault), ERR_NOT_FOUND);
    /* the sum of all grants stays within int64 */
    struct grant_wanted huge = good;
    huge.amount.nano = INT64_MAX;
    assert_int_equal(book_grant(fixture->book, &huge, &existed, &fault), ERR_OK);
    huge.source_id = STR("2");
    assert_int_equal(book_grant(fixture->book, &huge, &existed, &fault), ERR_FIELD_INVALID);
    assert_int_equal(fixture_balance(fixture).granted.nano, INT64_MAX);
}

struct order {
    int count;
    int64_t remaining[8];
};
static bool see_grant(void *owner, const struct grant_row *row)
{
    struct order *order = owner;
    order->remaining[order->count++] = row->remaining.nano;
    return true;
}

static void grants_pay_by_priority_then_expiry_then_age(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t priority, expires;
    } grants[] = {{5, 0}, {1, 0}, {1, 900}, {1, 500}, {0, 0}};
    static const int turns[] = {4, 3, 2, 1, 0};
    for (int i = 0; i < 5; i++) {
        struct fault fault = {0};
        bool existed;
        char source[16];
        snprintf(source, sizeof source, "%d", i);
        struct grant_wanted const want = {
            .customer_id = STR("acme"),
            .amount = {10},
            .priority = grants[i].priority,
            .expires_us =
                grants[i].expires ? fixture->clock.now_us + grants[i].expires * 1000000 : 0,
            .source_type = STR("t"),
            .source_id = str_of(source)};
        assert_int_equal(book_grant(fixture->book, &want, &existed, &fault), ERR_OK);
    }
    for (int i = 0; i < 5; i++) {
        struct order order = {0};
        struct hold *hold = fixture_hold(fixture, 10, 0);
        (void)fixture_settle(fixture, hold, 10, 0);
        book_unref(hold);
        book_grants(fixture->book, STR("acme"), see_grant, &order);
        assert_int_equal(order.count, 5);
        for (int j = 0; j <= i; j++)
            assert_int_equal(order.remaining[turns[j]], 0);
        for (int j = i + 1; j < 5; j++)
            assert_int_equal(order.remaining[turns[j]], 10);
    }
}

/* --- idempotency --------------------------------------------------------------------------- */
static const unsigned char hash_a[32] = {1}, print_a[32] = {2}, print_b[32] = {3};

static enum idempotency_state begin(struct fixture *fixture, const unsigned char print[32],
                                    struct idempotency_answer *answer)
{
    return book_idempotency_begin(fixture->book, key_customer(fixture->key), hash_a, print,
                                  fixture->arena, answer);
}

static void an_idempotency_key_runs_once(void **state)
{
    struct fixture *fixture = *state;
    const struct customer *acme = key_customer(fixture->key);
    struct idempotency_answer answer;
    struct idempotency_answer const good = {200, STR("application/json"), STR("h: v"), STR("{}")};
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_NEW);
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_IN_FLIGHT);
    assert_int_equal(begin(fixture, print_b, &answer), IDEMPOTENCY_MISMATCH);
    book_idempotency_abandon(fixture->book, acme, hash_a);
    assert_int_equal(begin(fixture, print_b, &answer), IDEMPOTENCY_NEW); /* free again */
    book_idempotency_finish(fixture->book, acme, hash_a, &good);
    assert_int_equal(begin(fixture, print_b, &answer), IDEMPOTENCY_DONE);
    assert_int_equal(answer.status, 200);
    assert_true(str_eq(answer.body, STR("{}")));
    assert_true(str_eq(answer.headers, STR("h: v")));
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_MISMATCH);
    book_idempotency_abandon(fixture->book, acme, hash_a); /* too late to abandon */
    assert_int_equal(begin(fixture, print_b, &answer), IDEMPOTENCY_DONE);
    /* another customer's key of the same hash is another key */
    fixture_customer(fixture, (struct customer_wanted){.id = STR("other")});
    fixture->key = fixture_key(fixture, "other", "k", (struct limits_wanted){0});
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_NEW);
}

static void answers_last_a_day(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency_answer answer;
    struct idempotency_answer const good = {200, STR(""), STR(""), STR("x")};
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_NEW);
    book_idempotency_finish(fixture->book, key_customer(fixture->key), hash_a, &good);
    fixture->clock.now_us += 86399 * (int64_t)FIXTURE_SECOND_US;
    (void)book_sweep(fixture->book);
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_DONE);
    fixture->clock.now_us += FIXTURE_SECOND_US;
    (void)book_sweep(fixture->book);
    assert_int_equal(begin(fixture, print_b, &answer), IDEMPOTENCY_NEW);
}

static void large_answers_are_lost_and_old_ones_leave_memory(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency_answer answer;
    const struct customer *acme = key_customer(fixture->key);
    size_t const bytes = IDEMPOTENCY_BODY_BYTES_MAX;
    char *body = calloc(1, bytes + 1);
    struct idempotency_answer large = {200, STR(""), STR(""), {body, bytes + 1}};
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_NEW);
    book_idempotency_finish(fixture->book, acme, hash_a, &large);
    assert_int_equal(begin(fixture, print_a, &answer), IDEMPOTENCY_LOST);
    /* a shard has room for a sixteenth of the memory: the oldest answer goes to the database */
    large.body.len = bytes;
    size_t const count = IDEMPOTENCY_MEMORY_BYTES_MAX / 16 / bytes + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned char hash[32] = {16, (unsigned char)i};
        assert_int_equal(
            book_idempotency_begin(fixture->book, acme, hash, print_a, fixture->arena, &answer),
            IDEMPOTENCY_NEW);
        book_idempotency_finish(fixture->book, acme, hash, &large);
    }
    unsigned char hash[32] = {16, 0};
    assert_int_equal(
        book_idempotency_begin(fixture->book, acme, hash, print_a, fixture->arena, &answer),
        IDEMPOTENCY_STORED);
    hash[1] = 1;
    assert_int_equal(
        book_idempotency_begin(fixture->book, acme, hash, print_a, fixture->arena, &answer),
        IDEMPOTENCY_DONE);
    free(body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fresh_secrets_differ_and_are_not_kept),
        TEST(keys_are_checked_before_they_are_made),
        TEST(strangers_get_401_and_the_expired_too),
        TEST(a_revoked_key_never_comes_back),
        TEST(the_key_for_tokens_is_the_newest),
        TEST(two_books_do_not_share_the_cache_of_a_thread),
        TEST(customers_belong_to_whom_made_them),
        TEST(lists_can_be_stopped),
        TEST(a_source_pays_once),
        TEST(grants_are_checked),
        TEST(grants_pay_by_priority_then_expiry_then_age),
        TEST(an_idempotency_key_runs_once),
        TEST(answers_last_a_day),
        TEST(large_answers_are_lost_and_old_ones_leave_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
