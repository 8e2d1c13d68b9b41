/* test_sim_plan.c - what the simulated provider answers: the same for the same seed, and countable.
 */
#include "core/estimate.h"
#include "sim_test.h"
#include <stdio.h>

static const char hello[] =
    "{\"model\":\"sim-fast\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]}";

static void same_facts_same_bytes(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        hello,
        "{\"model\":\"sim-json\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
        "\"x\"}]}",
        "{\"model\":\"sim-reason\",\"n\":3,\"messages\":[{\"role\":\"user\",\"content\":\"Olá\"}]}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct buf first, second, other;
        struct answer a = answer_make("/v1/chat/completions", bodies[i], NULL, 7, 1);
        struct answer b = answer_make("/v1/chat/completions", bodies[i], NULL, 7, 99);
        struct answer c = answer_make("/v1/chat/completions", bodies[i], NULL, 8, 1);
        answer_wire(&a.plan, &first);
        answer_wire(&b.plan, &second);
        answer_wire(&c.plan, &other);
        assert_true(str_eq(buf_view(&first), buf_view(&second)));
        assert_false(str_eq(buf_view(&first), buf_view(&other)));
        buf_free(&first);
        buf_free(&second);
        buf_free(&other);
        answer_free(&a);
        answer_free(&b);
        answer_free(&c);
    }
}

static void seed_header_wins(void **state)
{
    (void)state;
    struct buf first, second;
    struct sim_headers const headers = {.seed = STR("42")};
    struct answer a = answer_make("/v1/chat/completions", hello, &headers, 7, 1);
    struct answer b = answer_make("/v1/chat/completions", hello, &headers, 8, 1);
    answer_wire(&a.plan, &first);
    answer_wire(&b.plan, &second);
    assert_true(str_eq(buf_view(&first), buf_view(&second)));
    buf_free(&first);
    buf_free(&second);
    answer_free(&a);
    answer_free(&b);
}

static void tokens_are_estimated(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes, text, prompt;
    } rows[] = {
        {0, 0, 1},
        {1, 1, 1},
        {4, 1, 1},
        {5, 2, 2},
        {8, 2, 2},
        {9, 3, 3},
        {INT64_MAX, INT64_MAX / 4 + 1, INT64_MAX / 4 + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(estimate_text_tokens(rows[i].bytes), rows[i].text);
        assert_int_equal(estimate_prompt_tokens(rows[i].bytes), rows[i].prompt);
    }
}

static void prompt_is_counted(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int64_t tokens;
    } rows[] = {
        {"/v1/chat/completions",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", 1},
        {"/v1/chat/completions",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"12345\"}]}", 2},
        {"/v1/chat/completions", /* decoded: six bytes */
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\u00e9ab\"}]}",
         2},
        {"/v1/chat/completions", /* summed over messages and parts, then rounded */
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"12345\"},{\"content\":["
         "{"
         "\"type\":\"text\",\"text\":\"123\"},{\"type\":\"image_url\",\"image_url\":{}}]}]}",
         2},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":\"12345678\"}", 2},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":[\"1234\",\"123456\"]}", 3},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":[17,18,19]}", 3},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":[[17,18,19],[1]]}", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = answer_make(rows[i].path, rows[i].body, NULL, 1, 1);
        assert_int_equal(a.plan.status, 200);
        assert_int_equal(a.plan.usage.prompt, rows[i].tokens);
        answer_free(&a);
    }
}

