/* usage_int.h - usage rows in SQLite: what is bound, and the chunks by which rows are found. */
#pragma once
#include "store/store.h"
#include <sqlite3.h>

struct sqlite_store;

enum {
    USAGE_TEXT_BYTES_MAX = 136,
    CHUNK_ROWS_MAX = 16384, /* see usage_find.c */
    CHUNK_SPANS_MAX = 1024,
    CHUNK_SLOTS = 4 * CHUNK_SPANS_MAX,
};

enum {
    USAGE_COLUMN_NOTHING = -1,
#define FIRST(id, column, field)  USAGE_COLUMN_##id,
#define NUMBER(id, column, field) USAGE_COLUMN_##id,
#define TEXT(id, column, field)   USAGE_COLUMN_##id,
#define BLOB(id, column, field)   USAGE_COLUMN_##id,
#include "store/sqlite/usage_columns.def"
#undef FIRST
#undef NUMBER
#undef TEXT
#undef BLOB
    USAGE_COLUMN_COUNT,
};

/* What is bound to the usage statement: a value that did not change need not be bound again. */
struct usage_bound {
    int64_t number[USAGE_COLUMN_COUNT];
    size_t len[USAGE_COLUMN_COUNT];
    char text[USAGE_COLUMN_COUNT][USAGE_TEXT_BYTES_MAX];
    bool known;
};

/* Usage rows of a transaction, as they will be found again. */
struct usage_chunk {
    uint64_t first_lsn, last_lsn;
    size_t rows, spans;
    uint32_t last_span; /* of the row before: customers come in runs */
    uint32_t hashes[CHUNK_ROWS_MAX];
    struct usage_span {
        uint64_t first_lsn, last_lsn;
        uint32_t hash, customer_len;
        char customer[USAGE_TEXT_BYTES_MAX];
    } span[CHUNK_SPANS_MAX];
    uint16_t slots[CHUNK_SLOTS]; /* number + 1 */
};

/* --- usage.c --- */
extern const char usage_insert_sql[];
enum err usage_add(struct store *, const struct usage_row *, struct fault *);
enum err usage_read(struct store *, const struct usage_query *, usage_visit *, void *owner,
                    struct fault *);

/* --- usage_find.c --- */
NODISCARD enum err chunk_add(struct sqlite_store *self, const struct usage_row *row,
                             struct fault *fault);
/* Writes what has gathered; before a commit. */
NODISCARD enum err chunk_flush(struct sqlite_store *self, struct fault *fault);
void chunk_clear(struct usage_chunk *chunk);
uint32_t request_hash(struct str request_id);
/* The SQL function has_request(request_hashes, hash), for reading connections. */
NODISCARD enum err find_function_add(sqlite3 *connection, struct fault *fault);
