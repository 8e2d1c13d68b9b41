/* decisions.c - why a finished call was let through, and what it used up: told from its usage row
 * and from what its verdict rested on then (govern/basis.h), whatever plans and limits say today.
 */
#include "admin/compat_int.h"
#include "book/record_basis.h"
#include "codec/when.h"

enum { DECISION_PAGE_DEFAULT = 50 };

/* Rows are copied first and told then: telling one asks the database for what it rested on, and no
 * call may hold two of the few reading connections. */
struct decision_page {
    struct admin_call *call;
    struct usage_row *rows;
    size_t count, room;
    bool more;
    enum err err;
};

/* --- what it rested on ----------------------------------------------------------------------- */
struct basis_copy {
    struct arena *arena;
    struct str text;
};

static bool keep_basis(void *owner, const struct basis_row *row)
{
    struct basis_copy *copy = owner;
    copy->text = arena_copy(copy->arena, row->text);
    return false;
}

/* Empty: the call was under no plan and no limits, or the journal is ahead of the rows. */
static enum err basis_of(struct admin_call *call, const struct decision *decision,
                         struct json_object *basis)
{
    struct store *store = admin_options(call->admin)->store;
    struct basis_copy copy = {.arena = call->arena};
    basis->count = 0;
    if (decision->basis == 0)
        return ERR_OK;
    enum err err = store->ops->basis(store, decision->basis, keep_basis, &copy, &call->fault);
    if (err == ERR_OK && copy.text.len > 0)
        err = json_scan(copy.text, basis, &call->fault);
    return err;
}

/* --- limits ---------------------------------------------------------------------------------- */
static const struct decision_line *line_find(const struct decision *decision, enum window_role role,
                                             size_t number)
{
    for (size_t i = 0; i < decision->count; i++) {
        const struct decision_line *line = &decision->lines[i];
        if (line->role == role && (role != ROLE_LIMIT || line->number == number))
            return line;
    }
    return NULL;
}

static void put_quantity(struct json_writer *writer, const char *key,
                         const struct decision_line *line, int64_t value)
{
    json_key(writer, key);
    if (line == NULL)
        json_put_null(writer);
    else if (line->metric == METRIC_COST)
        json_put_decimal(writer, value, MONEY_SCALE);
    else
        json_put_i64(writer, value);
}

/* A limit as it was, with what had been used of it. No line: nothing of it is used up (calls that
 * run at once), or nothing was. */
static void put_limit(struct json_writer *writer, struct str limit,
                      const struct decision_line *line)
{
    static const char *const said[] = {"name", "metric", "window", "limit", "mode", "source"};
    struct json_object members;
    struct fault fault = {0};
    if (json_members(limit, &members, &fault) != ERR_OK)
        members.count = 0;
    json_object_open(writer);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        json_key(writer, said[i]);
        json_put_raw(writer, json_get(&members, str_of(said[i])));
    }
    put_quantity(writer, "before", line, line != NULL ? line->used - line->amount : 0);
    put_quantity(writer, "used", line, line != NULL ? line->amount : 0);
    put_quantity(writer, "after", line, line != NULL ? line->used : 0);
    if (line != NULL && line->carried > 0)
        put_quantity(writer, "carried", line, line->carried);
    json_object_close(writer);
}

static void put_funding(struct json_writer *writer, const char *key, struct str limit,
                        const struct decision_line *line)
{
    json_key(writer, key);
    if (json_type(limit) == JSON_OBJECT)
        put_limit(writer, limit, line);
    else
        json_put_null(writer);
}

static void put_basis(struct json_writer *writer, const struct json_object *basis,
                      const struct decision *decision)
{
    static const char *const said[] = {"plan", "plan_version", "matrix_cell", "output_max",
                                       "overage"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        json_key(writer, said[i]);
        json_put_raw(writer, json_get(basis, str_of(said[i])));
    }
    struct str const limits = json_get(basis, STR("limits"));
    struct str limit;
    size_t at = 0;
    json_key(writer, "limits");
    json_array_open(writer);
    for (size_t i = 0; json_next(limits, &at, &limit); i++)
        put_limit(writer, limit, line_find(decision, ROLE_LIMIT, i));
    json_array_close(writer);
    put_funding(writer, "allowance", json_get(basis, STR("allowance")),
                line_find(decision, ROLE_ALLOWANCE, 0));
    put_funding(writer, "overage_cap", json_get(basis, STR("overage_cap")),
                line_find(decision, ROLE_OVERAGE_CAP, 0));
}

/* --- one call -------------------------------------------------------------------------------- */
static void put_call(struct admin_call *call, struct json_writer *writer,
                     const struct usage_row *row)
{
    json_pair_text(writer, "request_id", row->request_id);
    admin_put_instant(writer, "at", row->finished_us);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "key_id", row->key_id);
    json_pair_text(writer, "user", row->user);
    json_pair_text(writer, "feature", row->feature);
    json_pair_text(writer, "profile", row->profile);
    json_pair_text(writer, "model", row->model);
    json_pair_text(writer, "provider", row->provider);
    json_pair_text(writer, "upstream_model", row->upstream_model);
    json_pair_bool(writer, "own_key", row->own_key);
    json_pair_text(writer, "outcome", row->outcome);
    json_pair_i64(writer, "http_status", row->http_status);
    json_pair_i64(writer, "attempts", row->attempts);
    json_pair_i64(writer, "price_version", row->price_version);
    json_key(writer, "money");
    json_object_open(writer);
    if (call->customer.len == 0) /* what we pay is not the customer's business */
        json_pair_decimal(writer, "cost", row->cost.nano, MONEY_SCALE);
    json_pair_decimal(writer, "held", row->held.nano, MONEY_SCALE);
    json_pair_decimal(writer, "charged", row->charged.nano, MONEY_SCALE);
    json_pair_decimal(writer, "covered", row->covered.nano, MONEY_SCALE);
    json_pair_decimal(writer, "overage", row->overage.nano, MONEY_SCALE);
    json_pair_decimal(writer, "debt", row->debt.nano, MONEY_SCALE);
    json_object_close(writer);
}

