/* test_arena.c - alignment, the bound, hooks newest first, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static int allocations_left = 1 << 20;

static void *malloc_or_not(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}
#define malloc malloc_or_not
#include "base/arena.c" /* in place of the library's, so that allocations can fail */
#undef malloc

static char order[8];

static void note(void *object)
{
    size_t const used = strlen(order);
    order[used] = *(char *)object;
}

static void objects_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    unsigned char *last = NULL;
    for (size_t size = 1; size < 3000; size += 7) {
        unsigned char *object = arena_alloc(arena, size);
        assert_non_null(object);
        assert_int_equal((uintptr_t)object % alignof(max_align_t), 0);
        memset(object, (int)(size & 0xff), size);
        if (last)
            assert_int_equal(last[size - 8], (size - 7) & 0xff);
        last = object;
    }
    arena_free(arena);
}

static void the_bound_holds_to_the_byte(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100000);
    assert_null(arena_alloc(arena, 100001));
    assert_non_null(arena_alloc(arena, 60000));
    assert_null(arena_alloc(arena, 40001));
    assert_non_null(arena_alloc(arena, 40000));
    assert_int_equal(arena_used(arena), 100000);
    assert_null(arena_alloc(arena, 1));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_copy(arena, STR("")).ptr); /* its NUL does not fit */
    assert_null(arena_printf(arena, "%d", 1).ptr);
    assert_null(arena_zalloc(arena, 1));
    assert_false(arena_on_free(arena, note, order));
    arena_free(arena);
}

static void text_is_copied_with_a_nul(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    struct str copy = arena_copy(arena, STR("texto"));
    assert_string_equal(copy.ptr, "texto");
    assert_int_equal(copy.len, 5);
    assert_string_equal(arena_copy(arena, (struct str){0}).ptr, "");
    struct str printed = arena_printf(arena, "%s=%d", "n", 12);
    assert_string_equal(printed.ptr, "n=12");
    assert_int_equal(printed.len, 4);
    const char *zero = arena_zalloc(arena, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(zero[i], 0);
    arena_free(arena);
}

static void hooks_run_once_newest_first(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    memset(order, 0, sizeof order);
    assert_true(arena_on_free(arena, note, "a"));
    assert_true(arena_on_free(arena, note, "b"));
    arena_reset(arena);
    assert_string_equal(order, "ba");
    assert_int_equal(arena_used(arena), 0);
    assert_true(arena_on_free(arena, note, "c"));
    arena_free(arena);
    assert_string_equal(order, "bac");
    arena_free(NULL);
}

static void a_reset_arena_starts_over(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    void *const first = arena_alloc(arena, 100);
    assert_non_null(arena_alloc(arena, 100000));
    assert_non_null(arena_alloc(arena, 100000));
    arena_reset(arena);
    assert_ptr_equal(arena_alloc(arena, 100), first);
    arena_free(arena);
}

static void no_memory_gives_null_and_nothing_breaks(void **state)
{
    (void)state;
    allocations_left = 0;
    assert_null(arena_new(4096));
    allocations_left = 1;
    struct arena *arena = arena_new(1 << 20);
    assert_non_null(arena);
    assert_null(arena_alloc(arena, 50000));
    assert_int_equal(arena_used(arena), 0);
    assert_non_null(arena_alloc(arena, 100));
    allocations_left = 1 << 20;
    assert_non_null(arena_alloc(arena, 50000));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_aligned_and_apart),
        cmocka_unit_test(the_bound_holds_to_the_byte),
        cmocka_unit_test(text_is_copied_with_a_nul),
        cmocka_unit_test(hooks_run_once_newest_first),
        cmocka_unit_test(a_reset_arena_starts_over),
        cmocka_unit_test(no_memory_gives_null_and_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
