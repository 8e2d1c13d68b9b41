/* journal_int.h - the inside of the journal: segments, records, the sync thread.
 *
 * Disk:  <number>.seg, numbers without gaps. 64 bytes of header (written and synced before the
 * first record, never changed), then records of a multiple of 8 bytes, then zeros. A file is named
 * by its number, not by its first lsn: it is made before anyone knows which record will be its
 * first, and a name that never changes needs no rename, so no directory sync, when the appender
 * moves on to it. Locks: `mutex` guards the list of segments, the end of the journal and the
 * promises: held for a record's memcpy. `wake_mutex` guards sleeping and waking; never taken inside
 * `mutex`.
 */
#pragma once
#include "base/limits.h"
#include "journal/journal.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    SEGMENT_HEADER_BYTES = 64,
    SEGMENT_BYTES_MIN = 256 << 10, /* not halved below this when space is short */
    SEGMENT_BYTES_LEAST = 4 << 10, /* what a caller may ask for */
    SEGMENTS_AHEAD_MAX = 8,
    RECORD_HEAD_BYTES = 32,
    RECORD_ALIGN = 8,
    SUBSCRIBERS_MAX = 64,
    PREPARE_RETRY_MS = 1000,
    PREFAULT_BYTES_MAX = 4 << 20,
    PREFETCH_BYTES = 512,
    RECORD_LAG_UNKNOWN = 0xffffff,
};

/* As on disk, little endian (x86-64 and arm64 are; a _Static_assert in segment.c says so). */
struct segment_header {
    char magic[8];
    uint32_t version, epoch;
    uint64_t number, bytes;
    uint32_t salt; /* part of every record's checksum: bytes that a client sent and we stored never
                      pass for a record, and neither does what an older file left on the disk */
    uint32_t crc;
    char zeros[24];
};

/* `bytes` (head and payload, unpadded) is stored last: until then there is no record here.
 * `lag` is lsn minus the last lsn known to be durable when this one was appended: see scan.c. */
struct record_head {
    uint32_t bytes, crc;
    uint64_t lsn;
    uint32_t epoch;
    uint32_t type_lag; /* type in the low 8 bits, lag in the upper 24 */
    int64_t at_us;
};

struct segment {
    struct segment *next;
    uint64_t number, first_lsn, last_lsn; /* first_lsn 0: no record yet */
    char *base;
    size_t mapped, capacity, used; /* bytes, header included */
    int descriptor;                /* -1 once all of it is durable and no more is coming */
    uint32_t salt, epoch;
    int readers;
    bool removed; /* trimmed while a reader was inside: the last reader frees it */
};

struct journal {
    int directory, lock;
    size_t segment_bytes;
    int sync_ms;
    struct clock *clock;
    uint32_t epoch;

    pthread_mutex_t mutex;
    struct segment *oldest, *active, *unsynced; /* one list; what follows active is prepared */
    size_t ahead_room;                          /* record bytes in prepared segments */
    size_t ahead_count;
    uint64_t next_number;
    size_t promised, promise_max;   /* outstanding record bytes; the largest single promise ever */
    struct segment *cursor_segment; /* where the last replay stopped */
    uint64_t cursor_lsn;
    size_t cursor_offset;

    _Atomic uint64_t last_lsn, synced_lsn, syncs, appended_bytes;
    _Atomic int64_t last_sync_us;
    _Atomic bool failed;       /* fdatasync failed: for ever */
    _Atomic bool starved;      /* no room for a segment: tried again every second */
    _Atomic bool refusing;     /* something was refused for want of room since the last segment */
    _Atomic bool want_segment; /* asked for by the appender */
    _Atomic bool idle;         /* the sync thread sleeps; whoever clears this wakes it */

    pthread_mutex_t wake_mutex;
    pthread_cond_t wake, changed;
    bool hurry, closing; /* guarded by wake_mutex */
    bool thread_runs;
    pthread_t thread;
    int64_t retry_mono_us;

    struct {
        void (*on_synced)(void *owner, uint64_t synced_lsn);
        void *owner;
    } subscribers[SUBSCRIBERS_MAX];
    _Atomic size_t subscriber_count;
};

static inline size_t record_size(size_t payload)
{
    return (RECORD_HEAD_BYTES + payload + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

static inline uint32_t type_lag(uint8_t type, uint64_t lag)
{
    return type | (uint32_t)(lag < RECORD_LAG_UNKNOWN ? lag : RECORD_LAG_UNKNOWN) << 8;
}

/* --- segment.c: one file --- */
/* Makes, preallocates and syncs the file; smaller when space is short. NULL: errno in *error. */
struct segment *segment_make(int directory, uint64_t number, size_t bytes, uint32_t epoch,
                             int *error);
enum segment_state { SEGMENT_GOOD, SEGMENT_UNFINISHED, SEGMENT_BAD };
/* Opens and maps an existing file; *segment is NULL unless SEGMENT_GOOD. */
enum segment_state segment_load(int directory, uint64_t number, struct segment **segment,
                                struct fault *fault);
/* Makes sure that the rest of the file can be written; else the segment counts as full. */
void segment_seal_unless_backed(struct segment *segment);
void segment_name(uint64_t number, char name[32]);
void segment_unlink(int directory, uint64_t number);
/* Lets go of the pages that a scan has touched: they are the page cache's, not ours to count. */
void segment_rest(struct segment *segment);
void segment_free(struct segment *segment);

enum record_state { RECORD_GOOD, RECORD_END, RECORD_BAD };
/* The record at `offset`, checked with its checksum. */
enum record_state segment_record(const struct segment *segment, size_t offset,
                                 struct record_head *head);
uint32_t record_crc(const struct record_head *head, uint32_t salt, uint32_t payload_crc);

/* --- scan.c: reading everything at open --- */
NODISCARD enum err journal_scan(struct journal *journal, struct journal_opened *opened,
                                struct fault *fault);

/* --- sync.c: the thread --- */
void *journal_thread(void *journal);
void journal_wake(struct journal *journal);
/* Adds prepared segments until enough are ahead, or there is no space (then starved is set). */
void journal_prepare(struct journal *journal);
/* --- journal.c --- */
/* Record bytes that promised records are sure to find, whatever their order: each segment may lose
 * almost one largest record at its end. `mutex` held. */
size_t journal_room(size_t active_left, size_t ahead_room, size_t ahead_count, size_t record_max);
/* Another prepared segment is wanted. `mutex` held. */
bool journal_wants_segment(const struct journal *journal);
/* Adds a prepared segment to the list. */
void journal_take_segment(struct journal *journal, struct segment *segment);
