/* test_reply.c - replies of every kind, and what becomes of them when the client or we leave. */
#include "client.h"

static void replies_without_a_body(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("HEAD /now HTTP/1.1\r\nHost: h\r\n\r\n"
                             "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    struct http_reply const none = {.status = 204, .headers = STR_ROW("x-a: b\r\n")};
    struct str const body = STR("never sent");
    http_reply(scene.kept[0], &none, &body, 1);
    client_expect(&client, "x-a: b\r\n\r\n");
    client_send(&client, STR("HEAD /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(2);
    http_stream_start(scene.kept[1], &ok);
    http_stream_write(scene.kept[1], body);
    http_stream_end(scene.kept[1], body);
    client_send(&client, STR("GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    client_expect(&client, NULL);
    assert_true(client_has(&client, "Content-Length: 4\r\n\r\nHTTP/1.1 204 No Content"));
    assert_false(client_has(&client, "never sent"));
    assert_true(client_has(&client, "Connection: close\r\n\r\n/now"));
    client_close(&client);
}

static void http_1_0_closes_unless_asked_not_to(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    client_expect(&client, "/now");
    assert_true(client_has(&client, "Connection: keep-alive\r\n"));
    client_send(&client, STR("GET /again HTTP/1.0\r\n\r\n"));
    client_expect(&client, NULL);
    assert_true(client_has(&client, "Connection: close\r\n\r\n/again"));
    client_close(&client);
}

static void streams_are_chunked_for_1_1_and_end_by_closing_for_1_0(void **state)
{
    (void)state;
    static const struct {
        const char *request, *wanted, *unwanted;
    } rows[] = {
        {"GET /keep HTTP/1.1\r\nHost: h\r\n\r\n",
         "chunked\r\n\r\n6\r\nfirst \r\n14\r\n20 bytes, 14 in hex.\r\n4\r\nlast\r\n0\r\n\r\n",
         "Connection"},
        {"GET /keep HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "Connection: close\r\n\r\nfirst 20 bytes, 14 in hex.last", "chunked"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct client client = client_open();
        client_send(&client, str_of(rows[i].request));
        await_kept(i + 1);
        struct http_exchange *exchange = scene.kept[i];
        http_stream_start(exchange, &ok);
        spin_ms(5);
        client_read(&client);
        assert_int_equal(client.in.len, 0); /* the head waits for the first bytes */
        http_stream_write(exchange, STR("first "));
        http_stream_write(exchange, STR(""));
        http_stream_write(exchange, STR("20 bytes, 14 in hex."));
        http_stream_end(exchange, STR("last"));
        client_expect(&client, rows[i].wanted);
        assert_false(client_has(&client, rows[i].unwanted));
        if (i == 1)
            client_expect(&client, NULL);
        client_close(&client);
    }
}

static void a_flushed_head_goes_out_alone(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    http_stream_start(scene.kept[0], &ok);
    http_stream_flush(scene.kept[0]);
    http_stream_flush(scene.kept[0]);
    client_expect(&client, "Transfer-Encoding: chunked\r\n\r\n");
    http_stream_end(scene.kept[0], STR(""));
    client_expect(&client, "chunked\r\n\r\n0\r\n\r\n");
    client_close(&client);
}

static void an_aborted_reply_never_looks_whole(void **state)
{
    (void)state;
    static const struct {
        const char *what, *request;
        bool starts, writes, resets;
    } rows[] = {
        {"before the reply", "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n", false, false, true},
        {"before the first bytes", "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n", true, false, true},
        {"in chunks", "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n", true, true, false},
        {"in HTTP/1.0", "GET /keep HTTP/1.0\r\n\r\n", true, true, true},
    };
    for (size_t i = 0; i < 4; i++) {
        struct client client = client_open();
        client_send(&client, str_of(rows[i].request));
        await_kept(i + 1);
        if (rows[i].starts)
            http_stream_start(scene.kept[i], &ok);
        if (rows[i].writes) {
            http_stream_write(scene.kept[i], STR("some"));
            client_expect(&client, "some");
        }
        http_abort(scene.kept[i]);
        client_expect(&client, NULL);
        assert_int_equal(client.reset, rows[i].resets);
        assert_false(client_has(&client, "0\r\n\r\n"));
        client_close(&client);
    }
    assert_int_equal(http_server_exchanges(scene.server), 0);
}

static void a_client_that_is_cut_off_is_told_to_the_watcher(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    struct linger const now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(&client);
    for (int i = 0; i < 1000 && scene.gone == 0; i++)
        spin_ms(1);
    assert_int_equal(scene.gone, 1);
    assert_int_equal(http_server_connections(scene.server), 0);
    assert_int_equal(http_server_exchanges(scene.server), 1); /* until its owner ends it */
    assert_true(arena_copy(http_arena(scene.kept[0]), STR("still there")).ptr);
    http_abort(scene.kept[0]);
    assert_int_equal(http_server_exchanges(scene.server), 0);
}

static void a_client_that_leaves_a_stream_is_noticed_by_the_writes(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    http_stream_start(scene.kept[0], &ok);
    http_stream_write(scene.kept[0], STR("one"));
    client_expect(&client, "one");
    client_close(&client); /* a plain FIN */
    for (int i = 0; i < 1000 && scene.gone == 0; i++) {
        http_stream_write(scene.kept[0], STR("another"));
        assert_int_equal(scene.gone, 0); /* never from within a call */
        spin_ms(1);
    }
    assert_int_equal(scene.gone, 1);
    http_stream_write(scene.kept[0], STR("to nobody"));
    http_stream_end(scene.kept[0], STR(""));
    assert_int_equal(http_server_exchanges(scene.server), 0);
}

static void an_unwatched_exchange_outlives_its_client(void **state)
{
    (void)state;
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    http_watch(scene.kept[0], NULL, NULL);
    struct linger const now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(&client);
    for (int i = 0; i < 1000 && http_server_connections(scene.server) > 0; i++)
        spin_ms(1);
    assert_int_equal(http_server_exchanges(scene.server), 1);
    assert_true(str_empty(http_peer(scene.kept[0])));
    assert_true(arena_copy(http_arena(scene.kept[0]), STR("still there")).ptr);
    http_stream_start(scene.kept[0], &ok);
    http_stream_write(scene.kept[0], STR("to nobody"));
    http_stream_end(scene.kept[0], STR(""));
    assert_int_equal(http_server_exchanges(scene.server), 0);
}

static void a_slow_reader_is_seen_in_the_queue_and_drains(void **state)
{
    (void)state;
    static char chunk[256 << 10];
    memset(chunk, 'c', sizeof chunk);
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    struct http_exchange *exchange = scene.kept[0];
    http_stream_start(exchange, &ok);
    size_t total = 0;
    while (http_queued(exchange) < CLIENT_QUEUE_HIGH_BYTES) {
        http_stream_write(exchange, str_make(chunk, sizeof chunk));
        total += sizeof chunk;
        assert_true(total < 24 << 20);
    }
    assert_int_equal(scene.drained, 0);
    for (int i = 0; i < PATIENCE_MS && scene.drained == 0; i++) {
        client_read(&client);
        turn();
    }
    assert_int_equal(scene.drained, 1);
    assert_int_equal(http_queued(exchange), 0);
    http_stream_end(exchange, STR("END"));
    client_expect(&client, "END\r\n0\r\n\r\n");
    assert_true(client.in.len > total);
    client_close(&client);
}

static void a_long_last_reply_reaches_a_slow_reader_before_the_close(void **state)
{
    (void)state;
    enum { PART = 4 << 20, PARTS = 4 };
    struct client client = client_open();
    client_send(&client, STR("GET /keep HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    await_kept(1);
    char *bytes = malloc(PART);
    memset(bytes, 'b', PART);
    struct str parts[PARTS + 20];
    for (size_t i = 0; i < PARTS + 20; i++)
        parts[i] = i < PARTS ? str_make(bytes, PART) : STR("tiny ");
    http_reply(scene.kept[0], &ok, parts, PARTS + 20);
    free(bytes); /* what is queued is the server's own */
    spin_ms(LINGER_MS + 500);
    client_expect(&client, NULL);
    assert_true(client.in.len > (size_t)PART * PARTS + 100);
    assert_true(str_eq(str_make(client.in.ptr + client.in.len - 10, 10), STR("tiny tiny ")));
    client_close(&client);
}

static void draining_lets_the_running_end_and_closes_the_idle(void **state)
{
    (void)state;
    struct client idle = client_open(), running = client_open();
    client_send(&idle, STR("GET /now HTTP/1.1\r\nHost: h\r\n\r\n"));
    client_expect(&idle, "/now");
    client_send(&running, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(1);
    http_server_drain(scene.server);
    http_server_drain(scene.server);
    client_expect(&idle, NULL);
    assert_int_equal(http_server_exchanges(scene.server), 1);
    struct str const body = STR("done");
    http_reply(scene.kept[0], &ok, &body, 1);
    client_expect(&running, NULL);
    assert_true(client_has(&running, "Connection: close\r\n\r\ndone"));
    client_close(&idle);
    client_close(&running);
}

static void freeing_the_server_cuts_what_is_left(void **state)
{
    (void)state;
    struct client watched = client_open(), unwatched = client_open(), idle = client_open();
    client_send(&watched, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    client_send(&unwatched, STR("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    client_send(&idle, STR("GET /now HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_kept(2);
    http_watch(scene.kept[1], NULL, NULL);
    client_expect(&idle, "/now");
    http_server_free(scene.server);
    scene.server = NULL;
    assert_int_equal(scene.gone, 1);
    client_expect(&watched, NULL);
    client_expect(&idle, NULL);
    struct str const body = STR("too late");
    http_reply(scene.kept[1], &ok, &body, 1);
    http_abort(scene.kept[0]); /* the last one frees the server */
    client_close(&watched);
    client_close(&unwatched);
    client_close(&idle);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(replies_without_a_body),
        T(http_1_0_closes_unless_asked_not_to),
        T(streams_are_chunked_for_1_1_and_end_by_closing_for_1_0),
        T(a_flushed_head_goes_out_alone),
        T(an_aborted_reply_never_looks_whole),
        T(a_client_that_is_cut_off_is_told_to_the_watcher),
        T(a_client_that_leaves_a_stream_is_noticed_by_the_writes),
        T(an_unwatched_exchange_outlives_its_client),
        T(a_slow_reader_is_seen_in_the_queue_and_drains),
        T(a_long_last_reply_reaches_a_slow_reader_before_the_close),
        T(draining_lets_the_running_end_and_closes_the_idle),
        T(freeing_the_server_cuts_what_is_left),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
