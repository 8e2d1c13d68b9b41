/* test_openai_ask.c - what a body asks: accepted, refused with the field's name, bounded. */
#include "base/buf.h"
#include "upstream/openai.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

#define M "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

enum { ARENA_BYTES = 1 << 20 };

static struct openai_ask ask; /* large: not on the stack */

static enum err read_ask(enum operation operation, const char *body, struct arena *arena,
                         struct fault *fault)
{
    *fault = (struct fault){0};
    return openai_ask_read(operation, str_of(body), arena, &ask, fault);
}

struct good_row {
    const char *what, *body, *model;
    bool stream, wants_usage;
    int64_t output_cap, choices, images;
};

static const struct good_row good_rows[] = {
    {"the least", "{\"model\":\"m\"," M "}", "m", false, false, -1, 1, 0},
    {"white space around all", " \n{ \"model\" : \"m\" ,\t" M " } ", "m", false, false, -1, 1, 0},
    {"nulls are as good as absent",
     "{\"model\":\"m\",\"stream\":null,\"stream_options\":null,\"max_tokens\":null,\"n\":null," M
     "}",
     "m", false, false, -1, 1, 0},
    {"a name with escapes", "{\"model\":\"gpt\\u002d4\\/x\"," M "}", "gpt-4/x", false, false, -1, 1,
     0},
    {"a member name with escapes", "{\"\\u006dodel\":\"m\"," M "}", "m", false, false, -1, 1, 0},
    {"a stream", "{\"model\":\"m\",\"stream\":true," M "}", "m", true, false, -1, 1, 0},
    {"a stream with usage",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," M "}", "m",
     true, true, -1, 1, 0},
    {"usage refused by the client",
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":false}," M "}", "m",
     true, false, -1, 1, 0},
    {"options without a stream are not ours",
     "{\"model\":\"m\",\"stream_options\":{\"include_usage\":7}," M "}", "m", false, false, -1, 1,
     0},
    {"the new cap", "{\"model\":\"m\",\"max_completion_tokens\":7," M "}", "m", false, false, 7, 1,
     0},
    {"the old cap", "{\"model\":\"m\",\"max_tokens\":9," M "}", "m", false, false, 9, 1, 0},
    {"both caps: the larger bounds",
     "{\"model\":\"m\",\"max_tokens\":9,\"max_completion_tokens\":7," M "}", "m", false, false, 9,
     1, 0},
    {"n", "{\"model\":\"m\",\"n\":128," M "}", "m", false, false, -1, 128, 0},
    {"duplicates of what we do not read pass", "{\"model\":\"m\",\"x\":1,\"x\":2," M "}", "m",
     false, false, -1, 1, 0},
    {"text parts cost their bytes only",
     "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"image_url\"}]}]}",
     "m", false, false, -1, 1, 0},
    {"images and files are counted",
     "{\"model\":\"m\",\"messages\":[{\"content\":\"file "
     "[\"},{\"content\":[{\"type\":\"image_url\","
     "\"image_url\":{\"url\":\"http://x\"}},{\"type\":\"text\",\"text\":\"t\"}]},{\"content\":["
     "{\"type\":\"input_image\"},{\"type\":\"file\"},{\"type\":\"input_file\"}]}]}",
     "m", false, false, -1, 1, 4},
    {"a type written in escapes is counted",
     "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"\\u0069m\\u0061ge_url\"}]}]}", "m",
     false, false, -1, 1, 1},
    {"a type name written in escapes is counted",
     "{\"model\":\"m\",\"messages\":[{\"content\":[{\"\\u0074ype\":\"image_url\"}]}]}", "m", false,
     false, -1, 1, 1},
    {"the second of two types is counted",
     "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"text\",\"type\":\"image_url\"}]}]}",
     "m", false, false, -1, 1, 1},
    {"the second of two contents is counted",
     "{\"model\":\"m\",\"messages\":[{\"content\":\"\",\"content\":[{\"type\":\"image_url\"}]}]}",
     "m", false, false, -1, 1, 1},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_rows / sizeof good_rows[0]; i++) {
        const struct good_row *row = &good_rows[i];
        struct arena *arena = arena_new(ARENA_BYTES);
        struct fault fault;
        if (read_ask(OPERATION_CHAT, row->body, arena, &fault) != ERR_OK)
            fail_msg("%s: %s", row->what, fault.detail);
        if (!str_eq(ask.model_name, str_of(row->model)) || ask.stream != row->stream ||
            ask.wants_usage != row->wants_usage || ask.output_cap != row->output_cap ||
            ask.choices != row->choices || ask.image_parts != row->images)
            fail_msg("%s: model %.*s, cap %d, images %d", row->what, STR_ARG(ask.model_name),
                     (int)ask.output_cap, (int)ask.image_parts);
        assert_int_equal(openai_input_bound(&ask, 1000),
                         (int64_t)strlen(row->body) + 1000 * row->images);
        arena_free(arena);
    }
}

