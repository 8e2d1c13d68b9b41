/* test_inflate.c - any split, several members, damage, and a reader who has had enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/random.h"
#include "codec/inflate.h"
#include <cmocka.h>
#include <zlib.h>

enum { TEXT_BYTES = 200000, GZIP = 16 + MAX_WBITS, ZLIB = MAX_WBITS };

static char text[TEXT_BYTES];
static char packed[TEXT_BYTES + 1000];

struct reader {
    struct buf out;
    size_t stop_at; /* bytes after which it wants no more */
    size_t calls;
};

static bool take(void *owner, struct str data)
{
    struct reader *reader = owner;
    reader->calls++;
    assert_int_equal(buf_add(&reader->out, data), ERR_OK);
    return reader->out.len < reader->stop_at;
}

static struct str pack(struct str plain, int window_bits, size_t at)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, 0), Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)plain.ptr;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)packed + at;
    stream.avail_out = (uInt)(sizeof packed - at);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t const len = sizeof packed - at - stream.avail_out;
    deflateEnd(&stream);
    return str_make(packed + at, len);
}

static void reader_start(struct reader *reader)
{
    *reader = (struct reader){.stop_at = SIZE_MAX};
    buf_init(&reader->out, 64 << 20);
}

/* Feeds in pieces of `step` bytes. */
static enum err feed(struct inflate *inflate, struct str bytes, size_t step, struct reader *reader)
{
    enum err err = ERR_OK;
    while (bytes.len > 0 && err == ERR_OK) {
        size_t const count = step < bytes.len ? step : bytes.len;
        err = inflate_feed(inflate, str_make(bytes.ptr, count), take, reader);
        bytes = str_skip(bytes, count);
    }
    return err;
}

static int text_make(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 9);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + random_below(&random, 6));
    return 0;
}

static void any_split_gives_the_same_bytes(void **state)
{
    (void)state;
    static const int formats[] = {GZIP, ZLIB};
    static const size_t steps[] = {1, 7, 1000, SIZE_MAX};
    static const size_t lengths[] = {0, 1, 16 << 10, TEXT_BYTES};
    for (size_t format = 0; format < 2; format++)
        for (size_t step = 0; step < 4; step++)
            for (size_t len = 0; len < 4; len++) {
                struct str const plain = str_make(text, lengths[len]);
                struct str const bytes = pack(plain, formats[format], 0);
                struct inflate *inflate = inflate_new();
                struct reader reader;
                reader_start(&reader);
                assert_non_null(inflate);
                assert_int_equal(
                    feed(inflate, str_make(bytes.ptr, bytes.len - 1), steps[step], &reader),
                    ERR_OK);
                assert_false(inflate_finished(inflate));
                assert_int_equal(feed(inflate, str_skip(bytes, bytes.len - 1), 1, &reader), ERR_OK);
                assert_true(inflate_finished(inflate));
                assert_true(str_eq(buf_view(&reader.out), plain));
                inflate_free(inflate);
                buf_free(&reader.out);
            }
}

static void members_in_a_row_are_one_stream(void **state)
{
    (void)state;
    size_t const first = pack(STR("one "), GZIP, 0).len;
    size_t const len = first + pack(STR("two"), GZIP, first).len;
    for (size_t step = 1; step <= len; step++) {
        struct inflate *inflate = inflate_new();
        struct reader reader;
        reader_start(&reader);
        assert_int_equal(feed(inflate, str_make(packed, len), step, &reader), ERR_OK);
        assert_true(inflate_finished(inflate));
        assert_true(str_eq(buf_view(&reader.out), STR("one two")));
        inflate_free(inflate);
        buf_free(&reader.out);
    }
}

