/* compat_marketing.c - the dashboard and the AI selector of the marketing product (S2). */
#include "admin/ai_config.h"
#include "admin/compat_int.h"

/* --- GET /api/marketing/ai/usage-stats ------------------------------------------------------- */
static int days_of(struct str period)
{
    return str_eq(period, STR("week")) ? 7 : str_eq(period, STR("month")) ? 30 : 1;
}

static void put_groups(struct json_writer *writer, const char *key, const char *name,
                       const struct figures_list *list)
{
    json_key(writer, key);
    json_array_open(writer);
    for (size_t i = 0; i < list->count; i++) {
        json_object_open(writer);
        json_pair_text(writer, name, list->groups[i].name);
        figures_put(writer, &list->groups[i].sum);
        json_object_close(writer);
    }
    json_array_close(writer);
}

enum err usage_stats_get(struct admin_call *call, struct json_writer *writer)
{
    struct subject *subject = NULL;
    struct figures_list *days = NULL, *providers = NULL;
    enum err err = subject_open(call, "tenant", "usage:read", &subject);
    if (err != ERR_OK)
        return err;
    struct str const said = admin_query(call, "period");
    struct str const period = said.len > 0 ? said : STR("today");
    const struct zone *zone = subject->verdict.zone;
    int64_t const today = zone_day(zone, subject->now_us);
    struct figures_ask ask = {
        .customer_id = subject->id,
        .since_us = zone_day_begins_us(zone, today - days_of(period) + 1),
        .until_us = zone_day_begins_us(zone, today + 1),
        .zone = zone,
        .by = FIGURES_BY_DAY,
    };
    err = figures_read(call, &ask, &days);
    ask.by = FIGURES_BY_PROVIDER;
    if (err == ERR_OK)
        err = figures_read(call, &ask, &providers);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "tenant", subject->id);
    json_pair_text(writer, "period", period);
    json_pair_text(writer, "time_zone", str_of(zone->name));
    admin_put_instant(writer, "since", ask.since_us);
    admin_put_instant(writer, "until", ask.until_us);
    figures_put(writer, &days->total);
    put_groups(writer, "by_provider", "provider", providers);
    put_groups(writer, "by_day", "date", days);
    json_object_close(writer);
    return json_write_end(writer);
}

/* --- GET /api/marketing/ai/configs ----------------------------------------------------------- */
struct listing {
    struct subject *subject;
    struct json_writer *writer;
};

static bool put_model(void *owner, const struct admin_model *model)
{
    struct listing *listing = owner;
    struct subject *subject = listing->subject;
    struct admin_call *call = subject->call;
    struct json_writer *writer = listing->writer;
    struct object provider = {0};
    struct str name = STR(""), status = STR("");
    if (book_object_get(admin_options(call->admin)->book, OBJECT_PROVIDER, model->provider,
                        call->arena, &provider)) {
        name = document_words(call, &subject->scratch, provider.text, "display_name");
        status = document_words(call, &subject->scratch, provider.text, "status");
    }
    json_object_open(writer);
    json_pair_text(writer, "provider", model->provider);
    json_pair_text(writer, "provider_name", name.len > 0 ? name : model->provider);
    json_pair_text(writer, "model", model->name);
    json_pair_text(writer, "status", status.len > 0 ? status : STR("active"));
    json_pair_bool(writer, "own_key", ai_config_is_active(call, subject->id, model->provider));
    json_object_close(writer);
    return writer->err == ERR_OK;
}

enum err ai_configs_get(struct admin_call *call, struct json_writer *writer)
{
    struct listing listing = {.writer = writer};
    enum err err = subject_open(call, "tenant", "usage:read", &listing.subject);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "tenant", listing.subject->id);
    json_key(writer, "configs");
    json_array_open(writer);
    err = subject_models(listing.subject, put_model, &listing);
    if (err != ERR_OK)
        return err;
    json_array_close(writer);
    json_object_close(writer);
    return json_write_end(writer);
}
