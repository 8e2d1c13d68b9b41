/* price_csv.c - a table of prices, row by row. */
#include "admin/price_csv.h"
#include <stdio.h>

enum { COLUMN_OTHER = POOL_COUNT, COLUMN_PROVIDER, COLUMN_MODEL, COLUMN_MODALITY };
enum { CELL_BYTES_MAX = 512, DIGITS_MAX = 18 };

/* --- amounts --------------------------------------------------------------------------------- */
static bool is_plain(struct str text)
{
    size_t points = 0, digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        points += text.ptr[i] == '.';
        digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
    }
    return digits > 0 && points <= 1 && points + digits == text.len && text.ptr[0] != '.' &&
           text.ptr[text.len - 1] != '.';
}

/* What is cut off: does it round up? */
static bool rounds_up(struct str cut, bool odd)
{
    bool more = false;
    for (size_t i = 1; i < cut.len; i++)
        more = more || cut.ptr[i] != '0';
    return cut.len > 0 && (cut.ptr[0] > '5' || (cut.ptr[0] == '5' && (more || odd)));
}

bool price_csv_amount(struct str text, int64_t *pico)
{
    if (text.len == 0 || !is_plain(text))
        return false;
    size_t const point = str_find(text, STR("."));
    size_t const end = point + 1 + PRICE_SCALE;
    struct str const cut = end < text.len ? str_skip(text, end) : STR("");
    if (!decimal_parse(str_make(text.ptr, text.len - cut.len), PRICE_SCALE, pico))
        return false;
    bool const up = rounds_up(cut, *pico % 2 != 0);
    return !__builtin_add_overflow(*pico, up, pico);
}

struct str price_csv_text(int64_t pico, char out[32])
{
    int const len =
        snprintf(out, 32, "%lld.%06lld", (long long)(pico / 1000000), (long long)(pico % 1000000));
    struct str text = str_make(out, (size_t)len);
    while (text.ptr[text.len - 1] == '0')
        text.len--;
    if (text.ptr[text.len - 1] == '.')
        text.len--;
    return text;
}

/* --- cells ----------------------------------------------------------------------------------- */
/* A cell in quotes, up to the quote that ends it; two quotes are one. False: it does not end. */
static bool quoted_cell(struct str *rest, struct arena *arena, struct str *cell)
{
    char *out = arena_alloc(arena, rest->len + 1);
    size_t len = 0, at = 1;
    if (out == NULL)
        return false;
    for (; at < rest->len; at++) {
        if (rest->ptr[at] == '"' && (at + 1 == rest->len || rest->ptr[at + 1] != '"'))
            break;
        at += rest->ptr[at] == '"';
        out[len++] = rest->ptr[at];
    }
    *cell = str_make(out, len);
    if (at >= rest->len)
        return false;
    *rest = str_skip(*rest, at + 1);
    return true;
}

/* The next cell of a line; *more: another follows. False: it cannot be read. */
static bool next_cell(struct str *rest, struct arena *arena, struct str *cell, bool *more)
{
    if (rest->len > 0 && rest->ptr[0] == '"') {
        if (!quoted_cell(rest, arena, cell) || (rest->len > 0 && rest->ptr[0] != ','))
            return false;
    } else {
        *cell = str_make(rest->ptr, str_find(*rest, STR(",")));
        *rest = str_skip(*rest, cell->len);
    }
    *cell = str_trim(*cell);
    *more = rest->len > 0;
    if (*more)
        *rest = str_skip(*rest, 1);
    return cell->len <= CELL_BYTES_MAX;
}

static struct str next_line(struct price_csv *csv)
{
    size_t const end = str_find(csv->rest, STR("\n"));
    struct str line = str_make(csv->rest.ptr, end);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    csv->rest = str_skip(csv->rest, end + 1);
    csv->line++;
    return str_trim(line);
}

/* --- rows ------------------------------------------------------------------------------------ */
static int column_of(struct str name)
{
    static const char *const pools[POOL_COUNT] = {
#define X(name, key, column, fallback) key,
#include "core/pools.def"
#undef X
    };
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (str_eq(name, str_of(pools[pool])))
            return pool;
    if (str_eq(name, STR("provider")))
        return COLUMN_PROVIDER;
    if (str_eq(name, STR("model")))
        return COLUMN_MODEL;
    return str_eq(name, STR("modality")) ? COLUMN_MODALITY : COLUMN_OTHER;
}

enum err price_csv_start(struct price_csv *csv, struct str text, struct arena *arena,
                         struct fault *fault)
{
    *csv = (struct price_csv){.rest = text, .arena = arena};
    struct str head = next_line(csv), cell;
    bool seen[COLUMN_MODALITY + 1] = {false};
    for (bool more = true; more; csv->column_count++) {
        if (csv->column_count == PRICE_CSV_COLUMNS_MAX || !next_cell(&head, arena, &cell, &more))
            return fault_param(fault, ERR_FIELD_INVALID, "csv", "its head line cannot be read");
        int const column = column_of(cell);
        if (column != COLUMN_OTHER && seen[column])
            return fault_param(fault, ERR_FIELD_INVALID, "csv", "its column %.*s is there twice",
                               STR_ARG(cell));
        seen[column] = true;
        csv->columns[csv->column_count] = column;
    }
    if (!seen[COLUMN_PROVIDER] || !seen[COLUMN_MODEL] || !seen[POOL_INPUT])
        return fault_param(fault, ERR_FIELD_INVALID, "csv",
                           "its head line must name provider, model and input");
    return ERR_OK;
}

static void take_cell(struct price_row *row, int column, struct str cell)
{
    if (column == COLUMN_PROVIDER)
        row->provider = cell;
    else if (column == COLUMN_MODEL)
        row->model = cell;
    else if (column == COLUMN_MODALITY)
        row->modality = cell;
    if (column >= POOL_COUNT || cell.len == 0)
        return;
    row->priced = true;
    if (!price_csv_amount(cell, &row->price.pico[column]))
        row->wrong = "a price is no plain decimal number";
}

bool price_csv_next(struct price_csv *csv, struct price_row *row)
{
    struct str line = {0}, cell;
    while (csv->rest.len > 0 && line.len == 0)
        line = next_line(csv);
    if (line.len == 0)
        return false;
    *row = (struct price_row){.line = csv->line, .text = line};
    price_init(&row->price);
    size_t at = 0;
    for (bool more = true; more && row->wrong == NULL; at++) {
        if (at == csv->column_count || !next_cell(&line, csv->arena, &cell, &more))
            row->wrong = "it has more cells than the head line, or one that does not end";
        else
            take_cell(row, csv->columns[at], cell);
    }
    if (row->wrong == NULL && (row->provider.len == 0 || row->model.len == 0))
        row->wrong = "provider and model must be given";
    return true;
}
