/* journal.c - any bytes as a segment file: open, replay, decode and apply must never crash.
 *
 * What:  the input is one segment. A journal opens on it (repaired, cut, or refused), every record
 * goes to the decoders and into a book, and what was accepted once is accepted again. Inputs that
 * begin with 'R' are a list of records (type, length, payload) instead: they get valid checksums,
 * so that mutations reach the decoders behind them.
 */
#include "journal/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "book/book.h"
#include "book/replay.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], segment[96];

static void file_unlink(const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void segments_unlink(void)
{
    file_unlink("000000000001.seg");
    file_unlink("000000000002.seg");
}

static void folder_remove(void)
{
    segments_unlink();
    file_unlink("lock");
    rmdir(folder);
}

static void folder_make(void)
{
    if (folder[0] != 0)
        return;
    log_level_set(LOG_ERROR + 1);
    snprintf(folder, sizeof folder, "%s/cota-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    MUST(mkdtemp(folder) != NULL);
    snprintf(segment, sizeof segment, "%s/000000000001.seg", folder);
    atexit(folder_remove);
}

static struct journal *open_here(struct journal_opened *opened)
{
    struct journal *journal;
    struct fault fault = {.code = ERR_OK};
    struct journal_options const options = {.directory = str_of(folder),
                                            .segment_bytes = 64 << 10,
                                            .sync_ms = 1,
                                            .clock = clock_system()};
    if (journal_open(&options, &journal, opened, &fault) == ERR_OK)
        return journal;
    MUST(fault.detail[0] != 0); /* a refusal says why */
    return NULL;
}

static void records_append(const uint8_t *data, size_t size)
{
    struct journal_opened opened;
    struct journal *journal = open_here(&opened);
    MUST(journal != NULL);
    while (size >= 3) {
        size_t const wanted = (size_t)data[1] | (size_t)data[2] << 8;
        size_t const length = wanted < size - 3 ? wanted : size - 3;
        uint64_t lsn;
        if (journal_append(journal, data[0], 1700000000000000 + (int64_t)size,
                           str_make((const char *)data + 3, length), &lsn) != ERR_OK)
            break;
        data += 3 + length;
        size -= 3 + length;
    }
    journal_close(journal);
}

struct replaying {
    struct book *book;
    uint64_t expected;
    enum err err;
};

static bool apply(void *owner, const struct journal_record *record)
{
    struct replaying *replaying = owner;
    struct fault fault = {.code = ERR_OK};
    MUST(record->lsn == replaying->expected);
    replaying->expected++;
    replaying->err = book_apply_record(replaying->book, record, REPLAY_WHOLE, &fault);
    return replaying->err == ERR_OK;
}

static void replay_all(struct journal *journal, const struct journal_opened *opened)
{
    struct fault fault = {.code = ERR_OK};
    struct replaying replaying = {.expected = opened->first_lsn};
    struct book_options const options = {.journal = journal, .clock = clock_system()};
    MUST(book_new(&options, &replaying.book, &fault) == ERR_OK);
    enum err const err = journal_replay(journal, opened->first_lsn, apply, &replaying, &fault);
    MUST(err == ERR_OK); /* open has validated what replay reads */
    struct book_orphans orphans;
    if (replaying.err == ERR_OK)
        replaying.err = book_close_orphans(replaying.book, &orphans, &fault);
    book_free(replaying.book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    folder_make();
    segments_unlink();
    if (size > 0 && data[0] == 'R') {
        records_append(data + 1, size - 1);
    } else {
        int const descriptor = open(segment, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        MUST(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
        close(descriptor);
    }
    struct journal_opened opened, again;
    struct journal *journal = open_here(&opened);
    if (journal == NULL)
        return 0;
    replay_all(journal, &opened);
    uint64_t const last = journal_last_lsn(journal);
    journal_close(journal);
    journal = open_here(&again);
    MUST(journal != NULL && again.last_lsn == last && again.truncated_bytes == 0);
    journal_close(journal);
    return 0;
}
