/* read.c - the reading side: each call takes a reading connection for as long as it lasts. */
#include "base/must.h"
#include "store/sqlite/objects_int.h"

enum err reading_begin(struct store *store, const char *sql, struct reading *reading,
                       struct fault *fault)
{
    *reading = (struct reading){.self = (struct sqlite_store *)(void *)store};
    reading->reader = reader_take(reading->self, fault);
    if (reading->reader == NULL)
        return fault->code;
    if (sqlite3_prepare_v2(reading->reader, sql, -1, &reading->statement, NULL) == SQLITE_OK)
        return ERR_OK;
    enum err const err = sqlite_fault(reading->reader, "read", fault);
    reader_return(reading->self, reading->reader);
    return err;
}

enum err reading_end(struct reading *reading, int result, struct fault *fault)
{
    enum err err = ERR_OK;
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        err = sqlite_fault(reading->reader, "read", fault);
    sqlite3_finalize(reading->statement);
    reader_return(reading->self, reading->reader);
    return err;
}

enum err table_read(struct store *store, const char *sql, row_deliver *deliver, void *visit,
                    void *owner, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(store, sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    int result = sqlite3_step(reading.statement);
    while (result == SQLITE_ROW && deliver(reading.statement, visit, owner))
        result = sqlite3_step(reading.statement);
    return reading_end(&reading, result, fault);
}

enum err read_position(struct store *store, struct store_position *position, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(store,
                                       "SELECT (SELECT value FROM meta WHERE name = 'applied_lsn'),"
                                       " (SELECT value FROM meta WHERE name = 'recover_lsn')",
                                       &reading, fault);
    if (err != ERR_OK)
        return err;
    int const result = sqlite3_step(reading.statement);
    if (result == SQLITE_ROW) {
        position->applied_lsn = (uint64_t)sqlite3_column_int64(reading.statement, 0);
        position->recover_lsn = (uint64_t)sqlite3_column_int64(reading.statement, 1);
    }
    return reading_end(&reading, result, fault);
}

#define CUSTOMER_SQL                                                                               \
    "SELECT id, currency, origin, unlimited, status, created_us, overdraft_nano, debt_nano,"       \
    " requests_per_minute, tokens_per_minute, concurrent_max FROM customer"
#define KEY_SQL                                                                                    \
    "SELECT id, customer_id, name, prefix, hash, origin, status, created_us, expires_us,"          \
    " requests_per_minute, tokens_per_minute, concurrent_max, old_hash, old_until_us FROM api_key"

static bool deliver_customer(sqlite3_stmt *at, void *visit, void *owner)
{
    struct customer_row const row = {
        .id = column_text(at, 0),
        .currency = column_text(at, 1),
        .origin = (enum row_origin)sqlite3_column_int(at, 2),
        .unlimited = sqlite3_column_int(at, 3) != 0,
        .status = sqlite3_column_int(at, 4),
        .created_us = sqlite3_column_int64(at, 5),
        .overdraft = {sqlite3_column_int64(at, 6)},
        .debt = {sqlite3_column_int64(at, 7)},
        .requests_per_minute = sqlite3_column_int64(at, 8),
        .tokens_per_minute = sqlite3_column_int64(at, 9),
        .concurrent_max = sqlite3_column_int64(at, 10),
    };
    return (*(customer_visit **)visit)(owner, &row);
}

enum err read_customers(struct store *store, customer_visit *visit, void *owner,
                        struct fault *fault)
{
    return table_read(store, CUSTOMER_SQL " ORDER BY id", deliver_customer, &visit, owner, fault);
}

static bool deliver_key(sqlite3_stmt *at, void *visit, void *owner)
{
    struct key_row row = {
        .id = column_text(at, 0),
        .customer_id = column_text(at, 1),
        .name = column_text(at, 2),
        .prefix = column_text(at, 3),
        .origin = (enum row_origin)sqlite3_column_int(at, 5),
        .status = sqlite3_column_int(at, 6),
        .created_us = sqlite3_column_int64(at, 7),
        .expires_us = sqlite3_column_int64(at, 8),
        .requests_per_minute = sqlite3_column_int64(at, 9),
        .tokens_per_minute = sqlite3_column_int64(at, 10),
        .concurrent_max = sqlite3_column_int64(at, 11),
        .old_until_us = sqlite3_column_int64(at, 13),
    };
    column_hash(at, 4, row.hash);
    if (row.old_until_us > 0)
        column_hash(at, 12, row.old_hash);
    return (*(key_visit **)visit)(owner, &row);
}

enum err read_keys(struct store *store, key_visit *visit, void *owner, struct fault *fault)
{
    return table_read(store, KEY_SQL " ORDER BY id", deliver_key, &visit, owner, fault);
}

static enum err page_read(struct store *store, const char *sql, const struct account_query *query,
                          row_deliver *deliver, void *visit, void *owner, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(store, sql, &reading, fault);
    if (err != ERR_OK)
        return err;
    /* Numbers that the text does not mention cannot be bound: SQLite says so, and that is fine. */
    bind_name(reading.statement, 1, query->after_customer);
    bind_name(reading.statement, 2, query->after_key);
    bind_name(reading.statement, 3, query->customer_id);
    sqlite3_bind_int64(reading.statement, 4, query->limit > 0 ? (int64_t)query->limit : -1);
    int result = sqlite3_step(reading.statement);
    while (result == SQLITE_ROW && deliver(reading.statement, visit, owner))
        result = sqlite3_step(reading.statement);
    return reading_end(&reading, result, fault);
}

enum err read_customer_page(struct store *store, const struct account_query *query,
                            customer_visit *visit, void *owner, struct fault *fault)
{
    return page_read(store, CUSTOMER_SQL " WHERE id > ?1 ORDER BY id LIMIT ?4", query,
                     deliver_customer, &visit, owner, fault);
}

enum err read_key_page(struct store *store, const struct account_query *query, key_visit *visit,
                       void *owner, struct fault *fault)
{
    const char *sql = str_empty(query->customer_id) ? KEY_SQL " WHERE (customer_id, id) > (?1, ?2)"
                                                              " ORDER BY customer_id, id LIMIT ?4"
                                                    : KEY_SQL
                          " WHERE customer_id = ?3 AND id > ?2 ORDER BY id LIMIT ?4";
    return page_read(store, sql, query, deliver_key, &visit, owner, fault);
}

static bool deliver_grant(sqlite3_stmt *at, void *visit, void *owner)
{
    struct grant_row const row = {
        .id = column_text(at, 0),
        .customer_id = column_text(at, 1),
        .category = column_text(at, 2),
        .source_type = column_text(at, 3),
        .source_id = column_text(at, 4),
        .amount = {sqlite3_column_int64(at, 5)},
        .remaining = {sqlite3_column_int64(at, 6)},
        .priority = sqlite3_column_int64(at, 7),
        .effective_us = sqlite3_column_int64(at, 8),
        .expires_us = sqlite3_column_int64(at, 9),
        .created_us = sqlite3_column_int64(at, 10),
        .status = sqlite3_column_int(at, 11),
        .features = column_text(at, 12),
    };
    return (*(grant_visit **)visit)(owner, &row);
}

enum err read_grants(struct store *store, grant_visit *visit, void *owner, struct fault *fault)
{
    return table_read(store,
                      "SELECT id, customer_id, category, source_type, source_id, amount_nano,"
                      " remaining_nano, priority, effective_us, expires_us, created_us, status,"
                      " features"
                      " FROM credit_grant ORDER BY id",
                      deliver_grant, &visit, owner, fault);
}

static bool deliver_counter(sqlite3_stmt *at, void *visit, void *owner)
{
    struct counter_row const row = {
        .customer_id = column_text(at, 0),
        .name = column_text(at, 1),
        .value = sqlite3_column_int64(at, 2),
        .until_us = sqlite3_column_int64(at, 3),
    };
    return (*(counter_visit **)visit)(owner, &row);
}

enum err read_counters(struct store *store, counter_visit *visit, void *owner, struct fault *fault)
{
    return table_read(store,
                      "SELECT customer_id, name, value, until_us FROM counter"
                      " ORDER BY customer_id, name",
                      deliver_counter, &visit, owner, fault);
}

static bool deliver_hold(sqlite3_stmt *at, void *visit, void *owner)
{
    struct hold_row const row = {
        .id = column_text(at, 0),
        .customer_id = column_text(at, 1),
        .deadline_us = sqlite3_column_int64(at, 2),
        .record = column_text(at, 3),
    };
    return (*(hold_visit **)visit)(owner, &row);
}

enum err read_holds(struct store *store, hold_visit *visit, void *owner, struct fault *fault)
{
    return table_read(store, "SELECT id, customer_id, deadline_us, record FROM hold ORDER BY id",
                      deliver_hold, &visit, owner, fault);
}

static void bucket_fill(sqlite3_stmt *at, struct bucket_row *row)
{
    *row = (struct bucket_row){
        .start_us = sqlite3_column_int64(at, 0),
        .customer_id = column_text(at, 1),
        .key_id = column_text(at, 2),
        .provider = column_text(at, 3),
        .model = column_text(at, 4),
        .requests = sqlite3_column_int64(at, 5),
        .failures = sqlite3_column_int64(at, 6),
        .latency_us = sqlite3_column_int64(at, 7),
        .cost = {sqlite3_column_int64(at, 8)},
        .charged = {sqlite3_column_int64(at, 9)},
        .charge = {sqlite3_column_int64(at, 10)},
    };
    for (int pool = 0; pool < POOL_COUNT; pool++)
        row->tokens[pool] = sqlite3_column_int64(at, 11 + pool);
}

enum err read_buckets(struct store *store, const struct bucket_query *query, bucket_visit *visit,
                      void *owner, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(
        store,
        "SELECT start_us, customer_id, key_id, provider, model, requests, failures, latency_us,"
        " cost_nano, charged_nano, charge_nano"
#define X(name, key, column, fallback) ", " column
#include "core/pools.def"
#undef X
        " FROM usage_bucket WHERE start_us >= ?1 AND start_us < ?2"
        " AND (?3 IS NULL OR customer_id = ?3) AND (?4 IS NULL OR key_id = ?4)"
        " ORDER BY start_us, customer_id, key_id, provider, model",
        &reading, fault);
    if (err != ERR_OK)
        return err;
    sqlite3_bind_int64(reading.statement, 1, query->since_us);
    sqlite3_bind_int64(reading.statement, 2, query->until_us > 0 ? query->until_us : INT64_MAX);
    bind_text(reading.statement, 3, query->customer_id);
    bind_text(reading.statement, 4, query->key_id);
    int result = sqlite3_step(reading.statement);
    for (; result == SQLITE_ROW; result = sqlite3_step(reading.statement)) {
        struct bucket_row row;
        bucket_fill(reading.statement, &row);
        if (!visit(owner, &row))
            break;
    }
    return reading_end(&reading, result, fault);
}

static bool deliver_idempotency(sqlite3_stmt *at, void *visit, void *owner)
{
    struct idempotency_row row = {
        .customer_id = column_text(at, 0),
        .status = sqlite3_column_int(at, 3),
        .content_type = column_text(at, 4),
        .headers = column_text(at, 5),
        .body = column_text(at, 6),
        .created_us = sqlite3_column_int64(at, 7),
        .expires_us = sqlite3_column_int64(at, 8),
    };
    column_hash(at, 1, row.key_hash);
    column_hash(at, 2, row.fingerprint);
    return (*(idempotency_visit **)visit)(owner, &row);
}

enum err read_idempotency(struct store *store, idempotency_visit *visit, void *owner,
                          struct fault *fault)
{
    return table_read(store,
                      "SELECT customer_id, key_hash, fingerprint, status, content_type, headers,"
                      " NULL, created_us, expires_us FROM idempotency"
                      " ORDER BY customer_id, key_hash",
                      deliver_idempotency, &visit, owner, fault);
}

enum err read_idempotency_one(struct store *store, struct str customer_id,
                              const unsigned char key_hash[32], idempotency_visit *visit,
                              void *owner, bool *found, struct fault *fault)
{
    struct reading reading;
    enum err const err =
        reading_begin(store,
                      "SELECT customer_id, key_hash, fingerprint, status, content_type, headers,"
                      " body, created_us, expires_us FROM idempotency"
                      " WHERE customer_id = ?1 AND key_hash = ?2",
                      &reading, fault);
    *found = false;
    if (err != ERR_OK)
        return err;
    bind_name(reading.statement, 1, customer_id);
    sqlite3_bind_blob(reading.statement, 2, key_hash, 32, SQLITE_STATIC);
    int const result = sqlite3_step(reading.statement);
    *found = result == SQLITE_ROW;
    if (*found)
        deliver_idempotency(reading.statement, &visit, owner);
    return reading_end(&reading, result, fault);
}

enum err read_ledger_sum(struct store *store, struct str customer_id, struct str account,
                         struct money *sum, struct fault *fault)
{
    struct reading reading;
    enum err const err = reading_begin(store,
                                       "SELECT coalesce(sum(amount_nano), 0) FROM ledger_entry"
                                       " WHERE customer_id IS ?1 AND account = ?2",
                                       &reading, fault);
    if (err != ERR_OK)
        return err;
    bind_text(reading.statement, 1, customer_id);
    bind_name(reading.statement, 2, account);
    int const result = sqlite3_step(reading.statement);
    if (result == SQLITE_ROW)
        sum->nano = sqlite3_column_int64(reading.statement, 0);
    return reading_end(&reading, result, fault);
}

void pieces_put(const struct piece *pieces, size_t count, char *sql, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        size_t const more = pieces[i].wanted ? strlen(pieces[i].text) : 0;
        MUST(len + more < room);
        memcpy(sql + len, pieces[i].text, more);
        len += more;
    }
    sql[len] = 0;
}
