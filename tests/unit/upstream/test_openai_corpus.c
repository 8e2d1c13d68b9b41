/* test_openai_corpus.c - recorded answers of real providers through our reader.
 *
 * What:  every chat and embeddings answer of the fixtures, whole, byte by byte and at random
 *        splits: the same result each time, and the usage that the fixtures' oracle names.
 * Not:   without the fixtures (COTA_FIXTURES, or ../shared/fixtures) it is skipped.
 */
#include "base/buf.h"
#include "base/random.h"
#include "codec/sse.h"
#include "upstream/openai.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

enum { TEXT_BYTES_MAX = 64 << 20, RANDOM_SPLITS = 3, PATH_BYTES_MAX = 1024, EXIT_SKIPPED = 77 };

static char path[PATH_BYTES_MAX];
static struct random dice;

static bool find_corpus(void)
{
    const char *roots[] = {getenv("COTA_FIXTURES"), "../shared/fixtures", "../../shared/fixtures"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        if (!roots[i])
            continue;
        snprintf(path, sizeof path, "%s/suites/providers/corpus/dev.jsonl", roots[i]);
        FILE *file = fopen(path, "r");
        if (file) {
            fclose(file);
            return true;
        }
    }
    return false;
}

struct expected {
    int64_t input, output, cached, reasoning, total;
    bool has_usage;
};

static int64_t number(const struct json_object *object, const char *key)
{
    int64_t value = 0;
    return json_i64(json_get(object, str_of(key)), &value) ? value : 0;
}

/* The oracle repeats counters as they stand; ours are the billed ones (xAI's rule, clamping). */
static struct expected expected_of(struct str oracle)
{
    static struct json_object outer, usage;
    struct expected expected = {0};
    struct fault fault = {0};
    if (json_members(oracle, &outer, &fault) != ERR_OK ||
        json_type(json_get(&outer, STR("usage"))) != JSON_OBJECT)
        return expected;
    assert_int_equal(json_members(json_get(&outer, STR("usage")), &usage, &fault), ERR_OK);
    expected.has_usage = true;
    expected.input = number(&usage, "input");
    expected.output = number(&usage, "output");
    expected.cached = number(&usage, "cached");
    expected.reasoning = number(&usage, "reasoning");
    expected.total = number(&usage, "total");
    if (expected.reasoning > 0 &&
        expected.total == expected.input + expected.output + expected.reasoning)
        expected.output += expected.reasoning;
    if (expected.cached > expected.input)
        expected.cached = expected.input;
    return expected;
}

/* What a reading came to; compared byte by byte between splits. */
struct reading {
    struct openai_answer answer;
    struct openai_stream stream;
    int64_t verdicts[OPENAI_BAD + 1];
};

static bool on_event(void *owner, const struct sse_event *event)
{
    struct reading *reading = owner;
    if (event->data.ptr)
        reading->verdicts[openai_stream_event(&reading->stream, event->data, false)]++;
    return true;
}

static void read_stream(struct str text, size_t step, struct reading *reading)
{
    struct sse_parser parser;
    memset(reading, 0, sizeof *reading);
    sse_init(&parser, SSE_EVENT_BYTES_MAX);
    while (text.len > 0) {
        size_t count = step > 0 ? step : 1 + (size_t)random_below(&dice, 400);
        count = count < text.len ? count : text.len;
        assert_int_equal(sse_feed(&parser, str_make(text.ptr, count), on_event, reading), ERR_OK);
        text = str_skip(text, count);
    }
    sse_free(&parser);
}

static void check_usage(const char *id, const struct usage *usage, const struct expected *expected,
                        bool odd_cached)
{
    int64_t const cached = usage->tokens[POOL_CACHED_INPUT];
    if (usage_input(usage) != expected->input || usage_output(usage) != expected->output ||
        (!odd_cached && cached != expected->cached) ||
        usage->tokens[POOL_REASONING] != expected->reasoning)
        fail_msg("%s: input %d, output %d, cached %d, reasoning %d", id, (int)usage_input(usage),
                 (int)usage_output(usage), (int)cached, (int)usage->tokens[POOL_REASONING]);
}

