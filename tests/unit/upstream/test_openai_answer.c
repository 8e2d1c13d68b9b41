/* test_openai_answer.c - what answers and streams say about usage, text and their end.
 *
 * Numbers in brackets are those of the list of known pains of other gateways (design/proofs.md).
 */
#include "upstream/openai.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

/* The pools of a row; those not named are zero. */
struct pools_row {
    int64_t input, cached, write, audio_in, image_in, output, reasoning, audio_out, image_out;
};

static void assert_pools(const char *what, const struct usage *usage, const struct pools_row *row)
{
    const struct {
        enum pool pool;
        int64_t tokens;
    } pairs[] = {
        {POOL_INPUT, row->input},
        {POOL_CACHED_INPUT, row->cached},
        {POOL_CACHE_WRITE_5M, row->write},
        {POOL_CACHE_WRITE_1H, 0},
        {POOL_AUDIO_INPUT, row->audio_in},
        {POOL_IMAGE_INPUT, row->image_in},
        {POOL_OUTPUT, row->output},
        {POOL_REASONING, row->reasoning},
        {POOL_AUDIO_OUTPUT, row->audio_out},
        {POOL_IMAGE_OUTPUT, row->image_out},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (usage->tokens[pairs[i].pool] != pairs[i].tokens)
            fail_msg("%s: %s is %lld, expected %lld", what, pool_key(pairs[i].pool),
                     (long long)usage->tokens[pairs[i].pool], (long long)pairs[i].tokens);
}

enum said { NO_USAGE, SOUND, ABSURD };

struct usage_row {
    const char *what, *usage;
    enum said said;
    struct pools_row pools;
};

#define P "\"prompt_tokens\":"
#define C "\"completion_tokens\":"

static const struct usage_row usage_rows[] = {
    {"plain", "{" P "10," C "5,\"total_tokens\":15}", SOUND, {.input = 10, .output = 5}},
    {"explicit zeros are values (14)", "{" P "0," C "0}", SOUND, {0}},
    {"null is nothing", "null", NO_USAGE, {0}},
    {"a text is nothing", "\"many\"", NO_USAGE, {0}},
    {"an empty object is nothing", "{}", NO_USAGE, {0}},
    {"all counters null", "{" P "null," C "null}", NO_USAGE, {0}},
    {"a total alone is never billed (19)", "{\"total_tokens\":402}", NO_USAGE, {0}},
    {"a total that is higher is not billed (19)",
     "{" P "7," C "12,\"total_tokens\":402}",
     SOUND,
     {.input = 7, .output = 12}},
    {"cached is part of the prompt (19)",
     "{" P "10," C "5,\"prompt_tokens_details\":{\"cached_tokens\":8}}",
     SOUND,
     {.input = 2, .cached = 8, .output = 5}},
    {"more cached than prompt is clamped (19)",
     "{" P "7," C "1,\"prompt_tokens_details\":{\"cached_tokens\":161}}",
     SOUND,
     {.cached = 7, .output = 1}},
    {"reasoning is part of the completion (19)",
     "{" P "10," C "5,\"completion_tokens_details\":{\"reasoning_tokens\":4},\"total_tokens\":15}",
     SOUND,
     {.input = 10, .output = 1, .reasoning = 4}},
    {"xAI: reasoning beside the completion, its total tells (19)",
     "{" P "307," C
     "26,\"total_tokens\":560,\"completion_tokens_details\":{\"reasoning_tokens\":227}}",
     SOUND,
     {.input = 307, .output = 26, .reasoning = 227}},
    {"no total: reasoning is inside",
     "{" P "307," C "26,\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
     SOUND,
     {.input = 307, .output = 6, .reasoning = 20}},
    {"audio and images",
     "{" P "100," C "50,\"prompt_tokens_details\":{\"cached_tokens\":10,\"audio_tokens\":20,"
     "\"image_tokens\":30,\"cache_write_tokens\":5},\"completion_tokens_details\":{"
     "\"audio_tokens\":7,\"image_tokens\":3,\"reasoning_tokens\":1}}",
     SOUND,
     {.input = 35,
      .cached = 10,
      .write = 5,
      .audio_in = 20,
      .image_in = 30,
      .output = 39,
      .reasoning = 1,
      .audio_out = 7,
      .image_out = 3}},
    {"predictions are ordinary output",
     "{" P "1," C "9,\"completion_tokens_details\":{\"accepted_prediction_tokens\":3,"
     "\"rejected_prediction_tokens\":4}}",
     SOUND,
     {.input = 1, .output = 9}},
    {"DeepSeek's cache hits",
     "{" P "10," C "1,\"prompt_cache_hit_tokens\":6}",
     SOUND,
     {.input = 4, .cached = 6, .output = 1}},
    {"Mistral's cached tokens",
     "{" P "64," C "6,\"num_cached_tokens\":32}",
     SOUND,
     {.input = 32, .cached = 32, .output = 6}},
    {"cached under two names counts once",
     "{" P "563," C "116,\"prompt_cache_hit_tokens\":512,\"prompt_tokens_details\":{"
     "\"cached_tokens\":512}}",
     SOUND,
     {.input = 51, .cached = 512, .output = 116}},
    {"null details",
     "{" P "3," C "4,\"prompt_tokens_details\":null}",
     SOUND,
     {.input = 3, .output = 4}},
    {"the newer names",
     "{\"input_tokens\":3,\"output_tokens\":4}",
     SOUND,
     {.input = 3, .output = 4}},
    {"fractions of other things do not matter",
     "{" P "3," C "4,\"cost\":0.12,\"queue_time\":1e-3}",
     SOUND,
     {.input = 3, .output = 4}},

    {"negative", "{" P "-5," C "4}", ABSURD, {.output = 4}},
    {"negative detail",
     "{" P "5," C "4,\"prompt_tokens_details\":{\"cached_tokens\":-1}}",
     ABSURD,
     {.input = 5, .output = 4}},
    {"a fraction", "{" P "5," C "1.5}", ABSURD, {.input = 5}},
    {"an exponent", "{" P "5," C "1e3}", ABSURD, {.input = 5}},
    {"2^63", "{" P "5," C "9223372036854775808}", ABSURD, {.input = 5}},
    {"a text", "{" P "\"5\"," C "4}", ABSURD, {.output = 4}},
    {"a list", "{" P "[5]," C "4}", ABSURD, {.output = 4}},
    {"true", "{" P "true," C "4}", ABSURD, {.output = 4}},
    {"no prompt", "{" C "4}", ABSURD, {.output = 4}},
    {"a null prompt", "{" P "null," C "4}", ABSURD, {.output = 4}},
    {"no completion although there was output", "{" P "4}", ABSURD, {.input = 4}},
};

static void check_usage(const char *what, bool has_usage, bool absurd, const struct usage *usage,
                        enum said said, const struct pools_row *pools)
{
    if (has_usage != (said != NO_USAGE) || absurd != (said == ABSURD))
        fail_msg("%s: has usage %d, absurd %d", what, has_usage, absurd);
    if (has_usage) {
        assert_int_equal(usage->source, USAGE_PROVIDER);
        assert_pools(what, usage, pools);
    }
}

/* Each usage once in a whole answer, once in the last chunk of a stream. */
static void test_usage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof usage_rows / sizeof usage_rows[0]; i++) {
        const struct usage_row *row = &usage_rows[i];
        char text[1024];
        struct openai_answer answer;
        struct fault fault = {0};
        snprintf(text, sizeof text,
                 "{\"choices\":[{\"message\":{\"content\":\"abc\"}}],\"usage\":%s}", row->usage);
        assert_int_equal(openai_answer_read(str_of(text), &answer, &fault), ERR_OK);
        assert_false(answer.error_body);
        assert_int_equal(answer.text_bytes, answer.has_usage && !answer.absurd ? 0 : 3);
        check_usage(row->what, answer.has_usage, answer.absurd, &answer.usage, row->said,
                    &row->pools);

        struct openai_stream stream = {0};
        snprintf(text, sizeof text, "{\"choices\":[],\"usage\":%s}", row->usage);
        (void)openai_stream_event(&stream, str_of(text), false);
        check_usage(row->what, stream.has_usage, stream.absurd, &stream.usage, row->said,
                    &row->pools);
    }
}

