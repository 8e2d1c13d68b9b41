/* test_project.c - journal to rows and back: crashes at any moment, failing stores, lost ends. */
#include "project_world.c" /* one program, two files to read */

enum { SMALL_SEGMENT = 64 << 10 };

/* --- comparing --- */

struct usage_sum {
    int64_t rows, cost, charged, overage, debt;
    uint64_t last_lsn;
};

static bool sum_usage(void *owner, const struct usage_row *row)
{
    struct usage_sum *sum = owner;
    sum->rows++;
    sum->cost += row->cost.nano;
    sum->charged += row->charged.nano;
    sum->overage += row->overage.nano;
    sum->debt += row->debt.nano;
    sum->last_lsn = row->lsn;
    return true;
}

static struct usage_sum usage_of(struct store *store, const char *customer)
{
    struct usage_sum sum = {0};
    struct fault fault = {.code = ERR_OK};
    struct usage_query const query = {.customer_id = str_of(customer), .oldest_first = true};
    MUST_OK(store->ops->usage(store, &query, sum_usage, &sum, &fault), fault);
    return sum;
}

static int64_t ledger_of(struct store *store, const char *customer, const char *account)
{
    struct money sum = {0};
    struct fault fault = {.code = ERR_OK};
    MUST_OK(store->ops->ledger_sum(store, str_of(customer), str_of(account), &sum, &fault), fault);
    return sum.nano;
}

static void check_same_books(struct book *one, struct book *other)
{
    for (size_t i = 0; i < WORLD_CUSTOMERS; i++) {
        char id[16];
        struct balance a, b;
        struct fault fault = {.code = ERR_OK};
        customer_name(i, id);
        MUST_OK(book_balance(one, str_of(id), &a, &fault), fault);
        MUST_OK(book_balance(other, str_of(id), &b, &fault), fault);
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(a.held.nano, 0);
        assert_int_equal(a.holds, 0);
    }
}

/* The projection agrees with the book and with itself. */
static void check_projection(struct world *world)
{
    struct fault fault = {.code = ERR_OK};
    assert_true(projector_flush(world->projector, 20000));
    MUST_OK(world->store->ops->audit(world->store, &fault), fault);
    for (size_t i = 0; i < WORLD_CUSTOMERS; i++) {
        char id[16];
        struct balance balance;
        customer_name(i, id);
        MUST_OK(book_balance(world->book, str_of(id), &balance, &fault), fault);
        struct usage_sum const usage = usage_of(world->store, id);
        assert_int_equal(balance.settled_cost.nano, usage.cost);
        assert_int_equal(balance.overage.nano, usage.overage);
        assert_int_equal(balance.remaining.nano, ledger_of(world->store, id, "credit"));
        assert_int_equal(balance.debt.nano, -ledger_of(world->store, id, "debt"));
        assert_int_equal(balance.overage.nano, -ledger_of(world->store, id, "receivable"));
    }
}

/* --- the plain way --- */

static void plain(enum world_store kind)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault;
    folder_make(folder);
    random_seed(&world.random, 11);
    MUST_OK(world_open(&world, folder, kind, 0, &fault), fault);
    world_people(&world);
    world_project(&world);
    world_grant(&world, 0, 1000000000, 0);
    assert_true(world_reserve(&world, 0, world.clock.now_us + 1000000));
    MUST_OK(book_dispatch(world.book, world.holds[0], &fault), fault);
    world_end(&world, 0, true);
    assert_true(world_reserve(&world, 0, world.clock.now_us + 1000000));
    world_end(&world, 0, false);
    check_projection(&world);
    assert_int_equal(usage_of(world.store, "customer-0").rows, 2); /* a failed call is visible */
    for (int i = 0; i < 2000; i++)
        world_step(&world);
    check_projection(&world);
    struct projector_figures figures;
    projector_figures(world.projector, &figures);
    assert_int_equal(figures.lag_records, 0);
    assert_int_equal(figures.failures, 0);
    assert_true(figures.healthy && figures.rows > 300);
    world_close(&world);
    folder_remove(folder);
}

