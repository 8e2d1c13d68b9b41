/* parse.c - see parse.h. */
#include "http/parse.h"
#include "base/limits.h"
#include "base/must.h"
#include "http/head_check.h"
#include "http/tokens.h"

enum phase { PHASE_HEAD, PHASE_LIMIT, PHASE_LENGTH, PHASE_CHUNKED, PHASE_DONE, PHASE_REFUSED };

enum {
    KEPT_HEAD_BYTES = 1024, /* buffers up to here stay with an idle connection */
    KEPT_BODY_BYTES = 512,
    FIRST_BODY_BYTES = 1 << 20,    /* reserved at once for an announced body; then doubling */
    REQUEST_LINE_SPARE_BYTES = 64, /* method, blanks, version beside the address */
    HEAD_ROOM_BYTES = HEAD_BYTES_MAX + 2 * LEADING_LINE_COUNT_MAX,
};

void parser_init(struct parser *parser)
{
    *parser = (struct parser){.phase = PHASE_HEAD};
    buf_init(&parser->head, HEAD_ROOM_BYTES);
    buf_init(&parser->body, BODY_BYTES_MAX);
}

static void recycle(struct buf *buf, size_t keep)
{
    size_t const len_max = buf->len_max;
    if (buf->cap > keep) {
        buf_free(buf);
        buf_init(buf, len_max);
    }
    buf_clear(buf);
}

void parser_reset(struct parser *parser)
{
    recycle(&parser->head, KEPT_HEAD_BYTES);
    recycle(&parser->body, KEPT_BODY_BYTES);
    parser->has_request = parser->expects_continue = false;
    parser->phase = PHASE_HEAD;
    parser->begin = parser->line = parser->line_count = parser->skipped = 0;
}

void parser_free(struct parser *parser)
{
    buf_free(&parser->head);
    buf_free(&parser->body);
}

bool parser_is_idle(const struct parser *parser)
{
    return parser->phase == PHASE_HEAD && parser->head.len == 0;
}

/* --- the head ------------------------------------------------------------------------------- */

/* Looks at one more line of `text`. PARSE_MORE: there is none yet; PARSE_HEAD: it was a good one;
 * PARSE_DONE: it was the empty line at the end. */
static enum parse_step next_line(struct parser *parser, struct str text, struct fault *fault)
{
    struct str const rest = str_skip(text, parser->line);
    const char *feed = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
    if (parser->line_count == 0 && rest.len > 0 && (unsigned char)rest.ptr[0] <= ' ' &&
        rest.ptr[0] != '\r') { /* a TLS hello, say: no use in waiting for the end of its line */
        fault_set(fault, ERR_HTTP_INVALID, "this is not HTTP");
        return PARSE_REFUSED;
    }
    if (!feed)
        return PARSE_MORE;
    size_t const len = (size_t)(feed - rest.ptr);
    const char *first_return = memchr(rest.ptr, '\r', len);
    if (len == 0 || first_return != feed - 1) {
        fault_set(fault, ERR_HTTP_INVALID, "a line of the head is not ended by CRLF alone");
        return PARSE_REFUSED;
    }
    parser->line += len + 1;
    if (len > 1) {
        if (parser->line_count > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t')) {
            fault_set(fault, ERR_HTTP_INVALID, "a header is folded");
            return PARSE_REFUSED;
        }
        parser->line_count++;
        return PARSE_HEAD;
    }
    if (parser->line_count > 0)
        return PARSE_DONE;
    if (++parser->skipped > LEADING_LINE_COUNT_MAX) {
        fault_set(fault, ERR_HTTP_INVALID, "empty lines instead of a request");
        return PARSE_REFUSED;
    }
    parser->begin = parser->line;
    return PARSE_HEAD;
}

