/* test_auth_throttle.c - growing back-off, per account and per address, in a bounded table. */
#include "admin/auth_password.h"
#include "admin/auth_throttle.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#define S(seconds) ((int64_t)(seconds)*1000000)
static int64_t const start = S(1000000);

static void waits_double_up_to_a_bound(void **state)
{
    (void)state;
    static const struct {
        int64_t failures, wait_s;
    } rows[] = {{0, 0},    {5, 0},    {6, 1},    {7, 2},    {8, 4},    {9, 8},
                {14, 256}, {15, 512}, {16, 900}, {17, 900}, {70, 900}, {1000000, 900}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(throttle_wait_s(rows[i].failures, THROTTLE_FREE_ACCOUNT), rows[i].wait_s);
}

static void an_account_waits_from_any_address(void **state)
{
    (void)state;
    struct throttle *throttle = throttle_new();
    char address[32];
    for (int i = 0; i < 6; i++) {
        snprintf(address, sizeof address, "10.0.0.%d", i);
        assert_int_equal(throttle_take(throttle, STR("ana"), str_of(address), start), 0);
    }
    assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.9.9.9"), start), 1);
    assert_int_equal(throttle_take(throttle, STR("bia"), STR("10.9.9.9"), start), 0);
    assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.9.9.9"), start + S(1)), 0);
    assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.9.9.9"), start + S(1)), 2);
    throttle_clear(throttle, STR("ana"), STR("10.9.9.9"), start + S(1));
    assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.9.9.9"), start + S(1)), 0);
    throttle_free(throttle);
}

static void an_address_waits_for_any_account(void **state)
{
    (void)state;
    struct throttle *throttle = throttle_new();
    char account[32];
    for (int i = 0; i <= THROTTLE_FREE_ADDRESS; i++) {
        snprintf(account, sizeof account, "user%d", i);
        assert_int_equal(throttle_take(throttle, str_of(account), STR("10.0.0.1"), start), 0);
    }
    assert_int_equal(throttle_take(throttle, STR("other"), STR("10.0.0.1"), start), 1);
    assert_int_equal(throttle_take(throttle, STR("other"), STR("10.0.0.2"), start), 0);
    throttle_free(throttle);
}

static void a_long_time_forgets(void **state)
{
    (void)state;
    struct throttle *throttle = throttle_new();
    for (int i = 0; i < 8; i++)
        (void)throttle_take(throttle, STR("ana"), STR("10.0.0.1"), start + S(10 * i));
    int64_t const later = start + S(80) + S(THROTTLE_FORGET_S);
    for (int i = 0; i < 5; i++)
        assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.0.0.1"), later), 0);
    throttle_free(throttle);
}

static void neither_right_nor_wrong_counts_nothing(void **state)
{
    (void)state;
    struct throttle *throttle = throttle_new();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(throttle_take(throttle, STR("ana"), STR("10.0.0.1"), start), 0);
        throttle_give_back(throttle, STR("ana"), STR("10.0.0.1"), start);
    }
    throttle_free(throttle);
}

/* Far more names than the table has room for: the blocked one is not pushed out. */
static void a_flood_of_names_frees_nobody(void **state)
{
    (void)state;
    struct throttle *throttle = throttle_new();
    char name[32], address[32];
    for (int i = 0; i < 12; i++)
        (void)throttle_take(throttle, STR("ana"), STR("10.0.0.1"), start + S(600 * i));
    int64_t const now = start + S(600 * 11);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        snprintf(address, sizeof address, "a%d", i);
        (void)throttle_take(throttle, str_of(name), str_of(address), now);
    }
    assert_true(throttle_take(throttle, STR("ana"), STR("10.7.7.7"), now) > 0);
    throttle_free(throttle);
}

static void tokens_and_codes_have_their_form(void **state)
{
    (void)state;
    char token[TOKEN_BYTES_MAX], other[TOKEN_BYTES_MAX];
    char first[TOKEN_HASH_BYTES], second[TOKEN_HASH_BYTES], code[RECOVERY_CODE_BYTES];
    token_make("cm_", token);
    token_make("cm_", other);
    assert_int_equal(strlen(token), 46);
    assert_string_not_equal(token, other);
    token_hash("machine", str_of(token), first);
    token_hash("session", str_of(token), second);
    assert_memory_not_equal(first, second, sizeof first);
    token_hash("machine", str_of(token), second);
    assert_memory_equal(first, second, sizeof first);
    recovery_code_make(code);
    assert_true(code[4] == '-' && code[9] == '-' && code[14] == '-' && code[18] != '\0');
}

static void passwords_are_checked(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_BYTES];
    struct fault fault = {0};
    assert_int_equal(password_check(STR("elevenchars"), &fault), ERR_FIELD_INVALID);
    assert_int_equal(password_check(STR("açaí com guaraná"), &fault), ERR_OK);
    assert_int_equal(password_check(STR("ãããããããããã"), &fault), ERR_FIELD_INVALID);
    assert_int_equal(password_hash(STR("açaí com guaraná"), hash), ERR_OK);
    assert_true(str_starts(str_of(hash), STR("$argon2id$")));
    assert_true(password_verify(str_of(hash), STR("açaí com guaraná")));
    assert_false(password_verify(str_of(hash), STR("açaí com guarana")));
    assert_false(password_verify(STR(""), STR("açaí com guaraná")));
    assert_false(password_verify(STR("$argon2id$broken"), STR("açaí com guaraná")));
}

int main(void)
{
    static const struct CMUnitTest all[] = {
        cmocka_unit_test(waits_double_up_to_a_bound),
        cmocka_unit_test(an_account_waits_from_any_address),
        cmocka_unit_test(an_address_waits_for_any_account),
        cmocka_unit_test(a_long_time_forgets),
        cmocka_unit_test(neither_right_nor_wrong_counts_nothing),
        cmocka_unit_test(a_flood_of_names_frees_nobody),
        cmocka_unit_test(tokens_and_codes_have_their_form),
        cmocka_unit_test(passwords_are_checked),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
