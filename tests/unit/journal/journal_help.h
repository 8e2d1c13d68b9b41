/* journal_help.h - folders, openings and self-describing records for the journal's tests. */
#pragma once
#include "base/random.h"
#include "journal/journal_int.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 4096, SLOW_MS = 60000 };

static char root[64];

static inline int setup(void **state)
{
    (void)state;
    /* In memory where possible: hundreds of small journals are synced here. */
    snprintf(root, sizeof root, "%s/cota-journal-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(root) == NULL;
}

static inline void folder_path(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", root, name);
}

static inline void folder_remove(const char *name)
{
    char command[192];
    snprintf(command, sizeof command, "%s/%s", root, name);
    pid_t const child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

static inline int teardown(void **state)
{
    (void)state;
    folder_remove("");
    return 0;
}

static inline enum err open_sized(const char *name, size_t segment_bytes, int sync_ms,
                                  struct journal **journal, struct journal_opened *opened,
                                  struct fault *fault)
{
    char path[128];
    folder_path(name, path);
    *fault = (struct fault){.code = ERR_OK};
    struct journal_options const options = {.directory = str_of(path),
                                            .segment_bytes = segment_bytes,
                                            .sync_ms = sync_ms,
                                            .clock = clock_system()};
    return journal_open(&options, journal, opened, fault);
}

static inline struct journal *must_open(const char *name, size_t segment_bytes, int sync_ms,
                                        struct journal_opened *opened)
{
    struct journal *journal;
    struct fault fault;
    enum err const err = open_sized(name, segment_bytes, sync_ms, &journal, opened, &fault);
    if (err != ERR_OK)
        fail_msg("open %s: %s", name, fault.detail);
    return journal;
}

/* Record n has n*13 % 97 bytes that can be computed from n. */
static inline struct str payload_of(uint64_t n, char bytes[128])
{
    size_t const len = n * 13 % 97;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(n * 31 + i * 7 + 1);
    return str_make(bytes, len);
}

static inline void append_next(struct journal *journal, bool sync)
{
    char bytes[128];
    uint64_t lsn, const_next = journal_last_lsn(journal) + 1;
    assert_int_equal(journal_append(journal, (uint8_t)(const_next % 200 + 1),
                                    (int64_t)const_next * 1000, payload_of(const_next, bytes),
                                    &lsn),
                     ERR_OK);
    assert_int_equal(lsn, const_next);
    if (sync)
        assert_int_equal(journal_sync(journal, lsn), ERR_OK);
}

struct seen {
    uint64_t next, bad;
};

static inline bool check_record(void *owner, const struct journal_record *record)
{
    struct seen *seen = owner;
    char bytes[128];
    if (record->lsn != seen->next || record->type != record->lsn % 200 + 1 ||
        record->at_us != (int64_t)record->lsn * 1000 ||
        !str_eq(record->payload, payload_of(record->lsn, bytes)))
        seen->bad++;
    seen->next = record->lsn + 1;
    return true;
}

/* All records from..last are what append_next wrote. */
static inline void check_all(struct journal *journal, uint64_t from, uint64_t last)
{
    struct seen seen = {.next = from};
    struct fault fault = {.code = ERR_OK};
    assert_int_equal(journal_replay(journal, from, check_record, &seen, &fault), ERR_OK);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(seen.next, last + 1);
    assert_int_equal(journal_last_lsn(journal), last);
}
