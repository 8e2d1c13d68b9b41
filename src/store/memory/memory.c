/* memory.c - the writing half of the memory backend. */
#include "base/arena.h"
#include "base/must.h"
#include "store/memory/memory_int.h"
#include <stdlib.h>

static struct memory_store *self_of(struct store *store)
{
    return (struct memory_store *)(void *)store;
}

static enum err no_memory(struct fault *fault)
{
    return fault_set(fault, ERR_NO_MEMORY, "memory store: no memory");
}

/* A row's place at the end of its table; NULL when memory is short. */
static void *table_add(struct table *table)
{
    if (table->count == table->capacity) {
        size_t const capacity = table->capacity > 0 ? 2 * table->capacity : 16;
        void *rows = realloc(table->rows, capacity * table->row_bytes);
        if (rows == NULL)
            return NULL;
        table->rows = rows;
        table->capacity = capacity;
    }
    return (char *)table->rows + table->row_bytes * table->count++;
}

static void table_remove(struct table *table, size_t at)
{
    char *row = (char *)table->rows + at * table->row_bytes;
    memmove(row, row + table->row_bytes, (table->count - at - 1) * table->row_bytes);
    table->count--;
}

void memory_own(struct memory_store *self, struct str *text, bool *ok)
{
    if (text->len == 0) {
        *text = (struct str){0};
        return;
    }
    *text = arena_copy(self->texts, *text);
    *ok = *ok && text->ptr != NULL;
}

void memory_row_remove(struct memory_store *self, enum table_name name, size_t at)
{
    table_remove(&self->tables[name], at);
}

/* --- transactions --- */

static enum err memory_begin(struct store *store, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    pthread_mutex_lock(&self->mutex);
    MUST(!self->began);
    for (size_t i = 0; i < TABLES_COPIED; i++) {
        struct table *before = &self->before[i];
        const struct table *now = &self->tables[i];
        before->count = 0;
        while (before->count < now->count) {
            if (table_add(before) == NULL) {
                pthread_mutex_unlock(&self->mutex);
                return no_memory(fault);
            }
        }
        if (now->count > 0)
            memcpy(before->rows, now->rows, now->count * now->row_bytes);
    }
    for (size_t i = 0; i < TABLE_COUNT; i++)
        self->count_before[i] = self->tables[i].count;
    self->began = true;
    return ERR_OK;
}

static enum err memory_commit(struct store *store, struct store_position position,
                              struct fault *fault)
{
    struct memory_store *self = self_of(store);
    (void)fault;
    MUST(self->began);
    self->position = position;
    self->began = false;
    pthread_mutex_unlock(&self->mutex);
    return ERR_OK;
}

static void memory_rollback(struct store *store)
{
    struct memory_store *self = self_of(store);
    MUST(self->began);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        self->tables[i].count = self->count_before[i];
    for (size_t i = 0; i < TABLES_COPIED; i++) {
        struct table const now = self->tables[i];
        self->tables[i] = self->before[i];
        self->before[i] = now;
    }
    self->began = false;
    pthread_mutex_unlock(&self->mutex);
}

/* --- rows --- */

enum err memory_row_put(struct memory_store *self, enum table_name name, void *found,
                        const void *row, bool owned, struct fault *fault)
{
    struct table *table = &self->tables[name];
    MUST(self->began);
    if (!owned)
        return no_memory(fault);
    void *place = found != NULL ? found : table_add(table);
    if (place == NULL)
        return no_memory(fault);
    memcpy(place, row, table->row_bytes);
    return ERR_OK;
}

#define EACH(self, name, type, row)                                                                \
    for (type *row = (self)->tables[name].rows,                                                    \
              *row##_end = row != NULL ? row + (self)->tables[name].count : NULL;                  \
         row < row##_end; row++)

static enum err memory_customer(struct store *store, const struct customer_row *row,
                                struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct customer_row copy = *row;
    struct customer_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_CUSTOMER, struct customer_row, at)
    {
        if (str_eq(at->id, row->id))
            found = at;
    }
    memory_own(self, &copy.id, &ok);
    memory_own(self, &copy.currency, &ok);
    return memory_row_put(self, TABLE_CUSTOMER, found, &copy, ok, fault);
}

static enum err memory_key(struct store *store, const struct key_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct key_row copy = *row;
    struct key_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_KEY, struct key_row, at)
    {
        if (str_eq(at->id, row->id))
            found = at;
    }
    memory_own(self, &copy.id, &ok);
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.name, &ok);
    memory_own(self, &copy.prefix, &ok);
    return memory_row_put(self, TABLE_KEY, found, &copy, ok, fault);
}

static enum err memory_grant(struct store *store, const struct grant_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct grant_row copy = *row;
    struct grant_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_GRANT, struct grant_row, at)
    {
        if (str_eq(at->id, row->id))
            found = at;
    }
    memory_own(self, &copy.id, &ok);
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.category, &ok);
    memory_own(self, &copy.source_type, &ok);
    memory_own(self, &copy.source_id, &ok);
    memory_own(self, &copy.features, &ok);
    return memory_row_put(self, TABLE_GRANT, found, &copy, ok, fault);
}

