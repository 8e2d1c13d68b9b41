/* test_openai_rewrite.c - the body for the provider: exact rows, and a property over random bodies.
 */
#include "base/buf.h"
#include "base/random.h"
#include "upstream/openai.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

#define M   "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define NEW "max_completion_tokens"
#define OLD "max_tokens"

enum { ARENA_BYTES = 1 << 20, RANDOM_BODIES = 4000 };

static struct openai_ask ask;

static enum err rewrite(enum operation operation, struct str body, const struct openai_rewrite *how,
                        struct buf *out, struct fault *fault)
{
    struct arena *arena = arena_new(ARENA_BYTES);
    struct upstream_request request = {0};
    enum err err = openai_ask_read(operation, body, arena, &ask, fault);
    if (err == ERR_OK)
        err = openai_rewrite(&ask, how, arena, &request, fault);
    buf_clear(out);
    for (size_t i = 0; err == ERR_OK && i < request.part_count; i++)
        err = buf_add(out, request.parts[i]);
    arena_free(arena);
    return err;
}

struct row {
    const char *what;
    enum operation operation;
    const char *model;
    int64_t cap;
    const char *cap_field;
    bool ask_usage;
    const char *body, *expected;
};

static const struct row rows[] = {
    {"nothing to do: the same bytes", OPERATION_CHAT, "m", -1, NEW, false,
     "{\"model\":\"m\"," M "}", "{\"model\":\"m\"," M "}"},
    {"the model in place", OPERATION_CHAT, "gpt-x", -1, NEW, false,
     " { \"a\" : 1.50,\"model\" : \"m\" , " M " } \n",
     " { \"a\" : 1.50,\"model\" : \"gpt-x\" , " M " } \n"},
    {"a model name is escaped", OPERATION_CHAT, "a\"\\\n", -1, NEW, false,
     "{\"model\":\"m\"," M "}", "{\"model\":\"a\\u0022\\u005c\\u000a\"," M "}"},
    {"a name in escapes is written plainly", OPERATION_CHAT, "m", -1, NEW, false,
     "{\"model\":\"\\u006d\"," M "}", "{\"model\":\"m\"," M "}"},
    {"a cap for a client that sent none", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"model\":\"m\"," M "}", "{\"" NEW "\":10,\"model\":\"m\"," M "}"},
    {"the old name, where the provider knows no other", OPERATION_CHAT, "m", 0, OLD, false,
     "{\"model\":\"m\"," M "}", "{\"" OLD "\":0,\"model\":\"m\"," M "}"},
    {"the largest cap", OPERATION_CHAT, "m", INT64_MAX, OLD, false, "{\"model\":\"m\"," M "}",
     "{\"" OLD "\":9223372036854775807,\"model\":\"m\"," M "}"},
    {"a larger cap is lowered in place", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"model\":\"m\",\"" OLD "\": 99 ," M "}", "{\"model\":\"m\",\"" OLD "\": 10 ," M "}"},
    {"a smaller cap stays", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"model\":\"m\",\"" OLD "\":9," M "}", "{\"model\":\"m\",\"" OLD "\":9," M "}"},
    {"both caps are lowered", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"" NEW "\":77,\"model\":\"m\",\"" OLD "\":99," M "}",
     "{\"" NEW "\":10,\"model\":\"m\",\"" OLD "\":10," M "}"},
    {"one of both is lowered", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"" NEW "\":7,\"model\":\"m\",\"" OLD "\":99," M "}",
     "{\"" NEW "\":7,\"model\":\"m\",\"" OLD "\":10," M "}"},
    {"a null of the needed name takes the cap", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"" NEW "\":null,\"model\":\"m\"," M "}", "{\"" NEW "\":10,\"model\":\"m\"," M "}"},
    {"a null of the other name stays", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"" OLD "\":null,\"model\":\"m\"," M "}",
     "{\"" NEW "\":10,\"" OLD "\":null,\"model\":\"m\"," M "}"},
    {"a null beside a real cap stays", OPERATION_CHAT, "m", 10, NEW, false,
     "{\"" NEW "\":null,\"" OLD "\":99,\"model\":\"m\"," M "}",
     "{\"" NEW "\":null,\"" OLD "\":10,\"model\":\"m\"," M "}"},
    {"usage is asked for", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true," M "}",
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true," M "}"},
    {"no stream, no options", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":false," M "}", "{\"model\":\"m\",\"stream\":false," M "}"},
    {"cap and usage together, at the head", OPERATION_CHAT, "m", 5, NEW, true,
     "{ \"model\":\"m\",\"stream\":true," M "}",
     "{\"" NEW
     "\":5,\"stream_options\":{\"include_usage\":true}, \"model\":\"m\",\"stream\":true," M "}"},
    {"a null gives way", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":null," M "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M "}"},
    {"an empty object is filled", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{ }," M "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true }," M "}"},
    {"other options stay", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":{\"include_usage\":1}}," M "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"x\":"
     "{\"include_usage\":1}}," M "}"},
    {"a refusal is turned", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\": false }," M
     "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\": true }," M
     "}"},
    {"a null member is turned", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":null}," M "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M "}"},
    {"a client that asked itself", OPERATION_CHAT, "m", -1, NEW, true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M "}",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M "}"},
    {"embeddings have no cap", OPERATION_EMBEDDINGS, "e", 10, NEW, true,
     "{\"model\":\"m\",\"input\":\"a\"}", "{\"model\":\"e\",\"input\":\"a\"}"},
    {"all edits at once", OPERATION_CHAT, "provider/model", 8, NEW, true,
     "{\"stream_options\":{},\"" OLD "\":9,\"stream\":true,\"model\":\"m\",\"" NEW "\":10," M "}",
     "{\"stream_options\":{\"include_usage\":true},\"" OLD
     "\":8,\"stream\":true,\"model\":\"provider/model\",\"" NEW "\":8," M "}"},
};

