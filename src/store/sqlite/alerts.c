/* alerts.c - what customers were told, or may be: written once, acknowledged once, listed. */
#include "base/must.h"
#include "store/sqlite/objects_int.h"

const char schema_alerts_sql[] =
    "CREATE TABLE alert (id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL,"
    " severity TEXT NOT NULL, customer_id TEXT NOT NULL, scope TEXT, key_id TEXT, user_id TEXT,"
    " feature TEXT, subject TEXT, metric TEXT, \"window\" TEXT, start_us INTEGER NOT NULL,"
    " end_us INTEGER NOT NULL, percents TEXT, used INTEGER NOT NULL, limit_value INTEGER NOT NULL,"
    " request_id TEXT, acknowledged_us INTEGER NOT NULL, acknowledged_by TEXT);"
    "CREATE INDEX alert_by_customer ON alert (customer_id, id);"
    "CREATE VIEW alerts AS SELECT id, datetime(at_us / 1000000, 'unixepoch') AS at, kind, severity,"
    " customer_id, scope, subject, metric, \"window\", percents, used, limit_value,"
    " acknowledged_us > 0 AS acknowledged, acknowledged_by FROM alert;";

#define COLUMNS                                                                                    \
    "id, at_us, kind, severity, customer_id, scope, key_id, user_id, feature, subject, metric,"    \
    " \"window\", start_us, end_us, percents, used, limit_value, request_id, acknowledged_us,"     \
    " acknowledged_by, notice"

enum err alert_write(struct store *store, const struct alert_row *row, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_ALERT];
    MUST(self->began);
    sqlite3_bind_int64(statement, 1, row->id);
    sqlite3_bind_int64(statement, 2, row->at_us);
    bind_name(statement, 3, row->kind);
    bind_name(statement, 4, row->severity);
    bind_name(statement, 5, row->customer_id);
    bind_text(statement, 6, row->scope);
    bind_text(statement, 7, row->key_id);
    bind_text(statement, 8, row->user);
    bind_text(statement, 9, row->feature);
    bind_text(statement, 10, row->subject);
    bind_text(statement, 11, row->metric);
    bind_text(statement, 12, row->window);
    sqlite3_bind_int64(statement, 13, row->start_us);
    sqlite3_bind_int64(statement, 14, row->end_us);
    bind_text(statement, 15, row->percents);
    sqlite3_bind_int64(statement, 16, row->used);
    sqlite3_bind_int64(statement, 17, row->limit);
    bind_text(statement, 18, row->request_id);
    sqlite3_bind_int64(statement, 19, row->acknowledged_us);
    bind_text(statement, 20, row->acknowledged_by);
    bind_text(statement, 21, row->notice);
    return statement_run(self, STATEMENT_ALERT, fault);
}

enum err alert_acknowledge(struct store *store, int64_t id, int64_t at_us, struct str by,
                           struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_ALERT_SEEN];
    MUST(self->began);
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, at_us);
    bind_text(statement, 3, by);
    return statement_run(self, STATEMENT_ALERT_SEEN, fault);
}

static bool deliver(sqlite3_stmt *at, alert_visit *visit, void *owner)
{
    struct alert_row const row = {
        .id = sqlite3_column_int64(at, 0),
        .at_us = sqlite3_column_int64(at, 1),
        .kind = column_text(at, 2),
        .severity = column_text(at, 3),
        .customer_id = column_text(at, 4),
        .scope = column_text(at, 5),
        .key_id = column_text(at, 6),
        .user = column_text(at, 7),
        .feature = column_text(at, 8),
        .subject = column_text(at, 9),
        .metric = column_text(at, 10),
        .window = column_text(at, 11),
        .start_us = sqlite3_column_int64(at, 12),
        .end_us = sqlite3_column_int64(at, 13),
        .percents = column_text(at, 14),
        .used = sqlite3_column_int64(at, 15),
        .limit = sqlite3_column_int64(at, 16),
        .request_id = column_text(at, 17),
        .acknowledged_us = sqlite3_column_int64(at, 18),
        .acknowledged_by = column_text(at, 19),
        .notice = column_text(at, 20),
    };
    return visit(owner, &row);
}

enum { ALERT_SQL_BYTES_MAX = 1024 };

static void list_sql(const struct alert_query *query, char sql[ALERT_SQL_BYTES_MAX])
{
    struct piece const pieces[] = {
        {true, "SELECT " COLUMNS " FROM alert WHERE 1"},
        {query->id > 0, " AND id = ?1"},
        {!str_empty(query->customer_id), " AND customer_id = ?2"},
        {!str_empty(query->kind), " AND kind = ?3"},
        {query->since_us > 0, " AND at_us >= ?4"},
        {query->before > 0, " AND id < ?5"},
        {!str_empty(query->notice), " AND notice = ?7"},
        {query->acknowledged > 0, " AND acknowledged_us > 0"},
        {query->acknowledged < 0, " AND acknowledged_us = 0"},
        {true, " ORDER BY id DESC LIMIT ?6"},
    };
    pieces_put(pieces, sizeof pieces / sizeof pieces[0], sql, ALERT_SQL_BYTES_MAX);
}

enum err alert_read_list(struct store *store, const struct alert_query *query, alert_visit *visit,
                         void *owner, struct fault *fault)
{
    char sql[ALERT_SQL_BYTES_MAX];
    struct reading reading;
    list_sql(query, sql);
    enum err const err = reading_begin(store, sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    /* Numbers that the text does not mention cannot be bound: SQLite says so, and that is fine. */
    sqlite3_bind_int64(reading.statement, 1, query->id);
    bind_text(reading.statement, 2, query->customer_id);
    bind_text(reading.statement, 3, query->kind);
    sqlite3_bind_int64(reading.statement, 4, query->since_us);
    sqlite3_bind_int64(reading.statement, 5, query->before);
    sqlite3_bind_int64(reading.statement, 6, query->limit > 0 ? (int64_t)query->limit : -1);
    bind_text(reading.statement, 7, query->notice);
    int result = sqlite3_step(reading.statement);
    while (result == SQLITE_ROW && deliver(reading.statement, visit, owner))
        result = sqlite3_step(reading.statement);
    return reading_end(&reading, result, fault);
}
