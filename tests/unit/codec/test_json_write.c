/* test_json_write.c - whatever is put in, JSON comes out; errors stick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"
#include "codec/json_write.h"
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf out;
static struct json_writer writer;

static int start(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    json_write_start(&writer, &out);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static void expect(const char *json)
{
    struct fault fault = {0};
    assert_int_equal(json_write_end(&writer), ERR_OK);
    assert_int_equal(json_scan(buf_view(&out), NULL, &fault), ERR_OK);
    assert_int_equal(buf_add_byte(&out, '\0'), ERR_OK);
    assert_string_equal(out.ptr, json);
    buf_clear(&out);
    json_write_start(&writer, &out);
}

static void commas_and_colons_are_its_business(void **state)
{
    (void)state;
    json_object_open(&writer);
    json_pair_text(&writer, "id", STR("a"));
    json_pair_i64(&writer, "n", -5);
    json_pair_bool(&writer, "yes", true);
    json_pair_bool(&writer, "no", false);
    json_pair_decimal(&writer, "cost", 1500, 3);
    json_key(&writer, "list");
    json_array_open(&writer);
    json_put_i64(&writer, INT64_MIN);
    json_put_null(&writer);
    json_array_open(&writer);
    json_array_close(&writer);
    json_object_open(&writer);
    json_object_close(&writer);
    json_put_raw(&writer, STR("{\"x\": 1}"));
    json_put_raw(&writer, (struct str){0});
    json_array_close(&writer);
    json_key(&writer, "last\"");
    json_put_text(&writer, STR(""));
    json_object_close(&writer);
    expect("{\"id\":\"a\",\"n\":-5,\"yes\":true,\"no\":false,\"cost\":1.5,"
           "\"list\":[-9223372036854775808,null,[],{},{\"x\": 1},null],\"last\\\"\":\"\"}");
}

static void any_value_may_stand_alone(void **state)
{
    (void)state;
    json_put_text(&writer, STR("x"));
    expect("\"x\"");
    json_put_bool(&writer, false);
    expect("false");
    json_array_open(&writer);
    json_array_close(&writer);
    expect("[]");
}

static void text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *json;
    } cases[] = {
        {"plain", "abc /'", "\"abc /'\""},
        {"quote and backslash", "a\"b\\c", "\"a\\\"b\\\\c\""},
        {"named controls", "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"other controls", "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"UTF-8 stays", "ol\xc3\xa1 \xe2\x82\xac \xf0\x9f\x98\x80",
         "\"ol\xc3\xa1 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"a bad byte is replaced",
         "a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"a cut character is replaced byte by byte", "a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"a surrogate is replaced byte by byte", "\xed\xa0\x80",
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"long runs around an escape", "0123456789abcdef0123456789\n0123456789abcdef0123456789",
         "\"0123456789abcdef0123456789\\n0123456789abcdef0123456789\""},
        {"an escape first and last", "\nx\n", "\"\\nx\\n\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_put_text(&writer, str_of(cases[i].text));
        expect(cases[i].json);
    }
    json_put_text(&writer, str_make("a\0b", 3));
    expect("\"a\\u0000b\"");
    json_put_text(&writer, (struct str){0});
    expect("\"\"");
}

/* All texts of two bytes: JSON comes out, and reads back as what went in if that was UTF-8. */
static void any_bytes_come_out_as_json(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 1u << 16; value++) {
        char const text[] = {(char)(value >> 8), (char)value};
        char back[16];
        size_t len;
        struct fault fault = {0};
        buf_clear(&out);
        json_write_start(&writer, &out);
        json_put_text(&writer, str_make(text, 2));
        assert_int_equal(json_write_end(&writer), ERR_OK);
        assert_int_equal(json_scan(buf_view(&out), NULL, &fault), ERR_OK);
        assert_true(json_text(buf_view(&out), back, sizeof back, &len));
        if (value < 0x8000 && (value & 0x80) == 0)
            assert_true(str_eq(str_make(back, len), str_make(text, 2)));
    }
}

