/* export.c - one row after the other: lines, an array, or CSV. */
#include "admin/export.h"

enum { ROW_BYTES_MAX = 1 << 20 };

/* --- CSV ------------------------------------------------------------------------------------- */
static bool is_formula(struct str text)
{
    return text.len > 0 && memchr("=+-@\t\r", text.ptr[0], 6) != NULL;
}

static bool needs_quotes(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr(",\"\r\n", text.ptr[i], 4) != NULL)
            return true;
    return false;
}

enum err export_cell(struct buf *out, struct str text, bool is_text)
{
    bool const quoted = is_text && needs_quotes(text);
    enum err err = quoted ? buf_add_byte(out, '"') : ERR_OK;
    if (err == ERR_OK && is_text && is_formula(text))
        err = buf_add_byte(out, '\'');
    while (err == ERR_OK && text.len > 0) {
        size_t const part = quoted ? str_find(text, STR("\"")) : text.len;
        err = buf_add(out, str_make(text.ptr, part));
        if (err == ERR_OK && part < text.len)
            err = buf_add(out, STR("\"\""));
        text = part < text.len ? str_skip(text, part + 1) : STR("");
    }
    return err == ERR_OK && quoted ? buf_add_byte(out, '"') : err;
}

/* A text decoded, a number as it stands, nothing for null; an object or an array as its JSON. */
static enum err add_member(struct buf *out, struct str value)
{
    struct str plain;
    switch (json_type(value)) {
    case JSON_NONE:
    case JSON_NULL:
        return ERR_OK;
    case JSON_STRING:
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return export_cell(out, value, true);
    default:
        return export_cell(out, value, false);
    }
    if (json_plain_text(value, &plain))
        return export_cell(out, plain, true);
    struct buf decoded;
    size_t len = 0;
    buf_init(&decoded, ROW_BYTES_MAX);
    enum err err = buf_reserve(&decoded, value.len + 1);
    if (err == ERR_OK && !json_text(value, decoded.ptr, value.len + 1, &len))
        err = ERR_JSON_INVALID;
    if (err == ERR_OK)
        err = export_cell(out, str_make(decoded.ptr, len), true);
    buf_free(&decoded);
    return err;
}

static enum err add_head(const struct export_rows *rows, struct buf *out)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && rows->columns[i] != NULL; i++) {
        err = i > 0 ? buf_add_byte(out, ',') : ERR_OK;
        if (err == ERR_OK)
            err = buf_add(out, str_of(rows->columns[i]));
    }
    return err == ERR_OK ? buf_add(out, STR("\r\n")) : err;
}

static enum err add_cells(const struct export_rows *rows, struct buf *out)
{
    struct json_object object;
    struct fault fault = {0};
    enum err err = json_members(buf_view(&rows->row), &object, &fault);
    for (size_t i = 0; err == ERR_OK && rows->columns[i] != NULL; i++) {
        err = i > 0 ? buf_add_byte(out, ',') : ERR_OK;
        if (err == ERR_OK)
            err = add_member(out, json_get(&object, str_of(rows->columns[i])));
    }
    return err == ERR_OK ? buf_add(out, STR("\r\n")) : err;
}

/* --- rows ------------------------------------------------------------------------------------ */
void export_start(struct admin_call *call, struct export_rows *rows, const char *const *columns)
{
    static const char *const types[] = {"application/x-ndjson", "application/json",
                                        "text/csv; charset=utf-8; header=present"};
    struct str const asked = admin_query_or_empty(call, "format");
    struct str const accept = call->accept;
    *rows = (struct export_rows){.format = EXPORT_LINES, .columns = columns};
    if (str_eq(asked, STR("csv")) || (asked.len == 0 && str_starts(accept, STR("text/csv"))))
        rows->format = EXPORT_CSV;
    else if (str_eq(asked, STR("json")) ||
             (asked.len == 0 && str_starts(accept, STR("application/json"))))
        rows->format = EXPORT_JSON;
    call->content_type = types[rows->format];
    buf_init(&rows->row, ROW_BYTES_MAX);
}

void export_writer(struct export_rows *rows, struct json_writer *writer)
{
    buf_clear(&rows->row);
    json_write_start(writer, &rows->row);
}

static enum err begin(struct export_rows *rows, struct buf *out)
{
    if (rows->begun)
        return rows->format == EXPORT_JSON ? buf_add(out, STR(",\n")) : ERR_OK;
    rows->begun = true;
    if (rows->format == EXPORT_LINES)
        return ERR_OK;
    return rows->format == EXPORT_CSV ? add_head(rows, out) : buf_add_byte(out, '[');
}

enum err export_row(struct export_rows *rows, struct json_writer *writer, struct buf *out)
{
    enum err err = json_write_end(writer);
    if (err == ERR_OK)
        err = begin(rows, out);
    if (err == ERR_OK)
        err =
            rows->format == EXPORT_CSV ? add_cells(rows, out) : buf_add(out, buf_view(&rows->row));
    return err == ERR_OK && rows->format == EXPORT_LINES ? buf_add_byte(out, '\n') : err;
}

enum err export_end(struct export_rows *rows, struct buf *out)
{
    enum err err = ERR_OK;
    if (!rows->begun)
        err = begin(rows, out);
    return err == ERR_OK && rows->format == EXPORT_JSON ? buf_add(out, STR("]\n")) : err;
}

void export_free(struct export_rows *rows)
{
    buf_free(&rows->row);
}
