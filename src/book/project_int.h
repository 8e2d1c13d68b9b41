/* project_int.h - the inside of the projector: sums of a batch, live holds, records to rows.
 *
 * Rules: one thread. Views of a batch lie in the journal's mapping: valid until it is trimmed,
 * which happens after the batch.
 */
#pragma once
#include "book/book_int.h"
#include "book/project.h"

enum {
    BATCH_TURN_RECORDS = 24, /* about 25 µs of work */
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

/* --- project_sums.c: what a batch adds up to --- */

/* Rows with a hash in front, found by hash; cleared after each batch, memory kept. */
struct sums {
    char *rows;
    uint32_t *slots; /* 0: empty, else the row's number + 1 */
    size_t count, capacity, slot_count, row_bytes;
};
typedef bool sums_same(const void *row, const void *key);

struct sum_customer {
    uint64_t hash;
    struct str id, currency;
    uint64_t txn_first, txn_last; /* records with money; 0: none */
    int64_t txn_at_us;
    int64_t charged, overage, debt, breakage;
    unsigned totals_set; /* bit 1 << enum record_total */
    struct record_totals totals;
    struct record_limiters limiters; /* the customer's own two */
    uint32_t first_grant;            /* number + 1 in `grants`; 0: none */
};
struct sum_key {
    uint64_t hash;
    struct ulid id;
    uint32_t customer;
    struct record_limiters limiters; /* the key's own two */
};
struct sum_grant {
    uint64_t hash;
    struct ulid id;
    int64_t charged, breakage, remaining;
    uint32_t next; /* of the same customer, number + 1 */
};
struct sum_window {
    uint64_t hash;
    uint32_t customer;
    struct record_window_line line;
};
struct sum_bucket {
    uint64_t hash;
    struct ulid key;
    struct bucket_row row; /* without key_id */
};

struct batch_sums {
    struct sums customers, keys, grants, windows, buckets;
};
void batch_sums_init(struct batch_sums *sums);
void batch_sums_clear(struct batch_sums *sums);
void batch_sums_free(struct batch_sums *sums);
/* ERR_NO_MEMORY. The customer's number stays valid for the batch; pointers until the next find. */
NODISCARD enum err sums_customer(struct batch_sums *sums, struct book *book, struct str id,
                                 uint32_t *number);
struct sum_customer *sums_customer_at(struct batch_sums *sums, uint32_t number);
NODISCARD enum err sums_limiters(struct batch_sums *sums, uint32_t customer, struct ulid key,
                                 const struct record_limiters *limiters);
NODISCARD enum err sums_window(struct batch_sums *sums, uint32_t customer,
                               const struct record_window_line *line);
NODISCARD enum err sums_bucket(struct batch_sums *sums, const struct bucket_row *row,
                               struct ulid key);
/* A grant that the batch has touched already has this much left now. */
void sums_grant_left(struct batch_sums *sums, struct ulid grant, int64_t remaining);
/* Grant lines and money of an end. ERR_CORRUPT: more than int64 can count. */
NODISCARD enum err sums_end(struct batch_sums *sums, uint32_t customer,
                            const struct record_end *end);
NODISCARD enum err batch_sums_write(struct batch_sums *sums, struct store *store,
                                    struct fault *fault);

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
    uint64_t until;   /* durable records only: the database never knows more than the journal */
    uint64_t applied; /* the last record taken in */
    size_t records, rows;
    int64_t at_us; /* the newest record's time */
    enum err err;
    struct fault *fault;
};
/* A journal_visit. */
bool batch_record(void *batch, const struct journal_record *record);
