/* write.c - the writing side: prepared statements, one transaction per batch, checkpoints. */
#include "base/must.h"
#include "store/sqlite/sqlite_int.h"

#define BUCKET_SUMS                                                                                \
    "requests = requests + excluded.requests, failures = failures + excluded.failures,"            \
    " latency_us = latency_us + excluded.latency_us, cost_nano = cost_nano + excluded.cost_nano,"  \
    " charged_nano = charged_nano + excluded.charged_nano,"                                        \
    " charge_nano = charge_nano + excluded.charge_nano"

static const char *const sql[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_POSITION] =
        "UPDATE meta SET value = CASE name WHEN 'applied_lsn' THEN ?1 ELSE ?2 END"
        " WHERE name IN ('applied_lsn', 'recover_lsn')",
    [STATEMENT_CUSTOMER] =
        "INSERT OR REPLACE INTO customer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STATEMENT_KEY] =
        "INSERT OR REPLACE INTO api_key VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
        " ?13, ?14)",
    [STATEMENT_GRANT] =
        "INSERT OR REPLACE INTO credit_grant VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
        " ?9, ?10, ?11, ?12, ?13)",
    [STATEMENT_GRANT_LEFT] = "UPDATE credit_grant SET remaining_nano = ?2,"
                             " status = CASE WHEN ?3 < 0 THEN status ELSE ?3 END WHERE id = ?1",
    [STATEMENT_COUNTER] = "INSERT OR REPLACE INTO counter VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_HOLD] = "INSERT OR REPLACE INTO hold VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_HOLD_DELETE] = "DELETE FROM hold WHERE id = ?1",
    [STATEMENT_USAGE] = usage_insert_sql,
    [STATEMENT_USAGE_SPAN] = "INSERT INTO usage_span VALUES (?1, ?2, ?3)",
    [STATEMENT_USAGE_CHUNK] = "INSERT INTO usage_chunk VALUES (?1, ?2, ?3)",
    [STATEMENT_BUCKET] =
        "INSERT INTO usage_bucket (start_us, customer_id, key_id, provider, model, requests,"
        " failures, latency_us, cost_nano, charged_nano, charge_nano"
#define X(name, key, column, fallback) ", " column
#include "core/pools.def"
#undef X
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
#define X(name, key, column, fallback) ", ?"
#include "core/pools.def"
#undef X
        ") ON CONFLICT DO UPDATE SET " BUCKET_SUMS
#define X(name, key, column, fallback) ", " column " = " column " + excluded." column
#include "core/pools.def"
#undef X
    ,
    [STATEMENT_LEDGER_TXN] = "INSERT INTO ledger_txn VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_LEDGER_ENTRY] = "INSERT INTO ledger_entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_IDEMPOTENCY] =
        "INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STATEMENT_OBJECT] = "INSERT OR REPLACE INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STATEMENT_OBJECT_DELETE] = "DELETE FROM object WHERE kind = ?1 AND id = ?2",
    [STATEMENT_AUDIT] =
        "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [STATEMENT_ALERT] = "INSERT OR IGNORE INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
                        " ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    [STATEMENT_BASIS] = "INSERT OR IGNORE INTO basis VALUES (?1, ?2)",
    [STATEMENT_ALERT_SEEN] = "UPDATE alert SET acknowledged_us = ?2, acknowledged_by = ?3"
                             " WHERE id = ?1 AND acknowledged_us = 0",
    [STATEMENT_FORGET_COUNTERS] = "DELETE FROM counter WHERE until_us > 0 AND until_us <= ?1",
    [STATEMENT_FORGET_IDEMPOTENCY] = "DELETE FROM idempotency WHERE expires_us <= ?1",
};

static struct sqlite_store *self_of(struct store *store)
{
    return (struct sqlite_store *)(void *)store;
}

