/* journal.h - the append-only log that makes decisions durable.
 *
 * What:  records {length, CRC-32C, lsn, epoch, time, type, payload} in preallocated, memory-mapped
 *        segment files. An appended record is in the page cache at once (survives kill -9, no
 *        syscall); a sync thread makes it durable within JOURNAL_SYNC_MS (survives power loss).
 * Not:   meaning of records (book/record.h).
 * Rules: append, sync and promise from any thread. Disk full or an I/O error never loses what a
 *        promise covers: admission stops first (journal_promise fails), promised records still fit.
 *        After a failed fdatasync nothing is acknowledged any more (fail-stop): restart recovers.
 */
#pragma once
#include "base/clock.h"
#include "base/err.h"

struct journal;

struct journal_options {
    struct str directory; /* made when missing, 0700; locked against a second process */
    size_t segment_bytes; /* 0: JOURNAL_SEGMENT_BYTES; halved down to 256 KiB when space is short */
    int sync_ms;          /* 0: JOURNAL_SYNC_MS */
    struct clock *clock;
};

struct journal_record {
    uint64_t lsn; /* 1, 2, 3 … without gaps */
    uint32_t epoch;
    int64_t at_us; /* wall time given to append */
    uint8_t type;
    struct str payload;
};

struct journal_opened {
    uint64_t first_lsn, last_lsn; /* last_lsn 0: empty */
    uint64_t truncated_bytes;     /* torn tail that was cut off (logged too) */
    uint32_t epoch;               /* of this opening; records of older ones are smaller */
};

/* Validates every segment, cuts a torn tail (at the first bad record nothing after it counts),
 * starts the sync thread. ERR_CORRUPT: a gap between segments or damage that is not a tail;
 * ERR_JOURNAL_FAILED: directory, lock (another process), disk. */
NODISCARD enum err journal_open(const struct journal_options *options, struct journal **journal,
                                struct journal_opened *opened, struct fault *fault);
/* Calls for every record with lsn >= from, in order; stops at false. Before appending, or from the
 * projection thread up to journal_last_lsn. Payloads stay where they are until trimmed.
 * ERR_CORRUPT: `from` was trimmed. */
typedef bool journal_visit(void *owner, const struct journal_record *record);
NODISCARD enum err journal_replay(struct journal *journal, uint64_t from, journal_visit *visit,
                                  void *owner, struct fault *fault);

/* Keeps room for a later record of at most `bytes` payload. ERR_JOURNAL_FAILED: disk full or
 * failed: admit nothing. Each promise is redeemed once: by journal_append_promised or _forget. */
NODISCARD enum err journal_promise(struct journal *journal, size_t bytes);
void journal_forget(struct journal *journal, size_t bytes);
/* ERR_JOURNAL_FAILED: not appended. */
NODISCARD enum err journal_append(struct journal *journal, uint8_t type, int64_t at_us,
                                  struct str payload, uint64_t *lsn);
/* Uses a promise of `promised` bytes (payload.len <= promised): never fails for want of space.
 * After an I/O failure it keeps the record in the mapping, unacknowledged. */
void journal_append_promised(struct journal *journal, size_t promised, uint8_t type, int64_t at_us,
                             struct str payload, uint64_t *lsn);

uint64_t journal_last_lsn(const struct journal *journal);
uint64_t journal_synced_lsn(const struct journal *journal);
/* Blocks until `lsn` is durable. Not on a loop's thread. ERR_JOURNAL_FAILED. */
NODISCARD enum err journal_sync(struct journal *journal, uint64_t lsn);
/* Called on the sync thread after each group; one subscriber per slot, at most 64. */
void journal_subscribe(struct journal *journal, void (*on_synced)(void *owner, uint64_t synced_lsn),
                       void *owner);
bool journal_healthy(const struct journal *journal);
/* Blocks until a record with lsn > after exists or timeout_ms passed; true when there is one. */
bool journal_wait(struct journal *journal, uint64_t after, int timeout_ms);
/* Deletes whole segments all of whose records are < before. */
void journal_trim(struct journal *journal, uint64_t before);

struct journal_figures {
    uint64_t last_lsn, synced_lsn, syncs, segments;
    uint64_t bytes;       /* of all segments on the disk, prepared ones too */
    int64_t last_sync_us; /* how long the last fdatasync took */
    bool healthy;
};
void journal_figures(const struct journal *journal, struct journal_figures *figures);
void journal_close(struct journal *journal); /* syncs what is there */