struct bad_row {
    const char *what;
    enum operation operation;
    const char *body, *param; /* NULL: not JSON */
};

static const struct bad_row bad_rows[] = {
    {"nothing", OPERATION_CHAT, "", NULL},
    {"half of it", OPERATION_CHAT, "{\"model\":\"m\",", NULL},
    {"a list", OPERATION_CHAT, "[]", "body"},
    {"a text", OPERATION_CHAT, "\"model\"", "body"},
    {"no model", OPERATION_CHAT, "{" M "}", "model"},
    {"a null model", OPERATION_CHAT, "{\"model\":null," M "}", "model"},
    {"a model that is a number", OPERATION_CHAT, "{\"model\":4," M "}", "model"},
    {"an empty model", OPERATION_CHAT, "{\"model\":\"\"," M "}", "model"},
    {"two models", OPERATION_CHAT, "{\"model\":\"a\",\"model\":\"b\"," M "}", "model"},
    {"two models, one in escapes", OPERATION_CHAT, "{\"model\":\"a\",\"mod\\u0065l\":\"b\"," M "}",
     "model"},
    {"a stream that is a number", OPERATION_CHAT, "{\"model\":\"m\",\"stream\":1," M "}", "stream"},
    {"a stream that is a text", OPERATION_CHAT, "{\"model\":\"m\",\"stream\":\"true\"," M "}",
     "stream"},
    {"two streams", OPERATION_CHAT, "{\"model\":\"m\",\"stream\":true,\"stream\":false," M "}",
     "stream"},
    {"options that are a list", OPERATION_CHAT,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":[]," M "}", "stream_options"},
    {"include_usage that is a text", OPERATION_CHAT,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":\"no\"}," M "}",
     "stream_options.include_usage"},
    {"include_usage twice", OPERATION_CHAT,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true,"
     "\"include_usage\":false}," M "}",
     "stream_options.include_usage"},
    {"a cap of zero", OPERATION_CHAT, "{\"model\":\"m\",\"max_tokens\":0," M "}", "max_tokens"},
    {"a negative cap", OPERATION_CHAT, "{\"model\":\"m\",\"max_completion_tokens\":-1," M "}",
     "max_completion_tokens"},
    {"a fractional cap", OPERATION_CHAT, "{\"model\":\"m\",\"max_tokens\":1.5," M "}",
     "max_tokens"},
    {"a cap of 2^63", OPERATION_CHAT, "{\"model\":\"m\",\"max_tokens\":9223372036854775808," M "}",
     "max_tokens"},
    {"a cap that is a text", OPERATION_CHAT, "{\"model\":\"m\",\"max_tokens\":\"9\"," M "}",
     "max_tokens"},
    {"two caps of one name", OPERATION_CHAT,
     "{\"model\":\"m\",\"max_tokens\":1,\"max_tokens\":900," M "}", "max_tokens"},
    {"n of zero", OPERATION_CHAT, "{\"model\":\"m\",\"n\":0," M "}", "n"},
    {"n of 129", OPERATION_CHAT, "{\"model\":\"m\",\"n\":129," M "}", "n"},
    {"no messages", OPERATION_CHAT, "{\"model\":\"m\"}", "messages"},
    {"messages that are a text", OPERATION_CHAT, "{\"model\":\"m\",\"messages\":\"hi\"}",
     "messages"},
    {"no message in the list", OPERATION_CHAT, "{\"model\":\"m\",\"messages\":[ ]}", "messages"},
    {"no input", OPERATION_EMBEDDINGS, "{\"model\":\"m\"," M "}", "input"},
    {"a null input", OPERATION_EMBEDDINGS, "{\"model\":\"m\",\"input\":null}", "input"},
    {"two inputs", OPERATION_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"a\",\"input\":\"b\"}",
     "input"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
        const struct bad_row *row = &bad_rows[i];
        struct arena *arena = arena_new(ARENA_BYTES);
        struct fault fault;
        enum err const err = read_ask(row->operation, row->body, arena, &fault);
        if (err != (row->param ? ERR_FIELD_INVALID : ERR_JSON_INVALID) ||
            (row->param && strcmp(fault.param, row->param) != 0))
            fail_msg("%s: err %d, param \"%s\"", row->what, (int)err, fault.param);
        arena_free(arena);
    }
}

