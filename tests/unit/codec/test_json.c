/* test_json.c - what is JSON, what its members are, and what a value says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct json_object object;

/* Scans a copy that ends where its memory ends, so that a sanitizer sees a read past it. */
static enum err scan(const char *text, size_t len, struct fault *fault)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    *fault = (struct fault){0};
    enum err const err = json_scan(str_make(copy, len), &object, fault);
    enum err const bare = json_scan(str_make(copy, len), NULL, fault);
    assert_true(bare == err || err == ERR_TOO_LARGE);
    free(copy);
    return err;
}

static void valid_texts_are_accepted(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "null",
        " true ",
        "\t\r\n false\n",
        "0",
        "-0",
        "-0.0e-0",
        "1E+2",
        "123456789012345678901234567890.5e-400",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[[],{},[[]]]",
        "[1,\"a\",null,true,false,{\"a\":[]}]",
        "{\"a\":1,\"a\":2}",
        "{\"\":0}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\\u007f\\uABCD\\uabcd\"",
        "\"\\uD83D\\uDE00\"",
        "\"\x7f\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\"",
        "\"0123456789abcdef\"",
        "\"0123456789abcde\xc3\xa9\"",
        "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"",
        "{\"a\" : { \"b\" : [ 1 , 2 ] } , \"c\" : \"d\" }",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault;
        if (scan(cases[i], strlen(cases[i]), &fault) != ERR_OK)
            fail_msg("%s: %s", cases[i], fault.detail);
    }
}

static const struct {
    const char *name, *text;
    size_t at;
} refused[] = {
    {"nothing", "", 0},
    {"only white space", " \n ", 3},
    {"a byte order mark", "\xef\xbb\xbf{}", 0},
    {"a form feed is no white space", "\f1", 0},
    {"a second value", "1 2", 2},
    {"a bracket more", "[]]", 2},
    {"a comma behind", "{},", 2},
    {"a word cut", "tru", 0},
    {"a word too long", "truee", 4},
    {"a word in capitals", "True", 0},
    {"NaN", "NaN", 0},
    {"Infinity", "-Infinity", 1},
    {"a plus", "+1", 0},
    {"a leading zero", "01", 1},
    {"a leading zero, negative", "-01", 2},
    {"a minus alone", "-", 1},
    {"no digit before the point", ".5", 0},
    {"no digit behind the point", "1.", 2},
    {"no digit behind the point, exponent", "1.e1", 2},
    {"an exponent without digits", "1e", 2},
    {"an exponent's sign without digits", "1e+", 3},
    {"hexadecimal", "0x10", 1},
    {"a letter behind a number", "[1a]", 2},
    {"a string without end", "\"abc", 4},
    {"a string without end, long", "\"0123456789abcdef", 17},
    {"a tab in a string", "\"a\tb\"", 2},
    {"a line end in a string", "\"0123456789abcdefg\n\"", 18},
    {"the last control character", "\"\x1f\"", 1},
    {"an unknown escape", "\"\\x41\"", 1},
    {"an escape in capitals", "\"\\N\"", 1},
    {"an escaped apostrophe", "\"\\'\"", 1},
    {"a backslash at the end", "\"\\", 1},
    {"a short unicode escape", "\"\\u12\"", 1},
    {"a unicode escape with a letter", "\"\\u12g4\"", 1},
    {"a unicode escape with a sign", "\"\\u+123\"", 1},
    {"a high surrogate alone", "\"\\ud800\"", 1},
    {"a high surrogate, then text", "\"\\ud800abcdef\"", 1},
    {"two high surrogates", "\"\\ud800\\ud800\"", 1},
    {"a high surrogate, another escape", "\"\\ud800\\nabcd\"", 1},
    {"a high surrogate, then no hex", "\"\\ud800\\uzzzz\"", 1},
    {"a high surrogate, then a character behind the low ones", "\"\\ud800\\ue000\"", 1},
    {"two low surrogates", "\"\\udc00\\udc00\"", 1},
    {"a low surrogate alone", "\"a\\udc00\"", 2},
    {"a tail byte alone", "\"a\x80\"", 2},
    {"an overlong slash", "\"\xc0\xaf\"", 1},
    {"a surrogate in UTF-8", "\"ab\xed\xa0\x80\"", 3},
    {"above U+10FFFF", "\"\xf4\x90\x80\x80\"", 1},
    {"a character cut by the quote", "\"\xe2\x82\"", 1},
    {"a character cut by the end", "\"\xe2\x82", 1},
    {"the second of two characters is bad", "\"\xc3\xa9\xff\"", 3},
    {"a character outside a string", "\xc3\xa9", 0},
    {"an apostrophe", "'a'", 0},
    {"a comment", "/* */1", 0},
    {"an array without end", "[1,", 3},
    {"an array, nothing in it, no end", "[", 1},
    {"an array closed as an object", "[1}", 2},
    {"an object closed as an array", "{\"a\":1]", 6},
    {"closed at another depth", "[{]}", 2},
    {"a comma too many", "[1,]", 3},
    {"a comma first", "[,1]", 1},
    {"no comma", "[1 2]", 3},
    {"two commas", "[1,,2]", 3},
    {"a colon in an array", "[\"a\":1]", 4},
    {"a comma too many in an object", "{\"a\":1,}", 7},
    {"an object of values", "{1}", 1},
    {"a name without quotes", "{a:1}", 1},
    {"a name alone", "{\"a\"}", 4},
    {"a name, a colon", "{\"a\":", 5},
    {"a name, a colon, the end", "{\"a\":}", 5},
    {"an equals sign", "{\"a\"=1}", 4},
    {"two colons", "{\"a\"::1}", 5},
    {"no comma between members", "{\"a\":1 \"b\":2}", 7},
    {"a bad name", "{\"\\x\":1}", 2},
    {"an object without end", "{\"a\":1", 6},
    {"an object, nothing in it", "{", 1},
};