struct count {
    int streams, answers, with_usage, not_json;
};

static void check_stream(const char *id, struct str text, const struct expected *expected,
                         struct count *count)
{
    struct reading whole, other;
    bool const odd_cached = str_find(text, STR("num_cached_tokens")) < text.len;
    read_stream(text, text.len, &whole);
    for (size_t i = 0; i <= RANDOM_SPLITS; i++) {
        read_stream(text, i == 0 ? 1 : 0, &other);
        assert_memory_equal(&whole, &other, sizeof whole);
    }
    count->streams++;
    count->with_usage += whole.stream.has_usage;
    if (whole.stream.has_usage != expected->has_usage || whole.stream.absurd)
        fail_msg("%s: usage %d, absurd %d", id, whole.stream.has_usage, whole.stream.absurd);
    if (expected->has_usage)
        check_usage(id, &whole.stream.usage, expected, odd_cached);
}

static void check_answer(const char *id, struct str text, const struct expected *expected,
                         struct count *count)
{
    struct openai_answer answer;
    struct fault fault = {0};
    count->answers++;
    if (openai_answer_read(text, &answer, &fault) != ERR_OK) {
        count->not_json++;
        assert_false(expected->has_usage);
        return;
    }
    bool const odd_cached = str_find(text, STR("num_cached_tokens")) < text.len;
    bool const only_total = expected->input == 0 && expected->output == 0;
    count->with_usage += answer.has_usage;
    if (answer.absurd || (answer.has_usage != expected->has_usage && !only_total))
        fail_msg("%s: usage %d, absurd %d", id, answer.has_usage, answer.absurd);
    if (answer.has_usage)
        check_usage(id, &answer.usage, expected, odd_cached);
}

static bool is_ours(struct str api)
{
    return str_eq(api, STR("\"openai.chat\"")) || str_eq(api, STR("\"embeddings\""));
}

/* Answers of other dialects stand under "embeddings", too: those without a list of data. */
static bool is_openai_answer(struct str api, struct str text)
{
    return str_eq(api, STR("\"openai.chat\"")) || (str_find(text, STR("\"object\"")) < text.len &&
                                                   str_find(text, STR("\"usage\"")) < text.len);
}

static void check_line(struct str line, char *text, struct count *count)
{
    static struct json_object record;
    struct fault fault = {0};
    size_t len;
    char id[64] = "";
    assert_int_equal(json_scan(line, &record, &fault), ERR_OK);
    struct str const api = json_get(&record, STR("api"));
    struct str const encoded = json_get(&record, STR("resp_text"));
    if (!is_ours(api) || json_type(encoded) != JSON_STRING)
        return;
    assert_true(json_text(encoded, text, TEXT_BYTES_MAX, &len));
    struct str const body = str_make(text, len);
    if (!is_openai_answer(api, body))
        return;
    assert_true(json_text(json_get(&record, STR("id")), id, sizeof id - 1, &len));
    struct expected const expected = expected_of(json_get(&record, STR("oracle")));
    if (json_is_true(json_get(&record, STR("stream"))))
        check_stream(id, body, &expected, count);
    else
        check_answer(id, body, &expected, count);
}

static void test_corpus(void **state)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    struct count count = {0};
    (void)state;
    FILE *file = fopen(path, "r");
    char *text = malloc(TEXT_BYTES_MAX);
    assert_non_null(file);
    assert_non_null(text);
    random_seed(&dice, 11);
    while ((len = getline(&line, &size, file)) > 0)
        check_line(str_make(line, (size_t)len), text, &count);
    fclose(file);
    free(line);
    free(text);
    print_message("%d streams, %d answers (%d not JSON), %d with usage\n", count.streams,
                  count.answers, count.not_json, count.with_usage);
    assert_true(count.streams > 0 && count.answers > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
    if (!find_corpus()) {
        print_message("skipped: no fixtures (set COTA_FIXTURES)\n");
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