static void test_embeddings(void **state)
{
    static const struct usage_row rows[] = {
        {"prompt only", "{" P "8,\"total_tokens\":8}", SOUND, {.input = 8}},
        {"the other name", "{\"input_tokens\":8}", SOUND, {.input = 8}},
        {"a null completion", "{" P "8," C "null}", SOUND, {.input = 8}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        struct openai_answer answer;
        struct fault fault = {0};
        snprintf(text, sizeof text, "{\"data\":[{\"embedding\":[0.1]}],\"usage\":%s}",
                 rows[i].usage);
        assert_int_equal(openai_answer_read(str_of(text), &answer, &fault), ERR_OK);
        check_usage(rows[i].what, answer.has_usage, answer.absurd, &answer.usage, rows[i].said,
                    &rows[i].pools);
    }
}

static void test_answers(void **state)
{
    static const struct {
        const char *what, *body;
        enum err err;
        bool error_body;
        int64_t text_bytes;
    } rows[] = {
        {"half a JSON (4)", "{\"choices\":[{\"mess", ERR_UPSTREAM_INVALID, false, 0},
        {"HTML with status 200", "<html></html>", ERR_UPSTREAM_INVALID, false, 0},
        {"nothing", "", ERR_UPSTREAM_INVALID, false, 0},
        {"a list", "[1]", ERR_UPSTREAM_INVALID, false, 0},
        {"an error with status 200", "{\"error\":{\"message\":\"x\"}}", ERR_OK, true, 0},
        {"an error that is a text", "{\"error\":\"x\"}", ERR_OK, true, 0},
        {"a null error is none", "{\"error\":null,\"choices\":[]}", ERR_OK, false, 0},
        {"tool calls are text, too",
         "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":"
         "\"ab\",\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}",
         ERR_OK, false, 9},
        {"the old function call",
         "{\"choices\":[{\"message\":{\"function_call\":{\"name\":\"ab\",\"arguments\":\"c\"}}}]}",
         ERR_OK, false, 3},
        {"two choices", "{\"choices\":[{\"message\":{\"content\":\"ab\"}},{\"text\":\"c\"}]}",
         ERR_OK, false, 3},
        {"reasoning under two names counts once",
         "{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning\":\"bb\","
         "\"reasoning_content\":\"bb\"}}]}",
         ERR_OK, false, 3},
        {"parts, refusal and a transcript",
         "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"text\":"
         "\"ab\"}]},{\"type\":\"text\",\"text\":\"c\"}],\"refusal\":\"d\",\"audio\":{"
         "\"transcript\":\"e\",\"data\":\"zzzz\"}}}]}",
         ERR_OK, false, 5},
        {"parts nested without end stop",
         "{\"choices\":[{\"message\":{\"content\":[[[[[[[\"a\"]]]]]]]}}]}", ERR_OK, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct openai_answer answer;
        struct fault fault = {0};
        enum err const err = openai_answer_read(str_of(rows[i].body), &answer, &fault);
        if (err != rows[i].err || answer.error_body != rows[i].error_body ||
            answer.text_bytes != rows[i].text_bytes || answer.has_usage)
            fail_msg("%s: err %d, error %d, %d bytes", rows[i].what, (int)err, answer.error_body,
                     (int)answer.text_bytes);
    }
}

/* --- streams --------------------------------------------------------------------------------- */

enum { EVENTS_MAX = 6 };

#define TEXT(t)                                                                                    \
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"},\"finish_reason\":null}]"
#define U(p, c)    ",\"usage\":{" P #p "," C #c "}}"
#define ONLY(p, c) "{\"choices\":[]" U(p, c)

struct stream_row {
    const char *what;
    bool client_wants_usage;
    const char *events[EVENTS_MAX];
    const char *verdicts; /* one letter each: Pass Hide Done Error Bad */
    enum said said;
    struct pools_row pools;
    int64_t text_bytes;
    bool finished;
};

static const struct stream_row stream_rows[] = {
    {"usage in a last chunk without choices, not asked for (15)",
     false,
     {TEXT("ab") "}", ONLY(3, 1), "[DONE]"},
     "PHD",
     SOUND,
     {.input = 3, .output = 1},
     2,
     false},
    {"… asked for",
     true,
     {TEXT("ab") "}", ONLY(3, 1), "[DONE]"},
     "PPD",
     SOUND,
     {.input = 3, .output = 1},
     2,
     false},
    {"usage in a chunk with choices goes on (15)",
     false,
     {TEXT("ab") U(3, 1), "[DONE]"},
     "PD",
     SOUND,
     {.input = 3, .output = 1},
     2,
     false},
    {"usage without a choices member",
     false,
     {"{\"usage\":{" P "3," C "1}}"},
     "H",
     SOUND,
     {.input = 3, .output = 1},
     0,
     false},
    {"usage in x_groq (15)",
     false,
     {"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"r\",\"usage\":"
      "{" P "3," C "1}}}",
      "[DONE]"},
     "PD",
     SOUND,
     {.input = 3, .output = 1},
     0,
     true},
    {"repeated and growing: the last one, no sum (15)",
     false,
     {TEXT("a") U(3, 1), TEXT("b") U(3, 2), TEXT("c") U(3, 3)},
     "PPP",
     SOUND,
     {.input = 3, .output = 3},
     3,
     false},
    {"said twice: once (16)",
     false,
     {ONLY(3, 9), ONLY(3, 9), "[DONE]"},
     "HHD",
     SOUND,
     {.input = 3, .output = 9},
     0,
     false},
    {"a null afterwards erases nothing",
     false,
     {TEXT("a") U(3, 1), TEXT("b") ",\"usage\":null}"},
     "PP",
     SOUND,
     {.input = 3, .output = 1},
     2,
     false},
    {"an empty usage afterwards erases nothing",
     true,
     {TEXT("a") U(3, 1), "{\"choices\":[],\"usage\":{}}"},
     "PP",
     SOUND,
     {.input = 3, .output = 1},
     1,
     false},
    {"zero is a value (14)", false, {TEXT("a") "}", ONLY(0, 0)}, "PH", SOUND, {0}, 1, false},
    {"none at all (15)", false, {TEXT("abcde") "}", "[DONE]"}, "PD", NO_USAGE, {0}, 5, false},
    {"after [DONE] (15)",
     false,
     {TEXT("a") "}", "[DONE]", ONLY(3, 1)},
     "PDH",
     SOUND,
     {.input = 3, .output = 1},
     1,
     false},
    {"nothing after [DONE] reaches the client",
     true,
     {"[DONE]", TEXT("a") "}", "[DONE]", "garbage", "", "{\"error\":{}}"},
     "DHHHHH",
     NO_USAGE,
     {0},
     1,
     false},
    {"shrinking counters are absurd",
     false,
     {ONLY(9, 9), ONLY(9, 2)},
     "HH",
     ABSURD,
     {.input = 9, .output = 2},
     0,
     false},
    {"… and stay so when repeated",
     false,
     {ONLY(9, 9), ONLY(9, 2), ONLY(9, 2)},
     "HHH",
     ABSURD,
     {.input = 9, .output = 2},
     0,
     false},
    {"half a report first, then all of it",
     false,
     {"{\"choices\":[],\"usage\":{" P "3}}", ONLY(3, 1)},
     "HH",
     SOUND,
     {.input = 3, .output = 1},
     0,
     false},
    {"absurd at last", false, {ONLY(3, 1), ONLY(3, -1)}, "HH", ABSURD, {.input = 3}, 0, false},
    {"Azure's first chunk has no choices, but no usage either",
     false,
     {"{\"choices\":[],\"prompt_filter_results\":[]}"},
     "P",
     NO_USAGE,
     {0},
     0,
     false},
    {"usage null in every chunk",
     false,
     {TEXT("a") ",\"usage\":null}", ONLY(1, 1)},
     "PH",
     SOUND,
     {.input = 1, .output = 1},
     1,
     false},
    {"an error object (31)",
     false,
     {TEXT("a") "}", "{\"error\":{\"message\":\"x\"}}"},
     "PE",
     NO_USAGE,
     {0},
     1,
     false},
    {"an error with usage beside it (16)",
     false,
     {"{\"error\":\"x\",\"usage\":{" P "3," C "0}}"},
     "E",
     SOUND,
     {.input = 3},
     0,
     false},
    {"a null error is none", false, {TEXT("a") ",\"error\":null}"}, "P", NO_USAGE, {0}, 1, false},
    {"a chunk that is not JSON (18, 31)",
     false,
     {TEXT("a") "}", "{"},
     "PB",
     NO_USAGE,
     {0},
     1,
     false},
    {"a chunk that is no object", false, {"[]"}, "B", NO_USAGE, {0}, 0, false},
    {"comments and blank lines of data",
     false,
     {"", "  ", TEXT("a") "}"},
     "PPP",
     NO_USAGE,
     {0},
     1,
     false},
    {"blanks around [DONE]", false, {" [DONE] "}, "D", NO_USAGE, {0}, 0, false},
    {"tool calls, reasoning and a finish",
     false,
     {"{\"choices\":[{\"delta\":{\"reasoning_content\":\"abc\",\"tool_calls\":[{\"function\":{"
      "\"name\":\"f\",\"arguments\":\"{\\u0022\"}}]},\"finish_reason\":\"tool_calls\"}]}"},
     "P",
     NO_USAGE,
     {0},
     6,
     true},
    {"several choices in one chunk",
     false,
     {"{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"bc\"}}]}"},
     "P",
     NO_USAGE,
     {0},
     3,
     false},
    {"a completion stream",
     false,
     {"{\"choices\":[{\"text\":\"abc\"}]}"},
     "P",
     NO_USAGE,
     {0},
     3,
     false},
    {"choices of another kind do not hurt",
     false,
     {"{\"choices\":{\"a\":1}}", "{\"choices\":[1,null,\"x\",[]]}",
      "{\"choices\":[{\"delta\":[1],\"finish_reason\":5}]}", "{\"x_groq\":[],\"usage\":[]}"},
     "PPPP",
     NO_USAGE,
     {0},
     0,
     false},
};

static char letter_of(enum openai_verdict verdict)
{
    static const char letters[] = {[OPENAI_PASS] = 'P',
                                   [OPENAI_HIDE] = 'H',
                                   [OPENAI_DONE] = 'D',
                                   [OPENAI_ERROR] = 'E',
                                   [OPENAI_BAD] = 'B'};
    return letters[verdict];
}

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stream_rows / sizeof stream_rows[0]; i++) {
        const struct stream_row *row = &stream_rows[i];
        struct openai_stream stream = {0};
        char verdicts[EVENTS_MAX + 1] = "";
        for (size_t n = 0; n < EVENTS_MAX && row->events[n]; n++)
            verdicts[n] = letter_of(
                openai_stream_event(&stream, str_of(row->events[n]), row->client_wants_usage));
        if (strcmp(verdicts, row->verdicts) != 0)
            fail_msg("%s: verdicts %s, expected %s", row->what, verdicts, row->verdicts);
        check_usage(row->what, stream.has_usage, stream.absurd, &stream.usage, row->said,
                    &row->pools);
        if (stream.text_bytes != row->text_bytes || stream.finished != row->finished)
            fail_msg("%s: %d bytes, finished %d", row->what, (int)stream.text_bytes,
                     stream.finished);
        assert_int_equal(stream.done, strchr(row->verdicts, 'D') != NULL);
        assert_int_equal(stream.failed,
                         strchr(row->verdicts, 'E') != NULL || strchr(row->verdicts, 'B') != NULL);
    }
}

static void test_text_tokens(void **state)
{
    (void)state;
    assert_int_equal(openai_text_tokens(0), 0);
    assert_int_equal(openai_text_tokens(1), 1);
    assert_int_equal(openai_text_tokens(4), 1);
    assert_int_equal(openai_text_tokens(5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),       cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_answers),     cmocka_unit_test(test_streams),
        cmocka_unit_test(test_text_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
