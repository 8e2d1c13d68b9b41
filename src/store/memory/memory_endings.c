/* memory_endings.c - what ends by itself soon, of the memory backend: in the order of ids. */
#include "codec/json.h"
#include "codec/when.h"
#include "store/memory/memory_int.h"
#include <stdlib.h>

struct walk {
    struct memory_store *self;
    const struct ending_query *query;
    ending_visit *visit;
    void *owner;
    size_t given;
};

/* False: that was the last. */
static bool give(struct walk *walk, const struct ending_row *row)
{
    const struct ending_query *query = walk->query;
    if (row->end_us <= query->from_us || row->end_us > query->until_us ||
        memory_text_order(row->id, query->after_id) <= 0)
        return true;
    if (walk->given == query->limit)
        return false;
    walk->given++;
    return walk->visit(walk->owner, row);
}

static bool give_key(struct walk *walk, const void *at)
{
    const struct key_row *row = at;
    struct ending_row const ending = {
        .id = row->id, .customer_id = row->customer_id, .end_us = row->expires_us};
    return row->expires_us <= 0 || row->status != 0 || give(walk, &ending);
}

static bool give_grant(struct walk *walk, const void *at)
{
    const struct grant_row *row = at;
    struct ending_row const ending = {
        .id = row->id, .customer_id = row->customer_id, .end_us = row->expires_us};
    return row->expires_us <= 0 || row->status != 0 || row->remaining.nano <= 0 ||
           give(walk, &ending);
}

/* --- documents ------------------------------------------------------------------------------- */
static struct str word(struct str text, const char *name)
{
    struct fault ignored = {0};
    struct str value = {0};
    struct json_object *object = malloc(sizeof *object);
    if (object != NULL && json_scan(text, object, &ignored) == ERR_OK &&
        !json_plain_text(json_get(object, str_of(name)), &value))
        value = json_get(object, str_of(name));
    free(object);
    return value;
}

static bool is_any(struct str text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (str_eq(text, str_of(words[i])))
            return true;
    return words[0] == NULL;
}

static const struct {
    const char *kind, *end;
    const char *statuses[5]; /* none: it has no status */
} documents[ENDING_COUNT] = {
    [ENDING_LICENSE] = {"license", "valid_to", {"active"}},
    [ENDING_OVERRIDE] = {"override", "expires_at", {NULL}},
    [ENDING_SUBSCRIPTION] = {"subscription",
                             "cancel_at",
                             {"trialing", "active", "cancel_scheduled", "past_due"}},
    [ENDING_TRIAL] = {"subscription", "anchor_at", {"trialing"}},
};

static int64_t trial_us(const struct memory_store *self, struct str version)
{
    int64_t days = 0;
    const struct object_row *rows = self->tables[TABLE_OBJECT].rows;
    for (size_t i = 0; i < self->tables[TABLE_OBJECT].count; i++)
        if (str_eq(rows[i].kind, STR("plan_version")) && str_eq(rows[i].id, version) &&
            !json_i64(word(rows[i].text, "trial_days"), &days))
            days = 0;
    return days * 86400 * 1000000;
}

static struct str owner_of(struct memory_store *self, struct str scope, struct str id)
{
    const struct key_row *keys = self->tables[TABLE_KEY].rows;
    if (str_eq(scope, STR("customer")))
        return id;
    if (str_eq(scope, STR("user")))
        return str_make(id.ptr, str_find(id, STR("/")));
    for (size_t i = 0; str_eq(scope, STR("key")) && i < self->tables[TABLE_KEY].count; i++)
        if (str_eq(keys[i].id, id))
            return keys[i].customer_id;
    return STR("");
}

static bool give_document(struct walk *walk, const void *at)
{
    const struct object_row *row = at;
    enum ending_kind const what = walk->query->what;
    struct ending_row ending = {.id = row->id, .customer_id = row->customer_id};
    if (!str_eq(row->kind, str_of(documents[what].kind)) ||
        !is_any(word(row->text, "status"), documents[what].statuses) ||
        !when_parse(word(row->text, documents[what].end), &ending.end_us))
        return true;
    if (what == ENDING_TRIAL)
        ending.end_us += trial_us(walk->self, word(row->text, "plan_version"));
    if (what == ENDING_OVERRIDE) {
        ending.scope = word(row->text, "scope");
        ending.customer_id = owner_of(walk->self, ending.scope, word(row->text, "scope_id"));
    }
    return give(walk, &ending);
}

/* --- all ------------------------------------------------------------------------------------- */
static int key_order(const void *a, const void *b)
{
    return memory_text_order(((const struct key_row *)a)->id, ((const struct key_row *)b)->id);
}
static int grant_order(const void *a, const void *b)
{
    return memory_text_order(((const struct grant_row *)a)->id, ((const struct grant_row *)b)->id);
}
static int object_order(const void *a, const void *b)
{
    return memory_text_order(((const struct object_row *)a)->id,
                             ((const struct object_row *)b)->id);
}

static enum err endings(struct store *store, const struct ending_query *query, ending_visit *visit,
                        void *owner, struct fault *fault)
{
    struct walk walk = {(struct memory_store *)(void *)store, query, visit, owner, 0};
    struct table table;
    bool const keys = query->what == ENDING_KEY, grants = query->what == ENDING_GRANT;
    enum err const err = memory_sorted(store,
                                       keys     ? TABLE_KEY
                                       : grants ? TABLE_GRANT
                                                : TABLE_OBJECT,
                                       keys     ? key_order
                                       : grants ? grant_order
                                                : object_order,
                                       &table, fault);
    const char *rows = table.rows;
    for (size_t i = 0; err == ERR_OK && i < table.count; i++) {
        const void *row = rows + i * table.row_bytes;
        if (!(keys ? give_key : grants ? give_grant : give_document)(&walk, row))
            break;
    }
    free(table.rows);
    return err;
}

void memory_endings_fill(struct store_ops *ops)
{
    ops->endings = endings;
}
