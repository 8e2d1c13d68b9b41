/* customers.c - customers, their credit and its grants; and the daemon's own status and reload. */
#include "admin/admin_int.h"

static struct str status_name(int status)
{
    static const struct str names[] = {
        [CUSTOMER_ACTIVE] = STR_ROW("active"),
        [CUSTOMER_SUSPENDED] = STR_ROW("suspended"),
        [CUSTOMER_CLOSED] = STR_ROW("closed"),
    };
    return status >= 0 && status <= CUSTOMER_CLOSED ? names[status] : STR("unknown");
}

static bool put_customer(void *owner, const struct customer_row *row)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "status", status_name(row->status));
    json_pair_text(writer, "origin", row->origin == ORIGIN_FILE ? STR("file") : STR("runtime"));
    json_pair_text(writer, "currency", row->currency);
    json_pair_bool(writer, "unlimited", row->unlimited);
    json_pair_i64(writer, "overdraft_nano", row->overdraft.nano);
    json_pair_i64(writer, "debt_nano", row->debt.nano);
    admin_put_instant(writer, "created_at", row->created_us);
    json_object_close(writer);
    return writer->err == ERR_OK;
}

enum err customers_list(struct admin_call *call, struct json_writer *writer)
{
    json_object_open(writer);
    json_key(writer, "customers");
    json_array_open(writer);
    book_customers(admin_options(call->admin)->book, put_customer, writer);
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}

static bool put_grant(void *owner, const struct grant_row *row)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "category", row->category);
    json_pair_i64(writer, "amount_nano", row->amount.nano);
    json_pair_i64(writer, "remaining_nano", row->remaining.nano);
    json_pair_i64(writer, "priority", row->priority);
    json_pair_text(writer, "source_type", row->source_type);
    json_pair_text(writer, "source_id", row->source_id);
    admin_put_instant(writer, "effective_at", row->effective_us);
    admin_put_instant(writer, "expires_at", row->expires_us);
    admin_put_instant(writer, "created_at", row->created_us);
    json_object_close(writer);
    return writer->err == ERR_OK;
}

static void put_balance(struct json_writer *writer, const struct balance *balance)
{
    json_pair_i64(writer, "granted_nano", balance->granted.nano);
    json_pair_i64(writer, "remaining_nano", balance->remaining.nano);
    json_pair_i64(writer, "held_nano", balance->held.nano);
    json_pair_i64(writer, "available_nano", balance->available.nano);
    json_pair_i64(writer, "consumed_nano", balance->consumed.nano);
    json_pair_i64(writer, "breakage_nano", balance->breakage.nano);
    json_pair_i64(writer, "overage_nano", balance->overage.nano);
    json_pair_i64(writer, "debt_nano", balance->debt.nano);
    json_pair_i64(writer, "settled_cost_nano", balance->settled_cost.nano);
    json_pair_i64(writer, "holds", balance->holds);
}

enum err credit_get(struct admin_call *call, struct json_writer *writer)
{
    struct book *book = admin_options(call->admin)->book;
    struct str const customer = call->params[0];
    struct balance balance = {0};
    enum err const err = book_balance(book, customer, &balance, &call->fault);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "customer", customer);
    json_pair_bool(writer, "unlimited", customer_unlimited(book_customer(book, customer)));
    put_balance(writer, &balance);
    json_key(writer, "grants");
    json_array_open(writer);
    book_grants(book, customer, put_grant, writer);
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}

static bool is_category(struct str category)
{
    static const char *const known[] = {"paid", "promo", "included", "bonus", "adjustment"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(category, str_of(known[i])))
            return true;
    return false;
}

static enum err read_grant(struct admin_call *call, struct grant_wanted *want)
{
    want->priority = 100;
    enum err err = admin_body_money(call, "amount_usd", &want->amount);
    if (err == ERR_OK && want->amount.nano <= 0)
        err = fault_param(&call->fault, ERR_FIELD_INVALID, "amount_usd",
                          "amount_usd must be more than zero");
    if (err == ERR_OK)
        err = admin_body_text(call, "category", false, &want->category);
    if (err == ERR_OK && want->category.ptr == NULL)
        want->category = STR("paid");
    if (err == ERR_OK && !is_category(want->category))
        err = fault_param(&call->fault, ERR_FIELD_INVALID, "category",
                          "category must be paid, promo, included, bonus or adjustment");
    if (err == ERR_OK)
        err = admin_body_i64(call, "priority", &want->priority);
    if (err == ERR_OK)
        err = admin_body_instant(call, "effective_at", &want->effective_us);
    if (err == ERR_OK)
        err = admin_body_instant(call, "expires_at", &want->expires_us);
    if (err == ERR_OK)
        err = admin_body_text(call, "reference", false, &want->source_id);
    return err;
}

enum err grant_create(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct grant_wanted want = {.customer_id = call->params[0], .source_type = STR("api")};
    char fresh[ULID_TEXT_BYTES];
    bool existed = false;
    enum err err = read_grant(call, &want);
    if (err == ERR_OK)
        err = admin_new_customer(call, want.customer_id);
    if (err != ERR_OK)
        return err;
    if (want.source_id.ptr == NULL) { /* no reference: each call gives anew */
        struct random random;
        uint64_t seed;
        random_secret(&seed, sizeof seed);
        random_seed(&random, seed);
        ulid_text(ulid_make(&random, clock_wall_us(options->clock)), fresh);
        want.source_id = str_make(fresh, sizeof fresh);
    }
    err = book_grant(options->book, &want, &existed, &call->fault);
    struct balance balance = {0};
    if (err == ERR_OK)
        err = book_balance(options->book, want.customer_id, &balance, &call->fault);
    if (err != ERR_OK)
        return err;
    call->status = existed ? 200 : 201;
    json_object_open(writer);
    json_pair_text(writer, "customer", want.customer_id);
    json_pair_i64(writer, "amount_nano", want.amount.nano);
    json_pair_text(writer, "reference", want.source_id);
    json_pair_bool(writer, "existed", existed);
    put_balance(writer, &balance);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err status_get(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    json_object_open(writer);
    options->status(options->owner, writer);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err reload_run(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    enum err const err = options->reload(options->owner, &call->fault);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_bool(writer, "reloaded", true);
    json_object_close(writer);
    return json_write_end(writer);
}
