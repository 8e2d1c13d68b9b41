/* test_journal.c - what comes back: everything, or a prefix after cuts and flipped bits. */
#include "journal_help.h"

enum { FILE_ROOM = 1 << 20 };

static size_t file_read(const char *name, uint64_t number, char *bytes)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s/%012llu.seg", root, name, (unsigned long long)number);
    int const descriptor = open(path, O_RDONLY);
    assert_true(descriptor >= 0);
    ssize_t const size = read(descriptor, bytes, FILE_ROOM);
    assert_true(size >= 0);
    close(descriptor);
    return (size_t)size;
}

static void file_write(const char *name, uint64_t number, const char *bytes, size_t size)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s/%012llu.seg", root, name, (unsigned long long)number);
    int const descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, size), (ssize_t)size);
    close(descriptor);
}

/* --- the plain life --- */

static void test_records_come_back(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct journal *journal = must_open("plain", SMALL, 1, &opened);
    assert_int_equal(opened.last_lsn, 0);
    assert_int_equal(opened.epoch, 1);
    for (int i = 0; i < 500; i++)
        append_next(journal, i % 7 == 0);
    check_all(journal, 1, 500);
    check_all(journal, 123, 500);
    check_all(journal, 500, 500);
    struct seen none = {.next = 501};
    struct fault fault = {.code = ERR_OK};
    assert_int_equal(journal_replay(journal, 501, check_record, &none, &fault), ERR_OK);
    assert_int_equal(none.next, 501);
    struct journal_figures figures;
    journal_figures(journal, &figures);
    assert_true(figures.segments > 5 && figures.healthy);
    journal_close(journal);

    journal = must_open("plain", SMALL, 1, &opened);
    assert_int_equal(opened.first_lsn, 1);
    assert_int_equal(opened.last_lsn, 500);
    assert_int_equal(opened.epoch, 2);
    assert_int_equal(opened.truncated_bytes, 0);
    assert_int_equal(journal_synced_lsn(journal), 500);
    append_next(journal, true);
    check_all(journal, 1, 501);
    journal_close(journal);
    journal = must_open("plain", SMALL, 1, &opened);
    assert_int_equal(opened.epoch, 3);
    journal_close(journal);
}

static void test_trim_forgets_whole_segments(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct journal *journal = must_open("trim", SMALL, 1, &opened);
    struct fault fault = {.code = ERR_OK};
    for (int i = 0; i < 300; i++)
        append_next(journal, i % 10 == 9);
    journal_trim(journal, 1);
    check_all(journal, 1, 300);
    journal_trim(journal, 200);
    check_all(journal, 200, 300);
    struct seen seen = {.next = 1};
    assert_int_equal(journal_replay(journal, 1, check_record, &seen, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.detail, "record 1 is needed"));
    journal_trim(journal, 100000); /* the active one stays */
    append_next(journal, true);
    journal_close(journal);
    journal = must_open("trim", SMALL, 1, &opened);
    assert_true(opened.first_lsn > 200 && opened.first_lsn <= 300);
    assert_int_equal(opened.last_lsn, 301);
    check_all(journal, opened.first_lsn, 301);
    journal_close(journal);
}

static bool stop_at_third(void *owner, const struct journal_record *record)
{
    uint64_t *last = owner;
    *last = record->lsn;
    return record->lsn != 3;
}

static void test_a_visitor_may_stop(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct journal *journal = must_open("stop", SMALL, 1, &opened);
    struct fault fault = {.code = ERR_OK};
    for (int i = 0; i < 5; i++)
        append_next(journal, false);
    uint64_t last = 0;
    assert_int_equal(journal_replay(journal, 1, stop_at_third, &last, &fault), ERR_OK);
    assert_int_equal(last, 3);
    check_all(journal, 4, 5); /* reads on from the cursor */
    check_all(journal, 2, 5); /* and back before it */
    journal_close(journal);
}

/* --- cuts and flips --- */

/* Ends of the records 1..count in a file written by append_next. */
static void record_ends(size_t ends[], uint64_t count)
{
    size_t at = SEGMENT_HEADER_BYTES;
    for (uint64_t n = 1; n <= count; n++) {
        ends[n] = at + RECORD_HEAD_BYTES + n * 13 % 97; /* the padding is not needed */
        at += record_size(n * 13 % 97);
    }
}