static enum err memory_grant_left(struct store *store, struct str id, struct money remaining,
                                  int status, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    MUST(self->began);
    EACH(self, TABLE_GRANT, struct grant_row, at)
    {
        if (!str_eq(at->id, id))
            continue;
        at->remaining = remaining;
        at->status = status >= 0 ? status : at->status;
        return ERR_OK;
    }
    return fault_set(fault, ERR_STORE_FAILED, "memory store: no grant %.*s", STR_ARG(id));
}

static enum err memory_counter(struct store *store, const struct counter_row *row,
                               struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct counter_row copy = *row;
    struct counter_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_COUNTER, struct counter_row, at)
    {
        if (str_eq(at->customer_id, row->customer_id) && str_eq(at->name, row->name))
            found = at;
    }
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.name, &ok);
    return memory_row_put(self, TABLE_COUNTER, found, &copy, ok, fault);
}

static enum err memory_hold(struct store *store, const struct hold_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct hold_row copy = *row;
    struct hold_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_HOLD, struct hold_row, at)
    {
        if (str_eq(at->id, row->id))
            found = at;
    }
    memory_own(self, &copy.id, &ok);
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.record, &ok);
    return memory_row_put(self, TABLE_HOLD, found, &copy, ok, fault);
}

static enum err memory_hold_delete(struct store *store, struct str id, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    const struct hold_row *holds = self->tables[TABLE_HOLD].rows;
    (void)fault;
    MUST(self->began);
    for (size_t i = 0; i < self->tables[TABLE_HOLD].count; i++) {
        if (str_eq(holds[i].id, id)) {
            table_remove(&self->tables[TABLE_HOLD], i);
            break;
        }
    }
    return ERR_OK;
}

static enum err memory_usage(struct store *store, const struct usage_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct usage_row copy = *row;
    bool ok = true;
    EACH(self, TABLE_USAGE, struct usage_row, at)
    {
        if (at->lsn == row->lsn)
            return fault_set(fault, ERR_STORE_FAILED, "memory store: usage row %llu exists",
                             (unsigned long long)row->lsn);
    }
    struct str *const texts[] = {
        &copy.request_id, &copy.hold_id,  &copy.customer_id,    &copy.key_id,  &copy.user,
        &copy.feature,    &copy.module,   &copy.profile,        &copy.group,   &copy.endpoint,
        &copy.model,      &copy.provider, &copy.upstream_model, &copy.outcome, &copy.decision,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        memory_own(self, texts[i], &ok);
    return memory_row_put(self, TABLE_USAGE, NULL, &copy, ok, fault);
}

static bool same_bucket(const struct bucket_row *a, const struct bucket_row *b)
{
    return a->start_us == b->start_us && str_eq(a->customer_id, b->customer_id) &&
           str_eq(a->key_id, b->key_id) && str_eq(a->provider, b->provider) &&
           str_eq(a->model, b->model);
}

static enum err memory_bucket(struct store *store, const struct bucket_row *row,
                              struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct bucket_row copy = *row;
    bool ok = true;
    EACH(self, TABLE_BUCKET, struct bucket_row, at)
    {
        if (!same_bucket(at, row))
            continue;
        MUST(self->began);
        at->requests += row->requests;
        at->failures += row->failures;
        at->latency_us += row->latency_us;
        at->cost.nano += row->cost.nano;
        at->charged.nano += row->charged.nano;
        at->charge.nano += row->charge.nano;
        for (int pool = 0; pool < POOL_COUNT; pool++)
            at->tokens[pool] += row->tokens[pool];
        return ERR_OK;
    }
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.key_id, &ok);
    memory_own(self, &copy.provider, &ok);
    memory_own(self, &copy.model, &ok);
    return memory_row_put(self, TABLE_BUCKET, NULL, &copy, ok, fault);
}

static bool txn_sums_to_zero(const struct ledger_txn_row *row)
{
    struct money sum = {0};
    for (size_t i = 0; i < row->entry_count; i++) {
        if (!money_add(sum, row->entries[i].amount, &sum))
            return false;
    }
    return sum.nano == 0;
}

