/* test_client.c - calls against a scripted provider: outcomes, deadlines, reuse, connecting. */
#include "caller.h"
#include "core/address.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_TEXT OK_HEAD "content-length: 5\r\n\r\nhello"

enum { SHORT_MS = 120 };

/* --- what the provider does ------------------------------------------------------------------ */

static void serve_well(struct wire *wire)
{
    while (wire_read_request(wire) && wire_say(wire, OK_TEXT))
        ;
}

static void serve_reset(struct wire *wire)
{
    if (wire_read_request(wire))
        wire_reset(wire);
}

static void serve_close(struct wire *wire)
{
    (void)wire_read_request(wire);
}

static void serve_nothing(struct wire *wire)
{
    (void)wire_read_request(wire);
    wire_await_close(wire);
}

/* One byte at a time, for ever; each read is fresh, the head never ends. */
static void serve_slow_head(struct wire *wire)
{
    if (!wire_read_request(wire) || !wire_say(wire, "HTTP/1.1 200 OK\r\nx: "))
        return;
    while (wire_say(wire, "a"))
        usleep(5000);
}

static void serve_stalled_body(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_HEAD "content-length: 9\r\n\r\nhello"))
        wire_await_close(wire);
}

static void serve_trickle(struct wire *wire)
{
    if (!wire_read_request(wire) || !wire_say(wire, OK_HEAD "transfer-encoding: chunked\r\n\r\n"))
        return;
    while (wire_say(wire, "1\r\na\r\n"))
        usleep(5000);
}

static void serve_cut_body(struct wire *wire)
{
    if (wire_read_request(wire))
        (void)wire_say(wire, OK_HEAD "content-length: 9\r\n\r\nhello");
}

static void serve_old(struct wire *wire)
{
    if (wire_read_request(wire))
        (void)wire_say(wire, "HTTP/1.0 200 OK\r\n\r\nhello");
}

static void serve_twice(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_TEXT OK_TEXT))
        wire_await_close(wire);
}

static void serve_last(struct wire *wire)
{
    if (wire_read_request(wire) &&
        wire_say(wire, OK_HEAD "connection: close\r\ncontent-length: 5\r\n\r\nhello"))
        wire_await_close(wire);
}

static void serve_garbage(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, "SSH-2.0-x\r\n"))
        wire_await_close(wire);
}

static void serve_huge(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_HEAD "content-length: 99999999999\r\n\r\n"))
        wire_await_close(wire);
}

static void serve_interim(struct wire *wire)
{
    while (wire_read_request(wire) &&
           wire_say(wire, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nlink: x\r\n\r\n" OK_TEXT))
        ;
}

struct row {
    const char *what;
    void (*serve)(struct wire *wire);
    struct upstream_timeouts timeouts; /* 0: far away */
    bool fails;
    enum upstream_fail why;
    int heads;
    const char *body;
    int idle; /* connections afterwards */
};

static const struct row rows[] = {
    {"a good answer", serve_well, {0}, false, 0, 1, "hello", 1},
    {"interim answers are swallowed", serve_interim, {0}, false, 0, 1, "hello", 1},
    {"HTTP/1.0 to the end", serve_old, {0}, false, 0, 1, "hello", 0},
    {"the provider closes after the answer", serve_last, {0}, false, 0, 1, "hello", 0},
    {"two answers: the second goes with the connection", serve_twice, {0}, false, 0, 1, "hello", 0},
    {"reset before the head", serve_reset, {0}, true, UPSTREAM_FAIL_RESET, 0, "", 0},
    {"closed before the head", serve_close, {0}, true, UPSTREAM_FAIL_RESET, 0, "", 0},
    {"closed inside the body", serve_cut_body, {0}, true, UPSTREAM_FAIL_RESET, 1, "hello", 0},
    {"no answer",
     serve_nothing,
     {.first_byte_ms = SHORT_MS},
     true,
     UPSTREAM_FAIL_FIRST_BYTE,
     0,
     "",
     0},
    {"a head byte by byte",
     serve_slow_head,
     {.first_byte_ms = SHORT_MS},
     true,
     UPSTREAM_FAIL_FIRST_BYTE,
     0,
     "",
     0},
    {"the body stops",
     serve_stalled_body,
     {.idle_ms = SHORT_MS},
     true,
     UPSTREAM_FAIL_IDLE,
     1,
     "hello",
     0},
    {"a body that never ends",
     serve_trickle,
     {.total_ms = SHORT_MS},
     true,
     UPSTREAM_FAIL_TOTAL,
     1,
     NULL,
     0},
    {"no answer at all, and the total is shorter",
     serve_nothing,
     {.total_ms = SHORT_MS},
     true,
     UPSTREAM_FAIL_TOTAL,
     0,
     "",
     0},
    {"not HTTP", serve_garbage, {0}, true, UPSTREAM_FAIL_INVALID, 0, "", 0},
    {"a length past all bounds", serve_huge, {0}, true, UPSTREAM_FAIL_TOO_LARGE, 1, "", 0},
};

static void check_row(const struct row *row, const struct caller *caller)
{
    if (caller->fails != row->fails || caller->dones == row->fails || caller->heads != row->heads ||
        (row->fails && caller->why != row->why))
        fail_msg("%s: fails %d (%s: %s), heads %d", row->what, caller->fails,
                 upstream_fail_name(caller->why), caller->detail, caller->heads);
    if (row->body && !str_eq(buf_view(&caller->body), str_of(row->body)))
        fail_msg("%s: body \"%.*s\"", row->what, (int)caller->body.len, caller->body.ptr);
    struct upstream_figures const figures = caller_figures(caller);
    assert_int_equal(caller->dispatches, 1);
    assert_int_equal(figures.failures, row->fails);
    assert_int_equal(figures.connects, 1);
    if (figures.idle_connections != row->idle)
        fail_msg("%s: %d idle connections", row->what, (int)figures.idle_connections);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct script script;
        struct caller caller;
        script_start(&script, rows[i].serve, NULL);
        caller_open(&caller, script.port);
        struct upstream_timeouts *timeouts = &caller.target.timeouts;
        if (rows[i].timeouts.first_byte_ms > 0)
            timeouts->first_byte_ms = rows[i].timeouts.first_byte_ms;
        if (rows[i].timeouts.idle_ms > 0)
            timeouts->idle_ms = rows[i].timeouts.idle_ms;
        if (rows[i].timeouts.total_ms > 0)
            timeouts->total_ms = rows[i].timeouts.total_ms;
        caller_run(&caller);
        check_row(&rows[i], &caller);
        caller_close(&caller);
        script_stop(&script);
        assert_int_equal(atomic_load(&script.connections), 1);
    }
}

/* --- sending and reuse ----------------------------------------------------------------------- */

static void serve_one(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_TEXT))
        wire_await_close(wire);
}

