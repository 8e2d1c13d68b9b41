/* usage.c - finished calls, page by page. */
#include "admin/usage_int.h"
#include "base/limits.h"
#include "codec/when.h"

enum { FLUSH_MS = 2000 };

static const char *const columns[] = {"request_id",
                                      "hold_id",
                                      "customer",
                                      "key",
                                      "key_id",
                                      "user",
                                      "feature",
                                      "module",
                                      "profile",
                                      "group",
                                      "endpoint",
                                      "model",
                                      "provider",
                                      "upstream_model",
                                      "outcome",
                                      "http_status",
                                      "stream",
                                      "attempts",
                                      "usage_source",
                                      "input_tokens",
                                      "output_tokens",
                                      "cached_tokens",
                                      "reasoning_tokens",
                                      "cost_nano",
                                      "unit",
                                      "charge_nano",
                                      "charged_nano",
                                      "covered_nano",
                                      "overage_nano",
                                      "debt_nano",
                                      "held_nano",
                                      "own_key",
                                      "list_nano",
                                      "started_at",
                                      "finished_at",
                                      "latency_ms",
                                      "first_byte_ms",
                                      NULL};

struct key_name {
    struct str id, name;
};

/* --- names of keys --------------------------------------------------------------------------- */
static bool keep_key(void *owner, const struct key_row *row)
{
    struct usage_state *state = owner;
    struct key_name *kept = arena_alloc(state->arena, sizeof *kept);
    if (kept == NULL) {
        state->err = ERR_NO_MEMORY;
        return false;
    }
    *kept =
        (struct key_name){arena_copy(state->arena, row->id), arena_copy(state->arena, row->name)};
    if (kept->id.ptr == NULL || kept->name.ptr == NULL)
        state->err = ERR_NO_MEMORY;
    else
        state->err = map_put(&state->key_names, kept->id, kept);
    return state->err == ERR_OK;
}

struct str usage_key_name(const struct usage_state *state, struct str id)
{
    const struct key_name *found = map_get(&state->key_names, id);
    return found ? found->name : id;
}

static void forget_names(void *object)
{
    struct usage_state *state = object;
    map_free(&state->key_names);
    export_free(&state->rows);
}

/* --- the question ---------------------------------------------------------------------------- */
static enum err read_instant(struct admin_call *call, const char *name, int64_t *wall_us)
{
    struct str const text = admin_query(call, name);
    int64_t const now_us = clock_wall_us(admin_options(call->admin)->clock);
    if (text.ptr != NULL && !when_since_parse(text, now_us, wall_us))
        return fault_param(&call->fault, ERR_FIELD_INVALID, name,
                           "%s must be a span such as 1h or 7d, or an RFC 3339 instant", name);
    return ERR_OK;
}

/* A key may be asked for by its name when the customer is given too. */
static struct str key_id_of(struct usage_state *state, struct str id_or_name)
{
    size_t at = 0;
    for (struct key_name *key; (key = map_next(&state->key_names, &at)) != NULL;)
        if (str_eq(key->name, id_or_name))
            return key->id;
    return id_or_name;
}

static enum err read_query(struct admin_call *call, struct usage_state *state)
{
    int64_t limit = INT64_MAX;
    struct str const text = admin_query(call, "limit");
    if (text.ptr != NULL && (!str_to_i64(text, &limit) || limit == 0))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "limit",
                           "limit must be a whole number above zero");
    state->left = (size_t)limit;
    state->query.customer_id = admin_query(call, "customer");
    state->query.model = admin_query(call, "model");
    state->query.provider = admin_query(call, "provider");
    state->query.request_id = admin_query(call, "request_id");
    enum err err = read_instant(call, "since", &state->query.since_us);
    if (err == ERR_OK)
        err = read_instant(call, "until", &state->query.until_us);
    if (err == ERR_OK)
        err = usage_by_read(call, state);
    return err;
}

static bool keep_keys_of(void *owner, const struct customer_row *row)
{
    struct usage_state *state = owner;
    struct str *id = arena_alloc(state->arena, sizeof *id);
    if (id == NULL || (*id = arena_copy(state->arena, row->id)).ptr == NULL)
        state->err = ERR_NO_MEMORY;
    else
        state->err = map_put(&state->key_names, *id, id);
    return state->err == ERR_OK;
}

/* The names of all keys that may be in the answer. */
static enum err load_names(struct admin_call *call, struct usage_state *state)
{
    struct book *book = admin_options(call->admin)->book;
    struct str const customer = state->query.customer_id;
    if (customer.ptr != NULL) {
        book_keys(book, customer, keep_key, state);
        return state->err;
    }
    struct usage_state customers = {.arena = call->arena};
    map_init(&customers.key_names); /* here: customer ids, gathered before keys are visited */
    book_customers(book, keep_keys_of, &customers);
    state->err = customers.err;
    size_t at = 0;
    for (struct str *id;
         state->err == ERR_OK && (id = map_next(&customers.key_names, &at)) != NULL;)
        book_keys(book, *id, keep_key, state);
    map_free(&customers.key_names);
    return state->err;
}

/* --- rows ------------------------------------------------------------------------------------ */
static void put_optional(struct json_writer *writer, const char *key, struct str text)
{
    if (text.len > 0)
        json_pair_text(writer, key, text);
}

