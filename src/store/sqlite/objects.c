/* objects.c - documents: written by the projector, read one by one, whole, or page by page. */
#include "base/must.h"
#include "store/chain.h"
#include "store/sqlite/objects_int.h"

#define COLUMNS "kind, id, customer_id, version, origin, created_us, updated_us, text"
enum { MATCH_COLUMN = 8 }; /* of lists: do the filters say yes? */

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

/* Where a list that looked at enough goes on. */
static void deliver_place(sqlite3_stmt *at, object_row_visit *visit, void *owner)
{
    struct object_row const row = {.kind = column_text(at, 0),
                                   .id = column_text(at, 1),
                                   .updated_us = sqlite3_column_int64(at, 6)};
    (void)visit(owner, &row);
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

enum { BIND_KIND = 1, BIND_CUSTOMER, BIND_AFTER, BIND_AFTER_US, BIND_FILTERS = 6 };

/* Paths and values are bound, as everything else of the caller. */
#define FILTER(path, value)                                                                        \
    " WHEN (CASE json_type(text, ?" path ") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"     \
    " ELSE CAST(json_extract(text, ?" path ") AS TEXT) END = ?" value ") IS NOT TRUE THEN 0"

static const char *const filter_sql[OBJECT_FILTERS_MAX] = {
    FILTER("6", "7"),   FILTER("8", "9"),   FILTER("10", "11"), FILTER("12", "13"),
    FILTER("14", "15"), FILTER("16", "17"), FILTER("18", "19"), FILTER("20", "21"),
};
_Static_assert(BIND_FILTERS == 6 && OBJECT_FILTERS_MAX == 8, "as numbered above");

static const char *order_of(const struct object_query *query)
{
    if (query->by_updated)
        return query->descending ? " ORDER BY updated_us DESC, id DESC"
                                 : " ORDER BY updated_us, id";
    return query->descending ? " ORDER BY id DESC" : " ORDER BY id";
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

/* Named, for SQLite does not know how many documents a kind or a customer has. */
static const char *from_of(const struct object_query *query)
{
    if (!str_empty(query->customer_id))
        return " FROM object INDEXED BY object_by_customer WHERE kind = ?1 AND customer_id = ?2";
    return query->by_updated ? " FROM object INDEXED BY object_by_update WHERE kind = ?1"
                             : " FROM object WHERE kind = ?1";
}

enum { LIST_PIECES_MAX = 8 + 3 * OBJECT_FILTERS_MAX, LIST_SQL_BYTES_MAX = 4096 };

static const struct indexed { /* json_extract gives the strings that these are as they stand */
    struct str kind, member;
    const char *from;
} indexes[] = {
#define X(kind, member)                                                                            \
    {STR_ROW(kind), STR_ROW(member),                                                               \
     " FROM object INDEXED BY " kind "_by_" member " WHERE kind = '" kind                          \
     "' AND json_extract(text, '$." member "') = ?"},
#include "store/sqlite/list_members.def"
#undef X
};
static const char *const value_number[OBJECT_FILTERS_MAX] = {"7",  "9",  "11", "13",
                                                             "15", "17", "19", "21"};

/* The index by which the list is found in its order; *at: the filter that it is. NULL: none. */
static const char *from_index(const struct object_query *query, size_t *at)
{
    bool const usable = !query->by_updated && str_empty(query->customer_id);
    for (*at = 0; *at < query->filter_count && usable; ++*at)
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
            if (str_eq(indexes[i].kind, query->kind) &&
                str_eq(indexes[i].member, query->filters[*at].member))
                return indexes[i].from;
    *at = OBJECT_FILTERS_MAX;
    return NULL;
}

/* The pieces are constants; values of the caller are bound, never part of the text. */
static void list_sql(const struct object_query *query, char sql[LIST_SQL_BYTES_MAX])
{
    const char *pieces[LIST_PIECES_MAX];
    size_t count = 0, len = 0;
    size_t indexed;
    const char *from = from_index(query, &indexed);
    pieces[count++] = "SELECT " COLUMNS ", CASE WHEN 0 THEN 0";
    for (size_t i = 0; i < query->filter_count; i++)
        pieces[count++] = i == indexed ? "" : filter_sql[i];
    pieces[count++] = " ELSE 1 END";
    pieces[count++] = from != NULL ? from : from_of(query);
    pieces[count++] = from != NULL ? value_number[indexed] : "";
    pieces[count++] = cursor_of(query);
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
    for (size_t i = 0; i < query->filter_count; i++) {
        char path[OBJECT_MEMBER_BYTES_MAX + 2] = {'$', '.'};
        int const at = BIND_FILTERS + 2 * (int)i;
        struct str const member = query->filters[i].member;
        memcpy(path + 2, member.ptr, member.len);
        sqlite3_bind_text(statement, at, path, (int)member.len + 2, SQLITE_TRANSIENT);
        bind_name(statement, at + 1, query->filters[i].value);
    }
}

/* Filters are looked at here, row by row, so that a page ends after so many whatever they say. */
static enum err read_matches(struct reading *reading, const struct object_query *query,
                             object_row_visit *visit, void *owner, struct fault *fault)
{
    size_t given = 0, looked = 0;
    int result = SQLITE_ROW;
    while ((query->limit == 0 || given < query->limit) &&
           (result = sqlite3_step(reading->statement)) == SQLITE_ROW) {
        bool const match = sqlite3_column_int(reading->statement, MATCH_COLUMN) != 0;
        bool const over = query->look_max > 0 && ++looked >= query->look_max;
        given += match;
        if (match && !deliver(reading->statement, visit, owner))
            break;
        if (over) {
            deliver_place(reading->statement, visit, owner);
            break;
        }
    }
    return reading_end(reading, result, fault);
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
    return read_matches(&reading, query, visit, owner, fault);
}