static void test_request_bytes(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_one, NULL);
    caller_open(&caller, script.port);
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    caller_close(&caller);
    script_join(&script);
    assert_true(str_eq(buf_view(&script.request),
                       STR("POST /v1/x?y HTTP/1.1\r\nhost: api.example:8080\r\n"
                           "authorization: Bearer k\r\ncontent-length: 7\r\n\r\n{\"a\":1}")));
    script_stop(&script);
}

static void test_get_has_no_body(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_one, NULL);
    caller_open(&caller, script.port);
    caller.request.is_get = true;
    caller.request.part_count = 0;
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    caller_close(&caller);
    script_join(&script);
    assert_true(
        str_eq(buf_view(&script.request), STR("GET /v1/x?y HTTP/1.1\r\nhost: api.example:8080\r\n"
                                              "authorization: Bearer k\r\n\r\n")));
    script_stop(&script);
}

/* Another rule for addresses is another connection: an idle one was made under the old rule. */
static void test_refused_addresses(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_well, NULL);
    caller_open(&caller, script.port);
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    caller.target.addresses_refused = ADDRESS_INSIDE;
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_CONNECT);
    assert_int_equal(caller.dispatches, 0);
    caller.target.addresses_refused = 0;
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    assert_int_equal(caller_figures(&caller).reuses, 1);
    caller_close(&caller);
    script_stop(&script);
}

static void test_reuse(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_well, NULL);
    caller_open(&caller, script.port);
    for (int i = 0; i < 5; i++) {
        caller_run(&caller);
        assert_int_equal(caller.dones, 1);
        assert_true(str_eq(buf_view(&caller.body), STR("hello")));
    }
    struct upstream_figures const figures = caller_figures(&caller);
    assert_int_equal(figures.calls, 5);
    assert_int_equal(figures.connects, 1);
    assert_int_equal(figures.reuses, 4);
    assert_int_equal(figures.idle_connections, 1);

    /* another provider at the same address shares nothing */
    caller.target.name = STR("q");
    caller_start(&caller);
    assert_int_equal(caller_figures(&caller).connects, 2);
    assert_int_equal(caller_figures(&caller).reuses, 4);
    upstream_cancel(caller.call);
    caller_close(&caller);
    script_stop(&script);
}

static void test_second_call_after_two_answers(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_twice, NULL);
    caller_open(&caller, script.port);
    for (int i = 0; i < 3; i++) {
        caller_run(&caller);
        assert_true(str_eq(buf_view(&caller.body), STR("hello")));
    }
    assert_int_equal(caller_figures(&caller).connects, 3);
    caller_close(&caller);
    script_stop(&script);
}

/* Answers once, then goes away when told: by reset the first time, by FIN in the other function. */
static void serve_then_reset(struct wire *wire)
{
    if (wire->index > 0) {
        serve_well(wire);
    } else if (wire_read_request(wire) && wire_say(wire, OK_TEXT)) {
        wire_await_go(wire);
        wire_reset(wire);
    }
}

static void serve_then_close(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_TEXT))
        wire_await_go(wire);
}

