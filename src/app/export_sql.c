/* export_sql.c - cota export sql: which AI works for whom as one PostgreSQL script on stdout.
 *
 * Why:   the script ends with its commit: one that was cut short changes nothing.
 */
#include "app/document_remote.h"
#include "app/export_sql_row.h"
#include "app/export_sql_text.h"
#include <stdio.h>

enum {
    STATEMENT_ROWS_MAX = 500,
    WRITE_BYTES = 64 << 10,
    ROW_ARENA_BYTES = 16 << 20,
    SCRIPT_BYTES_MAX = 64 << 20, /* of what waits to be written */
};

struct export
{
    const struct sql_table *table;
    struct arena *arena;
    struct buf out;
    size_t rows; /* of the statement that is open */
    enum err err;
    bool gone; /* nobody reads stdout any more */
};

static void drain(struct export *export, size_t from)
{
    struct buf *out = &export->out;
    if (out->len < from || out->len == 0)
        return;
    export->gone = export->gone || fwrite(out->ptr, 1, out->len, stdout) != out->len;
    buf_clear(out);
}

static void put(struct export *export, struct str text)
{
    if (export->err == ERR_OK)
        export->err = buf_add(&export->out, text);
}

static void end_statement(struct export *export)
{
    if (export->rows > 0)
        put(export, STR(";\n"));
    export->rows = 0;
}

static void begin_row(struct export *export)
{
    if (export->rows == STATEMENT_ROWS_MAX)
        end_statement(export);
    if (export->rows > 0) {
        put(export, STR(",\n    "));
    } else {
        put(export, STR("insert into cota."));
        if (export->err == ERR_OK)
            export->err = sql_put_head(export->table, &export->out);
        put(export, STR(" values\n    "));
    }
    export->rows++;
}

static bool on_stored(void *owner, const struct stored *stored)
{
    struct export *export = owner;
    if (!sql_wants(export->table, stored->text))
        return true;
    begin_row(export);
    if (export->err == ERR_OK)
        export->err =
            sql_put_row(export->table, stored->id, stored->text, export->arena, &export->out);
    arena_reset(export->arena);
    drain(export, WRITE_BYTES);
    return export->err == ERR_OK && !export->gone;
}

static int run(struct export *export, struct remote *remote)
{
    int code = EXIT_CODE_OK;
    put(export, sql_text());
    for (size_t i = 0; code == EXIT_CODE_OK && (export->table = sql_table_at(i)) != NULL; i++) {
        code = remote_list(remote, export->table->kind, STR(""), on_stored, export);
        end_statement(export);
        if (export->err != ERR_OK || export->gone)
            code = EXIT_CODE_FAILURE;
    }
    if (code != EXIT_CODE_OK) {
        cli_complain("export sql: the script is not whole, and loads nothing%s",
                     export->gone ? ": nobody reads it" : "");
        return code;
    }
    put(export, STR("commit;\n"));
    drain(export, 0);
    if (export->err == ERR_OK && !export->gone && fflush(stdout) == 0)
        return EXIT_CODE_OK;
    cli_complain("export sql: the script could not be written");
    return EXIT_CODE_FAILURE;
}

int command_export_sql(const struct invocation *invocation)
{
    struct remote remote;
    struct export export = {.arena = arena_new(ROW_ARENA_BYTES)};
    int code = EXIT_CODE_USAGE;
    buf_init(&export.out, SCRIPT_BYTES_MAX);
    bool const open = remote_open(&remote, invocation);
    if (export.arena == NULL) {
        cli_complain("export sql: there is not enough memory");
        code = EXIT_CODE_FAILURE;
    } else if (open) {
        code = run(&export, &remote);
    }
    remote_close(&remote);
    arena_free(export.arena);
    buf_free(&export.out);
    return code;
}
