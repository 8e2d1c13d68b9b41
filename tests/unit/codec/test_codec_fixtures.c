/* test_codec_fixtures.c - published suites, read in place.
 *
 * What:  COTA_FIXTURES names a folder with suites/ in it; without it the test is skipped (77).
 * Not:   in this project: nothing of the suites is copied here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/base64.h"
#include "codec/fernet.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "codec/utf8.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILE_BYTES_MAX = 32 << 20, SKIPPED = 77 };

static struct buf file;
static struct json_object row;
static char scratch[4 << 20], second[4 << 20];

/* Reads the file into `file`; skips the test when there is none. */
static void load(const char *name)
{
    const char *const folder = getenv("COTA_FIXTURES");
    char path[1000];
    snprintf(path, sizeof path, "%s/suites/%s", folder, name);
    FILE *input = fopen(path, "rb");
    if (!input) {
        print_message("%s is not there\n", path);
        skip();
    }
    size_t count;
    buf_free(&file);
    buf_init(&file, FILE_BYTES_MAX);
    do {
        assert_int_equal(buf_reserve(&file, 1 << 16), ERR_OK);
        count = fread(file.ptr + file.len, 1, 1 << 16, input);
        file.len += count;
    } while (count > 0);
    fclose(input);
}

/* The next line of *rest, without its end. False at the end. */
static bool next_line(struct str *rest, struct str *line)
{
    if (rest->len == 0)
        return false;
    size_t const len = str_find(*rest, STR("\n"));
    *line = str_make(rest->ptr, len);
    *rest = str_skip(*rest, len + 1);
    return true;
}

static void scan_row(struct str json)
{
    struct fault fault = {0};
    if (json_scan(json, &row, &fault) != ERR_OK)
        fail_msg("%s", fault.detail);
}

/* Text of a member of `row`, in `out`. */
static struct str text_of(const char *name, char *out, size_t size)
{
    size_t len = 0;
    if (!json_text(json_get(&row, str_of(name)), out, size, &len))
        return (struct str){0};
    return str_make(out, len);
}

/* n_ bodies are refused, y_ bodies are accepted, the others come to an answer. */
static void json_bodies(void **state)
{
    (void)state;
    static struct json_object members;
    size_t accepted = 0, refused = 0, either = 0;
    load("json-bodies/dev.jsonl");
    struct str rest = buf_view(&file), line;
    while (next_line(&rest, &line)) {
        char name_bytes[200];
        size_t len = 0;
        scan_row(line);
        struct str name = text_of("name", name_bytes, sizeof name_bytes);
        struct str const body = text_of("body_b64", scratch, sizeof scratch);
        if (!body.ptr)
            continue; /* a body that a script generates */
        assert_true(base64_decode(body, BASE64_STANDARD, true, second, sizeof second, &len));
        struct fault fault = {0};
        bool const ours = json_scan(str_make(second, len), &members, &fault) == ERR_OK;
        if (str_starts(name, STR("whole-")))
            name = str_skip(name, 6);
        bool const yes = str_starts(name, STR("y_")), no = str_starts(name, STR("n_"));
        if ((yes && !ours) || (no && ours))
            fail_msg("%.*s: %s", STR_ARG(name), fault.detail);
        accepted += yes;
        refused += no;
        either += !yes && !no;
    }
    print_message("%zu accepted, %zu refused, %zu either\n", accepted, refused, either);
    assert_true(accepted > 0 && refused > 0);
}

/* "num:valid hex:31 32" and the like, of utf8tests.txt. */
static void utf8_tests(void **state)
{
    (void)state;
    size_t valid = 0, invalid = 0;
    load("utf8tests/utf8tests.txt");
    struct str rest = buf_view(&file), line;
    while (next_line(&rest, &line)) {
        size_t const kind_at = str_find(line, STR(":")) + 1;
        struct str const kind = str_skip(line, kind_at);
        bool const is_valid = str_starts(kind, STR("valid hex:"));
        if (line.len == 0 || line.ptr[0] == '#' ||
            (!is_valid && !str_starts(kind, STR("invalid hex:"))))
            continue;
        struct str hex = str_skip(kind, str_find(kind, STR(":")) + 1);
        hex.len = str_find(hex, STR(":"));
        size_t len = 0;
        for (hex = str_trim(hex); hex.len >= 2; hex = str_trim(str_skip(hex, 2))) {
            char const digits[] = {hex.ptr[0], hex.ptr[1], '\0'};
            scratch[len++] = (char)strtoul(digits, NULL, 16);
        }
        if (utf8_valid(str_make(scratch, len)) != is_valid)
            fail_msg("%.*s", STR_ARG(line));
        valid += is_valid;
        invalid += !is_valid;
    }
    print_message("%zu valid, %zu invalid\n", valid, invalid);
    assert_true(valid > 0 && invalid > 0);
}

/* "1985-10-26T01:20:00-07:00" */
static int64_t seconds_of(struct str text)
{
    struct tm parts = {0};
    int hours = 0, minutes = 0;
    char copy[40];
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(text));
    const char *const zone = strptime(copy, "%Y-%m-%dT%H:%M:%S", &parts);
    assert_non_null(zone);
    assert_int_equal(sscanf(zone + 1, "%2d:%2d", &hours, &minutes), 2);
    int64_t const offset = (int64_t)hours * 3600 + minutes * 60;
    return (int64_t)timegm(&parts) + (*zone == '-' ? offset : -offset);
}

