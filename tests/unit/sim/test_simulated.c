/* test_simulated.c - the built-in provider keeps the contract of upstream/client.h. */
#include "base/arena.h"
#include "net/loop.h"
#include "sim_test.h"
#include "upstream/call_int.h"
#include "upstream/simulated.h"
#include <stdio.h>

/* What an owner may do in its callbacks. */
enum act { ACT_NOTHING, ACT_REFUSE, ACT_CANCEL_IN_HEAD, ACT_CANCEL_IN_BODY, ACT_PAUSE_IN_BODY };

struct run {
    struct loop *loop;
    struct upstream_call *call;
    struct buf body;
    enum act act;
    int dispatched, heads, bodies, done, failed, after; /* after: callbacks past the end */
    int status;
    bool ended, unsuitable; /* unsuitable: a header that decoding made wrong */
    enum upstream_fail why;
    uv_timer_t later;
};

static void finish(struct run *run)
{
    run->after += run->ended;
    run->ended = true;
    loop_stop(run->loop);
}

static bool on_dispatch(void *owner)
{
    struct run *run = owner;
    run->dispatched++;
    if (run->act != ACT_REFUSE)
        return true;
    finish(run);
    return false;
}

static void cancel(struct run *run)
{
    upstream_cancel(run->call);
    finish(run);
}

static void on_head(void *owner, const struct upstream_head *head)
{
    struct run *run = owner;
    run->after += run->ended;
    run->heads++;
    run->status = head->status;
    for (size_t i = 0; i < head->header_count; i++)
        run->unsuitable |= str_eq(head->headers[i].name, STR("content-encoding"));
    if (run->act == ACT_CANCEL_IN_HEAD)
        cancel(run);
}

static void on_later(uv_timer_t *timer)
{
    struct run *run = timer->data;
    assert_int_equal(run->bodies, 1); /* nothing came while it was paused */
    run->act = ACT_NOTHING;
    uv_close((uv_handle_t *)timer, NULL);
    upstream_resume(run->call);
}

static void on_body(void *owner, struct str bytes)
{
    struct run *run = owner;
    run->after += run->ended;
    run->bodies++;
    assert_int_equal(run->heads, 1);
    assert_true(bytes.len > 0);
    if (run->body.len < (1 << 20))
        assert_int_equal(buf_add(&run->body, bytes), ERR_OK);
    if (run->act == ACT_CANCEL_IN_BODY && run->bodies == 3)
        cancel(run);
    if (run->act == ACT_PAUSE_IN_BODY) {
        upstream_pause(run->call);
        run->later.data = run;
        uv_timer_init(loop_uv(run->loop), &run->later);
        uv_timer_start(&run->later, on_later, 60, 0);
    }
}

static void on_done(void *owner)
{
    struct run *run = owner;
    run->done++;
    finish(run);
}

static void on_fail(void *owner, enum upstream_fail why, const char *detail)
{
    struct run *run = owner;
    run->failed++;
    run->why = why;
    assert_non_null(detail);
    finish(run);
}

static const struct upstream_handler handler = {on_dispatch, on_head, on_body, on_done, on_fail};

struct wish {
    const char *fault, *model;
    bool stream;
    enum act act;
    struct upstream_timeouts timeouts;
};

