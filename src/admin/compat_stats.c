/* compat_stats.c - how many subscriptions stand how, of all plans or of one; and what became of
 * one, from the audit trail (S5).
 */
#include "admin/compat_int.h"
#include "base/map.h"
#include <stdlib.h>

enum { PLANS_MAX = 10000, HISTORY_DEFAULT = 50 };

static const char *const statuses[] = {
    "draft",  "trialing",         "active",   "paused",     "suspended",         "past_due",
    "unpaid", "cancel_scheduled", "canceled", "incomplete", "incomplete_expired"};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

struct count {
    struct str id; /* of a plan, or of a version */
    int64_t total, by_status[STATUS_COUNT];
};

struct counting {
    struct admin_call *call;
    struct map counts; /* id -> struct count * */
    struct json_object scratch;
    struct count all;
    struct str plan; /* counted by version when it is said, else by plan */
    enum err err;
};

static struct count *count_of(struct counting *counting, struct str id, bool make)
{
    struct count *count = map_get(&counting->counts, id);
    if (count != NULL || !make)
        return count;
    count = counting->counts.count < PLANS_MAX ? arena_zalloc(counting->call->arena, sizeof *count)
                                               : NULL;
    if (count != NULL)
        count->id = arena_copy(counting->call->arena, id);
    if (count == NULL || count->id.ptr == NULL ||
        map_put(&counting->counts, count->id, count) != ERR_OK) {
        counting->err = ERR_TOO_LARGE;
        return NULL;
    }
    return count;
}

/* Short texts without escapes: ids and statuses. */
static struct str plain(struct counting *counting, struct str text, const char *name)
{
    struct str found = {0};
    return json_plain_text(document_raw(&counting->scratch, text, name), &found) ? found : STR("");
}

static void add(struct count *count, struct str status)
{
    count->total++;
    for (int i = 0; i < STATUS_COUNT; i++)
        count->by_status[i] += str_eq(status, str_of(statuses[i]));
}

/* The versions of the plan that is asked for, also those without a subscriber. */
static bool keep_version(void *owner, const struct object *version)
{
    struct counting *counting = owner;
    if (str_eq(plain(counting, version->text, "plan"), counting->plan))
        (void)count_of(counting, version->id, true);
    return counting->err == ERR_OK;
}

static bool count_row(void *owner, const struct object_row *row)
{
    struct counting *counting = owner;
    struct str const status = plain(counting, row->text, "status");
    struct str const version_id = plain(counting, row->text, "plan_version");
    struct count *count = count_of(counting, version_id, counting->plan.len == 0);
    if (count == NULL)
        return counting->err == ERR_OK; /* of another plan */
    add(count, status);
    add(&counting->all, status);
    return true;
}

static enum err count_rows(struct counting *counting)
{
    struct admin_call *call = counting->call;
    struct store *store = admin_options(call->admin)->store;
    struct object_query const query = {.kind = object_kind_row(OBJECT_SUBSCRIPTION)->name};
    enum err err = admin_flush(call);
    if (err == ERR_OK)
        err = store->ops->object_list(store, &query, count_row, counting, &call->fault);
    return err != ERR_OK ? err : counting->err;
}

static void put_count(struct json_writer *writer, const struct count *count)
{
    json_pair_i64(writer, "subscriptions", count->total);
    json_key(writer, "by_status");
    json_object_open(writer);
    for (int i = 0; i < STATUS_COUNT; i++)
        json_pair_i64(writer, statuses[i], count->by_status[i]);
    json_object_close(writer);
}