/* Sizes that can be judged before the end has come. */
static enum parse_step sizes_check(const struct parser *parser, size_t seen, struct fault *fault)
{
    size_t first_line_bytes = 0; /* known, or what there is of it */
    if (parser->line_count == 0)
        first_line_bytes = seen - parser->line;
    else if (parser->line_count == 1)
        first_line_bytes = parser->line - parser->begin;
    if (first_line_bytes > URI_BYTES_MAX + REQUEST_LINE_SPARE_BYTES)
        fault_set(fault, ERR_URI_TOO_LONG, "the request line is too long");
    else if (parser->line_count > HEADER_COUNT_MAX + 1)
        fault_set(fault, ERR_HEADERS_TOO_LARGE, "more than %d headers", HEADER_COUNT_MAX);
    else if (seen - parser->begin > HEAD_BYTES_MAX)
        fault_set(fault, ERR_HEADERS_TOO_LARGE, "more than %d bytes", HEAD_BYTES_MAX);
    else
        return PARSE_MORE;
    return PARSE_REFUSED;
}

/* PARSE_DONE when the whole head is in text[begin … line). */
static enum parse_step find_end(struct parser *parser, struct str text, struct fault *fault)
{
    enum parse_step step;
    do {
        step = next_line(parser, text, fault);
        size_t const seen = step == PARSE_MORE ? text.len : parser->line;
        if (step != PARSE_REFUSED && sizes_check(parser, seen, fault) == PARSE_REFUSED)
            step = PARSE_REFUSED;
    } while (step == PARSE_HEAD);
    return step;
}

static enum parse_step no_memory(struct fault *fault)
{
    fault_set(fault, ERR_NO_MEMORY, "no memory for the request");
    return PARSE_REFUSED;
}

static const enum err split_errors[] = {
    [SPLIT_GOOD] = ERR_HTTP_INVALID, /* but llhttp and we count differently */
    [SPLIT_BAD] = ERR_HTTP_INVALID,
    [SPLIT_METHOD] = ERR_METHOD_UNKNOWN,
    [SPLIT_CODING] = ERR_MEDIA_UNKNOWN,
};

static enum parse_step head_judge(struct parser *parser, struct arena *arena, struct fault *fault)
{
    struct str const head = buf_view(&parser->head);
    size_t const line_len = (size_t)((const char *)memchr(head.ptr, '\r', head.len) - head.ptr);
    struct request_line line;
    if (request_line_check(str_make(head.ptr, line_len), &line, fault) != ERR_OK)
        return PARSE_REFUSED;
    size_t const header_count = parser->line_count - 1;
    struct http_header *headers = arena_alloc(arena, (header_count + 1) * sizeof *headers);
    if (!headers)
        return no_memory(fault);
    size_t count = 0;
    const char *reason = "lines and headers differ";
    enum split_result const split = head_split(head, headers, header_count, &count, &reason);
    if (split != SPLIT_GOOD || count != header_count) {
        fault_set(fault, split_errors[split], "%s", reason);
        return PARSE_REFUSED;
    }
    if (head_check(&line, headers, count, &parser->request, &parser->expects_continue, fault) !=
        ERR_OK)
        return PARSE_REFUSED;
    parser->has_request = true;
    parser->phase = PHASE_LIMIT;
    return PARSE_HEAD;
}

/* Moves the scan back by the empty lines that were dropped from the buffer. */
static void forget_begin(struct parser *parser)
{
    parser->line -= parser->begin;
    parser->begin = 0;
}

/* Most heads come in one piece: they are scanned where they lie and copied once. */
static enum parse_step feed_head(struct parser *parser, struct arena *arena, struct str bytes,
                                 size_t *used, struct fault *fault)
{
    bool const fresh = parser->head.len == 0;
    struct str text = bytes;
    size_t const before = parser->head.len;
    if (!fresh) {
        size_t const room = HEAD_ROOM_BYTES - before;
        size_t const taken = bytes.len < room ? bytes.len : room;
        if (buf_add(&parser->head, str_make(bytes.ptr, taken)) != ERR_OK)
            return no_memory(fault);
        text = buf_view(&parser->head);
    }
    enum parse_step const step = find_end(parser, text, fault);
    if (step == PARSE_REFUSED)
        return step;
    bool const whole = step == PARSE_DONE;
    size_t const end = whole ? parser->line : text.len;
    *used = end - before;
    if (fresh &&
        buf_add(&parser->head, str_make(text.ptr + parser->begin, end - parser->begin)) != ERR_OK)
        return no_memory(fault);
    if (!fresh) {
        parser->head.len = end;
        buf_drop(&parser->head, parser->begin);
    }
    forget_begin(parser);
    if (whole)
        return head_judge(parser, arena, fault);
    if (!fresh && *used < bytes.len) { /* the buffer is full and the end has not come */
        fault_set(fault, ERR_HEADERS_TOO_LARGE, "more than %d bytes", HEAD_BYTES_MAX);
        return PARSE_REFUSED;
    }
    return PARSE_MORE;
}

