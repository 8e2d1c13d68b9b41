/* memory_read.c - the reading half of the memory backend, and its auditor.
 *
 * Rows are delivered in the same order as the database gives them: sorted copies of the tables.
 */
#include "store/memory/memory_int.h"
#include <stdlib.h>

static struct memory_store *self_of(struct store *store)
{
    return (struct memory_store *)(void *)store;
}

int memory_text_order(struct str a, struct str b)
{
    size_t const shorter = a.len < b.len ? a.len : b.len;
    int const order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int number_order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* A sorted copy of a table; .rows NULL with count > 0 when memory is short. */
static struct table sorted(struct memory_store *self, enum table_name name, row_order *order)
{
    pthread_mutex_lock(&self->mutex);
    struct table copy = self->tables[name];
    copy.rows = copy.count > 0 ? malloc(copy.count * copy.row_bytes) : NULL;
    if (copy.rows != NULL)
        memcpy(copy.rows, self->tables[name].rows, copy.count * copy.row_bytes);
    pthread_mutex_unlock(&self->mutex);
    if (copy.rows != NULL)
        qsort(copy.rows, copy.count, copy.row_bytes, order);
    return copy;
}

static enum err sorted_check(const struct table *table, struct fault *fault)
{
    if (table->count > 0 && table->rows == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "memory store: no memory");
    return ERR_OK;
}

enum err memory_sorted(struct store *store, enum table_name name, row_order *order,
                       struct table *copy, struct fault *fault)
{
    *copy = sorted(self_of(store), name, order);
    return sorted_check(copy, fault);
}

#define READ_TABLE(name, table_name, type, visit_type, order)                                      \
    static enum err name(struct store *store, visit_type *visit, void *owner, struct fault *fault) \
    {                                                                                              \
        struct table table = sorted(self_of(store), table_name, order);                            \
        enum err const err = sorted_check(&table, fault);                                          \
        const type *rows = table.rows;                                                             \
        for (size_t i = 0; err == ERR_OK && i < table.count; i++) {                                \
            if (!visit(owner, &rows[i]))                                                           \
                break;                                                                             \
        }                                                                                          \
        free(table.rows);                                                                          \
        return err;                                                                                \
    }

static int customer_order(const void *a, const void *b)
{
    return memory_text_order(((const struct customer_row *)a)->id,
                             ((const struct customer_row *)b)->id);
}
static int key_order(const void *a, const void *b)
{
    return memory_text_order(((const struct key_row *)a)->id, ((const struct key_row *)b)->id);
}
static int grant_order(const void *a, const void *b)
{
    return memory_text_order(((const struct grant_row *)a)->id, ((const struct grant_row *)b)->id);
}
static int hold_order(const void *a, const void *b)
{
    return memory_text_order(((const struct hold_row *)a)->id, ((const struct hold_row *)b)->id);
}
static int counter_order(const void *a, const void *b)
{
    const struct counter_row *left = a, *right = b;
    int const order = memory_text_order(left->customer_id, right->customer_id);
    return order != 0 ? order : memory_text_order(left->name, right->name);
}
static int idempotency_order(const void *a, const void *b)
{
    const struct idempotency_row *left = a, *right = b;
    int const order = memory_text_order(left->customer_id, right->customer_id);
    return order != 0 ? order : memcmp(left->key_hash, right->key_hash, sizeof left->key_hash);
}
static int bucket_order(const void *a, const void *b)
{
    const struct bucket_row *left = a, *right = b;
    int order = number_order(left->start_us, right->start_us);
    order = order != 0 ? order : memory_text_order(left->customer_id, right->customer_id);
    order = order != 0 ? order : memory_text_order(left->key_id, right->key_id);
    order = order != 0 ? order : memory_text_order(left->provider, right->provider);
    return order != 0 ? order : memory_text_order(left->model, right->model);
}
static int usage_order(const void *a, const void *b)
{
    return number_order((int64_t)((const struct usage_row *)a)->lsn,
                        (int64_t)((const struct usage_row *)b)->lsn);
}

READ_TABLE(memory_customers, TABLE_CUSTOMER, struct customer_row, customer_visit, customer_order)
READ_TABLE(memory_keys, TABLE_KEY, struct key_row, key_visit, key_order)
static bool any_or(struct str wanted, struct str value)
{
    return str_empty(wanted) || str_eq(wanted, value);
}

static int key_page_order(const void *a, const void *b)
{
    const struct key_row *left = a, *right = b;
    int const order = memory_text_order(left->customer_id, right->customer_id);
    return order != 0 ? order : memory_text_order(left->id, right->id);
}

static enum err memory_customer_page(struct store *store, const struct account_query *query,
                                     customer_visit *visit, void *owner, struct fault *fault)
{
    struct table table = sorted(self_of(store), TABLE_CUSTOMER, customer_order);
    enum err const err = sorted_check(&table, fault);
    const struct customer_row *rows = table.rows;
    size_t given = 0;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        if (memory_text_order(rows[i].id, query->after_customer) <= 0)
            continue;
        if ((query->limit > 0 && given++ == query->limit) || !visit(owner, &rows[i]))
            break;
    }
    free(table.rows);
    return err;
}

