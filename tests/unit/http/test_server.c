/* test_server.c - requests over a real socket: order, early bytes, refusals, deadlines. */
#include "client.h"

static void a_request_is_answered_and_the_connection_used_again(void **state)
{
    (void)state;
    struct client client = client_open();
    for (int i = 0; i < 3; i++) {
        buf_clear(&client.in);
        client_send(&client,
                    STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"));
        client_expect(&client, "\r\n\r\nhello");
        assert_true(client_has(&client, "HTTP/1.1 200 OK\r\nServer: cota\r\nDate: "));
        assert_true(client_has(&client, "\r\nContent-Length: 5\r\n"));
        assert_false(client_has(&client, "Connection:"));
    }
    assert_int_equal(http_server_connections(scene.server), 1);
    assert_int_equal(http_server_exchanges(scene.server), 0);
    client_close(&client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct client client = client_open();
    char text[COUNT * 80];
    size_t at = 0;
    for (int i = 0; i < COUNT; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n[%02d]",
                               i);
    client_send(&client, str_make(text, at));
    client_expect(&client, "[59]");
    size_t last = 0;
    for (int i = 0; i < COUNT; i++) {
        char number[24];
        snprintf(number, sizeof number, "[%02d]", i);
        size_t const found = str_find(buf_view(&client.in), str_of(number));
        assert_true(found < client.in.len && found > last);
        last = found;
    }
    assert_int_equal(scene.requests, COUNT);
    client_close(&client);
}

static void bytes_that_come_too_early_are_bounded_and_then_served(void **state)
{
    (void)state;
    enum { COUNT = 6000 };
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    static const char next[] = "GET /now HTTP/1.1\r\nHost: h\r\n\r\n";
    struct buf many;
    buf_init(&many, COUNT * sizeof next);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(buf_add(&many, STR(next)), ERR_OK);
    struct str rest = buf_view(&many);
    for (int i = 0; i < 200; i++) { /* until the kernel's buffers are full, or all is sent */
        ssize_t const count = send(client.descriptor, rest.ptr, rest.len, MSG_NOSIGNAL);
        if (count > 0)
            rest = str_skip(rest, (size_t)count);
        spin_ms(1);
    }
    assert_int_equal(scene.requests, 1);
    struct str const body = STR("first");
    http_reply(scene.kept[0], &ok, &body, 1);
    for (int i = 0; i < PATIENCE_MS && scene.requests < COUNT + 1; i++) {
        if (rest.len > 0) {
            ssize_t const count = send(client.descriptor, rest.ptr, rest.len, MSG_NOSIGNAL);
            if (count > 0)
                rest = str_skip(rest, (size_t)count);
        }
        turn();
        client_read(&client);
    }
    assert_int_equal(scene.requests, COUNT + 1);
    buf_free(&many);
    client_close(&client);
}

static void a_half_closed_client_gets_all_its_answers(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"
                             "GET /now HTTP/1.1\r\nHost: h\r\n\r\n"));
    shutdown(client.descriptor, SHUT_WR);
    await_kept(1);
    spin_ms(20);
    assert_int_equal(scene.gone, 0);
    struct str const body = STR("slow");
    http_reply(scene.kept[0], &ok, &body, 1);
    client_expect(&client, NULL);
    assert_true(client_has(&client, "\r\n\r\nslow"));
    assert_true(client_has(&client, "\r\n\r\n/now"));
    assert_false(client.reset);
    client_close(&client);
}

static void a_client_that_half_closes_too_early_is_let_go(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "GET / HT", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe"};
    for (size_t i = 0; i < 3; i++) {
        struct client client = client_open();
        client_send(&client, str_of(rows[i]));
        shutdown(client.descriptor, SHUT_WR);
        client_expect(&client, NULL);
        client_close(&client);
    }
    spin_ms(20);
    assert_int_equal(http_server_connections(scene.server), 0);
    assert_int_equal(scene.requests, 0);
}

static void a_body_that_is_too_large_is_refused_at_once_and_the_client_reads_why(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client,
                STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 104857600\r\n\r\n"));
    char *bytes = calloc(1, 4 << 20);
    client_send(&client, str_make(bytes, 4 << 20)); /* it does not look before it has sent */
    free(bytes);
    client_expect(&client, NULL);
    assert_true(client_has(&client, "HTTP/1.1 413 "));
    assert_true(client_has(&client, "Connection: close\r\n"));
    assert_true(client_has(&client, "refused request_too_large"));
    assert_false(client.reset);
    assert_int_equal(scene.requests, 0);
    client_close(&client);
}

