/* alerts.c - what somebody should know: listed, shown, acknowledged. A customer sees its own. */
#include "admin/compat_int.h"
#include "admin/events_int.h"
#include "codec/when.h"

enum { ALERT_PAGE_DEFAULT = 50 };

struct alert_page {
    struct json_writer *writer;
    size_t left;
    int64_t last;
    bool more;
};

static void put_numbers(struct json_writer *writer, const char *key, struct str list)
{
    json_key(writer, key);
    json_array_open(writer);
    while (list.len > 0) {
        int64_t percent = 0;
        size_t const end = str_find(list, STR(","));
        if (str_to_i64(str_make(list.ptr, end), &percent))
            json_put_i64(writer, percent);
        list = str_skip(list, end < list.len ? end + 1 : end);
    }
    json_array_close(writer);
}

/* Money as a decimal text, counts as numbers. */
static void put_quantity(struct json_writer *writer, const char *key, const struct alert_row *row,
                         int64_t value)
{
    char text[24];
    if (!str_eq(row->metric, STR("cost"))) {
        json_pair_i64(writer, key, value);
        return;
    }
    json_pair_text(writer, key, str_make(text, decimal_text(value, MONEY_SCALE, text)));
}

static void put_acknowledged(struct json_writer *writer, const struct alert_row *row)
{
    admin_put_instant(writer, "acknowledged_at", row->acknowledged_us);
    json_pair_text(writer, "acknowledged_by", row->acknowledged_by);
}

void alert_put_json(struct json_writer *writer, const struct alert_row *row)
{
    json_object_open(writer);
    json_pair_i64(writer, "id", row->id);
    admin_put_instant(writer, "at", row->at_us);
    json_pair_text(writer, "kind", row->kind);
    json_pair_text(writer, "severity", row->severity);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "scope", row->scope);
    json_pair_text(writer, "subject", row->subject);
    json_pair_text(writer, "metric", row->metric);
    json_pair_text(writer, "window", row->window);
    admin_put_instant(writer, "starts_at", row->start_us);
    admin_put_instant(writer, "ends_at", row->end_us == INT64_MAX ? 0 : row->end_us);
    put_numbers(writer, "percent", row->percents);
    put_quantity(writer, "used", row, row->used);
    put_quantity(writer, "limit", row, row->limit);
    json_pair_text(writer, "key", row->key_id);
    json_pair_text(writer, "user", row->user);
    json_pair_text(writer, "feature", row->feature);
    json_pair_text(writer, "request_id", row->request_id);
    put_acknowledged(writer, row);
    json_object_close(writer);
}

void alert_put_brief(struct json_writer *writer, const struct alert_row *row)
{
    json_object_open(writer);
    json_pair_i64(writer, "alert", row->id);
    json_pair_text(writer, "kind", row->kind);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "scope", row->scope);
    json_pair_text(writer, "subject", row->subject);
    json_pair_text(writer, "metric", row->metric);
    json_pair_text(writer, "window", row->window);
    put_numbers(writer, "percent", row->percents);
    put_quantity(writer, "used", row, row->used);
    put_quantity(writer, "limit", row, row->limit);
    admin_put_instant(writer, "ends_at", row->end_us == INT64_MAX ? 0 : row->end_us);
    json_object_close(writer);
}

static bool put_row(void *owner, const struct alert_row *row)
{
    struct alert_page *page = owner;
    if (page->left == 0) {
        page->more = true;
        return false;
    }
    page->left--;
    page->last = row->id;
    alert_put_json(page->writer, row);
    return page->writer->err == ERR_OK;
}

static enum err query_read(struct admin_call *call, struct alert_query *query)
{
    struct str const since = admin_query(call, "since"), cursor = admin_query(call, "cursor");
    struct str const acknowledged = admin_query(call, "acknowledged");
    int64_t const now_us = clock_wall_us(admin_options(call->admin)->clock);
    query->customer_id = admin_query_or_empty(call, "customer");
    query->kind = admin_query_or_empty(call, "kind");
    if (acknowledged.ptr != NULL)
        query->acknowledged = str_eq(acknowledged, STR("true")) ? 1 : -1;
    if (since.ptr != NULL && !when_since_parse(since, now_us, &query->since_us))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "since",
                           "an instant like 2026-11-20T12:00:00Z, or a span like 15m or 7d");
    if (cursor.ptr != NULL && (!str_to_i64(cursor, &query->before) || query->before < 1))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "cursor", "this is no cursor");
    if (call->customer.len > 0) { /* whoever belongs to a customer sees nothing of another */
        if (query->customer_id.len > 0 && !str_eq(query->customer_id, call->customer))
            return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such customer here");
        query->customer_id = call->customer;
    }
    return ERR_OK;
}

enum err alerts_list(struct admin_call *call, struct json_writer *writer)
{
    const struct store_ops *ops = admin_options(call->admin)->store->ops;
    int64_t limit = ALERT_PAGE_DEFAULT;
    struct str const text = admin_query(call, "limit");
    if (text.ptr != NULL && !str_to_i64(text, &limit))
        limit = ALERT_PAGE_DEFAULT; /* openapi.yaml lets only numbers in range pass */
    struct alert_page page = {.writer = writer, .left = (size_t)limit};
    struct alert_query query = {.limit = page.left + 1};
    enum err err = key_scope_check(call, "usage:read");
    if (err == ERR_OK)
        err = query_read(call, &query);
    if (err == ERR_OK)
        err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_key(writer, "items");
    json_array_open(writer);
    err = ops->alert_list(admin_options(call->admin)->store, &query, put_row, &page, &call->fault);
    json_array_close(writer);
    json_key(writer, "next_cursor");
    if (page.more)
        json_put_text(writer, arena_printf(call->arena, "%lld", (long long)page.last));
    else
        json_put_null(writer);
    json_object_close(writer);
    return err != ERR_OK ? err : json_write_end(writer);
}

/* The one in the path, into `writer` when that is not NULL. ERR_NOT_FOUND: of another, too. */
static enum err show(struct admin_call *call, struct json_writer *writer, int64_t *id)
{
    struct store *store = admin_options(call->admin)->store;
    struct buf unseen;
    struct json_writer nowhere;
    struct alert_query query = {.customer_id = call->customer, .limit = 1};
    if (!str_to_i64(call->params[0], &query.id) || query.id < 1)
        return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such alert");
    enum err err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    buf_init(&unseen, ADMIN_ANSWER_BYTES_MAX);
    json_write_start(&nowhere, &unseen);
    struct alert_page page = {.writer = writer != NULL ? writer : &nowhere, .left = 1};
    err = store->ops->alert_list(store, &query, put_row, &page, &call->fault);
    buf_free(&unseen);
    *id = query.id;
    if (err == ERR_OK && page.left > 0)
        err = fault_set(&call->fault, ERR_NOT_FOUND, "there is no such alert");
    return err;
}

enum err alert_get(struct admin_call *call, struct json_writer *writer)
{
    int64_t id;
    enum err err = key_scope_check(call, "usage:read");
    if (err == ERR_OK)
        err = show(call, writer, &id);
    return err != ERR_OK ? err : json_write_end(writer);
}

enum err alert_acknowledge_run(struct admin_call *call, struct json_writer *writer)
{
    int64_t id;
    enum err err = show(call, NULL, &id);
    if (err == ERR_OK)
        err =
            book_alert_seen(admin_options(call->admin)->book, id, call->actor.actor, &call->fault);
    if (err == ERR_OK)
        err = show(call, writer, &id);
    return err != ERR_OK ? err : json_write_end(writer);
}