static enum err memory_key_page(struct store *store, const struct account_query *query,
                                key_visit *visit, void *owner, struct fault *fault)
{
    struct key_row cursor = {.customer_id = query->after_customer, .id = query->after_key};
    struct table table = sorted(self_of(store), TABLE_KEY, key_page_order);
    enum err const err = sorted_check(&table, fault);
    const struct key_row *rows = table.rows;
    size_t given = 0;
    if (!str_empty(query->customer_id))
        cursor.customer_id = query->customer_id;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        if (!any_or(query->customer_id, rows[i].customer_id) ||
            key_page_order(&rows[i], &cursor) <= 0)
            continue;
        if ((query->limit > 0 && given++ == query->limit) || !visit(owner, &rows[i]))
            break;
    }
    free(table.rows);
    return err;
}

READ_TABLE(memory_grants, TABLE_GRANT, struct grant_row, grant_visit, grant_order)
READ_TABLE(memory_counters, TABLE_COUNTER, struct counter_row, counter_visit, counter_order)
READ_TABLE(memory_holds, TABLE_HOLD, struct hold_row, hold_visit, hold_order)

static enum err memory_position(struct store *store, struct store_position *position,
                                struct fault *fault)
{
    struct memory_store *self = self_of(store);
    (void)fault;
    pthread_mutex_lock(&self->mutex);
    *position = self->position;
    pthread_mutex_unlock(&self->mutex);
    return ERR_OK;
}

static bool usage_matches(const struct usage_query *query, const struct usage_row *row)
{
    return any_or(query->customer_id, row->customer_id) && any_or(query->key_id, row->key_id) &&
           any_or(query->request_id, row->request_id) && any_or(query->model, row->model) &&
           any_or(query->provider, row->provider) && row->finished_us >= query->since_us &&
           (query->until_us <= 0 || row->finished_us < query->until_us) &&
           (query->before_lsn == 0 || row->lsn < query->before_lsn);
}

static enum err memory_usage_read(struct store *store, const struct usage_query *query,
                                  usage_visit *visit, void *owner, struct fault *fault)
{
    struct table table = sorted(self_of(store), TABLE_USAGE, usage_order);
    enum err const err = sorted_check(&table, fault);
    const struct usage_row *rows = table.rows;
    size_t given = 0;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        const struct usage_row *row = &rows[query->oldest_first ? i : table.count - 1 - i];
        if (!usage_matches(query, row))
            continue;
        if ((query->limit > 0 && given++ == query->limit) || !visit(owner, row))
            break;
    }
    free(table.rows);
    return err;
}

static enum err memory_buckets(struct store *store, const struct bucket_query *query,
                               bucket_visit *visit, void *owner, struct fault *fault)
{
    struct table table = sorted(self_of(store), TABLE_BUCKET, bucket_order);
    enum err const err = sorted_check(&table, fault);
    const struct bucket_row *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        const struct bucket_row *row = &rows[i];
        if (row->start_us < query->since_us ||
            (query->until_us > 0 && row->start_us >= query->until_us) ||
            !any_or(query->customer_id, row->customer_id) || !any_or(query->key_id, row->key_id))
            continue;
        if (!visit(owner, row))
            break;
    }
    free(table.rows);
    return err;
}