/* The cap is met to the token, the text is cut between characters, and usage counts the text. */
static void cap_is_exact(void **state)
{
    (void)state;
    static const char *const words[] = {"Hello", "Olá, você"};
    for (int64_t cap = 1; cap < 30; cap++) {
        for (size_t language = 0; language < 2; language++) {
            char body[256];
            snprintf(body, sizeof body,
                     "{\"model\":\"sim-fast:output=30\",\"%s\":%lld,\"messages\":[{\"role\":"
                     "\"user\",\"content\":\"%s\"}]}",
                     cap % 2 ? "max_tokens" : "max_completion_tokens", (long long)cap,
                     words[language]);
            struct answer a = answer_chat(body, NULL);
            struct buf text, decoded;
            struct fault fault = {0};
            answer_body(&a.plan, &text);
            assert_int_equal(json_scan(buf_view(&text), NULL, &fault), ERR_OK);
            struct str const choice = at(get(buf_view(&text), "choices"), 0);
            assert_str(get(choice, "finish_reason"), "\"length\"");
            assert_int_equal(a.plan.usage.completion, cap);
            int64_t const bytes = (int64_t)json_text_len(get(get(choice, "message"), "content"));
            assert_int_equal(estimate_text_tokens(bytes), cap);
            buf_init(&decoded, 1024);
            add_decoded(get(get(choice, "message"), "content"), &decoded);
            buf_free(&decoded);
            buf_free(&text);
            answer_free(&a);
        }
    }
}

/* What the chunks of a stream add up to, for one choice. */
struct joined {
    struct buf content, reasoning, arguments;
    struct str usage, finish;
    int64_t choice;
    size_t events, usages, errors, bad;
    bool done;
    struct arena *arena;
};

static bool join_event(void *owner, const struct sse_event *event)
{
    struct joined *joined = owner;
    struct fault fault = {0};
    joined->events++;
    if (str_eq(event->data, STR("[DONE]"))) {
        joined->done = true;
        return true;
    }
    if (json_scan(event->data, NULL, &fault) != ERR_OK) {
        joined->bad++;
        return true;
    }
    struct str const data = arena_copy(joined->arena, event->data);
    joined->errors += get(data, "error").ptr != NULL;
    if (json_type(get(data, "usage")) == JSON_OBJECT) {
        joined->usage = get(data, "usage");
        joined->usages++;
    }
    struct str choice;
    size_t position = 0;
    struct str const choices = get(data, "choices");
    while (json_type(choices) == JSON_ARRAY && json_next(choices, &position, &choice)) {
        if (number(get(choice, "index")) != joined->choice)
            continue;
        struct str const delta = get(choice, "delta");
        add_decoded(get(delta, "content"), &joined->content);
        add_decoded(get(delta, "reasoning_content"), &joined->reasoning);
        struct str const function = get(at(get(delta, "tool_calls"), 0), "function");
        add_decoded(get(function, "arguments"), &joined->arguments);
        if (json_type(get(choice, "finish_reason")) == JSON_STRING)
            joined->finish = get(choice, "finish_reason");
    }
    return true;
}

static void join(struct answer *answer, int64_t choice, struct joined *joined)
{
    struct buf text;
    struct sse_parser parser;
    *joined = (struct joined){.arena = answer->arena, .choice = choice};
    buf_init(&joined->content, 1 << 20);
    buf_init(&joined->reasoning, 1 << 20);
    buf_init(&joined->arguments, 1 << 20);
    answer_body(&answer->plan, &text);
    sse_init(&parser, 1 << 20);
    assert_int_equal(sse_feed(&parser, buf_view(&text), join_event, joined), ERR_OK);
    sse_free(&parser);
    buf_free(&text);
}

static void joined_free(struct joined *joined)
{
    buf_free(&joined->content);
    buf_free(&joined->reasoning);
    buf_free(&joined->arguments);
}

static void assert_decoded(struct str value, const struct buf *expected)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    add_decoded(value, &text);
    assert_true(str_eq(buf_view(&text), buf_view(expected)));
    buf_free(&text);
}

