/* test_parse.c - whole requests through the parser, cut at every byte; chunks and bounds. */
#include "base/limits.h"
#include "http/parse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs some of the above */
#include <cmocka.h>

enum { BODY_MAX = 1000 };

struct outcome {
    enum parse_step step;
    enum err err;
    size_t used;
    char body[BODY_MAX + 1];
    size_t header_count;
};

/* Feeds `text` in pieces of `piece` bytes (the first of `first` bytes). */
static void run(struct str text, size_t first, size_t piece, struct outcome *out)
{
    struct parser parser;
    struct fault fault = {0};
    struct arena *arena = arena_new(1 << 20);
    parser_init(&parser);
    *out = (struct outcome){.step = PARSE_MORE};
    while (out->step == PARSE_MORE || out->step == PARSE_HEAD) {
        size_t const left = text.len - out->used;
        size_t const wanted = out->used == 0 ? first : piece;
        size_t const count = left < wanted ? left : wanted;
        size_t used = 0;
        if (out->step == PARSE_MORE && count == 0)
            break;
        out->step =
            parser_feed(&parser, arena, str_make(text.ptr + out->used, count), &used, &fault);
        assert_true(used <= count);
        out->used += used;
        if (out->step == PARSE_HEAD)
            parser.body_bytes_max = BODY_MAX;
        else if (out->step == PARSE_MORE)
            assert_int_equal(used, count);
    }
    out->err = fault.code;
    if (out->step == PARSE_DONE) {
        memcpy(out->body, parser.body.ptr ? parser.body.ptr : "", parser.body.len);
        out->header_count = parser.request.header_count;
        assert_false(parser_is_idle(&parser));
        parser_reset(&parser);
        assert_true(parser_is_idle(&parser));
    }
    parser_free(&parser);
    arena_free(arena);
}

#define H "POST /p HTTP/1.1\r\nHost: h\r\n"
#define C H "Transfer-Encoding: chunked\r\n\r\n"

struct row {
    const char *what, *text;
    enum parse_step step;
    enum err err;
    const char *body, *rest;
};

