/* test_map.c - against a plain array, over many random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool memory_is_short;

static void *calloc_or_not(size_t count, size_t size)
{
    return memory_is_short ? NULL : calloc(count, size);
}
#define calloc calloc_or_not
#include "base/map.c" /* in place of the library's, so that allocations can fail */
#undef calloc
#include "base/random.h"

enum { KEYS = 500, ROUNDS = 20000 };

static char names[KEYS][16];
static int values[KEYS][2];

static void an_empty_map_answers_nothing(void **state)
{
    (void)state;
    struct map map;
    size_t at = 0;
    map_init(&map);
    assert_null(map_get(&map, STR("a")));
    assert_null(map_remove(&map, STR("a")));
    assert_null(map_next(&map, &at));
    map_free(&map);
}

static void a_map_does_what_an_array_does(void **state)
{
    (void)state;
    static void *model[KEYS];
    struct random random;
    struct map map;
    size_t count = 0;
    random_seed(&random, 7);
    map_init(&map);
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "key-%d", i);
    for (int round = 0; round < ROUNDS; round++) {
        size_t const pick = random_below(&random, KEYS);
        struct str const key = str_of(names[pick]);
        assert_ptr_equal(map_get(&map, key), model[pick]);
        if (random_below(&random, 2) == 0) {
            assert_ptr_equal(map_remove(&map, key), model[pick]);
            count -= model[pick] ? 1 : 0;
            model[pick] = NULL;
        } else {
            void *value = &values[pick][random_below(&random, 2)];
            assert_int_equal(map_put(&map, key, value), ERR_OK);
            count += model[pick] ? 0 : 1;
            model[pick] = value;
        }
        assert_int_equal(map.count, count);
    }
    size_t at = 0, seen = 0;
    while (map_next(&map, &at))
        seen++;
    assert_int_equal(seen, count);
    assert_true(map.capacity <= 4096); /* removed slots are taken back */
    map_free(&map);
}

static void the_value_just_walked_may_be_removed(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        assert_int_equal(map_put(&map, str_of(names[i]), names[i]), ERR_OK);
    }
    size_t at = 0, seen = 0;
    for (char *name = map_next(&map, &at); name; name = map_next(&map, &at)) {
        assert_ptr_equal(map_remove(&map, str_of(name)), name);
        seen++;
    }
    assert_int_equal(seen, 100);
    assert_int_equal(map.count, 0);
    map_free(&map);
}

static void a_second_put_replaces_value_and_key(void **state)
{
    (void)state;
    struct map map;
    char old_key[] = "k", new_key[] = "k";
    map_init(&map);
    assert_int_equal(map_put(&map, str_of(old_key), &values[0][0]), ERR_OK);
    assert_int_equal(map_put(&map, str_of(new_key), &values[0][1]), ERR_OK);
    old_key[0] = 'x'; /* the old owner may go */
    assert_ptr_equal(map_get(&map, STR("k")), &values[0][1]);
    assert_int_equal(map.count, 1);
    assert_int_equal(map_put(&map, STR(""), &values[1][0]), ERR_OK);
    assert_ptr_equal(map_get(&map, (struct str){0}), &values[1][0]);
    map_free(&map);
}

static void no_memory_leaves_the_map_as_it_was(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    memory_is_short = true;
    assert_int_equal(map_put(&map, STR("a"), values), ERR_NO_MEMORY);
    memory_is_short = false;
    for (int i = 0; i < 12; i++)
        assert_int_equal(map_put(&map, str_of(names[i]), names[i]), ERR_OK);
    memory_is_short = true;
    assert_int_equal(map_put(&map, STR("one more"), values), ERR_NO_MEMORY);
    assert_int_equal(map_put(&map, str_of(names[3]), values), ERR_OK); /* needs no room */
    memory_is_short = false;
    assert_int_equal(map.count, 12);
    assert_ptr_equal(map_get(&map, str_of(names[3])), values);
    assert_null(map_get(&map, STR("one more")));
    map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_answers_nothing),
        cmocka_unit_test(a_map_does_what_an_array_does),
        cmocka_unit_test(the_value_just_walked_may_be_removed),
        cmocka_unit_test(a_second_put_replaces_value_and_key),
        cmocka_unit_test(no_memory_leaves_the_map_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