/* The stream and the plain answer of the same request say the same. */
static void stream_adds_up_to_plain(void **state)
{
    (void)state;
    static const char tool[] =
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
        "\"object\",\"properties\":{\"q\":{\"type\":\"string\"}},\"required\":[\"q\"]}}}],";
    static const struct {
        const char *model, *more;
        int64_t choices;
    } rows[] = {
        {"sim-fast", "", 1},
        {"sim-fast", "\"n\":3,", 3},
        {"sim-reason", "", 1},
        {"sim-json", "", 1},
        {"sim-tools", tool, 1},
        {"sim-tools", tool, 1},
        {"sim-fast:output=0", "", 1},
        {"sim-cache", "", 1},
        {"sim-reason", "\"max_tokens\":5,", 1},
        {"gpt-4o-mini", "\"max_tokens\":9,", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[1024], streamed[1024];
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",%s\"stream\":%s,\"stream_options\":{\"include_usage\":true},"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"Quanto é? \\\"x\\\"\"}]}",
                 rows[i].model, rows[i].more, "false");
        snprintf(streamed, sizeof streamed,
                 "{\"model\":\"%s\",%s\"stream\":%s,\"stream_options\":{\"include_usage\":true},"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"Quanto é? \\\"x\\\"\"}]}",
                 rows[i].model, rows[i].more, "true");
        struct answer plain = answer_chat(body, NULL), stream = answer_chat(streamed, NULL);
        struct buf text;
        answer_body(&plain.plan, &text);
        for (int64_t k = 0; k < rows[i].choices; k++) {
            struct joined joined;
            struct str const choice = at(get(buf_view(&text), "choices"), (size_t)k);
            struct str const message = get(choice, "message");
            join(&stream, k, &joined);
            assert_true(joined.done);
            assert_int_equal(joined.bad, 0);
            assert_int_equal(joined.usages, 1);
            assert_decoded(get(message, "content"), &joined.content);
            assert_decoded(get(message, "reasoning_content"), &joined.reasoning);
            assert_decoded(get(get(at(get(message, "tool_calls"), 0), "function"), "arguments"),
                           &joined.arguments);
            assert_true(str_eq(joined.finish, get(choice, "finish_reason")));
            assert_true(str_eq(joined.usage, get(buf_view(&text), "usage")));
            joined_free(&joined);
        }
        const struct sim_plan *plan = &stream.plan;
        assert_int_equal(plan->pieces[plan->piece_count - 1].tokens, plan->usage.completion);
        buf_free(&text);
        answer_free(&plain);
        answer_free(&stream);
    }
}

