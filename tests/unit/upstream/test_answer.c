/* test_answer.c - the framing of answers: one row is one answer, fed whole, in two and in bytes. */
#include "base/limits.h"
#include "upstream/answer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>
#include <zlib.h>

enum { BODY_BYTES_KEPT = 4096 };

/* What one answer became. */
struct outcome {
    enum answer_result result;
    enum upstream_fail why;
    int heads, status;
    size_t header_count, left;
    int64_t body_bytes;
    bool reusable;
    char body[BODY_BYTES_KEPT];
};

static bool on_head(void *owner, const struct upstream_head *head)
{
    struct outcome *outcome = owner;
    outcome->heads++;
    outcome->status = head->status;
    outcome->header_count = head->header_count;
    return true;
}

static bool on_body(void *owner, struct str bytes)
{
    struct outcome *outcome = owner;
    assert_true(bytes.len > 0);
    for (size_t i = 0; i < bytes.len && outcome->body_bytes + (int64_t)i < BODY_BYTES_KEPT; i++)
        outcome->body[outcome->body_bytes + (int64_t)i] = bytes.ptr[i];
    outcome->body_bytes += (int64_t)bytes.len;
    return true;
}

static const struct answer_handler handler = {on_head, on_body};

static enum answer_result feed_all(struct answer *answer, struct str bytes, size_t *left)
{
    enum answer_result result = ANSWER_MORE;
    while (bytes.len > 0 && result == ANSWER_MORE) {
        size_t used = 0;
        result = answer_feed(answer, bytes, &used);
        bytes = str_skip(bytes, used);
    }
    *left = bytes.len;
    return result;
}

/* Feeds `first` bytes, then pieces of `step`, then the end of the connection if `close`. */
static struct outcome run(struct str bytes, size_t first, size_t step, bool close)
{
    struct answer answer = {0};
    struct outcome outcome = {.result = ANSWER_MORE};
    answer_start(&answer, &handler, &outcome);
    size_t piece = first, left = 0;
    while (bytes.len > 0 && outcome.result == ANSWER_MORE) {
        if (piece > bytes.len)
            piece = bytes.len;
        outcome.result = feed_all(&answer, str_make(bytes.ptr, piece), &left);
        bytes = str_skip(bytes, piece);
        piece = step;
    }
    outcome.left = left + bytes.len;
    if (close && outcome.result == ANSWER_MORE)
        outcome.result = answer_close(&answer);
    outcome.why = outcome.result == ANSWER_FAILED ? answer.why : 0;
    outcome.reusable = outcome.result == ANSWER_DONE && answer_reusable(&answer) && !outcome.left;
    if (outcome.result == ANSWER_FAILED)
        assert_non_null(answer.detail);
    answer_free(&answer);
    return outcome;
}

static void assert_same(const char *what, const struct outcome *a, const struct outcome *b)
{
    bool const same = a->result == b->result && a->why == b->why && a->heads == b->heads &&
                      a->status == b->status && a->body_bytes == b->body_bytes &&
                      a->reusable == b->reusable && a->header_count == b->header_count &&
                      memcmp(a->body, b->body, sizeof a->body) == 0;
    if (!same)
        fail_msg("%s: a split changes the answer (%d/%d, why %d/%d)", what, (int)a->result,
                 (int)b->result, (int)a->why, (int)b->why);
}

/* Every split in two, and single bytes; `left` differs by nature only after a failure. */
static struct outcome run_every_way(const char *what, struct str bytes, bool close)
{
    struct outcome const whole = run(bytes, bytes.len, bytes.len, close);
    struct outcome const single = run(bytes, 1, 1, close);
    assert_same(what, &whole, &single);
    for (size_t at = 1; at < bytes.len; at++) {
        struct outcome const split = run(bytes, at, bytes.len, close);
        assert_same(what, &whole, &split);
    }
    return whole;
}