static void put_tokens(struct json_writer *writer, const struct usage *usage)
{
    json_pair_text(writer, "usage_source", str_of(usage_source_name(usage->source)));
    json_pair_i64(writer, "input_tokens", usage_input(usage));
    json_pair_i64(writer, "output_tokens", usage_output(usage));
    json_pair_i64(writer, "cached_tokens", usage->tokens[POOL_CACHED_INPUT]);
    json_pair_i64(writer, "reasoning_tokens", usage->tokens[POOL_REASONING]);
    json_key(writer, "pools");
    json_object_open(writer);
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (usage->tokens[pool] != 0)
            json_pair_i64(writer, pool_key((enum pool)pool), usage->tokens[pool]);
    json_object_close(writer);
}

static void put_times(struct json_writer *writer, const struct usage_row *row)
{
    admin_put_instant(writer, "started_at", row->started_us);
    admin_put_instant(writer, "finished_at", row->finished_us);
    json_pair_decimal(writer, "latency_ms", row->finished_us - row->started_us, 3);
    json_key(writer, "first_byte_ms");
    if (row->first_byte_us == 0)
        json_put_null(writer);
    else
        json_put_decimal(writer, row->first_byte_us - row->started_us, 3);
}

bool usage_in_credits(const struct usage_state *state, struct str customer_id)
{
    const struct customer *customer = book_customer(state->book, customer_id);
    return customer != NULL && customer_in_credits(customer);
}

static void put_row(const struct usage_state *state, struct json_writer *writer,
                    const struct usage_row *row)
{
    json_object_open(writer);
    json_pair_text(writer, "request_id", row->request_id);
    json_pair_text(writer, "hold_id", row->hold_id);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "key", usage_key_name(state, row->key_id));
    json_pair_text(writer, "key_id", row->key_id);
    put_optional(writer, "user", row->user);
    put_optional(writer, "feature", row->feature);
    put_optional(writer, "module", row->module);
    put_optional(writer, "profile", row->profile);
    put_optional(writer, "group", row->group);
    json_pair_text(writer, "endpoint", row->endpoint);
    json_pair_text(writer, "model", row->model);
    json_pair_text(writer, "provider", row->provider);
    json_pair_text(writer, "upstream_model", row->upstream_model);
    json_pair_text(writer, "outcome", row->outcome);
    json_pair_i64(writer, "http_status", row->http_status);
    json_pair_bool(writer, "stream", row->stream);
    json_pair_i64(writer, "attempts", row->attempts);
    put_tokens(writer, &row->usage);
    json_pair_i64(writer, "cost_nano", row->cost.nano);
    json_pair_text(writer, "unit",
                   usage_in_credits(state, row->customer_id) ? STR(WALLET_CREDITS) : STR("USD"));
    json_pair_i64(writer, "charge_nano", usage_row_charge(row).nano);
    json_pair_i64(writer, "charged_nano", row->charged.nano);
    json_pair_i64(writer, "covered_nano", row->covered.nano);
    json_pair_i64(writer, "overage_nano", row->overage.nano);
    json_pair_i64(writer, "debt_nano", row->debt.nano);
    json_pair_i64(writer, "held_nano", row->held.nano);
    json_pair_bool(writer, "own_key", row->own_key);
    json_pair_i64(writer, "list_nano", row->list.nano);
    put_times(writer, row);
    json_object_close(writer);
}

static bool visit_row(void *owner, const struct usage_row *row)
{
    struct usage_state *state = owner;
    struct json_writer writer;
    export_writer(&state->rows, &writer);
    put_row(state, &writer, row);
    state->err = export_row(&state->rows, &writer, state->out);
    state->last_lsn = row->lsn;
    state->page_rows++;
    state->left--;
    return state->err == ERR_OK && state->left > 0;
}

static enum err send_rows(struct admin_call *call, struct usage_state *state)
{
    struct store *store = admin_options(call->admin)->store;
    state->query.limit = state->left < ADMIN_PAGE_ROWS ? state->left : ADMIN_PAGE_ROWS;
    size_t const asked = state->query.limit;
    state->page_rows = 0;
    enum err const err = store->ops->usage(store, &state->query, visit_row, state, &call->fault);
    state->query.before_lsn = state->last_lsn;
    call->more = state->left > 0 && state->page_rows == asked;
    if (err != ERR_OK || state->err != ERR_OK)
        return err != ERR_OK ? err : state->err;
    return call->more ? ERR_OK : export_end(&state->rows, state->out);
}

static enum err start(struct admin_call *call)
{
    struct usage_state *state = arena_zalloc(call->arena, sizeof *state);
    if (state == NULL || !arena_on_free(call->arena, forget_names, state))
        return ERR_NO_MEMORY;
    map_init(&state->key_names);
    state->arena = call->arena;
    state->book = admin_options(call->admin)->book;
    state->of_customer = call->customer.len > 0;
    call->state = state;
    enum err err = read_query(call, state);
    export_start(call, &state->rows,
                 state->by_count > 0 ? (const char *const *)state->columns : columns);
    if (err == ERR_OK)
        err = load_names(call, state);
    struct str const key = admin_query(call, "key");
    if (err == ERR_OK && key.ptr != NULL)
        state->query.key_id = key_id_of(state, key);
    if (err == ERR_OK && !projector_flush(admin_options(call->admin)->projector, FLUSH_MS))
        err = fault_set(&call->fault, ERR_STORE_FAILED,
                        "the database is behind the journal; try again");
    return err;
}

enum err usage_list(struct admin_call *call, struct json_writer *writer)
{
    if (call->state == NULL) {
        enum err const err = start(call);
        if (err != ERR_OK)
            return err;
    }
    struct usage_state *state = call->state;
    state->out = writer->out;
    return state->by_count == 0 ? send_rows(call, state) : usage_sums(call, state);
}
