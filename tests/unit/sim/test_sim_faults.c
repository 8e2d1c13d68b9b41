/* test_sim_faults.c - every row of faults.def does something, where it says so, and what it says.
 */
#include "sim_test.h"
#include <stdio.h>
#include <zlib.h>

static const char plain_body[] =
    "{\"model\":\"sim-fast:output=8\",\"stream\":false,\"stream_options\":{\"include_usage\":true},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";
static const char stream_body[] =
    "{\"model\":\"sim-fast:output=8\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";

static struct answer with(const char *body, const char *fault)
{
    return answer_chat(body, fault);
}

/* Everything about a plan that a peer could notice. */
static bool same(const struct sim_plan *a, const struct sim_plan *b)
{
    struct buf first, second;
    answer_wire(a, &first);
    answer_wire(b, &second);
    bool const equal = str_eq(buf_view(&first), buf_view(&second)) && a->head == b->head &&
                       a->end == b->end && a->one_byte == b->one_byte &&
                       a->close_after == b->close_after;
    buf_free(&first);
    buf_free(&second);
    return equal;
}

static void each_fault_shows_where_the_table_says(void **state)
{
    (void)state;
    struct answer plain = with(plain_body, NULL), stream = with(stream_body, NULL);
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        const struct sim_fault_row *row = sim_fault_row((enum sim_fault)i);
        char name[64];
        snprintf(name, sizeof name, "%.*s%s", STR_ARG(row->name), i == SIM_STATUS ? "=418" : "");
        struct answer a = with(plain_body, name), b = with(stream_body, name);
        if (same(&plain.plan, &a.plan) == row->plain)
            fail_msg("%s: plain", name);
        if (same(&stream.plan, &b.plan) == row->stream)
            fail_msg("%s: stream", name);
        assert_true(strlen(row->help) > 10);
        answer_free(&a);
        answer_free(&b);
    }
    answer_free(&plain);
    answer_free(&stream);
}

