/* test_codec_memory.c - the first, second, third … allocation fails, until none has to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static int allocations_left;

static void *realloc_or_not(void *old, size_t size)
{
    return allocations_left-- > 0 ? realloc(old, size) : NULL;
}
#define realloc realloc_or_not
#include "base/buf.c" /* in place of the library's, so that allocations can fail */
#undef realloc
#include "codec/fernet.h"
#include "codec/json_write.h"
#include "codec/sse.h"

enum { TRIES_MAX = 50 };

/* Runs it with 0, 1, 2 … allocations: ERR_NO_MEMORY until there are enough. Returns how many. */
static int enough_for(enum err (*work)(void))
{
    for (int allocations = 0; allocations < TRIES_MAX; allocations++) {
        allocations_left = allocations;
        enum err const err = work();
        if (err == ERR_OK)
            return allocations;
        assert_int_equal(err, ERR_NO_MEMORY);
    }
    fail_msg("never enough");
    return TRIES_MAX;
}

static enum err write_json(void)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, 1 << 16);
    json_write_start(&writer, &out);
    json_array_open(&writer);
    for (int i = 0; i < 300; i++) {
        json_object_open(&writer);
        json_pair_text(&writer, "text", STR("a\n\xff"));
        json_pair_i64(&writer, "number", i);
        json_object_close(&writer);
    }
    json_array_close(&writer);
    enum err const err = json_write_end(&writer);
    buf_free(&out);
    return err;
}

static bool on_event(void *owner, const struct sse_event *event)
{
    *(size_t *)owner += event->data.len;
    return true;
}

static enum err read_events(void)
{
    struct sse_parser parser;
    size_t total = 0;
    char line[300];
    enum err err = ERR_OK;
    memset(line, 'd', sizeof line);
    sse_init(&parser, 1 << 16);
    for (int i = 0; i < 5 && err == ERR_OK; i++) { /* the first byte might have been a BOM's */
        static const char *const pieces[] = {"\xef", "\n\n", "data: a\ndata: b\n\n", "data: ", "c"};
        err = sse_feed(&parser, str_of(pieces[i]), on_event, &total);
    }
    if (err == ERR_OK)
        err = sse_feed(&parser, str_make(line, sizeof line), on_event, &total);
    if (err == ERR_OK)
        err = sse_feed(&parser, STR("\ndata: e\n\n"), on_event, &total);
    if (err == ERR_OK)
        assert_int_equal(total, 3 + 1 + sizeof line + 2);
    sse_free(&parser);
    return err;
}

static enum err seal_and_open(void)
{
    struct fernet_ring ring = {.count = 1};
    struct buf token, plain;
    size_t key = 9;
    buf_init(&token, 1 << 10);
    buf_init(&plain, 1 << 10);
    enum err err = fernet_encrypt(&ring, STR("secret"), &token);
    if (err == ERR_OK)
        err = fernet_decrypt(&ring, buf_view(&token), -1, 0, &plain, &key);
    assert_int_equal(err == ERR_OK, str_eq(buf_view(&plain), STR("secret")));
    buf_free(&token);
    buf_free(&plain);
    return err;
}

static void every_failing_allocation_is_answered(void **state)
{
    (void)state;
    assert_int_equal(enough_for(write_json), 7); /* 256 bytes, doubled up to 16 kB */
    assert_int_equal(enough_for(read_events), 4);
    assert_int_equal(enough_for(seal_and_open), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failing_allocation_is_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