static struct fernet_ring ring_of_row(void)
{
    struct fernet_ring ring = {.count = 1};
    char text[100];
    assert_int_equal(fernet_key_parse(text_of("secret", text, sizeof text), &ring.keys[0]), ERR_OK);
    return ring;
}

static int64_t now_of_row(void)
{
    char text[40];
    return seconds_of(text_of("now", text, sizeof text));
}

/* Calls `check` with each object of the file's array in `row`; returns how many. */
static size_t each_row(const char *name, void (*check)(void))
{
    size_t at = 0, count = 0;
    struct str element;
    struct fault fault = {0};
    load(name);
    struct str const all = str_trim(buf_view(&file));
    assert_int_equal(json_scan(all, NULL, &fault), ERR_OK);
    while (json_next(all, &at, &element)) {
        scan_row(element);
        check();
        count++;
    }
    return count;
}

static void check_generated(void)
{
    struct fernet_ring const ring = ring_of_row();
    unsigned char iv[16];
    size_t at = 0;
    struct str element;
    struct buf token;
    for (int i = 0; i < 16; i++) {
        int64_t byte;
        assert_true(json_next(json_get(&row, STR("iv")), &at, &element));
        assert_true(json_i64(element, &byte));
        iv[i] = (unsigned char)byte;
    }
    buf_init(&token, 1 << 16);
    assert_int_equal(fernet_encrypt_at(&ring.keys[0], text_of("src", scratch, sizeof scratch),
                                       now_of_row(), iv, &token),
                     ERR_OK);
    assert_true(str_eq(buf_view(&token), text_of("token", scratch, sizeof scratch)));
    buf_free(&token);
}

static enum err decrypt_row(struct buf *plain)
{
    struct fernet_ring const ring = ring_of_row();
    int64_t ttl_s;
    assert_true(json_i64(json_get(&row, STR("ttl_sec")), &ttl_s));
    buf_init(plain, 1 << 16);
    return fernet_decrypt(&ring, text_of("token", scratch, sizeof scratch), ttl_s, now_of_row(),
                          plain, NULL);
}

static void check_valid(void)
{
    struct buf plain;
    assert_int_equal(decrypt_row(&plain), ERR_OK);
    assert_true(str_eq(buf_view(&plain), text_of("src", scratch, sizeof scratch)));
    buf_free(&plain);
}

static void check_invalid(void)
{
    struct buf plain;
    if (decrypt_row(&plain) != ERR_FIELD_INVALID)
        fail_msg("%.*s", STR_ARG(text_of("desc", scratch, sizeof scratch)));
    assert_int_equal(plain.len, 0);
    buf_free(&plain);
}

static void fernet_vectors(void **state)
{
    (void)state;
    size_t const generated = each_row("fernet/generate.json", check_generated);
    size_t const valid = each_row("fernet/verify.json", check_valid);
    size_t const invalid = each_row("fernet/invalid.json", check_invalid);
    print_message("%zu made, %zu read, %zu refused\n", generated, valid, invalid);
    assert_true(generated > 0 && valid > 0 && invalid > 0);
}

struct stream {
    struct buf raw, data;
};

static bool on_event(void *owner, const struct sse_event *event)
{
    struct stream *stream = owner;
    assert_int_equal(buf_add(&stream->raw, event->raw), ERR_OK);
    assert_int_equal(buf_add(&stream->data, event->data), ERR_OK);
    assert_int_equal(buf_add_byte(&stream->data, '\n'), ERR_OK);
    return true;
}

static void feed_stream(struct str body, size_t step, struct stream *stream)
{
    struct sse_parser parser;
    sse_init(&parser, sizeof scratch);
    buf_init(&stream->raw, sizeof scratch);
    buf_init(&stream->data, sizeof scratch);
    while (body.len > 0) {
        size_t const count = step < body.len ? step : body.len;
        assert_int_equal(sse_feed(&parser, str_make(body.ptr, count), on_event, stream), ERR_OK);
        body = str_skip(body, count);
    }
    assert_int_equal(buf_add(&stream->raw, sse_rest(&parser)), ERR_OK);
    sse_free(&parser);
}

/* Recorded streams: whole and in pieces of any size the same, and no byte is lost. */
static void sse_wire(void **state)
{
    (void)state;
    size_t count = 0;
    load("sse-wire/dev.jsonl");
    struct str rest = buf_view(&file), line;
    while (next_line(&rest, &line)) {
        scan_row(line);
        struct str body = text_of("body", scratch, sizeof scratch);
        if (!body.ptr)
            continue;
        struct stream whole;
        feed_stream(body, SIZE_MAX, &whole);
        assert_true(str_eq(buf_view(&whole.raw), body) ||
                    str_eq(buf_view(&whole.raw), str_skip(body, 3)));
        for (size_t step = 1; step < 40; step += 3) {
            struct stream pieces;
            feed_stream(body, step, &pieces);
            assert_true(str_eq(buf_view(&pieces.raw), buf_view(&whole.raw)));
            assert_true(str_eq(buf_view(&pieces.data), buf_view(&whole.data)));
            buf_free(&pieces.raw);
            buf_free(&pieces.data);
        }
        buf_free(&whole.raw);
        buf_free(&whole.data);
        count++;
    }
    print_message("%zu streams\n", count);
    assert_true(count > 0);
}

static int unload(void **state)
{
    (void)state;
    buf_free(&file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_bodies),
        cmocka_unit_test(utf8_tests),
        cmocka_unit_test(fernet_vectors),
        cmocka_unit_test(sse_wire),
    };
    if (!getenv("COTA_FIXTURES")) {
        print_message("COTA_FIXTURES is not set: no published suite is read\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, unload);
}
