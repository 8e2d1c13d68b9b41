/* project_sums.c - adding up a batch, so that the database is told each thing once. */
#include "base/crc32c.h"
#include "base/must.h"
#include "book/customer_int.h"
#include "book/project_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_MIN = 64 };

/* --- the table --- */

static uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 29;
}

static void *sums_row(const struct sums *sums, uint32_t number)
{
    return sums->rows + (size_t)number * sums->row_bytes;
}

static void sums_slot(struct sums *sums, uint64_t hash, uint32_t number)
{
    size_t at = hash & (sums->slot_count - 1);
    while (sums->slots[at] != 0)
        at = (at + 1) & (sums->slot_count - 1);
    sums->slots[at] = number + 1;
}

static bool sums_grow(struct sums *sums)
{
    size_t const slot_count = sums->slot_count > 0 ? 2 * sums->slot_count : SLOTS_MIN;
    char *rows = realloc(sums->rows, slot_count / 2 * sums->row_bytes);
    if (rows == NULL)
        return false;
    sums->rows = rows;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    free(sums->slots);
    sums->slots = slots;
    sums->slot_count = slot_count;
    sums->capacity = slot_count / 2;
    for (uint32_t i = 0; i < sums->count; i++)
        sums_slot(sums, *(const uint64_t *)sums_row(sums, i), i);
    return true;
}

/* The row of `key`; a fresh one is zero but for its hash. NULL: memory is short. */
static void *sums_find(struct sums *sums, uint64_t hash, sums_same *same, const void *key,
                       bool *fresh)
{
    *fresh = false;
    if (sums->count == sums->capacity && !sums_grow(sums))
        return NULL;
    size_t at = hash & (sums->slot_count - 1);
    for (; sums->slots[at] != 0; at = (at + 1) & (sums->slot_count - 1)) {
        void *row = sums_row(sums, sums->slots[at] - 1);
        if (*(const uint64_t *)row == hash && same(row, key))
            return row;
    }
    void *row = sums_row(sums, (uint32_t)sums->count);
    memset(row, 0, sums->row_bytes);
    memcpy(row, &hash, sizeof hash);
    sums->slots[at] = (uint32_t)++sums->count;
    *fresh = true;
    return row;
}

static uint32_t sums_number(const struct sums *sums, const void *row)
{
    return (uint32_t)((size_t)((const char *)row - sums->rows) / sums->row_bytes);
}

void batch_sums_init(struct batch_sums *sums)
{
    *sums = (struct batch_sums){
        .customers.row_bytes = sizeof(struct sum_customer),
        .keys.row_bytes = sizeof(struct sum_key),
        .grants.row_bytes = sizeof(struct sum_grant),
        .windows.row_bytes = sizeof(struct sum_window),
        .buckets.row_bytes = sizeof(struct sum_bucket),
    };
}

#define EACH_TABLE(sums, table)                                                                    \
    for (struct sums *const tables[] = {&(sums)->customers, &(sums)->keys, &(sums)->grants,        \
                                        &(sums)->windows, &(sums)->buckets},                       \
                            *const *at = tables, *table;                                           \
         at < tables + sizeof tables / sizeof tables[0] && (table = *at, true); at++)

void batch_sums_clear(struct batch_sums *sums)
{
    EACH_TABLE(sums, table)
    {
        if (table->count > 0)
            memset(table->slots, 0, table->slot_count * sizeof *table->slots);
        table->count = 0;
    }
}

void batch_sums_free(struct batch_sums *sums)
{
    EACH_TABLE(sums, table)
    {
        free(table->rows);
        free(table->slots);
    }
    batch_sums_init(sums);
}

/* --- adding --- */

static bool same_customer(const void *row, const void *key)
{
    return str_eq(((const struct sum_customer *)row)->id, *(const struct str *)key);
}