static void models_have_their_ways(void **state)
{
    (void)state;
    static const char chat[] = "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"12345678\"}%s]}";
    static const char tools[] = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},{"
                                "\"type\":\"function\",\"function\":{\"name\":\"b\"}}],%s";
    static const struct {
        const char *sentence, *model, *choice, *more;
        int status;
        const char *finish; /* NULL: an error */
        const char *called;
    } rows[] = {
        {"an ordinary answer", "sim-fast", NULL, "", 200, "\"stop\"", NULL},
        {"other names answer as well", "gpt-4o", NULL, "", 200, "\"stop\"", NULL},
        {"always too many", "sim-429", NULL, "", 429, NULL, NULL},
        {"no such model", "sim-nothing", NULL, "", 404, NULL, NULL},
        {"tools, but nothing to call", "sim-tools", NULL, "", 200, "\"stop\"", NULL},
        {"the first tool", "sim-tools", "", "", 200, "\"tool_calls\"", "\"a\""},
        {"tools do not disturb others", "sim-fast", "", "", 200, "\"stop\"", NULL},
        {"told not to call", "sim-tools", "\"tool_choice\":\"none\",", "", 200, "\"stop\"", NULL},
        {"told to call", "sim-fast", "\"tool_choice\":\"required\",", "", 200, "\"tool_calls\"",
         "\"a\""},
        {"told what to call", "sim-fast",
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"b\"}},", "", 200,
         "\"tool_calls\"", "\"b\""},
        {"the result is there: no second call", "sim-tools", "",
         ",{\"role\":\"tool\",\"content\":\"ok\"}", 200, "\"stop\"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char list[512] = "", body[1024];
        struct buf text;
        if (rows[i].choice)
            snprintf(list, sizeof list, tools, rows[i].choice);
        snprintf(body, sizeof body, chat, rows[i].model, list, rows[i].more);
        struct answer a = answer_chat(body, NULL);
        answer_body(&a.plan, &text);
        struct str const choice = at(get(buf_view(&text), "choices"), 0);
        struct str const call = at(get(get(choice, "message"), "tool_calls"), 0);
        if (a.plan.status != rows[i].status)
            fail_msg("%s: status %d", rows[i].sentence, a.plan.status);
        if (rows[i].finish)
            assert_str(get(choice, "finish_reason"), rows[i].finish);
        if (rows[i].called)
            assert_str(get(get(call, "function"), "name"), rows[i].called);
        else
            assert_null(call.ptr);
        buf_free(&text);
        answer_free(&a);
    }
}

static void figures_of_special_models(void **state)
{
    (void)state;
    struct answer cache = answer_chat("{\"model\":\"sim-cache\",\"messages\":[{\"content\":"
                                      "\"1234567890123456\"}]}",
                                      NULL);
    struct answer reason = answer_chat("{\"model\":\"sim-reason\",\"messages\":[{}]}", NULL);
    struct answer slow =
        answer_chat("{\"model\":\"sim-slow\",\"stream\":true,\"messages\":[{}]}", NULL);
    assert_int_equal(cache.plan.usage.prompt, 4);
    assert_int_equal(cache.plan.usage.cached, 2);
    assert_true(reason.plan.usage.reasoning > 0);
    assert_true(reason.plan.usage.reasoning < reason.plan.usage.completion);
    assert_int_equal(slow.plan.head_at_us, 2000000);
    assert_int_equal(slow.plan.pieces[2].at_us - slow.plan.pieces[1].at_us, 100000);
    answer_free(&cache);
    answer_free(&reason);
    answer_free(&slow);
}

static void one_of_three_is_flaky(void **state)
{
    (void)state;
    int failed[3] = {0};
    for (uint64_t i = 0; i < 90; i++) {
        struct answer a = answer_make("/v1/chat/completions",
                                      "{\"model\":\"sim-flaky\",\"messages\":[{}]}", NULL, 5, i);
        failed[0] += a.plan.status == 500;
        failed[1] += a.plan.end == SIM_END_CUT;
        failed[2] += a.plan.end == SIM_END_RESET;
        answer_free(&a);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(failed[i], 10);
}

static void knobs_in_the_name_and_in_headers(void **state)
{
    (void)state;
    static const struct {
        const char *suffix, *header, *value;
        int64_t latency_us, output;
        int status;
    } rows[] = {
        {"", NULL, NULL, 5000, -1, 200},
        {":latency=70,output=3", NULL, NULL, 70000, 3, 200},
        {":output-tokens=4, latency-ms=1", NULL, NULL, 1000, 4, 200},
        {":latency=70", "x-sim-latency-ms", "9", 9000, -1, 200},
        {"", "X-Sim-Output-Tokens", "11", 5000, 11, 200},
        {":stall", NULL, NULL, 5000, 0, 200},
        {":fault=status=418", NULL, NULL, 5000, 0, 418},
        {":status=429,retry-after=3", NULL, NULL, 5000, 0, 429},
        {"", "x-sim-fault", "status=503, retry-after=date", 5000, 0, 503},
        {":nonsense", NULL, NULL, 0, -1, 400},
        {":latency=fast", NULL, NULL, 0, -1, 400},
        {":usage=1", NULL, NULL, 0, -1, 400},
        {":usage=1/2/3/4/5", NULL, NULL, 0, -1, 400},
        {":seed=-1", NULL, NULL, 0, -1, 400},
        {":cut-mid-stream=soon", NULL, NULL, 0, -1, 400},
        {"", "x-sim-fault", "resett", 0, -1, 400},
        {"", "x-sim-usage", "1,x", 0, -1, 400},
        {"", "x-sim-latency-ms", "99999999999999999", 0, -1, 400},
        {":crlf,cr,bom,gzip,twice,interim,one-byte,http10,stall", NULL, NULL, 0, -1, 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"model\":\"sim-fast%s\",\"messages\":[{}]}", rows[i].suffix);
        struct sim_headers headers = {.fault = {0}};
        if (rows[i].header)
            sim_headers_take(&headers, str_of(rows[i].header), str_of(rows[i].value));
        struct answer a = answer_make("/v1/chat/completions", body, &headers, 1, 1);
        if (a.plan.status != rows[i].status)
            fail_msg("row %zu: status %d", i, a.plan.status);
        assert_int_equal(a.plan.head_at_us, rows[i].latency_us);
        if (rows[i].output > 0)
            assert_int_equal(a.plan.usage.completion, rows[i].output);
        answer_free(&a);
    }
}

static void usage_can_be_told(void **state)
{
    (void)state;
    struct sim_headers const headers = {.usage = STR("100,50,40,30")};
    struct answer a = answer_make("/v1/chat/completions", hello, &headers, 1, 1);
    struct answer b =
        answer_chat("{\"model\":\"sim-fast:usage=100/50/40/30\",\"messages\":[{}]}", NULL);
    struct sim_usage const wanted = {100, 50, 40, 30};
    assert_memory_equal(&a.plan.usage, &wanted, sizeof wanted);
    assert_memory_equal(&b.plan.usage, &wanted, sizeof wanted);
    answer_free(&a);
    answer_free(&b);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int status;
    } rows[] = {
        {"/v1/chat/completions", "{", 400},
        {"/v1/chat/completions", "[]", 400},
        {"/v1/chat/completions", "{\"messages\":[{}]}", 400},
        {"/v1/chat/completions", "{\"model\":7,\"messages\":[{}]}", 400},
        {"/v1/chat/completions", "{\"model\":\"m\",\"messages\":[]}", 400},
        {"/v1/chat/completions", "{\"model\":\"m\",\"messages\":{}}", 400},
        {"/v1/chat/completions", "{\"model\":\"m\",\"max_tokens\":0,\"messages\":[{}]}", 400},
        {"/v1/chat/completions", "{\"model\":\"m\",\"n\":129,\"messages\":[{}]}", 400},
        {"/v1/chat/completions", "{\"model\":\"m\",\"max_tokens\":1.5,\"messages\":[{}]}", 400},
        {"/v1/embeddings", "{\"model\":\"m\"}", 400},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":[]}", 400},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\",\"dimensions\":5000}", 400},
        {"/v1/responses", "{\"model\":\"m\"}", 404},
        {"/v1/models/nothing", NULL, 404},
        {"/v1/models/", NULL, 404},
        {"/v1/models/sim-fast", NULL, 200},
        {"/v1/models?limit=2", NULL, 200},
        {"/openai/v1/models", NULL, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf text;
        struct fault fault = {0};
        struct answer a = answer_make(rows[i].path, rows[i].body, NULL, 1, 1);
        if (a.plan.status != rows[i].status)
            fail_msg("row %zu: status %d", i, a.plan.status);
        answer_body(&a.plan, &text);
        assert_int_equal(json_scan(buf_view(&text), NULL, &fault), ERR_OK);
        assert_int_equal(get(buf_view(&text), "error").ptr != NULL, rows[i].status != 200);
        buf_free(&text);
        answer_free(&a);
    }
}

