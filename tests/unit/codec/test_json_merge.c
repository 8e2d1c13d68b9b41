/* test_json_merge.c - the cases of RFC 7396 appendix A, order kept, members taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json_merge.h"
#include <cmocka.h>

static void patches_of_rfc_7396(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"z\":1,\"y\":2,\"x\":3}", "{\"y\":{\"q\":1}}", "{\"z\":1,\"y\":{\"q\":1},\"x\":3}"},
        {"{\"a\":1}", "{\"\\u0061\":2}", "{\"a\":2}"},
    };
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(json_merge(str_of(rows[i][0]), str_of(rows[i][1]), arena, &out), ERR_OK);
        if (!str_eq(buf_view(&out), str_of(rows[i][2])))
            fail_msg("%s + %s = %.*s", rows[i][0], rows[i][1], (int)out.len, out.ptr);
        buf_free(&out);
    }
    arena_free(arena);
}

static void members_are_taken_out(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "version", NULL};
    struct arena *arena = arena_new(1 << 20);
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(
        json_without(STR("{\"id\":1, \"a\" : {\"id\":2} ,\"version\":3}"), names, arena, &out),
        ERR_OK);
    assert_true(str_eq(buf_view(&out), STR("{\"a\":{\"id\":2}}")));
    buf_free(&out);
    buf_init(&out, 3);
    assert_int_not_equal(json_without(STR("{\"a\":1}"), names, arena, &out), ERR_OK);
    buf_free(&out);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_of_rfc_7396),
        cmocka_unit_test(members_are_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
