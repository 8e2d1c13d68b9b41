/* compat_figures.c - sums of finished calls by day or by provider, from the 15-minute sums. */
#include "admin/compat_int.h"
#include <stdlib.h>

struct summing {
    struct admin_call *call;
    const struct figures_ask *ask;
    struct figures_list *list;
    enum err err;
};

static struct str name_of(struct summing *summing, const struct bucket_row *row, char text[32])
{
    if (summing->ask->by == FIGURES_BY_PROVIDER)
        return row->provider;
    struct zone_date const date = zone_date(summing->ask->zone, row->start_us);
    int const len =
        snprintf(text, 32, "%04lld-%02d-%02d", (long long)date.year, date.month, date.day);
    return str_make(text, (size_t)len);
}

static struct figures *group_of(struct summing *summing, struct str name)
{
    struct figures_list *list = summing->list;
    for (size_t i = list->count; i-- > 0;) /* rows come in the order of time */
        if (str_eq(list->groups[i].name, name))
            return &list->groups[i].sum;
    summing->err = ERR_TOO_LARGE;
    if (list->count == FIGURES_GROUPS_MAX)
        return NULL;
    struct figures_group *group = &list->groups[list->count];
    group->name = arena_copy(summing->call->arena, name);
    summing->err = group->name.ptr != NULL ? ERR_OK : ERR_NO_MEMORY;
    list->count += summing->err == ERR_OK;
    return summing->err == ERR_OK ? &group->sum : NULL;
}

static bool add(struct figures *sum, const struct bucket_row *row)
{
    struct usage usage = {.source = USAGE_PROVIDER};
    memcpy(usage.tokens, row->tokens, sizeof usage.tokens);
    sum->requests += row->requests;
    sum->failures += row->failures;
    sum->latency_us += row->latency_us;
    sum->tokens += usage_total(&usage);
    sum->input_tokens += usage_input(&usage);
    sum->output_tokens += usage_output(&usage);
    return money_add(sum->cost, row->cost, &sum->cost) &&
           money_add(sum->charged, row->charged, &sum->charged) &&
           money_add(sum->charge, row->charge, &sum->charge);
}

static bool on_bucket(void *owner, const struct bucket_row *row)
{
    struct summing *summing = owner;
    char text[32];
    struct figures *group = group_of(summing, name_of(summing, row, text));
    if (group == NULL)
        return false;
    if (!add(group, row) || !add(&summing->list->total, row))
        summing->err = ERR_TOO_LARGE;
    return summing->err == ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    struct str const one = ((const struct figures_group *)a)->name;
    struct str const other = ((const struct figures_group *)b)->name;
    size_t const shorter = one.len < other.len ? one.len : other.len;
    int const order = shorter > 0 ? memcmp(one.ptr, other.ptr, shorter) : 0;
    return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

enum err figures_read(struct admin_call *call, const struct figures_ask *ask,
                      struct figures_list **list)
{
    struct store *store = admin_options(call->admin)->store;
    struct summing summing = {.call = call, .ask = ask};
    struct bucket_query const query = {.customer_id = ask->customer_id,
                                       .since_us = ask->since_us - ask->since_us % BUCKET_US,
                                       .until_us = ask->until_us};
    summing.list = arena_zalloc(call->arena, sizeof *summing.list);
    if (summing.list == NULL)
        return ERR_NO_MEMORY;
    enum err const err = store->ops->buckets(store, &query, on_bucket, &summing, &call->fault);
    if (err != ERR_OK || summing.err != ERR_OK)
        return err != ERR_OK ? err : summing.err;
    qsort(summing.list->groups, summing.list->count, sizeof summing.list->groups[0], by_name);
    *list = summing.list;
    return ERR_OK;
}

void admin_put_money(struct json_writer *writer, const char *key, int64_t nano)
{
    char text[24];
    json_pair_text(writer, key, str_make(text, decimal_text(nano, MONEY_SCALE, text)));
}

void figures_put(struct json_writer *writer, const struct figures *figures)
{
    int64_t const requests = figures->requests > 0 ? figures->requests : 1;
    json_pair_i64(writer, "requests", figures->requests);
    json_pair_i64(writer, "failures", figures->failures);
    json_pair_i64(writer, "tokens", figures->tokens);
    json_pair_i64(writer, "input_tokens", figures->input_tokens);
    json_pair_i64(writer, "output_tokens", figures->output_tokens);
    admin_put_money(writer, "cost_usd", figures->charge.nano);
    admin_put_money(writer, "charged_usd", figures->charged.nano);
    json_pair_decimal(writer, "mean_latency_ms", figures->latency_us / requests, 3);
}
