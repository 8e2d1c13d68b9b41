/* scan.c - reading the whole journal at open: what counts, what is cut off, what is damage.
 *
 * Rule:  records count up to the first one that is missing or bad. Whether the rest may be cut off
 *        depends on one question: was the first missing record ever durable?
 *          - After kill -9 at most one half-written record follows the end.
 *          - After a power failure the disk holds any subset of the pages written since the last
 *            fdatasync, so later records may be whole while earlier ones are not. All of them
 * belong to groups that were never acknowledged: they are cut off, and that is logged.
 *          - Every record says which lsn was durable when it was appended (type_lag). If a whole
 *            record behind the hole proves that the missing one had been synced, then something
 * else destroyed it: ERR_CORRUPT, nothing is touched, a person has to look. Damage at the very end,
 * with no such witness behind it, is cut off too; the projection notices when the database knows
 * records that the journal has lost (book/recover.c). Bound: looking for witnesses checks at most
 * SCAN_CHECKED_BYTES_MAX bytes of candidates.
 */
#include "base/log.h"
#include "journal/journal_int.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEGMENT_FILES_MAX = 65536, SCAN_BLOCK_BYTES = 4096, SCAN_CHECKED_BYTES_MAX = 1 << 30 };

struct numbers {
    uint64_t *list;
    size_t count, capacity;
};

static bool name_to_number(const char *name, uint64_t *number)
{
    int64_t value;
    char again[32];
    struct str const text = str_of(name);
    if (text.len < 5 || !str_to_i64(str_make(name, text.len - 4), &value) || value <= 0)
        return false;
    *number = (uint64_t)value;
    segment_name(*number, again);
    return strcmp(again, name) == 0;
}

static int number_order(const void *a, const void *b)
{
    uint64_t const left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static enum err numbers_add(struct numbers *numbers, uint64_t number, struct fault *fault)
{
    if (numbers->count >= SEGMENT_FILES_MAX)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: more than %d segments",
                         SEGMENT_FILES_MAX);
    if (numbers->count == numbers->capacity) {
        size_t const capacity = numbers->capacity > 0 ? 2 * numbers->capacity : 64;
        uint64_t *list = realloc(numbers->list, capacity * sizeof *list);
        if (list == NULL)
            return fault_set(fault, ERR_NO_MEMORY, "journal: list of segments");
        numbers->list = list;
        numbers->capacity = capacity;
    }
    numbers->list[numbers->count++] = number;
    return ERR_OK;
}

static enum err numbers_read(int directory, struct numbers *numbers, struct fault *fault)
{
    int const copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: folder: %s", strerror(errno));
    }
    enum err err = ERR_OK;
    for (struct dirent *entry = readdir(dir); entry != NULL && err == ERR_OK;
         entry = readdir(dir)) {
        uint64_t number;
        if (name_to_number(entry->d_name, &number))
            err = numbers_add(numbers, number, fault);
    }
    closedir(dir);
    if (err == ERR_OK && numbers->count > 1)
        qsort(numbers->list, numbers->count, sizeof *numbers->list, number_order);
    return err;
}

static enum err segments_load(struct journal *journal, const struct numbers *numbers,
                              struct fault *fault)
{
    struct segment **link = &journal->oldest;
    for (size_t i = 0; i < numbers->count; i++) {
        struct segment *segment;
        uint64_t const number = numbers->list[i];
        enum segment_state const state = segment_load(journal->directory, number, &segment, fault);
        if (state == SEGMENT_BAD)
            return fault->code;
        if (state == SEGMENT_UNFINISHED && i + 1 < numbers->count)
            return fault_set(fault, ERR_CORRUPT, "journal %012llu.seg: empty, but not the last one",
                             (unsigned long long)number);
        if (state == SEGMENT_UNFINISHED) {
            segment_unlink(journal->directory, number);
            continue;
        }
        *link = segment;
        link = &segment->next;
    }
    return ERR_OK;
}

