/* usage.c - usage rows: written cheaply, and read back. How they are found: usage_find.c. */
#include "base/must.h"
#include "store/sqlite/sqlite_int.h"

const char usage_insert_sql[] = "INSERT INTO usage ("
#define FIRST(id, column, field)  column
#define NUMBER(id, column, field) ", " column
#define TEXT(id, column, field)   ", " column
#define BLOB(id, column, field)   ", " column
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
                                ") VALUES ("
#define FIRST(id, column, field)  "?"
#define NUMBER(id, column, field) ", ?"
#define TEXT(id, column, field)   ", ?"
#define BLOB(id, column, field)   ", ?"
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
                                ")";

static const char select_columns[] = "SELECT "
#define FIRST(id, column, field)  "u." column
#define NUMBER(id, column, field) ", u." column
#define TEXT(id, column, field)   ", u." column
#define BLOB(id, column, field)   ", u." column
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
    ;

static void bind_number_changed(sqlite3_stmt *statement, struct usage_bound *bound, int column,
                                int64_t value)
{
    if (bound->known && bound->number[column] == value)
        return;
    bound->number[column] = value;
    sqlite3_bind_int64(statement, column + 1, value);
}

/* Most texts are the same from row to row: comparing is cheaper than binding. */
static void bind_text_changed(sqlite3_stmt *statement, struct usage_bound *bound, int column,
                              struct str text)
{
    if (bound->known && bound->len[column] == text.len &&
        (text.len == 0 || memcmp(bound->text[column], text.ptr, text.len) == 0))
        return;
    bound->len[column] = text.len;
    if (text.len > 0)
        memcpy(bound->text[column], text.ptr, text.len);
    bind_text(statement, column + 1, str_make(bound->text[column], text.len));
}

static bool texts_fit(const struct usage_row *row)
{
    bool fit = true;
#define FIRST(id, column, field)
#define NUMBER(id, column, field)
#define BLOB(id, column, field)
#define TEXT(id, column, field) fit = fit && row->field.len <= USAGE_TEXT_BYTES_MAX;
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
    return fit;
}

enum err usage_add(struct store *store, const struct usage_row *row, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_USAGE];
    struct usage_bound *bound = &self->bound;
    MUST(self->began);
    if (!texts_fit(row))
        return fault_set(fault, ERR_STORE_FAILED, "usage row %llu: a text is too long",
                         (unsigned long long)row->lsn);