/* The connection is gone, and the loop, which does not run, cannot know. */
static void let_it_go(struct script *script)
{
    atomic_store(&script->go, 1);
    while (atomic_load(&script->ended) < 1)
        usleep(1000);
    usleep(20000); /* loopback delivers at once; this is room for a busy machine */
}

/* Nothing could be sent on the dead connection: a fresh one may try. */
static void test_dead_connection_before_a_byte(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_then_reset, NULL);
    caller_open(&caller, script.port);
    caller_run(&caller);
    assert_int_equal(caller_figures(&caller).idle_connections, 1);
    let_it_go(&script);
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    assert_int_equal(caller.dispatches, 1);
    assert_int_equal(caller_figures(&caller).reuses, 1);
    assert_int_equal(caller_figures(&caller).connects, 2);
    caller_close(&caller);
    script_stop(&script);
}

/* The kernel took the bytes: nobody knows what the provider did with them, so no second try. */
static void test_dead_connection_after_a_byte(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_then_close, NULL);
    caller_open(&caller, script.port);
    caller_run(&caller);
    assert_int_equal(caller_figures(&caller).idle_connections, 1);
    let_it_go(&script);
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_RESET);
    assert_int_equal(caller.dispatches, 1);
    assert_int_equal(caller_figures(&caller).connects, 1);
    caller_close(&caller);
    script_stop(&script);
}

static void serve_and_leave(struct wire *wire)
{
    if (wire_read_request(wire))
        (void)wire_say(wire, OK_TEXT);
}

static void serve_late_noise(struct wire *wire)
{
    if (wire_read_request(wire) && wire_say(wire, OK_TEXT)) {
        usleep(30000);
        (void)wire_say(wire, OK_TEXT);
        wire_await_close(wire);
    }
}

/* An idle connection that says something, or ends, is of no more use. */
static void test_idle_connection_goes(void **state)
{
    void (*const serves[])(struct wire *) = {serve_late_noise, serve_and_leave};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct script script;
        struct caller caller;
        script_start(&script, serves[i], NULL);
        caller_open(&caller, script.port);
        caller_run(&caller);
        assert_int_equal(caller.dones, 1);
        caller_await_idle(&caller, 0);
        caller_run(&caller);
        assert_int_equal(caller.dones, 1);
        assert_int_equal(caller_figures(&caller).connects, 2);
        caller_close(&caller);
        script_stop(&script);
    }
}

static void serve_too_large(struct wire *wire)
{
    char byte;
    if (wire_receive(wire, &byte, 1) == 1 &&
        wire_say(wire, "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"))
        usleep(200000);
}

/* Answered before it was sent: what is left of the request must not meet the next call. */
static void test_early_answer(void **state)
{
    static char large[16 << 20];
    struct script script;
    struct caller caller;
    (void)state;
    memset(large, ' ', sizeof large);
    script_start(&script, serve_too_large, NULL);
    caller_open(&caller, script.port);
    caller.request.parts[1] = str_make(large, sizeof large);
    caller_run(&caller);
    assert_int_equal(caller.dones, 1);
    assert_int_equal(caller.status, 413);
    assert_int_equal(caller_figures(&caller).idle_connections, 0);
    caller_close(&caller);
    script_stop(&script);
}

/* --- connecting ------------------------------------------------------------------------------ */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int const descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

static void test_refused(void **state)
{
    struct caller caller;
    (void)state;
    caller_open(&caller, free_port());
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_CONNECT);
    assert_int_equal(caller.dispatches, 0);
    caller_close(&caller);
}

/* A listener whose queue is full drops what comes: nobody answers the knock. */
static void test_connect_timeout(void **state)
{
    enum { KNOCKS = 8 };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int knocks[KNOCKS];
    struct caller caller;
    (void)state;
    int const listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < KNOCKS; i++) {
        knocks[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(knocks[i], (struct sockaddr *)&address, sizeof address);
    }
    caller_open(&caller, ntohs(address.sin_port));
    caller.target.timeouts.connect_ms = SHORT_MS;
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_CONNECT_TIMEOUT);
    assert_int_equal(caller.dispatches, 0);
    caller_close(&caller);
    for (int i = 0; i < KNOCKS; i++)
        close(knocks[i]);
    close(listener);
}

static void test_no_memory(void **state)
{
    struct caller caller;
    (void)state;
    caller_open(&caller, 1);
    struct arena *small = arena_new(64);
    assert_null(upstream_call(caller.client, &caller.target, &caller.request, small,
                              &caller_handler, &caller));
    arena_free(small);
    caller_close(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_request_bytes),
        cmocka_unit_test(test_get_has_no_body),
        cmocka_unit_test(test_refused_addresses),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_second_call_after_two_answers),
        cmocka_unit_test(test_dead_connection_before_a_byte),
        cmocka_unit_test(test_dead_connection_after_a_byte),
        cmocka_unit_test(test_idle_connection_goes),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