static void test_plain_sqlite(void **state)
{
    (void)state;
    plain(WORLD_SQLITE);
}

static void test_plain_memory(void **state)
{
    (void)state;
    plain(WORLD_MEMORY);
}

/* --- kill -9 --- */

/* Lives in a child process until it kills itself in the middle of things. */
static void child_life(const char *folder, uint64_t seed, int64_t now_us)
{
    struct world world = {0};
    struct fault fault;
    random_seed(&world.random, seed);
    world.clock.now_us = now_us;
    if (world_open(&world, folder, WORLD_SQLITE, 0, &fault) != ERR_OK)
        _exit(3);
    world.serial = (int64_t)(seed * 1000000);
    world_people(&world);
    world_project(&world);
    int const steps = 200 + (int)random_below(&world.random, 1500);
    for (int i = 0; i < steps; i++) {
        world_step(&world);
        if (i % 64 == 0)
            usleep((unsigned)random_below(&world.random, 3000)); /* the projector may catch up */
    }
    kill(getpid(), SIGKILL);
}

static void live_and_die(const char *folder, uint64_t seed, int64_t now_us)
{
    int status = 0;
    pid_t const child = fork();
    if (child == 0) {
        child_life(folder, seed, now_us);
        _exit(4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Recovers `folder` as it is, and a copy of its journal without any database: the same books.
 * Nothing has been trimmed, for the segments are large. */
static void check_against_reference(const char *folder, int64_t now_us)
{
    char copy[PATH_ROOM], database[PATH_ROOM + 16];
    struct world world = {.clock.now_us = now_us}, reference = {.clock.now_us = now_us};
    struct fault fault;
    folder_copy(folder, copy);
    snprintf(database, sizeof database, "%s/cota.db", copy);
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, 0, &fault), fault);
    MUST_OK(world_open(&reference, copy, WORLD_MEMORY, 0, &fault), fault);
    check_same_books(world.book, reference.book);
    world_project(&world);
    world_project(&reference);
    check_projection(&world);
    check_projection(&reference);
    for (size_t i = 0; i < WORLD_CUSTOMERS; i++) {
        char id[16];
        customer_name(i, id);
        struct usage_sum const a = usage_of(world.store, id), b = usage_of(reference.store, id);
        assert_int_equal(a.rows, b.rows);
        assert_int_equal(a.cost, b.cost);
        assert_int_equal(a.charged, b.charged);
    }
    world_close(&reference);
    world_close(&world);
    folder_remove(copy);
}

static void test_kill_9_and_recover(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        char folder[PATH_ROOM];
        int64_t now_us = 1700000000000000;
        folder_make(folder);
        for (uint64_t round = 0; round < 3; round++) {
            live_and_die(folder, seed * 10 + round, now_us);
            now_us += 3600000000;
            check_against_reference(folder, now_us);
        }
        folder_remove(folder);
    }
}

/* A power failure may take the end of the database's log: the journal fills the gap. */
static void test_wal_cut_anywhere(void **state)
{
    (void)state;
    char folder[PATH_ROOM], wal[PATH_ROOM + 16];
    struct random random;
    random_seed(&random, 5);
    folder_make(folder);
    live_and_die(folder, 99, 1700000000000000);
    for (int i = 0; i < 12; i++) {
        char copy[PATH_ROOM];
        struct stat status;
        folder_copy(folder, copy);
        snprintf(wal, sizeof wal, "%s/cota.db-wal", copy);
        assert_int_equal(stat(wal, &status), 0);
        assert_true(status.st_size > 0);
        off_t const cut = (off_t)random_below(&random, (uint64_t)status.st_size);
        if (i % 2 == 0) {
            assert_int_equal(truncate(wal, cut), 0);
        } else { /* or damages it in the middle */
            int const descriptor = open(wal, O_RDWR);
            assert_true(descriptor >= 0);
            assert_int_equal(pwrite(descriptor, "\xa5\x5a", 2, cut), 2);
            close(descriptor);
        }
        check_against_reference(copy, 1700003600000000);
        folder_remove(copy);
    }
    folder_remove(folder);
}

