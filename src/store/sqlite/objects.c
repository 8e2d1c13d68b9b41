/* objects.c - documents: written by the projector, read one by one, whole, or page by page. */
#include "base/must.h"
#include "store/chain.h"
#include "store/sqlite/objects_int.h"

#define COLUMNS "kind, id, customer_id, version, origin, created_us, updated_us, text"

enum err object_write(struct store *store, const struct object_row *row, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_OBJECT];
    MUST(self->began);
    bind_name(statement, 1, row->kind);
    bind_name(statement, 2, row->id);
    bind_name(statement, 3, row->customer_id);
    sqlite3_bind_int64(statement, 4, row->version);
    sqlite3_bind_int(statement, 5, (int)row->origin);
    sqlite3_bind_int64(statement, 6, row->created_us);
    sqlite3_bind_int64(statement, 7, row->updated_us);
    bind_name(statement, 8, row->text);
    return statement_run(self, STATEMENT_OBJECT, fault);
}

enum err object_remove(struct store *store, struct str kind, struct str id, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    MUST(self->began);
    bind_name(self->statements[STATEMENT_OBJECT_DELETE], 1, kind);
    bind_name(self->statements[STATEMENT_OBJECT_DELETE], 2, id);
    return statement_run(self, STATEMENT_OBJECT_DELETE, fault);
}

static bool deliver(sqlite3_stmt *at, object_row_visit *visit, void *owner)
{
    struct object_row const row = {
        .kind = column_text(at, 0),
        .id = column_text(at, 1),
        .customer_id = column_text(at, 2),
        .version = (uint32_t)sqlite3_column_int64(at, 3),
        .origin = (enum row_origin)sqlite3_column_int(at, 4),
        .created_us = sqlite3_column_int64(at, 5),
        .updated_us = sqlite3_column_int64(at, 6),
        .text = column_text(at, 7),
    };
    return visit(owner, &row);
}

static enum err read_rest(struct reading *reading, object_row_visit *visit, void *owner,
                          struct fault *fault)
{
    int result = sqlite3_step(reading->statement);
    while (result == SQLITE_ROW && deliver(reading->statement, visit, owner))
        result = sqlite3_step(reading->statement);
    return reading_end(reading, result, fault);
}

enum err object_read_all(struct store *store, struct str kind, object_row_visit *visit, void *owner,
                         struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(
        store,
        str_empty(kind) ? "SELECT " COLUMNS " FROM object ORDER BY kind, id"
                        : "SELECT " COLUMNS " FROM object WHERE kind = ?1 ORDER BY kind, id",
        &reading, fault);
    if (err != ERR_OK)
        return err;
    bind_name(reading.statement, 1, kind); /* without ?1: SQLite says so, and that is fine */
    return read_rest(&reading, visit, owner, fault);
}

enum err object_read_one(struct store *store, struct str kind, struct str id,
                         object_row_visit *visit, void *owner, bool *found, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(
        store, "SELECT " COLUMNS " FROM object WHERE kind = ?1 AND id = ?2", &reading, fault);
    *found = false;
    if (err != ERR_OK)
        return err;
    bind_name(reading.statement, 1, kind);
    bind_name(reading.statement, 2, id);
    int const result = sqlite3_step(reading.statement);
    *found = result == SQLITE_ROW;
    if (*found)
        (void)deliver(reading.statement, visit, owner);
    return reading_end(&reading, result, fault);
}

/* --- lists --- */

enum { BIND_KIND = 1, BIND_CUSTOMER, BIND_AFTER, BIND_AFTER_US, BIND_LIMIT, BIND_FILTERS };

/* Paths and values are bound, as everything else of the caller. */
#define FILTER(path, value)                                                                        \
    " AND CASE json_type(text, ?" path ") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"       \
    " ELSE CAST(json_extract(text, ?" path ") AS TEXT) END = ?" value

static const char *const filter_sql[OBJECT_FILTERS_MAX] = {
    FILTER("6", "7"),   FILTER("8", "9"),   FILTER("10", "11"), FILTER("12", "13"),
    FILTER("14", "15"), FILTER("16", "17"), FILTER("18", "19"), FILTER("20", "21"),
};
_Static_assert(BIND_FILTERS == 6 && OBJECT_FILTERS_MAX == 8, "as numbered above");

static const char *order_of(const struct object_query *query)
{
    if (query->by_updated)
        return query->descending ? " ORDER BY updated_us DESC, id DESC LIMIT ?5"
                                 : " ORDER BY updated_us, id LIMIT ?5";
    return query->descending ? " ORDER BY id DESC LIMIT ?5" : " ORDER BY id LIMIT ?5";
}

static const char *cursor_of(const struct object_query *query)
{
    if (str_empty(query->after))
        return "";
    if (query->by_updated)
        return query->descending ? " AND (updated_us, id) < (?4, ?3)"
                                 : " AND (updated_us, id) > (?4, ?3)";
    return query->descending ? " AND id < ?3" : " AND id > ?3";
}

enum { LIST_PIECES_MAX = 4 + OBJECT_FILTERS_MAX, LIST_SQL_BYTES_MAX = 4096 };

/* The pieces are constants; values of the caller are bound, never part of the text. */
static void list_sql(const struct object_query *query, char sql[LIST_SQL_BYTES_MAX])
{
    const char *pieces[LIST_PIECES_MAX];
    size_t count = 0, len = 0;
    pieces[count++] = "SELECT " COLUMNS " FROM object WHERE kind = ?1";
    pieces[count++] = str_empty(query->customer_id) ? "" : " AND customer_id = ?2";
    pieces[count++] = cursor_of(query);
    for (size_t i = 0; i < query->filter_count; i++)
        pieces[count++] = filter_sql[i];
    pieces[count++] = order_of(query);
    for (size_t i = 0; i < count; i++) {
        size_t const more = strlen(pieces[i]);
        MUST(len + more < LIST_SQL_BYTES_MAX);
        memcpy(sql + len, pieces[i], more);
        len += more;
    }
    sql[len] = 0;
}

/* Numbers that the text does not mention cannot be bound: SQLite says so, and that is fine. */
static void list_bind(sqlite3_stmt *statement, const struct object_query *query)
{
    bind_name(statement, BIND_KIND, query->kind);
    bind_name(statement, BIND_CUSTOMER, query->customer_id);
    bind_name(statement, BIND_AFTER, query->after);
    sqlite3_bind_int64(statement, BIND_AFTER_US, query->after_us);
    sqlite3_bind_int64(statement, BIND_LIMIT, query->limit > 0 ? (int64_t)query->limit : -1);
    for (size_t i = 0; i < query->filter_count; i++) {
        char path[OBJECT_MEMBER_BYTES_MAX + 2] = {'$', '.'};
        int const at = BIND_FILTERS + 2 * (int)i;
        struct str const member = query->filters[i].member;
        memcpy(path + 2, member.ptr, member.len);
        sqlite3_bind_text(statement, at, path, (int)member.len + 2, SQLITE_TRANSIENT);
        bind_name(statement, at + 1, query->filters[i].value);
    }
}

enum err object_read_list(struct store *store, const struct object_query *query,
                          object_row_visit *visit, void *owner, struct fault *fault)
{
    char sql[LIST_SQL_BYTES_MAX];
    struct reading reading;
    enum err err = object_query_check(query, fault);
    if (err != ERR_OK)
        return err;
    list_sql(query, sql);
    err = reading_begin(store, sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    list_bind(reading.statement, query);
    return read_rest(&reading, visit, owner, fault);
}
