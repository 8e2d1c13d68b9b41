/* test_yaml_json.c - one row = a piece of YAML, the JSON that it means, and what is told about it.
 */
#include "app/document_diff.h"
#include "app/document_files.h"
#include "app/yaml_write.h"
#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define AMBIGUOUS                                                                                  \
    " means different things to different readers: put text in quotes, write values as true, "     \
    "false, null, 12 or 0.5\n"

static const struct row {
    const char *what, *yaml, *json; /* json: documents one per line; NULL: problems */
    const char *problems;
    enum yaml_words words;
} rows[] = {
    {"nothing", "", "", "", 0},
    {"comments are no document", "# a\n---\n# b\n---\na: 1\n", "{\"a\":1}\n", "", 0},
    {"several documents", "a: 1\n---\nb: 2\n", "{\"a\":1}\n{\"b\":2}\n", "", 0},
    {"an item that is not there", "[true, false, null, ~, , 0, -5, 1.50, 1e5, -0.5E-07]", NULL,
     "f:1:24: this is not YAML: did not find expected node content\n", 0},
    {"scalars as they are written", "[true, false, null, ~, 0, -5, 1.50, 1e5, -0.5E-07]",
     "[true,false,null,null,0,-5,1.50,1e5,-0.5E-07]\n", "", 0},
    {"quoted is text", "['1', \"true\", 'null', \"\"]", "[\"1\",\"true\",\"null\",\"\"]\n", "", 0},
    {"no is text, as in Norway", "[no, yes, on, off, y]", "[\"no\",\"yes\",\"on\",\"off\",\"y\"]\n",
     "", 0},
    {"dates, versions, networks are text", "[2026-11-20, 1.2.3, 10.0.0.0/8, 1-2]",
     "[\"2026-11-20\",\"1.2.3\",\"10.0.0.0/8\",\"1-2\"]\n", "", 0},
    {"an octal number", "a: 010", NULL, "f:1:4: \"010\"" AMBIGUOUS, 0},
    {"a hexadecimal one", "a: 0x1F", NULL, "f:1:4: \"0x1F\"" AMBIGUOUS, 0},
    {"no digit before the point", "a: .5", NULL, "f:1:4: \".5\"" AMBIGUOUS, 0},
    {"a plus", "a: +5", NULL, "f:1:4: \"+5\"" AMBIGUOUS, 0},
    {"a plus in an exponent is JSON", "a: 5e+5", "{\"a\":5e+5}\n", "", 0},
    {"an underscore", "a: 1_000", NULL, "f:1:4: \"1_000\"" AMBIGUOUS, 0},
    {"infinity", "a: -.inf", NULL, "f:1:4: \"-.inf\"" AMBIGUOUS, 0},
    {"True", "a: True", NULL, "f:1:4: \"True\"" AMBIGUOUS, 0},
    {"Python's words", "[True, no, Off, NULL, .5, 010]", "[true,false,false,null,\".5\",\"010\"]\n",
     "", YAML_WORDS_PYTHON},
    {"members nested", "a:\n  b: [1, {c: d}]\n", "{\"a\":{\"b\":[1,{\"c\":\"d\"}]}}\n", "", 0},
    {"block text", "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}\n", "", 0},
    {"a key twice, told for each", "a: 1\na: 2\nb: {c: 1, c: 2}\n", NULL,
     "f:2:1: \"a\" is there twice\nf:3:11: \"c\" is there twice\n", 0},
    {"the same key in two mappings", "[{a: 1}, {a: 2}]", "[{\"a\":1},{\"a\":2}]\n", "", 0},
    {"an alias", "a: &x 1\nb: *x\n", NULL,
     "f:1:4: anchors (&name) are not allowed\n"
     "f:2:4: aliases (*name) are not allowed: write the value out\n",
     0},
    {"a tag", "a: !!str 1\n", NULL, "f:1:4: tags (!type) are not allowed\n", 0},
    {"a merge key", "<<: {a: 1}\n", NULL,
     "f:1:1: merge keys (<<) are not allowed: write the members out\n", 0},
    {"a mapping as key", "{a: b}: c\n", NULL, "f:1:1: a key must be a word\n", 0},
    {"a control character in a key", "\"a\\tb\": c\n", NULL, "f:1:1: a key must be a word\n", 0},
    {"no YAML", "a: [1\n", NULL, "f:2:1: this is not YAML: did not find expected ',' or ']'\n", 0},
    {"bytes that are no UTF-8", "a: \xff\n", NULL,
     "f:1:1: this is not YAML: invalid leading UTF-8 octet\n", 0},
};

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct file_problems problems = {.arena = arena_new(1 << 20)};
        struct yaml_document *document;
        struct buf json, told;
        buf_init(&json, 1 << 16);
        buf_init(&told, 1 << 16);
        assert_int_equal(
            yaml_json_read(str_of(rows[i].yaml), "f", rows[i].words, &problems, &document), ERR_OK);
        for (; document != NULL; document = document->next) {
            assert_int_equal(buf_add(&json, document->json), ERR_OK);
            assert_int_equal(buf_add_byte(&json, '\n'), ERR_OK);
        }
        assert_int_equal(file_problems_text(&problems, &told), ERR_OK);
        if (!str_eq(buf_view(&told), str_of(rows[i].problems)))
            fail_msg("%s: told %.*s", rows[i].what, STR_ARG(buf_view(&told)));
        if (rows[i].json != NULL && !str_eq(buf_view(&json), str_of(rows[i].json)))
            fail_msg("%s: read %.*s", rows[i].what, STR_ARG(buf_view(&json)));
        buf_free(&json);
        buf_free(&told);
        arena_free(problems.arena);
    }
}

