/* compat_credits.c - a user's credit and an administrator's day, as the finance product (S3) asks
 * for them. A credit is what the plan says; without such a plan, a dollar.
 */
#include "admin/compat_int.h"
#include "base/map.h"

enum { USERS_MAX = 1000000, PAGE_ROWS = 5000 };

/* --- GET /api/user/ai-credits ---------------------------------------------------------------- */
/* The end of the subscription's period that runs now; 0: there is none. */
static enum err renewal(struct subject *subject, int64_t *end_us)
{
    const struct govern_verdict *verdict = &subject->verdict;
    struct object subscription;
    *end_us = 0;
    if (verdict->subscription.len == 0)
        return ERR_OK;
    enum err const err =
        object_load(subject->call, OBJECT_SUBSCRIPTION, verdict->subscription, &subscription);
    if (err == ERR_OK)
        *end_us = subscription_period_end(subject->call, &subject->scratch, subscription.text,
                                          verdict->zone, subject->now_us);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* it was deleted meanwhile */
}

static void put_text_or_null(struct json_writer *writer, const char *key, struct str text)
{
    json_key(writer, key);
    if (text.len > 0)
        json_put_text(writer, text);
    else
        json_put_null(writer);
}

/* As the plan calls its credits, in the language of the request. */
static void put_unit(struct json_writer *writer, const struct subject *subject)
{
    const struct govern_verdict *verdict = &subject->verdict;
    bool const named = customer_in_credits(subject->customer) && verdict->unit_en.len > 0;
    json_pair_text(writer, "unit", customer_currency(subject->customer));
    put_text_or_null(writer, "unitName", named ? verdict->unit_en : STR(""));
    put_text_or_null(writer, "unitNamePt", named ? verdict->unit_pt : STR(""));
    json_pair_decimal(writer, "minimum", verdict->tariff.minimum, MONEY_SCALE);
}

enum err ai_credits_get(struct admin_call *call, struct json_writer *writer)
{
    struct subject *subject = NULL;
    struct balance balance = {0};
    int64_t renews_us = 0;
    enum err err = subject_open(call, "customer", "credits:read", &subject);
    if (err == ERR_OK)
        err = book_balance(admin_options(call->admin)->book, subject->id, &balance, &call->fault);
    if (err == ERR_OK)
        err = renewal(subject, &renews_us);
    if (err != ERR_OK)
        return err;
    json_object_open(writer);
    json_pair_text(writer, "customer", subject->id);
    put_unit(writer, subject);
    json_pair_bool(writer, "unlimited", customer_unlimited(subject->customer));
    json_pair_decimal(writer, "total", balance.granted.nano, MONEY_SCALE);
    json_pair_decimal(writer, "used", balance.consumed.nano, MONEY_SCALE);
    json_pair_decimal(writer, "available", balance.available.nano, MONEY_SCALE);
    json_pair_decimal(writer, "reserved", balance.held.nano, MONEY_SCALE);
    json_pair_decimal(writer, "expired", balance.breakage.nano, MONEY_SCALE);
    put_text_or_null(writer, "planType", subject->verdict.plan);
    admin_put_instant(writer, "renewalDate", renews_us);
    json_object_close(writer);
    return json_write_end(writer);
}

/* --- GET /api/admin/ai-analytics ------------------------------------------------------------- */
struct users {
    struct admin_call *call;
    struct map seen; /* "CUSTOMER/USER" */
    uint64_t last_lsn;
    size_t rows;
    bool full;
    enum err err;
};

/* A call that names no user is one of its customer. */
static bool count_user(void *owner, const struct usage_row *row)
{
    struct users *users = owner;
    char text[512];
    int const len =
        snprintf(text, sizeof text, "%.*s/%.*s", STR_ARG(row->customer_id), STR_ARG(row->user));
    struct str const name = str_make(text, len < (int)sizeof text ? (size_t)len : sizeof text - 1);
    users->last_lsn = row->lsn;
    users->rows++;
    if (map_get(&users->seen, name) != NULL)
        return true;
    users->full = users->seen.count == USERS_MAX;
    if (users->full)
        return false;
    struct str const copy = arena_copy(users->call->arena, name);
    users->err = copy.ptr != NULL ? map_put(&users->seen, copy, users) : ERR_NO_MEMORY;
    return users->err == ERR_OK;
}

static enum err count_users(struct admin_call *call, int64_t since_us, int64_t until_us,
                            struct users *users)
{
    struct store *store = admin_options(call->admin)->store;
    struct usage_query query = {.since_us = since_us, .until_us = until_us, .limit = PAGE_ROWS};
    enum err err = ERR_OK;
    map_init(&users->seen);
    do {
        users->rows = 0;
        query.before_lsn = users->last_lsn;
        err = store->ops->usage(store, &query, count_user, users, &call->fault);
    } while (err == ERR_OK && users->err == ERR_OK && !users->full && users->rows == PAGE_ROWS);
    return err != ERR_OK ? err : users->err;
}

static int digits(const char *text, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

/* The local day that was asked for, in the zone of customers who say none. */
static const struct zone *read_day(struct admin_call *call, int64_t *since_us, int64_t *until_us)
{
    const struct zone *zone = customer_zone(call, STR(""));
    struct str const date = admin_query(call, "date");
    int64_t day = zone_day(zone, clock_wall_us(admin_options(call->admin)->clock));
    if (date.len == 10) { /* openapi.yaml lets only dates pass */
        struct zone_date const asked = {digits(date.ptr, 4), digits(date.ptr + 5, 2),
                                        digits(date.ptr + 8, 2)};
        day = zone_day(zone, zone_day_start_us(zone, asked));
    }
    *since_us = zone_day_begins_us(zone, day);
    *until_us = zone_day_begins_us(zone, day + 1);
    return zone;
}

static void put_analytics(struct json_writer *writer, const struct zone *zone, int64_t since_us,
                          const struct figures_list *list, const struct users *users)
{
    char text[16];
    struct zone_date const date = zone_date(zone, since_us);
    int const len = snprintf(text, sizeof text, "%04lld-%02d-%02d", (long long)(date.year % 10000),
                             date.month % 100, date.day % 100);
    json_object_open(writer);
    json_pair_text(writer, "date", str_make(text, (size_t)len));
    json_pair_text(writer, "time_zone", str_of(zone->name));
    json_pair_i64(writer, "requests", list->total.requests);
    json_pair_i64(writer, "failures", list->total.failures);
    json_pair_i64(writer, "tokens", list->total.tokens);
    json_pair_decimal(writer, "credits", list->total.charged.nano, MONEY_SCALE);
    json_pair_text(writer, "unit", STR("USD"));
    admin_put_money(writer, "cost_usd", list->total.cost.nano);
    json_pair_i64(writer, "unique_users", (int64_t)users->seen.count);
    json_pair_bool(writer, "unique_users_complete", !users->full);
    json_object_close(writer);
}

enum err ai_analytics_get(struct admin_call *call, struct json_writer *writer)
{
    struct users users = {.call = call};
    struct figures_list *list = NULL;
    struct figures_ask ask = {.by = FIGURES_BY_PROVIDER};
    enum err err = admin_flush(call);
    if (err != ERR_OK)
        return err;
    ask.zone = read_day(call, &ask.since_us, &ask.until_us);
    err = figures_read(call, &ask, &list);
    if (err == ERR_OK)
        err = count_users(call, ask.since_us, ask.until_us, &users);
    if (err == ERR_OK)
        put_analytics(writer, ask.zone, ask.since_us, list, &users);
    map_free(&users.seen);
    return err == ERR_OK ? json_write_end(writer) : err;
}
