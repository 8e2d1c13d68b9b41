/* http_answer.c - a provider's bytes: framing, decompression, events and usage, in any split.
 *
 * What:  the first byte of the input chooses the pieces, the rest is what the provider sends before
 *        it closes. Whole and in pieces must come to the same: result, head, body, events, usage.
 *        Nothing is delivered after a failure, no bound is passed, no usage is negative.
 */
#include "base/limits.h"
#include "codec/sse.h"
#include "upstream/answer.h"
#include "upstream/openai.h"
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    enum answer_result result;
    int heads, status;
    size_t header_count;
    int64_t body_bytes;
    uint64_t body_hash;
    bool compressed;
    enum err events_err;
    int64_t event_count;
    uint64_t verdict_hash;
    struct openai_stream stream;
    struct sse_parser parser;
};

static void hash_add(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 0x100000001b3u;
}

static bool on_event(void *owner, const struct sse_event *event)
{
    struct seen *seen = owner;
    seen->event_count++;
    if (event->data.ptr)
        hash_add(&seen->verdict_hash,
                 (uint64_t)openai_stream_event(&seen->stream, event->data, false));
    return true;
}

static bool on_head(void *owner, const struct upstream_head *head)
{
    struct seen *seen = owner;
    seen->heads++;
    seen->status = head->status;
    seen->header_count = head->header_count;
    CHECK(head->status >= 200 && head->status <= 599);
    CHECK(head->header_count <= UPSTREAM_HEADER_COUNT_MAX);
    int lengths = 0, codings = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        struct str const name = head->headers[i].name, value = head->headers[i].value;
        CHECK(name.len > 0);
        CHECK(!memchr(value.ptr, '\0', value.len) && !memchr(value.ptr, '\n', value.len) &&
              !memchr(value.ptr, '\r', value.len));
        lengths += str_eq_nocase(name, STR("content-length"));
        codings += str_eq_nocase(name, STR("transfer-encoding"));
        if (str_eq_nocase(name, STR("content-encoding")))
            seen->compressed = true;
    }
    CHECK(lengths + codings <= 1);
    return true;
}

static bool on_body(void *owner, struct str bytes)
{
    struct seen *seen = owner;
    CHECK(seen->heads == 1 && bytes.len > 0);
    seen->body_bytes += (int64_t)bytes.len;
    CHECK(seen->body_bytes <= UPSTREAM_ANSWER_BYTES_MAX);
    for (size_t i = 0; i < bytes.len; i++)
        hash_add(&seen->body_hash, (unsigned char)bytes.ptr[i]);
    if (seen->events_err == ERR_OK)
        seen->events_err = sse_feed(&seen->parser, bytes, on_event, seen);
    return true;
}

static const struct answer_handler handler = {on_head, on_body};

static enum answer_result feed(struct answer *answer, struct str bytes)
{
    enum answer_result result = ANSWER_MORE;
    while (bytes.len > 0 && result == ANSWER_MORE) {
        size_t used = 0;
        result = answer_feed(answer, bytes, &used);
        CHECK(used <= bytes.len && (used > 0 || result != ANSWER_MORE));
        bytes = str_skip(bytes, used);
    }
    return result;
}

static void run(struct str bytes, size_t step, struct seen *seen)
{
    struct answer answer = {0};
    memset(seen, 0, sizeof *seen);
    sse_init(&seen->parser, SSE_EVENT_BYTES_MAX);
    answer_start(&answer, &handler, seen);
    seen->result = ANSWER_MORE;
    while (bytes.len > 0 && seen->result == ANSWER_MORE) {
        size_t const count = step < bytes.len ? step : bytes.len;
        seen->result = feed(&answer, str_make(bytes.ptr, count));
        bytes = str_skip(bytes, count);
    }
    if (seen->result == ANSWER_MORE)
        seen->result = answer_close(&answer);
    CHECK(seen->result == ANSWER_DONE || seen->result == ANSWER_FAILED);
    CHECK(seen->result != ANSWER_DONE || seen->heads == 1);
    for (int i = 0; i < POOL_COUNT; i++)
        CHECK(seen->stream.usage.tokens[i] >= 0);
    answer_free(&answer);
    sse_free(&seen->parser);
}

static void check_same(const struct seen *a, const struct seen *b)
{
    CHECK(a->result == b->result && a->heads == b->heads && a->status == b->status &&
          a->header_count == b->header_count);
    /* a damaged compressed body is given up to where the damage shows, which a split may move */
    if (a->compressed && a->result == ANSWER_FAILED)
        return;
    CHECK(a->body_bytes == b->body_bytes && a->body_hash == b->body_hash);
    CHECK(a->events_err == b->events_err && a->event_count == b->event_count &&
          a->verdict_hash == b->verdict_hash);
    CHECK(memcmp(&a->stream, &b->stream, sizeof a->stream) == 0);
}

static void check_whole_body(struct str bytes)
{
    struct openai_answer answer;
    struct fault fault = {0};
    if (openai_answer_read(bytes, &answer, &fault) != ERR_OK)
        return;
    for (int i = 0; i < POOL_COUNT; i++)
        CHECK(answer.usage.tokens[i] >= 0);
    CHECK(answer.text_bytes >= 0 && answer.text_bytes <= (int64_t)bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen whole, pieces;
    if (size == 0)
        return 0;
    struct str const bytes = str_make((const char *)data + 1, size - 1);
    run(bytes, bytes.len, &whole);
    run(bytes, 1 + data[0] % 32, &pieces);
    check_same(&whole, &pieces);
    run(bytes, 1, &pieces);
    check_same(&whole, &pieces);
    check_whole_body(bytes);
    return 0;
}