static const struct row rows[] = {
    {"no body", H "\r\n", PARSE_DONE, ERR_OK, "", ""},
    {"with the next request behind", H "\r\nGET /", PARSE_DONE, ERR_OK, "", "GET /"},
    {"a length", H "Content-Length: 5\r\n\r\nhello", PARSE_DONE, ERR_OK, "hello", ""},
    {"a length and the next request", H "Content-Length: 2\r\n\r\nhello", PARSE_DONE, ERR_OK, "he",
     "llo"},
    {"length zero", H "Content-Length: 0\r\n\r\nx", PARSE_DONE, ERR_OK, "", "x"},
    {"a length of too much", H "Content-Length: 1001\r\n\r\n", PARSE_REFUSED, ERR_BODY_TOO_LARGE,
     "", ""},
    {"the largest length", H "Content-Length: 1000\r\n\r\n", PARSE_MORE, ERR_OK, "", ""},
    {"a head without its end", H, PARSE_MORE, ERR_OK, "", ""},
    {"one empty line before", "\r\n" H "\r\n", PARSE_DONE, ERR_OK, "", ""},
    {"two empty lines before", "\r\n\r\n" H "\r\n", PARSE_DONE, ERR_OK, "", ""},
    {"three empty lines before", "\r\n\r\n\r\n" H "\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a bare LF before", "\n" H "\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a bare LF ends the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", PARSE_REFUSED,
     ERR_HTTP_INVALID, "", ""},
    {"a bare LF ends a header", "GET / HTTP/1.1\r\nHost: h\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID,
     "", ""},
    {"a bare LF ends the head", "GET / HTTP/1.1\r\nHost: h\r\n\n", PARSE_REFUSED, ERR_HTTP_INVALID,
     "", ""},
    {"a bare CR in a value", H "X: a\rb\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"two CR", H "X: a\r\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a folded header", H "X: a\r\n b\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a header folded with a tab", H "X: a\r\n\tb\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "",
     ""},
    {"a blank before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", PARSE_REFUSED,
     ERR_HTTP_INVALID, "", ""},
    {"a blank before the colon", H "X : a\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a header without a colon", H "X\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a header without a name", H ": a\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a name with a separator", H "X(: a\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a name with UTF-8", H "X\xc3\xa9: a\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a control byte in a value", H "X: a\x01\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"DEL in a value", H "X: a\x7f\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"tab and UTF-8 in a value", H "X: a\tb\xc3\xa9\r\nY:\r\nZ_z: \t z \r\n\r\n", PARSE_DONE,
     ERR_OK, "", ""},
    {"a method that HTTP does not have", "QUERY / HTTP/1.1\r\nHost: h\r\n\r\n", PARSE_REFUSED,
     ERR_METHOD_UNKNOWN, "", ""},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PARSE_REFUSED, ERR_HTTP_VERSION_UNKNOWN, "", ""},
    {"length and chunks", H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"TLS on a plain port", "\x16\x03\x01\x02\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"an upgrade is not listened to", H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", PARSE_DONE,
     ERR_OK, "", ""},

    {"chunks", C "3\r\nabc\r\nB\r\ndefghijklmn\r\n0\r\n\r\nnext", PARSE_DONE, ERR_OK,
     "abcdefghijklmn", "next"},
    {"leading zeros", C "0003\r\nabc\r\n000\r\n\r\n", PARSE_DONE, ERR_OK, "abc", ""},
    {"extensions", C "1;a=\"b;c\"\r\nx\r\n0;end\r\n\r\n", PARSE_DONE, ERR_OK, "x", ""},
    {"trailers", C "1\r\nx\r\n0\r\nX-Sum: 1\r\nY: \t2\r\n\r\n", PARSE_DONE, ERR_OK, "x", ""},
    {"no end of the trailers", C "1\r\nx\r\n0\r\nX-Sum: 1\r\n", PARSE_MORE, ERR_OK, "", ""},
    {"a size of 16 digits", C "0000000000000001\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a sign", C "+1\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"0x", C "0x1\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a blank before the size", C " 1\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a blank behind the size", C "1 \r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"no size", C "\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"an extension without a size", C ";a\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a bare LF behind the size", C "1\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a CR that is not followed by LF", C "1\rx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a bare LF in an extension", C "1;a\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a CR in an extension", C "1;\r\r\nx\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"data longer than its size", C "1\r\nxy\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"data without its CR", C "1\r\nx\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"data without its LF", C "1\r\nx\r1\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a chunk of too much", C "3e9\r\n", PARSE_REFUSED, ERR_BODY_TOO_LARGE, "", ""},
    {"a chunk of nearly 2^60", C "fffffffffffffff\r\n", PARSE_REFUSED, ERR_BODY_TOO_LARGE, "", ""},
    {"a framing trailer", C "0\r\ncontent-length: 1\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "",
     ""},
    {"a folded trailer", C "0\r\nX: a\r\n b\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a trailer without a colon", C "0\r\nX\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a bare LF behind a trailer", C "0\r\nX: a\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a trailer with a CR in it", C "0\r\nX: a\rb\r\n\r\n", PARSE_REFUSED, ERR_HTTP_INVALID, "",
     ""},
    {"a bare LF at the end", C "0\r\n\n", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
    {"a CR without LF at the end", C "0\r\n\rx", PARSE_REFUSED, ERR_HTTP_INVALID, "", ""},
};

static bool agrees(const struct row *row, const struct outcome *out, size_t text_len)
{
    if (out->step != row->step || out->err != row->err)
        return false;
    if (row->step != PARSE_DONE)
        return true;
    return strcmp(out->body, row->body) == 0 && text_len - out->used == strlen(row->rest);
}

static void requests_cut_at_every_byte_give_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str const text = str_of(rows[i].text);
        for (size_t cut = 1; cut <= text.len; cut++) {
            struct outcome out;
            run(text, cut, text.len, &out);
            if (!agrees(&rows[i], &out, text.len))
                print_message("%s, cut at %zu: step %d err %d\n", rows[i].what, cut, out.step,
                              out.err);
            assert_true(agrees(&rows[i], &out, text.len));
        }
        for (size_t piece = 1; piece < 8; piece++) {
            struct outcome out;
            run(text, piece, piece, &out);
            assert_true(agrees(&rows[i], &out, text.len));
        }
    }
}

