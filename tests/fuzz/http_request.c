/* http_request.c - fuzz: a request means the same however its bytes are cut, and never two things.
 *
 * What:  the first byte seeds the cuts, the rest is the client's. Whole and in pieces the parser
 *        must give the same request; what it takes is framed in one way only, has CRLF lines, one
 *        Host, and leaves the very bytes behind that belong to the next request.
 */
#include "base/limits.h"
#include "base/must.h"
#include "http/head_check.h"
#include "http/parse.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096, PIECE_MAX = 64 };

struct reading {
    struct parser parser;
    struct arena *arena;
    enum parse_step step;
    size_t used;
    struct fault fault;
};

/* A small generator is enough to choose cuts; 0: no cuts at all. */
static size_t next_piece(uint32_t *seed, size_t left)
{
    if (*seed == 0)
        return left;
    *seed = *seed * 1664525u + 1013904223u;
    size_t const piece = 1 + (*seed >> 16) % PIECE_MAX;
    return piece < left ? piece : left;
}

static void read_all(struct reading *reading, struct str text, uint32_t seed)
{
    parser_init(&reading->parser);
    reading->arena = arena_new(1 << 20);
    MUST(reading->arena);
    reading->step = PARSE_MORE;
    reading->used = 0;
    reading->fault = (struct fault){0};
    for (;;) {
        struct str const rest = str_skip(text, reading->used);
        size_t const count = next_piece(&seed, rest.len);
        if (reading->step == PARSE_MORE && count == 0)
            return;
        size_t used = 0;
        reading->step = parser_feed(&reading->parser, reading->arena, str_make(rest.ptr, count),
                                    &used, &reading->fault);
        MUST(used <= count);
        reading->used += used;
        if (reading->step == PARSE_HEAD)
            reading->parser.body_bytes_max = BODY_MAX;
        else if (reading->step == PARSE_MORE)
            MUST(used == count);
        else
            break;
    }
    MUST((reading->step == PARSE_REFUSED) == (reading->fault.code != ERR_OK));
}

static void forget(struct reading *reading)
{
    parser_free(&reading->parser);
    arena_free(reading->arena);
}

static size_t count_of(const struct http_head *head, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += str_eq_nocase(head->headers[i].name, name);
    return count;
}

static void check_headers(const struct http_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct str const name = head->headers[i].name, value = head->headers[i].value;
        MUST(name.len > 0);
        for (size_t at = 0; at < name.len; at++)
            MUST(is_token_byte(name.ptr[at]));
        for (size_t at = 0; at < value.len; at++) {
            unsigned char const byte = (unsigned char)value.ptr[at];
            MUST(byte == '\t' || (byte >= ' ' && byte != 0x7f));
        }
        MUST(str_eq(str_trim(value), value));
    }
}

/* What was taken can be read in one way only. */
static void check_request(const struct reading *reading)
{
    const struct parser *parser = &reading->parser;
    const struct http_head *head = &parser->request;
    struct str const text = buf_view(&parser->head);
    size_t const lengths = count_of(head, STR("content-length"));
    size_t const codings = count_of(head, STR("transfer-encoding"));
    size_t const hosts = count_of(head, STR("host"));
    MUST(text.len <= HEAD_BYTES_MAX && head->header_count <= HEADER_COUNT_MAX);
    MUST(lengths + codings <= 1 && (codings == 0 || !head->http_1_0));
    MUST(hosts == 1 || (hosts == 0 && head->http_1_0));
    MUST(count_of(head, STR("authorization")) <= 1);
    MUST((codings == 1) == (head->body_bytes == -1));
    MUST(head->body_bytes <= 0 || lengths == 1);
    MUST(head->body_bytes < 0 || (int64_t)parser->body.len == head->body_bytes);
    MUST(parser->body.len <= BODY_MAX);
    MUST(head->path.len > 0 && head->path.ptr[0] == '/');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            MUST(i > 0 && text.ptr[i - 1] == '\r');
        if (text.ptr[i] == '\r')
            MUST(i + 1 < text.len && text.ptr[i + 1] == '\n');
    }
    check_headers(head);
}

static void check_same(const struct reading *a, const struct reading *b)
{
    MUST(a->step == b->step);
    if (a->step != PARSE_DONE)
        return;
    const struct http_head *one = &a->parser.request, *other = &b->parser.request;
    MUST(a->used == b->used);
    MUST(str_eq(buf_view(&a->parser.head), buf_view(&b->parser.head)));
    MUST(str_eq(buf_view(&a->parser.body), buf_view(&b->parser.body)));
    MUST(one->method == other->method && one->keep_alive == other->keep_alive);
    MUST(str_eq(one->path, other->path) && str_eq(one->query, other->query));
    MUST(one->header_count == other->header_count && one->body_bytes == other->body_bytes);
    for (size_t i = 0; i < one->header_count; i++) {
        MUST(str_eq(one->headers[i].name, other->headers[i].name));
        MUST(str_eq(one->headers[i].value, other->headers[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy of its own size: reading past the end is seen by the sanitizer. */
    char *copy = malloc(size);
    MUST(copy);
    memcpy(copy, data + 1, size - 1);
    struct str const text = str_make(copy, size - 1);
    struct reading whole, cut;
    read_all(&whole, text, 0);
    read_all(&cut, text, data[0] * 2654435761u | 1u);
    check_same(&whole, &cut);
    if (whole.step == PARSE_DONE)
        check_request(&whole);
    forget(&whole);
    forget(&cut);
    free(copy);
    return 0;
}
