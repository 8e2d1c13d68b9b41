/* test_book_threads.c - many threads, one credit: what fits is admitted, exactly. Run under TSan
 * too. */
#include "book_calls.h"
#include <pthread.h>

enum { THREADS_MAX = 200, SLOTS = 10, TRIES = 5, CHURN_THREADS = 6, CHURN_ROUNDS = 400 };

struct team {
    struct fixture *fixture;
    pthread_barrier_t start;
    _Atomic int admitted, refused, stop, revoked, seen, wrong;
    struct str secret;
};

static void run(struct team *team, int threads, void *(*work)(void *))
{
    pthread_t ids[THREADS_MAX];
    pthread_barrier_init(&team->start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, work, team), 0);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&team->start);
}

static struct reservation want_of(const struct fixture *fixture, struct random *random,
                                  int64_t tokens)
{
    struct reservation want = {.id = ulid_make(random, 1),
                               .key = fixture->key,
                               .context = &fixture->context,
                               .choices = 1,
                               .deadline_us = INT64_MAX / 2};
    price_init(&want.price);
    want.price.pico[POOL_INPUT] = 1000;
    want.estimate.tokens[POOL_INPUT] = tokens;
    return want;
}

/* Everyone asks for a tenth of the credit, at the same moment, several times. */
static void *ask(void *owner)
{
    struct team *team = owner;
    struct hold *holds[TRIES];
    struct random random;
    int got = 0;
    random_seed(&random, (uint64_t)(uintptr_t)&random);
    pthread_barrier_wait(&team->start);
    for (int i = 0; i < TRIES; i++) {
        struct admission admission;
        struct fault fault = {0};
        struct reservation const want = want_of(team->fixture, &random, 100);
        enum err const err =
            book_reserve(team->fixture->book, &want, &holds[got], &admission, &fault);
        got += err == ERR_OK;
        atomic_fetch_add(err == ERR_OK ? &team->admitted : &team->refused, 1);
        if (err != ERR_OK && (err != ERR_CREDIT_SHORT || admission.available.nano < 0))
            atomic_store(&team->wrong, 1);
    }
    for (int i = 0; i < got; i++) {
        struct settled settled;
        struct settlement const how = {.outcome = "ok", .usage.tokens = {[POOL_INPUT] = 100}};
        book_settle(team->fixture->book, holds[i], &how, &settled);
        if (settled.charged.nano != 100 || settled.available.nano < 0)
            atomic_store(&team->wrong, 1);
        book_unref(holds[i]);
    }
    return NULL;
}

static void credit_for_ten_admits_ten(void **state)
{
    struct fixture *fixture = *state;
    struct team team = {.fixture = fixture};
    fixture_grant(fixture, "1", 100 * SLOTS, 0);
    run(&team, THREADS_MAX, ask);
    assert_int_equal(team.admitted, SLOTS);
    assert_int_equal(team.refused, THREADS_MAX * TRIES - SLOTS);
    assert_int_equal(team.wrong, 0);
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.remaining.nano, 0);
    assert_int_equal(balance.consumed.nano, 100 * SLOTS);
    assert_int_equal(balance.debt.nano, 0);
    fixture_nothing_held(fixture);
    struct book_figures figures;
    book_figures(fixture->book, &figures);
    assert_int_equal(figures.reserves, SLOTS);
    assert_int_equal(figures.settles, SLOTS);
    assert_int_equal(figures.refusals, THREADS_MAX * TRIES - SLOTS);
}

/* Reserves, ends in every way, late ends, against a sweeper and a clock that runs. */
static void *churn(void *owner)
{
    struct team *team = owner;
    struct fixture *fixture = team->fixture;
    struct random random;
    random_seed(&random, (uint64_t)(uintptr_t)&random);
    pthread_barrier_wait(&team->start);
    for (int i = 0; i < CHURN_ROUNDS; i++) {
        struct hold *hold;
        struct admission admission;
        struct settled settled;
        struct fault fault = {0};
        struct reservation want = want_of(fixture, &random, 1 + (int64_t)random_below(&random, 50));
        want.deadline_us = fixture->clock.now_us + (int64_t)random_below(&random, 3000000);
        if (book_reserve(fixture->book, &want, &hold, &admission, &fault) != ERR_OK)
            continue;
        if (random_below(&random, 2) && book_dispatch(fixture->book, hold, &fault) == ERR_OK)
            book_progress(fixture->book, hold, 3);
        fixture->clock.now_us += (int64_t)random_below(&random, 4000);
        struct settlement const how = {
            .outcome = "ok", .usage.tokens = {[POOL_INPUT] = (int64_t)random_below(&random, 60)}};
        uint64_t const way = random_below(&random, 4);
        if (way < 2)
            book_settle(fixture->book, hold, &how, &settled);
        else if (way == 2)
            book_release(fixture->book, hold, "upstream_error", 502);
        book_unref(hold); /* way 3: left to the sweeper */
    }
    atomic_fetch_add(&team->stop, 1);
    return NULL;
}