/* Runs one call to its end, and the loop until everything is closed. */
static void play(const struct wish *wish, struct run *run)
{
    char headers[256], body[512];
    struct arena *arena = arena_new(1 << 20);
    *run = (struct run){.act = wish->act, .loop = loop_new()};
    buf_init(&run->body, 2 << 20);
    snprintf(headers, sizeof headers,
             "authorization: Bearer x\r\nx-sim-fault: %s\r\nX-Sim-Latency-Ms: 1\r\n"
             "x-sim-tokens-per-second: 0\r\n",
             wish->fault ? wish->fault : "");
    snprintf(body, sizeof body, "el\":\"%s\",\"stream\":%s,\"messages\":[{\"content\":\"Hi\"}]}",
             wish->model ? wish->model : "sim-fast:output=8", wish->stream ? "true" : "false");
    struct upstream_target const target = {
        .name = STR("sim"), .simulated = true, .timeouts = wish->timeouts};
    struct upstream_request const request = {
        .path = STR("/v1/chat/completions"),
        .headers = str_of(headers),
        .part_count = 3, /* the body comes in pieces */
        .parts = {STR("{\"mod"), STR(""), str_of(body)},
    };
    run->call = simulated_call(NULL, run->loop, &target, &request, arena, &handler, run);
    assert_non_null(run->call);
    assert_int_equal(run->heads + run->bodies + run->done + run->failed, 0); /* later, not now */
    memset(headers, '!', sizeof headers); /* it must not borrow from us */
    memset(body, '!', sizeof body);
    arena_free(arena);
    loop_run(run->loop);
    loop_free(run->loop);
    assert_int_equal(run->after, 0);
}

static struct upstream_timeouts const patient = {1000, 10000, 10000, 10000};

static void plain_and_stream_are_delivered(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct run run;
        struct buf expected;
        char body[512];
        play(&(struct wish){.stream = stream, .timeouts = patient}, &run);
        snprintf(
            body, sizeof body,
            "{\"model\":\"sim-fast:output=8\",\"stream\":%s,\"messages\":[{\"content\":\"Hi\"}]}",
            stream ? "true" : "false");
        struct answer a = answer_make("/v1/chat/completions", body, NULL, 1, 1);
        answer_body(&a.plan, &expected);
        assert_int_equal(run.dispatched, 1);
        assert_int_equal(run.status, 200);
        assert_int_equal(run.done, 1);
        assert_int_equal(run.failed, 0);
        assert_true(str_eq(buf_view(&run.body), buf_view(&expected)));
        buf_free(&expected);
        buf_free(&run.body);
        answer_free(&a);
    }
}

