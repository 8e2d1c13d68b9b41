/* price_csv.h - a table of prices as text: rows, cells by column name, exact amounts.
 *
 * What:  RFC 4180 with a head line. Columns provider and model name a row; each column named like a
 *        pool of tokens (core/pools.def) is USD per million tokens; others are left alone. A cell
 *        does not go over the end of its line.
 * Not:   what a price may be (price_import.c).
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "core/price.h"

enum { PRICE_CSV_COLUMNS_MAX = 32, PRICE_CSV_ROWS_MAX = 10000, PRICE_TEXT_BYTES_MAX = 1024 };

struct price_row {
    size_t line; /* of the text, from 1 */
    struct str provider, model, modality, text;
    struct price price; /* PRICE_UNKNOWN where a cell is empty */
    bool priced;        /* some pool has a price */
    const char *wrong;  /* why it is no row; NULL: it is one */
};

struct price_csv {
    struct str rest;
    struct arena *arena;
    size_t line, column_count;
    int columns[PRICE_CSV_COLUMNS_MAX]; /* a pool, or one of the names in price_csv.c */
};

/* Reads the head. ERR_FIELD_INVALID says what is missing. */
NODISCARD enum err price_csv_start(struct price_csv *csv, struct str text, struct arena *arena,
                                   struct fault *fault);
/* False at the end. Empty lines are passed over. */
bool price_csv_next(struct price_csv *csv, struct price_row *row);

/* USD per million tokens to pico per token: exact to 6 digits after the point, what is finer is
 * rounded half to even. False: no plain decimal >= 0, or it does not fit. */
bool price_csv_amount(struct str text, int64_t *pico);
/* The shortest text of it, in `out`. */
struct str price_csv_text(int64_t pico, char out[32]);