static void test_long_names(void **state)
{
    (void)state;
    for (int escaped = 0; escaped < 2; escaped++)
        for (int extra = 0; extra < 2; extra++) {
            struct arena *arena = arena_new(ARENA_BYTES);
            struct fault fault;
            char name[NAME_BYTES_MAX + 2] = "", body[1024];
            memset(name, 'a', NAME_BYTES_MAX - 1 + (size_t)extra);
            snprintf(body, sizeof body, "{\"model\":\"%s%s\"," M "}", name,
                     escaped ? "\\u0061" : "a");
            enum err const err = read_ask(OPERATION_CHAT, body, arena, &fault);
            assert_int_equal(err, extra ? ERR_FIELD_INVALID : ERR_OK);
            if (!extra)
                assert_int_equal(ask.model_name.len, NAME_BYTES_MAX);
            arena_free(arena);
        }
}

static void test_message_with_too_many_members(void **state)
{
    struct buf body;
    struct fault fault = {0};
    struct arena *arena = arena_new(ARENA_BYTES);
    (void)state;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_add(&body, STR("{\"model\":\"m\",\"messages\":[{\"a\":[\"file\"]")), 0);
    for (int i = 0; i < JSON_TOP_MEMBERS_MAX; i++)
        assert_int_equal(buf_add(&body, STR(",\"a\":1")), ERR_OK);
    assert_int_equal(buf_add(&body, STR("}]}")), ERR_OK);
    assert_int_equal(openai_ask_read(OPERATION_CHAT, buf_view(&body), arena, &ask, &fault),
                     ERR_FIELD_INVALID);
    assert_string_equal(fault.param, "messages");
    buf_free(&body);
    arena_free(arena);
}

/* Members of the chat are nothing special for embeddings. */
static void test_embeddings(void **state)
{
    struct arena *arena = arena_new(ARENA_BYTES);
    struct fault fault;
    (void)state;
    assert_int_equal(read_ask(OPERATION_EMBEDDINGS,
                              "{\"stream\":true,\"n\":999,\"max_tokens\":-1,\"max_tokens\":0,"
                              "\"model\":\"e\",\"input\":[\"a\",\"b\"],\"user\":\"u1\"}",
                              arena, &fault),
                     ERR_OK);
    assert_false(ask.stream);
    assert_int_equal(ask.output_cap, -1);
    assert_int_equal(ask.choices, 1);
    assert_true(str_eq(ask.end_user, STR("u1")));
    arena_free(arena);
}

static void test_estimate(void **state)
{
    static const struct {
        const char *what;
        enum operation operation;
        const char *body;
        int64_t tokens;
    } cases[] = {
        {"no text is one token", OPERATION_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", 1},
        {"five bytes are two tokens", OPERATION_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"content\":\"12345\"}]}", 2},
        {"escapes count as what they mean", OPERATION_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"content\":\"\\u0041\\n\\\"\\u0041\"}]}", 1},
        {"messages and parts add up", OPERATION_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"content\":\"1234\"},{\"content\":[{\"type\":\"text\","
         "\"text\":\"5678\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"xxxxxxxxx\"}}]}]}",
         2},
        {"one input", OPERATION_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"12345678\"}", 2},
        {"several inputs", OPERATION_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"1234\",\"5678\"]}",
         2},
        {"tokens are tokens", OPERATION_EMBEDDINGS, "{\"model\":\"m\",\"input\":[[1,2],[3]]}", 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(ARENA_BYTES);
        struct fault fault;
        assert_int_equal(read_ask(cases[i].operation, cases[i].body, arena, &fault), ERR_OK);
        int64_t const tokens = openai_input_estimate(&ask);
        if (tokens != cases[i].tokens)
            fail_msg("%s: %d tokens", cases[i].what, (int)tokens);
        assert_true(tokens <= openai_input_bound(&ask, 0));
        arena_free(arena);
    }
}

static void test_bound_does_not_wrap(void **state)
{
    struct arena *arena = arena_new(ARENA_BYTES);
    struct fault fault;
    (void)state;
    assert_int_equal(read_ask(OPERATION_CHAT,
                              "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"file\"},"
                              "{\"type\":\"file\"}]}]}",
                              arena, &fault),
                     ERR_OK);
    assert_int_equal(openai_input_bound(&ask, INT64_MAX / 2), INT64_MAX);
    assert_int_equal(openai_input_bound(&ask, INT64_MAX), INT64_MAX);
    arena_free(arena);
}

static void test_memory_short(void **state)
{
    struct arena *arena = arena_new(64);
    struct fault fault;
    (void)state;
    assert_int_equal(read_ask(OPERATION_CHAT, "{\"model\":\"\\u0061\"," M "}", arena, &fault),
                     ERR_NO_MEMORY);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_message_with_too_many_members),
        cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_bound_does_not_wrap),
        cmocka_unit_test(test_memory_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