struct row {
    const char *what;
    struct str bytes;
    bool close;
    enum answer_result result;
    enum upstream_fail why; /* when it failed */
    int status;
    const char *body;
    bool reusable;
    size_t left;
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define HELLO   "content-length: 5\r\n\r\nhello"
#define CHUNKED OK_HEAD "transfer-encoding: chunked\r\n\r\n"
#define BAD     ANSWER_FAILED, UPSTREAM_FAIL_INVALID

static const struct row rows[] = {
    {"a length", STR_ROW(OK_HEAD HELLO), false, ANSWER_DONE, 0, 200, "hello", true, 0},
    {"a length of zero", STR_ROW(OK_HEAD "content-length: 0\r\n\r\n"), false, ANSWER_DONE, 0, 200,
     "", true, 0},
    {"no reason phrase", STR_ROW("HTTP/1.1 200\r\n" HELLO), false, ANSWER_DONE, 0, 200, "hello",
     true, 0},
    {"an empty reason phrase", STR_ROW("HTTP/1.1 200 \r\n" HELLO), false, ANSWER_DONE, 0, 200,
     "hello", true, 0},
    {"bytes above ASCII in the reason", STR_ROW("HTTP/1.1 500 Ori\353nt\r\n" HELLO), false,
     ANSWER_DONE, 0, 500, "hello", true, 0},
    {"a status of its own (529)", STR_ROW("HTTP/1.1 529 Busy\r\n" HELLO), false, ANSWER_DONE, 0,
     529, "hello", true, 0},
    {"chunks", STR_ROW(CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), false, ANSWER_DONE, 0, 200,
     "hello", true, 0},
    {"chunks with extensions", STR_ROW(CHUNKED "5;a;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n"), false,
     ANSWER_DONE, 0, 200, "hello", true, 0},
    {"chunks with a trailer", STR_ROW(CHUNKED "5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"), false,
     ANSWER_DONE, 0, 200, "hello", true, 0},
    {"Chunked in capitals", STR_ROW(OK_HEAD "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"), false,
     ANSWER_DONE, 0, 200, "", true, 0},
    {"an HTTP/1.0 answer to the end", STR_ROW("HTTP/1.0 200 OK\r\n\r\nhello"), true, ANSWER_DONE, 0,
     200, "hello", false, 0},
    {"an HTTP/1.0 answer with a length", STR_ROW("HTTP/1.0 200 OK\r\n" HELLO), false, ANSWER_DONE,
     0, 200, "hello", false, 0},
    {"HTTP/1.1 that closes", STR_ROW(OK_HEAD "connection: close\r\n\r\nhello"), true, ANSWER_DONE,
     0, 200, "hello", false, 0},
    {"close among other options", STR_ROW(OK_HEAD "connection: x, Close\r\n" HELLO), false,
     ANSWER_DONE, 0, 200, "hello", false, 0},
    {"100 and 103 first",
     STR_ROW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" OK_HEAD
                 HELLO),
     false, ANSWER_DONE, 0, 200, "hello", true, 0},
    {"204 has no body", STR_ROW("HTTP/1.1 204 No Content\r\n\r\n"), false, ANSWER_DONE, 0, 204, "",
     true, 0},
    {"304 has no body, whatever its length says",
     STR_ROW("HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n"), false, ANSWER_DONE, 0, 304,
     "", true, 0},
    {"a redirect is just an answer",
     STR_ROW("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n"),
     false, ANSWER_DONE, 0, 302, "", true, 0},
    {"an upgrade offer changes nothing",
     STR_ROW(OK_HEAD "connection: upgrade\r\nupgrade: h2c\r\n" HELLO), false, ANSWER_DONE, 0, 200,
     "hello", true, 0},
    {"identity is no encoding", STR_ROW(OK_HEAD "content-encoding: identity\r\n" HELLO), false,
     ANSWER_DONE, 0, 200, "hello", true, 0},
    {"an empty body may claim gzip",
     STR_ROW(OK_HEAD "content-encoding: gzip\r\ncontent-length: 0\r\n\r\n"), false, ANSWER_DONE, 0,
     200, "", true, 0},

    {"a second answer is left over", STR_ROW(OK_HEAD HELLO OK_HEAD HELLO), false, ANSWER_DONE, 0,
     200, "hello", false, 43},
    {"more body than the length", STR_ROW(OK_HEAD HELLO "!"), false, ANSWER_DONE, 0, 200, "hello",
     false, 1},
    {"bytes after the last chunk", STR_ROW(CHUNKED "0\r\n\r\nX"), false, ANSWER_DONE, 0, 200, "",
     false, 1},
    {"bytes after an answer without a body", STR_ROW("HTTP/1.1 204 No\r\n\r\nX"), false,
     ANSWER_DONE, 0, 204, "", false, 1},