static void every_value_has_its_place(void **state)
{
    (void)state;
    struct documents *documents = documents_new();
    struct str const text =
        STR("# é\nkind: plan_version\nid: v\nplan: p\nnumber: 1\nstatus: draft\n"
            "limits:\n- {name: a, metric: requests, window: hour, value: 1}\n"
            "- name: é\n  metric: tokens\n  window: day\n  value: 2\n");
    static const struct {
        const char *member;
        unsigned line, column;
    } places[] = {{"", 2, 1},
                  {"plan", 4, 7},
                  {"limits", 8, 1},
                  {"limits[0]", 8, 3},
                  {"limits[1].value", 12, 10},
                  {"limits[7].value", 8, 1},
                  {"limits[1].no", 9, 3},
                  {"nothing", 2, 1},
                  {"limits[", 8, 1}};
    assert_int_equal(documents_read(documents, text, "f"), ERR_OK);
    assert_int_equal(documents->problems.count, 1); /* "é" is no name of a limit */
    assert_int_equal(documents->problems.first->place.line, 9);
    assert_int_equal(documents->problems.first->place.column, 9);
    const struct document *document = documents->first[OBJECT_PLAN_VERSION];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct file_place const place = document_place(document, str_of(places[i].member));
        if (place.line != places[i].line || place.column != places[i].column)
            fail_msg("\"%s\" stands at %u:%u", places[i].member, place.line, place.column);
    }
    documents_free(documents);
}

static void too_many_members_are_a_problem(void **state)
{
    (void)state;
    struct file_problems problems = {.arena = arena_new(1 << 20)};
    struct yaml_document *document;
    struct buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i <= JSON_TOP_MEMBERS_MAX; i++)
        assert_int_equal(buf_printf(&text, "m%d: %d\n", i, i), ERR_OK);
    assert_int_equal(yaml_json_read(buf_view(&text), "f", YAML_WORDS_STRICT, &problems, &document),
                     ERR_OK);
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.first->place.line, JSON_TOP_MEMBERS_MAX + 1);
    buf_free(&text);
    arena_free(problems.arena);
}

/* Written as YAML and read again, a document is the same. */
static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"a\":[],\"b\":{},\"c\":[[]],\"d\":[{}],\"e\":[[1,[2]],{\"f\":[{\"g\":null}]}]}",
        "{\"no\":\"no\",\"1\":\"1\",\"x\":\"0x1\",\"t\":\"true\",\"n\":\"~\",\"s\":\" a "
        "\",\"e\":\"\"}",
        "{\"u\":\"\\u0000\\u001f\\u007f\\u0085\\u00a0\\u2028\\ufeff\\uffff\\ud83d\\ude00é\"}",
        "{\"y\":\"a: b # c\",\"z\":\"- "
        "x\",\"q\":\"\\\"\\\\'\\n\\t\",\"f\":\"{[,]}\",\"p\":\"%!&*|>@`\"}",
        "{\"numbers\":[0,-0,1.50,1e5,1E-7,12345678901234567890]}",
        "{\"a key that is longer than what YAML takes as a simple key on one line, which is why it "
        "is "
        "written in another way\":[{\"a\":{\"b\":1}},2]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct file_problems problems = {.arena = arena_new(1 << 20)};
        struct yaml_document *document;
        struct buf yaml, one, other;
        buf_init(&yaml, 1 << 16);
        buf_init(&one, 1 << 16);
        buf_init(&other, 1 << 16);
        assert_int_equal(
            yaml_write_document(&yaml, STR("plan"), STR(""), str_of(texts[i]), problems.arena),
            ERR_OK);
        assert_int_equal(yaml_json_read(buf_view(&yaml), "f", 0, &problems, &document), ERR_OK);
        if (problems.count > 0)
            fail_msg("%s: %s\n%.*s", texts[i], problems.first->text.ptr, STR_ARG(buf_view(&yaml)));
        struct str const rest = str_of(texts[i] + 1);
        struct str const parts[] = {STR("{\"kind\":\"plan\""), rest.len > 1 ? STR(",") : STR(""),
                                    rest};
        struct str const wanted = arena_concat(problems.arena, parts, 3);
        assert_int_equal(document_canonical(wanted, problems.arena, &one), ERR_OK);
        assert_int_equal(document_canonical(document->json, problems.arena, &other), ERR_OK);
        if (!str_eq(buf_view(&one), buf_view(&other)))
            fail_msg("%s\nbecame %.*s", texts[i], STR_ARG(buf_view(&other)));
        buf_free(&yaml);
        buf_free(&one);
        buf_free(&other);
        arena_free(problems.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_value_has_its_place),
        cmocka_unit_test(too_many_members_are_a_problem),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