static void *sweep(void *owner)
{
    struct team *team = owner;
    while (atomic_load(&team->stop) < CHURN_THREADS) {
        team->fixture->clock.now_us += 20000;
        (void)book_sweep(team->fixture->book);
        (void)book_expire_grants(team->fixture->book);
        (void)fixture_balance(team->fixture);
    }
    return NULL;
}

static void *grant(void *owner)
{
    struct team *team = owner;
    for (int i = 0; atomic_load(&team->stop) < CHURN_THREADS && i < 200; i++) {
        char source[16];
        snprintf(source, sizeof source, "g%d", i);
        fixture_grant(team->fixture, source, 200,
                      i % 3 ? 0 : team->fixture->clock.now_us + 300000000);
    }
    return NULL;
}

static void everything_at_once_adds_up(void **state)
{
    struct fixture *fixture = *state;
    struct team team = {.fixture = fixture};
    pthread_t sweeper, granter;
    fixture_customer(fixture, (struct customer_wanted){.overdraft = {100}});
    assert_int_equal(pthread_create(&sweeper, NULL, sweep, &team), 0);
    assert_int_equal(pthread_create(&granter, NULL, grant, &team), 0);
    run(&team, CHURN_THREADS, churn);
    pthread_join(sweeper, NULL);
    pthread_join(granter, NULL);
    fixture->clock.now_us += 10 * (int64_t)FIXTURE_SECOND_US;
    (void)book_sweep(fixture->book);
    fixture_nothing_held(fixture);
    struct balance const balance = fixture_balance(fixture);
    assert_int_equal(balance.settled_cost.nano, balance.covered.nano + balance.consumed.nano +
                                                    balance.overage.nano + balance.debt.nano);
    struct book_figures figures;
    book_figures(fixture->book, &figures);
    /* every hold ended once; a late end counts besides its expiry */
    assert_true(figures.settles + figures.releases + figures.expiries >= figures.reserves);
    assert_true(figures.settles + figures.releases <= figures.reserves);
    assert_true(figures.settles > 0 && figures.releases > 0 && figures.expiries > 0);
}

/* Once the revocation has returned, no thread's next look finds the key alive. */
static void *look(void *owner)
{
    struct team *team = owner;
    const struct key *key;
    pthread_barrier_wait(&team->start);
    for (int after = 0; after < 100;) {
        struct fault fault = {0};
        bool const revoked = atomic_load(&team->revoked);
        enum err const err = book_authenticate(team->fixture->book, team->secret, &key, &fault);
        if (err == ERR_OK)
            atomic_fetch_add(&team->seen, 1);
        if (revoked && err != ERR_KEY_REVOKED)
            atomic_store(&team->wrong, 1);
        after += revoked;
    }
    return NULL;
}

static void *revoke_soon(void *owner)
{
    struct team *team = owner;
    struct fault fault = {0};
    while (atomic_load(&team->seen) < 1000) /* all caches are warm */
        sched_yield();
    if (book_key_revoke(team->fixture->book, STR("acme"), STR("victim"), &fault) != ERR_OK)
        atomic_store(&team->wrong, 1);
    atomic_store(&team->revoked, 1);
    return NULL;
}

static void a_revoked_key_is_refused_by_every_thread_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {0};
    struct key_made made;
    pthread_t revoker;
    struct team team = {.fixture = fixture, .secret = STR("ck_test_victim_victim")};
    struct key_wanted const want = {.customer_id = STR("acme"),
                                    .name = STR("victim"),
                                    .secret = team.secret,
                                    .origin = ORIGIN_RUNTIME};
    assert_int_equal(book_key_create(fixture->book, &want, fixture->arena, &made, &fault), ERR_OK);
    assert_int_equal(pthread_create(&revoker, NULL, revoke_soon, &team), 0);
    run(&team, CHURN_THREADS, look);
    pthread_join(revoker, NULL);
    assert_int_equal(team.wrong, 0);
    assert_true(team.seen >= 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(credit_for_ten_admits_ten),
        TEST(everything_at_once_adds_up),
        TEST(a_revoked_key_is_refused_by_every_thread_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
