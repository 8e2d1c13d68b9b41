/* test_record_lines.c - lines of windows that cannot be, and the names of counters in the database.
 */
#include "base/must.h"
#include "book/record_basis.h"
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

/* Bytes of the line (from its counter on), and of its window (before it): kind, start, end. */
enum { KIND_AT = -17, START_AT = -16, END_AT = -8, WHAT_AT = 8, AMOUNT_AT = 10 };
#define WHAT(number, window, role, metric)                                                         \
    {                                                                                              \
        ((window)&15) << 4 | (role) << 2 | (metric), (number) << 2 | (window) >> 4                 \
    }

static const struct line_row {
    const char *sentence;
    int at;
    size_t len;
    unsigned char bytes[8];
    bool good;
} line_rows[] = {
    {"as it was written", 0, 0, {0}, true},
    {"counter 0", 0, 8, {0}, false},
    {"a role that is not one", WHAT_AT, 2, WHAT(0, 0, WINDOW_ROLE_COUNT, METRIC_COST), false},
    {"the first role and metric", WHAT_AT, 2, WHAT(0, 0, 0, 0), true},
    {"a window that is not there", WHAT_AT, 2, WHAT(0, 1, 0, 0), false},
    {"the last number", WHAT_AT, 2, WHAT(RECORD_WINDOWS_MAX - 1, 0, 0, 0), true},
    {"a number after the last", WHAT_AT, 2, WHAT(RECORD_WINDOWS_MAX, 0, 0, 0), false},
    {"every bit", WHAT_AT, 2, {0xff, 0xff}, false},
    {"the last kind", KIND_AT, 1, {WINDOW_KIND_COUNT - 1}, true},
    {"a kind after the last", KIND_AT, 1, {WINDOW_KIND_COUNT}, false},
    {"no length", END_AT, 8, {0x80, 0x51, 1}, false},
    {"end before the start", END_AT, 8, {0x7f, 0x51, 1}, false},
    {"a microsecond long", END_AT, 8, {0x81, 0x51, 1}, true},
    {"a negative end", END_AT, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"a negative start", START_AT, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"an amount that does not end", AMOUNT_AT, 1, {0x80}, false},
    {"more windows than there are bytes", KIND_AT - 1, 1, {RECORD_WINDOWS_MAX}, false},
    {"more windows than may be", KIND_AT - 1, 1, {RECORD_WINDOWS_MAX + 1}, false},
    {"no window at all", KIND_AT - 1, 1, {0}, false},
    {"more lines than there are bytes", KIND_AT - 2, 1, {RECORD_WINDOWS_MAX}, false},
    {"more lines than may be", KIND_AT - 2, 1, {RECORD_WINDOWS_MAX + 1}, false},
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
        memcpy(bytes + (int)line + row->at, row->bytes, row->len);
        print_message("  %s\n", row->sentence);
        assert_int_equal(i % 2 ? record_end_decode(RECORD_SETTLE, payload, &end_back)
                               : record_reserve_decode(payload, &back),
                         row->good);
    }
}

/* Lines that share a window, in any order, come back as they were. */
static void windows_are_shared_and_come_back(void **state)
{
    (void)state;
    struct record_window_line lines[RECORD_WINDOWS_MAX], back[RECORD_WINDOWS_MAX];
    unsigned char bytes[RECORD_WINDOWS_MAX * 46];
    for (unsigned whole = 0; whole < 2; whole++) {
        for (unsigned i = 0; i < RECORD_WINDOWS_MAX; i++)
            lines[i] = (struct record_window_line){
                .counter = UINT64_MAX - i,
                .kind = (enum window_kind)(i % 3),
                .metric = (enum metric)(i % METRIC_COUNT),
                .role = (enum window_role)(i % WINDOW_ROLE_COUNT),
                .start_us = i % 3,
                .end_us = i % 3 == 2 ? INT64_MAX : 1000,
                .amount = i % 2 ? INT64_MAX : i,
                .used = whole ? INT64_MAX - i : 0,
                .number = RECORD_WINDOWS_MAX - 1 - i,
            };
        struct pack pack = pack_begin(bytes, sizeof bytes);
        record_put_windows(&pack, lines, RECORD_WINDOWS_MAX, whole);
        size_t const len = pack_end(&pack);
        assert_true(len > 0 && len < RECORD_WINDOWS_MAX * 32 + 3 * 17);
        struct unpack unpack = unpack_begin(str_make((char *)bytes, len));
        assert_int_equal(record_get_windows(&unpack, back, whole), RECORD_WINDOWS_MAX);
        assert_true(unpack_end(&unpack));
        for (unsigned i = 0; i < RECORD_WINDOWS_MAX; i++) {
            assert_true(back[i].counter == lines[i].counter);
            assert_int_equal(back[i].kind, lines[i].kind);
            assert_int_equal(back[i].metric, lines[i].metric);
            assert_int_equal(back[i].role, lines[i].role);
            assert_int_equal(back[i].start_us, lines[i].start_us);
            assert_int_equal(back[i].end_us, lines[i].end_us);
            assert_int_equal(back[i].amount, lines[i].amount);
            assert_int_equal(back[i].used, lines[i].used);
            assert_int_equal(back[i].number, lines[i].number);
        }
    }
}

/* --- the older form: words of eight bytes --- */
#define WORDS_WHAT(kind, role, metric) ((kind) << 4 | (role) << 2 | (metric))
/* The second word, least byte first: 86400 and, above 55 bits, kind, role and metric. */
#define START_OF(what)                                                                             \
    {                                                                                              \
        0x80, 0x51, 1, 0, 0, 0, ((what)&1) << 7, (what) >> 1                                       \
    }

