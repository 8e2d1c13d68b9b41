/* store.h - the only door to the database: the queryable projection of the journal.
 *
 * What:  blocking calls for store threads (never a worker's loop). One writer, which moves the
 *        journal position in the same transaction as the rows it writes: exactly once.
 * Not:   decisions; the book has taken them already. SQL strings of callers.
 * Backends: sqlite/, memory/ (tests), later postgres/. Each passes tests/contract/ unchanged.
 */
#pragma once
#include "store/query.h"
#include "store/rows.h"

struct store;

/* Where the projection stands; stored with the rows. */
struct store_position {
    uint64_t applied_lsn; /* every record up to here is in the rows */
    uint64_t
        recover_lsn; /* replay must start here to rebuild the live holds (<= applied_lsn + 1) */
};

/* Visitors answer false to stop. */
typedef bool customer_visit(void *owner, const struct customer_row *row);
typedef bool key_visit(void *owner, const struct key_row *row);
typedef bool grant_visit(void *owner, const struct grant_row *row);
typedef bool counter_visit(void *owner, const struct counter_row *row);
typedef bool hold_visit(void *owner, const struct hold_row *row);
typedef bool usage_visit(void *owner, const struct usage_row *row);
typedef bool bucket_visit(void *owner, const struct bucket_row *row);
typedef bool idempotency_visit(void *owner, const struct idempotency_row *row); /* without body */
typedef bool object_row_visit(void *owner, const struct object_row *row);
typedef bool audit_visit(void *owner, const struct audit_row *row);
typedef bool alert_visit(void *owner, const struct alert_row *row);
typedef bool ending_visit(void *owner, const struct ending_row *row);
typedef bool basis_visit(void *owner, const struct basis_row *row);

struct store_ops {
    const char *name;
    /* --- writing: between begin and commit or rollback, one thread only --------------------- */
    enum err (*begin)(struct store *, struct fault *);
    enum err (*commit)(struct store *, struct store_position, struct fault *);
    void (*rollback)(struct store *);
    enum err (*customer_put)(struct store *, const struct customer_row *, struct fault *);
    enum err (*key_put)(struct store *, const struct key_row *, struct fault *);
    enum err (*grant_put)(struct store *, const struct grant_row *, struct fault *);
    /* What is left of a grant; its status too unless -1. ERR_STORE_FAILED: there is no such grant.
     */
    enum err (*grant_left)(struct store *, struct str id, struct money remaining, int status,
                           struct fault *);
    enum err (*counter_put)(struct store *, const struct counter_row *, struct fault *);
    enum err (*hold_put)(struct store *, const struct hold_row *, struct fault *);
    enum err (*hold_delete)(struct store *, struct str id, struct fault *);
    enum err (*usage_add)(struct store *, const struct usage_row *, struct fault *);
    enum err (*bucket_add)(struct store *, const struct bucket_row *, struct fault *); /* sums up */
    enum err (*ledger_add)(struct store *, const struct ledger_txn_row *, struct fault *);
    enum err (*idempotency_put)(struct store *, const struct idempotency_row *, struct fault *);
    enum err (*object_put)(struct store *, const struct object_row *, struct fault *);
    enum err (*object_delete)(struct store *, struct str kind, struct str id, struct fault *);
    /* ERR_STORE_FAILED: the sequence is there already. */
    enum err (*audit_add)(struct store *, const struct audit_row *, struct fault *);
    /* Nothing when the id, or the notice, is there already. */
    enum err (*alert_put)(struct store *, const struct alert_row *, struct fault *);
    /* Nothing when it was acknowledged already, or is not there. */
    enum err (*alert_seen)(struct store *, int64_t id, int64_t at_us, struct str by,
                           struct fault *);
    enum err (*basis_put)(struct store *, const struct basis_row *, struct fault *); /* once */
    enum err (*forget)(struct store *, int64_t now_us,
                       struct fault *); /* expired counters, keys of idempotency */
    /* --- reading: any store thread ------------------------------------------------------------ */
    enum err (*position)(struct store *, struct store_position *, struct fault *);
    enum err (*customers)(struct store *, customer_visit *, void *owner, struct fault *);
    enum err (*keys)(struct store *, key_visit *, void *owner, struct fault *);
    enum err (*customer_page)(struct store *, const struct account_query *, customer_visit *,
                              void *owner, struct fault *);
    enum err (*key_page)(struct store *, const struct account_query *, key_visit *, void *owner,
                         struct fault *);
    enum err (*grants)(struct store *, grant_visit *, void *owner, struct fault *);
    enum err (*counters)(struct store *, counter_visit *, void *owner, struct fault *);
    enum err (*holds)(struct store *, hold_visit *, void *owner, struct fault *);
    enum err (*usage)(struct store *, const struct usage_query *, usage_visit *, void *owner,
                      struct fault *);
    enum err (*buckets)(struct store *, const struct bucket_query *, bucket_visit *, void *owner,
                        struct fault *);
    enum err (*idempotency)(struct store *, idempotency_visit *, void *owner, struct fault *);
    /* The one of that name; none is no error. */
    enum err (*basis)(struct store *, uint64_t name, basis_visit *, void *owner, struct fault *);
    /* One stored answer with its body; *found false when absent. */
    enum err (*idempotency_get)(struct store *, struct str customer_id,
                                const unsigned char key_hash[32], idempotency_visit *, void *owner,
                                bool *found, struct fault *);
    /* All documents by kind and id; of one kind, or (empty) of all. */
    enum err (*objects)(struct store *, struct str kind, object_row_visit *, void *owner,
                        struct fault *);
    enum err (*object_get)(struct store *, struct str kind, struct str id, object_row_visit *,
                           void *owner, bool *found, struct fault *);
    /* ERR_FIELD_INVALID: a filter's member is no name, or there are too many. When look_max ends
     * it, one last row comes with an empty text: no match, but where the next page begins. */
    enum err (*object_list)(struct store *, const struct object_query *, object_row_visit *,
                            void *owner, struct fault *);
    enum err (*audit_list)(struct store *, const struct audit_query *, audit_visit *, void *owner,
                           struct fault *);
    enum err (*alert_list)(struct store *, const struct alert_query *, alert_visit *, void *owner,
                           struct fault *);
    enum err (*endings)(struct store *, const struct ending_query *, ending_visit *, void *owner,
                        struct fault *);
    /* Walks the whole chain. ERR_CORRUPT: the first entry that was changed or is missing. What was
     * cut off at the end is only seen by who knows the head: it is given back (either may be NULL).
     */
    enum err (*audit_verify)(struct store *, uint64_t *last, unsigned char *hash, struct fault *);
    /* Sum of all entries of an account; an empty customer_id: the house. For the auditor. */
    enum err (*ledger_sum)(struct store *, struct str customer_id, struct str account,
                           struct money *, struct fault *);
    /* Are all transactions balanced, do buckets equal rows, …? First broken rule in fault. */
    enum err (*audit)(struct store *, struct fault *);
    void (*close)(struct store *);
};

struct store {
    const struct store_ops *ops; /* first member of every backend's own struct */
};

/* Opens or makes `file`, brings the schema up to date (a backup copy first when rows exist),
 * refuses a newer schema. ERR_STORE_FAILED with the reason. */
NODISCARD enum err store_sqlite_open(struct str file, struct store **store, struct fault *fault);
/* Everything in memory, for tests. NULL when memory is short. */
struct store *store_memory_open(void);
