/* answer.c - collects heads, runs llhttp over head and body, undoes compression.
 *
 * What:  a head is gathered (in place when it comes in one piece), checked by answer_head.c, then
 *        given to llhttp, which must agree; body bytes go to llhttp as they come.
 */
#include "upstream/answer.h"
#include "base/must.h"
#include "upstream/answer_head.h"

static const struct str head_start = STR_ROW("HTTP/1.");

static enum answer_result fail(struct answer *answer, enum upstream_fail why, const char *detail)
{
    answer->why = why;
    answer->detail = detail;
    answer->phase = ANSWER_END;
    return ANSWER_FAILED;
}

/* --- llhttp's callbacks ---------------------------------------------------------------------- */

/* `answer` is the parser's data; an error code here ends llhttp_execute. */
static int body_fail(struct answer *answer, enum upstream_fail why, const char *detail)
{
    (void)fail(answer, why, detail);
    return HPE_USER;
}

static bool body_give(void *owner, struct str bytes)
{
    struct answer *answer = owner;
    if (bytes.len == 0)
        return true;
    answer->body_bytes += (int64_t)bytes.len;
    if (answer->body_bytes > answer->bytes_max) {
        (void)fail(answer, UPSTREAM_FAIL_TOO_LARGE, "the answer is too long");
        return false;
    }
    if (answer->handler->on_body(answer->owner, bytes))
        return true;
    answer->stopped = true;
    return false;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct answer *answer = parser->data;
    answer->wire_bytes += (int64_t)len;
    if (!answer->inflate)
        return body_give(answer, str_make(at, len)) ? 0 : HPE_USER;
    if (answer->wire_bytes > answer->bytes_max)
        return body_fail(answer, UPSTREAM_FAIL_TOO_LARGE, "the answer is too long");
    enum err const err = inflate_feed(answer->inflate, str_make(at, len), body_give, answer);
    if (answer->stopped || answer->phase == ANSWER_END)
        return HPE_USER;
    if (err == ERR_NO_MEMORY)
        return body_fail(answer, UPSTREAM_FAIL_MEMORY, "no memory to decompress");
    if (err != ERR_OK)
        return body_fail(answer, UPSTREAM_FAIL_INVALID, "the compressed body is damaged");
    return 0;
}

