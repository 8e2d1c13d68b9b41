/* test_events_ring.c - the ring of events: numbers, bounds, commit and rollback, ids. */
#include "admin/events_ring.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char stream[] = "0123456789abcdef";

static enum err add(struct event_ring *ring, struct str data)
{
    struct told_event const event = {.topic = TOPIC_CONFIG_CHANGED, .customer_id = STR("acme")};
    return event_ring_add(ring, &event, data);
}

static void add_many(struct event_ring *ring, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(add(ring, STR("{}")), ERR_OK);
}

static void assert_str(struct str got, const char *wanted)
{
    if (!str_eq(got, str_of(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got), wanted);
}

static void test_frame(void **state)
{
    (void)state;
    struct event_ring *ring = event_ring_new(stream, 4, 4096);
    assert_int_equal(add(ring, STR("{\"a\":1}")), ERR_OK);
    event_ring_commit(ring);
    const struct told_event *event = event_ring_at(ring, 1);
    assert_str(event->frame, "id: 0123456789abcdef-1\nevent: config.changed\ndata: {\"a\":1}\n\n");
    assert_str(event->customer_id, "acme");
    assert_int_equal(event->number, 1);
    event_ring_free(ring);
}

/* What is kept after so many events: begun, committed, and what became of the rest. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t count_max, bytes_max;
        int committed, open;
        enum { OPEN, COMMIT, ROLLBACK } end;
        uint64_t first, last;
    } rows[] = {
        {"nothing yet", 4, 4096, 0, 0, COMMIT, 1, 0},
        {"fewer than fit", 4, 4096, 3, 0, COMMIT, 1, 3},
        {"the oldest make room", 4, 4096, 10, 0, COMMIT, 7, 10},
        {"what is open does not count", 4, 4096, 2, 1, OPEN, 1, 2},
        {"what is committed counts", 4, 4096, 2, 1, COMMIT, 1, 3},
        {"what is rolled back was never there", 4, 4096, 2, 2, ROLLBACK, 1, 2},
        {"but it may have taken the place of others", 4, 4096, 4, 2, ROLLBACK, 3, 4},
        {"or of all of them", 4, 4096, 4, 9, ROLLBACK, 10, 9},
        {"bytes are bounded, too", 100, 1, 5, 0, COMMIT, 5, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct event_ring *ring = event_ring_new(stream, rows[i].count_max, rows[i].bytes_max);
        add_many(ring, rows[i].committed);
        event_ring_commit(ring);
        add_many(ring, rows[i].open);
        bool const open = rows[i].end == OPEN && rows[i].open > 0;
        if (rows[i].end == COMMIT)
            event_ring_commit(ring);
        else if (rows[i].end == ROLLBACK)
            event_ring_rollback(ring);
        if (event_ring_first(ring) != rows[i].first || event_ring_last(ring) != rows[i].last ||
            event_ring_is_open(ring) != open)
            fail_msg("%s: %llu to %llu", rows[i].what, (unsigned long long)event_ring_first(ring),
                     (unsigned long long)event_ring_last(ring));
        for (uint64_t at = event_ring_first(ring); at <= event_ring_last(ring); at++)
            assert_int_equal(event_ring_at(ring, at)->number, at);
        add_many(ring, 1); /* it goes on whatever happened */
        event_ring_commit(ring);
        assert_true(event_ring_last(ring) > rows[i].last);
        event_ring_free(ring);
    }
}

static void test_memory(void **state)
{
    (void)state;
    enum { BYTES_MAX = 20000 };
    char text[EVENT_BYTES_MAX + 1] = {0};
    struct event_ring *ring = event_ring_new(stream, 1000, BYTES_MAX);
    memset(text, 'x', sizeof text);
    assert_int_equal(add(ring, str_make(text, sizeof text)), ERR_TOO_LARGE);
    assert_int_equal(event_ring_bytes(ring), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(add(ring, str_make(text, (size_t)(i * 80))), ERR_OK);
        assert_true(event_ring_bytes(ring) <= BYTES_MAX);
    }
    event_ring_rollback(ring);
    assert_int_equal(event_ring_bytes(ring), 0);
    event_ring_free(ring);
}

static void test_ids(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t number;
    } rows[] = {
        {"0123456789abcdef-1", true, 1},
        {"0123456789abcdef-0", true, 0},
        {"0123456789abcdef-9223372036854775807", true, INT64_MAX},
        {"0123456789abcdef-9223372036854775808", false, 0},
        {"0123456789abcdef-", false, 0},
        {"0123456789abcdef--1", false, 0},
        {"0123456789abcdef-1 ", false, 0},
        {"0123456789abcdef", false, 0},
        {"0123456789abcdee-1", false, 0},
        {"0123456789abcdefx1", false, 0},
        {"1", false, 0},
        {"", false, 0},
    };
    struct event_ring *ring = event_ring_new(stream, 4, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t number = 0;
        if (event_ring_parse(ring, str_of(rows[i].text), &number) != rows[i].good ||
            number != rows[i].number)
            fail_msg("\"%s\"", rows[i].text);
    }
    char text[EVENT_ID_BYTES_MAX];
    assert_str(event_ring_id(ring, UINT64_MAX, text), "0123456789abcdef-18446744073709551615");
    event_ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