static void all_models_are_listed(void **state)
{
    (void)state;
    struct buf text;
    struct answer a = answer_make("/v1/models", NULL, NULL, 1, 1);
    answer_body(&a.plan, &text);
    size_t count = 0;
    for (; sim_model_at(count); count++) {
        char id[64];
        snprintf(id, sizeof id, "\"%.*s\"", STR_ARG(sim_model_at(count)->name));
        assert_str(get(at(get(buf_view(&text), "data"), count), "id"), id);
    }
    assert_int_equal(count, 9);
    assert_null(at(get(buf_view(&text), "data"), count).ptr);
    buf_free(&text);
    answer_free(&a);
}

/* Of a stream with one kind of report: how many reports, what the last says, does it end well. */
static void reports_of_usage(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        size_t reports;
        const char *completion; /* of the last report */
        bool after_done;
    } rows[] = {
        {NULL, 1, "6", false},
        {"no-usage", 0, NULL, false},
        {"usage-twice", 2, "6", false},
        {"usage-after-done", 1, "6", true},
        {"usage-with-choices", 1, "6", false},
        {"usage-cumulative", 6, "6", false},
        {"zero-usage", 1, "0", false},
        {"absurd-usage", 1, "-5", false},
        {"absurd-usage=huge", 1, "9223372036854775808", false},
        {"absurd-usage=string", 1, "\"12\"", false},
        {"absurd-usage=fraction", 1, "1.5", false},
        {"absurd-usage=null", 1, "null", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct joined joined;
        struct buf text;
        struct answer a = answer_chat("{\"model\":\"sim-fast:output=6\",\"stream\":true,"
                                      "\"stream_options\":{\"include_usage\":true},"
                                      "\"messages\":[{}]}",
                                      rows[i].fault);
        join(&a, 0, &joined);
        assert_true(joined.done);
        assert_int_equal(joined.usages, rows[i].reports);
        if (rows[i].completion)
            assert_str(get(joined.usage, "completion_tokens"), rows[i].completion);
        answer_body(&a.plan, &text);
        struct str const ending = STR("data: [DONE]\n\n");
        assert_int_equal(str_find(buf_view(&text), ending) + ending.len < text.len,
                         rows[i].after_done);
        buf_free(&text);
        joined_free(&joined);
        answer_free(&a);
    }
}

