/* compat_clinic.c - GET /api/v1/ai-config: a clinic's AI as the clinic product (S1) asks for it. */
#include "admin/ai_config.h"
#include "admin/compat_int.h"
#include "admin/forecast.h"

struct first {
    struct arena *arena;
    struct str provider, model;
};

static bool keep_first(void *owner, const struct admin_model *model)
{
    struct first *first = owner;
    first->provider = arena_copy(first->arena, model->provider);
    first->model = arena_copy(first->arena, model->name);
    return false;
}

static void put_text_or_null(struct json_writer *writer, const char *key, struct str text)
{
    json_key(writer, key);
    if (text.len > 0)
        json_put_text(writer, text);
    else
        json_put_null(writer);
}

struct tokens {
    int64_t limit, used; /* limit -1: none */
    int64_t resets_us;
};

struct newest {
    struct arena *arena;
    struct str text;
};

static bool keep_newest(void *owner, const struct object_row *row)
{
    struct newest *newest = owner;
    newest->text = arena_copy(newest->arena, row->text);
    return true; /* ids rise: the last is the newest */
}

/* By the rule that binds; when calls are refused anyway, what the licence says and the sums. */
static enum err read_tokens(struct subject *subject, const struct figures *month,
                            struct tokens *tokens)
{
    struct admin_call *call = subject->call;
    struct store *store = admin_options(call->admin)->store;
    const struct rule *rule = subject_limit(subject, METRIC_TOKENS, WINDOW_MONTH, &tokens->used);
    if (rule == NULL)
        rule = subject_limit(subject, METRIC_TOKENS, WINDOW_PERIOD, &tokens->used);
    if (rule != NULL) {
        tokens->limit = rule->limit;
        tokens->resets_us = rule->end_us;
        return ERR_OK;
    }
    struct newest newest = {.arena = call->arena};
    struct object_query const query = {.kind = object_kind_row(OBJECT_LICENSE)->name,
                                       .customer_id = subject->id};
    enum err const err = store->ops->object_list(store, &query, keep_newest, &newest, &call->fault);
    tokens->limit = newest.text.len > 0 ? license_token_limit(call, newest.text) : -1;
    tokens->used = month->tokens;
    return err;
}

static void put_tokens(struct json_writer *writer, const struct tokens *tokens)
{
    int64_t const left = tokens->limit > tokens->used ? tokens->limit - tokens->used : 0;
    json_key(writer, "token_limit");
    if (tokens->limit < 0)
        json_put_null(writer);
    else
        json_put_i64(writer, tokens->limit);
    json_pair_i64(writer, "tokens_used", tokens->used);
    json_key(writer, "tokens_remaining");
    if (tokens->limit < 0)
        json_put_null(writer);
    else
        json_put_i64(writer, left);
    admin_put_instant(writer, "resets_at", tokens->resets_us);
}

static enum err put_stats(struct subject *subject, struct json_writer *writer,
                          const struct figures_list *list)
{
    json_key(writer, "usage_stats");
    json_object_open(writer);
    json_pair_i64(writer, "requests", list->total.requests);
    json_pair_i64(writer, "tokens", list->total.tokens);
    admin_put_money(writer, "cost_usd", list->total.charge.nano);
    json_key(writer, "by_day");
    json_array_open(writer);
    for (size_t i = 0; i < list->count; i++) {
        json_object_open(writer);
        json_pair_text(writer, "date", list->groups[i].name);
        json_pair_i64(writer, "requests", list->groups[i].sum.requests);
        json_pair_i64(writer, "tokens", list->groups[i].sum.tokens);
        admin_put_money(writer, "cost_usd", list->groups[i].sum.charge.nano);
        json_object_close(writer);
    }
    json_array_close(writer);
    enum err const err = forecast_put(subject, writer);
    if (err == ERR_OK)
        json_object_close(writer);
    return err;
}

enum err ai_config_get(struct admin_call *call, struct json_writer *writer)
{
    struct subject *subject = NULL;
    struct figures_list *list = NULL;
    struct tokens tokens = {.limit = -1};
    struct first first = {.arena = call->arena};
    enum err err = subject_open(call, "clinic_id", "usage:read", &subject);
    if (err != ERR_OK)
        return err;
    struct str const said = admin_query(call, "clinic_id");
    struct figures_ask ask = {.customer_id = subject->id, .zone = subject->verdict.zone};
    window_bounds(WINDOW_MONTH, ask.zone, subject->now_us, &ask.since_us, &ask.until_us);
    tokens.resets_us = ask.until_us;
    err = figures_read(call, &ask, &list);
    if (err == ERR_OK)
        err = read_tokens(subject, &list->total, &tokens);
    if (err == ERR_OK)
        err = subject_models(subject, keep_first, &first);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "clinic_id", said.len > 0 ? said : subject->id);
    json_pair_text(writer, "customer", subject->id);
    json_pair_bool(writer, "ai_enabled", subject->refusal == ERR_OK);
    put_text_or_null(writer, "code",
                     subject->refusal == ERR_OK ? STR("") : err_row(subject->refusal)->code);
    put_text_or_null(writer, "provider", first.provider);
    put_text_or_null(writer, "model", first.model);
    json_pair_bool(writer, "own_key", ai_config_is_active(call, subject->id, first.provider));
    put_tokens(writer, &tokens);
    err = put_stats(subject, writer, list);
    if (err != ERR_OK)
        return err;
    json_object_close(writer);
    return json_write_end(writer);
}