static sqlite3_stmt *statement_of(struct store *store, enum statement which)
{
    MUST(self_of(store)->began);
    return self_of(store)->statements[which];
}

enum err statements_prepare(struct sqlite_store *self, struct fault *fault)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(self->writer, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &self->statements[i], NULL) != SQLITE_OK)
            return sqlite_fault(self->writer, "prepare", fault);
    }
    return ERR_OK;
}

enum err statement_run(struct sqlite_store *self, enum statement which, struct fault *fault)
{
    sqlite3_stmt *statement = self->statements[which];
    int const result = sqlite3_step(statement);
    enum err err = ERR_OK;
    if (result != SQLITE_DONE)
        err = sqlite_fault(self->writer, "write", fault);
    sqlite3_reset(statement); /* says the same error again */
    return err;
}

enum err write_begin(struct store *store, struct fault *fault)
{
    struct sqlite_store *self = self_of(store);
    MUST(!self->began);
    enum err const err = statement_run(self, STATEMENT_BEGIN, fault);
    self->began = err == ERR_OK;
    return err;
}

/* Between transactions, by the only writer. A reader in the way leaves pages in the log for the
 * next time; so nothing that can go wrong here is worth more than that. */
static void checkpoint(struct sqlite_store *self)
{
    int in_log = 0, done = 0;
    int const result =
        sqlite3_wal_checkpoint_v2(self->writer, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    if (result == SQLITE_OK && in_log == done)
        self->wal_pages = 0;
}

enum err write_commit(struct store *store, struct store_position position, struct fault *fault)
{
    struct sqlite_store *self = self_of(store);
    sqlite3_stmt *statement = statement_of(store, STATEMENT_POSITION);
    sqlite3_bind_int64(statement, 1, (int64_t)position.applied_lsn);
    sqlite3_bind_int64(statement, 2, (int64_t)position.recover_lsn);
    enum err err = chunk_flush(self, fault);
    if (err == ERR_OK)
        err = statement_run(self, STATEMENT_POSITION, fault);
    if (err == ERR_OK)
        err = statement_run(self, STATEMENT_COMMIT, fault);
    if (err != ERR_OK)
        return err;
    self->began = false;
    if (self->wal_pages >= WAL_PAGES_CHECKPOINT)
        checkpoint(self);
    return ERR_OK;
}

/* After some errors SQLite has rolled back by itself; asking again is then an error that says so.
 */
void write_rollback(struct store *store)
{
    struct sqlite_store *self = self_of(store);
    struct fault ignored = {.code = ERR_OK};
    if (sqlite3_get_autocommit(self->writer) == 0) {
        enum err const err = statement_run(self, STATEMENT_ROLLBACK, &ignored);
        (void)err;
    }
    chunk_clear(&self->chunk);
    self->began = false;
}

enum err write_customer(struct store *store, const struct customer_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_CUSTOMER);
    bind_name(statement, 1, row->id);
    bind_text(statement, 2, row->currency);
    sqlite3_bind_int(statement, 3, (int)row->origin);
    sqlite3_bind_int(statement, 4, row->unlimited);
    sqlite3_bind_int(statement, 5, row->status);
    sqlite3_bind_int64(statement, 6, row->created_us);
    sqlite3_bind_int64(statement, 7, row->overdraft.nano);
    sqlite3_bind_int64(statement, 8, row->debt.nano);
    sqlite3_bind_int64(statement, 9, row->requests_per_minute);
    sqlite3_bind_int64(statement, 10, row->tokens_per_minute);
    sqlite3_bind_int64(statement, 11, row->concurrent_max);
    return statement_run(self_of(store), STATEMENT_CUSTOMER, fault);
}

