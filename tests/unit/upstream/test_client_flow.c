/* test_client_flow.c - calls that are paused, resumed, long, compressed, or cancelled halfway. */
#include "caller.h"
#include <zlib.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_TEXT OK_HEAD "content-length: 5\r\n\r\nhello"

enum { SHORT_MS = 120, LONG_BODY_BYTES = 48 << 20 };

static void serve_well(struct wire *wire)
{
    while (wire_read_request(wire) && wire_say(wire, OK_TEXT))
        ;
}

static void serve_nothing(struct wire *wire)
{
    (void)wire_read_request(wire);
    wire_await_close(wire);
}

static void serve_long(struct wire *wire)
{
    static char piece[1 << 16];
    char head[128];
    memset(piece, 'z', sizeof piece);
    snprintf(head, sizeof head, OK_HEAD "content-length: %d\r\n\r\n", LONG_BODY_BYTES);
    if (!wire_read_request(wire) || !wire_say(wire, head))
        return;
    for (size_t sent = 0; sent < LONG_BODY_BYTES; sent += sizeof piece)
        if (!wire_send(wire, str_make(piece, sizeof piece)))
            return;
    wire_await_close(wire);
}

static void test_pause_stops_reading(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    for (enum stage at = STAGE_HEAD; at <= STAGE_BODY; at++) {
        script_start(&script, serve_long, NULL);
        caller_open(&caller, script.port);
        caller.pause_at = at;
        caller.target.timeouts.idle_ms = SHORT_MS; /* stands still while paused */
        caller_start(&caller);
        while (caller.heads == 0 || (at == STAGE_BODY && caller.bodies == 0))
            caller_idle(&caller, CALLER_TICK_MS);
        int const bodies = caller.bodies;
        caller_idle(&caller, 3 * SHORT_MS);
        assert_false(caller.ended);
        assert_int_equal(caller.bodies, bodies);
        assert_true(atomic_load(&script.sent) < LONG_BODY_BYTES);
        caller.target.timeouts.idle_ms = 20000;
        upstream_resume(caller.call);
        assert_int_equal(caller.bodies, bodies); /* never out of resume itself */
        caller_wait(&caller);
        assert_int_equal(caller.dones, 1);
        assert_int_equal(caller.body.len, LONG_BODY_BYTES);
        assert_int_equal(caller_figures(&caller).idle_connections, 1);
        caller_close(&caller);
        script_stop(&script);
    }
}

/* The total deadline does not stand still. */
static void test_total_while_paused(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_long, NULL);
    caller_open(&caller, script.port);
    caller.pause_at = STAGE_BODY;
    caller.target.timeouts.total_ms = 2 * SHORT_MS;
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_TOTAL);
    caller_close(&caller);
    script_stop(&script);
}

enum { UNZIPPED_BYTES = 4 << 20 };

static void serve_gzip(struct wire *wire)
{
    static char plain[UNZIPPED_BYTES], packed[1 << 20];
    z_stream stream = {0};
    char head[128];
    if (deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    stream.next_in = (Bytef *)plain;
    stream.avail_in = sizeof plain;
    stream.next_out = (Bytef *)packed;
    stream.avail_out = sizeof packed;
    (void)deflate(&stream, Z_FINISH);
    size_t const len = sizeof packed - stream.avail_out;
    deflateEnd(&stream);
    snprintf(head, sizeof head, OK_HEAD "content-encoding: gzip\r\ncontent-length: %zu\r\n\r\n",
             len);
    while (wire_read_request(wire) && wire_say(wire, head) &&
           wire_send(wire, str_make(packed, len)))
        ;
}

/* 4 MiB out of 4 KiB in one read: a pause holds back what was read, and nothing is lost. */
static void test_gzip(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_gzip, NULL);
    caller_open(&caller, script.port);
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    assert_int_equal(caller.body.len, UNZIPPED_BYTES);

    caller.pause_at = STAGE_BODY;
    caller_start(&caller);
    int rounds = 0;
    while (!caller.ended) {
        size_t const before = caller.body.len;
        caller_idle(&caller, CALLER_TICK_MS);
        /* one step of the inflater between two looks at the pause */
        assert_true(caller.body.len - before <= 1100 * UPSTREAM_INFLATE_STEP_BYTES);
        if (caller.ended)
            break;
        rounds++;
        caller.pause_at = STAGE_BODY;
        if (caller.bodies > 0)
            upstream_resume(caller.call);
        assert_true(rounds < 1000);
    }
    assert_int_equal(caller.dones, 1);
    assert_int_equal(caller.body.len, UNZIPPED_BYTES);
    assert_true(rounds > 1);
    assert_int_equal(caller_figures(&caller).connects, 1);
    assert_int_equal(caller_figures(&caller).idle_connections, 1);
    caller_close(&caller);
    script_stop(&script);
}

