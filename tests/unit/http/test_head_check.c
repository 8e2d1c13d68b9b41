/* test_head_check.c - every rule about request lines and headers is a row. */
#include "http/head_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

static void request_lines(void **state)
{
    (void)state;
    static const struct {
        const char *what, *line;
        enum err err;
        bool http_1_0;
    } rows[] = {
        {"plain", "GET / HTTP/1.1", ERR_OK, false},
        {"HTTP/1.0", "POST /v1/x?y=1 HTTP/1.0", ERR_OK, true},
        {"HTTP/0.9", "GET /old", ERR_OK, true},
        {"HTTP/0.9 has only GET", "POST /old", ERR_HTTP_INVALID, false},
        {"odd but visible bytes in the address", "GET /a\"<>\\^`{|} HTTP/1.1", ERR_OK, false},
        {"a method that is only a token", "-Any!method /x HTTP/1.1", ERR_OK, false},
        {"empty", "", ERR_HTTP_INVALID, false},
        {"method alone", "GET", ERR_HTTP_INVALID, false},
        {"two spaces before the address", "GET  / HTTP/1.1", ERR_HTTP_INVALID, false},
        {"two spaces after the address", "GET /  HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a space at the end", "GET / HTTP/1.1 ", ERR_HTTP_INVALID, false},
        {"a space at the end of HTTP/0.9", "GET / ", ERR_HTTP_INVALID, false},
        {"a leading space", " GET / HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a tab for a space", "GET\t/ HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a tab in the address", "GET /a\tb HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a space in the address", "GET /a b HTTP/1.1", ERR_HTTP_INVALID, false},
        {"UTF-8 in the address", "GET /\xc3\xa9 HTTP/1.1", ERR_HTTP_INVALID, false},
        {"DEL in the address", "GET /\x7f HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a separator in the method", "GE(T / HTTP/1.1", ERR_HTTP_INVALID, false},
        {"a method of 33 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", ERR_HTTP_INVALID,
         false},
        {"HTTP/2.0", "GET / HTTP/2.0", ERR_HTTP_VERSION_UNKNOWN, false},
        {"HTTP/1.2", "GET / HTTP/1.2", ERR_HTTP_VERSION_UNKNOWN, false},
        {"HTTP/1.10", "GET / HTTP/1.10", ERR_HTTP_INVALID, false},
        {"HTTP/1", "GET / HTTP/1", ERR_HTTP_INVALID, false},
        {"lower case", "GET / http/1.1", ERR_HTTP_INVALID, false},
        {"another protocol", "GET / RTSP/1.0", ERR_HTTP_INVALID, false},
        {"no slash", "GET / HTTP1.1.", ERR_HTTP_INVALID, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct request_line line;
        struct fault fault = {0};
        enum err const err = request_line_check(str_of(rows[i].line), &line, &fault);
        if (err != rows[i].err)
            print_message("%s: %s\n", rows[i].what, fault.detail);
        assert_int_equal(err, rows[i].err);
        if (err == ERR_OK)
            assert_int_equal(line.http_1_0, rows[i].http_1_0);
    }
}

static void an_address_may_have_8_kib(void **state)
{
    (void)state;
    enum { URI_BYTES = 8 << 10, BEFORE = 4 };
    static char text[BEFORE + URI_BYTES + 16];
    for (size_t extra = 0; extra < 2; extra++) {
        size_t const uri = URI_BYTES + extra;
        memcpy(text, "GET /", 5);
        memset(text + 5, 'a', uri - 1);
        memcpy(text + BEFORE + uri, " HTTP/1.1", 9);
        struct request_line line;
        struct fault fault = {0};
        assert_int_equal(request_line_check(str_make(text, BEFORE + uri + 9), &line, &fault),
                         extra ? ERR_URI_TOO_LONG : ERR_OK);
    }
}

enum { ROW_HEADERS = 4 };

struct head_row {
    const char *what, *line;
    const char *headers[ROW_HEADERS][2];
    enum err err;
    const char *param, *path, *query;
    int64_t body_bytes;
    bool closes, expects;
};

#define HOST                                                                                       \
    {                                                                                              \
        "Host", "cota.example:8787"                                                                \
    }
static const struct head_row head_rows[] = {
    {.what = "the usual",
     .line = "POST /v1/chat/completions?a=b?c HTTP/1.1",
     .headers = {HOST, {"content-LENGTH", "42"}, {"Connection", "Keep-Alive"}},
     .path = "/v1/chat/completions",
     .query = "a=b?c",
     .body_bytes = 42},
    {.what = "chunked",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Transfer-Encoding", "Chunked"}},
     .path = "/",
     .body_bytes = -1},
    {.what = "close among other tokens",
     .line = "GET / HTTP/1.1",
     .headers = {HOST, {"Connection", "TE , close"}},
     .path = "/",
     .closes = true},
    {.what = "close wins over keep-alive, in another line",
     .line = "GET / HTTP/1.1",
     .headers = {HOST, {"Connection", "keep-alive"}, {"Connection", "close"}},
     .path = "/",
     .closes = true},
    {.what = "HTTP/1.0 closes", .line = "GET / HTTP/1.0", .path = "/", .closes = true},
    {.what = "HTTP/1.0 with keep-alive",
     .line = "GET / HTTP/1.0",
     .headers = {{"connection", "keep-alive"}},
     .path = "/"},
    {.what = "HTTP/0.9", .line = "GET /x", .path = "/x", .closes = true},
    {.what = "HTTP/0.9 with headers", .line = "GET /x", .headers = {HOST}, .err = ERR_HTTP_INVALID},
    {.what = "expects a 100",
     .line = "PUT /x HTTP/1.1",
     .headers = {HOST, {"Expect", "100-Continue"}},
     .path = "/x",
     .expects = true},
    {.what = "HTTP/1.0 cannot expect a 100",
     .line = "PUT /x HTTP/1.0",
     .headers = {{"Expect", "100-continue"}},
     .path = "/x",
     .closes = true},
    {.what = "expects something else",
     .line = "PUT /x HTTP/1.1",
     .headers = {HOST, {"Expect", "200-ok"}},
     .err = ERR_HEADER_INVALID,
     .param = "expect"},
    {.what = "expects twice",
     .line = "PUT /x HTTP/1.1",
     .headers = {HOST, {"Expect", "100-continue"}, {"expect", "100-continue"}},
     .err = ERR_HEADER_INVALID,
     .param = "expect"},
    {.what = "a fragment is left off",
     .line = "GET /a?b#c?d HTTP/1.1",
     .headers = {HOST},
     .path = "/a",
     .query = "b"},
    {.what = "absolute form with the same host",
     .line = "GET HTTP://Cota.example:8787/a?b HTTP/1.1",
     .headers = {HOST},
     .path = "/a",
     .query = "b"},
    {.what = "absolute form without a path",
     .line = "GET https://cota.example:8787?q HTTP/1.1",
     .headers = {HOST},
     .path = "/",
     .query = "q"},
    {.what = "absolute form with another host",
     .line = "GET http://elsewhere/a HTTP/1.1",
     .headers = {HOST},
     .err = ERR_HTTP_INVALID},
    {.what = "absolute form with a user",
     .line = "GET http://user@host/a HTTP/1.0",
     .err = ERR_HTTP_INVALID},
    {.what = "absolute form without a host",
     .line = "GET http:///a HTTP/1.0",
     .err = ERR_HTTP_INVALID},
    {.what = "another scheme",
     .line = "GET ftp://h/ HTTP/1.1",
     .headers = {HOST},
     .err = ERR_HTTP_INVALID},
    {.what = "no slash", .line = "GET a HTTP/1.1", .headers = {HOST}, .err = ERR_HTTP_INVALID},
    {.what = "a star is for OPTIONS",
     .line = "GET * HTTP/1.1",
     .headers = {HOST},
     .err = ERR_HTTP_INVALID},
    {.what = "OPTIONS for the whole server",
     .line = "OPTIONS * HTTP/1.1",
     .headers = {HOST},
     .err = ERR_NOT_FOUND},
    {.what = "CONNECT",
     .line = "CONNECT a:443 HTTP/1.1",
     .headers = {HOST},
     .err = ERR_METHOD_UNKNOWN},
    {.what = "TRACE", .line = "TRACE / HTTP/1.1", .headers = {HOST}, .err = ERR_METHOD_UNKNOWN},
    {.what = "no Host", .line = "GET / HTTP/1.1", .err = ERR_HTTP_INVALID, .param = "host"},
    {.what = "two Hosts",
     .line = "GET / HTTP/1.1",
     .headers = {HOST, HOST},
     .err = ERR_HTTP_INVALID,
     .param = "host"},
    {.what = "two Hosts in HTTP/1.0",
     .line = "GET / HTTP/1.0",
     .headers = {HOST, HOST},
     .err = ERR_HTTP_INVALID,
     .param = "host"},
    {.what = "an empty Host",
     .line = "GET / HTTP/1.1",
     .headers = {{"Host", ""}},
     .err = ERR_HTTP_INVALID,
     .param = "host"},
    {.what = "a Host with a path",
     .line = "GET / HTTP/1.1",
     .headers = {{"Host", "a/b"}},
     .err = ERR_HTTP_INVALID,
     .param = "host"},
    {.what = "a Host with a user",
     .line = "GET / HTTP/1.1",
     .headers = {{"Host", "a@b"}},
     .err = ERR_HTTP_INVALID,
     .param = "host"},
    {.what = "a Host that is an address",
     .line = "GET / HTTP/1.1",
     .headers = {{"Host", "[::1]:80"}},
     .path = "/"},
    {.what = "length and chunks",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Length", "4"}, {"Transfer-Encoding", "chunked"}},
     .err = ERR_HTTP_INVALID,
     .param = "transfer-encoding"},
    {.what = "chunks in HTTP/1.0",
     .line = "POST / HTTP/1.0",
     .headers = {{"Transfer-Encoding", "chunked"}},
     .err = ERR_HTTP_INVALID,
     .param = "transfer-encoding"},
    {.what = "another coding",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Transfer-Encoding", "gzip, chunked"}},
     .err = ERR_MEDIA_UNKNOWN,
     .param = "transfer-encoding"},
    {.what = "a coding that only looks like chunked",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Transfer-Encoding", "xchunked"}},
     .err = ERR_MEDIA_UNKNOWN,
     .param = "transfer-encoding"},
    {.what = "chunked twice",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
     .err = ERR_MEDIA_UNKNOWN,
     .param = "transfer-encoding"},
    {.what = "two equal lengths",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Length", "4"}, {"Content-Length", "4"}},
     .err = ERR_HTTP_INVALID,
     .param = "content-length"},
    {.what = "a list of lengths",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Length", "4, 4"}},
     .err = ERR_HTTP_INVALID,
     .param = "content-length"},
    {.what = "a signed length",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Length", "+4"}},
     .err = ERR_HTTP_INVALID,
     .param = "content-length"},
    {.what = "a length past 2^63",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Length", "9223372036854775808"}},
     .err = ERR_HTTP_INVALID,
     .param = "content-length"},
    {.what = "two keys",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Authorization", "Bearer a"}, {"authorization", "Bearer b"}},
     .err = ERR_HEADER_INVALID,
     .param = "authorization"},
    {.what = "two types",
     .line = "POST / HTTP/1.1",
     .headers = {HOST, {"Content-Type", "a/b"}, {"Content-Type", "a/b"}},
     .err = ERR_HEADER_INVALID,
     .param = "content-type"},
};
#undef HOST

static void heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof head_rows / sizeof head_rows[0]; i++) {
        const struct head_row *row = &head_rows[i];
        struct http_header headers[ROW_HEADERS];
        size_t count = 0;
        for (; count < ROW_HEADERS && row->headers[count][0]; count++)
            headers[count] = (struct http_header){str_of(row->headers[count][0]),
                                                  str_of(row->headers[count][1])};
        struct request_line line;
        struct http_head head;
        struct fault fault = {0};
        bool expects = false;
        assert_int_equal(request_line_check(str_of(row->line), &line, &fault), ERR_OK);
        enum err const err = head_check(&line, headers, count, &head, &expects, &fault);
        if (err != row->err)
            print_message("%s: %s\n", row->what, fault.detail);
        assert_int_equal(err, row->err);
        if (row->param)
            assert_string_equal(fault.param, row->param);
        if (err != ERR_OK)
            continue;
        assert_true(str_eq(head.path, str_of(row->path)));
        assert_true(str_eq(head.query, str_of(row->query ? row->query : "")));
        assert_int_equal(head.body_bytes, row->body_bytes);
        assert_int_equal(head.keep_alive, !row->closes);
        assert_int_equal(expects, row->expects);
    }
}

