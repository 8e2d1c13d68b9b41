/* test_sse.c - the same events whatever the split, each as early as it is certain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "codec/sse.h"
#include <cmocka.h>
#include <stdlib.h>

/* What a stream gave: per event `name|data;` (a missing data is ~), and all raw bytes. */
struct record {
    struct buf events, raw;
    size_t count, stop_after;
};

static void add(struct buf *buf, struct str text)
{
    assert_int_equal(buf_add(buf, text), ERR_OK);
}

static bool on_event(void *owner, const struct sse_event *event)
{
    struct record *record = owner;
    add(&record->events, event->name);
    add(&record->events, STR("|"));
    add(&record->events, event->data.ptr ? event->data : STR("~"));
    add(&record->events, STR(";"));
    add(&record->raw, event->raw);
    add(&record->raw, STR("<end>"));
    assert_true(event->raw.len > 0);
    return ++record->count != record->stop_after;
}

static void record_start(struct record *record)
{
    *record = (struct record){0};
    buf_init(&record->events, 2 << 20);
    buf_init(&record->raw, 2 << 20);
}

static void record_free(struct record *record)
{
    buf_free(&record->events);
    buf_free(&record->raw);
}

/* Feeds text[0 .. first), text[first .. second) and the rest, from memory of just that size. */
static enum err feed_in_three(struct record *record, struct str text, size_t first, size_t second,
                              size_t limit)
{
    struct sse_parser parser;
    size_t const cuts[] = {0, first, second, text.len};
    enum err err = ERR_OK;
    sse_init(&parser, limit);
    for (int i = 0; i < 3 && err == ERR_OK; i++) {
        size_t const count = cuts[i + 1] - cuts[i];
        char *piece = malloc(count > 0 ? count : 1);
        assert_non_null(piece);
        memcpy(piece, text.ptr + cuts[i], count);
        err = sse_feed(&parser, str_make(piece, count), on_event, record);
        free(piece);
    }
    add(&record->raw, sse_rest(&parser));
    sse_free(&parser);
    return err;
}

static enum err feed_by_byte(struct record *record, struct str text, size_t limit)
{
    struct sse_parser parser;
    enum err err = ERR_OK;
    sse_init(&parser, limit);
    for (size_t i = 0; i < text.len && err == ERR_OK; i++)
        err = sse_feed(&parser, str_make(text.ptr + i, 1), on_event, record);
    add(&record->raw, sse_rest(&parser));
    sse_free(&parser);
    return err;
}

/* The input without its BOM, from what was recorded. */
static bool raw_is(const struct record *record, struct str text)
{
    struct str rest = buf_view(&record->raw);
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_skip(text, 3);
    while (rest.len > 0) {
        size_t const part = str_find(rest, STR("<end>"));
        if (!str_starts(text, str_make(rest.ptr, part)))
            return false;
        text = str_skip(text, part);
        rest = str_skip(rest, part + 5);
    }
    return text.len == 0;
}

static void same(const char *name, const struct record *a, struct record *b)
{
    if (!str_eq(buf_view(&a->events), buf_view(&b->events)) ||
        !str_eq(buf_view(&a->raw), buf_view(&b->raw)))
        fail_msg("%s: %.*s and %.*s", name, STR_ARG(buf_view(&a->events)),
                 STR_ARG(buf_view(&b->events)));
    record_free(b);
    record_start(b);
}

/* Byte by byte, all splits in two, and in three for short texts. */
static void every_split_is_the_same(const char *name, struct str text, const struct record *whole)
{
    struct record other;
    record_start(&other);
    assert_int_equal(feed_by_byte(&other, text, 1 << 16), ERR_OK);
    same(name, whole, &other);
    for (size_t first = 0; first <= text.len; first++) {
        size_t const last = text.len < 40 ? text.len : first;
        for (size_t second = first; second <= last; second++) {
            assert_int_equal(feed_in_three(&other, text, first, second, 1 << 16), ERR_OK);
            same(name, whole, &other);
        }
    }
    record_free(&other);
}

