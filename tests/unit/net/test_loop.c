/* test_loop.c - posts from many threads arrive in order, work for later runs once. */
#include "net/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

enum { THREADS = 4, POSTS = 2000 };

struct producer {
    pthread_t thread;
    struct loop *loop;
    int next_seen; /* on the loop's thread only */
    bool disordered;
    int *left;
};

struct parcel {
    struct producer *from;
    int number;
};

static void on_parcel(void *argument)
{
    struct parcel *parcel = argument;
    struct producer *from = parcel->from;
    if (parcel->number != from->next_seen++)
        from->disordered = true;
    if (--*from->left == 0)
        loop_stop(from->loop);
    free(parcel);
}

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (int i = 0; i < POSTS; i++) {
        struct parcel *parcel = malloc(sizeof *parcel);
        *parcel = (struct parcel){producer, i};
        if (loop_post(producer->loop, on_parcel, parcel) != ERR_OK)
            abort();
    }
    return NULL;
}

static void posts_of_many_threads_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct producer producers[THREADS];
    int left = THREADS * POSTS;
    for (int i = 0; i < THREADS; i++) {
        producers[i] = (struct producer){.loop = loop, .left = &left};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(producers[i].thread, NULL);
        assert_false(producers[i].disordered);
        assert_int_equal(producers[i].next_seen, POSTS);
    }
    loop_free(loop);
}

struct later {
    struct soon soon;
    struct loop *loop;
    int runs, again;
};

static void on_later(struct soon *soon)
{
    struct later *later = LIST_OWNER(soon, struct later, soon);
    later->runs++;
    if (later->again-- > 0)
        loop_soon(later->loop, soon);
    else
        loop_stop(later->loop);
}

static void work_for_later_runs_once_and_may_plan_itself_again(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct later later = {.loop = loop, .again = 3}, cancelled = {.loop = loop};
    soon_init(&later.soon, on_later);
    soon_init(&cancelled.soon, on_later);
    loop_soon(loop, &cancelled.soon);
    loop_soon(loop, &later.soon);
    loop_soon(loop, &later.soon);
    soon_cancel(&cancelled.soon);
    loop_run(loop);
    assert_int_equal(later.runs, 4);
    assert_int_equal(cancelled.runs, 0);
    loop_free(loop);
}

static void count_run(void *argument)
{
    ++*(int *)argument;
}

static void what_is_posted_to_a_loop_that_never_runs_is_dropped(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    int runs = 0;
    assert_int_equal(loop_post(loop, count_run, &runs), ERR_OK);
    loop_free(loop);
    assert_int_equal(runs, 0);
    loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_many_threads_arrive_once_and_in_order),
        cmocka_unit_test(work_for_later_runs_once_and_may_plan_itself_again),
        cmocka_unit_test(what_is_posted_to_a_loop_that_never_runs_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