/* --- the journal is short, or trimmed --- */

static void test_a_journal_that_lost_its_end(void **state)
{
    (void)state;
    char folder[PATH_ROOM], journal[PATH_ROOM + 64];
    struct world world = {0};
    struct fault fault;
    folder_make(folder);
    random_seed(&world.random, 3);
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, 0, &fault), fault);
    world_people(&world);
    world_project(&world);
    world_grant(&world, 0, 5000, 0);
    check_projection(&world);
    world_close(&world);
    snprintf(journal, sizeof journal, "%s/journal/000000000001.seg", folder);
    assert_int_equal(truncate(journal, 1000), 0);
    assert_int_equal(world_open(&world, folder, WORLD_SQLITE, 0, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.detail, "database knows"));
    world_close(&world);
    folder_remove(folder);
}

static bool count_hold(void *owner, const struct hold_row *row)
{
    (void)row;
    ++*(int *)owner;
    return true;
}

static int hold_rows(struct store *store)
{
    int count = 0;
    struct fault fault = {.code = ERR_OK};
    MUST_OK(store->ops->holds(store, count_hold, &count, &fault), fault);
    return count;
}

/* Two holds stay open for hours while the journal moves on: they become rows, the journal is
 * trimmed behind them, and a crash still charges what they had produced. */
static void test_long_holds_outlive_the_journal(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault;
    struct journal_figures figures;
    folder_make(folder);
    random_seed(&world.random, 21);
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, SMALL_SEGMENT, &fault), fault);
    world_people(&world);
    world_project(&world);
    world_grant(&world, 0, 90000000000, 0);
    int64_t const deadline_us = world.clock.now_us + 40000000000;
    world_must_reserve(&world, 0, deadline_us);
    world_must_reserve(&world, 0, deadline_us);
    MUST_OK(book_dispatch(world.book, world.holds[0], &fault), fault);
    assert_int_equal(hold_rows(world.store), 0);
    for (int i = 0; i < 3000; i++) {
        world.clock.now_us += 1000000;
        if (i == 1000)
            book_progress(world.book, world.holds[0], 77); /* its row is out of date now */
        world_must_reserve(&world, 0, deadline_us);
        world_end(&world, 2, true);
        if (i % 300 == 0)
            assert_true(projector_flush(world.projector, 20000));
    }
    assert_true(projector_flush(world.projector, 20000));
    assert_int_equal(hold_rows(world.store), 2);
    journal_figures(world.journal, &figures);
    assert_true(figures.segments < 12); /* of some thirty that were filled */
    check_projection(&world);
    char crashed[PATH_ROOM];
    folder_copy(folder, crashed); /* at rest: as kill -9 would leave it */
    world_end(&world, 1, false);
    assert_true(projector_flush(world.projector, 20000));
    assert_int_equal(hold_rows(world.store), 1);
    world_end(&world, 0, true);
    assert_true(projector_flush(world.projector, 20000));
    assert_int_equal(hold_rows(world.store), 0);
    world_close(&world);

    struct usage_sum const before = {0};
    struct world again = {.clock.now_us = deadline_us - 1000000};
    MUST_OK(world_open(&again, crashed, WORLD_SQLITE, SMALL_SEGMENT, &fault), fault);
    assert_int_equal(again.recovered.settled, 1);
    assert_int_equal(again.recovered.released, 1);
    world_project(&again);
    check_projection(&again);
    assert_int_equal(hold_rows(again.store), 0);
    struct usage_sum const after = usage_of(again.store, "customer-0");
    assert_int_equal(after.rows, before.rows + 3002);
    world_close(&again);
    folder_remove(crashed);
    folder_remove(folder);
}