/* Opens `name`, which must hold records 1..expected; then it must take more and open again. */
static void check_prefix(const char *name, uint64_t expected)
{
    struct journal_opened opened;
    struct journal *journal = must_open(name, SMALL, 1, &opened);
    assert_int_equal(opened.last_lsn, expected);
    if (expected > 0)
        check_all(journal, 1, expected);
    append_next(journal, true);
    journal_close(journal);
    journal = must_open(name, SMALL, 1, &opened);
    assert_int_equal(opened.truncated_bytes, 0);
    check_all(journal, 1, expected + 1);
    journal_close(journal);
    folder_remove(name);
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    enum { RECORDS = 12 };
    static char bytes[FILE_ROOM], zeroed[FILE_ROOM];
    size_t ends[RECORDS + 1];
    struct journal_opened opened;
    struct journal *journal = must_open("cut", SMALL, 1, &opened);
    for (int i = 0; i < RECORDS; i++)
        append_next(journal, i % 3 == 0);
    journal_close(journal);
    size_t const size = file_read("cut", 1, bytes);
    assert_int_equal(size, SMALL);
    record_ends(ends, RECORDS);
    for (size_t cut = 0; cut <= ends[RECORDS] + 16; cut++) {
        uint64_t expected = 0;
        while (expected < RECORDS && ends[expected + 1] <= cut)
            expected++;
        if (cut < SEGMENT_HEADER_BYTES && cut > 0 && cut % 16 != 0)
            continue; /* the header is one thing: a few cuts in it are enough */
        file_write("copy", 1, bytes, cut); /* the file ends here */
        check_prefix("copy", expected);
        if (cut < SEGMENT_HEADER_BYTES)
            continue;
        memcpy(zeroed, bytes, cut); /* later pages never reached the disk */
        memset(zeroed + cut, 0, size - cut);
        /* When what was cut off is zeros anyway, nothing was lost. */
        while (expected < RECORDS && memcmp(zeroed, bytes, ends[expected + 1]) == 0)
            expected++;
        file_write("copy", 1, zeroed, size);
        check_prefix("copy", expected);
    }
}

/* Every bit-flip gives a prefix or a refusal, never a wrong record. With each record synced before
 * the next, the next is a witness: damage before the last record is corruption. */
static void flip_everywhere(const char *name, bool synced)
{
    enum { RECORDS = 8 };
    static char bytes[FILE_ROOM];
    size_t ends[RECORDS + 1];
    struct journal_opened opened;
    struct journal *journal = must_open(name, SMALL, synced ? 1 : SLOW_MS, &opened);
    for (int i = 0; i < RECORDS; i++)
        append_next(journal, synced);
    journal_close(journal);
    size_t const size = file_read(name, 1, bytes);
    record_ends(ends, RECORDS);
    for (size_t at = 0; at < ends[RECORDS]; at++) {
        uint64_t hit = 1; /* the record that is damaged */
        while (ends[hit] <= at)
            hit++;
        bool const padding = hit > 1 && at >= ends[hit - 1] && at % 8 != 0 &&
                             at < ((ends[hit - 1] + 7) & ~(size_t)7);
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        file_write("flip", 1, bytes, size);
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        struct fault fault;
        enum err const err = open_sized("flip", SMALL, 1, &journal, &opened, &fault);
        if (at < SEGMENT_HEADER_BYTES || (synced && hit < RECORDS && !padding)) {
            assert_int_equal(err, ERR_CORRUPT);
            assert_non_null(strstr(fault.detail, "000000000001.seg"));
            assert_non_null(strstr(fault.detail, "offset"));
        } else {
            assert_int_equal(err, ERR_OK);
            assert_int_equal(opened.last_lsn, padding ? RECORDS : hit - 1);
            if (opened.last_lsn > 0)
                check_all(journal, 1, opened.last_lsn);
            journal_close(journal);
        }
        folder_remove("flip");
    }
}

static void test_flips_within_a_group(void **state)
{
    (void)state;
    flip_everywhere("unsynced", false);
}