enum err write_key(struct store *store, const struct key_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_KEY);
    bind_name(statement, 1, row->id);
    bind_name(statement, 2, row->customer_id);
    bind_text(statement, 3, row->name);
    bind_text(statement, 4, row->prefix);
    sqlite3_bind_blob(statement, 5, row->hash, sizeof row->hash, SQLITE_STATIC);
    sqlite3_bind_int(statement, 6, (int)row->origin);
    sqlite3_bind_int(statement, 7, row->status);
    sqlite3_bind_int64(statement, 8, row->created_us);
    sqlite3_bind_int64(statement, 9, row->expires_us);
    sqlite3_bind_int64(statement, 10, row->requests_per_minute);
    sqlite3_bind_int64(statement, 11, row->tokens_per_minute);
    sqlite3_bind_int64(statement, 12, row->concurrent_max);
    if (row->old_until_us > 0)
        sqlite3_bind_blob(statement, 13, row->old_hash, sizeof row->old_hash, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 13);
    sqlite3_bind_int64(statement, 14, row->old_until_us);
    return statement_run(self_of(store), STATEMENT_KEY, fault);
}

enum err write_grant(struct store *store, const struct grant_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_GRANT);
    bind_name(statement, 1, row->id);
    bind_name(statement, 2, row->customer_id);
    bind_text(statement, 3, row->category);
    bind_text(statement, 4, row->source_type);
    bind_text(statement, 5, row->source_id);
    sqlite3_bind_int64(statement, 6, row->amount.nano);
    sqlite3_bind_int64(statement, 7, row->remaining.nano);
    sqlite3_bind_int64(statement, 8, row->priority);
    sqlite3_bind_int64(statement, 9, row->effective_us);
    sqlite3_bind_int64(statement, 10, row->expires_us);
    sqlite3_bind_int64(statement, 11, row->created_us);
    sqlite3_bind_int(statement, 12, row->status);
    bind_text(statement, 13, row->features);
    return statement_run(self_of(store), STATEMENT_GRANT, fault);
}

enum err write_grant_left(struct store *store, struct str id, struct money remaining, int status,
                          struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_GRANT_LEFT);
    bind_name(statement, 1, id);
    sqlite3_bind_int64(statement, 2, remaining.nano);
    sqlite3_bind_int(statement, 3, status);
    enum err const err = statement_run(self_of(store), STATEMENT_GRANT_LEFT, fault);
    if (err == ERR_OK && sqlite3_changes(self_of(store)->writer) != 1)
        return fault_set(fault, ERR_STORE_FAILED, "database: no grant %.*s", STR_ARG(id));
    return err;
}

enum err write_counter(struct store *store, const struct counter_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_COUNTER);
    bind_name(statement, 1, row->customer_id);
    bind_name(statement, 2, row->name);
    sqlite3_bind_int64(statement, 3, row->value);
    sqlite3_bind_int64(statement, 4, row->until_us);
    return statement_run(self_of(store), STATEMENT_COUNTER, fault);
}

enum err write_hold(struct store *store, const struct hold_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_HOLD);
    bind_name(statement, 1, row->id);
    bind_name(statement, 2, row->customer_id);
    sqlite3_bind_int64(statement, 3, row->deadline_us);
    sqlite3_bind_blob(statement, 4, row->record.len > 0 ? row->record.ptr : "",
                      (int)row->record.len, SQLITE_STATIC);
    return statement_run(self_of(store), STATEMENT_HOLD, fault);
}

enum err write_hold_delete(struct store *store, struct str id, struct fault *fault)
{
    bind_name(statement_of(store, STATEMENT_HOLD_DELETE), 1, id);
    return statement_run(self_of(store), STATEMENT_HOLD_DELETE, fault);
}

