/* test_book_claim.c - writes that may be repeated, and keys with two secrets: in one life and after
 * a crash. */
#include "book/claim.h"
#include "book/rotate.h"
#include "book_calls.h"
#include <string.h>

static const unsigned char hash_a[32] = {1}, hash_b[32] = {2}, print_a[32] = {3}, print_b[32] = {4};

static bool apply(void *owner, const struct journal_record *record)
{
    struct fault fault = {0};
    return book_apply_record(owner, record, REPLAY_WHOLE, &fault) == ERR_OK;
}

/* As if killed. */
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
}

static struct claim claim_of(struct fixture *fixture, const unsigned char hash[32],
                             const unsigned char print[32])
{
    struct claim claim;
    assert_int_equal(book_claim(fixture->book, hash, print, fixture->arena, &claim), ERR_OK);
    return claim;
}

static void a_claim_runs_once(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency_answer const good = {201, STR("t"), STR("h: v"), STR("body")};
    struct claim claim = claim_of(fixture, hash_a, print_a);
    assert_int_equal(claim.state, IDEMPOTENCY_NEW);
    assert_false(claim.again);
    assert_int_equal(claim_of(fixture, hash_a, print_a).state, IDEMPOTENCY_IN_FLIGHT);
    assert_int_equal(claim_of(fixture, hash_a, print_b).state, IDEMPOTENCY_MISMATCH);
    book_claim_finish(fixture->book, hash_a, &good);
    for (int life = 0; life < 2; life++) {
        claim = claim_of(fixture, hash_a, print_a);
        assert_int_equal(claim.state, IDEMPOTENCY_DONE);
        assert_int_equal(claim.answer.status, 201);
        assert_true(str_eq(claim.answer.body, STR("body")));
        assert_int_equal(claim_of(fixture, hash_a, print_b).state, IDEMPOTENCY_MISMATCH);
        restart(fixture);
    }
    fixture->clock.now_us += (int64_t)25 * 3600 * FIXTURE_SECOND_US;
    assert_int_equal(claim_of(fixture, hash_a, print_b).state, IDEMPOTENCY_NEW);
}

static void a_claim_without_an_end_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct claim const first = claim_of(fixture, hash_a, print_a);
    struct claim const other = claim_of(fixture, hash_b, print_a);
    assert_int_equal(other.state, IDEMPOTENCY_NEW);
    book_claim_drop(fixture->book, hash_b);
    fixture->clock.now_us += FIXTURE_SECOND_US;
    restart(fixture);
    assert_int_equal(claim_of(fixture, hash_a, print_b).state, IDEMPOTENCY_MISMATCH);
    struct claim claim = claim_of(fixture, hash_a, print_a);
    assert_int_equal(claim.state, IDEMPOTENCY_NEW);
    assert_true(claim.again);
    assert_int_equal(claim.begun_us, first.begun_us);
    assert_int_equal(claim_of(fixture, hash_a, print_a).state, IDEMPOTENCY_IN_FLIGHT);
    book_claim_leave(fixture->book, hash_a);
    assert_true(claim_of(fixture, hash_a, print_a).again);
    claim = claim_of(fixture, hash_b, print_b); /* dropped: free for anything, as if never begun */
    assert_int_equal(claim.state, IDEMPOTENCY_NEW);
    assert_false(claim.again);
}

static void what_is_derived_stays_the_same(void **state)
{
    struct fixture *fixture = *state;
    unsigned char one[BOOK_DERIVED_BYTES], other[BOOK_DERIVED_BYTES];
    book_derive(fixture->book, "a", STR("seed"), one);
    restart(fixture);
    book_derive(fixture->book, "a", STR("seed"), other);
    assert_memory_equal(one, other, sizeof one);
    book_derive(fixture->book, "b", STR("seed"), other);
    assert_memory_not_equal(one, other, sizeof one);
    book_derive(fixture->book, "a", STR("seeds"), other);
    assert_memory_not_equal(one, other, sizeof one);
}

