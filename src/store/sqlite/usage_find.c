/* usage_find.c - finding usage rows by customer and by request, without an index entry per row.
 *
 * Why:   measured at batches of 2000 rows, the row itself costs 2.0 us, each plain index 0.8 us
 * more (2.9 with a thousand customers in random order): half of the projection's work, for
 *        questions that are asked seldom.
 * How:   what a transaction writes is a chunk, a range of lsns. Each customer in it has one
 *        usage_span row: its calls are in there. The chunk has one usage_chunk row with a 32-bit
 * hash per usage row: a search for a request reads 4 bytes per row (10 M rows: about 40 MB) and
 *        then looks only into chunks that hold the hash. When traffic is low chunks are small and
 *        spans exact; when it is high the cost per row vanishes.
 */
#include "base/crc32c.h"
#include "base/must.h"
#include "store/sqlite/sqlite_int.h"

_Static_assert(CHUNK_SPANS_MAX < UINT16_MAX, "a slot holds a span's number + 1");

/* Stored, so the same in every process. A collision costs a look at one chunk. */
uint32_t request_hash(struct str request_id)
{
    return crc32c(0, request_id);
}

void chunk_clear(struct usage_chunk *chunk)
{
    if (chunk->spans > 0)
        memset(chunk->slots, 0, sizeof chunk->slots);
    chunk->rows = chunk->spans = 0;
    chunk->last_span = 0;
}

static enum err spans_write(struct sqlite_store *self, struct fault *fault)
{
    enum err err = ERR_OK;
    sqlite3_stmt *statement = self->statements[STATEMENT_USAGE_SPAN];
    for (size_t i = 0; i < self->chunk.spans && err == ERR_OK; i++) {
        const struct usage_span *span = &self->chunk.span[i];
        bind_name(statement, 1, str_make(span->customer, span->customer_len));
        sqlite3_bind_int64(statement, 2, (int64_t)span->first_lsn);
        sqlite3_bind_int64(statement, 3, (int64_t)span->last_lsn);
        err = statement_run(self, STATEMENT_USAGE_SPAN, fault);
    }
    return err;
}

enum err chunk_flush(struct sqlite_store *self, struct fault *fault)
{
    struct usage_chunk *chunk = &self->chunk;
    if (chunk->rows == 0)
        return ERR_OK;
    enum err err = spans_write(self, fault);
    if (err == ERR_OK) {
        sqlite3_stmt *statement = self->statements[STATEMENT_USAGE_CHUNK];
        sqlite3_bind_int64(statement, 1, (int64_t)chunk->first_lsn);
        sqlite3_bind_int64(statement, 2, (int64_t)chunk->last_lsn);
        sqlite3_bind_blob(statement, 3, chunk->hashes, (int)(chunk->rows * sizeof chunk->hashes[0]),
                          SQLITE_STATIC);
        err = statement_run(self, STATEMENT_USAGE_CHUNK, fault);
    }
    chunk_clear(chunk);
    return err;
}

static bool span_is(const struct usage_span *span, uint32_t hash, struct str customer)
{
    return span->hash == hash && str_eq(str_make(span->customer, span->customer_len), customer);
}

/* The span of the row's customer, made when missing. */
static struct usage_span *span_find(struct usage_chunk *chunk, const struct usage_row *row)
{
    uint32_t const hash = crc32c((uint32_t)row->customer_id.len, row->customer_id);
    if (chunk->spans > 0 && span_is(&chunk->span[chunk->last_span], hash, row->customer_id))
        return &chunk->span[chunk->last_span];
    size_t at = hash % CHUNK_SLOTS;
    while (chunk->slots[at] != 0 &&
           !span_is(&chunk->span[chunk->slots[at] - 1], hash, row->customer_id))
        at = (at + 1) % CHUNK_SLOTS;
    if (chunk->slots[at] == 0) {
        struct usage_span *span = &chunk->span[chunk->spans++];
        *span = (struct usage_span){
            .first_lsn = row->lsn, .hash = hash, .customer_len = (uint32_t)row->customer_id.len};
        if (row->customer_id.len > 0)
            memcpy(span->customer, row->customer_id.ptr, row->customer_id.len);
        chunk->slots[at] = (uint16_t)chunk->spans;
    }
    chunk->last_span = (uint32_t)chunk->slots[at] - 1;
    return &chunk->span[chunk->last_span];
}

enum err chunk_add(struct sqlite_store *self, const struct usage_row *row, struct fault *fault)
{
    struct usage_chunk *chunk = &self->chunk;
    MUST(row->customer_id.len <= USAGE_TEXT_BYTES_MAX); /* checked with the row's other texts */
    if (chunk->rows == CHUNK_ROWS_MAX || chunk->spans == CHUNK_SPANS_MAX) {
        enum err const err = chunk_flush(self, fault);
        if (err != ERR_OK)
            return err;
    }
    if (chunk->rows == 0)
        chunk->first_lsn = row->lsn;
    chunk->last_lsn = row->lsn;
    chunk->hashes[chunk->rows++] = request_hash(row->request_id);
    span_find(chunk, row)->last_lsn = row->lsn;
    return ERR_OK;
}

static void has_request(sqlite3_context *context, int count, sqlite3_value **values)
{
    MUST(count == 2);
    const char *hashes = sqlite3_value_blob(values[0]);
    size_t const bytes = (size_t)sqlite3_value_bytes(values[0]);
    uint32_t const wanted = (uint32_t)sqlite3_value_int64(values[1]);
    bool found = false;
    for (size_t at = 0; at + sizeof wanted <= bytes && !found; at += sizeof wanted) {
        uint32_t hash;
        memcpy(&hash, hashes + at, sizeof hash);
        found = hash == wanted;
    }
    sqlite3_result_int(context, found);
}

enum err find_function_add(sqlite3 *connection, struct fault *fault)
{
    int const flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    if (sqlite3_create_function_v2(connection, "has_request", 2, flags, NULL, has_request, NULL,
                                   NULL, NULL) != SQLITE_OK)
        return sqlite_fault(connection, "open for reading", fault);
    return ERR_OK;
}
