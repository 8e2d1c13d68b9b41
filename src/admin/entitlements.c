/* entitlements.c - dry runs: which AIs would answer, and what a customer may do right now. */
#include "admin/admin_int.h"
#include "core/zone.h"

static enum err known_customer(struct admin_call *call, struct str id,
                               const struct customer **customer)
{
    *customer = book_customer(admin_options(call->admin)->book, id);
    if (*customer != NULL)
        return ERR_OK;
    return fault_param(&call->fault, ERR_NOT_FOUND, "customer", "there is no customer \"%.*s\"",
                       (int)(id.len < 64 ? id.len : 64), id.ptr);
}

/* --- GET /api/v1/resolve --------------------------------------------------------------------- */
static void put_limit_or_null(struct json_writer *writer, const char *name, int64_t limit)
{
    json_key(writer, name);
    if (limit < 0)
        json_put_null(writer);
    else
        json_put_i64(writer, limit);
}

static void put_source(struct json_writer *writer, const struct govern_source *source)
{
    json_key(writer, "source");
    json_object_open(writer);
    json_pair_text(writer, "layer", source->layer != NULL ? str_of(source->layer) : STR(""));
    json_pair_text(writer, "id", source->id);
    json_object_close(writer);
}

static bool put_candidate(void *owner, const struct govern_candidate *candidate)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "provider", candidate->provider);
    json_pair_text(writer, "role", candidate->role);
    json_pair_text(writer, "model", candidate->model);
    json_pair_text(writer, "origin", candidate->origin);
    json_pair_i64(writer, "weight", candidate->weight);
    json_pair_i64(writer, "order", candidate->order);
    put_limit_or_null(writer, "daily_limit", candidate->daily_limit);
    put_limit_or_null(writer, "monthly_limit", candidate->monthly_limit);
    put_source(writer, &candidate->source);
    json_object_close(writer);
    return writer->err == ERR_OK;
}

enum err resolve_run(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    const struct customer *customer;
    struct govern_context const context = {
        .plan = admin_query_or_empty(call, "plan"),
        .customer_id = admin_query_or_empty(call, "customer"),
        .feature = admin_query_or_empty(call, "feature"),
        .profile = admin_query_or_empty(call, "profile"),
        .group = admin_query_or_empty(call, "group"),
        .user = admin_query_or_empty(call, "user"),
        .now_us = clock_wall_us(options->clock),
    };
    if ((context.plan.len > 0) == (context.customer_id.len > 0))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "plan",
                           "say either a plan or a customer");
    if (context.customer_id.len > 0) {
        enum err const err = known_customer(call, context.customer_id, &customer);
        if (err != ERR_OK)
            return err;
    }
    json_object_open(writer);
    json_pair_text(writer, "feature", context.feature);
    json_pair_text(writer, "plan", context.plan);
    json_pair_text(writer, "customer", context.customer_id);
    json_pair_text(writer, "profile", context.profile.len > 0 ? context.profile : STR("user"));
    json_key(writer, "candidates");
    json_array_open(writer);
    enum err const err =
        govern_candidates(options->govern, &context, put_candidate, writer, &call->fault);
    if (err != ERR_OK)
        return err;
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}

/* --- GET /api/v1/entitlements ---------------------------------------------------------------- */
struct survey {
    struct admin_call *call;
    struct json_writer *writer;
    const struct customer *customer;
    struct govern_ask ask;
    struct govern_verdict verdict;
    struct rule_state states[RULES_PER_CALL_MAX + 2];
};

/* Money as a decimal of the currency, all else as counts. */
static void put_amount(struct json_writer *writer, const char *name, enum metric metric,
                       int64_t amount)
{
    if (metric == METRIC_COST)
        json_pair_decimal(writer, name, amount, MONEY_SCALE);
    else
        json_pair_i64(writer, name, amount);
}

static void put_figures(struct json_writer *writer, const struct rule *rule,
                        const struct rule_state *state, const char *limit_name)
{
    int64_t const used = state->used + state->held;
    int64_t limit;
    if (__builtin_add_overflow(rule->limit, state->carried, &limit))
        limit = INT64_MAX;
    int64_t const remaining = limit > used ? limit - used : 0;
    json_pair_text(writer, "metric", str_of(metric_name(rule->metric)));
    json_pair_text(writer, "window", str_of(window_name(rule->kind)));
    put_amount(writer, limit_name, rule->metric, rule->limit);
    if (rule->rollover_max > 0)
        put_amount(writer, "carried", rule->metric, state->carried);
    put_amount(writer, "used", rule->metric, used);
    put_amount(writer, "remaining", rule->metric, remaining);
    admin_put_instant(writer, "resets_at", rule->end_us == INT64_MAX ? 0 : rule->end_us);
}