static const struct words_row {
    const char *sentence;
    size_t at;
    size_t len;
    unsigned char bytes[8];
    bool good;
} words_rows[] = {
    {"as it was written", 0, 0, {0}, true},
    {"counter 0", 0, 8, {0}, false},
    {"a role that is not one", 8, 8, START_OF(WORDS_WHAT(WINDOW_DAY, WINDOW_ROLE_COUNT, 2)), false},
    {"the first kind, role and metric", 8, 8, START_OF(0), true},
    {"the last kind", 8, 8, START_OF(WORDS_WHAT(WINDOW_KIND_COUNT - 1, 0, 0)), true},
    {"a kind after the last", 8, 8, START_OF(WORDS_WHAT(WINDOW_KIND_COUNT, 0, 0)), false},
    {"every bit", 8, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"no length", 16, 8, {0x80, 0x51, 1}, false},
    {"a microsecond long", 16, 8, {0x81, 0x51, 1}, true},
    {"a negative end", 16, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"a negative amount", 24, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
    {"a negative use", 32, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
};

static void lines_of_the_older_form_are_read(void **state)
{
    (void)state;
    static const unsigned char line[40] = {1, 0, 0, 0, 0, 0, 0,    0, 0x80, 0x51, 1,
                                           0, 0, 0, 0, 0, 0, 0xa3, 2, 0,    0,    0,
                                           0, 0, 5, 0, 0, 0, 0,    0, 0,    0,    9};
    for (size_t i = 0; i < sizeof words_rows / sizeof words_rows[0]; i++) {
        const struct words_row *row = &words_rows[i];
        unsigned char bytes[1 + sizeof line] = {1};
        struct record_window_line back;
        memcpy(bytes + 1, line, sizeof line);
        memcpy(bytes + 1 + row->at, row->bytes, row->len);
        struct unpack unpack = unpack_begin(str_make((char *)bytes, sizeof bytes));
        print_message("  %s\n", row->sentence);
        assert_int_equal(record_get_windows_words(&unpack, &back, true), row->good);
        assert_int_equal(unpack_end(&unpack), row->good);
        if (row->good)
            assert_true(back.amount == 5 && back.used == 9 && back.start_us == 86400);
    }
}

/* --- decisions ------------------------------------------------------------------------------ */
static void decisions_come_back(void **state)
{
    (void)state;
    unsigned char bytes[DECISION_BYTES_MAX];
    struct record_end end = {.window_count = RECORD_WINDOWS_MAX};
    struct decision back;
    assert_int_equal(decision_encode(&end, bytes), 0); /* no basis: nothing was in force */
    end.context.basis = UINT64_MAX;
    for (unsigned i = 0; i < RECORD_WINDOWS_MAX; i++)
        end.windows[i] =
            (struct record_window_line){.number = RECORD_WINDOWS_MAX - 1 - i,
                                        .role = (enum window_role)(i % WINDOW_ROLE_COUNT),
                                        .metric = (enum metric)(i % METRIC_COUNT),
                                        .amount = INT64_MAX - i,
                                        .used = INT64_MAX};
    size_t const len = decision_encode(&end, bytes);
    assert_true(len > 0);
    assert_true(decision_decode(str_make((char *)bytes, len), &back));
    assert_true(back.basis == UINT64_MAX);
    assert_int_equal(back.count, RECORD_WINDOWS_MAX);
    for (unsigned i = 0; i < RECORD_WINDOWS_MAX; i++) {
        assert_int_equal(back.lines[i].number, end.windows[i].number);
        assert_int_equal(back.lines[i].role, end.windows[i].role);
        assert_int_equal(back.lines[i].metric, end.windows[i].metric);
        assert_true(back.lines[i].amount == end.windows[i].amount &&
                    back.lines[i].used == INT64_MAX);
    }
    for (size_t cut = 0; cut < len; cut++) /* a damaged row is damage, not a crash */
        assert_false(decision_decode(str_make((char *)bytes, cut), &back));
    memset(bytes, 0, sizeof(uint64_t));
    assert_false(decision_decode(str_make((char *)bytes, len), &back));
}

static void a_basis_comes_back(void **state)
{
    (void)state;
    unsigned char bytes[256];
    struct record_basis const record = {.name = 7, .text = STR("{\"plan\":\"pro\"}")};
    struct record_basis back;
    size_t const len = record_basis_encode(&record, bytes, sizeof bytes);
    assert_true(len > 0 && len <= record.text.len + RECORD_BASIS_HEAD_BYTES_MAX);
    assert_true(record_basis_decode(str_make((char *)bytes, len), &back));
    assert_true(back.name == 7 && str_eq(back.text, record.text));
    for (size_t cut = 0; cut < len; cut++)
        assert_false(record_basis_decode(str_make((char *)bytes, cut), &back));
    assert_int_equal(record_basis_encode(&record, bytes, 8), 0);
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
        cmocka_unit_test(windows_are_shared_and_come_back),
        cmocka_unit_test(lines_of_the_older_form_are_read),
        cmocka_unit_test(decisions_come_back),
        cmocka_unit_test(a_basis_comes_back),
        cmocka_unit_test(counter_names_come_back),
        cmocka_unit_test(window_names_come_back),
        cmocka_unit_test(foreign_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