    {"nothing, then the end", STR_ROW("H"), true, ANSWER_FAILED, UPSTREAM_FAIL_RESET, 0, "", false,
     0},
    {"cut inside the head", STR_ROW("HTTP/1.1 200 OK\r\nx: y\r\n"), true, ANSWER_FAILED,
     UPSTREAM_FAIL_RESET, 0, "", false, 0},
    {"cut after an interim answer", STR_ROW("HTTP/1.1 100 Continue\r\n\r\n"), true, ANSWER_FAILED,
     UPSTREAM_FAIL_RESET, 0, "", false, 0},
    {"cut before the length is reached", STR_ROW(OK_HEAD "content-length: 6\r\n\r\nhello"), true,
     ANSWER_FAILED, UPSTREAM_FAIL_RESET, 200, "hello", false, 0},
    {"cut inside a chunk", STR_ROW(CHUNKED "9\r\nhello"), true, ANSWER_FAILED, UPSTREAM_FAIL_RESET,
     200, "hello", false, 0},
    {"cut before the last chunk", STR_ROW(CHUNKED "5\r\nhello\r\n"), true, ANSWER_FAILED,
     UPSTREAM_FAIL_RESET, 200, "hello", false, 0},

    {"not HTTP", STR_ROW("HTTPER/1.1 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"not HTTP and no line end", STR_ROW("{\"error\""), false, BAD, 0, "", false, 0},
    {"RTSP", STR_ROW("RTSP/1.1 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"HTTP/2.0", STR_ROW("HTTP/2.0 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"HTTP/1.2", STR_ROW("HTTP/1.2 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"HTTP/01.1", STR_ROW("HTTP/01.1 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"HTTP/1.10", STR_ROW("HTTP/1.10 200 OK\r\n\r\n"), false, BAD, 0, "", false, 0},
    {"two spaces before the status", STR_ROW("HTTP/1.1  200 OK\r\n" HELLO), false, BAD, 0, "",
     false, 0},
    {"a status of two digits", STR_ROW("HTTP/1.1 20 OK\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a status of four digits", STR_ROW("HTTP/1.1 2000 OK\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a status of 600", STR_ROW("HTTP/1.1 600 OK\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a status of 099", STR_ROW("HTTP/1.1 099 OK\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"an empty line first", STR_ROW("\r\n" OK_HEAD HELLO), false, BAD, 0, "", false, 0},
    {"a line without CR", STR_ROW("HTTP/1.1 200 OK\ncontent-length: 0\n\n"), false, BAD, 0, "",
     false, 0},
    {"an empty line without CR", STR_ROW(OK_HEAD "content-length: 0\r\n\n"), false, BAD, 0, "",
     false, 0},
    {"a CR inside a line", STR_ROW(OK_HEAD "x: a\rb\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"two CR before LF", STR_ROW(OK_HEAD "x: a\r\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"NUL in a value", STR_ROW(OK_HEAD "x: a\0b\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"NUL in a name", STR_ROW(OK_HEAD "x\0: ab\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a control character in the reason", STR_ROW("HTTP/1.1 200 O\001K\r\n" HELLO), false, BAD, 0,
     "", false, 0},
    {"DEL in a value", STR_ROW(OK_HEAD "x: \177\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a line without a colon", STR_ROW(OK_HEAD "nonsense\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a line without a name", STR_ROW(OK_HEAD ": x\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a space before the colon", STR_ROW(OK_HEAD "content-length : 5\r\n\r\nhello"), false, BAD, 0,
     "", false, 0},
    {"a folded line", STR_ROW(OK_HEAD "x: a\r\n b\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"a folded line with a tab", STR_ROW(OK_HEAD "x: a\r\n\tb\r\n" HELLO), false, BAD, 0, "", false,
     0},
    {"two lengths", STR_ROW(OK_HEAD "content-length: 5\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"two lengths in one line", STR_ROW(OK_HEAD "content-length: 5, 5\r\n\r\nhello"), false, BAD, 0,
     "", false, 0},
    {"a signed length", STR_ROW(OK_HEAD "content-length: +5\r\n\r\nhello"), false, BAD, 0, "",
     false, 0},
    {"an empty length", STR_ROW(OK_HEAD "content-length:\r\n\r\nhello"), false, BAD, 0, "", false,
     0},
    {"a length of 2^64", STR_ROW(OK_HEAD "content-length: 18446744073709551616\r\n\r\n"), false,
     BAD, 0, "", false, 0},
    {"a length and chunks",
     STR_ROW(OK_HEAD "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), false,
     BAD, 0, "", false, 0},
    {"chunks and a length",
     STR_ROW(OK_HEAD "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"), false,
     BAD, 0, "", false, 0},
    {"chunked twice",
     STR_ROW(OK_HEAD "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
     false, BAD, 0, "", false, 0},
    {"another coding", STR_ROW(OK_HEAD "transfer-encoding: gzip\r\n\r\n"), false, BAD, 0, "", false,
     0},
    {"chunked is not the last coding", STR_ROW(OK_HEAD "transfer-encoding: chunked, gzip\r\n\r\n"),
     false, BAD, 0, "", false, 0},
    {"something like chunked", STR_ROW(OK_HEAD "transfer-encoding: chunkedchunked\r\n\r\n"), false,
     BAD, 0, "", false, 0},
    {"chunks in HTTP/1.0",
     STR_ROW("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), false, BAD, 0, "",
     false, 0},
    {"neither length nor close in HTTP/1.1", STR_ROW(OK_HEAD "\r\nhello"), true, BAD, 0, "", false,
     0},
    {"101", STR_ROW("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), false,
     BAD, 0, "", false, 0},
    {"brotli", STR_ROW(OK_HEAD "content-encoding: br\r\n" HELLO), false, BAD, 0, "", false, 0},
    {"gzip twice", STR_ROW(OK_HEAD "content-encoding: gzip\r\ncontent-encoding: gzip\r\n" HELLO),
     false, BAD, 0, "", false, 0},
    {"gzip that is none", STR_ROW(OK_HEAD "content-encoding: gzip\r\n" HELLO), false, BAD, 200, "",
     false, 0},
    {"a chunk size that is none", STR_ROW(CHUNKED "zz\r\nhello\r\n"), false, BAD, 200, "", false,
     0},
    {"a signed chunk size", STR_ROW(CHUNKED "-5\r\nhello\r\n"), false, BAD, 200, "", false, 0},
    {"a chunk size beyond 64 bits", STR_ROW(CHUNKED "11111111111111111\r\nh"), false, BAD, 200, "",
     false, 0},
    {"a chunk size line without CR", STR_ROW(CHUNKED "5\nhello\r\n0\r\n\r\n"), false, BAD, 200, "",
     false, 0},
    {"a chunk longer than it says", STR_ROW(CHUNKED "4\r\nhello\r\n0\r\n\r\n"), false, BAD, 200,
     "hell", false, 0},
    {"a chunk without CR at its end", STR_ROW(CHUNKED "5\r\nhello\n0\r\n\r\n"), false, BAD, 200,
     "hello", false, 0},
    {"an extension with a line feed", STR_ROW(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"), false, BAD,
     200, "", false, 0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct outcome const got = run_every_way(row->what, row->bytes, row->close);
        if (got.result != row->result || got.why != row->why)
            fail_msg("%s: result %d (%s), expected %d (%s)", row->what, (int)got.result,
                     upstream_fail_name(got.why), (int)row->result, upstream_fail_name(row->why));
        if (got.status != row->status || strcmp(got.body, row->body) != 0 ||
            got.reusable != row->reusable || (row->left > 0 && got.left != row->left))
            fail_msg("%s: status %d, body \"%s\", reusable %d, left %zu", row->what, got.status,
                     got.body, got.reusable, got.left);
        assert_int_equal(got.heads, row->status != 0);
    }
}

static void add(struct buf *buf, const char *text)
{
    assert_int_equal(buf_add(buf, str_of(text)), ERR_OK);
}

static void add_many(struct buf *buf, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_add_byte(buf, byte), ERR_OK);
}

static void expect(struct buf *bytes, enum answer_result result, enum upstream_fail why)
{
    struct str const text = buf_view(bytes);
    struct outcome const whole = run(text, text.len, text.len, false);
    struct outcome const single = run(text, 1, 1, false);
    struct outcome const odd = run(text, 7, 4093, false);
    assert_int_equal(whole.result, result);
    assert_int_equal(whole.why, why);
    assert_same("a bound", &whole, &single);
    assert_same("a bound", &whole, &odd);
    buf_free(bytes);
}

static void head_of(struct buf *bytes, size_t total)
{
    buf_init(bytes, 4 << 20);
    add(bytes, OK_HEAD "x: ");
    add_many(bytes, 'a', total - bytes->len - strlen("\r\ncontent-length: 0\r\n\r\n"));
    add(bytes, "\r\ncontent-length: 0\r\n\r\n");
    assert_int_equal(bytes->len, total);
}

static void test_head_bounds(void **state)
{
    struct buf bytes;
    (void)state;
    head_of(&bytes, UPSTREAM_HEAD_BYTES_MAX);
    expect(&bytes, ANSWER_DONE, 0);
    head_of(&bytes, UPSTREAM_HEAD_BYTES_MAX + 1);
    expect(&bytes, ANSWER_FAILED, UPSTREAM_FAIL_TOO_LARGE);
    head_of(&bytes, 1 << 20);
    expect(&bytes, ANSWER_FAILED, UPSTREAM_FAIL_TOO_LARGE);

    for (int extra = 0; extra < 2; extra++) {
        buf_init(&bytes, 1 << 20);
        add(&bytes, OK_HEAD);
        for (int i = 0; i < UPSTREAM_HEADER_COUNT_MAX - 1 + extra; i++)
            add(&bytes, "x: y\r\n");
        add(&bytes, "content-length: 0\r\n\r\n");
        expect(&bytes, extra ? ANSWER_FAILED : ANSWER_DONE, extra ? UPSTREAM_FAIL_TOO_LARGE : 0);
    }
    for (int extra = 0; extra < 2; extra++) {
        buf_init(&bytes, 1 << 20);
        for (int i = 0; i < UPSTREAM_INTERIM_COUNT_MAX + extra; i++)
            add(&bytes, "HTTP/1.1 100 Continue\r\n\r\n");
        add(&bytes, OK_HEAD HELLO);
        expect(&bytes, extra ? ANSWER_FAILED : ANSWER_DONE, extra ? UPSTREAM_FAIL_TOO_LARGE : 0);
    }
}

static void test_extras_are_bounded(void **state)
{
    struct buf bytes;
    (void)state;
    buf_init(&bytes, 1 << 20);
    add(&bytes, CHUNKED "5;");
    add_many(&bytes, 'a', UPSTREAM_HEAD_BYTES_MAX + 1);
    add(&bytes, "\r\nhello\r\n0\r\n\r\n");
    expect(&bytes, ANSWER_FAILED, UPSTREAM_FAIL_INVALID);

    buf_init(&bytes, 1 << 20);
    add(&bytes, CHUNKED "5\r\nhello\r\n0\r\n");
    for (int i = 0; i < UPSTREAM_HEAD_BYTES_MAX; i++)
        add(&bytes, "x: y\r\n");
    expect(&bytes, ANSWER_FAILED, UPSTREAM_FAIL_INVALID);
}

/* A stream may be longer than a plain answer; both have an end. */
static void test_body_bounds(void **state)
{
    static char piece[1 << 20];
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct answer answer = {0};
        struct outcome outcome = {0};
        int64_t const max = stream ? UPSTREAM_STREAM_BYTES_MAX : UPSTREAM_ANSWER_BYTES_MAX;
        size_t left;
        answer_start(&answer, &handler, &outcome);
        if (stream)
            answer_allow_stream(&answer);
        assert_int_equal(feed_all(&answer, STR("HTTP/1.0 200 OK\r\n\r\n"), &left), ANSWER_MORE);
        for (int64_t given = 0; given < max; given += (int64_t)sizeof piece)
            assert_int_equal(feed_all(&answer, str_make(piece, sizeof piece), &left), ANSWER_MORE);
        assert_int_equal(feed_all(&answer, STR("x"), &left), ANSWER_FAILED);
        assert_int_equal(answer.why, UPSTREAM_FAIL_TOO_LARGE);
        assert_int_equal(outcome.body_bytes, max);
        answer_free(&answer);
    }
    struct outcome const told =
        run(STR(OK_HEAD "content-length: 67108865\r\n\r\n"), 10, 1000, false);
    assert_int_equal(told.result, ANSWER_FAILED);
    assert_int_equal(told.why, UPSTREAM_FAIL_TOO_LARGE);
}

/* window_bits: 31 gzip, 15 deflate */
static void deflate_into(struct buf *bytes, struct str plain, int window_bits)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    assert_int_equal(buf_reserve(bytes, deflateBound(&stream, plain.len)), ERR_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)plain.ptr;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)bytes->ptr + bytes->len;
    stream.avail_out = (uInt)(bytes->cap - bytes->len);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    bytes->len = bytes->cap - stream.avail_out;
    deflateEnd(&stream);
}

static void test_compressed(void **state)
{
    static const struct {
        const char *what, *head;
        int window_bits;
        size_t cut; /* bytes missing at the end */
        enum answer_result result;
    } cases[] = {
        {"gzip", "content-encoding: gzip\r\n", 31, 0, ANSWER_DONE},
        {"x-gzip", "content-encoding: x-gzip\r\n", 31, 0, ANSWER_DONE},
        {"deflate", "content-encoding: Deflate\r\n", 15, 0, ANSWER_DONE},
        {"gzip without its end", "content-encoding: gzip\r\n", 31, 4, ANSWER_FAILED},
    };
    (void)state;
    struct str const plain = STR("hello hello hello hello");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body, bytes;
        buf_init(&body, 1 << 20);
        buf_init(&bytes, 1 << 20);
        deflate_into(&body, plain, cases[i].window_bits);
        body.len -= cases[i].cut;
        add(&bytes, OK_HEAD);
        add(&bytes, cases[i].head);
        assert_int_equal(buf_printf(&bytes, "content-length: %zu\r\n\r\n", body.len), ERR_OK);
        assert_int_equal(buf_add(&bytes, buf_view(&body)), ERR_OK);
        struct outcome const got = run_every_way(cases[i].what, buf_view(&bytes), false);
        assert_int_equal(got.result, cases[i].result);
        assert_string_equal(got.body, plain.ptr);
        buf_free(&body);
        buf_free(&bytes);
    }
}

/* 256 MiB of zeros in 250 KiB: cut at the plain bound, never given in one piece. */
static void test_bomb(void **state)
{
    static char zeros[1 << 20];
    struct buf bytes;
    (void)state;
    buf_init(&bytes, 8 << 20);
    add(&bytes, "HTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\n\r\n");
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(&bytes, 1 << 20), ERR_OK);
    stream.next_out = (Bytef *)bytes.ptr + bytes.len;
    stream.avail_out = (uInt)(bytes.cap - bytes.len);
    for (int i = 0; i < 256; i++) {
        stream.next_in = (z_const Bytef *)zeros;
        stream.avail_in = sizeof zeros;
        assert_int_equal(deflate(&stream, i == 255 ? Z_FINISH : Z_NO_FLUSH),
                         i == 255 ? Z_STREAM_END : Z_OK);
    }
    bytes.len = bytes.cap - stream.avail_out;
    deflateEnd(&stream);
    struct outcome const got = run(buf_view(&bytes), bytes.len, bytes.len, true);
    assert_int_equal(got.result, ANSWER_FAILED);
    assert_int_equal(got.why, UPSTREAM_FAIL_TOO_LARGE);
    assert_true(got.body_bytes <= UPSTREAM_ANSWER_BYTES_MAX);
    buf_free(&bytes);
}

/* The object serves one answer after the other, also after a failure in the middle. */
static void test_again(void **state)
{
    struct answer answer = {0};
    struct outcome outcome = {0};
    size_t left;
    (void)state;
    answer_start(&answer, &handler, &outcome);
    assert_int_equal(feed_all(&answer, STR("HTTP/1.1 2"), &left), ANSWER_MORE);
    assert_int_equal(feed_all(&answer, STR("x0 OK\r\n\r\n"), &left), ANSWER_FAILED);
    for (int i = 0; i < 3; i++) {
        outcome = (struct outcome){0};
        answer_start(&answer, &handler, &outcome);
        assert_int_equal(feed_all(&answer, STR("HTTP/1.1 200 OK\r\ncontent-"), &left), ANSWER_MORE);
        assert_int_equal(feed_all(&answer, STR("length: 2\r\n\r\nok"), &left), ANSWER_DONE);
        assert_string_equal(outcome.body, "ok");
        assert_true(answer_reusable(&answer));
    }
    answer_free(&answer);
}

static void test_headers_are_found(void **state)
{
    static const struct upstream_header list[] = {{STR_ROW("Retry-After"), STR_ROW("7")},
                                                  {STR_ROW("x"), STR_ROW("")}};
    struct upstream_head const head = {429, 2, list};
    (void)state;
    assert_true(str_eq(upstream_header(&head, STR("retry-after")), STR("7")));
    assert_int_equal(upstream_header(&head, STR("x")).len, 0);
    assert_null(upstream_header(&head, STR("y")).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_head_bounds),
        cmocka_unit_test(test_extras_are_bounded),
        cmocka_unit_test(test_body_bounds),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_headers_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