/* A head of `count` headers of `bytes` bytes each, beside Host. */
static struct str head_of(size_t count, size_t bytes, const char *end)
{
    static char text[80 << 10];
    size_t at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (size_t i = 0; i < count; i++) {
        memset(text + at, 'v', bytes);
        memcpy(text + at, "X:", 2);
        memcpy(text + at + bytes - 2, "\r\n", 2);
        at += bytes;
    }
    memcpy(text + at, end, strlen(end));
    return str_make(text, at + strlen(end));
}

static void heads_have_bounds(void **state)
{
    (void)state;
    enum { FIXED = 25 + 2 };
    struct {
        const char *what;
        struct str text;
        enum parse_step step;
    } cases[] = {
        {"100 headers", {0}, PARSE_DONE},          {"101 headers", {0}, PARSE_REFUSED},
        {"exactly 32 KiB", {0}, PARSE_DONE},       {"one byte more", {0}, PARSE_REFUSED},
        {"32 KiB and no end", {0}, PARSE_REFUSED},
    };
    for (size_t i = 0; i < 5; i++) {
        struct str text;
        switch (i) {
        case 0:
            text = head_of(HEADER_COUNT_MAX - 1, 10, "\r\n");
            break;
        case 1:
            text = head_of(HEADER_COUNT_MAX, 10, "\r\n");
            break;
        case 2:
            text = head_of(1, HEAD_BYTES_MAX - FIXED, "\r\n");
            break;
        case 3:
            text = head_of(1, HEAD_BYTES_MAX - FIXED + 1, "\r\n");
            break;
        default:
            text = head_of(1, HEAD_BYTES_MAX + 100, "");
            break;
        }
        static const size_t pieces[] = {1, 7, 1000, 80 << 10};
        for (size_t p = 0; p < 4; p++) {
            struct outcome out;
            run(text, pieces[p], pieces[p], &out);
            if (out.step != cases[i].step)
                print_message("%s, pieces of %zu\n", cases[i].what, pieces[p]);
            assert_int_equal(out.step, cases[i].step);
            assert_int_equal(out.err, out.step == PARSE_DONE ? ERR_OK : ERR_HEADERS_TOO_LARGE);
        }
    }
}

static void a_request_line_without_end_is_refused_early(void **state)
{
    (void)state;
    static char text[10 << 10];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    struct outcome out;
    run(str_make(text, sizeof text), 100, 100, &out);
    assert_int_equal(out.err, ERR_URI_TOO_LONG);
    assert_true(out.used < sizeof text);
}

static void chunk_extensions_and_trailers_have_bounds(void **state)
{
    (void)state;
    static char text[64 << 10];
    for (int kind = 0; kind < 3; kind++) {
        size_t at = (size_t)snprintf(text, sizeof text, "%s", C);
        if (kind == 0) /* small extensions, but many */
            for (int i = 0; i < 500; i++)
                at += (size_t)snprintf(text + at, sizeof text - at, "1;extension\r\nx\r\n");
        at += (size_t)snprintf(text + at, sizeof text - at, "0\r\n");
        if (kind == 1)
            for (int i = 0; i < 40; i++)
                at += (size_t)snprintf(text + at, sizeof text - at, "X: y\r\n");
        if (kind == 2) {
            at += (size_t)snprintf(text + at, sizeof text - at, "X: ");
            memset(text + at, 'y', 9000);
            at += 9000;
        }
        struct outcome out;
        run(str_make(text, at), at, at, &out);
        assert_int_equal(out.step, PARSE_REFUSED);
        assert_int_equal(out.err, ERR_HTTP_INVALID);
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const char good[] = H "X: value\r\nContent-Length: 0\r\n\r\n";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        text[i] = '\0';
        struct outcome out;
        run(str_make(text, sizeof good - 1), sizeof good, 1, &out);
        assert_int_not_equal(out.step, PARSE_DONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_cut_at_every_byte_give_the_same),
        cmocka_unit_test(heads_have_bounds),
        cmocka_unit_test(a_request_line_without_end_is_refused_early),
        cmocka_unit_test(chunk_extensions_and_trailers_have_bounds),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
