/* machine.c - machine tokens: a program's credential with permissions of its own.
 *
 * What:  "cm_" and 256 random bits; its document's id is the hash, so that finding it is one
 *        look-up and the secret is nowhere. Deleting it ends it with the very next call.
 */
#include "admin/auth_int.h"

enum { MACHINE_TEXT_BYTES_MAX = 8 << 10, PREFIX_BYTES = 7 };

static enum err read_permissions(struct admin_call *call, struct json_writer *text)
{
    struct str element, name;
    enum permission permission;
    struct str const list = json_get(&call->object, STR("permissions"));
    json_key(text, "permissions");
    json_array_open(text);
    for (size_t at = 0; json_next(list, &at, &element);) {
        if (!json_plain_text(element, &name) || !permission_parse(name, &permission) ||
            permission == PERMISSION_PUBLIC || permission == PERMISSION_OWN)
            return fault_param(&call->fault, ERR_FIELD_INVALID, "permissions",
                               "there is no such permission; docs/operators.md has them");
        if (!permission_in(call->permissions, permission))
            return fault_param(&call->fault, ERR_PERMISSION_DENIED, "permissions",
                               "nobody gives more than he has: %.*s", STR_ARG(name));
        json_put_text(text, name);
    }
    json_array_close(text);
    return ERR_OK;
}

static enum err read_customer(struct admin_call *call, struct json_writer *text)
{
    struct str customer = {0};
    enum err const err = admin_body_text(call, "customer", false, &customer);
    if (err != ERR_OK)
        return err;
    json_key(text, "customer");
    if (customer.ptr == NULL)
        json_put_null(text);
    else if (book_customer(admin_options(call->admin)->book, customer) == NULL)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "customer",
                           "there is no such customer");
    else
        json_put_text(text, customer);
    return ERR_OK;
}

static enum err write_text(struct admin_call *call, struct json_writer *text, struct str token)
{
    struct str name = {0};
    int64_t expires_us = 0;
    json_object_open(text);
    enum err err = admin_body_text(call, "name", true, &name);
    if (err == ERR_OK)
        err = admin_body_instant(call, "expires_at", &expires_us);
    if (err == ERR_OK && expires_us != 0 && expires_us <= admin_now_us(call))
        err = fault_param(&call->fault, ERR_FIELD_INVALID, "expires_at", "it has passed");
    if (err != ERR_OK)
        return err;
    json_pair_text(text, "name", name);
    json_pair_text(text, "prefix", str_make(token.ptr, PREFIX_BYTES));
    err = read_permissions(call, text);
    if (err == ERR_OK)
        err = read_customer(call, text);
    if (err != ERR_OK)
        return err;
    admin_put_instant(text, "expires_at", expires_us);
    json_pair_text(text, "created_by", call->actor.actor);
    json_object_close(text);
    return json_write_end(text);
}

enum err machine_create(struct admin_call *call, struct json_writer *writer)
{
    char token[TOKEN_BYTES_MAX], hash[TOKEN_HASH_BYTES];
    struct buf out;
    struct json_writer text;
    uint32_t version;
    token_make("cm_", token);
    token_hash("machine", str_of(token), hash);
    buf_init(&out, MACHINE_TEXT_BYTES_MAX);
    json_write_start(&text, &out);
    enum err err = write_text(call, &text, str_of(token));
    struct object_change const change = {.kind = OBJECT_MACHINE_TOKEN,
                                         .id = str_make(hash, sizeof hash),
                                         .text = buf_view(&out),
                                         .expected = OBJECT_ABSENT,
                                         .origin = ORIGIN_RUNTIME};
    if (err == ERR_OK)
        err = book_objects_put(admin_options(call->admin)->book, &change, 1, &call->actor, &version,
                               &call->fault);
    if (err == ERR_OK) {
        call->status = 201;
        json_object_open(writer);
        json_pair_text(writer, "id", change.id);
        json_pair_text(writer, "secret", str_of(token));
        json_key(writer, "token");
        json_put_raw(writer, buf_view(&out));
        json_object_close(writer);
        err = json_write_end(writer);
    }
    buf_free(&out);
    secret_zero(token, sizeof token);
    return err;
}

enum err machine_delete(struct admin_call *call, struct json_writer *writer)
{
    struct object_change const change = {.kind = OBJECT_MACHINE_TOKEN, .id = call->params[0]};
    uint32_t version;
    enum err const err = book_objects_put(admin_options(call->admin)->book, &change, 1,
                                          &call->actor, &version, &call->fault);
    if (err != ERR_OK)
        return err;
    call->status = 204;
    json_put_null(writer); /* a 204 has no body */
    return json_write_end(writer);
}