static void serve_more_than_plain(struct wire *wire)
{
    static char piece[1 << 20];
    if (!wire_read_request(wire) || !wire_say(wire, "HTTP/1.0 200 OK\r\n\r\n"))
        return;
    for (int i = 0; i <= UPSTREAM_ANSWER_BYTES_MAX >> 20; i++)
        if (!wire_send(wire, str_make(piece, sizeof piece)))
            return;
}

static void test_streams_may_be_longer(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct script script;
        struct caller caller;
        script_start(&script, serve_more_than_plain, NULL);
        caller_open(&caller, script.port);
        caller.stream = stream;
        caller_run(&caller);
        assert_int_equal(caller.dones, stream);
        if (!stream)
            assert_int_equal(caller.why, UPSTREAM_FAIL_TOO_LARGE);
        caller_close(&caller);
        script_stop(&script);
    }
}

/* At every stage: no callback afterwards, the connection goes, the next call is served well. */
static void test_cancel(void **state)
{
    (void)state;
    for (enum stage at = STAGE_NONE; at <= STAGE_BODY; at++) {
        struct script script;
        struct caller caller;
        script_start(&script, serve_well, NULL);
        caller_open(&caller, script.port);
        caller.cancel_at = at;
        caller_start(&caller);
        if (at == STAGE_NONE) { /* while connecting */
            upstream_cancel(caller.call);
            caller_end(&caller);
        }
        caller_wait(&caller);
        arena_reset(caller.arena); /* the call's memory may go at once */
        caller_idle(&caller, 3 * CALLER_TICK_MS);
        assert_int_equal(caller.dones + caller.fails + caller.after_end, 0);
        assert_int_equal(caller.heads, at >= STAGE_HEAD);
        assert_int_equal(caller_figures(&caller).idle_connections, 0);
        caller.cancel_at = STAGE_NONE;
        caller_run(&caller);
        assert_int_equal(caller.dones, 1);
        /* … and on the pooled connection */
        caller.cancel_at = at == STAGE_NONE ? STAGE_DISPATCH : at;
        caller_start(&caller);
        if (!caller.ended)
            caller_wait(&caller);
        assert_int_equal(caller.dones + caller.fails, 0);
        assert_int_equal(caller_figures(&caller).idle_connections, 0);
        caller_close(&caller);
        script_stop(&script);
    }
}

static void test_cancel_while_waiting(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_nothing, NULL);
    caller_open(&caller, script.port);
    caller_start(&caller);
    while (caller.dispatches == 0)
        caller_idle(&caller, CALLER_TICK_MS);
    upstream_cancel(caller.call);
    caller_end(&caller);
    caller_idle(&caller, 2 * CALLER_TICK_MS);
    assert_int_equal(caller.dones + caller.fails, 0);
    caller_close(&caller);
    script_stop(&script); /* comes back only because the provider saw the connection end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause_stops_reading),
        cmocka_unit_test(test_total_while_paused),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_streams_may_be_longer),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