enum err sums_customer(struct batch_sums *sums, struct book *book, struct str id, uint32_t *number)
{
    bool fresh;
    struct sum_customer *row =
        sums_find(&sums->customers, mix(crc32c((uint32_t)id.len, id)), same_customer, &id, &fresh);
    if (row == NULL)
        return ERR_NO_MEMORY;
    if (fresh) {
        const struct customer *customer = book_find_customer(book, id);
        row->id = id;
        row->currency = customer != NULL ? customer_currency(customer) : STR("USD");
    }
    *number = sums_number(&sums->customers, row);
    return ERR_OK;
}

struct sum_customer *sums_customer_at(struct batch_sums *sums, uint32_t number)
{
    return sums_row(&sums->customers, number);
}

static bool same_key(const void *row, const void *key)
{
    return ulid_eq(((const struct sum_key *)row)->id, *(const struct ulid *)key);
}

static void limiter_take(struct record_limiters *into, const struct record_limiters *from,
                         enum record_limiter limiter)
{
    if ((from->set & 1u << limiter) == 0)
        return;
    into->set |= 1u << limiter;
    into->tat[limiter] = from->tat[limiter];
}

enum err sums_limiters(struct batch_sums *sums, uint32_t customer, struct ulid key,
                       const struct record_limiters *limiters)
{
    unsigned const of_key = 1u << LIMITER_KEY_REQUESTS | 1u << LIMITER_KEY_TOKENS;
    struct sum_customer *owner = sums_customer_at(sums, customer);
    limiter_take(&owner->limiters, limiters, LIMITER_CUSTOMER_REQUESTS);
    limiter_take(&owner->limiters, limiters, LIMITER_CUSTOMER_TOKENS);
    limiter_take(&owner->limiters, limiters, LIMITER_CUSTOMER_THROTTLE);
    if ((limiters->set & of_key) == 0)
        return ERR_OK;
    bool fresh;
    struct sum_key *row = sums_find(&sums->keys, mix(key.low ^ key.high), same_key, &key, &fresh);
    if (row == NULL)
        return ERR_NO_MEMORY;
    row->id = key;
    row->customer = customer;
    limiter_take(&row->limiters, limiters, LIMITER_KEY_REQUESTS);
    limiter_take(&row->limiters, limiters, LIMITER_KEY_TOKENS);
    return ERR_OK;
}

static bool same_window(const void *row, const void *key)
{
    const struct sum_window *a = row, *b = key;
    return a->customer == b->customer && a->line.counter == b->line.counter &&
           a->line.kind == b->line.kind && a->line.metric == b->line.metric &&
           a->line.start_us == b->line.start_us && a->line.end_us == b->line.end_us;
}

enum err sums_window(struct batch_sums *sums, uint32_t customer,
                     const struct record_window_line *line, const struct record_rollover *rollover)
{
    bool fresh;
    struct sum_window const key = {.customer = customer, .line = *line};
    uint64_t const hash = mix((uint64_t)line->start_us ^ (uint64_t)customer << 40 ^ line->counter);
    struct sum_window *row = sums_find(&sums->windows, hash, same_window, &key, &fresh);
    if (row == NULL)
        return ERR_NO_MEMORY;
    int64_t const used = row->line.used;
    row->customer = customer;
    row->line = *line;
    if (rollover == NULL) {
        row->used = true;
    } else {
        row->line.used = used;
        row->rollover = *rollover;
    }
    return ERR_OK;
}

static bool same_bucket(const void *row, const void *key)
{
    const struct sum_bucket *a = row, *b = key;
    return a->row.start_us == b->row.start_us && ulid_eq(a->key, b->key) &&
           str_eq(a->row.model, b->row.model) && str_eq(a->row.provider, b->row.provider) &&
           str_eq(a->row.customer_id, b->row.customer_id);
}

