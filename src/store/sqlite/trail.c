/* trail.c - the audit trail: added to, searched, and checked link by link. */
#include "base/must.h"
#include "store/chain.h"
#include "store/sqlite/objects_int.h"

#define COLUMNS                                                                                    \
    "seq, at_us, actor, address, user_agent, reason, request_id, kind, object_id, customer_id,"    \
    " action, \"before\", \"after\", hash"

enum err trail_add(struct store *store, const struct audit_row *row, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_AUDIT];
    MUST(self->began);
    sqlite3_bind_int64(statement, 1, (int64_t)row->sequence);
    sqlite3_bind_int64(statement, 2, row->at_us);
    bind_text(statement, 3, row->actor);
    bind_text(statement, 4, row->address);
    bind_text(statement, 5, row->user_agent);
    bind_text(statement, 6, row->reason);
    bind_text(statement, 7, row->request_id);
    bind_name(statement, 8, row->kind);
    bind_name(statement, 9, row->object_id);
    bind_name(statement, 10, row->customer_id);
    bind_name(statement, 11, row->action);
    bind_text(statement, 12, row->before);
    bind_text(statement, 13, row->after);
    sqlite3_bind_blob(statement, 14, row->hash, sizeof row->hash, SQLITE_STATIC);
    return statement_run(self, STATEMENT_AUDIT, fault);
}

static bool deliver(sqlite3_stmt *at, void *visit, void *owner)
{
    struct audit_row row = {
        .sequence = (uint64_t)sqlite3_column_int64(at, 0),
        .at_us = sqlite3_column_int64(at, 1),
        .actor = column_text(at, 2),
        .address = column_text(at, 3),
        .user_agent = column_text(at, 4),
        .reason = column_text(at, 5),
        .request_id = column_text(at, 6),
        .kind = column_text(at, 7),
        .object_id = column_text(at, 8),
        .customer_id = column_text(at, 9),
        .action = column_text(at, 10),
        .before = column_text(at, 11),
        .after = column_text(at, 12),
    };
    column_hash(at, 13, row.hash);
    return (*(audit_visit **)visit)(owner, &row);
}

enum { TRAIL_SQL_BYTES_MAX = 1024 };

/* The pieces are constants; values of the caller are bound, never part of the text. */
static void trail_sql(const struct audit_query *query, char sql[TRAIL_SQL_BYTES_MAX])
{
    struct piece const pieces[] = {
        {true, "SELECT " COLUMNS " FROM audit WHERE 1"},
        {!str_empty(query->actor), " AND actor = ?1"},
        {!str_empty(query->kind), " AND kind = ?2"},
        {!str_empty(query->object_id), " AND object_id = ?3"},
        {!str_empty(query->customer_id), " AND customer_id = ?4"},
        {query->since_us > 0, " AND at_us >= ?5"},
        {query->until_us > 0, " AND at_us < ?6"},
        {query->before > 0, " AND seq < ?7"},
        {true, " ORDER BY seq DESC LIMIT ?8"},
    };
    pieces_put(pieces, sizeof pieces / sizeof pieces[0], sql, TRAIL_SQL_BYTES_MAX);
}

enum err trail_read(struct store *store, const struct audit_query *query, audit_visit *visit,
                    void *owner, struct fault *fault)
{
    char sql[TRAIL_SQL_BYTES_MAX];
    struct reading reading;
    trail_sql(query, sql);
    enum err const err = reading_begin(store, sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    /* Numbers that the text does not mention cannot be bound: SQLite says so, and that is fine. */
    bind_text(reading.statement, 1, query->actor);
    bind_text(reading.statement, 2, query->kind);
    bind_text(reading.statement, 3, query->object_id);
    bind_text(reading.statement, 4, query->customer_id);
    sqlite3_bind_int64(reading.statement, 5, query->since_us);
    sqlite3_bind_int64(reading.statement, 6, query->until_us);
    sqlite3_bind_int64(reading.statement, 7, (int64_t)query->before);
    sqlite3_bind_int64(reading.statement, 8, query->limit > 0 ? (int64_t)query->limit : -1);
    int result = sqlite3_step(reading.statement);
    while (result == SQLITE_ROW && deliver(reading.statement, &visit, owner))
        result = sqlite3_step(reading.statement);
    return reading_end(&reading, result, fault);
}

enum err trail_verify(struct store *store, uint64_t *last, unsigned char *hash, struct fault *fault)
{
    struct audit_walk walk = {.fault = fault};
    audit_visit *visit = audit_walk_next;
    enum err const err = table_read(store, "SELECT " COLUMNS " FROM audit ORDER BY seq", deliver,
                                    &visit, &walk, fault);
    if (last != NULL)
        *last = walk.last;
    if (hash != NULL)
        memcpy(hash, walk.hash, AUDIT_HASH_BYTES);
    return err != ERR_OK ? err : walk.err;
}
