/* project_sums.h - what a batch of records adds up to, so that the database is told each thing
 * once.
 *
 * Not:   records becoming rows (project_rows.c).
 * Rules: the projector's thread. Views lie in the journal's mapping, as those of the batch.
 */
#pragma once
#include "book/book_int.h"

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
    struct record_limiters limiters; /* the customer's own three */
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
    bool used; /* line.used is set */
    struct record_rollover rollover;
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
/* `rollover` NULL: of an end, line->used is what it says. */
NODISCARD enum err sums_window(struct batch_sums *sums, uint32_t customer,
                               const struct record_window_line *line,
                               const struct record_rollover *rollover);
NODISCARD enum err sums_bucket(struct batch_sums *sums, const struct bucket_row *row,
                               struct ulid key);
/* A grant that the batch has touched already has this much left now. */
void sums_grant_left(struct batch_sums *sums, struct ulid grant, int64_t remaining);
/* Grant lines and money of an end. ERR_CORRUPT: more than int64 can count. */
NODISCARD enum err sums_end(struct batch_sums *sums, uint32_t customer,
                            const struct record_end *end);
NODISCARD enum err batch_sums_write(struct batch_sums *sums, struct store *store,
                                    struct fault *fault);