static void test_rows(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct openai_rewrite const how = {str_of(row->model), row->cap, str_of(row->cap_field),
                                           row->ask_usage};
        struct fault fault = {0};
        if (rewrite(row->operation, str_of(row->body), &how, &out, &fault) != ERR_OK)
            fail_msg("%s: %s", row->what, fault.detail);
        if (!str_eq(buf_view(&out), str_of(row->expected)))
            fail_msg("%s:\n%.*s\nexpected\n%s", row->what, (int)out.len, out.ptr, row->expected);
    }
    buf_free(&out);
}

static void test_model_that_is_not_utf8(void **state)
{
    struct openai_rewrite const how = {STR("\xff"), -1, STR(NEW), false};
    struct fault fault = {0};
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(rewrite(OPERATION_CHAT, STR("{\"model\":\"m\"," M "}"), &how, &out, &fault),
                     ERR_CONFIG_INVALID);
    buf_free(&out);
}

/* --- the property ---------------------------------------------------------------------------- */

static struct random dice;

static const char *pick(const char *const *from, size_t count)
{
    return from[random_below(&dice, count)];
}

static void add(struct buf *buf, const char *text)
{
    assert_int_equal(buf_add(buf, str_of(text)), ERR_OK);
}

static void add_space(struct buf *buf)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r\n"};
    add(buf, pick(spaces, sizeof spaces / sizeof spaces[0]));
}

static const char *const models[] = {"\"model\"", "\"mod\\u0065l\""};
static const char *const model_values[] = {"\"m\"", "\"\\u0061\\\"\\\\b\"", "\"\xc3\xa9\""};
static const char *const cap_values[] = {"1", "10", "11", "null", "9000000000"};
static const char *const option_values[] = {"null",
                                            "{}",
                                            "{ \"a\" : [ ] }",
                                            "{\"include_usage\":false,\"b\":\"}\"}",
                                            "{\"b\":{},\"include_usage\":true}",
                                            "{\"include\\u005fusage\" : null}"};
static const char *const message_values[] = {
    "[{\"role\":\"user\",\"content\":\"\\u0000{}[]\\\"\"}]",
    "[ {\"content\":[{\"type\":\"image_url\"}]} ]"};
static const char *const stream_values[] = {"true", "true", "false", "null"};
static const char *const other_keys[] = {"\"x\"", "\"Model\"", "\"\"", "\"temperature\"",
                                         "\"tools\""};
static const char *const other_values[] = {
    "0.10",  "\"model\"",         "[{\"model\":\"z\"},[]]", "{\"max_tokens\":1}",
    "-1e-9", "\"\\ud83d\\ude00\""};

#define ANY(list) pick(list, sizeof(list) / sizeof(list)[0])

enum member { MODEL, MESSAGES, STREAM, OPTIONS, CAP_NEW, CAP_OLD, OTHER_1, OTHER_2, MEMBER_COUNT };

static void add_member(struct buf *body, enum member member)
{
    const char *key = ANY(other_keys), *value = ANY(other_values);
    switch (member) {
    case MODEL:
        key = ANY(models), value = ANY(model_values);
        break;
    case MESSAGES:
        key = "\"messages\"", value = ANY(message_values);
        break;
    case STREAM:
        key = "\"stream\"", value = ANY(stream_values);
        break;
    case OPTIONS:
        key = "\"stream_options\"", value = ANY(option_values);
        break;
    case CAP_NEW:
        key = "\"" NEW "\"", value = ANY(cap_values);
        break;
    case CAP_OLD:
        key = "\"" OLD "\"", value = ANY(cap_values);
        break;
    default:
        break;
    }
    add_space(body);
    add(body, key);
    add_space(body);
    add(body, ":");
    add_space(body);
    add(body, value);
    add_space(body);
}