enum err sums_bucket(struct batch_sums *sums, const struct bucket_row *row, struct ulid key)
{
    bool fresh;
    struct sum_bucket const wanted = {.key = key, .row = *row};
    uint64_t const hash = mix((uint64_t)row->start_us ^ key.low ^ key.high ^
                              crc32c(crc32c(0, row->model), row->provider));
    struct sum_bucket *found = sums_find(&sums->buckets, hash, same_bucket, &wanted, &fresh);
    if (found == NULL)
        return ERR_NO_MEMORY;
    if (fresh) {
        found->key = key;
        found->row = *row;
        return ERR_OK;
    }
    found->row.requests += row->requests;
    found->row.failures += row->failures;
    found->row.latency_us += row->latency_us;
    found->row.cost.nano += row->cost.nano;
    found->row.charged.nano += row->charged.nano;
    found->row.charge.nano += row->charge.nano;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        found->row.tokens[pool] += row->tokens[pool];
    return ERR_OK;
}

static bool same_grant(const void *row, const void *key)
{
    return ulid_eq(((const struct sum_grant *)row)->id, *(const struct ulid *)key);
}

static bool add(int64_t *sum, int64_t amount)
{
    return !__builtin_add_overflow(*sum, amount, sum);
}

static enum err sums_grant(struct batch_sums *sums, uint32_t customer,
                           const struct record_grant_line *line)
{
    bool fresh;
    struct sum_customer *owner = sums_customer_at(sums, customer);
    struct sum_grant *row = sums_find(&sums->grants, mix(line->grant.low ^ line->grant.high),
                                      same_grant, &line->grant, &fresh);
    if (row == NULL)
        return ERR_NO_MEMORY;
    if (fresh) {
        row->id = line->grant;
        row->next = owner->first_grant;
        owner->first_grant = sums_number(&sums->grants, row) + 1;
    }
    row->remaining = line->remaining;
    bool const fits = add(&row->charged, line->amount) && add(&row->breakage, line->breakage) &&
                      add(&owner->breakage, line->breakage);
    return fits ? ERR_OK : ERR_CORRUPT;
}

void sums_grant_left(struct batch_sums *sums, struct ulid grant, int64_t remaining)
{
    uint64_t const hash = mix(grant.low ^ grant.high);
    for (size_t at = hash & (sums->grants.slot_count - 1);
         sums->grants.slot_count > 0 && sums->grants.slots[at] != 0;
         at = (at + 1) & (sums->grants.slot_count - 1)) {
        struct sum_grant *row = sums_row(&sums->grants, sums->grants.slots[at] - 1);
        if (ulid_eq(row->id, grant))
            row->remaining = remaining;
    }
}

static void totals_take(struct sum_customer *owner, const struct record_end *end)
{
    owner->totals = end->totals;
    owner->totals_set |= (unsigned)(end->charge.nano > 0) << TOTAL_SETTLED |
                         (unsigned)(end->charged.nano > 0) << TOTAL_CONSUMED |
                         (unsigned)(end->covered.nano > 0) << TOTAL_COVERED |
                         (unsigned)(end->overage.nano > 0) << TOTAL_OVERAGE |
                         (unsigned)(end->debt.nano > 0) << TOTAL_DEBT;
}

enum err sums_end(struct batch_sums *sums, uint32_t customer, const struct record_end *end)
{
    int64_t const before = sums_customer_at(sums, customer)->breakage;
    for (size_t i = 0; i < end->grant_count; i++) {
        enum err const err = sums_grant(sums, customer, &end->grants[i]);
        if (err != ERR_OK)
            return err;
    }
    struct sum_customer *owner = sums_customer_at(sums, customer);
    totals_take(owner, end);
    if (owner->breakage != before)
        owner->totals_set |= 1u << TOTAL_BREAKAGE;
    bool const fits = add(&owner->charged, end->charged.nano) &&
                      add(&owner->overage, end->overage.nano) && add(&owner->debt, end->debt.nano);
    return fits ? ERR_OK : ERR_CORRUPT;
}

/* --- writing --- */

/* Entries of one transaction, sent to the store in one go: a customer's grants are few. */
enum { ENTRIES_MAX = 3 * 4096 };

