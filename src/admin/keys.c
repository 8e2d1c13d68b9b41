/* keys.c - API keys: list, make, revoke. */
#include "admin/admin_int.h"

static bool put_key(void *owner, const struct key_row *row)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "name", row->name);
    json_pair_text(writer, "prefix", row->prefix);
    json_pair_text(writer, "status", row->status == KEY_ACTIVE ? STR("active") : STR("revoked"));
    json_pair_text(writer, "origin", row->origin == ORIGIN_FILE ? STR("file") : STR("runtime"));
    admin_put_instant(writer, "created_at", row->created_us);
    admin_put_instant(writer, "expires_at", row->expires_us);
    json_pair_i64(writer, "requests_per_minute", row->requests_per_minute);
    json_pair_i64(writer, "tokens_per_minute", row->tokens_per_minute);
    json_pair_i64(writer, "concurrent", row->concurrent_max);
    json_object_close(writer);
    return writer->err == ERR_OK;
}

struct each_customer {
    struct book *book;
    struct json_writer *writer;
    struct arena *arena;
    size_t count, capacity;
    struct str *ids;
    bool no_memory;
};

/* Ids are gathered first: no book lock is held while keys are visited. */
static bool gather_customer(void *owner, const struct customer_row *row)
{
    struct each_customer *each = owner;
    if (each->count == each->capacity) {
        size_t const capacity = each->capacity ? each->capacity * 2 : 64;
        struct str *ids = arena_alloc(each->arena, capacity * sizeof *ids);
        if (ids == NULL) {
            each->no_memory = true;
            return false;
        }
        if (each->count > 0)
            memcpy(ids, each->ids, each->count * sizeof *ids);
        each->ids = ids;
        each->capacity = capacity;
    }
    each->ids[each->count] = arena_copy(each->arena, row->id);
    each->no_memory = each->ids[each->count++].ptr == NULL;
    return !each->no_memory;
}

enum err keys_list(struct admin_call *call, struct json_writer *writer)
{
    struct book *book = admin_options(call->admin)->book;
    struct str const customer = admin_query(call, "customer");
    if (customer.ptr != NULL && book_customer(book, customer) == NULL)
        return fault_set(&call->fault, ERR_NOT_FOUND, "there is no customer \"%.*s\"",
                         STR_ARG(customer));
    struct each_customer each = {.arena = call->arena};
    if (customer.ptr == NULL)
        book_customers(book, gather_customer, &each);
    if (each.no_memory)
        return ERR_NO_MEMORY;
    json_object_open(writer);
    json_key(writer, "keys");
    json_array_open(writer);
    if (customer.ptr != NULL)
        book_keys(book, customer, put_key, writer);
    for (size_t i = 0; i < each.count; i++)
        book_keys(book, each.ids[i], put_key, writer);
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
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
