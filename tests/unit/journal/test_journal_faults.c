/* test_journal_faults.c - what survives: kill -9, full disks, failing disks, promises, threads. */
#include "journal_help.h"

/* Our own fdatasync takes the place of the C library's in this program: a disk that fails. */
static _Atomic int sync_fails;
int fdatasync(int descriptor)
{
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, descriptor);
}

/* --- processes --- */

static void test_two_processes(void **state)
{
    (void)state;
    struct journal *second;
    struct journal_opened opened;
    struct fault fault;
    struct journal *journal = must_open("locked", SMALL, 1, &opened);
    assert_int_equal(open_sized("locked", SMALL, 1, &second, &opened, &fault), ERR_JOURNAL_FAILED);
    assert_non_null(strstr(fault.detail, "another process"));
    pid_t const child = fork();
    if (child == 0)
        _exit(open_sized("locked", SMALL, 1, &second, &opened, &fault) == ERR_JOURNAL_FAILED ? 0
                                                                                             : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    journal_close(journal);
    journal_close(must_open("locked", SMALL, 1, &opened));
}

/* The child appends until it is killed; *sure is what its appends had returned by then. */
static void child_appends(volatile uint64_t *sure)
{
    struct journal_opened opened;
    struct journal *journal = must_open("killed", 256 << 10, 1, &opened);
    char bytes[128];
    for (;;) {
        uint64_t const next = journal_last_lsn(journal) + 1;
        uint64_t lsn;
        if (journal_append(journal, (uint8_t)(next % 200 + 1), (int64_t)next * 1000,
                           payload_of(next, bytes), &lsn) == ERR_OK)
            *sure = lsn;
    }
}

static void test_kill_9_while_appending(void **state)
{
    (void)state;
    volatile uint64_t *sure =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true((void *)(uintptr_t)sure != MAP_FAILED);
    uint64_t before = 0;
    for (int round = 0; round < 15; round++) {
        pid_t const child = fork();
        if (child == 0)
            child_appends(sure);
        while (*sure <= before)
            usleep(200);
        usleep((unsigned)(round * 517 % 3001));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct journal_opened opened;
        struct journal *journal = must_open("killed", 256 << 10, 1, &opened);
        assert_true(opened.last_lsn >= *sure);
        check_all(journal, opened.first_lsn, opened.last_lsn);
        before = opened.last_lsn;
        journal_trim(journal, before > 1000 ? before - 1000 : 1);
        journal_close(journal);
    }
    munmap((void *)(uintptr_t)sure, 4096);
}

/* --- disks --- */

static void test_a_failed_sync_is_final(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct journal *journal = must_open("eio", SMALL, 1, &opened);
    append_next(journal, true);
    assert_int_equal(journal_promise(journal, 100), ERR_OK);
    sync_fails = 1;
    uint64_t lsn = 0;
    assert_int_equal(journal_append(journal, 9, 1, STR("x"), &lsn), ERR_OK);
    assert_int_equal(journal_sync(journal, lsn), ERR_JOURNAL_FAILED);
    sync_fails = 0; /* the disk is well again: too late to believe it */
    assert_false(journal_healthy(journal));
    assert_int_equal(journal_append(journal, 9, 1, STR("y"), &lsn), ERR_JOURNAL_FAILED);
    assert_int_equal(journal_promise(journal, 1), ERR_JOURNAL_FAILED);
    journal_append_promised(journal, 100, 9, 1, STR("promised"), &lsn);
    assert_int_equal(lsn, 3);
    assert_int_equal(journal_sync(journal, lsn), ERR_JOURNAL_FAILED);
    assert_int_equal(journal_synced_lsn(journal), 1);
    journal_close(journal);
    journal = must_open("eio", SMALL, 1, &opened);
    assert_int_equal(opened.last_lsn, 3); /* the restart reads what is really there */
    sync_fails = 1;
    journal_close(journal);
    struct fault fault;
    assert_int_equal(open_sized("eio", SMALL, 1, &journal, &opened, &fault), ERR_JOURNAL_FAILED);
    sync_fails = 0;
}

static void test_a_full_disk(void **state)
{
    (void)state;
    enum { PROMISE = 2000 };
    char disk[128], filler[160];
    folder_path("disk", disk);
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=4m") != 0) {
        print_message("skipped: no right to mount a small disk\n");
        skip();
    }
    struct journal_opened opened;
    struct journal *journal = must_open("disk/journal", 1 << 20, 1, &opened);
    snprintf(filler, sizeof filler, "%s/filler", disk);
    int const descriptor = open(filler, O_WRONLY | O_CREAT, 0600);
    static char block[4096];
    while (write(descriptor, block, sizeof block) > 0)
        ;
    static char payload[PROMISE];
    size_t promised = 0, held = 0;
    uint64_t lsn;
    /* Holds come and go until the disk is full; a hold is a promise that is kept for a while. */
    while (journal_promise(journal, PROMISE) == ERR_OK) {
        promised++;
        if (++held > 100) {
            journal_append_promised(journal, PROMISE, 1, 1, str_make(payload, PROMISE), &lsn);
            held--;
        }
        if (promised % 64 == 0)
            usleep(500);
    }
    assert_true(promised > 500); /* two segments are there at least */
    assert_false(journal_healthy(journal));
    for (; held > 0; held--) /* every promise is kept, whatever the disk says */
        journal_append_promised(journal, PROMISE, 1, 1, str_make(payload, PROMISE), &lsn);
    assert_int_equal(lsn, promised);
    assert_int_equal(journal_sync(journal, lsn), ERR_OK);
    close(descriptor);
    unlink(filler);
    int waited_ms = 0;
    while (journal_promise(journal, 250 << 10) != ERR_OK && waited_ms++ < 5000)
        usleep(1000);
    assert_true(waited_ms < 5000); /* no restart */
    assert_true(journal_healthy(journal));
    journal_forget(journal, 250 << 10);
    assert_int_equal(journal_append(journal, 1, 1, STR("again"), &lsn), ERR_OK);
    journal_close(journal);
    journal = must_open("disk/journal", 1 << 20, 1, &opened);
    assert_int_equal(opened.last_lsn, promised + 1);
    journal_close(journal);
    assert_int_equal(umount(disk), 0);
}

