/* keys.c - API keys: list, make, revoke. */
#include "admin/idempotent.h"
#include "admin/objects_int.h"

struct key_page {
    struct admin_call *call;
    struct json_writer *writer;
    size_t left;
    struct str last; /* the customer, a dot that no id of a key has, the key's id */
    bool more;
};

static bool put_key(void *owner, const struct key_row *row)
{
    struct key_page *page = owner;
    struct json_writer *writer = page->writer;
    page->more = page->left == 0;
    if (page->more)
        return false;
    page->left--;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "name", row->name);
    json_pair_text(writer, "prefix", row->prefix);
    json_pair_text(writer, "status", row->status == KEY_ACTIVE ? STR("active") : STR("revoked"));
    json_pair_text(writer, "origin", row->origin == ORIGIN_FILE ? STR("file") : STR("runtime"));
    admin_put_instant(writer, "created_at", row->created_us);
    admin_put_instant(writer, "expires_at", row->expires_us);
    admin_put_instant(writer, "old_secret_until", row->old_until_us);
    json_pair_i64(writer, "requests_per_minute", row->requests_per_minute);
    json_pair_i64(writer, "tokens_per_minute", row->tokens_per_minute);
    json_pair_i64(writer, "concurrent", row->concurrent_max);
    json_object_close(writer);
    page->last =
        arena_printf(page->call->arena, "%.*s.%.*s", STR_ARG(row->customer_id), STR_ARG(row->id));
    return writer->err == ERR_OK && page->last.ptr != NULL;
}

static enum err cursor_read(struct admin_call *call, struct account_query *query)
{
    struct str const cursor = admin_query(call, "cursor");
    if (cursor.ptr == NULL)
        return ERR_OK;
    const char *dot = memrchr(cursor.ptr, '.', cursor.len);
    if (dot == NULL)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "cursor", "this is no cursor of keys");
    query->after_customer = str_make(cursor.ptr, (size_t)(dot - cursor.ptr));
    query->after_key = str_skip(cursor, query->after_customer.len + 1);
    return ERR_OK;
}

enum err keys_list(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct key_page page = {
        .call = call, .writer = writer, .left = admin_page_rows(call), .last = STR("")};
    struct account_query query = {.customer_id = admin_query_or_empty(call, "customer"),
                                  .limit = page.left + 1};
    if (query.customer_id.len > 0 && book_customer(options->book, query.customer_id) == NULL)
        return fault_set(&call->fault, ERR_NOT_FOUND, "there is no customer \"%.*s\"",
                         STR_ARG(query.customer_id));
    enum err err = cursor_read(call, &query);
    if (err == ERR_OK)
        err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_key(writer, "keys");
    json_array_open(writer);
    err = options->store->ops->key_page(options->store, &query, put_key, &page, &call->fault);
    json_array_close(writer);
    admin_put_cursor(writer, page.more, page.last);
    json_object_close(writer);
    if (err == ERR_OK && page.last.ptr == NULL)
        err = ERR_NO_MEMORY;
    enum err const written = json_write_end(writer);
    return err != ERR_OK ? err : written;
}

static enum err read_wanted(struct admin_call *call, struct key_wanted *want)
{
    enum err err = admin_body_text(call, "customer", true, &want->customer_id);
    if (err == ERR_OK)
        err = admin_body_text(call, "name", true, &want->name);
    if (err == ERR_OK)
        err = admin_body_i64(call, "requests_per_minute", &want->limits.requests_per_minute);
    if (err == ERR_OK)
        err = admin_body_i64(call, "tokens_per_minute", &want->limits.tokens_per_minute);
    if (err == ERR_OK)
        err = admin_body_i64(call, "concurrent", &want->limits.concurrent_max);
    if (err == ERR_OK)
        err = admin_body_instant(call, "expires_at", &want->expires_us);
    return err;
}

enum err key_create(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct key_wanted want = {.origin = ORIGIN_RUNTIME};
    struct key_made made = {0};
    enum err err = read_wanted(call, &want);
    if (err == ERR_OK && want.expires_us != 0 && want.expires_us <= clock_wall_us(options->clock))
        err =
            fault_param(&call->fault, ERR_FIELD_INVALID, "expires_at", "expires_at is in the past");
    if (err == ERR_OK && !idempotent_secret(call, &want.secret))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = admin_new_customer(call, want.customer_id);
    if (err == ERR_OK)
        err = book_key_create(options->book, &want, call->arena, &made, &call->fault);
    if (err != ERR_OK)
        return err;
    call->status = 201;
    json_object_open(writer);
    json_pair_text(writer, "id", str_make(made.id, sizeof made.id));
    json_pair_text(writer, "customer", want.customer_id);
    json_pair_text(writer, "name", want.name);
    json_pair_text(writer, "secret", made.secret);
    admin_put_instant(writer, "expires_at", want.expires_us);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err key_revoke(struct admin_call *call, struct json_writer *writer)
{
    struct str const customer = call->params[0], key = call->params[1];
    enum err const err =
        book_key_revoke(admin_options(call->admin)->book, customer, key, &call->fault);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "customer", customer);
    json_pair_text(writer, "key", key);
    json_pair_text(writer, "status", STR("revoked"));
    json_object_close(writer);
    return json_write_end(writer);
}