/* --- the body ------------------------------------------------------------------------------- */

static enum parse_step too_large(const struct parser *parser, struct fault *fault)
{
    fault_set(fault, ERR_BODY_TOO_LARGE, "more than %zu bytes", parser->body_bytes_max);
    return PARSE_REFUSED;
}

/* The owner has set the bound: which framing follows? */
static enum parse_step begin_body(struct parser *parser, struct fault *fault)
{
    int64_t const bytes = parser->request.body_bytes;
    if (parser->body_bytes_max > BODY_BYTES_MAX)
        parser->body_bytes_max = BODY_BYTES_MAX;
    if (bytes > (int64_t)parser->body_bytes_max)
        return too_large(parser, fault);
    if (bytes < 0) {
        chunked_init(&parser->chunked);
        parser->phase = PHASE_CHUNKED;
        return PARSE_MORE;
    }
    parser->body_left = (size_t)bytes;
    parser->phase = bytes > 0 ? PHASE_LENGTH : PHASE_DONE;
    size_t const first =
        parser->body_left < FIRST_BODY_BYTES ? parser->body_left : FIRST_BODY_BYTES;
    if (buf_reserve(&parser->body, first) != ERR_OK)
        return no_memory(fault);
    return bytes > 0 ? PARSE_MORE : PARSE_DONE;
}

static enum parse_step feed_length(struct parser *parser, struct str bytes, size_t *used,
                                   struct fault *fault)
{
    size_t const taken = bytes.len < parser->body_left ? bytes.len : parser->body_left;
    if (buf_add(&parser->body, str_make(bytes.ptr, taken)) != ERR_OK)
        return no_memory(fault);
    parser->body_left -= taken;
    *used = taken;
    if (parser->body_left > 0)
        return PARSE_MORE;
    parser->phase = PHASE_DONE;
    return PARSE_DONE;
}

static enum parse_step feed_chunked(struct parser *parser, struct str bytes, size_t *used,
                                    struct fault *fault)
{
    struct chunked *chunked = &parser->chunked;
    while (*used < bytes.len) {
        size_t taken = 0;
        struct str data = {0};
        enum chunked_step const step = chunked_next(chunked, str_skip(bytes, *used), &taken, &data);
        *used += taken;
        if (step == CHUNKED_BAD) {
            fault_set(fault, ERR_HTTP_INVALID, "%s", chunked->reason);
            return PARSE_REFUSED;
        }
        if (chunked->announced > parser->body_bytes_max)
            return too_large(parser, fault);
        if (step == CHUNKED_DATA && buf_add(&parser->body, data) != ERR_OK)
            return no_memory(fault);
        if (step == CHUNKED_DONE) {
            parser->phase = PHASE_DONE;
            return PARSE_DONE;
        }
    }
    return PARSE_MORE;
}

static enum parse_step feed(struct parser *parser, struct arena *arena, struct str bytes,
                            size_t *used, struct fault *fault)
{
    if (parser->phase == PHASE_HEAD)
        return bytes.len > 0 ? feed_head(parser, arena, bytes, used, fault) : PARSE_MORE;
    if (parser->phase == PHASE_LIMIT) {
        enum parse_step const step = begin_body(parser, fault);
        if (step != PARSE_MORE)
            return step;
    }
    MUST(parser->phase == PHASE_LENGTH || parser->phase == PHASE_CHUNKED);
    return parser->phase == PHASE_LENGTH ? feed_length(parser, bytes, used, fault)
                                         : feed_chunked(parser, bytes, used, fault);
}

enum parse_step parser_feed(struct parser *parser, struct arena *arena, struct str bytes,
                            size_t *used, struct fault *fault)
{
    *used = 0;
    enum parse_step const step = feed(parser, arena, bytes, used, fault);
    if (step == PARSE_REFUSED)
        parser->phase = PHASE_REFUSED;
    return step;
}