static void decimals_are_exact_and_short(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        unsigned scale;
        const char *json;
    } cases[] = {
        {1500, 3, "1.5"},
        {1000, 3, "1"},
        {0, 0, "0"},
        {0, 9, "0"},
        {5, 3, "0.005"},
        {-5, 3, "-0.005"},
        {-1234, 2, "-12.34"},
        {120, 0, "120"},
        {1, 18, "0.000000000000000001"},
        {INT64_MAX, 9, "9223372036.854775807"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {INT64_MIN, 0, "-9223372036854775808"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_put_decimal(&writer, cases[i].value, cases[i].scale);
        expect(cases[i].json);
    }
}

static void depth_goes_to_its_bound(void **state)
{
    (void)state;
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        if (i % 2 == 0) {
            json_object_open(&writer);
            json_key(&writer, "k");
        } else {
            json_array_open(&writer);
        }
    }
    json_put_null(&writer);
    for (int i = JSON_DEPTH_MAX; i-- > 0;) {
        if (i % 2 == 0)
            json_object_close(&writer);
        else
            json_array_close(&writer);
    }
    struct fault fault = {0};
    assert_int_equal(json_write_end(&writer), ERR_OK);
    assert_int_equal(json_scan(buf_view(&out), NULL, &fault), ERR_OK);
}

static void the_first_error_sticks(void **state)
{
    (void)state;
    for (size_t len_max = 1; len_max < 40; len_max++) {
        struct buf small;
        buf_init(&small, len_max);
        json_write_start(&writer, &small);
        json_object_open(&writer);
        json_pair_text(&writer, "text", STR("a\nb\xff"));
        json_pair_i64(&writer, "n", 123456);
        json_object_close(&writer);
        /* {"text":"a\nb?","n":123456} with three bytes for the replacement character */
        assert_int_equal(json_write_end(&writer), len_max < 29 ? ERR_TOO_LARGE : ERR_OK);
        assert_true(small.len <= len_max);
        buf_free(&small);
    }
}

static void value_without_key(void)
{
    json_object_open(&writer);
    json_put_null(&writer);
}
static void key_in_array(void)
{
    json_array_open(&writer);
    json_key(&writer, "k");
}
static void key_at_the_top(void)
{
    json_key(&writer, "k");
}
static void two_keys(void)
{
    json_object_open(&writer);
    json_key(&writer, "k");
    json_key(&writer, "k");
}
static void key_without_value(void)
{
    json_object_open(&writer);
    json_key(&writer, "k");
    json_object_close(&writer);
}
static void wrong_bracket(void)
{
    json_array_open(&writer);
    json_object_close(&writer);
}
static void bracket_too_many(void)
{
    json_array_close(&writer);
}
static void two_values_at_the_top(void)
{
    json_put_null(&writer);
    json_put_null(&writer);
}
static void end_too_early(void)
{
    json_array_open(&writer);
    (void)!json_write_end(&writer);
}
static void end_without_value(void)
{
    (void)!json_write_end(&writer);
}
static void too_deep(void)
{
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        json_array_open(&writer);
}
static void scale_too_large(void)
{
    json_put_decimal(&writer, 1, 19);
}

/* Runs it in a child: true when the child was ended by MUST. */
static bool dies(void (*mistake)(void))
{
    pid_t const child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO); /* the line it leaves is not for this test's reader */
        signal(SIGABRT, SIG_DFL);
        mistake();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_wrong_order_of_calls_is_our_mistake(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*mistake)(void);
    } cases[] = {
        {"a value without its key", value_without_key},
        {"a key in an array", key_in_array},
        {"a key at the top", key_at_the_top},
        {"two keys", two_keys},
        {"a key without its value", key_without_value},
        {"a bracket of the other kind", wrong_bracket},
        {"a bracket too many", bracket_too_many},
        {"two values at the top", two_values_at_the_top},
        {"an end before the last bracket", end_too_early},
        {"an end without a value", end_without_value},
        {"more brackets than a reader takes", too_deep},
        {"more digits than there are", scale_too_large},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!dies(cases[i].mistake))
            fail_msg("%s", cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_colons_are_its_business, start, stop),
        cmocka_unit_test_setup_teardown(any_value_may_stand_alone, start, stop),
        cmocka_unit_test_setup_teardown(text_is_escaped, start, stop),
        cmocka_unit_test_setup_teardown(any_bytes_come_out_as_json, start, stop),
        cmocka_unit_test_setup_teardown(decimals_are_exact_and_short, start, stop),
        cmocka_unit_test_setup_teardown(depth_goes_to_its_bound, start, stop),
        cmocka_unit_test_setup_teardown(the_first_error_sticks, start, stop),
        cmocka_unit_test_setup_teardown(a_wrong_order_of_calls_is_our_mistake, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