static enum err memory_ledger(struct store *store, const struct ledger_txn_row *row,
                              struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct ledger_txn_row copy = *row;
    bool ok = true;
    if (!txn_sums_to_zero(row))
        return fault_set(fault, ERR_STORE_FAILED, "ledger: transaction %lld does not sum to zero",
                         (long long)row->id);
    EACH(self, TABLE_TXN, struct ledger_txn_row, at)
    {
        if (at->id == row->id ||
            (str_eq(at->kind, row->kind) && str_eq(at->source_type, row->source_type) &&
             str_eq(at->source_id, row->source_id)))
            return fault_set(fault, ERR_STORE_FAILED, "ledger: transaction %lld is there already",
                             (long long)row->id);
    }
    memory_own(self, &copy.kind, &ok);
    memory_own(self, &copy.source_type, &ok);
    memory_own(self, &copy.source_id, &ok);
    memory_own(self, &copy.currency, &ok);
    copy.entries = NULL; /* in their own table */
    enum err err = memory_row_put(self, TABLE_TXN, NULL, &copy, ok, fault);
    for (size_t i = 0; i < row->entry_count && err == ERR_OK; i++) {
        struct ledger_entry_kept entry = {row->id, row->entries[i]};
        memory_own(self, &entry.row.account, &ok);
        memory_own(self, &entry.row.customer_id, &ok);
        memory_own(self, &entry.row.grant_id, &ok);
        err = memory_row_put(self, TABLE_ENTRY, NULL, &entry, ok, fault);
    }
    return err;
}

static enum err memory_idempotency(struct store *store, const struct idempotency_row *row,
                                   struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct idempotency_row copy = *row;
    struct idempotency_row *found = NULL;
    bool ok = true;
    EACH(self, TABLE_IDEMPOTENCY, struct idempotency_row, at)
    {
        if (str_eq(at->customer_id, row->customer_id) &&
            memcmp(at->key_hash, row->key_hash, sizeof row->key_hash) == 0)
            found = at;
    }
    memory_own(self, &copy.customer_id, &ok);
    memory_own(self, &copy.content_type, &ok);
    memory_own(self, &copy.headers, &ok);
    memory_own(self, &copy.body, &ok);
    return memory_row_put(self, TABLE_IDEMPOTENCY, found, &copy, ok, fault);
}

static enum err memory_forget(struct store *store, int64_t now_us, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    const struct counter_row *counters = self->tables[TABLE_COUNTER].rows;
    const struct idempotency_row *keys = self->tables[TABLE_IDEMPOTENCY].rows;
    (void)fault;
    MUST(self->began);
    for (size_t i = self->tables[TABLE_COUNTER].count; i-- > 0;) {
        if (counters[i].until_us > 0 && counters[i].until_us <= now_us)
            table_remove(&self->tables[TABLE_COUNTER], i);
    }
    for (size_t i = self->tables[TABLE_IDEMPOTENCY].count; i-- > 0;) {
        if (keys[i].expires_us <= now_us)
            table_remove(&self->tables[TABLE_IDEMPOTENCY], i);
    }
    return ERR_OK;
}

static void memory_close(struct store *store)
{
    struct memory_store *self = self_of(store);
    MUST(!self->began);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        free(self->tables[i].rows);
    for (size_t i = 0; i < TABLES_COPIED; i++)
        free(self->before[i].rows);
    arena_free(self->texts);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static void ops_fill(struct store_ops *ops)
{
    *ops = memory_read_ops;
    ops->begin = memory_begin;
    ops->commit = memory_commit;
    ops->rollback = memory_rollback;
    ops->customer_put = memory_customer;
    ops->key_put = memory_key;
    ops->grant_put = memory_grant;
    ops->grant_left = memory_grant_left;
    ops->counter_put = memory_counter;
    ops->hold_put = memory_hold;
    ops->hold_delete = memory_hold_delete;
    ops->usage_add = memory_usage;
    ops->bucket_add = memory_bucket;
    ops->ledger_add = memory_ledger;
    ops->idempotency_put = memory_idempotency;
    memory_alerts_fill(ops);
    memory_endings_fill(ops);
    memory_basis_fill(ops);
    memory_objects_fill(ops);
    ops->forget = memory_forget;
    ops->close = memory_close;
}

struct store *store_memory_open(void)
{
    static const size_t row_bytes[TABLE_COUNT] = {
        sizeof(struct customer_row),    sizeof(struct key_row),
        sizeof(struct grant_row),       sizeof(struct counter_row),
        sizeof(struct hold_row),        sizeof(struct bucket_row),
        sizeof(struct idempotency_row), sizeof(struct alert_row),
        sizeof(struct object_row),      sizeof(struct usage_row),
        sizeof(struct ledger_txn_row),  sizeof(struct ledger_entry_kept),
        sizeof(struct audit_row),       sizeof(struct basis_row),
    };
    struct memory_store *self = calloc(1, sizeof *self);
    struct arena *texts = arena_new(TEXT_BYTES_MAX);
    if (self == NULL || texts == NULL) {
        free(self);
        arena_free(texts);
        return NULL;
    }
    ops_fill(&self->ops);
    self->store.ops = &self->ops;
    self->texts = texts;
    self->position.recover_lsn = 1;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        self->tables[i].row_bytes = row_bytes[i];
        if (i < TABLES_COPIED)
            self->before[i].row_bytes = row_bytes[i];
    }
    pthread_mutex_init(&self->mutex, NULL);
    return &self->store;
}
