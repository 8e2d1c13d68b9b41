/* usage_sums.c - finished calls summed up by one or two of their sides. */
#include "admin/usage_int.h"
#include "codec/when.h"
#include <stdlib.h>

enum { GROUPS_MAX = 100000, SCAN_ROWS_MAX = 2000000, SCAN_PAGE_ROWS = 2000, SUM_COLUMNS = 12 };

static const char *const names[BY_COUNT] = {"model",   "customer", "key",      "provider", "hour",
                                            "day",     "month",    "user",     "feature",  "module",
                                            "profile", "group",    "endpoint", "outcome"};

struct usage_group {
    struct str names[USAGE_DIMENSIONS_MAX];
    struct bucket_row sum;
    struct money charge, margin, credits; /* of wallets of money; of those of credits */
};

struct sums {
    struct usage_state *state;
    struct map groups;
};

/* --- the question ---------------------------------------------------------------------------- */
static enum err dimension_read(struct admin_call *call, struct usage_state *state, struct str text)
{
    int found = BY_COUNT;
    for (int i = 0; i < BY_COUNT; i++)
        if (str_eq(text, str_of(names[i])))
            found = i;
    bool const repeated = state->by_count == 1 && (int)state->by[0] == found;
    if (found == BY_COUNT || repeated || state->by_count == USAGE_DIMENSIONS_MAX)
        return fault_param(&call->fault, ERR_FIELD_INVALID, "by",
                           "by is one or two of model, customer, key, provider, hour, day, month, "
                           "user, feature, module, profile, group, endpoint and outcome");
    state->by[state->by_count++] = (enum usage_dimension)found;
    return ERR_OK;
}

enum err usage_by_read(struct admin_call *call, struct usage_state *state)
{
    static const char *const figures[] = {"requests",      "failures",      "input_tokens",
                                          "output_tokens", "cached_tokens", "reasoning_tokens",
                                          "cost_nano",     "charged_nano",  "charge_nano",
                                          "margin_nano",   "credits_nano",  "mean_latency_ms"};
    _Static_assert(sizeof figures / sizeof figures[0] == SUM_COLUMNS, "a column per figure");
    struct str rest = admin_query_or_empty(call, "by");
    if (rest.len == 0)
        return ERR_OK;
    for (bool more = true; more;) {
        size_t const comma = str_find(rest, STR(","));
        enum err const err = dimension_read(call, state, str_make(rest.ptr, comma));
        if (err != ERR_OK)
            return err;
        more = comma < rest.len;
        rest = str_skip(rest, comma + 1);
    }
    state->columns =
        arena_zalloc(state->arena, (USAGE_DIMENSIONS_MAX + SUM_COLUMNS + 1) * sizeof(char *));
    if (state->columns == NULL)
        return ERR_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < state->by_count; i++)
        state->columns[at++] = names[state->by[i]];
    for (size_t i = 0; i < SUM_COLUMNS; i++)
        state->columns[at++] = figures[i];
    return ERR_OK;
}

/* --- adding up ------------------------------------------------------------------------------- */
/* "2026-11", "2026-11-20", "2026-11-20T12:00Z": of UTC. */
static struct str span_name(enum usage_dimension by, int64_t at_us, char text[WHEN_TEXT_BYTES])
{
    struct str const whole = when_text(at_us, text);
    if (by == BY_HOUR)
        memcpy(text + sizeof "2026-11-20T12" - 1, ":00Z", sizeof ":00Z");
    return str_make(whole.ptr, by == BY_MONTH ? 7 : by == BY_DAY ? 10 : 17);
}

static struct usage_group *group_new(struct sums *sums, const struct str parts[2], struct str key)
{
    struct arena *arena = sums->state->arena;
    struct usage_group *group = arena_zalloc(arena, sizeof *group);
    struct str const kept = arena_copy(arena, key);
    if (group == NULL || kept.ptr == NULL)
        return NULL;
    group->names[0] = str_make(kept.ptr, parts[0].len);
    if (sums->state->by_count == 2)
        group->names[1] = str_skip(kept, parts[0].len + 1);
    return map_put(&sums->groups, kept, group) == ERR_OK ? group : NULL;
}

/* NULL: there are too many, or no memory. */
static struct usage_group *group_of(struct sums *sums, const struct str parts[2])
{
    char text[1024];
    size_t len = parts[0].len;
    if (parts[0].len + parts[1].len + 1 > sizeof text)
        return NULL;
    memcpy(text, parts[0].ptr != NULL ? parts[0].ptr : "", parts[0].len);
    if (sums->state->by_count == 2) {
        text[len++] = '\x1f';
        memcpy(text + len, parts[1].ptr != NULL ? parts[1].ptr : "", parts[1].len);
        len += parts[1].len;
    }
    struct str const key = str_make(text, len);
    struct usage_group *group = map_get(&sums->groups, key);
    if (group != NULL || sums->groups.count >= GROUPS_MAX)
        return group;
    return group_new(sums, parts, key);
}

