/* memory_int.h - the inside of the memory backend: arrays of rows, for tests.
 *
 * What:  the same behaviour as the database: transactions, one writer, readers that never see what
 *        is not committed (they wait for the end of a transaction instead).
 * Not:   fast; tables are searched from the start.
 */
#pragma once
#include "store/store.h"
#include <pthread.h>

enum { TEXT_BYTES_MAX = 1 << 30 };

struct table {
    void *rows;
    size_t count, capacity, row_bytes;
};

struct ledger_entry_kept {
    int64_t txn;
    struct ledger_entry_row row;
};

enum table_name {
    TABLE_CUSTOMER,
    TABLE_KEY,
    TABLE_GRANT,
    TABLE_COUNTER,
    TABLE_HOLD,
    TABLE_BUCKET,
    TABLE_IDEMPOTENCY,
    TABLE_ALERT,
    TABLE_OBJECT, /* those up to here change rows in place: a transaction keeps a copy */
    TABLE_USAGE,
    TABLE_TXN,
    TABLE_ENTRY,
    TABLE_AUDIT,
    TABLE_BASIS, /* those only grow: a transaction keeps their count */
    TABLE_COUNT,
    TABLES_COPIED = TABLE_USAGE,
};

struct memory_store {
    struct store store;
    struct store_ops ops;
    pthread_mutex_t mutex; /* held from begin to commit, and by each reading call */
    bool began;
    struct arena *texts; /* never freed before the end: copies of rows may share them */
    struct table tables[TABLE_COUNT], before[TABLES_COPIED];
    size_t count_before[TABLE_COUNT];
    struct store_position position;
};

/* --- memory.c --- */
/* Copies a text of the row into our own memory. */
void memory_own(struct memory_store *self, struct str *text, bool *ok);
/* Puts a copy of `row` where `found` says, or at the end. */
NODISCARD enum err memory_row_put(struct memory_store *self, enum table_name name, void *found,
                                  const void *row, bool owned, struct fault *fault);
void memory_row_remove(struct memory_store *self, enum table_name name, size_t at);

/* --- memory_alerts.c --- */
void memory_alerts_fill(struct store_ops *ops);

/* --- memory_endings.c --- */
void memory_endings_fill(struct store_ops *ops);

/* --- memory_basis.c --- */
void memory_basis_fill(struct store_ops *ops);

/* --- memory_objects.c: documents and the audit trail --- */
void memory_objects_fill(struct store_ops *ops);

/* --- memory_read.c --- */
typedef int row_order(const void *, const void *);
int memory_text_order(struct str a, struct str b);
/* A sorted copy of a table, for free(); ERR_NO_MEMORY. */
NODISCARD enum err memory_sorted(struct store *store, enum table_name name, row_order *order,
                                 struct table *copy, struct fault *fault);
extern const struct store_ops memory_read_ops; /* without the writing half */