/* Chunk extensions and trailers carry nothing for us, but they must not go on for ever. */
static int on_extra(llhttp_t *parser, const char *at, size_t len)
{
    struct answer *answer = parser->data;
    (void)at;
    if (answer->phase != ANSWER_BODY)
        return 0; /* a header of the head, which has its own bound */
    answer->extra_bytes += (int64_t)len;
    if (answer->extra_bytes > UPSTREAM_HEAD_BYTES_MAX)
        return body_fail(answer, UPSTREAM_FAIL_INVALID, "endless chunk extensions or trailers");
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    enum { SKIP_BODY = 1 };
    int const status = llhttp_get_status_code(parser);
    return status < 200 || status == 204 || status == 304 ? SKIP_BODY : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    ((struct answer *)parser->data)->whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_body = on_body,
    .on_chunk_extension_name = on_extra,
    .on_chunk_extension_value = on_extra,
    .on_header_field = on_extra,
    .on_header_value = on_extra,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* --- the head -------------------------------------------------------------------------------- */

static void head_clear(struct answer *answer)
{
    answer->head_bytes = answer->line_bytes = answer->line_count = 0;
    answer->last_byte = '\0';
}

/* One line has ended at its LF. NULL: fine so far; *ended: it was the empty line. */
static const char *line_end(struct answer *answer, bool *ended)
{
    if (answer->last_byte != '\r')
        return "a line of the head ends without CR";
    *ended = answer->line_bytes == 1;
    if (*ended && answer->line_count == 0)
        return "an empty line where a status line should be";
    answer->line_count++;
    answer->line_bytes = 0;
    answer->last_byte = '\n';
    return NULL;
}

/* Walks over the lines that are here. `*used` is what belongs to the head. */
static enum answer_result head_scan(struct answer *answer, struct str bytes, size_t *used)
{
    bool ended = false;
    size_t at = 0;
    while (at < bytes.len && !ended) {
        if (answer->head_bytes == UPSTREAM_HEAD_BYTES_MAX)
            return fail(answer, UPSTREAM_FAIL_TOO_LARGE, "the head is too long");
        size_t const room = UPSTREAM_HEAD_BYTES_MAX - answer->head_bytes;
        size_t const left = bytes.len - at < room ? bytes.len - at : room;
        const char *const start = bytes.ptr + at;
        const char *const feed = memchr(start, '\n', left);
        size_t const run = feed ? (size_t)(feed - start) : left;
        if (run > 0)
            answer->last_byte = start[run - 1];
        answer->line_bytes += run;
        answer->head_bytes += run + (feed != NULL);
        at += run + (feed != NULL);
        const char *const problem = feed ? line_end(answer, &ended) : NULL;
        if (problem)
            return fail(answer, UPSTREAM_FAIL_INVALID, problem);
        if (!ended && answer->line_count > 1 + UPSTREAM_HEADER_COUNT_MAX)
            return fail(answer, UPSTREAM_FAIL_TOO_LARGE, "the head has too many lines");
    }
    *used = at;
    return ended ? ANSWER_DONE : ANSWER_MORE;
}

/* What is here of the first bytes must be HTTP: no waiting for a line end that never comes. */
static bool head_start_good(const struct answer *answer, struct str bytes)
{
    if (answer->head_bytes >= head_start.len)
        return true;
    struct str const wanted = str_skip(head_start, answer->head_bytes);
    size_t const count = bytes.len < wanted.len ? bytes.len : wanted.len;
    return memcmp(wanted.ptr, bytes.ptr, count) == 0;
}

/* llhttp reads the head, too, and must see the same framing. */
static bool parser_agrees(struct answer *answer, struct str text, const struct answer_head *head)
{
    llhttp_init(&answer->parser, HTTP_RESPONSE, &settings);
    answer->parser.data = answer;
    llhttp_errno_t const result = llhttp_execute(&answer->parser, text.ptr, text.len);
    if (result != HPE_OK && result != HPE_PAUSED)
        return false;
    if (head->framing == FRAMING_NONE)
        return answer->whole;
    return !answer->whole &&
           (head->framing == FRAMING_CHUNKED) == ((answer->parser.flags & F_CHUNKED) != 0) &&
           (head->framing != FRAMING_LENGTH ||
            answer->parser.content_length == (uint64_t)head->content_length);
}

static enum answer_result interim_take(struct answer *answer, const struct answer_head *head)
{
    if (head->status == 101)
        return fail(answer, UPSTREAM_FAIL_INVALID, "the provider switched protocols");
    if (++answer->interim_count > UPSTREAM_INTERIM_COUNT_MAX)
        return fail(answer, UPSTREAM_FAIL_TOO_LARGE, "too many interim answers");
    answer->whole = false;
    head_clear(answer);
    return ANSWER_MORE;
}

static enum answer_result head_give(struct answer *answer, const struct answer_head *head)
{
    struct upstream_head const view = {head->status, head->header_count, head->headers};
    answer->phase = ANSWER_BODY;
    answer->keep = !head->close;
    answer->until_end = head->framing == FRAMING_UNTIL_END;
    if (head->compressed && head->framing != FRAMING_NONE) {
        answer->inflate = inflate_new();
        if (!answer->inflate)
            return fail(answer, UPSTREAM_FAIL_MEMORY, "no memory to decompress");
    }
    if (!answer->handler->on_head(answer->owner, &view)) {
        answer->stopped = true;
        return ANSWER_STOPPED;
    }
    if (head->framing == FRAMING_LENGTH && head->content_length > answer->bytes_max)
        return fail(answer, UPSTREAM_FAIL_TOO_LARGE, "the answer is too long");
    if (!answer->whole)
        return ANSWER_MORE;
    answer->phase = ANSWER_END;
    return ANSWER_DONE;
}

static enum answer_result head_read(struct answer *answer, struct str text)
{
    struct answer_head head;
    const char *const problem = answer_head_read(text, &head);
    if (problem)
        return fail(answer, UPSTREAM_FAIL_INVALID, problem);
    if (!parser_agrees(answer, text, &head))
        return fail(answer, UPSTREAM_FAIL_INVALID, "the head is not clear");
    return answer_head_interim(&head) ? interim_take(answer, &head) : head_give(answer, &head);
}

static enum answer_result head_feed(struct answer *answer, struct str bytes, size_t *used)
{
    if (!head_start_good(answer, bytes))
        return fail(answer, UPSTREAM_FAIL_INVALID, "not an HTTP/1 status line");
    enum answer_result result = head_scan(answer, bytes, used);
    if (result == ANSWER_FAILED)
        return result;
    struct str text = str_make(bytes.ptr, *used);
    bool const in_place = result == ANSWER_DONE && answer->head.len == 0;
    if (!in_place && buf_add(&answer->head, text) != ERR_OK)
        return fail(answer, UPSTREAM_FAIL_MEMORY, "no memory for the head");
    if (result == ANSWER_MORE)
        return result;
    if (!in_place)
        text = buf_view(&answer->head);
    result = head_read(answer, text);
    buf_clear(&answer->head);
    return result;
}

/* --- the body -------------------------------------------------------------------------------- */

static enum answer_result body_end(struct answer *answer)
{
    answer->phase = ANSWER_END;
    if (answer->inflate && answer->wire_bytes > 0 && !inflate_finished(answer->inflate))
        return fail(answer, UPSTREAM_FAIL_INVALID, "the compressed body has no end");
    return ANSWER_DONE;
}

static enum answer_result body_feed(struct answer *answer, struct str bytes, size_t *used)
{
    if (answer->inflate && bytes.len > UPSTREAM_INFLATE_STEP_BYTES)
        bytes.len = UPSTREAM_INFLATE_STEP_BYTES;
    *used = bytes.len;
    llhttp_errno_t const result = llhttp_execute(&answer->parser, bytes.ptr, bytes.len);
    if (answer->stopped)
        return ANSWER_STOPPED;
    if (answer->phase == ANSWER_END)
        return ANSWER_FAILED;
    if (result == HPE_OK)
        return ANSWER_MORE;
    if (result != HPE_PAUSED || !answer->whole)
        return fail(answer, UPSTREAM_FAIL_INVALID, "the body's framing is broken");
    *used = (size_t)(llhttp_get_error_pos(&answer->parser) - bytes.ptr);
    return body_end(answer);
}

/* --- the way in ------------------------------------------------------------------------------ */

void answer_start(struct answer *answer, const struct answer_handler *handler, void *owner)
{
    struct buf const head = answer->head;
    inflate_free(answer->inflate);
    *answer = (struct answer){.handler = handler, .owner = owner, .head = head};
    answer->bytes_max = UPSTREAM_ANSWER_BYTES_MAX;
    if (!head.ptr)
        buf_init(&answer->head, UPSTREAM_HEAD_BYTES_MAX);
    buf_clear(&answer->head);
}

enum answer_result answer_feed(struct answer *answer, struct str bytes, size_t *used)
{
    MUST(answer->phase != ANSWER_END && !answer->stopped && bytes.len > 0);
    return answer->phase == ANSWER_HEAD ? head_feed(answer, bytes, used)
                                        : body_feed(answer, bytes, used);
}

enum answer_result answer_close(struct answer *answer)
{
    MUST(answer->phase != ANSWER_END);
    if (answer->phase == ANSWER_BODY && answer->until_end)
        return body_end(answer);
    return fail(answer, UPSTREAM_FAIL_RESET,
                answer->phase == ANSWER_HEAD ? "closed before the answer's head was whole"
                                             : "closed before the answer was whole");
}

bool answer_reusable(const struct answer *answer)
{
    return answer->phase == ANSWER_END && answer->whole && answer->keep;
}

void answer_allow_stream(struct answer *answer)
{
    answer->bytes_max = UPSTREAM_STREAM_BYTES_MAX;
}

void answer_free(struct answer *answer)
{
    inflate_free(answer->inflate);
    buf_free(&answer->head);
    *answer = (struct answer){0};
}