/* False: more than can be counted. */
static bool add_money(struct sums *sums, struct usage_group *group, const struct bucket_row *row)
{
    struct bucket_row *sum = &group->sum;
    if (!money_add(sum->cost, row->cost, &sum->cost) ||
        !money_add(sum->charged, row->charged, &sum->charged))
        return false;
    if (usage_in_credits(sums->state, row->customer_id))
        return money_add(group->credits, row->charge, &group->credits);
    struct money const kept = {row->charge.nano - row->cost.nano};
    return money_add(group->charge, row->charge, &group->charge) &&
           money_add(group->margin, kept, &group->margin);
}

static bool add(struct sums *sums, const struct str parts[2], const struct bucket_row *row)
{
    struct usage_group *group = group_of(sums, parts);
    if (group == NULL) {
        sums->state->err = ERR_TOO_LARGE;
        return false;
    }
    struct bucket_row *sum = &group->sum;
    sum->requests += row->requests;
    sum->failures += row->failures;
    sum->latency_us += row->latency_us;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        sum->tokens[pool] += row->tokens[pool];
    if (!add_money(sums, group, row))
        sums->state->err = ERR_TOO_LARGE;
    return sums->state->err == ERR_OK;
}

/* --- from quarter hours ---------------------------------------------------------------------- */
static struct str bucket_name(const struct usage_state *state, enum usage_dimension by,
                              const struct bucket_row *row, char text[WHEN_TEXT_BYTES])
{
    switch (by) {
    case BY_MODEL:
        return row->model;
    case BY_CUSTOMER:
        return row->customer_id;
    case BY_KEY:
        return usage_key_name(state, row->key_id);
    case BY_PROVIDER:
        return row->provider;
    default:
        return span_name(by, row->start_us, text);
    }
}

static bool visit_bucket(void *owner, const struct bucket_row *row)
{
    struct sums *sums = owner;
    const struct usage_state *state = sums->state;
    const struct usage_query *query = &state->query;
    char texts[USAGE_DIMENSIONS_MAX][WHEN_TEXT_BYTES];
    struct str parts[USAGE_DIMENSIONS_MAX] = {{0}};
    bool const other = (query->model.ptr && !str_eq(query->model, row->model)) ||
                       (query->provider.ptr && !str_eq(query->provider, row->provider));
    for (size_t i = 0; i < state->by_count; i++)
        parts[i] = bucket_name(state, state->by[i], row, texts[i]);
    return other || add(sums, parts, row);
}

/* Quick at any size; `since` counts from the quarter hour it is in. */
static enum err sum_buckets(struct admin_call *call, struct sums *sums)
{
    struct store *store = admin_options(call->admin)->store;
    const struct usage_query *asked = &sums->state->query;
    struct bucket_query const query = {.customer_id = asked->customer_id,
                                       .key_id = asked->key_id,
                                       .since_us = asked->since_us - asked->since_us % BUCKET_US,
                                       .until_us = asked->until_us};
    return store->ops->buckets(store, &query, visit_bucket, sums, &call->fault);
}

/* --- from calls ------------------------------------------------------------------------------ */
static struct str call_name(const struct usage_state *state, enum usage_dimension by,
                            const struct usage_row *row, char text[WHEN_TEXT_BYTES])
{
    const struct str plain[BY_COUNT] = {
        [BY_MODEL] = row->model,     [BY_CUSTOMER] = row->customer_id,
        [BY_KEY] = row->key_id,      [BY_PROVIDER] = row->provider,
        [BY_USER] = row->user,       [BY_FEATURE] = row->feature,
        [BY_MODULE] = row->module,   [BY_PROFILE] = row->profile,
        [BY_GROUP] = row->group,     [BY_ENDPOINT] = row->endpoint,
        [BY_OUTCOME] = row->outcome,
    };
    if (by == BY_HOUR || by == BY_DAY || by == BY_MONTH)
        return span_name(by, row->finished_us, text);
    return by == BY_KEY ? usage_key_name(state, row->key_id) : plain[by];
}

static bool visit_call(void *owner, const struct usage_row *row)
{
    struct sums *sums = owner;
    struct usage_state *state = sums->state;
    char texts[USAGE_DIMENSIONS_MAX][WHEN_TEXT_BYTES];
    struct str parts[USAGE_DIMENSIONS_MAX] = {{0}};
    struct bucket_row one = {.customer_id = row->customer_id,
                             .requests = 1,
                             .failures = str_eq(row->outcome, STR("ok")) ? 0 : 1,
                             .latency_us = row->finished_us - row->started_us,
                             .cost = row->cost,
                             .charged = row->charged,
                             .charge = usage_row_charge(row)};
    memcpy(one.tokens, row->usage.tokens, sizeof one.tokens);
    for (size_t i = 0; i < state->by_count; i++)
        parts[i] = call_name(state, state->by[i], row, texts[i]);
    state->query.before_lsn = row->lsn;
    state->page_rows++;
    return add(sums, parts, &one);
}

