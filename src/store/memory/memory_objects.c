/* memory_objects.c - documents and the audit trail of the memory backend. */
#include "base/must.h"
#include "codec/json.h"
#include "store/chain.h"
#include "store/memory/memory_int.h"
#include <stdlib.h>

static struct memory_store *self_of(struct store *store)
{
    return (struct memory_store *)(void *)store;
}

static struct object_row *find(struct memory_store *self, struct str kind, struct str id)
{
    struct object_row *rows = self->tables[TABLE_OBJECT].rows;
    for (size_t i = 0; i < self->tables[TABLE_OBJECT].count; i++)
        if (str_eq(rows[i].kind, kind) && str_eq(rows[i].id, id))
            return &rows[i];
    return NULL;
}

static enum err object_put(struct store *store, const struct object_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    struct object_row copy = *row;
    bool ok = true;
    struct str *const texts[] = {&copy.kind, &copy.id, &copy.customer_id, &copy.text};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        memory_own(self, texts[i], &ok);
    return memory_row_put(self, TABLE_OBJECT, find(self, row->kind, row->id), &copy, ok, fault);
}

static enum err object_delete(struct store *store, struct str kind, struct str id,
                              struct fault *fault)
{
    struct memory_store *self = self_of(store);
    (void)fault;
    MUST(self->began);
    const struct object_row *row = find(self, kind, id);
    const struct object_row *rows = self->tables[TABLE_OBJECT].rows;
    if (row != NULL)
        memory_row_remove(self, TABLE_OBJECT, (size_t)(row - rows));
    return ERR_OK;
}

static enum err audit_add(struct store *store, const struct audit_row *row, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    const struct audit_row *rows = self->tables[TABLE_AUDIT].rows;
    struct audit_row copy = *row;
    bool ok = true;
    for (size_t i = 0; i < self->tables[TABLE_AUDIT].count; i++)
        if (rows[i].sequence == row->sequence)
            return fault_set(fault, ERR_STORE_FAILED, "memory store: audit entry %llu exists",
                             (unsigned long long)row->sequence);
    struct str *const texts[] = {
        &copy.actor,      &copy.address, &copy.user_agent, &copy.reason,
        &copy.request_id, &copy.kind,    &copy.object_id,  &copy.customer_id,
        &copy.action,     &copy.before,  &copy.after,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        memory_own(self, texts[i], &ok);
    return memory_row_put(self, TABLE_AUDIT, NULL, &copy, ok, fault);
}

/* --- reading --- */

static int by_id(const void *a, const void *b)
{
    const struct object_row *left = a, *right = b;
    int const order = memory_text_order(left->kind, right->kind);
    return order != 0 ? order : memory_text_order(left->id, right->id);
}

static int by_update(const void *a, const void *b)
{
    const struct object_row *left = a, *right = b;
    if (left->updated_us != right->updated_us)
        return left->updated_us < right->updated_us ? -1 : 1;
    return memory_text_order(left->id, right->id);
}

static int by_sequence(const void *a, const void *b)
{
    const struct audit_row *left = a, *right = b;
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static enum err objects(struct store *store, struct str kind, object_row_visit *visit, void *owner,
                        struct fault *fault)
{
    struct table table;
    enum err const err = memory_sorted(store, TABLE_OBJECT, by_id, &table, fault);
    const struct object_row *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++)
        if ((str_empty(kind) || str_eq(rows[i].kind, kind)) && !visit(owner, &rows[i]))
            break;
    free(table.rows);
    return err;
}

static enum err object_get(struct store *store, struct str kind, struct str id,
                           object_row_visit *visit, void *owner, bool *found, struct fault *fault)
{
    struct memory_store *self = self_of(store);
    (void)fault;
    pthread_mutex_lock(&self->mutex);
    const struct object_row *row = find(self, kind, id);
    struct object_row const copy = row != NULL ? *row : (struct object_row){0};
    pthread_mutex_unlock(&self->mutex);
    *found = row != NULL;
    if (*found)
        (void)visit(owner, &copy); /* texts are never freed */
    return ERR_OK;
}

/* As json_extract in the database says it: strings without quotes, the rest as it stands. */
static bool has_member(struct str text, const struct object_filter *filter)
{
    static _Thread_local struct json_object members;
    struct fault ignored = {.code = ERR_OK};
    if (json_scan(text, &members, &ignored) != ERR_OK)
        return false;
    struct str const value = json_get(&members, filter->member);
    if (json_type(value) != JSON_STRING)
        return json_type(value) != JSON_NONE && json_type(value) != JSON_NULL &&
               str_eq(value, filter->value);
    char *decoded = malloc(value.len);
    size_t len = 0;
    bool const same = decoded != NULL && json_text(value, decoded, value.len, &len) &&
                      str_eq(str_make(decoded, len), filter->value);
    free(decoded);
    return same;
}

/* Of its kind and customer, and after the cursor. */
static bool is_listed(const struct object_query *query, const struct object_row *row)
{
    struct object_row const cursor = {
        .kind = query->kind, .id = query->after, .updated_us = query->after_us};
    if (!str_eq(row->kind, query->kind) ||
        (!str_empty(query->customer_id) && !str_eq(row->customer_id, query->customer_id)))
        return false;
    int const order = query->by_updated ? by_update(row, &cursor) : by_id(row, &cursor);
    return str_empty(query->after) || (query->descending ? order < 0 : order > 0);
}

static bool has_members(const struct object_query *query, const struct object_row *row)
{
    for (size_t i = 0; i < query->filter_count; i++)
        if (!has_member(row->text, &query->filters[i]))
            return false;
    return true;
}

static enum err object_list(struct store *store, const struct object_query *query,
                            object_row_visit *visit, void *owner, struct fault *fault)
{
    struct table table;
    size_t given = 0, looked = 0;
    enum err err = object_query_check(query, fault);
    if (err != ERR_OK)
        return err;
    err = memory_sorted(store, TABLE_OBJECT, query->by_updated ? by_update : by_id, &table, fault);
    const struct object_row *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        const struct object_row *row = &rows[query->descending ? table.count - 1 - i : i];
        if (!is_listed(query, row))
            continue;
        bool const match = has_members(query, row);
        if (match && ((query->limit > 0 && given++ == query->limit) || !visit(owner, row)))
            break;
        if (query->look_max > 0 && ++looked == query->look_max) {
            struct object_row const place = {
                .kind = row->kind, .id = row->id, .updated_us = row->updated_us};
            (void)visit(owner, &place);
            break;
        }
    }
    free(table.rows);
    return err;
}

