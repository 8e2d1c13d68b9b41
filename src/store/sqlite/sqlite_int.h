/* sqlite_int.h - the inside of the SQLite backend.
 *
 * What:  one writing connection, used by one thread, which does all checkpoints as well; read-only
 *        connections for everyone else. (SQLite 3.40 can damage a database when another connection
 *        resets the log while the writer checkpoints: here there is no other.)
 */
#pragma once
#include "store/sqlite/schema_int.h"
#include "store/sqlite/usage_int.h"
#include <pthread.h>
#include <sqlite3.h>

enum {
    READERS_MAX = 4,
    BUSY_TIMEOUT_MS = 5000,
    WAL_PAGES_CHECKPOINT = 4096, /* 16 MiB: hot pages are then written back once, not each time */
    WAL_BYTES_KEPT = 64 << 20,
};

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_POSITION,
    STATEMENT_CUSTOMER,
    STATEMENT_KEY,
    STATEMENT_GRANT,
    STATEMENT_GRANT_LEFT,
    STATEMENT_COUNTER,
    STATEMENT_HOLD,
    STATEMENT_HOLD_DELETE,
    STATEMENT_USAGE,
    STATEMENT_USAGE_SPAN,
    STATEMENT_USAGE_CHUNK,
    STATEMENT_BUCKET,
    STATEMENT_LEDGER_TXN,
    STATEMENT_LEDGER_ENTRY,
    STATEMENT_IDEMPOTENCY,
    STATEMENT_OBJECT,
    STATEMENT_OBJECT_DELETE,
    STATEMENT_AUDIT,
    STATEMENT_ALERT,
    STATEMENT_ALERT_SEEN,
    STATEMENT_BASIS,
    STATEMENT_FORGET_COUNTERS,
    STATEMENT_FORGET_IDEMPOTENCY,
    STATEMENT_COUNT,
};

struct sqlite_store {
    struct store store;
    int lock; /* flock: no second writing process */
    sqlite3 *writer;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct usage_bound bound;
    struct usage_chunk chunk;
    int wal_pages;
    bool began;

    char *file;
    pthread_mutex_t mutex; /* guards the readers */
    pthread_cond_t returned;
    sqlite3 *readers[READERS_MAX];
    size_t reader_count, readers_out; /* made; in use right now */
};

/* --- open.c --- */
enum err sqlite_fault(sqlite3 *connection, const char *what, struct fault *fault);
/* A reading connection; NULL with a fault. Waits when all are in use. */
sqlite3 *reader_take(struct sqlite_store *self, struct fault *fault);
void reader_return(struct sqlite_store *self, sqlite3 *reader);
void store_sqlite_close(struct store *store);

/* --- write.c --- */
NODISCARD enum err statements_prepare(struct sqlite_store *self, struct fault *fault);
static inline void bind_text(sqlite3_stmt *statement, int at, struct str text)
{
    if (text.len > 0)
        sqlite3_bind_text(statement, at, text.ptr, (int)text.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}
/* Never NULL: for columns that are part of a key. */
static inline void bind_name(sqlite3_stmt *statement, int at, struct str text)
{
    sqlite3_bind_text(statement, at, text.len > 0 ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}
/* Valid until the statement has run. */
static inline void bind_blob(sqlite3_stmt *statement, int at, struct str bytes)
{
    if (bytes.len > 0)
        sqlite3_bind_blob(statement, at, bytes.ptr, (int)bytes.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}

static inline struct str column_text(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);
    return str_make(bytes, bytes != NULL ? (size_t)sqlite3_column_bytes(statement, at) : 0);
}
/* Runs a bound statement that gives no rows, and resets it. */
NODISCARD enum err statement_run(struct sqlite_store *self, enum statement which,
                                 struct fault *fault);

enum err write_begin(struct store *, struct fault *);
enum err write_commit(struct store *, struct store_position, struct fault *);
void write_rollback(struct store *);
enum err write_customer(struct store *, const struct customer_row *, struct fault *);
enum err write_key(struct store *, const struct key_row *, struct fault *);
enum err write_grant(struct store *, const struct grant_row *, struct fault *);
enum err write_grant_left(struct store *, struct str id, struct money remaining, int status,
                          struct fault *);
enum err write_counter(struct store *, const struct counter_row *, struct fault *);
enum err write_hold(struct store *, const struct hold_row *, struct fault *);
enum err write_hold_delete(struct store *, struct str id, struct fault *);
enum err write_bucket(struct store *, const struct bucket_row *, struct fault *);
enum err write_ledger(struct store *, const struct ledger_txn_row *, struct fault *);
enum err write_idempotency(struct store *, const struct idempotency_row *, struct fault *);
enum err write_forget(struct store *, int64_t now_us, struct fault *);

/* --- read.c --- */
/* A statement put together: the pieces are constants, values of the caller are bound, never part of
 * the text. `sql` MUST have room for all. */
struct piece {
    bool wanted;
    const char *text;
};
void pieces_put(const struct piece *pieces, size_t count, char *sql, size_t room);
enum err read_position(struct store *, struct store_position *, struct fault *);
enum err read_customers(struct store *, customer_visit *, void *owner, struct fault *);
enum err read_keys(struct store *, key_visit *, void *owner, struct fault *);
enum err read_customer_page(struct store *, const struct account_query *, customer_visit *,
                            void *owner, struct fault *);
enum err read_key_page(struct store *, const struct account_query *, key_visit *, void *owner,
                       struct fault *);
enum err read_grants(struct store *, grant_visit *, void *owner, struct fault *);
enum err read_counters(struct store *, counter_visit *, void *owner, struct fault *);
enum err read_holds(struct store *, hold_visit *, void *owner, struct fault *);
enum err read_buckets(struct store *, const struct bucket_query *, bucket_visit *, void *owner,
                      struct fault *);
enum err read_idempotency(struct store *, idempotency_visit *, void *owner, struct fault *);
enum err read_idempotency_one(struct store *, struct str customer_id,
                              const unsigned char key_hash[32], idempotency_visit *, void *owner,
                              bool *found, struct fault *);
enum err read_ledger_sum(struct store *, struct str customer_id, struct str account, struct money *,
                         struct fault *);
/* --- audit.c --- */
enum err audit_run(struct store *, struct fault *);