static void other_texts_are_refused_at_the_right_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct fault fault;
        char expected[32];
        snprintf(expected, sizeof expected, "byte %zu: ", refused[i].at);
        enum err const err = scan(refused[i].text, strlen(refused[i].text), &fault);
        if (err != ERR_JSON_INVALID || fault.code != ERR_JSON_INVALID || object.count != 0 ||
            strncmp(fault.detail, expected, strlen(expected)) != 0)
            fail_msg("%s: %s", refused[i].name, fault.detail);
    }
    struct fault fault;
    assert_int_equal(scan("\"a\0b\"", 5, &fault), ERR_JSON_INVALID);
    assert_int_equal(scan("1\0", 2, &fault), ERR_JSON_INVALID);
}

/* A bad byte is found in whatever lane of whatever step it falls, and never past the end. */
static void every_place_in_a_string_is_looked_at(void **state)
{
    (void)state;
    static const unsigned char bad[] = {0x00, 0x1f, 0x80, 0xc3, 0xff, '"'};
    for (size_t len = 1; len < 70; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t kind = 0; kind < sizeof bad; kind++) {
                char text[80];
                struct fault fault;
                memset(text, 'a' + (int)(at % 8), sizeof text);
                text[0] = text[len + 1] = '"';
                if (kind == 0)
                    assert_int_equal(scan(text, len + 2, &fault), ERR_OK);
                text[1 + at] = (char)bad[kind];
                assert_int_equal(scan(text, len + 2, &fault), ERR_JSON_INVALID);
            }
}

static void every_prefix_of_a_text_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"model\": \"gpt\\u0041\", \"messages\": [{\"role\": \"user\", "
                               "\"content\": \"Ol\xc3\xa1 \\ud83d\\ude00 mundo, tudo bem?\"}], "
                               "\"temperature\": -1.5e-3, \"stream\": true, \"stop\": null}";
    struct fault fault;
    assert_int_equal(scan(text, sizeof text - 1, &fault), ERR_OK);
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_int_equal(scan(text, len, &fault), ERR_JSON_INVALID);
}

/* `count` brackets and their partners, objects and arrays in turn. */
static struct str nested(char *text, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        const char *const open = i % 3 == 0 ? "{\"a\":" : "[";
        memcpy(text + len, open, strlen(open));
        len += strlen(open);
    }
    text[len++] = '1';
    for (size_t i = count; i-- > 0;)
        text[len++] = i % 3 == 0 ? '}' : ']';
    return str_make(text, len);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    static char text[2000000];
    struct fault fault;
    for (size_t depth = 60; depth <= JSON_DEPTH_MAX + 2; depth++) {
        struct str const json = nested(text, depth);
        assert_int_equal(scan(json.ptr, json.len, &fault),
                         depth <= JSON_DEPTH_MAX ? ERR_OK : ERR_JSON_INVALID);
    }
    assert_non_null(strstr(fault.detail, "too deeply"));
    struct str const deep = nested(text, 300000);
    assert_int_equal(scan(deep.ptr, deep.len, &fault), ERR_JSON_INVALID);
    memset(text, '[', sizeof text);
    assert_int_equal(scan(text, sizeof text, &fault), ERR_JSON_INVALID);
}