static void put_rules(struct survey *survey)
{
    static const char *const modes[] = {"hard", "soft", "shadow"};
    struct json_writer *writer = survey->writer;
    const struct rules *rules = &survey->verdict.rules;
    book_rule_states(survey->customer, rules, survey->states);
    json_key(writer, "limits");
    json_array_open(writer);
    for (size_t i = 0; i < rules->count; i++) {
        json_object_open(writer);
        json_pair_text(writer, "name", survey->verdict.sources[i].name);
        put_figures(writer, &rules->list[i], &survey->states[i], "limit");
        json_pair_text(writer, "mode", str_of(modes[rules->list[i].mode]));
        json_pair_text(writer, "scope", str_of(refusal_scope_name(rules->list[i].scope)));
        put_source(writer, &survey->verdict.sources[i]);
        json_object_close(writer);
    }
    json_array_close(writer);
    json_key(writer, "allowance");
    if (!rules->has_allowance) {
        json_put_null(writer);
        return;
    }
    json_object_open(writer);
    put_figures(writer, &rules->allowance, &survey->states[rules->count], "included");
    json_object_close(writer);
}

static void put_refusal(struct survey *survey, enum err err)
{
    struct json_writer *writer = survey->writer;
    json_key(writer, "code");
    if (err == ERR_OK)
        json_put_null(writer);
    else
        json_put_text(writer, err_row(err)->code);
    json_key(writer, "scope");
    if (err == ERR_OK)
        json_put_null(writer);
    else
        json_put_text(writer, str_of(refusal_scope_name(survey->verdict.scope)));
    admin_put_instant(writer, "until", err == ERR_OK ? 0 : survey->verdict.until_us);
}

static bool put_feature(void *owner, const struct object *feature)
{
    struct survey *survey = owner;
    struct json_writer *writer = survey->writer;
    struct govern *govern = admin_options(survey->call->admin)->govern;
    struct fault refusal = {0};
    survey->ask.feature = feature->id;
    enum err const err = govern_resolve(govern, &survey->ask, &survey->verdict, &refusal);
    json_object_open(writer);
    json_pair_text(writer, "feature", feature->id);
    json_pair_bool(writer, "allowed", err == ERR_OK);
    put_refusal(survey, err);
    if (err == ERR_OK)
        put_rules(survey);
    govern_release(govern, &survey->verdict);
    json_object_close(writer);
    return writer->err == ERR_OK;
}

/* What holds whatever the feature: who pays, by which plan, in which zone. */
static void put_head(struct survey *survey)
{
    struct json_writer *writer = survey->writer;
    struct govern *govern = admin_options(survey->call->admin)->govern;
    struct govern_verdict *verdict = &survey->verdict;
    struct fault refusal = {0};
    enum err const err = govern_resolve(govern, &survey->ask, verdict, &refusal);
    json_pair_text(writer, "customer", survey->ask.customer_id);
    if (survey->ask.user.len > 0)
        json_pair_text(writer, "user", survey->ask.user);
    json_pair_bool(writer, "governed", verdict->governed);
    json_pair_text(writer, "plan", verdict->plan);
    json_pair_text(writer, "plan_version", verdict->plan_version);
    json_pair_text(writer, "subscription", verdict->subscription);
    json_pair_text(writer, "time_zone",
                   verdict->zone != NULL ? str_of(verdict->zone->name) : STR("UTC"));
    json_pair_bool(writer, "allowed", err == ERR_OK);
    put_refusal(survey, err);
    if (err == ERR_OK)
        put_rules(survey);
    govern_release(govern, verdict);
}

enum err entitlements_get(struct admin_call *call, struct json_writer *writer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct survey *survey = arena_zalloc(call->arena, sizeof *survey);
    if (survey == NULL)
        return ERR_NO_MEMORY;
    survey->call = call;
    survey->writer = writer;
    survey->ask = (struct govern_ask){
        .customer_id = admin_query_or_empty(call, "customer"),
        .key_id = admin_query_or_empty(call, "key"),
        .user = admin_query_or_empty(call, "user"),
        .module = admin_query_or_empty(call, "module"),
        .profile = admin_query_or_empty(call, "profile"),
        .group = admin_query_or_empty(call, "group"),
        .now_us = clock_wall_us(options->clock),
    };
    struct str const only = admin_query_or_empty(call, "feature");
    enum err err = known_customer(call, survey->ask.customer_id, &survey->customer);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    put_head(survey);
    json_key(writer, "features");
    json_array_open(writer);
    struct object feature;
    if (only.len == 0)
        book_objects_each(options->book, OBJECT_FEATURE, STR(""), put_feature, survey);
    else if (book_object_get(options->book, OBJECT_FEATURE, only, call->arena, &feature))
        (void)put_feature(survey, &feature);
    else
        err = fault_param(&call->fault, ERR_NOT_FOUND, "feature", "there is no such feature");
    if (err != ERR_OK)
        return err;
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}
