/* project_int.h - the inside of the projector: sums of a batch, live holds, records to rows.
 *
 * Rules: one thread. Views of a batch lie in the journal's mapping: valid until it is trimmed,
 * which happens after the batch.
 */
#pragma once
#include "book/book_int.h"
#include "book/project.h"
#include "book/project_sums.h"

enum {
    BATCH_TURN_RECORDS = 48, /* about 50 µs of work */
    PROJECTOR_NICE = 5,      /* behind the workers, but with a share when all is busy */
    BATCH_RECORDS_MAX = 16384,
    BATCH_GATHER_MS = 250, /* how long rows may be behind under steady load */
    BATCH_QUIET_MS = 4,    /* no new record for so long: nothing worth waiting for */
    BATCH_RETRY_MS = 100,
    BATCH_RETRY_MS_MAX = 5000,
    BATCH_IDLE_MS = 100,
    BATCH_FORGET_US = 60 * 1000000,
    HOLD_LONG_US = 60 * 1000000, /* holds older than this become rows */
    IDEMPOTENCY_KEEP_S = 86400,
};

/* --- project_holds.c: live holds, and which of them are rows --- */

struct live_hold {
    struct ulid id;
    uint64_t lsn;       /* of its RESERVE, or of the first change that its row does not know */
    int64_t at_us;      /* of that record */
    struct str reserve; /* the RESERVE's payload: in the journal, or our copy when stored */
    int64_t output_tokens;
    bool dispatched, stored, changed;
    uint32_t previous, next; /* in one of the two lists, or the free list; number + 1 */
};
struct hold_list {
    uint32_t first, last;
};
struct live_holds {
    struct live_hold *pool;
    uint32_t *slots;
    size_t pool_count, pool_capacity, slot_count, live;
    uint32_t free;
    struct hold_list fresh;   /* not rows, oldest first */
    struct hold_list changed; /* rows that are out of date, by their first unknown change */
};
void live_holds_free(struct live_holds *holds); /* empty, usable again */
NODISCARD enum err live_holds_stored(struct live_holds *holds, struct ulid id, struct str reserve);
NODISCARD enum err live_holds_begin(struct live_holds *holds, struct ulid id, uint64_t lsn,
                                    int64_t at_us, struct str reserve);
void live_holds_progress(struct live_holds *holds, const struct record_progress *progress,
                         bool dispatch, uint64_t lsn, int64_t at_us);
/* True when its row has to go. */
bool live_holds_end(struct live_holds *holds, struct ulid id);
bool live_holds_known(const struct live_holds *holds, struct ulid id);
/* Makes rows of those that have lived (or changed) since before `before_us`. */
NODISCARD enum err live_holds_write(struct live_holds *holds, struct store *store,
                                    int64_t before_us, struct fault *fault);
/* Replay must start at this lsn to know them all; `otherwise` when rows know everything. */
uint64_t live_holds_recover_lsn(const struct live_holds *holds, uint64_t otherwise);

/* --- project_rows.c: one record becomes rows --- */

struct batch {
    struct book *book;
    struct store *store;
    struct live_holds *holds;
    struct batch_sums *sums;
    const struct project_listener *listener; /* NULL: nobody listens */
    uint64_t until;   /* durable records only: the database never knows more than the journal */
    uint64_t applied; /* the last record taken in */
    size_t records, rows;
    int64_t at_us; /* the newest record's time */
    enum err err;
    struct fault *fault;
};
/* A journal_visit. */
bool batch_record(void *batch, const struct journal_record *record);
