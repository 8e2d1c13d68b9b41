/* test_record_lines.c - lines of windows that cannot be, and the names of counters in the database.
 */
#include "base/must.h"
#include "book/record_int.h"
#include "core/gcra.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* --- hostile lines ------------------------------------------------------------------------- */
static struct record_window_line const good_line = {.counter = 0x1122334455667788,
                                                    .kind = WINDOW_DAY,
                                                    .metric = METRIC_COST,
                                                    .role = ROLE_OVERAGE_CAP,
                                                    .start_us = 86400,
                                                    .end_us = 172800,
                                                    .amount = 5};

/* The second word, least byte first: 86400 and, above 55 bits, kind, role and metric. */
#define WHAT(kind, role, metric) ((kind) << 4 | (role) << 2 | (metric))
#define START_OF(what)                                                                             \
    {                                                                                              \
        0x80, 0x51, 1, 0, 0, 0, ((what)&1) << 7, (what) >> 1                                       \
    }

static const struct line_row {
    const char *sentence;
    size_t at; /* of the line: words of 8 bytes: counter, start and what, end, amount */
    size_t len;
    unsigned char bytes[8];
    bool good;
} line_rows[] = {
    {"as it was written", 0, 0, {0}, true},
    {"counter 0", 0, 8, {0}, false},
    {"a role that is not one", 8, 8, START_OF(WHAT(WINDOW_DAY, ROLE_COUNT, METRIC_COST)), false},
    {"the first kind, role and metric", 8, 8, START_OF(0), true},
    {"the last kind", 8, 8, START_OF(WHAT(WINDOW_KIND_COUNT - 1, 0, 0)), true},
    {"a kind after the last", 8, 8, START_OF(WHAT(WINDOW_KIND_COUNT, 0, 0)), false},
    {"every bit", 8, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"no length", 16, 8, {0x80, 0x51, 1}, false},
    {"end before the start", 16, 8, {0x7f, 0x51, 1}, false},
    {"a microsecond long", 16, 8, {0x81, 0x51, 1}, true},
    {"a negative end", 16, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"a negative amount", 24, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
};

static void lines_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static unsigned char context[RECORD_CONTEXT_BYTES_MAX], bytes[RECORD_SETTLE_BYTES_MAX];
    struct call_context const empty = {0};
    struct str const made =
        str_make((char *)context, record_context_encode(&empty, context, sizeof context));
    struct record_reserve reserve = {.customer_id = STR("acme"), .window_count = 1}, back;
    struct record_end end = {.customer_id = STR("acme"), .window_count = 1}, end_back;
    price_init(&reserve.price);
    reserve.windows[0] = end.windows[0] = good_line;
    for (size_t i = 0; i < 2 * sizeof line_rows / sizeof line_rows[0]; i++) {
        const struct line_row *row = &line_rows[i / 2];
        size_t const len = i % 2 ? record_end_encode(RECORD_SETTLE, &end, made, bytes, sizeof bytes)
                                 : record_reserve_encode(&reserve, made, bytes, sizeof bytes);
        struct str const payload = str_make((char *)bytes, len);
        static const unsigned char counter[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
        size_t const line = str_find(payload, str_make((const char *)counter, sizeof counter));
        assert_true(line < len);
        memcpy(bytes + line + row->at, row->bytes, row->len);
        print_message("  %s\n", row->sentence);
        assert_int_equal(i % 2 ? record_end_decode(RECORD_SETTLE, payload, &end_back)
                               : record_reserve_decode(payload, &back),
                         row->good);
    }
}

/* --- counters ------------------------------------------------------------------------------ */
static void counter_names_come_back(void **state)
{
    (void)state;
    char name[RECORD_COUNTER_NAME_BYTES_MAX];
    struct record_counter counter;
    for (unsigned i = 0; i < LIMITER_COUNT; i++) {
        struct ulid const key = {5, 6};
        size_t const len = record_limiter_name((enum record_limiter)i, key, name);
        assert_true(record_counter_parse(str_make(name, len), &counter));
        assert_int_equal(counter.kind, COUNTER_LIMITER);
        assert_int_equal(counter.limiter, i);
        if (i == LIMITER_KEY_REQUESTS || i == LIMITER_KEY_TOKENS)
            assert_true(ulid_eq(counter.key, key));
    }
    for (unsigned i = 0; i < TOTAL_COUNT; i++) {
        size_t const len = record_total_name((enum record_total)i, name);
        assert_true(record_counter_parse(str_make(name, len), &counter));
        assert_int_equal(counter.kind, COUNTER_TOTAL);
        assert_int_equal(counter.total, i);
    }
    assert_int_equal(record_limiter_until_us((int64_t)5 << GCRA_SHIFT), 6);
}

static void window_names_come_back(void **state)
{
    (void)state;
    char name[RECORD_COUNTER_NAME_BYTES_MAX];
    struct record_counter counter;
    for (unsigned i = 0; i < WINDOW_KIND_COUNT * METRIC_COUNT; i++) {
        struct record_window_line const line = {
            .counter = i % 2 ? UINT64_MAX - i : i + 1,
            .kind = (enum window_kind)(i / METRIC_COUNT),
            .metric = (enum metric)(i % METRIC_COUNT),
            .start_us = i % 3 ? 1790000000000000 : 0,
            .end_us = i % 5 ? 1790000000000001 + i : INT64_MAX,
        };
        size_t const len = record_window_name(&line, name);
        assert_true(len < RECORD_COUNTER_NAME_BYTES_MAX);
        assert_true(record_counter_parse(str_make(name, len), &counter));
        assert_int_equal(counter.kind, COUNTER_WINDOW);
        assert_true(counter.window.counter == line.counter);
        assert_int_equal(counter.window.kind, line.kind);
        assert_int_equal(counter.window.metric, line.metric);
        assert_int_equal(counter.window.start_us, line.start_us);
        assert_int_equal(counter.window.end_us, line.end_us);
        if (line.end_us < INT64_MAX)
            assert_true(record_window_until_us(&line) > line.end_us);
        else
            assert_int_equal(record_window_until_us(&line), 0); /* for ever */
    }
}

static void foreign_names_are_refused(void **state)
{
    (void)state;
    struct record_counter counter;
    static const char *const wrong[] = {
        "",
        "limiter",
        "limiter/",
        "limiter/apples",
        "limiter/tokens/short",
        "window/0000000000000001/cost/month",
        "window/0000000000000001/cost/month/0",
        "window/0000000000000001/cost/month/0/",
        "window/0000000000000001/cost/month/0/0",
        "window/0000000000000001/cost/month/9/8",
        "window/0000000000000001/cost/month/0/9/9",
        "window/0000000000000001/cost/month/x/9",
        "window/0000000000000001/cost/month/-9/0x",
        "window/0000000000000001/cost/month/0/9223372036854775808",
        "window/0000000000000001/cost/fortnight/0/9",
        "window/0000000000000001/apples/month/0/9",
        "window/0000000000000000/cost/month/0/9",
        "window/1/cost/month/0/9",
        "window/00000000000000001/cost/month/0/9",
        "window/000000000000000A/cost/month/0/9",
        "window/000000000000000g/cost/month/0/9",
        "window//cost/month/0/9",
        "total/",
        "total/apples",
        "apples/1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(record_counter_parse(str_of(wrong[i]), &counter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_cannot_be_are_refused),
        cmocka_unit_test(counter_names_come_back),
        cmocka_unit_test(window_names_come_back),
        cmocka_unit_test(foreign_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
