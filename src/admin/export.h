/* export.h - rows of a streamed answer as JSON lines, one JSON array, or CSV.
 *
 * What:  a row is written once, as a JSON object; CSV takes the cells from it, so that all three
 *        say the same. RFC 4180, UTF-8, a head line; a text that begins like a formula of a
 *        spreadsheet (= + - @, tab, carriage return) gets an apostrophe in front.
 * Not:   where rows come from (usage.c); the command line's tables (app/).
 */
#pragma once
#include "admin/admin_int.h"

enum export_format { EXPORT_LINES, EXPORT_JSON, EXPORT_CSV };

struct export_rows {
    enum export_format format;
    const char *const *columns; /* of CSV, NULL at the end */
    bool begun;
    struct buf row; /* scratch; freed by export_free */
};

/* ?format=ndjson|json|csv, else Accept, else lines. Sets the call's content type. */
void export_start(struct admin_call *call, struct export_rows *rows, const char *const *columns);
/* The writer for the next row; then export_row puts it out. */
void export_writer(struct export_rows *rows, struct json_writer *writer);
NODISCARD enum err export_row(struct export_rows *rows, struct json_writer *writer,
                              struct buf *out);
/* After the last row of all. */
NODISCARD enum err export_end(struct export_rows *rows, struct buf *out);
void export_free(struct export_rows *rows);

/* One cell, guarded and quoted. */
NODISCARD enum err export_cell(struct buf *out, struct str text, bool is_text);