static void members_are_spans_of_the_text(void **state)
{
    (void)state;
    static const char text[] =
        " { \"a\" : 1 ,\"b\\n\":{\"x\":[1, {}]} , \"c\":\"}\\\"\", \"d\":[ ] ,"
        "\"\":null , \"e\" : -1.5e3\n} ";
    static const struct {
        const char *key, *value;
        bool escaped;
    } expected[] = {
        {"a", "1", false},         {"b\\n", "{\"x\":[1, {}]}", true},
        {"c", "\"}\\\"\"", false}, {"d", "[ ]", false},
        {"", "null", false},       {"e", "-1.5e3", false},
    };
    struct fault fault = {0};
    for (int round = 0; round < 2; round++) {
        struct str const trimmed = str_make(text + 1, sizeof text - 3);
        if (round == 0)
            assert_int_equal(json_scan(STR(text), &object, &fault), ERR_OK);
        else
            assert_int_equal(json_members(trimmed, &object, &fault), ERR_OK);
        assert_int_equal(object.count, 6);
        assert_ptr_equal(object.text.ptr, text + 1);
        assert_int_equal(object.text.len, sizeof text - 3);
        for (size_t i = 0; i < 6; i++) {
            assert_true(str_eq(object.members[i].key, str_of(expected[i].key)));
            assert_true(str_eq(object.members[i].value, str_of(expected[i].value)));
            assert_int_equal(object.members[i].key_escaped, expected[i].escaped);
        }
    }
}

static void other_values_have_no_members(void **state)
{
    (void)state;
    static const char *const cases[] = {"[{\"a\":1}]", "\"{}\"", "1", "null"};
    struct fault fault = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        object.count = 7;
        assert_int_equal(json_scan(str_of(cases[i]), &object, &fault), ERR_OK);
        assert_int_equal(object.count, 0);
        assert_null(object.text.ptr);
        object.count = 7;
        assert_int_equal(json_members(str_of(cases[i]), &object, &fault), ERR_OK);
        assert_int_equal(object.count, 0);
    }
    assert_int_equal(json_members((struct str){0}, &object, &fault), ERR_OK);
    assert_int_equal(json_members(STR("{}"), &object, &fault), ERR_OK);
    assert_int_equal(object.text.len, 2);
}

static void the_number_of_members_is_bounded(void **state)
{
    (void)state;
    static char text[JSON_TOP_MEMBERS_MAX * 16];
    for (size_t count = JSON_TOP_MEMBERS_MAX; count <= JSON_TOP_MEMBERS_MAX + 1; count++) {
        size_t len = 0;
        for (size_t i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%c\"k%zu\":%zu",
                                    i == 0 ? '{' : ',', i, i);
        text[len++] = '}';
        enum err const expected = count > JSON_TOP_MEMBERS_MAX ? ERR_TOO_LARGE : ERR_OK;
        struct fault fault = {0};
        assert_int_equal(json_scan(str_make(text, len), &object, &fault), expected);
        assert_int_equal(object.count, expected == ERR_OK ? count : 0);
        assert_int_equal(json_members(str_make(text, len), &object, &fault), expected);
        assert_int_equal(object.count, expected == ERR_OK ? count : 0);
        assert_int_equal(json_scan(str_make(text, len), NULL, &fault), ERR_OK); /* none kept */
    }
}

/* Values that were never scanned: an answer, not a crash. */
static void members_of_what_is_not_json_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{",         "{\"",       "{\"a",      "{\"a\"",      "{\"a\":",     "{\"a\":1",
        "{\"a\":\"", "{\"a\":[",  "{\"a\":[}", "{\"a\":\"\\", "{1:2}",       "{\"a\" 1}",
        "{\"a\":,}", "{\"a\":1,", "{,}",       "{]",          "{\"a\":{\"}", "{\"a\":[\"x\\\"]}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault = {0};
        size_t const len = strlen(cases[i]);
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, cases[i], len);
        if (json_members(str_make(copy, len), &object, &fault) != ERR_JSON_INVALID ||
            object.count != 0)
            fail_msg("%s", cases[i]);
        free(copy);
    }
}