static void test_flips_in_durable_records(void **state)
{
    (void)state;
    flip_everywhere("synced", true);
}

static void test_missing_segment(void **state)
{
    (void)state;
    struct journal_opened opened;
    struct fault fault;
    struct journal *journal = must_open("gap", SMALL, 1, &opened);
    for (int i = 0; i < 200; i++)
        append_next(journal, true);
    journal_close(journal);
    folder_remove("gap/000000000002.seg");
    assert_int_equal(open_sized("gap", SMALL, 1, &journal, &opened, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.detail, "durable"));
    assert_null(journal);
}

/* A power failure may keep the page of a later segment and lose the end of the one before. */
static void test_power_loss_across_segments(void **state)
{
    (void)state;
    static char bytes[FILE_ROOM];
    struct journal_opened opened;
    struct journal *journal = must_open("power", SMALL, SLOW_MS, &opened);
    for (int i = 0; i < 80; i++)
        append_next(journal, i < 10);
    journal_close(journal);
    size_t const size = file_read("power", 1, bytes);
    size_t ends[31];
    record_ends(ends, 30);
    memset(bytes + ends[20], 0, size - ends[20]); /* 10 synced, 20 there, 21… lost, others later */
    bytes[ends[20] + 200] = 17;
    file_write("power", 1, bytes, size);
    check_prefix("power", 20);
}

/* Bytes that a client sent and we stored look like a later record that proves something. */
static void test_a_stored_record_is_no_witness(void **state)
{
    (void)state;
    static char bytes[FILE_ROOM];
    struct journal_opened opened;
    struct journal *journal = must_open("donor", SMALL, 1, &opened);
    for (int i = 0; i < 12; i++)
        append_next(journal, true);
    journal_close(journal);
    file_read("donor", 1, bytes);
    size_t ends[13];
    record_ends(ends, 12);
    size_t const from = (ends[10] + 7) & ~(size_t)7;

    journal = must_open("host", SMALL, SLOW_MS, &opened);
    uint64_t lsn;
    assert_int_equal(journal_append(journal, 1, 1, STR("first"), &lsn), ERR_OK);
    assert_int_equal(journal_append(journal, 1, 1, str_make(bytes + from, ends[12] - from), &lsn),
                     ERR_OK);
    journal_close(journal);
    size_t const size = file_read("host", 1, bytes);
    bytes[SEGMENT_HEADER_BYTES + 4] ^= 1; /* both records are lost, legitimately */
    file_write("host", 1, bytes, size);
    journal = must_open("host", SMALL, 1, &opened);
    assert_int_equal(opened.last_lsn, 0);
    assert_true(opened.truncated_bytes > 0);
    journal_close(journal);
}

static void test_not_a_journal(void **state)
{
    (void)state;
    static char bytes[SMALL];
    struct journal *journal;
    struct journal_opened opened;
    struct fault fault;
    memset(bytes, 'x', sizeof bytes);
    file_write("alien", 1, bytes, sizeof bytes);
    assert_int_equal(open_sized("alien", SMALL, 1, &journal, &opened, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.detail, "damaged header"));
    assert_int_equal(open_sized("no/such/folder", SMALL, 1, &journal, &opened, &fault),
                     ERR_JOURNAL_FAILED);
    memset(bytes, 0, sizeof bytes); /* a preparation that did not end */
    file_write("zeros", 1, bytes, sizeof bytes);
    check_prefix("zeros", 0);
    file_write("middle", 1, bytes, sizeof bytes);
    file_write("middle", 2, bytes, sizeof bytes);
    assert_int_equal(open_sized("middle", SMALL, 1, &journal, &opened, &fault), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_back),
        cmocka_unit_test(test_trim_forgets_whole_segments),
        cmocka_unit_test(test_a_visitor_may_stop),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_flips_within_a_group),
        cmocka_unit_test(test_flips_in_durable_records),
        cmocka_unit_test(test_missing_segment),
        cmocka_unit_test(test_power_loss_across_segments),
        cmocka_unit_test(test_a_stored_record_is_no_witness),
        cmocka_unit_test(test_not_a_journal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
