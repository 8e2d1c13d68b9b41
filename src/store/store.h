/* store.h - the only door to the database: the queryable projection of the journal.
 *
 * What:  blocking calls for store threads (never a worker's loop). One writer, which moves the
 *        journal position in the same transaction as the rows it writes: exactly once.
 * Not:   decisions; the book has taken them already. SQL strings of callers.
 * Backends: sqlite/, memory/ (tests), later postgres/. Each passes tests/contract/ unchanged.
 */
#pragma once
#include "base/limits.h"
#include "store/rows.h"

struct store;

/* Where the projection stands; stored with the rows. */
struct store_position {
    uint64_t applied_lsn; /* every record up to here is in the rows */
    uint64_t
        recover_lsn; /* replay must start here to rebuild the live holds (<= applied_lsn + 1) */
};

struct usage_query {
    struct str customer_id, key_id, request_id, model, provider; /* empty: any */
    int64_t since_us, until_us;                                  /* by finished_us; 0: open */
    uint64_t before_lsn; /* paging, newest first; 0: newest */
    size_t limit;
    bool oldest_first;
};

struct bucket_query {
    struct str customer_id, key_id;
    int64_t since_us, until_us;
};

struct object_filter { /* the document's member, as text, is this value (true, 5, a string …) */
    struct str member, value; /* member: [a-z_]+, at most OBJECT_MEMBER_BYTES_MAX */
};
struct object_query {
    struct str kind, customer_id; /* customer_id empty: any */
    struct str after;             /* id of the last row seen; empty: from the start */
    int64_t after_us;             /* by_updated: its updated_us */
    size_t limit;                 /* 0: all */
    bool by_updated, descending;  /* else in the order of ids (bytes), ascending */
    size_t filter_count;
    struct object_filter filters[OBJECT_FILTERS_MAX];
};

struct audit_query {                                /* newest first */
    struct str actor, kind, object_id, customer_id; /* empty: any */
    int64_t since_us, until_us;                     /* 0: open */
    uint64_t before;                                /* sequence, for paging; 0: newest */
    size_t limit;                                   /* 0: all */
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
    enum err (*forget)(struct store *, int64_t now_us,
                       struct fault *); /* expired counters, keys of idempotency */
    /* --- reading: any store thread ------------------------------------------------------------ */
    enum err (*position)(struct store *, struct store_position *, struct fault *);
    enum err (*customers)(struct store *, customer_visit *, void *owner, struct fault *);
    enum err (*keys)(struct store *, key_visit *, void *owner, struct fault *);
    enum err (*grants)(struct store *, grant_visit *, void *owner, struct fault *);
    enum err (*counters)(struct store *, counter_visit *, void *owner, struct fault *);
    enum err (*holds)(struct store *, hold_visit *, void *owner, struct fault *);
    enum err (*usage)(struct store *, const struct usage_query *, usage_visit *, void *owner,
                      struct fault *);
    enum err (*buckets)(struct store *, const struct bucket_query *, bucket_visit *, void *owner,
                        struct fault *);
    enum err (*idempotency)(struct store *, idempotency_visit *, void *owner, struct fault *);
    /* One stored answer with its body; *found false when absent. */
    enum err (*idempotency_get)(struct store *, struct str customer_id,
                                const unsigned char key_hash[32], idempotency_visit *, void *owner,
                                bool *found, struct fault *);
    /* All documents by kind and id; of one kind, or (empty) of all. */
    enum err (*objects)(struct store *, struct str kind, object_row_visit *, void *owner,
                        struct fault *);
    enum err (*object_get)(struct store *, struct str kind, struct str id, object_row_visit *,
                           void *owner, bool *found, struct fault *);
    /* ERR_FIELD_INVALID: a filter's member is no name, or there are too many. */
    enum err (*object_list)(struct store *, const struct object_query *, object_row_visit *,
                            void *owner, struct fault *);
    enum err (*audit_list)(struct store *, const struct audit_query *, audit_visit *, void *owner,
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
