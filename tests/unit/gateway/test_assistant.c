/* test_assistant.c - texts shortened, fences taken off, and the schema that providers get. */
#include "codec/utf8.h"
#include "gateway/assistant.h"
#include "gateway/assistant_schemas.h"
#include "gateway/assistant_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void same(struct str got, const char *wanted)
{
    char text[512];
    assert_true(got.len < sizeof text);
    memcpy(text, got.ptr, got.len);
    text[got.len] = '\0';
    assert_string_equal(text, wanted);
}

static const struct cut {
    const char *why, *text;
    size_t characters;
    const char *wanted;
} cuts[] = {
    {"it fits", "short", 5, "short"},
    {"characters are counted, not bytes", "ação", 4, "ação"},
    {"at the end of a word", "one two three", 9, "one two"},
    {"the word ends right there", "one two three", 7, "one two"},
    {"punctuation stays with its word", "one two, three", 10, "one two,"},
    {"one long word is cut", "abcdefghij", 4, "abcd"},
    {"a space too far in front does not count", "a bcdefghijklmnop", 10, "a bcdefghi"},
    {"never inside a character", "ããããã", 3, "ããã"},
    {"an accent written apart stays with its letter", "abe\xcc\x81z", 3, "ab"},
    {"a joined emoji stays whole", "ab\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbbz", 4, "ab"},
    {"a skin tone stays with its hand", "ab\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbdz", 3, "ab"},
    {"nothing but marks: characters at least", "\xcc\x81\xcc\x81\xcc\x81", 2, "\xcc\x81\xcc\x81"},
    {"no text", "", 3, ""},
};

static void cut_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        print_message("  %s\n", cuts[i].why);
        struct str const got = assistant_cut(str_of(cuts[i].text), cuts[i].characters);
        same(got, cuts[i].wanted);
        assert_true(assistant_characters(got) <= cuts[i].characters);
    }
}

/* Every length of a text with characters of one to four bytes: valid, and never too long. */
static void cut_everywhere(void **state)
{
    (void)state;
    struct str const text = STR("Olá, mundo: 日本語 e \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd, não é?");
    for (size_t most = 1; most <= assistant_characters(text) + 1; most++) {
        struct str const got = assistant_cut(text, most);
        assert_true(assistant_characters(got) <= most);
        assert_int_equal(utf8_valid_prefix(got), got.len);
        assert_true(str_starts(text, got));
    }
}

static const struct fenced {
    const char *why, *text, *wanted;
} fences[] = {
    {"no fence", " {\"a\":1}\n", "{\"a\":1}"},
    {"a fence", "```\n{\"a\":1}\n```", "{\"a\":1}"},
    {"a fence with a language", "```json\n{\"a\":1}\n```\n", "{\"a\":1}"},
    {"two fences are no answer", "```\n1\n```\nor\n```\n2\n```", "```\n1\n```\nor\n```\n2\n```"},
    {"a fence that does not end", "```json\n{}", "```json\n{}"},
    {"nothing but a fence", "```", "```"},
    {"a fence in one line", "```{}```", "```{}```"},
    {"a fence inside a text", "{\"a\":\"```\"}", "{\"a\":\"```\"}"},
};

static void unfence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fences / sizeof fences[0]; i++) {
        print_message("  %s\n", fences[i].why);
        same(assistant_unfence(str_of(fences[i].text)), fences[i].wanted);
    }
}

static void schema_text(void **state)
{
    (void)state;
    static const char *const values[] = {"a", "b", NULL};
    static const struct schema choice = {.types = SCHEMA_STRING, .values = values};
    static const struct schema number = {.types = SCHEMA_INTEGER, .minimum = -1, .maximum = 5};
    static const struct schema list = {
        .types = SCHEMA_ARRAY, .length_min = 1, .length_max = 3, .items = &number};
    static const struct schema_member members[] = {
        {"c", &choice, .required = true}, {"l", &list, .required = true}, {0}};
    static const struct schema object = {.types = SCHEMA_OBJECT, .members = members};
    struct buf out;
    struct json_writer writer;
    buf_init(&out, 4096);
    json_write_start(&writer, &out);
    assistant_schema_put(&writer, &object);
    assert_int_equal(json_write_end(&writer), ERR_OK);
    same(buf_view(&out),
         "{\"type\":\"object\",\"properties\":{\"c\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
         "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":5},"
         "\"minItems\":1,\"maxItems\":3}},\"required\":[\"c\",\"l\"],"
         "\"additionalProperties\":false}");
    buf_free(&out);
}

static void each_row(void **state)
{
    (void)state;
    const struct assistant *row = assistant_find(STR("/api/ai-insights"));
    assert_non_null(row);
    assert_true(str_eq(row->name, STR("ai-insights")));
    assert_ptr_equal(row->output, &insights_output);
    assert_null(assistant_find(STR("/api/ai-insight")));
    assert_null(assistant_find(STR("/api/ai-insights/")));
    assert_null(assistant_find(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cut_texts),
                                       cmocka_unit_test(cut_everywhere), cmocka_unit_test(unfence),
                                       cmocka_unit_test(schema_text), cmocka_unit_test(each_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