static const struct {
    const char *name, *text, *events;
} streams[] = {
    {"nothing", "", ""},
    {"one event", "data: a\n\n", "|a;"},
    {"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;"},
    {"CR", "data: a\r\rdata: b\r\r", "|a;|b;"},
    {"LF, then CRLF, then CR", "data: a\n\ndata: b\r\n\r\ndata: c\r\r", "|a;|b;|c;"},
    {"a line in LF, its blank line in CRLF", "data: a\n\r\ndata: b\n\n", "|a;|b;"},
    {"a line in CRLF, its blank line in LF", "data: a\r\n\ndata: b\n\n", "|a;|b;"},
    {"a line in LF, its blank line in CR", "data: a\n\rdata: b\n\n", "|a;|b;"},
    {"CR blank line, then LF: one blank line", "data: a\r\r\ndata: b\n\n", "|a;|b;"},
    {"a name", "event: ping\ndata: {}\n\n", "ping|{};"},
    {"the last name counts", "event: a\nevent: b\ndata\n\n", "b|;"},
    {"a name without data", "event: a\n\n", "a|~;"},
    {"names do not last", "event: a\ndata: 1\n\ndata: 2\n\n", "a|1;|2;"},
    {"two data lines", "data: a\ndata: b\n\n", "|a\nb;"},
    {"three data lines, CRLF", "data: a\r\ndata\r\ndata: c\r\n\r\n", "|a\n\nc;"},
    {"data lines of two events", "data: a\ndata: b\n\ndata: c\ndata: d\n\n", "|a\nb;|c\nd;"},
    {"data without a colon", "data\n\n", "|;"},
    {"empty data", "data:\n\n", "|;"},
    {"two empty data lines", "data\ndata\n\n", "|\n;"},
    {"no space", "data:a\n\n", "|a;"},
    {"one space of two is kept", "data:  a\n\n", "| a;"},
    {"a tab is kept", "data:\ta\n\n", "|\ta;"},
    {"colons in the value", "data: a:b: c\n\n", "|a:b: c;"},
    {"a comment", ": keep-alive\n\n", "|~;"},
    {"a comment beside data", ": x\ndata: a\n: y\n\n", "|a;"},
    {"a lone colon", ":\n\n", "|~;"},
    {"id and retry are not data", "id: 7\nretry: 100\ndata: a\n\n", "|a;"},
    {"names are exact", "Data: a\n data: b\ndatas: c\ndata : d\n\n", "|~;"},
    {"a blank line more", "\ndata: a\n\n\n\n", "|~;|a;|~;|~;"},
    {"blank lines alone, CRLF", "\r\n\r\n", "|~;|~;"},
    {"blank lines alone, CR: the first waits", "\r\rx", "|~;|~;"},
    {"a BOM",
     "\xef\xbb\xbf"
     "data: a\n\n",
     "|a;"},
    {"a BOM alone", "\xef\xbb\xbf", ""},
    {"half a BOM", "\xef\xbb", ""},
    {"half a BOM and text", "\xef\xbb\ndata: a\n\n", "|a;"},
    {"half a BOM and a blank line", "\xef\n\n", "|~;"},
    {"a second BOM is text",
     "\xef\xbb\xbf\xef\xbb\xbf"
     "data: a\n\n",
     "|~;"},
    {"a BOM later is text",
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "|a;|~;"},
    {"a cut event is none", "data: a\n\ndata: b\n", "|a;"},
    {"a cut line is none", "data: a", ""},
    {"a cut CRLF", "data: a\r\n\r", ""},
    {"UTF-8", "data: ol\xc3\xa1 \xf0\x9f\x98\x80\n\n", "|ol\xc3\xa1 \xf0\x9f\x98\x80;"},
    {"what providers send",
     "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
     "|{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]};|[DONE];"},
};

static void streams_give_their_events_whatever_the_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct str const text = str_of(streams[i].text);
        struct record whole;
        record_start(&whole);
        assert_int_equal(feed_in_three(&whole, text, text.len, text.len, 1 << 16), ERR_OK);
        if (!str_eq(buf_view(&whole.events), str_of(streams[i].events)))
            fail_msg("%s: %.*s", streams[i].name, STR_ARG(buf_view(&whole.events)));
        if (!raw_is(&whole, text))
            fail_msg("%s: bytes are lost or made up", streams[i].name);
        every_split_is_the_same(streams[i].name, text, &whole);
        record_free(&whole);
    }
}

/* Texts of a few letters, so that ends of lines meet in every way. */
static void random_streams_give_the_same_whatever_the_split(void **state)
{
    (void)state;
    static const char letters[] = "\r\n\r\n:d\xef\xbb\xbf ";
    struct random random;
    random_seed(&random, 77);
    for (int round = 0; round < 3000; round++) {
        char text[24];
        size_t const len = random_below(&random, sizeof text);
        struct record whole;
        for (size_t i = 0; i < len; i++)
            text[i] = letters[random_below(&random, sizeof letters - 1)];
        record_start(&whole);
        assert_int_equal(feed_in_three(&whole, str_make(text, len), len, len, 1 << 16), ERR_OK);
        assert_true(raw_is(&whole, str_make(text, len)));
        every_split_is_the_same("random", str_make(text, len), &whole);
        record_free(&whole);
    }
}

