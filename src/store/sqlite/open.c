/* open.c - opening, migrating, closing; handing out reading connections. */
#include "base/log.h"
#include "base/must.h"
#include "store/sqlite/objects_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x434f5441 }; /* "COTA" */

enum err sqlite_fault(sqlite3 *connection, const char *what, struct fault *fault)
{
    return fault_set(fault, ERR_STORE_FAILED, "database: %s: %s", what, sqlite3_errmsg(connection));
}

static const struct store_ops ops = {
    .name = "sqlite",
    .begin = write_begin,
    .commit = write_commit,
    .rollback = write_rollback,
    .customer_put = write_customer,
    .key_put = write_key,
    .grant_put = write_grant,
    .grant_left = write_grant_left,
    .counter_put = write_counter,
    .hold_put = write_hold,
    .hold_delete = write_hold_delete,
    .usage_add = usage_add,
    .bucket_add = write_bucket,
    .ledger_add = write_ledger,
    .idempotency_put = write_idempotency,
    .object_put = object_write,
    .object_delete = object_remove,
    .audit_add = trail_add,
    .alert_put = alert_write,
    .alert_seen = alert_acknowledge,
    .basis_put = basis_row_write,
    .forget = write_forget,
    .position = read_position,
    .customers = read_customers,
    .keys = read_keys,
    .customer_page = read_customer_page,
    .key_page = read_key_page,
    .grants = read_grants,
    .counters = read_counters,
    .holds = read_holds,
    .usage = usage_read,
    .buckets = read_buckets,
    .idempotency = read_idempotency,
    .idempotency_get = read_idempotency_one,
    .objects = object_read_all,
    .object_get = object_read_one,
    .object_list = object_read_list,
    .audit_list = trail_read,
    .alert_list = alert_read_list,
    .endings = endings_read,
    .basis = basis_row_read,
    .audit_verify = trail_verify,
    .ledger_sum = read_ledger_sum,
    .audit = audit_run,
    .close = store_sqlite_close,
};

