/* customers.c - customers, their credit and its grants; and the daemon's own status and reload. */
#include "admin/idempotent.h"
#include "admin/objects_int.h"

static struct str status_name(int status)
{
    static const struct str names[] = {
        [CUSTOMER_ACTIVE] = STR_ROW("active"),
        [CUSTOMER_SUSPENDED] = STR_ROW("suspended"),
        [CUSTOMER_CLOSED] = STR_ROW("closed"),
    };
    return status >= 0 && status <= CUSTOMER_CLOSED ? names[status] : STR("unknown");
}

struct customer_page {
    struct admin_call *call;
    struct json_writer *writer;
    size_t left;
    struct str last;
    bool more;
};

static bool put_customer(void *owner, const struct customer_row *row)
{
    struct customer_page *page = owner;
    struct json_writer *writer = page->writer;
    struct balance balance = {0};
    struct fault ignored = {0};
    page->more = page->left == 0;
    if (page->more)
        return false;
    page->left--;
    /* What it owes is a counter of the book; the row does not say it. */
    if (book_balance(admin_options(page->call->admin)->book, row->id, &balance, &ignored) != ERR_OK)
        balance.debt = row->debt;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "status", status_name(row->status));
    json_pair_text(writer, "origin", row->origin == ORIGIN_FILE ? STR("file") : STR("runtime"));
    json_pair_text(writer, "currency", row->currency);
    json_pair_bool(writer, "unlimited", row->unlimited);
    json_pair_i64(writer, "overdraft_nano", row->overdraft.nano);
    json_pair_i64(writer, "debt_nano", balance.debt.nano);
    admin_put_instant(writer, "created_at", row->created_us);
    json_object_close(writer);
    page->last = arena_copy(page->call->arena, row->id);
    return writer->err == ERR_OK && page->last.ptr != NULL;
}

enum err customers_list(struct admin_call *call, struct json_writer *writer)
{
    struct store *store = admin_options(call->admin)->store;
    struct customer_page page = {
        .call = call, .writer = writer, .left = admin_page_rows(call), .last = STR("")};
    struct account_query const query = {.after_customer = admin_query_or_empty(call, "cursor"),
                                        .limit = page.left + 1};
    enum err err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_key(writer, "customers");
    json_array_open(writer);
    err = store->ops->customer_page(store, &query, put_customer, &page, &call->fault);
    json_array_close(writer);
    admin_put_cursor(writer, page.more, page.last);
    json_object_close(writer);
    if (err == ERR_OK && page.last.ptr == NULL)
        err = ERR_NO_MEMORY;
    enum err const written = json_write_end(writer);
    return err != ERR_OK ? err : written;
}

static void put_features(struct json_writer *writer, struct str features)
{
    json_key(writer, "features");
    json_array_open(writer);
    while (features.len > 0) {
        size_t const len = str_find(features, STR(" "));
        json_put_text(writer, str_make(features.ptr, len));
        features = str_skip(features, len == features.len ? len : len + 1);
    }
    json_array_close(writer);
}

static bool put_grant(void *owner, const struct grant_row *row)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "id", row->id);
    json_pair_text(writer, "category", row->category);
    put_features(writer, row->features);
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

static void put_balance(struct json_writer *writer, const struct customer *customer,
                        const struct balance *balance)
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
    json_pair_i64(writer, "scoped_nano", balance->scoped.nano);
    json_pair_text(writer, "unit", customer_currency(customer));
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
    put_balance(writer, book_customer(book, customer), &balance);
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

/* In dollars or in credits. */
static enum err read_amount(struct admin_call *call, struct grant_wanted *want)
{
    struct str const usd = json_get(&call->object, STR("amount_usd"));
    struct str const credits = json_get(&call->object, STR("credits"));
    bool const has_usd = usd.ptr != NULL && json_type(usd) != JSON_NULL;
    want->credits = credits.ptr != NULL && json_type(credits) != JSON_NULL;
    if (has_usd && want->credits)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "credits",
                           "say either amount_usd or credits");
    const char *name = want->credits ? "credits" : "amount_usd";
    enum err const err = admin_body_money(call, name, &want->amount);
    if (err == ERR_OK && want->amount.nano <= 0)
        return fault_param(&call->fault, ERR_FIELD_INVALID, name, "%s must be more than zero",
                           name);
    return err;
}

/* ["chat", "reports"] as "chat reports". */
static enum err read_features(struct admin_call *call, struct str *features)
{
    struct str element, text, list = json_get(&call->object, STR("features"));
    size_t at = 0, len = 0;
    char joined[GRANT_FEATURES_BYTES_MAX + 1];
    if (list.ptr == NULL || json_type(list) == JSON_NULL)
        return ERR_OK;
    while (json_next(list, &at, &element)) {
        bool const plain =
            json_plain_text(element, &text) && text.len > 0 && str_find(text, STR(" ")) == text.len;
        if (!plain || len + text.len + 1 > sizeof joined)
            return fault_param(&call->fault, ERR_FIELD_INVALID, "features",
                               "features must be names, together at most %d bytes",
                               GRANT_FEATURES_BYTES_MAX);
        if (len > 0)
            joined[len++] = ' ';
        memcpy(joined + len, text.ptr, text.len);
        len += text.len;
    }
    if (len == 0)
        return ERR_OK;
    *features = arena_copy(call->arena, str_make(joined, len));
    return features->ptr ? ERR_OK : ERR_NO_MEMORY;
}

static enum err read_grant(struct admin_call *call, struct grant_wanted *want)
{
    want->priority = 100;
    enum err err = read_amount(call, want);
    if (err == ERR_OK)
        err = read_features(call, &want->features);
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
    bool existed = false;
    enum err err = read_grant(call, &want);
    if (err == ERR_OK)
        err = admin_new_customer(call, want.customer_id);
    if (err != ERR_OK)
        return err;
    if (want.source_id.ptr == NULL && !idempotent_id(call, &want.source_id))
        return ERR_NO_MEMORY; /* no reference: each call gives anew */
    err = book_grant(options->book, &want, &existed, &call->fault);
    struct balance balance = {0};
    if (err == ERR_OK)
        err = book_balance(options->book, want.customer_id, &balance, &call->fault);
    if (err != ERR_OK)
        return err;
    existed = existed && !idempotent_again(call); /* else the first try gave it, and died */
    call->status = existed ? 200 : 201;
    json_object_open(writer);
    json_pair_text(writer, "customer", want.customer_id);
    json_pair_i64(writer, "amount_nano", want.amount.nano);
    json_pair_text(writer, "reference", want.source_id);
    json_pair_bool(writer, "existed", existed);
    put_balance(writer, book_customer(options->book, want.customer_id), &balance);
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
