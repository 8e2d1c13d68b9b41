/* test_expiry_notice.c - the days of the setting, and the record of a notice. */
#include "book/expiry_notice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_days(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        struct notice_days days;
    } rows[] = {
        {"7,1", true, {2, {7, 1}}},     {"30, 14, 7, 1", true, {4, {30, 14, 7, 1}}},
        {"365", true, {1, {365}}},      {"none", true, {0, {0}}},
        {"", false, {0, {0}}},          {"366", false, {0, {0}}},
        {"0", false, {0, {0}}},         {"1,7", false, {0, {0}}},
        {"7,7", false, {0, {0}}},       {"7,,1", false, {0, {0}}},
        {"seven", false, {0, {0}}},     {"-1", false, {0, {0}}},
        {"5,4,3,2,1", false, {0, {0}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct notice_days days;
        if (notice_days_parse(str_of(rows[i].text), &days) != rows[i].good)
            fail_msg("\"%s\"", rows[i].text);
        if (rows[i].good)
            assert_memory_equal(&days, &rows[i].days, sizeof days);
    }
}

static void test_record(void **state)
{
    (void)state;
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    struct record_notice const notice = {.what = ENDING_OVERRIDE,
                                         .id = STR("black-friday"),
                                         .customer_id = STR("acme"),
                                         .scope = STR("user"),
                                         .end_us = 1750000000000000,
                                         .days = 7};
    struct record_notice read;
    size_t const len = record_notice_encode(&notice, bytes, sizeof bytes);
    assert_true(len > 0);
    assert_true(record_notice_decode(str_make((const char *)bytes, len), &read));
    assert_int_equal(read.what, notice.what);
    assert_true(str_eq(read.id, notice.id) && str_eq(read.customer_id, notice.customer_id) &&
                str_eq(read.scope, notice.scope));
    assert_int_equal(read.end_us, notice.end_us);
    assert_int_equal(read.days, notice.days);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(record_notice_decode(str_make((const char *)bytes, cut), &read));
    bytes[1] = ENDING_COUNT;
    assert_false(record_notice_decode(str_make((const char *)bytes, len), &read));
    assert_int_equal(record_notice_encode(&notice, bytes, 8), 0);
}

/* Another thing, another end, other days: another name. */
static void test_name(void **state)
{
    (void)state;
    char name[NOTICE_NAME_BYTES_MAX], long_id[OBJECT_ID_BYTES_MAX];
    struct record_notice notice = {.what = ENDING_KEY, .id = STR("k1"), .end_us = 5, .days = 1};
    assert_true(str_eq(record_notice_name(&notice, name), STR("key/k1@5/1")));
    notice.what = ENDING_TRIAL;
    assert_true(str_eq(record_notice_name(&notice, name), STR("trial/k1@5/1")));
    memset(long_id, 'x', sizeof long_id);
    notice.id = str_make(long_id, sizeof long_id);
    notice.end_us = INT64_MAX;
    notice.days = NOTICE_DAY_MAX;
    struct str const longest = record_notice_name(&notice, name);
    assert_true(longest.len < sizeof name && longest.ptr[longest.len - 1] == '5');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