struct entries {
    struct ledger_entry_row *rows;
    char (*ids)[ULID_TEXT_BYTES];
    size_t count, capacity;
};

static bool entries_room(struct entries *entries, size_t more)
{
    size_t const wanted = entries->count + more;
    if (wanted <= entries->capacity)
        return true;
    size_t const capacity = wanted * 2;
    struct ledger_entry_row *rows = realloc(entries->rows, capacity * sizeof *rows);
    if (rows != NULL)
        entries->rows = rows;
    char(*ids)[ULID_TEXT_BYTES] = realloc(entries->ids, capacity * sizeof *ids);
    if (ids != NULL)
        entries->ids = ids;
    if (rows == NULL || ids == NULL)
        return false;
    entries->capacity = capacity;
    for (size_t i = 0; i < entries->count; i++) { /* the texts have moved */
        if (entries->rows[i].grant_id.len > 0)
            entries->rows[i].grant_id.ptr = entries->ids[i];
    }
    return true;
}

static bool entry_add(struct entries *entries, struct str account, struct str customer,
                      const struct ulid *grant, int64_t amount)
{
    if (amount == 0)
        return true;
    if (entries->count == ENTRIES_MAX || !entries_room(entries, 1))
        return false;
    size_t const at = entries->count++;
    struct str id = {0};
    if (grant != NULL) {
        ulid_text(*grant, entries->ids[at]);
        id = str_make(entries->ids[at], ULID_TEXT_BYTES);
    }
    entries->rows[at] = (struct ledger_entry_row){
        .account = account, .customer_id = customer, .grant_id = id, .amount = {amount}};
    return true;
}

static bool entries_fill(struct entries *entries, const struct batch_sums *sums,
                         const struct sum_customer *owner)
{
    bool ok = true;
    entries->count = 0;
    for (uint32_t i = owner->first_grant; i != 0;) {
        const struct sum_grant *grant = sums_row(&sums->grants, i - 1);
        ok = ok && entry_add(entries, STR("credit"), owner->id, &grant->id,
                             -grant->charged - grant->breakage);
        i = grant->next;
    }
    return ok && entry_add(entries, STR("receivable"), owner->id, NULL, -owner->overage) &&
           entry_add(entries, STR("debt"), owner->id, NULL, -owner->debt) &&
           entry_add(entries, STR("revenue"), STR(""), NULL,
                     owner->charged + owner->overage + owner->debt) &&
           entry_add(entries, STR("breakage"), STR(""), NULL, owner->breakage);
}

static enum err txn_write(struct entries *entries, const struct batch_sums *sums,
                          const struct sum_customer *owner, struct store *store,
                          struct fault *fault)
{
    char source[48];
    if (owner->txn_first == 0)
        return ERR_OK;
    if (!entries_fill(entries, sums, owner))
        return fault_set(fault, ERR_NO_MEMORY, "ledger: entries of one customer");
    int const len =
        snprintf(source, sizeof source, "%llu-%llu", (unsigned long long)owner->txn_first,
                 (unsigned long long)owner->txn_last);
    bool const used = owner->charged != 0 || owner->overage != 0 || owner->debt != 0;
    struct ledger_txn_row const row = {
        .id = (int64_t)owner->txn_first,
        .kind = used ? STR("usage") : STR("breakage"),
        .source_type = STR("lsn"),
        .source_id = str_make(source, (size_t)len),
        .currency = owner->currency,
        .at_us = owner->txn_at_us,
        .entry_count = entries->count,
        .entries = entries->rows,
    };
    return store->ops->ledger_add(store, &row, fault);
}

static enum err limiters_write(const struct record_limiters *limiters, struct str customer,
                               struct ulid key, struct store *store, struct fault *fault)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < LIMITER_COUNT && err == ERR_OK; i++) {
        char name[RECORD_COUNTER_NAME_BYTES_MAX];
        if ((limiters->set & 1u << i) == 0)
            continue;
        struct counter_row const row = {
            .customer_id = customer,
            .name = {name, record_limiter_name((enum record_limiter)i, key, name)},
            .value = limiters->tat[i],
            .until_us = record_limiter_until_us(limiters->tat[i]),
        };
        err = store->ops->counter_put(store, &row, fault);
    }
    return err;
}

