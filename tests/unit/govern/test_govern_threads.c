/* test_govern_threads.c - one writer, three readers: nobody sees half a change. Run under TSan too.
 */
#include "govern_help.h"
#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 3, CHANGES = 3000, KEPT = 8 };

static struct govern *govern;
static _Atomic int done, wrong;
static _Atomic long calls;

/* Both limits always have the same value: they are changed together. */
static void look(struct govern_verdict *verdict)
{
    struct fault fault = {0};
    struct govern_ask const ask = {
        .customer_id = STR("c"), .feature = STR("f"), .user = STR("u"), .now_us = 1000000};
    if (govern_resolve(govern, &ask, verdict, &fault) != ERR_OK) {
        atomic_store(&wrong, 1);
        return;
    }
    const struct rules *rules = &verdict->rules;
    if (rules->count != 2 || rules->list[0].limit != rules->list[1].limit)
        atomic_store(&wrong, 2);
}

/* What an old verdict points at stays, whatever happened meanwhile. */
static void look_again(const struct govern_verdict *verdict)
{
    for (size_t i = 0; i < verdict->rules.count; i++)
        if (!str_eq(verdict->sources[i].name, STR("the-limit")))
            atomic_store(&wrong, 3);
    if (!str_eq(verdict->plan_version, STR("p.1")))
        atomic_store(&wrong, 4);
}

static void *reader(void *owner)
{
    struct govern_verdict kept[KEPT];
    size_t next = 0;
    memset(kept, 0, sizeof kept);
    (void)owner;
    while (!atomic_load(&done)) {
        if (kept[next].held)
            look_again(&kept[next]);
        govern_release(govern, &kept[next]);
        look(&kept[next]);
        next = (next + 1) % KEPT;
        atomic_fetch_add(&calls, 1);
    }
    for (size_t i = 0; i < KEPT; i++)
        govern_release(govern, &kept[i]);
    return NULL;
}

static void change(int value)
{
    char text[256];
    struct fault fault = {0};
    snprintf(text, sizeof text,
             "{'plan':'p','status':'active','limits':[{'name':'the-limit','metric':'requests',"
             "'window':'day','value':%d}]}",
             value);
    assert_int_equal(hear(govern, "plan_version", "p.1", text, true, &fault), ERR_OK);
    snprintf(text, sizeof text,
             "{'owner':'customer','owner_id':'c','name':'the-limit','metric':'requests',"
             "'window':'day','value':%d}",
             value);
    assert_int_equal(hear(govern, "limit", "l", text, true, &fault), ERR_OK);
    put(govern, "subscription", "s", "{'customer':'c','plan_version':'p.1','status':'active'}");
    if (value % 3 == 0) { /* the tables grow and shrink meanwhile */
        snprintf(text, sizeof text, "c/u%d", value / 3);
        put(govern, "user", text, "{'customer':'c','external_id':'x'}");
    }
}

static void nobody_sees_half_a_change(void **state)
{
    pthread_t threads[READERS];
    struct fault fault = {0};
    (void)state;
    assert_int_equal(govern_new(NULL, &govern, &fault), ERR_OK);
    change(1);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
    for (int i = 2; i < CHANGES || atomic_load(&calls) < CHANGES; i++)
        change(i);
    atomic_store(&done, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    govern_free(govern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_sees_half_a_change)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