/* Takes in the records of one segment; *expected is the next lsn (0: any). */
static void segment_walk(struct segment *segment, uint64_t *expected, uint32_t *epoch)
{
    struct record_head head;
    while (segment_record(segment, segment->used, &head) == RECORD_GOOD && head.lsn > 0 &&
           (*expected == 0 || head.lsn == *expected)) {
        if (segment->first_lsn == 0)
            segment->first_lsn = head.lsn;
        segment->last_lsn = head.lsn;
        *expected = head.lsn + 1;
        if (head.epoch > *epoch)
            *epoch = head.epoch;
        segment->used += record_size(head.bytes - RECORD_HEAD_BYTES);
    }
}

/* The last segment of the unbroken chain. */
static struct segment *chain_walk(struct journal *journal, uint64_t *expected, uint32_t *epoch)
{
    struct segment *segment = journal->oldest;
    for (;;) {
        struct record_head head;
        segment_walk(segment, expected, epoch);
        struct segment *next = segment->next;
        if (next == NULL || *expected == 0 || next->number != segment->number + 1 ||
            segment_record(next, SEGMENT_HEADER_BYTES, &head) != RECORD_GOOD ||
            head.lsn != *expected)
            return segment;
        segment = next;
    }
}

static bool block_zero(const char *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* The end of the last block that is not all zeros, or `from`. */
static size_t dirty_end(const struct segment *segment, size_t from)
{
    size_t end = from;
    for (size_t at = from; at < segment->capacity;) {
        size_t const block = (at / SCAN_BLOCK_BYTES + 1) * SCAN_BLOCK_BYTES;
        size_t const stop = block < segment->capacity ? block : segment->capacity;
        if (!block_zero(segment->base + at, stop - at))
            end = stop;
        at = stop;
    }
    return end;
}

struct witness {
    uint64_t missing; /* the first lsn that is not there */
    size_t checked;   /* bytes looked at */
    bool found;
};

static void witness_look(const struct segment *segment, size_t from, size_t end,
                         struct witness *witness)
{
    for (size_t at = from; at + RECORD_HEAD_BYTES <= end && !witness->found;) {
        struct record_head head;
        memcpy(&head, segment->base + at, sizeof head);
        at += RECORD_ALIGN;
        if (head.bytes < RECORD_HEAD_BYTES || head.lsn <= witness->missing ||
            head.bytes > JOURNAL_RECORD_BYTES_MAX)
            continue;
        witness->checked += head.bytes;
        if (witness->checked > SCAN_CHECKED_BYTES_MAX)
            return;
        if (segment_record(segment, at - RECORD_ALIGN, &head) != RECORD_GOOD)
            continue;
        uint32_t const lag = head.type_lag >> 8;
        witness->found = lag != RECORD_LAG_UNKNOWN && head.lsn - lag >= witness->missing;
        at += record_size(head.bytes - RECORD_HEAD_BYTES) - RECORD_ALIGN;
    }
}

/* What follows the chain is either witness of damage, or removed. */
static enum err tail_judge(const struct journal *journal, struct segment *last, uint64_t expected,
                           uint64_t *cut_bytes, struct fault *fault)
{
    struct witness witness = {.missing = expected};
    *cut_bytes = 0;
    for (const struct segment *segment = last; segment != NULL; segment = segment->next) {
        size_t const from = segment == last ? last->used : SEGMENT_HEADER_BYTES;
        size_t const end = dirty_end(segment, from);
        *cut_bytes += end - from;
        witness_look(segment, from, end, &witness);
    }
    /* A segment is trimmed only when its successor has a durable record. */
    bool const headless = expected == 0 && journal->oldest->number > 1;
    if (witness.found || headless)
        return fault_set(fault, ERR_CORRUPT,
                         "journal %012llu.seg: damaged at offset %zu: a record that was durable is "
                         "missing (lsn %llu; 0: the first)",
                         (unsigned long long)last->number, last->used,
                         (unsigned long long)expected);
    return ERR_OK;
}

static void tail_cut(struct journal *journal, struct segment *last)
{
    /* From the last file backwards: a crash in between leaves a shorter tail, not a gap. */
    while (last->next != NULL) {
        struct segment **link = &last->next;
        while ((*link)->next != NULL)
            link = &(*link)->next;
        segment_unlink(journal->directory, (*link)->number);
        segment_free(*link);
        *link = NULL;
    }
    segment_seal_unless_backed(last);
    for (size_t at = last->used; at < last->capacity;) {
        size_t const block = (at / SCAN_BLOCK_BYTES + 1) * SCAN_BLOCK_BYTES;
        size_t const stop = block < last->capacity ? block : last->capacity;
        if (!block_zero(last->base + at, stop - at))
            memset(last->base + at, 0, stop - at);
        at = stop;
    }
}

/* What a killed process left in the page cache becomes durable before anybody relies on it. */
static enum err chain_sync(struct journal *journal, struct fault *fault)
{
    for (struct segment *segment = journal->oldest; segment != NULL; segment = segment->next) {
        if (fdatasync(segment->descriptor) != 0)
            return fault_set(fault, ERR_JOURNAL_FAILED, "journal %012llu.seg: fdatasync: %s",
                             (unsigned long long)segment->number, strerror(errno));
        if (segment->next != NULL) {
            close(segment->descriptor);
            segment->descriptor = -1;
        }
    }
    return ERR_OK;
}

static enum err first_segment(struct journal *journal, struct fault *fault)
{
    int error;
    journal->oldest =
        segment_make(journal->directory, 1, journal->segment_bytes, journal->epoch, &error);
    if (journal->oldest == NULL)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: first segment: %s", strerror(error));
    return ERR_OK;
}

static enum err chain_take(struct journal *journal, struct journal_opened *opened,
                           struct fault *fault)
{
    uint32_t epoch = 0;
    for (const struct segment *segment = journal->oldest; segment; segment = segment->next)
        epoch = segment->epoch > epoch ? segment->epoch : epoch;
    journal->epoch = epoch + 1;
    if (journal->oldest == NULL && first_segment(journal, fault) != ERR_OK)
        return fault->code;
    uint64_t expected = journal->oldest->number == 1 ? 1 : 0; /* 0: nobody knows any more */
    struct segment *last = chain_walk(journal, &expected, &epoch);
    enum err err = tail_judge(journal, last, expected, &opened->truncated_bytes, fault);
    if (err != ERR_OK)
        return err;
    size_t const cut_at = last->used;
    tail_cut(journal, last);
    err = chain_sync(journal, fault);
    if (err != ERR_OK)
        return err;
    if (opened->truncated_bytes > 0)
        LOG(journal_truncated, field_int("segment", (int64_t)last->number),
            field_int("offset", (int64_t)cut_at),
            field_int("bytes", (int64_t)opened->truncated_bytes));
    journal->epoch = epoch + 1;
    journal->active = journal->unsynced = last;
    journal->next_number = last->number + 1;
    opened->epoch = journal->epoch;
    opened->last_lsn = expected > 0 ? expected - 1 : 0;
    opened->first_lsn = journal->oldest->first_lsn > 0 ? journal->oldest->first_lsn : 1;
    for (struct segment *segment = journal->oldest; segment != NULL; segment = segment->next)
        segment_rest(segment);
    return ERR_OK;
}

enum err journal_scan(struct journal *journal, struct journal_opened *opened, struct fault *fault)
{
    struct numbers numbers = {0};
    *opened = (struct journal_opened){0};
    enum err err = numbers_read(journal->directory, &numbers, fault);
    if (err == ERR_OK)
        err = segments_load(journal, &numbers, fault);
    free(numbers.list);
    return err == ERR_OK ? chain_take(journal, opened, fault) : err;
}