static void events_come_as_soon_as_they_are_certain(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *counts; /* events so far after each byte */
    } cases[] = {
        {"LF", "data\n\ndata\n\n", "000001111112"},
        {"CRLF: at the last LF", "data\r\n\r\nx\r\n\r\n", "0000000111112"},
        {"CR: at the second CR", "data\r\rx\r\r", "000001112"},
        {"LF behind the second CR: nothing more", "data\r\r\nx", "00000111"},
        {"LF, CR, then a line: at its first byte", "data\n\rx", "0000001"},
        {"CRLF, LF", "data\r\n\n", "0000001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sse_parser parser;
        struct record record;
        record_start(&record);
        sse_init(&parser, 1000);
        for (size_t at = 0; cases[i].text[at]; at++) {
            assert_int_equal(sse_feed(&parser, str_make(cases[i].text + at, 1), on_event, &record),
                             ERR_OK);
            if (record.count != (size_t)(cases[i].counts[at] - '0'))
                fail_msg("%s: %zu events after byte %zu", cases[i].name, record.count, at);
        }
        sse_free(&parser);
        record_free(&record);
    }
}

static void an_event_in_one_piece_is_not_copied(void **state)
{
    (void)state;
    struct sse_parser parser;
    struct record record;
    record_start(&record);
    sse_init(&parser, 1000);
    struct str const text = STR("data: a\n\n: c\n\nevent: x\r\ndata: b\r\n\r\n");
    assert_int_equal(sse_feed(&parser, text, on_event, &record), ERR_OK);
    assert_int_equal(record.count, 3);
    assert_null(parser.pending.ptr);
    assert_null(parser.joined.ptr);
    sse_free(&parser);
    record_free(&record);
}

static void an_event_may_fill_its_limit_and_no_more(void **state)
{
    (void)state;
    struct str const text = STR("data: a\n\ndata: 0123456789\n\ndata: b\n\n"); /* 9, 18, 9 bytes */
    for (size_t limit = 9; limit <= 20; limit++) {
        enum err const expected = limit < 18 ? ERR_TOO_LARGE : ERR_OK;
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct record record;
            record_start(&record);
            assert_int_equal(feed_in_three(&record, text, cut, cut, limit), expected);
            assert_int_equal(record.count, limit < 18 ? 1 : 3);
            record_free(&record);
        }
        struct record record;
        record_start(&record);
        assert_int_equal(feed_by_byte(&record, text, limit), expected);
        assert_int_equal(record.count, limit < 18 ? 1 : 3);
        record_free(&record);
    }
}

static void an_endless_line_is_bounded(void **state)
{
    (void)state;
    struct sse_parser parser;
    struct record record;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    record_start(&record);
    sse_init(&parser, 10500);
    for (int i = 0; i < 10; i++)
        assert_int_equal(sse_feed(&parser, str_make(piece, sizeof piece), on_event, &record),
                         ERR_OK);
    assert_int_equal(sse_feed(&parser, str_make(piece, sizeof piece), on_event, &record),
                     ERR_TOO_LARGE);
    assert_true(parser.pending.cap <= 10500);
    assert_int_equal(sse_rest(&parser).len, 10000);
    sse_free(&parser);
    record_free(&record);
}

static void a_reader_may_stop(void **state)
{
    (void)state;
    struct str const text = STR("data: a\n\ndata: b\n\ndata: c\n\n");
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct record record;
        record_start(&record);
        record.stop_after = 2;
        assert_int_equal(feed_in_three(&record, text, cut, cut, 1000), ERR_OK);
        assert_true(str_eq(buf_view(&record.events), STR("|a;|b;")));
        assert_true(str_eq(buf_view(&record.raw), STR("data: a\n\n<end>data: b\n\n<end>")));
        record_free(&record);
    }
}

/* A megabyte event in single bytes: quadratic work would take minutes. */
static void work_is_linear_in_single_bytes(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    struct sse_parser parser;
    struct record record;
    record_start(&record);
    sse_init(&parser, BYTES);
    for (int i = 0; i < BYTES - 2; i++)
        assert_int_equal(sse_feed(&parser, i % 2 ? STR("\r") : STR("x"), on_event, &record),
                         ERR_OK);
    assert_int_equal(record.count, 0);
    assert_int_equal(sse_feed(&parser, STR("\r"), on_event, &record), ERR_OK);
    assert_int_equal(record.count, 1);
    sse_free(&parser);
    record_free(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_give_their_events_whatever_the_split),
        cmocka_unit_test(random_streams_give_the_same_whatever_the_split),
        cmocka_unit_test(events_come_as_soon_as_they_are_certain),
        cmocka_unit_test(an_event_in_one_piece_is_not_copied),
        cmocka_unit_test(an_event_may_fill_its_limit_and_no_more),
        cmocka_unit_test(an_endless_line_is_bounded),
        cmocka_unit_test(a_reader_may_stop),
        cmocka_unit_test(work_is_linear_in_single_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