static void each_fault_is_planned(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        bool stream;
        int status;
        enum sim_head head;
        enum sim_framing framing;
        enum sim_end end;
        size_t pieces; /* of a stream: 12 in all */
    } rows[] = {
        {NULL, false, 200, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {NULL, true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_WHOLE, 12},
        {"refuse", false, 200, SIM_HEAD_NONE, SIM_FRAMING_LENGTH, SIM_END_CUT, 0},
        {"reset", true, 200, SIM_HEAD_NONE, SIM_FRAMING_CHUNKED, SIM_END_RESET, 0},
        {"stall", true, 200, SIM_HEAD_NONE, SIM_FRAMING_CHUNKED, SIM_END_SILENT, 0},
        {"slow-head", false, 200, SIM_HEAD_SLOW, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"huge-head", false, 200, SIM_HEAD_HUGE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"nothing-after-head", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_SILENT, 0},
        {"reset-mid-stream=4", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_RESET, 4},
        {"cut-mid-stream", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_CUT, 6},
        {"cut-mid-stream=12", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_CUT, 12},
        {"stall-mid-stream=0", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_SILENT, 0},
        {"truncated-chunk=1", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_SHORT_CHUNK,
         1},
        {"bad-chunk", false, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_BAD_CHUNK, 1},
        {"length-too-long", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_CUT, 12},
        {"length-too-short", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 12},
        {"two-lengths", false, 200, SIM_HEAD_TWO_LENGTHS, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"endless-line", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_ENDLESS, 2},
        {"endless-stream", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_ENDLESS, 1},
        {"endless-stream", false, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_ENDLESS, 2},
        {"status=429", true, 429, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"500", false, 500, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"503", true, 503, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"529", true, 529, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"401", true, 401, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"404", true, 404, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"html", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"error-body", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"redirect", true, 302, SIM_HEAD_WHOLE, SIM_FRAMING_LENGTH, SIM_END_WHOLE, 1},
        {"http10", true, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CLOSE, SIM_END_WHOLE, 12},
        {"gzip", false, 200, SIM_HEAD_WHOLE, SIM_FRAMING_CHUNKED, SIM_END_WHOLE, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = with(rows[i].stream ? stream_body : plain_body, rows[i].fault);
        const struct sim_plan *plan = &a.plan;
        if (plan->status != rows[i].status || plan->head != rows[i].head ||
            plan->framing != rows[i].framing || plan->end != rows[i].end ||
            plan->piece_count != rows[i].pieces)
            fail_msg("%s: %d %d %d %d %zu", rows[i].fault, plan->status, plan->head, plan->framing,
                     plan->end, plan->piece_count);
        answer_free(&a);
    }
}

/* What the wire must contain (or, with '!', must not). */
static void each_fault_is_on_the_wire(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        bool stream;
        const char *has[3];
    } rows[] = {
        {NULL, false, {"HTTP/1.1 200 OK\r\n", "content-length: ", "!connection: close"}},
        {NULL, true, {"transfer-encoding: chunked\r\n", "text/event-stream", "\r\n0\r\n\r\n"}},
        {"http10", true, {"HTTP/1.0 200 OK\r\n", "connection: close\r\n", "!chunked"}},
        {"bad-chunk", true, {"\r\nzz\r\n", "!\r\n0\r\n\r\n", "!DONE"}},
        {"truncated-chunk", true, {"\r\nff\r\ndata: {\"cut\":", "!\r\n0\r\n\r\n", "!DONE"}},
        {"interim", true, {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103", "HTTP/1.1 200 OK", "DONE"}},
        {"redirect", false, {"HTTP/1.1 302 Found\r\n", "location: http://169.254.", "!choices"}},
        {"html", false, {"text/html", "<html>", "!choices"}},
        {"error-body", true, {"HTTP/1.1 200 OK\r\n", "{\"error\":{", "application/json"}},
        {"status=429",
         false,
         {"HTTP/1.1 429 Too Many Requests\r\n", "retry-after: 2\r\n", "{\"error"}},
        {"503,retry-after=17", false, {"HTTP/1.1 503", "retry-after: 17\r\n", "overloaded"}},
        {"503,retry-after=date", false, {"retry-after: Fri, 31 Dec 2032 23:59:59 GMT\r\n", "", ""}},
        {"503", false, {"!retry-after", "", ""}},
        {"crlf", true, {"data: [DONE]\r\n\r\n", "!\n\n", ""}},
        {"cr", true, {"data: [DONE]\r\r", "!\n\n", ""}},
        {"bom",
         true,
         {"\r\n\xef\xbb\xbf"
          "data: {",
          "", ""}},
        {"no-usage", false, {"!usage", "choices", ""}},
        {"gzip", true, {"content-encoding: gzip\r\n", "!data:", "\r\n0\r\n\r\n"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = with(rows[i].stream ? stream_body : plain_body, rows[i].fault);
        struct buf wire;
        answer_wire(&a.plan, &wire);
        for (size_t k = 0; k < 3; k++) {
            bool const absent = rows[i].has[k][0] == '!';
            struct str const needle = str_of(rows[i].has[k] + absent);
            if ((str_find(buf_view(&wire), needle) == wire.len) != absent)
                fail_msg("%s: %s", rows[i].fault, rows[i].has[k]);
        }
        buf_free(&wire);
        answer_free(&a);
    }
}

/* The number after "content-length: ", from `from` on. */
static int64_t length_after(struct str wire, size_t from, size_t *next)
{
    struct str const name = STR("content-length: ");
    struct str rest = str_skip(wire, from);
    size_t const position = str_find(rest, name);
    rest = str_skip(rest, position + name.len);
    int64_t length = -1;
    (void)str_to_i64(str_make(rest.ptr, str_find(rest, STR("\r\n"))), &length);
    *next = from + position + name.len;
    return length;
}

static void lengths_are_wrong_as_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        int64_t first, second; /* more than the body has; second -1: there is none */
    } rows[] = {
        {"interim", 0, -1},           {"length-too-long", 10, -1},
        {"length-too-long=3", 3, -1}, {"length-too-short", -10, -1},
        {"two-lengths", 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int stream = 0; stream < 2; stream++) {
            if (stream && i == 0)
                continue; /* has no length */
            struct answer a = with(stream ? stream_body : plain_body, rows[i].fault);
            struct buf wire, body;
            size_t next = 0;
            answer_wire(&a.plan, &wire);
            answer_body(&a.plan, &body);
            int64_t const real = (int64_t)body.len;
            assert_int_equal(length_after(buf_view(&wire), 0, &next), real + rows[i].first);
            int64_t const second = length_after(buf_view(&wire), next, &next);
            assert_int_equal(second, rows[i].second < 0 ? -1 : real + rows[i].second);
            assert_true(str_eq(str_skip(buf_view(&wire), wire.len - body.len), buf_view(&body)));
            buf_free(&body);
            buf_free(&wire);
            answer_free(&a);
        }
    }
}

static void a_second_answer_follows(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct answer once = with(stream ? stream_body : plain_body, NULL);
        struct answer twice = with(stream ? stream_body : plain_body, "twice");
        struct buf first, both;
        answer_wire(&once.plan, &first);
        answer_wire(&twice.plan, &both);
        assert_int_equal(both.len, 2 * first.len);
        assert_true(str_starts(buf_view(&both), buf_view(&first)));
        assert_true(str_eq(str_skip(buf_view(&both), first.len), buf_view(&first)));
        buf_free(&first);
        buf_free(&both);
        answer_free(&once);
        answer_free(&twice);
    }
}

/* Takes the chunks apart; fails unless they are right and end with the last one. */
static void unchunk(struct str wire, struct buf *out)
{
    buf_init(out, 1 << 20);
    wire = str_skip(wire, str_find(wire, STR("\r\n\r\n")) + 4);
    for (;;) {
        size_t const line = str_find(wire, STR("\r\n"));
        char digits[20];
        assert_true(line > 0 && line < sizeof digits);
        memcpy(digits, wire.ptr, line);
        digits[line] = '\0';
        size_t const count = strtoul(digits, NULL, 16);
        wire = str_skip(wire, line + 2);
        assert_true(wire.len >= count + 2);
        assert_int_equal(buf_add(out, str_make(wire.ptr, count)), ERR_OK);
        wire = str_skip(wire, count);
        assert_memory_equal(wire.ptr, "\r\n", 2);
        wire = str_skip(wire, 2);
        if (count == 0)
            break;
    }
    assert_int_equal(wire.len, 0);
}

static void chunks_carry_the_body(void **state)
{
    (void)state;
    struct answer a = with(stream_body, NULL);
    struct buf wire, body, carried;
    answer_wire(&a.plan, &wire);
    answer_body(&a.plan, &body);
    unchunk(buf_view(&wire), &carried);
    assert_true(str_eq(buf_view(&body), buf_view(&carried)));
    buf_free(&wire);
    buf_free(&body);
    buf_free(&carried);
    answer_free(&a);
}

static void gzip_carries_the_body(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct answer a = with(stream ? stream_body : plain_body, "gzip");
        struct buf wire, body, carried;
        answer_wire(&a.plan, &wire);
        answer_body(&a.plan, &body);
        unchunk(buf_view(&wire), &carried);
        Bytef unpacked[1 << 14];
        z_stream inflater = {0};
        inflater.next_in = (Bytef *)carried.ptr;
        inflater.avail_in = (uInt)carried.len;
        inflater.next_out = unpacked;
        inflater.avail_out = sizeof unpacked;
        assert_int_equal(inflateInit2(&inflater, 15 + 16), Z_OK);
        assert_int_equal(inflate(&inflater, Z_FINISH), Z_STREAM_END);
        assert_int_equal(inflater.total_out, body.len);
        assert_memory_equal(unpacked, body.ptr, body.len);
        inflateEnd(&inflater);
        buf_free(&wire);
        buf_free(&body);
        buf_free(&carried);
        answer_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_shows_where_the_table_says),
        cmocka_unit_test(each_fault_is_planned),
        cmocka_unit_test(each_fault_is_on_the_wire),
        cmocka_unit_test(lengths_are_wrong_as_wanted),
        cmocka_unit_test(a_second_answer_follows),
        cmocka_unit_test(chunks_carry_the_body),
        cmocka_unit_test(gzip_carries_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