static void names_are_compared_decoded(void **state)
{
    (void)state;
    static const char text[] =
        "{\"\\u006dodel\":1,\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\":2,\"\\ud83d\\ude00\":3,"
        "\"mod\\u0065l2\":4,\"\\u00e9\\u20ac\":5,\"x\\u0000y\":6,\"plain\":7}";
    static const struct {
        const char *key;
        size_t len;
        const char *value;
    } cases[] = {
        {"model", 5, "1"},
        {"a\"\\/\b\f\n\r\t", 9, "2"},
        {"\xf0\x9f\x98\x80", 4, "3"},
        {"model2", 6, "4"},
        {"\xc3\xa9\xe2\x82\xac", 5, "5"},
        {"x\0y", 3, "6"},
        {"plain", 5, "7"},
        {"mode", 4, NULL},
        {"model22", 7, NULL},
        {"x", 1, NULL},
        {"", 0, NULL},
        {"\\u006dodel", 10, NULL}, /* the name as it is written is not its name */
    };
    struct fault fault = {0};
    assert_int_equal(json_scan(STR(text), &object, &fault), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_member found;
        struct str const key = str_make(cases[i].key, cases[i].len);
        assert_int_equal(json_find(&object, key, &found, &fault), ERR_OK);
        assert_true(str_eq(found.value, str_of(cases[i].value)));
        assert_true(str_eq(json_get(&object, key), found.value));
        assert_int_equal(!found.value.ptr, !cases[i].value);
    }
}

static void a_name_asked_for_may_be_there_once(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct json_member found;
    assert_int_equal(json_scan(STR("{\"a\":1,\"x\":0,\"x\":1,\"\\u0061\":2}"), &object, &fault),
                     ERR_OK);
    assert_int_equal(json_find(&object, STR("b"), &found, &fault), ERR_OK);
    assert_int_equal(json_find(&object, STR("a"), &found, &fault), ERR_JSON_INVALID);
    assert_string_equal(fault.param, "a");
    assert_true(str_eq(json_get(&object, STR("a")), STR("1"))); /* the first */
    assert_null(json_get(&object, STR("none")).ptr);
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool valid;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"-42", true, -42},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"100000000000000000000", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"01", false, 0},
        {"-", false, 0},
        {"-01", false, 0},
        {"", false, 0},
        {"\"1\"", false, 0},
        {"null", false, 0},
        {"true", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 0;
        assert_int_equal(json_i64(str_of(cases[i].value), &number), cases[i].valid);
        assert_true(number == cases[i].number);
    }
}

static void types_are_seen_at_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(json_type((struct str){0}), JSON_NONE);
    assert_int_equal(json_type(STR("null")), JSON_NULL);
    assert_int_equal(json_type(STR("true")), JSON_TRUE);
    assert_int_equal(json_type(STR("false")), JSON_FALSE);
    assert_int_equal(json_type(STR("-1")), JSON_NUMBER);
    assert_int_equal(json_type(STR("9")), JSON_NUMBER);
    assert_int_equal(json_type(STR("\"a\"")), JSON_STRING);
    assert_int_equal(json_type(STR("[]")), JSON_ARRAY);
    assert_int_equal(json_type(STR("{}")), JSON_OBJECT);
    assert_int_equal(json_type(STR("x")), JSON_NONE);
    assert_true(json_is_true(STR("true")));
    assert_false(json_is_true(STR("false")));
    assert_false(json_is_true((struct str){0}));
}