static enum err exec(sqlite3 *connection, const char *sql, struct fault *fault)
{
    if (sqlite3_exec(connection, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fault(connection, "open", fault);
    return ERR_OK;
}

static enum err number_read(sqlite3 *connection, const char *sql, int64_t *number,
                            struct fault *fault)
{
    sqlite3_stmt *statement;
    *number = 0;
    if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fault(connection, "open", fault);
    int const result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    enum err const err = result == SQLITE_ROW || result == SQLITE_DONE
                             ? ERR_OK
                             : sqlite_fault(connection, "open", fault);
    sqlite3_finalize(statement);
    return err;
}

/* --- schema --- */

/* A whole copy beside the file, before its tables are touched. */
static enum err backup_make(sqlite3 *connection, const char *file, int version, struct fault *fault)
{
    char name[4096];
    int const length = snprintf(name, sizeof name, "%s.before-schema-%d", file, version);
    if (length < 0 || (size_t)length >= sizeof name)
        return fault_set(fault, ERR_STORE_FAILED, "database: file name is too long");
    if (unlink(name) != 0 && errno != ENOENT) /* of a migration that did not end */
        return fault_set(fault, ERR_STORE_FAILED, "database: old backup: %s", strerror(errno));
    int const descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return fault_set(fault, ERR_STORE_FAILED, "database: backup: %s", strerror(errno));
    close(descriptor);
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(connection, "VACUUM INTO ?1", -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fault(connection, "backup", fault);
    sqlite3_bind_text(statement, 1, name, length, SQLITE_STATIC);
    bool const done = sqlite3_step(statement) == SQLITE_DONE;
    enum err const err = done ? ERR_OK : sqlite_fault(connection, "backup", fault);
    sqlite3_finalize(statement);
    return err;
}

static enum err version_write(sqlite3 *connection, int version, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(connection, "UPDATE meta SET value = ?1 WHERE name = 'schema_version'",
                           -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fault(connection, "migration", fault);
    sqlite3_bind_int(statement, 1, version);
    bool const done = sqlite3_step(statement) == SQLITE_DONE;
    enum err const err = done ? ERR_OK : sqlite_fault(connection, "migration", fault);
    sqlite3_finalize(statement);
    return err;
}

static enum err step_run(sqlite3 *connection, int version, struct fault *fault)
{
    enum err err = exec(connection, "BEGIN IMMEDIATE", fault);
    if (err == ERR_OK)
        err = exec(connection, schema_step(version), fault);
    if (err == ERR_OK)
        err = version_write(connection, version, fault);
    if (err == ERR_OK)
        err = exec(connection, "COMMIT", fault);
    if (err != ERR_OK)
        (void)sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL); /* the cause is kept */
    return err;
}

static enum err version_read(sqlite3 *connection, int64_t *version, struct fault *fault)
{
    int64_t tables;
    *version = 0;
    enum err err = number_read(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'",
                               &tables, fault);
    if (err == ERR_OK && tables > 0)
        err = number_read(connection, "SELECT value FROM meta WHERE name = 'schema_version'",
                          version, fault);
    return err;
}

enum err schema_migrate(sqlite3 *connection, const char *file, int version, struct fault *fault)
{
    int64_t found;
    enum err err = version_read(connection, &found, fault);
    if (err != ERR_OK)
        return err;
    if (found > version)
        return fault_set(fault, ERR_STORE_FAILED,
                         "database: schema %lld is newer than this program's %d; use the newer one",
                         (long long)found, version);
    if (found > 0 && found < version)
        err = backup_make(connection, file, (int)found + 1, fault);
    for (int step = (int)found + 1; step <= version && err == ERR_OK; step++)
        err = step_run(connection, step, fault);
    if (err == ERR_OK && found > 0 && found < version)
        LOG(store_migrated, field_int("from", found), field_int("to", version));
    return err;
}

/* --- opening --- */

static enum err file_check(sqlite3 *connection, struct fault *fault)
{
    int64_t application, pages;
    enum err err = number_read(connection, "PRAGMA application_id", &application, fault);
    if (err == ERR_OK)
        err = number_read(connection, "PRAGMA page_count", &pages, fault);
    if (err != ERR_OK)
        return err;
    if (pages > 0 && application != APPLICATION_ID)
        return fault_set(fault, ERR_STORE_FAILED, "database: the file is not a Cota database");
    return ERR_OK;
}

static int wal_grew(void *owner, sqlite3 *connection, const char *name, int pages)
{
    (void)connection;
    (void)name;
    ((struct sqlite_store *)owner)->wal_pages = pages;
    return SQLITE_OK;
}

/* synchronous=NORMAL: a commit may be lost with the power, never torn. That is right here: the
 * journal is the truth, the position is committed with the rows, and what is missing is replayed.
 * The schema is trusted: our indexes call json_extract, which SQLite before 3.41 does not hold for
 * harmless; whoever can change the schema of the file has its data already. */
static enum err writer_open(struct sqlite_store *self, struct fault *fault)
{
    int const flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(self->file, &self->writer, flags, NULL) != SQLITE_OK)
        return sqlite_fault(self->writer, "open", fault);
    sqlite3_busy_timeout(self->writer, BUSY_TIMEOUT_MS);
    enum err err = file_check(self->writer, fault);
    if (err == ERR_OK)
        err = exec(self->writer,
                   "PRAGMA application_id = 1129272385; PRAGMA journal_mode = WAL;"
                   "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;"
                   "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
                   "PRAGMA journal_size_limit = 67108864",
                   fault);
    if (err == ERR_OK)
        err = schema_migrate(self->writer, self->file, schema_version_latest(), fault);
    if (err == ERR_OK)
        err = statements_prepare(self, fault);
    sqlite3_wal_hook(self->writer, wal_grew, self);
    return err;
}

_Static_assert(APPLICATION_ID == 1129272385 && WAL_BYTES_KEPT == 67108864, "as in the pragmas");

static enum err file_lock(struct sqlite_store *self, struct fault *fault)
{
    char name[4096];
    int const length = snprintf(name, sizeof name, "%s.lock", self->file);
    if (length < 0 || (size_t)length >= sizeof name)
        return fault_set(fault, ERR_STORE_FAILED, "database: file name is too long");
    self->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock < 0)
        return fault_set(fault, ERR_STORE_FAILED, "database: lock file: %s", strerror(errno));
    if (flock(self->lock, LOCK_EX | LOCK_NB) != 0)
        return fault_set(fault, ERR_STORE_FAILED, "database: another process writes to it");
    /* SQLite gives its log the mode of the file. */
    int const descriptor = open(self->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return fault_set(fault, ERR_STORE_FAILED, "database: %s", strerror(errno));
    close(descriptor);
    return ERR_OK;
}

enum err store_sqlite_open(struct str file, struct store **store, struct fault *fault)
{
    *store = NULL;
    struct sqlite_store *self = calloc(1, sizeof *self);
    if (self == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "database: no memory");
    self->store.ops = &ops;
    self->lock = -1;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->returned, NULL);
    self->file = strndup(file.ptr, file.len);
    enum err err = self->file != NULL ? file_lock(self, fault)
                                      : fault_set(fault, ERR_NO_MEMORY, "database: no memory");
    if (err == ERR_OK)
        err = writer_open(self, fault);
    if (err != ERR_OK) {
        store_sqlite_close(&self->store);
        return err;
    }
    *store = &self->store;
    return ERR_OK;
}

void store_sqlite_close(struct store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)(void *)store;
    MUST(self->readers_out == 0 && !self->began);
    for (size_t i = 0; i < self->reader_count; i++)
        sqlite3_close(self->readers[i]);
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(self->statements[i]);
    sqlite3_close(self->writer); /* the last one: folds the log into the file */
    if (self->lock >= 0)
        close(self->lock);
    pthread_cond_destroy(&self->returned);
    pthread_mutex_destroy(&self->mutex);
    free(self->file);
    free(self);
}

/* --- readers --- */

static sqlite3 *reader_open(const struct sqlite_store *self, struct fault *fault)
{
    sqlite3 *reader = NULL;
    int const flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(self->file, &reader, flags, NULL) != SQLITE_OK) {
        (void)sqlite_fault(reader, "open for reading", fault);
        sqlite3_close(reader);
        return NULL;
    }
    sqlite3_busy_timeout(reader, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (find_function_add(reader, fault) != ERR_OK) {
        sqlite3_close(reader);
        return NULL;
    }
    return reader;
}

/* readers[0 … reader_count) are at rest. */
sqlite3 *reader_take(struct sqlite_store *self, struct fault *fault)
{
    sqlite3 *reader = NULL;
    pthread_mutex_lock(&self->mutex);
    while (self->readers_out == READERS_MAX)
        pthread_cond_wait(&self->returned, &self->mutex);
    self->readers_out++;
    if (self->reader_count > 0)
        reader = self->readers[--self->reader_count];
    pthread_mutex_unlock(&self->mutex);
    if (reader == NULL)
        reader = reader_open(self, fault);
    if (reader == NULL)
        reader_return(self, NULL);
    return reader;
}

void reader_return(struct sqlite_store *self, sqlite3 *reader)
{
    pthread_mutex_lock(&self->mutex);
    MUST(self->readers_out > 0);
    self->readers_out--;
    if (reader != NULL)
        self->readers[self->reader_count++] = reader;
    pthread_cond_signal(&self->returned);
    pthread_mutex_unlock(&self->mutex);
}
