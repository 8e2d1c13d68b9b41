/* export_sql_row.h - documents as rows of export_sql.sql's tables: which members go where.
 *
 * What:  one document in, one "(…)" of values out; texts are quoted, so that none can end its
 *        quotes.
 * Not:   the tables and the function (export_sql.sql), fetching (export_sql.c).
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "book/object.h"

struct sql_column;
struct sql_table {
    enum object_kind kind;
    const char *name;
    const struct sql_column *columns;
    size_t count;
};

/* In the order in which they may be filled; NULL past the end. */
const struct sql_table *sql_table_at(size_t index);
/* "features (id, type, …)" */
NODISCARD enum err sql_put_head(const struct sql_table *table, struct buf *out);
/* Does the row concern who works for whom? Overrides of limits and of keys do not. */
bool sql_wants(const struct sql_table *table, struct str text);
/* "('chat', …)"; the arena is for what is on its way. */
NODISCARD enum err sql_put_row(const struct sql_table *table, struct str id, struct str text,
                               struct arena *arena, struct buf *out);