static enum err put_decision(struct admin_call *call, struct json_writer *writer,
                             const struct usage_row *row)
{
    struct decision *decision = arena_zalloc(call->arena, sizeof *decision);
    struct json_object *basis = arena_zalloc(call->arena, sizeof *basis);
    if (decision == NULL || basis == NULL)
        return ERR_NO_MEMORY;
    if (row->decision.len > 0 && !decision_decode(row->decision, decision))
        return fault_set(&call->fault, ERR_CORRUPT, "the decision of row %llu cannot be read",
                         (unsigned long long)row->lsn);
    enum err const err = basis_of(call, decision, basis);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    put_call(call, writer, row);
    put_basis(writer, basis, decision);
    json_object_close(writer);
    return writer->err;
}

static bool keep_row(void *owner, const struct usage_row *row)
{
    struct decision_page *page = owner;
    struct arena *arena = page->call->arena;
    if (page->count == page->room) {
        page->more = true;
        return false;
    }
    struct usage_row *copy = &page->rows[page->count++];
    *copy = *row;
    struct str *const texts[] = {
        &copy->request_id,     &copy->customer_id, &copy->key_id,   &copy->user,
        &copy->feature,        &copy->profile,     &copy->model,    &copy->provider,
        &copy->upstream_model, &copy->outcome,     &copy->decision,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool const wanted = texts[i]->len > 0;
        *texts[i] = arena_copy(arena, *texts[i]);
        if (wanted && texts[i]->ptr == NULL)
            page->err = ERR_NO_MEMORY;
    }
    return page->err == ERR_OK;
}

/* --- the operations -------------------------------------------------------------------------- */
static enum err query_read(struct admin_call *call, struct usage_query *query)
{
    struct str const since = admin_query(call, "since"), cursor = admin_query(call, "cursor");
    int64_t const now_us = clock_wall_us(admin_options(call->admin)->clock);
    int64_t before = 0;
    query->customer_id = admin_query(call, "customer");
    if (since.ptr != NULL && !when_since_parse(since, now_us, &query->since_us))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "since",
                           "an instant like 2026-11-20T12:00:00Z, or a span like 15m or 7d");
    if (cursor.ptr != NULL && (!str_to_i64(cursor, &before) || before < 1))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "cursor", "this is no cursor");
    query->before_lsn = (uint64_t)before;
    if (call->customer.len > 0) { /* whoever belongs to a customer sees nothing of another */
        if (query->customer_id.len > 0 && !str_eq(query->customer_id, call->customer))
            return fault_set(&call->fault, ERR_NOT_FOUND, "there is no such customer here");
        query->customer_id = call->customer;
    }
    return ERR_OK;
}

static enum err page_read(struct decision_page *page, struct usage_query *query, size_t room)
{
    struct admin_call *call = page->call;
    struct store *store = admin_options(call->admin)->store;
    enum err err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    page->room = room;
    page->rows = arena_alloc(call->arena, room * sizeof *page->rows);
    if (page->rows == NULL)
        return ERR_NO_MEMORY;
    query->limit = room + 1;
    err = store->ops->usage(store, query, keep_row, page, &call->fault);
    return err != ERR_OK ? err : page->err;
}

enum err decisions_list(struct admin_call *call, struct json_writer *writer)
{
    int64_t limit = DECISION_PAGE_DEFAULT;
    struct str const text = admin_query(call, "limit");
    if (text.ptr != NULL && !str_to_i64(text, &limit))
        limit = DECISION_PAGE_DEFAULT; /* openapi.yaml lets only numbers in range pass */
    struct decision_page page = {.call = call};
    struct usage_query query = {0};
    enum err err = key_scope_check(call, "usage:read");
    if (err == ERR_OK)
        err = query_read(call, &query);
    if (err == ERR_OK)
        err = page_read(&page, &query, (size_t)limit);
    json_object_open(writer);
    json_key(writer, "items");
    json_array_open(writer);
    for (size_t i = 0; err == ERR_OK && i < page.count; i++)
        err = put_decision(call, writer, &page.rows[i]);
    if (err != ERR_OK)
        return err;
    json_array_close(writer);
    json_key(writer, "next_cursor");
    if (page.more)
        json_put_text(writer, arena_printf(call->arena, "%llu",
                                           (unsigned long long)page.rows[page.count - 1].lsn));
    else
        json_put_null(writer);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err decision_get(struct admin_call *call, struct json_writer *writer)
{
    struct decision_page page = {.call = call};
    struct usage_query query = {.request_id = call->params[0], .customer_id = call->customer};
    enum err err = key_scope_check(call, "usage:read");
    if (err == ERR_OK)
        err = page_read(&page, &query, 1);
    if (err == ERR_OK && page.count == 0)
        err = fault_set(&call->fault, ERR_NOT_FOUND,
                        "no finished call has this request id; a refused one leaves no record");
    if (err == ERR_OK)
        err = put_decision(call, writer, &page.rows[0]);
    return err != ERR_OK ? err : json_write_end(writer);
}