static bool any_or(struct str wanted, struct str value)
{
    return str_empty(wanted) || str_eq(wanted, value);
}

static bool audit_matches(const struct audit_query *query, const struct audit_row *row)
{
    return any_or(query->actor, row->actor) && any_or(query->kind, row->kind) &&
           any_or(query->object_id, row->object_id) &&
           any_or(query->customer_id, row->customer_id) && row->at_us >= query->since_us &&
           (query->until_us <= 0 || row->at_us < query->until_us) &&
           (query->before == 0 || row->sequence < query->before);
}

static enum err audit_list(struct store *store, const struct audit_query *query, audit_visit *visit,
                           void *owner, struct fault *fault)
{
    struct table table;
    size_t given = 0;
    enum err const err = memory_sorted(store, TABLE_AUDIT, by_sequence, &table, fault);
    const struct audit_row *rows = table.rows;
    for (size_t i = table.count; err == ERR_OK && i-- > 0;) {
        if (!audit_matches(query, &rows[i]))
            continue;
        if ((query->limit > 0 && given++ == query->limit) || !visit(owner, &rows[i]))
            break;
    }
    free(table.rows);
    return err;
}

static enum err audit_verify(struct store *store, uint64_t *last, unsigned char *hash,
                             struct fault *fault)
{
    struct table table;
    struct audit_walk walk = {.fault = fault};
    enum err const err = memory_sorted(store, TABLE_AUDIT, by_sequence, &table, fault);
    const struct audit_row *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++)
        if (!audit_walk_next(&walk, &rows[i]))
            break;
    free(table.rows);
    if (last != NULL)
        *last = walk.last;
    if (hash != NULL)
        memcpy(hash, walk.hash, AUDIT_HASH_BYTES);
    return err != ERR_OK ? err : walk.err;
}

void memory_objects_fill(struct store_ops *ops)
{
    ops->object_put = object_put;
    ops->object_delete = object_delete;
    ops->audit_add = audit_add;
    ops->objects = objects;
    ops->object_get = object_get;
    ops->object_list = object_list;
    ops->audit_list = audit_list;
    ops->audit_verify = audit_verify;
}
