/* test_ulid.c - ids sort by time, and text and number are the same id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ulid.h"
#include <cmocka.h>

static void the_time_is_in_the_first_ten_letters(void **state)
{
    (void)state;
    struct random random;
    char text[ULID_TEXT_BYTES];
    random_seed(&random, 1);
    /* the example of the specification: 1469918176385 ms is 01ARYZ6S41 */
    ulid_text(ulid_make(&random, INT64_C(1469918176385) * 1000 + 999), text);
    assert_memory_equal(text, "01ARYZ6S41", 10);
    ulid_text(ulid_make(&random, INT64_C(1469918176386) * 1000), text);
    assert_memory_equal(text, "01ARYZ6S42", 10);
}

static void text_comes_back_as_the_same_id(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 2);
    char last[ULID_TEXT_BYTES] = {0};
    for (int64_t ms = 1; ms < 3000; ms++) {
        char text[ULID_TEXT_BYTES];
        struct ulid back, id = ulid_make(&random, ms * ms * 1000);
        ulid_text(id, text);
        assert_true(ulid_parse(str_make(text, sizeof text), &back));
        assert_true(ulid_eq(id, back));
        assert_true(memcmp(last, text, sizeof text) < 0);
        memcpy(last, text, sizeof text);
    }
}

static void what_is_not_an_id_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool valid;
    } cases[] = {
        {"all zeros", "00000000000000000000000000", true},
        {"the largest", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true},
        {"129 bits", "80000000000000000000000000", false},
        {"a letter that is left out", "0000000000000000000000000U", false},
        {"I, too like 1", "0000000000000000000000000I", false},
        {"lower case", "0000000000000000000000000a", false},
        {"one short", "0000000000000000000000000", false},
        {"one long", "000000000000000000000000000", false},
        {"not ASCII", "000000000000000000000000\xc3\xa9", false},
        {"empty", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ulid id;
        if (ulid_parse(str_of(cases[i].text), &id) != cases[i].valid)
            fail_msg("%s", cases[i].name);
    }
    struct ulid id;
    assert_false(ulid_parse(str_make("0000000000000\0"
                                     "000000000000",
                                     26),
                            &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_is_in_the_first_ten_letters),
        cmocka_unit_test(text_comes_back_as_the_same_id),
        cmocka_unit_test(what_is_not_an_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