static void methods(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum http_method method;
    } rows[] = {
        {"GET / HTTP/1.0", HTTP_GET},           {"HEAD / HTTP/1.0", HTTP_HEAD},
        {"POST / HTTP/1.0", HTTP_POST},         {"PUT / HTTP/1.0", HTTP_PUT},
        {"PATCH / HTTP/1.0", HTTP_PATCH},       {"DELETE / HTTP/1.0", HTTP_DELETE},
        {"OPTIONS / HTTP/1.0", HTTP_OPTIONS},   {"get / HTTP/1.0", HTTP_METHOD_OTHER},
        {"LINK / HTTP/1.0", HTTP_METHOD_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct request_line line;
        struct http_head head;
        struct fault fault = {0};
        bool expects;
        assert_int_equal(request_line_check(str_of(rows[i].line), &line, &fault), ERR_OK);
        assert_int_equal(head_check(&line, NULL, 0, &head, &expects, &fault), ERR_OK);
        assert_int_equal(head.method, rows[i].method);
    }
}

static void trailers_that_frame_route_or_authenticate_are_forbidden(void **state)
{
    (void)state;
    assert_true(trailer_is_forbidden(STR("Content-Length")));
    assert_true(trailer_is_forbidden(STR("AUTHORIZATION")));
    assert_true(trailer_is_forbidden(STR("x-api-key")));
    assert_true(trailer_is_forbidden(STR("x-cota-user")));
    assert_true(trailer_is_forbidden(STR("X-COTA-Feature")));
    assert_false(trailer_is_forbidden(STR("x-checksum")));
    assert_false(trailer_is_forbidden(STR("x-cota")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_lines),
        cmocka_unit_test(an_address_may_have_8_kib),
        cmocka_unit_test(heads),
        cmocka_unit_test(methods),
        cmocka_unit_test(trailers_that_frame_route_or_authenticate_are_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
