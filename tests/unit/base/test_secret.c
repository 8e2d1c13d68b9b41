/* test_secret.c - a secret fits or is refused, is compared whole, and is wiped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include <cmocka.h>

static void a_secret_fits_or_is_refused(void **state)
{
    (void)state;
    struct secret secret = {0};
    char text[KEY_SECRET_BYTES_MAX + 1];
    memset(text, 'k', sizeof text);
    assert_int_equal(secret_set(&secret, str_make(text, KEY_SECRET_BYTES_MAX)), ERR_OK);
    assert_int_equal(secret_view(&secret).len, KEY_SECRET_BYTES_MAX);
    assert_int_equal(secret_set(&secret, str_make(text, sizeof text)), ERR_TOO_LARGE);
    assert_int_equal(secret_set(&secret, STR("short")), ERR_OK);
    assert_true(str_eq(secret_view(&secret), STR("short")));
    for (size_t i = 5; i < sizeof secret.bytes; i++)
        assert_int_equal(secret.bytes[i], 0); /* nothing of the longer one is left */
    assert_int_equal(secret_set(&secret, (struct str){0}), ERR_OK);
    assert_int_equal(secret_view(&secret).len, 0);
}

static void comparison_looks_at_all_bytes(void **state)
{
    (void)state;
    assert_true(secret_equal(STR("abcdef"), STR("abcdef")));
    assert_false(secret_equal(STR("abcdef"), STR("abcdeg")));
    assert_false(secret_equal(STR("abcdef"), STR("bbcdef")));
    assert_false(secret_equal(STR("abc"), STR("abcd")));
    assert_true(secret_equal((struct str){0}, STR("")));
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    static const struct secret zero;
    struct secret secret = {0};
    assert_int_equal(secret_set(&secret, STR("ck_live_something")), ERR_OK);
    secret_wipe(&secret);
    assert_memory_equal(&secret, &zero, sizeof zero);
    char bytes[] = "abc";
    secret_zero(bytes, 2);
    assert_memory_equal(bytes, "\0\0c", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_fits_or_is_refused),
        cmocka_unit_test(comparison_looks_at_all_bytes),
        cmocka_unit_test(wiping_leaves_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