static void text_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool valid;
        const char *text;
        size_t len;
    } cases[] = {
        {"empty", "\"\"", true, "", 0},
        {"plain", "\"abc\"", true, "abc", 3},
        {"short escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", true, "\"\\/\b\f\n\r\t", 8},
        {"one to four bytes", "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\\uDBFF\\uDFFF\"",
         true, "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 19},
        {"NUL", "\"a\\u0000b\"", true, "a\0b", 3},
        {"runs and escapes in turn", "\"ol\xc3\xa1\\nmundo\\t!\"", true, "ol\xc3\xa1\nmundo\t!",
         12},
        {"not a string", "12", false, NULL, 0},
        {"absent", "", false, NULL, 0},
        {"one quote", "\"", false, NULL, 0},
        {"no closing quote", "\"ab", false, NULL, 0},
        {"never scanned: a bad escape", "\"\\x\"", false, NULL, 0},
        {"never scanned: a cut escape", "\"\\u12\"", false, NULL, 0},
        {"never scanned: no hex", "\"\\u12zz\"", false, NULL, 0},
        {"never scanned: half a pair", "\"\\ud800\"", false, NULL, 0},
        {"never scanned: no second half", "\"\\ud800\\u0041\"", false, NULL, 0},
        {"never scanned: a low half", "\"\\udc00\"", false, NULL, 0},
        {"never scanned: a backslash last", "\"a\\\"", false, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str const value = str_of(cases[i].value);
        char out[32];
        size_t len = 0;
        if (json_text(value, out, sizeof out, &len) != cases[i].valid ||
            json_text_len(value) != cases[i].len)
            fail_msg("%s", cases[i].name);
        if (!cases[i].valid)
            continue;
        assert_int_equal(len, cases[i].len);
        assert_memory_equal(out, cases[i].text, len);
        assert_true(json_text(value, out, len, &len)); /* fits to the byte */
        if (len > 0)
            assert_false(json_text(value, out, len - 1, &len));
    }
}

static void plain_text_is_not_copied(void **state)
{
    (void)state;
    struct str text, value = STR("\"gpt-4o\"");
    assert_true(json_plain_text(value, &text));
    assert_ptr_equal(text.ptr, value.ptr + 1);
    assert_int_equal(text.len, 6);
    assert_true(json_plain_text(STR("\"\""), &text));
    assert_int_equal(text.len, 0);
    assert_false(json_plain_text(STR("\"a\\n\""), &text));
    assert_false(json_plain_text(STR("12"), &text));
    assert_false(json_plain_text((struct str){0}, &text));
}

static void arrays_are_walked(void **state)
{
    (void)state;
    static const struct {
        const char *array, *elements;
    } cases[] = {
        {"[]", ""},
        {"[ ]", ""},
        {"[1]", "1;"},
        {"[ 1 ,\"a,]\\\"\" , [2,[3]], {\"a\":[4]} ,null ]",
         "1;\"a,]\\\"\";[2,[3]];{\"a\":[4]};null;"},
        {"{}", ""},
        {"\"[1]\"", ""},
        {"", ""},
        {"[1", "1;"}, /* never scanned: comes to an end all the same */
        {"[1 23]", "1;"},
        {"[,1]", ""},
        {"[1,\"a", "1;"},
        {"[1,[", "1;"},
        {"[", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char seen[128] = "";
        size_t at = 0, len = 0;
        struct str element;
        while (json_next(str_of(cases[i].array), &at, &element))
            len += (size_t)snprintf(seen + len, sizeof seen - len, "%.*s;", STR_ARG(element));
        assert_string_equal(seen, cases[i].elements);
        assert_false(json_next(str_of(cases[i].array), &at, &element)); /* and stays there */
        size_t members_at = 0, members_len = 0;
        while (json_next_object(str_of(cases[i].array), &members_at, &element, &object))
            members_len += (size_t)snprintf(seen + members_len, sizeof seen - members_len, "%.*s;",
                                            STR_ARG(element));
        assert_int_equal(members_len, len);
        assert_string_equal(seen, cases[i].elements);
    }
}

/* [{"a":0,"a":0,…},7] */
static size_t many_members(char *text, size_t room, size_t count)
{
    size_t len = (size_t)snprintf(text, room, "[{");
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, room - len, "%s\"a\":0", i > 0 ? "," : "");
    return len + (size_t)snprintf(text + len, room - len, "},7]");
}

/* An object of more members than are collected is still stepped over. */
static void an_element_with_too_many_members_has_none(void **state)
{
    (void)state;
    static char text[16 * (JSON_TOP_MEMBERS_MAX + 2)];
    size_t const len = many_members(text, sizeof text, JSON_TOP_MEMBERS_MAX + 1);
    size_t at = 0;
    struct str element;
    assert_true(json_next_object(str_make(text, len), &at, &element, &object));
    assert_int_equal(object.count, 0);
    assert_int_equal(element.len, len - strlen("[,7]"));
    assert_true(json_next_object(str_make(text, len), &at, &element, &object));
    assert_true(str_eq(element, STR("7")));
    assert_int_equal(object.count, 0);
    assert_false(json_next_object(str_make(text, len), &at, &element, &object));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_accepted),
        cmocka_unit_test(other_texts_are_refused_at_the_right_byte),
        cmocka_unit_test(every_place_in_a_string_is_looked_at),
        cmocka_unit_test(every_prefix_of_a_text_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(members_are_spans_of_the_text),
        cmocka_unit_test(other_values_have_no_members),
        cmocka_unit_test(the_number_of_members_is_bounded),
        cmocka_unit_test(members_of_what_is_not_json_are_refused),
        cmocka_unit_test(names_are_compared_decoded),
        cmocka_unit_test(a_name_asked_for_may_be_there_once),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(types_are_seen_at_the_first_byte),
        cmocka_unit_test(an_element_with_too_many_members_has_none),
        cmocka_unit_test(text_is_decoded),
        cmocka_unit_test(plain_text_is_not_copied),
        cmocka_unit_test(arrays_are_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
