/* basis.c - what decisions rested on: one text for all calls of a kind, and for all time. */
#include "base/must.h"
#include "store/sqlite/objects_int.h"

const char schema_basis_sql[] = "CREATE TABLE basis (name INTEGER PRIMARY KEY, text TEXT NOT NULL);"
                                "ALTER TABLE usage ADD COLUMN decision BLOB;";

enum err basis_row_write(struct store *store, const struct basis_row *row, struct fault *fault)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    sqlite3_stmt *statement = self->statements[STATEMENT_BASIS];
    MUST(self->began);
    sqlite3_bind_int64(statement, 1, (int64_t)row->name);
    bind_name(statement, 2, row->text);
    return statement_run(self, STATEMENT_BASIS, fault);
}

enum err basis_row_read(struct store *store, uint64_t name, basis_visit *visit, void *owner,
                        struct fault *fault)
{
    struct reading reading;
    enum err const err =
        reading_begin(store, "SELECT name, text FROM basis WHERE name = ?1", &reading, fault);
    if (err != ERR_OK)
        return err;
    sqlite3_bind_int64(reading.statement, 1, (int64_t)name);
    int const result = sqlite3_step(reading.statement);
    if (result == SQLITE_ROW) {
        struct basis_row const row = {
            .name = (uint64_t)sqlite3_column_int64(reading.statement, 0),
            .text = column_text(reading.statement, 1),
        };
        (void)visit(owner, &row);
    }
    return reading_end(&reading, result, fault);
}