static enum err memory_idempotency(struct store *store, idempotency_visit *visit, void *owner,
                                   struct fault *fault)
{
    struct table table = sorted(self_of(store), TABLE_IDEMPOTENCY, idempotency_order);
    enum err const err = sorted_check(&table, fault);
    const struct idempotency_row *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        struct idempotency_row row = rows[i];
        row.body = (struct str){0};
        if (!visit(owner, &row))
            break;
    }
    free(table.rows);
    return err;
}

static enum err memory_idempotency_get(struct store *store, struct str customer_id,
                                       const unsigned char key_hash[32], idempotency_visit *visit,
                                       void *owner, bool *found, struct fault *fault)
{
    struct table table = sorted(self_of(store), TABLE_IDEMPOTENCY, idempotency_order);
    enum err const err = sorted_check(&table, fault);
    const struct idempotency_row *rows = table.rows;
    *found = false;
    for (size_t i = 0; err == ERR_OK && i < table.count && !*found; i++) {
        *found = str_eq(rows[i].customer_id, customer_id) &&
                 memcmp(rows[i].key_hash, key_hash, sizeof rows[i].key_hash) == 0;
        if (*found)
            visit(owner, &rows[i]);
    }
    free(table.rows);
    return err;
}

static enum err memory_ledger_sum(struct store *store, struct str customer_id, struct str account,
                                  struct money *sum, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    (void)fault;
    pthread_mutex_lock(&self->mutex);
    const struct ledger_entry_kept *rows = self->tables[TABLE_ENTRY].rows;
    sum->nano = 0;
    for (size_t i = 0; i < self->tables[TABLE_ENTRY].count; i++) {
        if (str_eq(rows[i].row.account, account) && str_eq(rows[i].row.customer_id, customer_id))
            sum->nano += rows[i].row.amount.nano;
    }
    pthread_mutex_unlock(&self->mutex);
    return ERR_OK;
}

/* --- the auditor: the same rules as sqlite/audit.c, counted by hand --- */

static int64_t entries_sum(const struct memory_store *self, int64_t txn, struct str account,
                           struct str customer_id)
{
    const struct ledger_entry_kept *rows = self->tables[TABLE_ENTRY].rows;
    int64_t sum = 0;
    for (size_t i = 0; i < self->tables[TABLE_ENTRY].count; i++) {
        if ((txn == 0 || rows[i].txn == txn) && any_or(account, rows[i].row.account) &&
            any_or(customer_id, rows[i].row.customer_id))
            sum += rows[i].row.amount.nano;
    }
    return sum;
}

static enum err audit_credit(const struct memory_store *self, struct fault *fault)
{
    const struct customer_row *customers = self->tables[TABLE_CUSTOMER].rows;
    const struct grant_row *grants = self->tables[TABLE_GRANT].rows;
    for (size_t i = 0; i < self->tables[TABLE_CUSTOMER].count; i++) {
        int64_t left = 0;
        for (size_t j = 0; j < self->tables[TABLE_GRANT].count; j++) {
            if (str_eq(grants[j].customer_id, customers[i].id))
                left += grants[j].remaining.nano;
        }
        if (entries_sum(self, 0, STR("credit"), customers[i].id) != left)
            return fault_set(fault, ERR_CORRUPT,
                             "audit: credit account differs from what the grants have left: %.*s",
                             STR_ARG(customers[i].id));
    }
    return ERR_OK;
}

static bool in_bucket(const struct usage_row *row, const struct bucket_row *bucket)
{
    return row->finished_us - row->finished_us % BUCKET_US == bucket->start_us &&
           str_eq(row->customer_id, bucket->customer_id) && str_eq(row->key_id, bucket->key_id) &&
           str_eq(row->provider, bucket->provider) && str_eq(row->model, bucket->model);
}

static enum err audit_buckets(const struct memory_store *self, struct fault *fault)
{
    const struct bucket_row *buckets = self->tables[TABLE_BUCKET].rows;
    const struct usage_row *rows = self->tables[TABLE_USAGE].rows;
    int64_t counted = 0;
    for (size_t i = 0; i < self->tables[TABLE_BUCKET].count; i++) {
        int64_t requests = 0, cost = 0, charged = 0, charge = 0;
        for (size_t j = 0; j < self->tables[TABLE_USAGE].count; j++) {
            if (!in_bucket(&rows[j], &buckets[i]))
                continue;
            requests++;
            cost += rows[j].cost.nano;
            charged += rows[j].charged.nano;
            charge += usage_row_charge(&rows[j]).nano;
        }
        counted += requests;
        if (requests != buckets[i].requests || cost != buckets[i].cost.nano ||
            charged != buckets[i].charged.nano || charge != buckets[i].charge.nano)
            return fault_set(fault, ERR_CORRUPT, "audit: buckets differ from the usage rows: %.*s",
                             STR_ARG(buckets[i].customer_id));
    }
    if (counted != (int64_t)self->tables[TABLE_USAGE].count)
        return fault_set(fault, ERR_CORRUPT, "audit: buckets differ from the usage rows: count");
    return ERR_OK;
}

