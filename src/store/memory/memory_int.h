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
    TABLE_IDEMPOTENCY, /* those up to here change rows in place: a transaction keeps a copy */
    TABLE_USAGE,
    TABLE_TXN,
    TABLE_ENTRY, /* those only grow: a transaction keeps their count */
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

/* --- memory_read.c --- */
extern const struct store_ops memory_read_ops; /* without the writing half */