static void faults_end_as_the_network_would(void **state)
{
    (void)state;
    static struct upstream_timeouts const hasty = {1000, 80, 80, 5000};
    static struct upstream_timeouts const short_total = {1000, 5000, 5000, 300};
    static const struct {
        const char *fault;
        bool stream;
        const struct upstream_timeouts *timeouts;
        int dispatched, heads, bodies; /* bodies -1: any */
        bool done;
        enum upstream_fail why; /* when not done */
    } rows[] = {
        {"refuse", false, &patient, 0, 0, 0, false, UPSTREAM_FAIL_CONNECT},
        {"reset", true, &patient, 1, 0, 0, false, UPSTREAM_FAIL_RESET},
        {"stall", false, &hasty, 1, 0, 0, false, UPSTREAM_FAIL_FIRST_BYTE},
        {"stall", false, &short_total, 1, 0, 0, false, UPSTREAM_FAIL_TOTAL},
        {"slow-head", false, &hasty, 1, 0, 0, false, UPSTREAM_FAIL_FIRST_BYTE},
        {"huge-head", false, &patient, 1, 0, 0, false, UPSTREAM_FAIL_TOO_LARGE},
        {"two-lengths", true, &patient, 1, 0, 0, false, UPSTREAM_FAIL_INVALID},
        {"nothing-after-head", true, &hasty, 1, 1, 0, false, UPSTREAM_FAIL_IDLE},
        {"stall-mid-stream=2", true, &hasty, 1, 1, 2, false, UPSTREAM_FAIL_IDLE},
        {"stall-mid-stream=2", true, &short_total, 1, 1, 2, false, UPSTREAM_FAIL_TOTAL},
        {"reset-mid-stream=3", true, &patient, 1, 1, 3, false, UPSTREAM_FAIL_RESET},
        {"reset-mid-stream", false, &patient, 1, 1, 1, false, UPSTREAM_FAIL_RESET},
        {"cut-mid-stream=0", true, &patient, 1, 1, 0, false, UPSTREAM_FAIL_RESET},
        {"truncated-chunk=1", true, &patient, 1, 1, 1, false, UPSTREAM_FAIL_RESET},
        {"bad-chunk=1", true, &patient, 1, 1, 1, false, UPSTREAM_FAIL_INVALID},
        {"length-too-long", false, &patient, 1, 1, 1, false, UPSTREAM_FAIL_RESET},
        {"length-too-short", false, &patient, 1, 1, 1, true, 0},
        {"endless-stream", false, &patient, 1, 1, -1, false, UPSTREAM_FAIL_TOO_LARGE},
        {"endless-line", true, &patient, 1, 1, -1, false, UPSTREAM_FAIL_TOO_LARGE},
        {"500", true, &patient, 1, 1, 1, true, 0},
        {"twice", false, &patient, 1, 1, 1, true, 0},
        {"http10", true, &patient, 1, 1, 11, true, 0},
        {"gzip", true, &patient, 1, 1, 11, true, 0},
        {"one-byte", false, &patient, 1, 1, -1, true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run run;
        play(&(struct wish){.fault = rows[i].fault,
                            .stream = rows[i].stream,
                            .timeouts = *rows[i].timeouts},
             &run);
        if (run.dispatched != rows[i].dispatched || run.heads != rows[i].heads ||
            (rows[i].bodies >= 0 && run.bodies != rows[i].bodies) || run.done != rows[i].done ||
            run.failed == run.done || (run.failed && run.why != rows[i].why))
            fail_msg("%s: dispatched %d heads %d bodies %d done %d why %d", rows[i].fault,
                     run.dispatched, run.heads, run.bodies, run.done, (int)run.why);
        assert_false(run.unsuitable);
        buf_free(&run.body);
    }
}

static void one_byte_is_one_byte(void **state)
{
    (void)state;
    struct run run;
    play(&(struct wish){.fault = "one-byte", .timeouts = patient}, &run);
    assert_int_equal(run.bodies, run.body.len);
    buf_free(&run.body);
}

static void nothing_follows_a_cancel(void **state)
{
    (void)state;
    static const struct {
        enum act act;
        int heads, bodies;
    } rows[] = {{ACT_REFUSE, 0, 0}, {ACT_CANCEL_IN_HEAD, 1, 0}, {ACT_CANCEL_IN_BODY, 1, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run run;
        play(&(struct wish){.act = rows[i].act, .stream = true, .timeouts = patient}, &run);
        assert_int_equal(run.dispatched, 1);
        assert_int_equal(run.heads, rows[i].heads);
        assert_int_equal(run.bodies, rows[i].bodies);
        assert_int_equal(run.done + run.failed, 0);
        buf_free(&run.body);
    }
}

/* Paused for longer than the idle deadline: it stands still, and the stream goes on afterwards. */
static void a_pause_holds_the_pieces(void **state)
{
    (void)state;
    struct run run;
    play(&(struct wish){.act = ACT_PAUSE_IN_BODY,
                        .stream = true,
                        .timeouts = {1000, 5000, 30, 5000}},
         &run);
    assert_int_equal(run.done, 1);
    assert_int_equal(run.bodies, 11);
    buf_free(&run.body);
}

static void the_seed_can_be_set(void **state)
{
    (void)state;
    struct run first, second;
    play(&(struct wish){.timeouts = patient}, &first);
    simulated_seed_set(99);
    play(&(struct wish){.timeouts = patient}, &second);
    simulated_seed_set(1);
    assert_false(str_eq(buf_view(&first.body), buf_view(&second.body)));
    buf_free(&first.body);
    buf_free(&second.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_stream_are_delivered),
        cmocka_unit_test(faults_end_as_the_network_would),
        cmocka_unit_test(one_byte_is_one_byte),
        cmocka_unit_test(nothing_follows_a_cancel),
        cmocka_unit_test(a_pause_holds_the_pieces),
        cmocka_unit_test(the_seed_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
