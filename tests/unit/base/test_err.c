/* test_err.c - the table is complete, and the first cause wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include <cmocka.h>

static void every_row_can_be_answered(void **state)
{
    (void)state;
    for (enum err code = ERR_OK + 1; code < ERR_COUNT; code++) {
        const struct err_row *row = err_row(code);
        if (row->http < 400 || row->http > 599 || row->text.len == 0 || row->code.len == 0 ||
            row->type.len == 0 || row->name.len == 0)
            fail_msg("row %d (%s) is not complete", (int)code, row->name.ptr);
        for (size_t i = 0; i < row->text.len; i++)
            if (row->text.ptr[i] < 0x20 || row->text.ptr[i] == '"' || row->text.ptr[i] == '\\')
                fail_msg("the text of %s needs escapes", row->name.ptr);
    }
    assert_int_equal(err_row(ERR_OK)->http, 200);
    assert_true(str_eq(err_row(ERR_RATE_LIMITED)->name, STR("RATE_LIMITED")));
    assert_int_equal(err_row(ERR_RATE_LIMITED)->http, 429);
    assert_true(err_row(ERR_RATE_LIMITED)->retry);
    assert_false(err_row(ERR_KEY_INVALID)->retry);
}

static void the_first_cause_is_kept(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_int_equal(fault_set(&fault, ERR_STORE_FAILED, "row %d", 7), ERR_STORE_FAILED);
    assert_int_equal(fault_param(&fault, ERR_INTERNAL, "model", "later"), ERR_INTERNAL);
    assert_int_equal(fault.code, ERR_STORE_FAILED);
    assert_string_equal(fault.detail, "row 7");
    assert_string_equal(fault.param, "");
}

static void long_text_is_cut(void **state)
{
    (void)state;
    struct fault fault = {0};
    char text[400];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(fault_param(&fault, ERR_FIELD_INVALID, text, "%s", text), ERR_FIELD_INVALID);
    assert_int_equal(strlen(fault.param), sizeof fault.param - 1);
    assert_int_equal(strlen(fault.detail), sizeof fault.detail - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_can_be_answered),
        cmocka_unit_test(the_first_cause_is_kept),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
