/* objects_int.h - how rows are read, and the tables of documents and of the audit trail. */
#pragma once
#include "store/sqlite/sqlite_int.h"

/* A copy of 32 bytes; shorter blobs (a damaged row) give zeros, which match nothing. */
static inline void column_hash(sqlite3_stmt *statement, int at, unsigned char hash[32])
{
    struct str const bytes = column_text(statement, at);
    memset(hash, 0, 32);
    if (bytes.len == 32)
        memcpy(hash, bytes.ptr, 32);
}
/* --- read.c: one statement on a reading connection --- */
struct reading {
    struct sqlite_store *self;
    sqlite3 *reader;
    sqlite3_stmt *statement;
};
NODISCARD enum err reading_begin(struct store *store, const char *sql, struct reading *reading,
                                 struct fault *fault);
/* `result`: of the last step; SQLITE_ROW when a visitor stopped. */
NODISCARD enum err reading_end(struct reading *reading, int result, struct fault *fault);
/* Every table is read the same way: one function turns the current row into a call of the visitor.
 */
typedef bool row_deliver(sqlite3_stmt *statement, void *visit, void *owner);
NODISCARD enum err table_read(struct store *store, const char *sql, row_deliver *deliver,
                              void *visit, void *owner, struct fault *fault);

/* --- objects.c: documents --- */
enum err object_write(struct store *, const struct object_row *, struct fault *);
enum err object_remove(struct store *, struct str kind, struct str id, struct fault *);
enum err object_read_all(struct store *, struct str kind, object_row_visit *, void *owner,
                         struct fault *);
enum err object_read_one(struct store *, struct str kind, struct str id, object_row_visit *,
                         void *owner, bool *found, struct fault *);
enum err object_read_list(struct store *, const struct object_query *, object_row_visit *,
                          void *owner, struct fault *);
/* --- alerts.c --- */
enum err alert_write(struct store *, const struct alert_row *, struct fault *);
enum err alert_acknowledge(struct store *, int64_t id, int64_t at_us, struct str by,
                           struct fault *);
enum err alert_read_list(struct store *, const struct alert_query *, alert_visit *, void *owner,
                         struct fault *);
/* --- endings.c --- */
enum err endings_read(struct store *, const struct ending_query *, ending_visit *, void *owner,
                      struct fault *);
/* --- basis.c --- */
enum err basis_row_write(struct store *, const struct basis_row *, struct fault *);
enum err basis_row_read(struct store *, uint64_t name, basis_visit *, void *owner, struct fault *);
/* --- trail.c: who changed them --- */
enum err trail_add(struct store *, const struct audit_row *, struct fault *);
enum err trail_read(struct store *, const struct audit_query *, audit_visit *, void *owner,
                    struct fault *);
enum err trail_verify(struct store *, uint64_t *last, unsigned char *hash, struct fault *);