#define FIRST(id, column, field)                                                                   \
    bind_number_changed(statement, bound, USAGE_COLUMN_##id, (int64_t)row->field);
#define NUMBER(id, column, field)                                                                  \
    bind_number_changed(statement, bound, USAGE_COLUMN_##id, (int64_t)row->field);
#define TEXT(id, column, field) bind_text_changed(statement, bound, USAGE_COLUMN_##id, row->field);
#define BLOB(id, column, field) bind_blob(statement, USAGE_COLUMN_##id + 1, row->field);
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
    bound->known = true;
    enum err const err = statement_run(self, STATEMENT_USAGE, fault);
    return err == ERR_OK ? chunk_add(self, row, fault) : err;
}

static void row_read(sqlite3_stmt *statement, struct usage_row *row)
{
#define FIRST(id, column, field)                                                                   \
    row->field = (__typeof__(row->field))sqlite3_column_int64(statement, USAGE_COLUMN_##id);
#define NUMBER(id, column, field)                                                                  \
    row->field = (__typeof__(row->field))sqlite3_column_int64(statement, USAGE_COLUMN_##id);
#define TEXT(id, column, field) row->field = column_text(statement, USAGE_COLUMN_##id);
#define BLOB(id, column, field) row->field = column_text(statement, USAGE_COLUMN_##id);
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
}

enum { QUERY_BYTES_MAX = 4096 };

/* Where the rows are looked for: ranges of one kind never overlap, so their order is the rows'. */
static const char *source_of(const struct usage_query *query)
{
    if (!str_empty(query->request_id))
        return " FROM usage_chunk s CROSS JOIN usage u ON u.lsn BETWEEN s.first_lsn AND s.last_lsn"
               " WHERE has_request(s.request_hashes, ?1) AND u.request_id = ?2";
    if (!str_empty(query->customer_id))
        return " FROM usage_span s CROSS JOIN usage u ON u.lsn BETWEEN s.first_lsn AND s.last_lsn"
               " WHERE s.customer_id = ?3";
    return " FROM usage u WHERE 1";
}

static const char *order_of(const struct usage_query *query, bool by_range)
{
    if (by_range)
        return query->oldest_first ? " ORDER BY s.first_lsn, u.lsn LIMIT ?10"
                                   : " ORDER BY s.first_lsn DESC, u.lsn DESC LIMIT ?10";
    return query->oldest_first ? " ORDER BY u.lsn LIMIT ?10" : " ORDER BY u.lsn DESC LIMIT ?10";
}

/* The pieces are constants; values of the caller are bound, never part of the text. */
static void query_sql(const struct usage_query *query, char sql[QUERY_BYTES_MAX])
{
    bool const by_range = !str_empty(query->request_id) || !str_empty(query->customer_id);
    struct piece const pieces[] = {
        {true, select_columns},
        {true, source_of(query)},
        {!str_empty(query->customer_id), " AND u.customer_id = ?3"},
        {!str_empty(query->key_id), " AND u.key_id = ?4"},
        {!str_empty(query->model), " AND u.model = ?5"},
        {!str_empty(query->provider), " AND u.provider = ?6"},
        {query->since_us > 0, " AND u.finished_us >= ?7"},
        {query->until_us > 0, " AND u.finished_us < ?8"},
        {query->before_lsn > 0, " AND u.lsn < ?9"},
        {query->before_lsn > 0 && by_range, " AND s.first_lsn < ?9"},
        {true, order_of(query, by_range)},
    };
    pieces_put(pieces, sizeof pieces / sizeof pieces[0], sql, QUERY_BYTES_MAX);
}

/* Numbers that the text does not mention cannot be bound: SQLite says so, and that is fine. */
static void query_bind(sqlite3_stmt *statement, const struct usage_query *query)
{
    sqlite3_bind_int64(statement, 1, (int64_t)request_hash(query->request_id));
    bind_text(statement, 2, query->request_id);
    bind_text(statement, 3, query->customer_id);
    bind_text(statement, 4, query->key_id);
    bind_text(statement, 5, query->model);
    bind_text(statement, 6, query->provider);
    sqlite3_bind_int64(statement, 7, query->since_us);
    sqlite3_bind_int64(statement, 8, query->until_us);
    sqlite3_bind_int64(statement, 9, (int64_t)query->before_lsn);
    sqlite3_bind_int64(statement, 10, query->limit > 0 ? (int64_t)query->limit : -1);
}

enum err usage_read(struct store *store, const struct usage_query *query, usage_visit *visit,
                    void *owner, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    char sql[QUERY_BYTES_MAX];
    query_sql(query, sql);
    sqlite3 *reader = reader_take(self, fault);
    if (reader == NULL)
        return fault->code;
    sqlite3_stmt *statement = NULL;
    enum err err = ERR_OK;
    if (sqlite3_prepare_v2(reader, sql, -1, &statement, NULL) != SQLITE_OK) {
        err = sqlite_fault(reader, "read usage", fault);
        goto out;
    }
    query_bind(statement, query);
    struct usage_row row = {0};
    int result = sqlite3_step(statement);
    for (; result == SQLITE_ROW; result = sqlite3_step(statement)) {
        row_read(statement, &row);
        if (!visit(owner, &row))
            break;
    }
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        err = sqlite_fault(reader, "read usage", fault);
out:
    sqlite3_finalize(statement);
    reader_return(self, reader);
    return err;
}