static enum err totals_write(const struct sum_customer *owner, struct store *store,
                             struct fault *fault)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < TOTAL_COUNT && err == ERR_OK; i++) {
        char name[RECORD_COUNTER_NAME_BYTES_MAX];
        if ((owner->totals_set & 1u << i) == 0)
            continue;
        struct counter_row const row = {
            .customer_id = owner->id,
            .name = {name, record_total_name((enum record_total)i, name)},
            .value = owner->totals.nano[i],
        };
        err = store->ops->counter_put(store, &row, fault);
    }
    return err;
}

static enum err customers_write(const struct batch_sums *sums, struct store *store,
                                struct fault *fault)
{
    enum err err = ERR_OK;
    struct entries entries = {0};
    struct ulid const none = {0};
    for (uint32_t i = 0; i < sums->customers.count && err == ERR_OK; i++) {
        const struct sum_customer *owner = sums_row(&sums->customers, i);
        err = txn_write(&entries, sums, owner, store, fault);
        if (err == ERR_OK)
            err = limiters_write(&owner->limiters, owner->id, none, store, fault);
        if (err == ERR_OK)
            err = totals_write(owner, store, fault);
    }
    free(entries.rows);
    free(entries.ids);
    return err;
}

static enum err grants_write(const struct batch_sums *sums, struct store *store,
                             struct fault *fault)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < sums->grants.count && err == ERR_OK; i++) {
        const struct sum_grant *grant = sums_row(&sums->grants, i);
        char id[ULID_TEXT_BYTES];
        ulid_text(grant->id, id);
        err = store->ops->grant_left(store, str_make(id, sizeof id),
                                     (struct money){grant->remaining}, -1, fault);
    }
    return err;
}

static enum err windows_write(const struct batch_sums *sums, struct store *store,
                              struct fault *fault)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < sums->windows.count && err == ERR_OK; i++) {
        const struct sum_window *window = sums_row(&sums->windows, i);
        const struct sum_customer *owner = sums_row(&sums->customers, window->customer);
        char name[RECORD_COUNTER_NAME_BYTES_MAX];
        struct counter_row row = {
            .customer_id = owner->id,
            .name = {name, record_window_name(&window->line, name)},
            .value = window->line.used,
            .until_us = record_window_until_us(&window->line),
        };
        if (window->used)
            err = store->ops->counter_put(store, &row, fault);
        for (int part = 0; window->rollover.said && part < 2 && err == ERR_OK; part++) {
            row.name.len = record_rollover_name(&window->line, part == 1, name);
            row.value = part == 1 ? window->rollover.included : window->rollover.carried;
            err = store->ops->counter_put(store, &row, fault);
        }
    }
    return err;
}

enum err batch_sums_write(struct batch_sums *sums, struct store *store, struct fault *fault)
{
    enum err err = customers_write(sums, store, fault);
    if (err == ERR_OK)
        err = grants_write(sums, store, fault);
    if (err == ERR_OK)
        err = windows_write(sums, store, fault);
    for (uint32_t i = 0; i < sums->keys.count && err == ERR_OK; i++) {
        const struct sum_key *key = sums_row(&sums->keys, i);
        const struct sum_customer *owner = sums_row(&sums->customers, key->customer);
        err = limiters_write(&key->limiters, owner->id, key->id, store, fault);
    }
    for (uint32_t i = 0; i < sums->buckets.count && err == ERR_OK; i++) {
        struct sum_bucket *bucket = sums_row(&sums->buckets, i);
        char id[ULID_TEXT_BYTES];
        ulid_text(bucket->key, id);
        bucket->row.key_id = str_make(id, sizeof id);
        err = store->ops->bucket_add(store, &bucket->row, fault);
    }
    return err;
}