static void damage_is_refused_and_stays_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int format;
        int at; /* byte that is flipped; negative: from the end */
    } cases[] = {
        {"the magic", GZIP, 0},         {"the method", GZIP, 2},  {"the first block", GZIP, 10},
        {"the checksum", GZIP, -5},     {"the length", GZIP, -1}, {"zlib's header", ZLIB, 0},
        {"zlib's dictionary", ZLIB, 1}, {"zlib's sum", ZLIB, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str const bytes = pack(str_make(text, 500), cases[i].format, 0);
        size_t const at = cases[i].at < 0 ? bytes.len - (size_t)-cases[i].at : (size_t)cases[i].at;
        packed[at] = (char)~packed[at];
        struct inflate *inflate = inflate_new();
        struct reader reader;
        reader_start(&reader);
        if (feed(inflate, bytes, SIZE_MAX, &reader) != ERR_UPSTREAM_INVALID)
            fail_msg("%s", cases[i].name);
        size_t const calls = reader.calls;
        assert_int_equal(inflate_feed(inflate, STR("more"), take, &reader), ERR_UPSTREAM_INVALID);
        assert_int_equal(reader.calls, calls);
        assert_false(inflate_finished(inflate));
        inflate_free(inflate);
        buf_free(&reader.out);
    }
}

static void a_preset_dictionary_is_refused(void **state)
{
    (void)state;
    struct inflate *inflate = inflate_new();
    struct reader reader;
    reader_start(&reader);
    /* 0x78 0xbb: deflate, 32 kB window, FDICT; then the dictionary's id */
    struct str const bytes = str_make("\x78\xbb\x01\x02\x03\x04\x00", 7);
    assert_int_equal(inflate_feed(inflate, bytes, take, &reader), ERR_UPSTREAM_INVALID);
    inflate_free(inflate);
    buf_free(&reader.out);
}

static void garbage_behind_the_end_is_refused(void **state)
{
    (void)state;
    size_t const len = pack(STR("whole"), GZIP, 0).len;
    packed[len] = 'x';
    packed[len + 1] = 'y';
    struct inflate *inflate = inflate_new();
    struct reader reader;
    reader_start(&reader);
    assert_int_equal(inflate_feed(inflate, str_make(packed, len + 2), take, &reader),
                     ERR_UPSTREAM_INVALID);
    assert_true(str_eq(buf_view(&reader.out), STR("whole")));
    inflate_free(inflate);
    buf_free(&reader.out);
}

/* Nothing is held back although a few bytes of input make many of output. */
static void output_comes_at_once(void **state)
{
    (void)state;
    static char zeros[TEXT_BYTES];
    struct str const bytes = pack(str_make(zeros, sizeof zeros), GZIP, 0);
    struct inflate *inflate = inflate_new();
    struct reader reader;
    reader_start(&reader);
    size_t const before_trailer = bytes.len - 8; /* checksum and length */
    assert_int_equal(inflate_feed(inflate, str_make(bytes.ptr, before_trailer), take, &reader),
                     ERR_OK);
    assert_int_equal(reader.out.len, sizeof zeros);
    assert_false(inflate_finished(inflate));
    inflate_free(inflate);
    buf_free(&reader.out);
}

static void a_bomb_stops_when_the_reader_says_so(void **state)
{
    (void)state;
    memset(text, 0, sizeof text);
    struct str const bytes = pack(str_make(text, sizeof text), GZIP, 0);
    assert_true(bytes.len < 400);
    struct inflate *inflate = inflate_new();
    struct reader reader;
    reader_start(&reader);
    reader.stop_at = 20000;
    assert_int_equal(inflate_feed(inflate, bytes, take, &reader), ERR_OK);
    assert_int_equal(reader.calls, 2); /* pieces of 16 kB */
    assert_int_equal(inflate_feed(inflate, bytes, take, &reader), ERR_OK);
    assert_int_equal(reader.calls, 2);
    assert_false(inflate_finished(inflate));
    inflate_free(inflate);
    inflate_free(NULL);
    buf_free(&reader.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_bytes),
        cmocka_unit_test(members_in_a_row_are_one_stream),
        cmocka_unit_test(damage_is_refused_and_stays_refused),
        cmocka_unit_test(a_preset_dictionary_is_refused),
        cmocka_unit_test(garbage_behind_the_end_is_refused),
        cmocka_unit_test(output_comes_at_once),
        cmocka_unit_test(a_bomb_stops_when_the_reader_says_so),
    };
    return cmocka_run_group_tests(tests, text_make, NULL);
}