/* --- two secrets --------------------------------------------------------------------------- */
static enum err opens(struct fixture *fixture, struct str secret)
{
    const struct key *key;
    struct fault fault = {0};
    enum err const err = book_authenticate(fixture->book, secret, &key, &fault);
    if (err == ERR_OK)
        assert_true(str_eq(key_name(key), STR("main")));
    return err;
}

static enum err rotate(struct fixture *fixture, const char *name, const char *secret,
                       int64_t overlap_s, struct key_rotated *rotated)
{
    struct fault fault = {0};
    struct key_rotation const want = {STR("acme"), str_of(name), str_of(secret), overlap_s};
    return book_key_rotate(fixture->book, &want, fixture->arena, rotated, &fault);
}

static void a_rotated_key_is_the_same_key(void **state)
{
    struct fixture *fixture = *state;
    struct key_rotated rotated;
    struct str const one = STR("ck_test_secret_of_one"), two = STR("ck_test_secret_of_two"),
                     three = STR("ck_test_secret_of_three");
    assert_int_equal(rotate(fixture, "main", one.ptr, 0, &rotated), ERR_OK);
    assert_int_equal(rotate(fixture, "main", two.ptr, 60, &rotated), ERR_OK);
    assert_false(rotated.made.existed);
    assert_int_equal(rotated.old_until_us, fixture->clock.now_us + 60 * FIXTURE_SECOND_US);
    for (int life = 0; life < 2; life++) {
        assert_int_equal(opens(fixture, one), ERR_OK);
        assert_int_equal(opens(fixture, two), ERR_OK);
        restart(fixture);
    }
    assert_int_equal(rotate(fixture, "main", two.ptr, 60, &rotated), ERR_OK); /* repeated */
    assert_true(rotated.made.existed);
    assert_int_equal(rotate(fixture, "main", one.ptr, 60, &rotated),
                     ERR_CONFLICT); /* the old one */
    fixture->clock.now_us += 60 * FIXTURE_SECOND_US;
    assert_int_equal(opens(fixture, one), ERR_KEY_EXPIRED);
    assert_int_equal(opens(fixture, two), ERR_OK);
    assert_int_equal(rotate(fixture, "main", three.ptr, 60, &rotated), ERR_OK);
    assert_int_equal(rotate(fixture, "main", "ck_test_secret_of_four", 60, &rotated), ERR_OK);
    assert_int_equal(opens(fixture, two), ERR_KEY_EXPIRED); /* at most two at a time */
    assert_int_equal(opens(fixture, three), ERR_OK);
    restart(fixture);
    assert_int_equal(opens(fixture, three), ERR_OK);
    struct fault fault = {0};
    assert_int_equal(book_key_revoke(fixture->book, STR("acme"), STR("main"), &fault), ERR_OK);
    restart(fixture);
    assert_int_equal(opens(fixture, three), ERR_KEY_REVOKED);
    assert_int_equal(opens(fixture, STR("ck_test_secret_of_four")), ERR_KEY_REVOKED);
    assert_int_equal(rotate(fixture, "main", "ck_test_secret_of_five", 0, &rotated), ERR_CONFLICT);
}

static void a_rotation_that_cannot_be_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct key_rotated rotated;
    assert_int_equal(rotate(fixture, "none", "", 0, &rotated), ERR_NOT_FOUND);
    assert_int_equal(rotate(fixture, "main", "", -1, &rotated), ERR_FIELD_INVALID);
    assert_int_equal(rotate(fixture, "main", "", KEY_OVERLAP_SECONDS_MAX + 1, &rotated),
                     ERR_FIELD_INVALID);
    assert_int_equal(rotate(fixture, "main", "short", 0, &rotated), ERR_FIELD_INVALID);
    assert_int_equal(rotate(fixture, "main", "", 0, &rotated), ERR_OK); /* a fresh one */
    assert_int_equal(opens(fixture, rotated.made.secret), ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_runs_once),
        TEST(a_claim_without_an_end_goes_on),
        TEST(what_is_derived_stays_the_same),
        TEST(a_rotated_key_is_the_same_key),
        TEST(a_rotation_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