/* The members in any order; all but the model and the messages may be missing. */
static void make_body(struct buf *body)
{
    enum member order[MEMBER_COUNT];
    for (int i = 0; i < MEMBER_COUNT; i++) {
        size_t const at = (size_t)random_below(&dice, (uint64_t)i + 1);
        order[i] = order[at];
        order[at] = (enum member)i;
    }
    bool first = true;
    buf_clear(body);
    add_space(body);
    add(body, "{");
    for (int i = 0; i < MEMBER_COUNT; i++) {
        if (order[i] > MESSAGES && random_below(&dice, 2))
            continue;
        if (!first)
            add(body, ",");
        add_member(body, order[i]);
        first = false;
    }
    add(body, "}");
    add_space(body);
}

static bool is_ours(const struct json_object *object, size_t index)
{
    static const struct str names[] = {STR_ROW("model"), STR_ROW("stream_options"), STR_ROW(NEW),
                                       STR_ROW(OLD)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str const value = json_get(object, names[i]);
        if (value.ptr == object->members[index].value.ptr)
            return true;
    }
    return false;
}

/* All other members: the same bytes in the same order. */
static void assert_rest_same(const struct json_object *before, const struct json_object *after)
{
    size_t at = 0;
    for (size_t i = 0; i < before->count; i++) {
        if (is_ours(before, i))
            continue;
        while (at < after->count && is_ours(after, at))
            at++;
        assert_true(at < after->count);
        assert_true(str_eq(before->members[i].key, after->members[at].key));
        assert_true(str_eq(before->members[i].value, after->members[at].value));
        at++;
    }
    while (at < after->count && is_ours(after, at))
        at++;
    assert_int_equal(at, after->count);
}

static void assert_caps(const struct json_object *before, const struct json_object *after,
                        int64_t cap)
{
    static const struct str names[] = {STR_ROW(NEW), STR_ROW(OLD)};
    int64_t asked, sent;
    int caps = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!json_i64(json_get(after, names[i]), &sent))
            continue;
        caps++;
        assert_true(sent <= cap);
        if (json_i64(json_get(before, names[i]), &asked))
            assert_int_equal(sent, asked < cap ? asked : cap);
        else
            assert_int_equal(sent, cap);
    }
    assert_true(caps > 0);
}

static void assert_usage_asked(struct str options)
{
    struct json_object object;
    struct fault fault = {0};
    struct json_member found;
    assert_int_equal(json_members(options, &object, &fault), ERR_OK);
    assert_int_equal(json_find(&object, STR("include_usage"), &found, &fault), ERR_OK);
    assert_true(json_is_true(found.value));
}

static void check_one(struct buf *body, struct buf *out)
{
    static struct json_object before, after;
    struct fault fault = {0};
    struct json_member found;
    struct openai_rewrite const how = {STR("pro\"vider"), 10, STR(NEW), true};
    make_body(body);
    assert_int_equal(json_scan(buf_view(body), &before, &fault), ERR_OK);
    assert_int_equal(rewrite(OPERATION_CHAT, buf_view(body), &how, out, &fault), ERR_OK);
    assert_int_equal(json_scan(buf_view(out), &after, &fault), ERR_OK);
    assert_int_equal(json_find(&after, STR("model"), &found, &fault), ERR_OK);
    assert_true(str_eq(found.value, STR("\"pro\\u0022vider\"")));
    assert_int_equal(json_find(&after, STR("stream_options"), &found, &fault), ERR_OK);
    assert_int_equal(json_find(&after, STR(NEW), &found, &fault), ERR_OK);
    if (json_is_true(json_get(&after, STR("stream"))))
        assert_usage_asked(json_get(&after, STR("stream_options")));
    else
        assert_true(str_eq(json_get(&before, STR("stream_options")),
                           json_get(&after, STR("stream_options"))));
    assert_caps(&before, &after, how.output_cap);
    assert_rest_same(&before, &after);
}

static void test_only_three_members_change(void **state)
{
    struct buf body, out;
    (void)state;
    buf_init(&body, 1 << 20);
    buf_init(&out, 1 << 20);
    random_seed(&dice, 20);
    for (int i = 0; i < RANDOM_BODIES; i++)
        check_one(&body, &out);
    buf_free(&body);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_model_that_is_not_utf8),
        cmocka_unit_test(test_only_three_members_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
