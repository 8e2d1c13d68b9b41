/* usage.c - usage rows: written cheaply, found again by customer or by request.
 *
 * Indexes, measured at batches of 2000 rows (figures: docs of the change that made them):
 *   - (customer_id): the row's lsn comes with it, so one index gives a customer's calls in order.
 *   - request_key = (lsn >> 16) << 40 | 40 bits of the request id's hash. A plain index on a hash
 *     dirties one random page per row once the table is large; here all rows of a stretch of 65 536
 *     lsns lie side by side, and a search tries each stretch: 1 000 tries for 65 M records.
 */
#include "base/must.h"
#include "store/sqlite/sqlite_int.h"
#include <stdio.h>

const char usage_insert_sql[] = "INSERT INTO usage (request_key"
#define NUMBER(id, column, field) ", " column
#define TEXT(id, column, field)   ", " column
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
                                ") VALUES (?1"
#define NUMBER(id, column, field) ", ?"
#define TEXT(id, column, field)   ", ?"
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
                                ")";

static const char select_columns[] = "SELECT u.lsn"
#define NUMBER(id, column, field) ", u." column
#define TEXT(id, column, field)   ", u." column
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
    ;

enum { FIRST_COLUMN = 2 /* of the insert; 1 is request_key */ };

/* FNV-1a: the same in every process, for it is stored. Collisions are only looked at twice. */
static uint64_t request_hash(struct str request_id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < request_id.len; i++)
        hash = (hash ^ (unsigned char)request_id.ptr[i]) * 0x100000001b3u;
    return (hash ^ hash >> REQUEST_HASH_BITS) & (((uint64_t)1 << REQUEST_HASH_BITS) - 1);
}

static void bind_number_changed(sqlite3_stmt *statement, struct usage_bound *bound, int column,
                                int64_t value)
{
    if (bound->known && bound->number[column] == value)
        return;
    bound->number[column] = value;
    sqlite3_bind_int64(statement, FIRST_COLUMN + column, value);
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
    bind_text(statement, FIRST_COLUMN + column, str_make(bound->text[column], text.len));
}

static bool texts_fit(const struct usage_row *row)
{
    bool fit = true;
#define NUMBER(id, column, field)
#define TEXT(id, column, field) fit = fit && row->field.len <= USAGE_TEXT_BYTES_MAX;
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
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
    uint64_t const window = row->lsn >> REQUEST_WINDOW_BITS << REQUEST_HASH_BITS;
    sqlite3_bind_int64(statement, 1, (int64_t)(window | request_hash(row->request_id)));
#define NUMBER(id, column, field)                                                                  \
    bind_number_changed(statement, bound, USAGE_COLUMN_##id, (int64_t)row->field);
#define TEXT(id, column, field) bind_text_changed(statement, bound, USAGE_COLUMN_##id, row->field);
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
    bound->known = true;
    return statement_run(self, STATEMENT_USAGE, fault);
}

static void row_read(sqlite3_stmt *statement, struct usage_row *row)
{
#define NUMBER(id, column, field)                                                                  \
    row->field = (__typeof__(row->field))sqlite3_column_int64(statement, USAGE_COLUMN_##id + 1);
#define TEXT(id, column, field) row->field = column_text(statement, USAGE_COLUMN_##id + 1);
#include "store/sqlite/usage_columns.def"
#undef NUMBER
#undef TEXT
}

enum { QUERY_BYTES_MAX = 4096 };

/* The parts are constants; values of the caller are bound, never part of the text. */
static void query_sql(const struct usage_query *query, char sql[QUERY_BYTES_MAX])
{
    static const char by_request[] =
        " FROM (WITH RECURSIVE w (n) AS (SELECT max(lsn) >> 16 FROM usage UNION ALL"
        " SELECT n - 1 FROM w WHERE n > 0) SELECT n FROM w) AS w"
        " CROSS JOIN usage u INDEXED BY usage_by_request"
        " WHERE u.request_key = ((w.n << 40) | ?1) AND u.request_id = ?2";
    static const char by_customer[] =
        " FROM usage u INDEXED BY usage_by_customer WHERE u.customer_id = ?3";
    bool const request = !str_empty(query->request_id), customer = !str_empty(query->customer_id);
    int const length = snprintf(
        sql, QUERY_BYTES_MAX, "%s%s%s%s%s%s%s%s%s ORDER BY u.lsn %s LIMIT ?10", select_columns,
        request    ? by_request
        : customer ? by_customer
                   : " FROM usage u WHERE 1",
        request && customer ? " AND u.customer_id = ?3" : "",
        str_empty(query->key_id) ? "" : " AND u.key_id = ?4",
        str_empty(query->model) ? "" : " AND u.model = ?5",
        str_empty(query->provider) ? "" : " AND u.provider = ?6",
        query->since_us > 0 ? " AND u.finished_us >= ?7" : "",
        query->until_us > 0 ? " AND u.finished_us < ?8" : "",
        query->before_lsn > 0 ? " AND u.lsn < ?9" : "", query->oldest_first ? "ASC" : "DESC");
    MUST(length > 0 && length < QUERY_BYTES_MAX);
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
