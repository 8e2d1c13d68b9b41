/* test_buf.c - a buffer grows to its limit and not past it, whatever memory says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

static bool memory_is_short;

static void *realloc_or_not(void *old, size_t size)
{
    return memory_is_short ? NULL : realloc(old, size);
}
#define realloc realloc_or_not
#include "base/buf.c" /* in place of the library's, so that allocations can fail */
#undef realloc

static void bytes_are_added_up_to_the_limit(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_add(&buf, STR("0123456789")), ERR_OK);
    assert_int_equal(buf.len, 1000);
    assert_int_equal(buf.cap, 1000);
    assert_int_equal(buf_add_byte(&buf, 'x'), ERR_TOO_LARGE);
    assert_int_equal(buf_add(&buf, STR("")), ERR_OK);
    assert_int_equal(buf_add(&buf, (struct str){0}), ERR_OK);
    assert_int_equal(buf.len, 1000);
    assert_memory_equal(buf.ptr + 990, "0123456789", 10);
    buf_free(&buf);
    assert_null(buf.ptr);
}

static void a_refused_piece_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    assert_int_equal(buf_add(&buf, STR("abcdef")), ERR_OK);
    assert_int_equal(buf_add(&buf, STR("ghi")), ERR_TOO_LARGE);
    assert_int_equal(buf_printf(&buf, "%d", 42), ERR_TOO_LARGE); /* its NUL does not fit */
    assert_int_equal(buf_printf(&buf, "%d", 4), ERR_OK);
    assert_true(str_eq(buf_view(&buf), STR("abcdef4")));
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), ERR_TOO_LARGE);
    buf_free(&buf);
}

static void no_memory_is_said_and_changes_nothing(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    memory_is_short = true;
    assert_int_equal(buf_add(&buf, STR("a")), ERR_NO_MEMORY);
    memory_is_short = false;
    assert_int_equal(buf_add(&buf, STR("a")), ERR_OK);
    memory_is_short = true;
    assert_int_equal(buf_reserve(&buf, 4096), ERR_NO_MEMORY);
    assert_int_equal(buf_printf(&buf, "%0500d", 1), ERR_NO_MEMORY);
    assert_int_equal(buf_add(&buf, STR("b")), ERR_OK); /* there is room: no allocation */
    memory_is_short = false;
    assert_true(str_eq(buf_view(&buf), STR("ab")));
    buf_free(&buf);
}

static void numbers_are_written_in_decimal(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-1, "-1"},
        {1000, "1000"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf buf;
        buf_init(&buf, 64);
        assert_int_equal(buf_add_i64(&buf, cases[i].value), ERR_OK);
        assert_true(str_eq(buf_view(&buf), str_of(cases[i].text)));
        buf_free(&buf);
    }
}

static void the_front_can_be_dropped(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 64);
    assert_int_equal(buf_printf(&buf, "%s-%03d", "abc", 7), ERR_OK);
    buf_drop(&buf, 0);
    assert_true(str_eq(buf_view(&buf), STR("abc-007")));
    buf_drop(&buf, 4);
    assert_true(str_eq(buf_view(&buf), STR("007")));
    buf_drop(&buf, 3);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf_add(&buf, STR("x")), ERR_OK);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_non_null(buf.ptr); /* memory kept */
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_added_up_to_the_limit),
        cmocka_unit_test(a_refused_piece_leaves_the_buffer_as_it_was),
        cmocka_unit_test(no_memory_is_said_and_changes_nothing),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(the_front_can_be_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