enum err write_bucket(struct store *store, const struct bucket_row *row, struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_BUCKET);
    sqlite3_bind_int64(statement, 1, row->start_us);
    bind_name(statement, 2, row->customer_id);
    bind_name(statement, 3, row->key_id);
    bind_name(statement, 4, row->provider);
    bind_name(statement, 5, row->model);
    sqlite3_bind_int64(statement, 6, row->requests);
    sqlite3_bind_int64(statement, 7, row->failures);
    sqlite3_bind_int64(statement, 8, row->latency_us);
    sqlite3_bind_int64(statement, 9, row->cost.nano);
    sqlite3_bind_int64(statement, 10, row->charged.nano);
    sqlite3_bind_int64(statement, 11, row->charge.nano);
    for (int pool = 0; pool < POOL_COUNT; pool++)
        sqlite3_bind_int64(statement, 12 + pool, row->tokens[pool]);
    return statement_run(self_of(store), STATEMENT_BUCKET, fault);
}

static bool sums_to_zero(const struct ledger_txn_row *row)
{
    struct money sum = {0};
    for (size_t i = 0; i < row->entry_count; i++) {
        if (!money_add(sum, row->entries[i].amount, &sum))
            return false;
    }
    return sum.nano == 0;
}

enum err write_ledger(struct store *store, const struct ledger_txn_row *row, struct fault *fault)
{
    if (!sums_to_zero(row))
        return fault_set(fault, ERR_STORE_FAILED, "ledger: transaction %lld does not sum to zero",
                         (long long)row->id);
    sqlite3_stmt *statement = statement_of(store, STATEMENT_LEDGER_TXN);
    sqlite3_bind_int64(statement, 1, row->id);
    bind_name(statement, 2, row->kind);
    bind_name(statement, 3, row->source_type);
    bind_name(statement, 4, row->source_id);
    bind_name(statement, 5, row->currency);
    sqlite3_bind_int64(statement, 6, row->at_us);
    enum err err = statement_run(self_of(store), STATEMENT_LEDGER_TXN, fault);
    statement = statement_of(store, STATEMENT_LEDGER_ENTRY);
    for (size_t i = 0; i < row->entry_count && err == ERR_OK; i++) {
        const struct ledger_entry_row *entry = &row->entries[i];
        sqlite3_bind_int64(statement, 1, row->id);
        sqlite3_bind_int64(statement, 2, (int64_t)i);
        bind_name(statement, 3, entry->account);
        bind_text(statement, 4, entry->customer_id);
        bind_text(statement, 5, entry->grant_id);
        sqlite3_bind_int64(statement, 6, entry->amount.nano);
        err = statement_run(self_of(store), STATEMENT_LEDGER_ENTRY, fault);
    }
    return err;
}

enum err write_idempotency(struct store *store, const struct idempotency_row *row,
                           struct fault *fault)
{
    sqlite3_stmt *statement = statement_of(store, STATEMENT_IDEMPOTENCY);
    bind_name(statement, 1, row->customer_id);
    sqlite3_bind_blob(statement, 2, row->key_hash, sizeof row->key_hash, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 3, row->fingerprint, sizeof row->fingerprint, SQLITE_STATIC);
    sqlite3_bind_int(statement, 4, row->status);
    bind_text(statement, 5, row->content_type);
    bind_text(statement, 6, row->headers);
    if (row->body.len > 0)
        sqlite3_bind_blob(statement, 7, row->body.ptr, (int)row->body.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 7);
    sqlite3_bind_int64(statement, 8, row->created_us);
    sqlite3_bind_int64(statement, 9, row->expires_us);
    return statement_run(self_of(store), STATEMENT_IDEMPOTENCY, fault);
}

enum err write_forget(struct store *store, int64_t now_us, struct fault *fault)
{
    sqlite3_bind_int64(statement_of(store, STATEMENT_FORGET_COUNTERS), 1, now_us);
    sqlite3_bind_int64(statement_of(store, STATEMENT_FORGET_IDEMPOTENCY), 1, now_us);
    enum err err = statement_run(self_of(store), STATEMENT_FORGET_COUNTERS, fault);
    if (err == ERR_OK)
        err = statement_run(self_of(store), STATEMENT_FORGET_IDEMPOTENCY, fault);
    return err;
}
