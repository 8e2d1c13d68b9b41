/* test_reply_head.c - heads of replies to the byte, and values that try to split them. */
#include "http/reply_head.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

static void heads_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        struct reply_head head;
        const char *text;
    } rows[] = {
        {{.status = 200, .content_type = STR_ROW("a/b"), .date = STR_ROW("D\r\n"), .body_bytes = 0},
         "HTTP/1.1 200 OK\r\nServer: cota\r\nD\r\nContent-Type: a/b\r\nContent-Length: 0\r\n"},
        {{.status = 413, .body_bytes = 1234567890123, .close = true},
         "HTTP/1.1 413 Content Too Large\r\nServer: cota\r\nContent-Length: 1234567890123\r\n"
         "Connection: close\r\n"},
        {{.status = 200, .body_bytes = REPLY_CHUNKED},
         "HTTP/1.1 200 OK\r\nServer: cota\r\nTransfer-Encoding: chunked\r\n"},
        {{.status = 204, .body_bytes = REPLY_NO_LENGTH, .keep_alive = true},
         "HTTP/1.1 204 No Content\r\nServer: cota\r\nConnection: keep-alive\r\n"},
        {{.status = 599, .body_bytes = REPLY_NO_LENGTH},
         "HTTP/1.1 599 Unknown\r\nServer: cota\r\n"},
        {{.status = 200, .content_type = STR_ROW("a\r\nX: b\x7f"), .body_bytes = REPLY_NO_LENGTH},
         "HTTP/1.1 200 OK\r\nServer: cota\r\nContent-Type: a  X: b \r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[REPLY_HEAD_BYTES + 1];
        size_t const len = reply_head_write(out, &rows[i].head);
        out[len] = '\0';
        assert_string_equal(out, rows[i].text);
    }
}

static void an_endless_content_type_is_cut(void **state)
{
    (void)state;
    static char type[4000];
    memset(type, 't', sizeof type);
    struct reply_head const head = {
        .status = 200, .content_type = {type, sizeof type}, .body_bytes = 1, .close = true};
    char out[REPLY_HEAD_BYTES];
    assert_true(reply_head_write(out, &head) < REPLY_HEAD_BYTES);
}

static void dates(void **state)
{
    (void)state;
    char out[REPLY_DATE_BYTES + 1];
    reply_date(out, 784111777000000);
    assert_string_equal(out, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    reply_date(out, 1709164800999999);
    assert_string_equal(out, "Date: Thu, 29 Feb 2024 00:00:00 GMT\r\n");
}

static void header_values_cannot_split_a_header(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(reply_header(&out, "x-a", STR("one\r\nx-b: two\t")), ERR_OK);
    assert_int_equal(reply_header_i64(&out, "x-n", -42), ERR_OK);
    assert_true(str_eq(buf_view(&out), STR("x-a: one  x-b: two \r\nx-n: -42\r\n")));
    size_t const before = out.len;
    assert_int_equal(reply_header(&out, "x-long", STR("0123456789012345678901234567890")),
                     ERR_TOO_LARGE);
    assert_int_equal(out.len, before);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_to_the_byte),
        cmocka_unit_test(an_endless_content_type_is_cut),
        cmocka_unit_test(dates),
        cmocka_unit_test(header_values_cannot_split_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