/* What quarter hours do not know is counted call by call. */
static enum err sum_calls(struct admin_call *call, struct sums *sums)
{
    struct store *store = admin_options(call->admin)->store;
    struct usage_state *state = sums->state;
    enum err err = ERR_OK;
    state->query.limit = SCAN_PAGE_ROWS;
    for (size_t seen = 0; err == ERR_OK && state->err == ERR_OK; seen += state->page_rows) {
        if (seen >= SCAN_ROWS_MAX)
            return fault_set(&call->fault, ERR_TOO_LARGE,
                             "more than %d calls: narrow it with since and until", SCAN_ROWS_MAX);
        state->page_rows = 0;
        err = store->ops->usage(store, &state->query, visit_call, sums, &call->fault);
        if (state->page_rows < SCAN_PAGE_ROWS)
            break;
    }
    return err;
}

/* --- the answer ------------------------------------------------------------------------------ */
static enum err put_group(struct usage_state *state, const struct usage_group *group)
{
    struct json_writer writer;
    struct usage usage = {.source = USAGE_NONE};
    memcpy(usage.tokens, group->sum.tokens, sizeof usage.tokens);
    export_writer(&state->rows, &writer);
    json_object_open(&writer);
    for (size_t i = 0; i < state->by_count; i++)
        json_pair_text(&writer, names[state->by[i]], group->names[i]);
    json_pair_i64(&writer, "requests", group->sum.requests);
    json_pair_i64(&writer, "failures", group->sum.failures);
    json_pair_i64(&writer, "input_tokens", usage_input(&usage));
    json_pair_i64(&writer, "output_tokens", usage_output(&usage));
    json_pair_i64(&writer, "cached_tokens", usage.tokens[POOL_CACHED_INPUT]);
    json_pair_i64(&writer, "reasoning_tokens", usage.tokens[POOL_REASONING]);
    json_pair_i64(&writer, "cost_nano", group->sum.cost.nano);
    json_pair_i64(&writer, "charged_nano", group->sum.charged.nano);
    json_pair_i64(&writer, "charge_nano", group->charge.nano);
    if (!state->of_customer)
        json_pair_i64(&writer, "margin_nano", group->margin.nano);
    json_pair_i64(&writer, "credits_nano", group->credits.nano);
    int64_t const requests = group->sum.requests > 0 ? group->sum.requests : 1;
    json_pair_decimal(&writer, "mean_latency_ms", group->sum.latency_us / requests, 3);
    json_object_close(&writer);
    return export_row(&state->rows, &writer, state->out);
}

static int text_order(struct str one, struct str other)
{
    size_t const shorter = one.len < other.len ? one.len : other.len;
    int const order = shorter > 0 ? memcmp(one.ptr, other.ptr, shorter) : 0;
    return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

static int dearest_first(const void *a, const void *b)
{
    const struct usage_group *one = *(struct usage_group *const *)a;
    const struct usage_group *other = *(struct usage_group *const *)b;
    if (one->sum.cost.nano != other->sum.cost.nano)
        return one->sum.cost.nano > other->sum.cost.nano ? -1 : 1;
    int const order = text_order(one->names[0], other->names[0]);
    return order != 0 ? order : text_order(one->names[1], other->names[1]);
}

static enum err put_groups(struct admin_call *call, struct sums *sums)
{
    struct usage_state *state = sums->state;
    size_t const count = sums->groups.count;
    struct usage_group **sorted = arena_alloc(call->arena, (count + 1) * sizeof(void *));
    enum err err = sorted != NULL ? ERR_OK : ERR_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        sorted[i] = map_next(&sums->groups, &at);
    if (err == ERR_OK && count > 0)
        qsort(sorted, count, sizeof(void *), dearest_first);
    for (size_t i = 0; err == ERR_OK && i < count && i < state->left; i++)
        err = put_group(state, sorted[i]);
    return err == ERR_OK ? export_end(&state->rows, state->out) : err;
}

enum err usage_sums(struct admin_call *call, struct usage_state *state)
{
    struct sums sums = {.state = state};
    bool quarters = true;
    for (size_t i = 0; i < state->by_count; i++)
        quarters = quarters && state->by[i] < BY_USER;
    map_init(&sums.groups);
    enum err err = quarters ? sum_buckets(call, &sums) : sum_calls(call, &sums);
    if (err == ERR_OK)
        err = state->err;
    if (err == ERR_OK)
        err = put_groups(call, &sums);
    map_free(&sums.groups);
    return err;
}