static int by_id(const void *a, const void *b)
{
    struct str const one = (*(struct count *const *)a)->id;
    struct str const other = (*(struct count *const *)b)->id;
    size_t const shorter = one.len < other.len ? one.len : other.len;
    int const order = shorter > 0 ? memcmp(one.ptr, other.ptr, shorter) : 0;
    return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

static enum err put_versions(struct counting *counting, struct json_writer *writer)
{
    size_t const count = counting->counts.count;
    struct count **sorted = arena_alloc(counting->call->arena, (count + 1) * sizeof *sorted);
    size_t at = 0;
    if (sorted == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        sorted[i] = map_next(&counting->counts, &at);
    qsort(sorted, count, sizeof *sorted, by_id);
    json_key(writer, "versions");
    json_array_open(writer);
    for (size_t i = 0; i < count; i++) {
        json_object_open(writer);
        json_pair_text(writer, "plan_version", sorted[i]->id);
        put_count(writer, sorted[i]);
        json_object_close(writer);
    }
    json_array_close(writer);
    return ERR_OK;
}

static enum err answer(struct counting *counting, struct json_writer *writer)
{
    enum err err = count_rows(counting);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    if (counting->plan.len > 0)
        json_pair_text(writer, "plan", counting->plan);
    put_count(writer, &counting->all);
    err = put_versions(counting, writer);
    if (err != ERR_OK)
        return err;
    json_object_close(writer);
    return json_write_end(writer);
}

enum err subscriptions_stats(struct admin_call *call, struct json_writer *writer)
{
    struct counting *counting = arena_zalloc(call->arena, sizeof *counting);
    if (counting == NULL)
        return ERR_NO_MEMORY;
    counting->call = call;
    map_init(&counting->counts);
    enum err const err = answer(counting, writer);
    map_free(&counting->counts);
    return err;
}

enum err plan_stats(struct admin_call *call, struct json_writer *writer)
{
    struct counting *counting = arena_zalloc(call->arena, sizeof *counting);
    struct book *book = admin_options(call->admin)->book;
    struct object plan;
    if (counting == NULL)
        return ERR_NO_MEMORY;
    if (!book_object_get(book, OBJECT_PLAN, call->params[0], call->arena, &plan))
        return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such plan");
    counting->call = call;
    counting->plan = call->params[0];
    map_init(&counting->counts);
    book_objects_each(book, OBJECT_PLAN_VERSION, STR(""), keep_version, counting);
    enum err const err = counting->err == ERR_OK ? answer(counting, writer) : counting->err;
    map_free(&counting->counts);
    return err;
}

/* --- GET /api/v1/subscriptions/{id}/history -------------------------------------------------- */
struct history {
    struct admin_call *call;
    struct json_writer *writer;
    struct json_object scratch;
    int64_t left;
    uint64_t last;
    size_t seen;
    bool more;
};

static void put_member(struct history *history, const char *key, struct str text, const char *name)
{
    struct str const value = document_raw(&history->scratch, text, name);
    json_key(history->writer, key);
    json_put_raw(history->writer, value); /* absent: null */
}

static bool put_entry(void *owner, const struct audit_row *row)
{
    struct history *history = owner;
    struct json_writer *writer = history->writer;
    history->more = history->left == 0;
    if (history->more)
        return false;
    history->left--;
    history->seen++;
    history->last = row->sequence;
    json_object_open(writer);
    json_pair_i64(writer, "seq", (int64_t)row->sequence);
    admin_put_instant(writer, "at", row->at_us);
    json_pair_text(writer, "action", row->action);
    json_pair_text(writer, "actor", row->actor);
    json_pair_text(writer, "reason", row->reason);
    put_member(history, "from_status", row->before, "status");
    put_member(history, "to_status", row->after, "status");
    put_member(history, "from_plan_version", row->before, "plan_version");
    put_member(history, "to_plan_version", row->after, "plan_version");
    json_object_close(writer);
    return writer->err == ERR_OK;
}

static enum err read_page(struct admin_call *call, struct history *history,
                          struct audit_query *query)
{
    int64_t before = 0;
    struct str const limit = admin_query(call, "limit"), cursor = admin_query(call, "cursor");
    history->left = HISTORY_DEFAULT;
    if (limit.len > 0 && !str_to_i64(limit, &history->left))
        history->left = HISTORY_DEFAULT; /* openapi.yaml lets only numbers in range pass */
    if (cursor.ptr != NULL && (!str_to_i64(cursor, &before) || before < 1))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "cursor", "this is no cursor");
    query->before = (uint64_t)before;
    query->limit = (size_t)history->left + 1;
    return admin_flush(call);
}

enum err subscription_history(struct admin_call *call, struct json_writer *writer)
{
    struct store *store = admin_options(call->admin)->store;
    struct history *history = arena_zalloc(call->arena, sizeof *history);
    struct audit_query query = {.kind = object_kind_row(OBJECT_SUBSCRIPTION)->name,
                                .object_id = call->params[0]};
    if (history == NULL)
        return ERR_NO_MEMORY;
    history->call = call;
    history->writer = writer;
    enum err err = read_page(call, history, &query);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_key(writer, "items");
    json_array_open(writer);
    err = store->ops->audit_list(store, &query, put_entry, history, &call->fault);
    if (err == ERR_OK && history->seen == 0 && query.before == 0)
        err = fault_set(&call->fault, ERR_NOT_FOUND, "there never was such a subscription");
    if (err != ERR_OK)
        return err;
    json_array_close(writer);
    json_key(writer, "next_cursor");
    char text[24];
    int const len = snprintf(text, sizeof text, "%llu", (unsigned long long)history->last);
    if (history->more)
        json_put_text(writer, str_make(text, (size_t)len));
    else
        json_put_null(writer);
    json_object_close(writer);
    return json_write_end(writer);
}