static void other_faults_of_streams(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        bool done;
        size_t events, errors, bad;
    } rows[] = {
        {NULL, true, 9, 0, 0},
        {"no-done", false, 8, 0, 0},
        {"crlf", true, 9, 0, 0},
        {"cr", true, 9, 0, 0},
        {"bom", true, 9, 0, 0},
        {"error-in-stream=3", false, 4, 1, 0},
        {"error-in-stream", false, 5, 1, 0},
        {"invalid-json=2", true, 9, 0, 1},
        {"cut-mid-stream=0", false, 0, 0, 0},
        {"reset-mid-stream=5", false, 5, 0, 0},
        {"stall-mid-stream=99", true, 9, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct joined joined;
        struct answer a = answer_chat("{\"model\":\"sim-fast:output=6\",\"stream\":true,"
                                      "\"messages\":[{}]}",
                                      rows[i].fault);
        join(&a, 0, &joined);
        if (joined.done != rows[i].done || joined.events != rows[i].events)
            fail_msg("%s: %zu events", rows[i].fault, joined.events);
        assert_int_equal(joined.errors, rows[i].errors);
        assert_int_equal(joined.bad, rows[i].bad);
        joined_free(&joined);
        answer_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_facts_same_bytes),
        cmocka_unit_test(seed_header_wins),
        cmocka_unit_test(tokens_are_estimated),
        cmocka_unit_test(prompt_is_counted),
        cmocka_unit_test(cap_is_exact),
        cmocka_unit_test(stream_adds_up_to_plain),
        cmocka_unit_test(models_have_their_ways),
        cmocka_unit_test(figures_of_special_models),
        cmocka_unit_test(one_of_three_is_flaky),
        cmocka_unit_test(knobs_in_the_name_and_in_headers),
        cmocka_unit_test(usage_can_be_told),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(all_models_are_listed),
        cmocka_unit_test(reports_of_usage),
        cmocka_unit_test(other_faults_of_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