static void test_a_full_disk_at_start(void **state)
{
    (void)state;
    char disk[128];
    folder_path("tiny", disk);
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=200k") != 0)
        skip();
    struct journal *journal;
    struct journal_opened opened;
    struct fault fault;
    assert_int_equal(open_sized("tiny/j", 1 << 20, 1, &journal, &opened, &fault),
                     ERR_JOURNAL_FAILED);
    assert_int_equal(umount(disk), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=400k") != 0)
        skip();
    journal = must_open("tiny/j", 1 << 20, 1, &opened); /* 256 KiB is the least it lives on */
    append_next(journal, true);
    journal_close(journal);
    assert_int_equal(umount(disk), 0);
}

/* --- promises --- */

static void test_promises_in_any_order(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct random random;
    random_seed(&random, 7);
    struct journal *journal = must_open("promise", 64 << 10, 1, &opened);
    static char payload[3000];
    size_t open_bytes[64], count = 0;
    uint64_t lsn, kept = 0;
    for (int i = 0; i < 20000; i++) {
        size_t const bytes = random_below(&random, sizeof payload);
        switch (random_below(&random, 4)) {
        case 0:
        case 1:
            if (count == 64)
                break;
            if (journal_promise(journal, bytes) == ERR_OK)
                open_bytes[count++] = bytes;
            else
                usleep(100); /* the next segment is on its way */
            break;
        case 2:
            if (count > 0) {
                size_t const which = random_below(&random, count);
                journal_append_promised(journal, open_bytes[which], 1, 1,
                                        str_make(payload, open_bytes[which]), &lsn);
                open_bytes[which] = open_bytes[--count];
                kept++;
            }
            break;
        default: /* what was not promised never takes a promised place */
            if (journal_append(journal, 1, 1, str_make(payload, bytes), &lsn) == ERR_OK)
                kept++;
        }
        if (i % 1000 == 0)
            journal_trim(journal, journal_synced_lsn(journal));
    }
    while (count > 0)
        journal_forget(journal, open_bytes[--count]);
    assert_int_equal(journal_last_lsn(journal), kept);
    assert_true(kept > 1000);
    assert_int_equal(
        journal_append(journal, 1, 1, str_make(payload, JOURNAL_RECORD_BYTES_MAX), &lsn),
        ERR_JOURNAL_FAILED);
    journal_close(journal);
}

/* --- threads --- */

enum { THREADS = 4, EACH = 20000 };

static void *appender(void *owner)
{
    struct journal *journal = owner;
    static _Atomic int next_number;
    int64_t const number = next_number++ % THREADS;
    for (int64_t i = 0; i < EACH;) {
        char payload[64] = {0};
        uint64_t lsn;
        memcpy(payload, &i, sizeof i);
        if (journal_append(journal, (uint8_t)(number + 1), i, str_make(payload, 40), &lsn) ==
            ERR_OK)
            i++;
    }
    return NULL;
}

struct follower {
    struct journal *journal;
    uint64_t next;
    int64_t expected[THREADS];
    uint64_t bad, notified;
};

static bool follow(void *owner, const struct journal_record *record)
{
    struct follower *follower = owner;
    int const number = record->type - 1;
    int64_t value;
    memcpy(&value, record->payload.ptr, sizeof value);
    if (record->lsn != follower->next || value != follower->expected[number]++)
        follower->bad++;
    follower->next++;
    return true;
}

static void note_synced(void *owner, uint64_t synced_lsn)
{
    struct follower *follower = owner;
    __atomic_store_n(&follower->notified, synced_lsn, __ATOMIC_RELAXED);
}

static void test_many_threads(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct follower follower = {.next = 1};
    pthread_t threads[THREADS];
    follower.journal = must_open("threads", 256 << 10, 1, &opened);
    journal_subscribe(follower.journal, note_synced, &follower);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, appender, follower.journal), 0);
    while (follower.next <= THREADS * EACH) {
        struct fault fault = {.code = ERR_OK};
        assert_true(journal_wait(follower.journal, follower.next - 1, 10000));
        assert_int_equal(journal_replay(follower.journal, follower.next, follow, &follower, &fault),
                         ERR_OK);
        journal_trim(follower.journal, follower.next);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(follower.bad, 0);
    assert_int_equal(journal_sync(follower.journal, THREADS * EACH), ERR_OK);
    assert_false(journal_wait(follower.journal, THREADS * EACH, 5));
    journal_close(follower.journal);
    assert_int_equal(follower.notified, THREADS * EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_kill_9_while_appending),
        cmocka_unit_test(test_a_failed_sync_is_final),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_full_disk_at_start),
        cmocka_unit_test(test_promises_in_any_order),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