/* A restart in the middle: the projector finds out again which holds are live and which are rows.
 */
static void test_a_projector_that_starts_late(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault;
    folder_make(folder);
    random_seed(&world.random, 22);
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, SMALL_SEGMENT, &fault), fault);
    world_people(&world);
    for (int life = 0; life < 6; life++) {
        world_project(&world);
        for (int i = 0; i < 300; i++)
            world_step(&world);
        projector_stop(world.projector);
        world.projector = NULL;
        for (int i = 0; i < 40; i++)
            world_step(&world); /* nobody watches */
    }
    world_project(&world);
    check_projection(&world);
    world_close(&world);
    folder_remove(folder);
}

/* --- a store that fails --- */

static struct {
    const struct store_ops *real;
    struct store_ops ops;
    _Atomic int fail_commits, fail_usage;
} flaky;

static enum err flaky_commit(struct store *store, struct store_position position,
                             struct fault *fault)
{
    if (flaky.fail_commits > 0) {
        flaky.fail_commits--;
        return fault_set(fault, ERR_STORE_FAILED, "the disk is full");
    }
    return flaky.real->commit(store, position, fault);
}

static enum err flaky_usage(struct store *store, const struct usage_row *row, struct fault *fault)
{
    if (flaky.fail_usage > 0) {
        flaky.fail_usage--;
        return fault_set(fault, ERR_STORE_FAILED, "the row is refused");
    }
    return flaky.real->usage_add(store, row, fault);
}

static void failing_store(enum world_store kind)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault;
    folder_make(folder);
    random_seed(&world.random, 31);
    MUST_OK(world_open(&world, folder, kind, SMALL_SEGMENT, &fault), fault);
    flaky.real = world.store->ops;
    flaky.ops = *flaky.real;
    flaky.ops.commit = flaky_commit;
    flaky.ops.usage_add = flaky_usage;
    world.store->ops = &flaky.ops;
    world_people(&world);
    world_project(&world);
    for (int i = 0; i < 1200; i++) {
        world_step(&world);
        if (i == 300)
            flaky.fail_commits = 2;
        if (i == 700)
            flaky.fail_usage = 1;
        if (i % 100 == 99)
            usleep(10000);
    }
    check_projection(&world); /* nothing is lost, nothing is there twice */
    struct projector_figures figures;
    projector_figures(world.projector, &figures);
    assert_int_equal(figures.failures, 3);
    assert_true(figures.healthy);
    world_close(&world);
    folder_remove(folder);
}

static void test_failing_sqlite(void **state)
{
    (void)state;
    failing_store(WORLD_SQLITE);
}

static void test_failing_memory(void **state)
{
    (void)state;
    failing_store(WORLD_MEMORY);
}

static void test_stopping_while_the_store_fails(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault;
    folder_make(folder);
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, 0, &fault), fault);
    flaky.real = world.store->ops;
    flaky.ops = *flaky.real;
    flaky.ops.commit = flaky_commit;
    world.store->ops = &flaky.ops;
    flaky.fail_commits = 1000000;
    world_project(&world);
    world_people(&world);
    assert_false(projector_flush(world.projector, 300));
    world_close(&world); /* comes back, and the journal keeps it all */
    flaky.fail_commits = 0;
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, 0, &fault), fault);
    assert_non_null(book_customer(world.book, STR("customer-1")));
    world_close(&world);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_sqlite),
        cmocka_unit_test(test_plain_memory),
        cmocka_unit_test(test_kill_9_and_recover),
        cmocka_unit_test(test_wal_cut_anywhere),
        cmocka_unit_test(test_a_journal_that_lost_its_end),
        cmocka_unit_test(test_long_holds_outlive_the_journal),
        cmocka_unit_test(test_a_projector_that_starts_late),
        cmocka_unit_test(test_failing_sqlite),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_stopping_while_the_store_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