static void expect_100_is_answered_when_the_body_is_wanted(void **state)
{
    (void)state;
    static const char *const more = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    static const struct {
        const char *path, *wanted;
    } rows[] = {{"/echo", "HTTP/1.1 100 Continue\r\n\r\n"}, {"/wrong", "HTTP/1.1 404 "}};
    for (size_t i = 0; i < 2; i++) {
        struct client client = client_open();
        char request[200];
        snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: h\r\n%s", rows[i].path, more);
        client_send(&client, str_of(request));
        client_expect(&client, rows[i].wanted);
        if (i == 0) {
            client_send(&client, STR("hello"));
            client_expect(&client, "\r\n\r\nhello");
        } else {
            client_expect(&client, NULL);
            assert_false(client_has(&client, "100 Continue"));
        }
        client_close(&client);
    }
    assert_int_equal(scene.heads_asked, 2);
    struct client client = client_open(); /* the body comes along: neither 100 nor question */
    char request[200];
    snprintf(request, sizeof request, "POST /wrong HTTP/1.1\r\nHost: h\r\n%shello", more);
    client_send(&client, str_of(request));
    client_expect(&client, "\r\n\r\n/wrong");
    assert_false(client_has(&client, "100 Continue"));
    assert_int_equal(scene.heads_asked, 2);
    client_close(&client);
}

static void what_is_not_http_is_refused_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *request, *wanted;
    } rows[] = {
        {"GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400 Bad Request"},
        {"GET / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 "},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 "},
        {"GET /now HTTP/1.1\r\nHost: h\r\n\r\nG\x01RBAGE / HTTP/1.1\r\nHost: h\r\n\r\n",
         "/nowHTTP/1.1 400 "},
        {"HEAD x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client client = client_open();
        client_send(&client, str_of(rows[i].request));
        client_expect(&client, NULL);
        assert_true(client_has(&client, rows[i].wanted));
        assert_false(client.reset);
        client_close(&client);
    }
}

static void the_exchange_shows_the_request(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("PUT /keep/x?q=1 HTTP/1.1\r\nhost: h\r\nX-A: 1\r\nx-a:  2 \r\n"
                             "Content-Length: 3\r\n\r\nabc"));
    await_kept(1);
    struct http_exchange *exchange = scene.kept[0];
    assert_int_equal(http_head(exchange)->method, HTTP_PUT);
    assert_true(str_eq(http_head(exchange)->query, STR("q=1")));
    assert_true(str_eq(http_header(exchange, STR("x-a")), STR("1")));
    assert_int_equal(http_header_count(exchange, STR("X-a")), 2);
    assert_null(http_header(exchange, STR("x-b")).ptr);
    assert_true(str_eq(http_body(exchange), STR("abc")));
    assert_true(str_eq(http_peer(exchange), STR("127.0.0.1")));
    assert_false(http_is_local(exchange));
    assert_true(http_started_us(exchange) > 0);
    assert_ptr_equal(http_loop(exchange), scene.loop);
    struct buf headers;
    buf_init(&headers, 8000);
    for (int i = 0; i < 100; i++) /* more than the stack's room */
        assert_int_equal(reply_header_i64(&headers, "x-number-of-some-length", i), ERR_OK);
    struct http_reply const reply = {.status = 201, .headers = buf_view(&headers)};
    http_reply(exchange, &reply, NULL, 0);
    client_expect(&client, "x-number-of-some-length: 99\r\n\r\n");
    buf_free(&headers);
    client_close(&client);
}

/* Heads 10 s, bodies 15 s without a byte or below 1 KiB/s: all in one wait. */
static void slow_senders_are_cut(void **state)
{
    (void)state;
    struct client silent = client_open(), head = client_open(), body = client_open(),
                  drip = client_open();
    client_send(&head, STR("GET / HTTP/1.1\r\nHo"));
    client_send(&body, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"));
    client_send(&drip, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\nx"));
    int64_t const began = loop_now_ms(scene.loop);
    while (loop_now_ms(scene.loop) - began < BODY_IDLE_MS + 2500) {
        spin_ms(500);
        client_send(&drip, STR("x"));
        client_read(&silent);
        client_read(&head);
        client_read(&body);
        client_read(&drip);
        if (loop_now_ms(scene.loop) - began < HEAD_DEADLINE_MS - 100)
            assert_false(silent.eof || head.eof || body.eof || drip.eof);
    }
    assert_true(silent.eof);
    assert_int_equal(silent.in.len, 0);
    assert_true(client_has(&head, "HTTP/1.1 408 "));
    assert_true(client_has(&body, "HTTP/1.1 408 "));
    assert_true(client_has(&drip, "HTTP/1.1 408 "));
    client_close(&silent);
    client_close(&head);
    client_close(&body);
    client_close(&drip);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_request_is_answered_and_the_connection_used_again),
        T(pipelined_requests_are_answered_in_order),
        T(bytes_that_come_too_early_are_bounded_and_then_served),
        T(a_half_closed_client_gets_all_its_answers),
        T(a_client_that_half_closes_too_early_is_let_go),
        T(a_body_that_is_too_large_is_refused_at_once_and_the_client_reads_why),
        T(expect_100_is_answered_when_the_body_is_wanted),
        T(what_is_not_http_is_refused_and_closed),
        T(the_exchange_shows_the_request),
        T(slow_senders_are_cut),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