static bool txn_exists(const struct memory_store *self, int64_t id)
{
    const struct ledger_txn_row *rows = self->tables[TABLE_TXN].rows;
    for (size_t i = 0; i < self->tables[TABLE_TXN].count; i++) {
        if (rows[i].id == id)
            return true;
    }
    return false;
}

static enum err audit_usage_row(const struct memory_store *self, const struct usage_row *row,
                                struct fault *fault)
{
    int64_t const owed = row->charged.nano + row->overage.nano + row->debt.nano;
    if (row->cost.nano < 0 || row->charged.nano < 0 || row->covered.nano < 0 ||
        row->overage.nano < 0 || row->debt.nano < 0 || row->held.nano < 0)
        return fault_set(fault, ERR_CORRUPT, "audit: usage row with an amount below zero: %llu",
                         (unsigned long long)row->lsn);
    if (row->ledger_txn == 0 && owed != 0)
        return fault_set(fault, ERR_CORRUPT,
                         "audit: usage row with a charge but without a ledger transaction: %llu",
                         (unsigned long long)row->lsn);
    if (row->ledger_txn == 0)
        return ERR_OK;
    const struct usage_row *rows = self->tables[TABLE_USAGE].rows;
    int64_t charged = 0, all = 0;
    for (size_t i = 0; i < self->tables[TABLE_USAGE].count; i++) {
        if (rows[i].ledger_txn != row->ledger_txn)
            continue;
        charged += rows[i].charged.nano;
        all += rows[i].charged.nano + rows[i].overage.nano + rows[i].debt.nano;
    }
    int64_t const taken = entries_sum(self, row->ledger_txn, STR("credit"), STR("")) +
                          entries_sum(self, row->ledger_txn, STR("breakage"), STR(""));
    if (!txn_exists(self, row->ledger_txn) || taken != -charged ||
        entries_sum(self, row->ledger_txn, STR("revenue"), STR("")) != all)
        return fault_set(fault, ERR_CORRUPT,
                         "audit: charges of usage rows differ from their ledger transaction: %lld",
                         (long long)row->ledger_txn);
    return ERR_OK;
}

static enum err memory_audit(struct store *store, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    pthread_mutex_lock(&self->mutex);
    const struct ledger_txn_row *txns = self->tables[TABLE_TXN].rows;
    const struct usage_row *rows = self->tables[TABLE_USAGE].rows;
    enum err err = ERR_OK;
    for (size_t i = 0; i < self->tables[TABLE_TXN].count && err == ERR_OK; i++) {
        if (entries_sum(self, txns[i].id, STR(""), STR("")) != 0)
            err = fault_set(fault, ERR_CORRUPT, "audit: ledger transaction does not sum to zero");
    }
    if (err == ERR_OK)
        err = audit_credit(self, fault);
    if (err == ERR_OK)
        err = audit_buckets(self, fault);
    for (size_t i = 0; i < self->tables[TABLE_USAGE].count && err == ERR_OK; i++)
        err = audit_usage_row(self, &rows[i], fault);
    pthread_mutex_unlock(&self->mutex);
    return err;
}

const struct store_ops memory_read_ops = {
    .name = "memory",
    .position = memory_position,
    .customers = memory_customers,
    .keys = memory_keys,
    .customer_page = memory_customer_page,
    .key_page = memory_key_page,
    .grants = memory_grants,
    .counters = memory_counters,
    .holds = memory_holds,
    .usage = memory_usage_read,
    .buckets = memory_buckets,
    .idempotency = memory_idempotency,
    .idempotency_get = memory_idempotency_get,
    .ledger_sum = memory_ledger_sum,
    .audit = memory_audit,
};
