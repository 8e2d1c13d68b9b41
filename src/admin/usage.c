/* usage.c - finished calls, page by page, and their sums. */
#include "admin/admin_int.h"
#include "base/limits.h"
#include "base/map.h"
#include "codec/when.h"
#include <stdlib.h>

enum { FLUSH_MS = 2000, GROUPS_MAX = 100000 };

enum grouping { BY_NOTHING, BY_MODEL, BY_CUSTOMER, BY_KEY, BY_PROVIDER };

struct usage_state {
    struct usage_query query;
    size_t left;      /* rows that may still be sent */
    size_t page_rows; /* seen in this page */
    uint64_t last_lsn;
    enum grouping by;
    struct map key_names; /* key id -> struct str * */
    struct json_writer *writer;
    struct arena *arena;
    enum err err;
};

struct usage_group {
    struct str name;
    struct bucket_row sum;
};

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

static struct str key_name_of(const struct usage_state *state, struct str id)
{
    const struct key_name *found = map_get(&state->key_names, id);
    return found ? found->name : id;
}

static void forget_names(void *object)
{
    struct usage_state *state = object;
    map_free(&state->key_names);
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

static enum err read_grouping(struct admin_call *call, enum grouping *by)
{
    static const char *const names[] = {"", "model", "customer", "key", "provider"};
    struct str const text = admin_query(call, "by");
    *by = BY_NOTHING;
    for (int i = BY_MODEL; text.ptr != NULL && i <= BY_PROVIDER; i++)
        if (str_eq(text, str_of(names[i])))
            *by = (enum grouping)i;
    if (text.ptr != NULL && *by == BY_NOTHING)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "by",
                           "by must be model, customer, key or provider");
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
        err = read_grouping(call, &state->by);
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

static void put_row(struct usage_state *state, const struct usage_row *row)
{
    struct json_writer *writer = state->writer;
    json_object_open(writer);
    json_pair_text(writer, "request_id", row->request_id);
    json_pair_text(writer, "hold_id", row->hold_id);
    json_pair_text(writer, "customer", row->customer_id);
    json_pair_text(writer, "key", key_name_of(state, row->key_id));
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
    json_pair_i64(writer, "charged_nano", row->charged.nano);
    json_pair_i64(writer, "covered_nano", row->covered.nano);
    json_pair_i64(writer, "overage_nano", row->overage.nano);
    json_pair_i64(writer, "debt_nano", row->debt.nano);
    json_pair_i64(writer, "held_nano", row->held.nano);
    put_times(writer, row);
    json_object_close(writer);
}

static bool visit_row(void *owner, const struct usage_row *row)
{
    struct usage_state *state = owner;
    struct buf *out = state->writer->out;
    json_write_start(state->writer, out); /* each line is a document of its own */
    put_row(state, row);
    state->err = json_write_end(state->writer);
    if (state->err == ERR_OK)
        state->err = buf_add_byte(out, '\n');
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
    return err != ERR_OK ? err : state->err;
}

/* --- sums ------------------------------------------------------------------------------------ */
struct sums {
    struct usage_state *state;
    struct map groups;
};

static struct str group_name(const struct usage_state *state, const struct bucket_row *row)
{
    switch (state->by) {
    case BY_MODEL:
        return row->model;
    case BY_CUSTOMER:
        return row->customer_id;
    case BY_KEY:
        return key_name_of(state, row->key_id);
    case BY_PROVIDER:
        return row->provider;
    case BY_NOTHING:
        break;
    }
    return (struct str){0};
}

static struct usage_group *group_of(struct sums *sums, struct str name)
{
    struct usage_group *group = map_get(&sums->groups, name);
    if (group != NULL || sums->groups.count >= GROUPS_MAX)
        return group;
    group = arena_zalloc(sums->state->arena, sizeof *group);
    if (group == NULL)
        return NULL;
    group->name = arena_copy(sums->state->arena, name);
    if (group->name.ptr == NULL || map_put(&sums->groups, group->name, group) != ERR_OK)
        return NULL;
    return group;
}

static bool visit_bucket(void *owner, const struct bucket_row *row)
{
    struct sums *sums = owner;
    const struct usage_query *query = &sums->state->query;
    bool const other = (query->model.ptr && !str_eq(query->model, row->model)) ||
                       (query->provider.ptr && !str_eq(query->provider, row->provider));
    if (other)
        return true;
    struct usage_group *group = group_of(sums, group_name(sums->state, row));
    if (group == NULL) {
        sums->state->err = ERR_TOO_LARGE;
        return false;
    }
    group->sum.requests += row->requests;
    group->sum.failures += row->failures;
    group->sum.latency_us += row->latency_us;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        group->sum.tokens[pool] += row->tokens[pool];
    if (!money_add(group->sum.cost, row->cost, &group->sum.cost) ||
        !money_add(group->sum.charged, row->charged, &group->sum.charged))
        sums->state->err = ERR_TOO_LARGE;
    return sums->state->err == ERR_OK;
}

static enum err put_group(struct usage_state *state, const struct usage_group *group)
{
    static const char *const keys[] = {"", "model", "customer", "key", "provider"};
    struct json_writer *writer = state->writer;
    struct usage usage = {.source = USAGE_NONE};
    memcpy(usage.tokens, group->sum.tokens, sizeof usage.tokens);
    json_write_start(writer, writer->out);
    json_object_open(writer);
    json_pair_text(writer, keys[state->by], group->name);
    json_pair_i64(writer, "requests", group->sum.requests);
    json_pair_i64(writer, "failures", group->sum.failures);
    json_pair_i64(writer, "input_tokens", usage_input(&usage));
    json_pair_i64(writer, "output_tokens", usage_output(&usage));
    json_pair_i64(writer, "cached_tokens", usage.tokens[POOL_CACHED_INPUT]);
    json_pair_i64(writer, "reasoning_tokens", usage.tokens[POOL_REASONING]);
    json_pair_i64(writer, "cost_nano", group->sum.cost.nano);
    json_pair_i64(writer, "charged_nano", group->sum.charged.nano);
    int64_t const requests = group->sum.requests > 0 ? group->sum.requests : 1;
    json_pair_decimal(writer, "mean_latency_ms", group->sum.latency_us / requests, 3);
    json_object_close(writer);
    enum err const err = json_write_end(writer);
    return err == ERR_OK ? buf_add_byte(writer->out, '\n') : err;
}

static int dearest_first(const void *a, const void *b)
{
    const struct usage_group *one = *(struct usage_group *const *)a;
    const struct usage_group *other = *(struct usage_group *const *)b;
    if (one->sum.cost.nano != other->sum.cost.nano)
        return one->sum.cost.nano > other->sum.cost.nano ? -1 : 1;
    size_t const shorter = one->name.len < other->name.len ? one->name.len : other->name.len;
    int const order = memcmp(one->name.ptr, other->name.ptr, shorter);
    return order != 0 ? order
                      : (one->name.len > other->name.len) - (one->name.len < other->name.len);
}

/* From the 15-minute sums: quick at any size; `since` counts from the quarter hour it is in. */
static enum err send_sums(struct admin_call *call, struct usage_state *state)
{
    struct store *store = admin_options(call->admin)->store;
    struct sums sums = {.state = state};
    struct bucket_query const query = {.customer_id = state->query.customer_id,
                                       .key_id = state->query.key_id,
                                       .since_us = state->query.since_us -
                                                   state->query.since_us % BUCKET_US,
                                       .until_us = state->query.until_us};
    map_init(&sums.groups);
    enum err err = store->ops->buckets(store, &query, visit_bucket, &sums, &call->fault);
    if (err == ERR_OK)
        err = state->err;
    size_t const count = sums.groups.count;
    struct usage_group **sorted = arena_alloc(call->arena, (count + 1) * sizeof *sorted);
    if (err == ERR_OK && sorted == NULL)
        err = ERR_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        sorted[i] = map_next(&sums.groups, &at);
    if (err == ERR_OK)
        qsort(sorted, count, sizeof *sorted, dearest_first);
    for (size_t i = 0; err == ERR_OK && i < count && i < state->left; i++)
        err = put_group(state, sorted[i]);
    map_free(&sums.groups);
    return err;
}

static enum err start(struct admin_call *call)
{
    struct usage_state *state = arena_zalloc(call->arena, sizeof *state);
    if (state == NULL || !arena_on_free(call->arena, forget_names, state))
        return ERR_NO_MEMORY;
    map_init(&state->key_names);
    state->arena = call->arena;
    call->state = state;
    call->content_type = "application/x-ndjson";
    enum err err = read_query(call, state);
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
    state->writer = writer;
    return state->by == BY_NOTHING ? send_rows(call, state) : send_sums(call, state);
}
