/* forecast.c - GET /api/v1/forecast: a customer's use at the end of its month, and when its credit
 * and limits are used up; from the 15-minute sums.
 *
 * Why:   the band is what the same forecast, made at the same point of last month, was wrong by.
 */
#include "core/forecast.h"
#include "admin/forecast.h"
#include "codec/when.h"

enum series { OF_REQUESTS, OF_TOKENS, OF_COST, OF_CREDIT, SERIES_COUNT };
enum { TALLY_DAYS_MAX = 31 + 31 + FORECAST_HISTORY_DAYS, TENTHS_SCALE = 1 };

static const char *const series_names[] = {"requests", "tokens", "cost"};
static const enum metric series_metrics[] = {METRIC_REQUESTS, METRIC_TOKENS, METRIC_COST};

/* What was used, by local days from the first that any forecast needs. */
struct tally {
    const struct zone *zone;
    int64_t now_us, start_us, end_us; /* of the month */
    int64_t last_us, then_us;         /* last month's start, and its point that is like now */
    int64_t first_day;
    int64_t days[SERIES_COUNT][TALLY_DAYS_MAX];
    int64_t used[SERIES_COUNT];      /* this month */
    int64_t last_used[SERIES_COUNT]; /* last month, until then */
    int64_t last_all[SERIES_COUNT];
    bool too_much;
};

struct outlook {
    bool known, has_last;
    struct forecast forecast;
    int64_t used, at_end;
    int64_t last_said, last_came, error; /* has_last */
};

/* --- what was used --------------------------------------------------------------------------- */
static void add(struct tally *tally, int64_t *sum, int64_t amount)
{
    tally->too_much = tally->too_much || __builtin_add_overflow(*sum, amount, sum);
}

static bool on_bucket(void *owner, const struct bucket_row *row)
{
    struct tally *tally = owner;
    struct usage usage = {.source = USAGE_PROVIDER};
    memcpy(usage.tokens, row->tokens, sizeof usage.tokens);
    int64_t const amounts[SERIES_COUNT] = {
        [OF_REQUESTS] = row->requests,
        [OF_TOKENS] = usage_total(&usage),
        [OF_COST] = row->charge.nano,
        [OF_CREDIT] = row->charged.nano,
    };
    int64_t const day = zone_day(tally->zone, row->start_us) - tally->first_day;
    for (int i = 0; i < SERIES_COUNT; i++) {
        if (day >= 0 && day < TALLY_DAYS_MAX)
            add(tally, &tally->days[i][day], amounts[i]);
        if (row->start_us >= tally->start_us)
            add(tally, &tally->used[i], amounts[i]);
        else if (row->start_us >= tally->last_us)
            add(tally, &tally->last_all[i], amounts[i]);
        if (row->start_us >= tally->last_us && row->start_us < tally->then_us)
            add(tally, &tally->last_used[i], amounts[i]);
    }
    return !tally->too_much;
}

static void find_months(struct tally *tally)
{
    int64_t last_end_us;
    window_bounds(WINDOW_MONTH, tally->zone, tally->now_us, &tally->start_us, &tally->end_us);
    window_bounds(WINDOW_MONTH, tally->zone, tally->start_us - 1, &tally->last_us, &last_end_us);
    __int128 const gone = tally->now_us - tally->start_us;
    tally->then_us = tally->last_us + (int64_t)(gone * (last_end_us - tally->last_us) /
                                                (tally->end_us - tally->start_us));
    tally->first_day = zone_day(tally->zone, tally->last_us) - FORECAST_HISTORY_DAYS;
}

static enum err tally_read(struct subject *subject, struct tally **made)
{
    struct admin_call *call = subject->call;
    struct store *store = admin_options(call->admin)->store;
    struct tally *tally = arena_zalloc(call->arena, sizeof *tally);
    if (tally == NULL)
        return ERR_NO_MEMORY;
    tally->zone = subject->verdict.zone;
    tally->now_us = subject->now_us;
    find_months(tally);
    struct bucket_query const query = {.customer_id = subject->id,
                                       .since_us =
                                           zone_day_begins_us(tally->zone, tally->first_day),
                                       .until_us = tally->end_us};
    enum err const err = store->ops->buckets(store, &query, on_bucket, tally, &call->fault);
    *made = tally;
    return err == ERR_OK && tally->too_much ? ERR_TOO_LARGE : err;
}

/* --- what will be ---------------------------------------------------------------------------- */
static bool forecast_of(const struct tally *tally, int series, int64_t at_us,
                        struct forecast *forecast)
{
    int64_t const today = zone_day(tally->zone, at_us);
    struct forecast_history const history = {.zone = tally->zone,
                                             .last_day = today - 1,
                                             .count = (size_t)(today - tally->first_day),
                                             .days = tally->days[series]};
    return forecast_make(&history, forecast);
}

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void look_ahead(const struct tally *tally, int series, struct outlook *outlook)
{
    struct forecast last;
    *outlook = (struct outlook){.used = tally->used[series]};
    outlook->known = forecast_of(tally, series, tally->now_us, &outlook->forecast);
    if (!outlook->known)
        return;
    outlook->at_end =
        sum_of(outlook->used, forecast_between(&outlook->forecast, tally->now_us, tally->end_us));
    outlook->has_last = forecast_of(tally, series, tally->then_us, &last);
    if (!outlook->has_last)
        return;
    outlook->last_said =
        sum_of(tally->last_used[series], forecast_between(&last, tally->then_us, tally->start_us));
    outlook->last_came = tally->last_all[series];
    outlook->error = outlook->last_said > outlook->last_came
                         ? outlook->last_said - outlook->last_came
                         : outlook->last_came - outlook->last_said;
}

/* --- the answer ------------------------------------------------------------------------------ */
static void put_amount(struct json_writer *writer, const char *key, bool known, int series,
                       int64_t amount)
{
    if (known && series >= OF_COST) {
        admin_put_money(writer, key, amount);
        return;
    }
    json_key(writer, key);
    if (known)
        json_put_i64(writer, amount);
    else
        json_put_null(writer);
}

/* Days from now, to a tenth; null: not within a year, or not before the window begins anew. */
static void put_exhaustion(struct json_writer *writer, const struct tally *tally,
                           const struct forecast *forecast, int64_t left, int64_t end_us)
{
    static const int64_t tenth_us = SECONDS_PER_DAY * US_PER_SECOND / 10;
    int64_t const at_us =
        forecast != NULL || left <= 0
            ? (left <= 0 ? tally->now_us : forecast_when(forecast, tally->now_us, left))
            : INT64_MAX;
    bool const known = at_us < end_us && at_us != INT64_MAX;
    json_key(writer, "exhausted_at");
    if (known) {
        char text[WHEN_TEXT_BYTES];
        json_put_text(writer, when_text(at_us, text));
    } else {
        json_put_null(writer);
    }
    json_key(writer, "days_left");
    if (known)
        json_put_decimal(writer, (at_us - tally->now_us) / tenth_us, TENTHS_SCALE);
    else
        json_put_null(writer);
}

static enum err put_credit(struct subject *subject, struct json_writer *writer,
                           const struct tally *tally)
{
    struct admin_call *call = subject->call;
    struct balance balance = {0};
    struct outlook outlook;
    json_key(writer, "credit");
    if (customer_unlimited(subject->customer)) {
        json_put_null(writer);
        return ERR_OK;
    }
    enum err const err =
        book_balance(admin_options(call->admin)->book, subject->id, &balance, &call->fault);
    if (err != ERR_OK)
        return err;
    look_ahead(tally, OF_CREDIT, &outlook);
    json_object_open(writer);
    json_pair_text(writer, "unit", customer_currency(subject->customer));
    admin_put_money(writer, "available", balance.available.nano);
    put_exhaustion(writer, tally, outlook.known ? &outlook.forecast : NULL, balance.available.nano,
                   INT64_MAX);
    json_object_close(writer);
    return ERR_OK;
}

/* The tightest hard limit of each metric that binds all calls of a month or period. */
static void put_limits(struct subject *subject, struct json_writer *writer,
                       const struct tally *tally)
{
    static const enum window_kind windows[] = {WINDOW_MONTH, WINDOW_PERIOD};
    json_key(writer, "limits");
    json_array_open(writer);
    for (int series = 0; series < OF_CREDIT; series++)
        for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
            int64_t used = 0;
            struct outlook outlook;
            const struct rule *rule =
                subject_limit(subject, series_metrics[series], windows[i], &used);
            if (rule == NULL)
                continue;
            look_ahead(tally, series, &outlook);
            json_object_open(writer);
            json_pair_text(writer, "metric", str_of(series_names[series]));
            json_pair_text(writer, "window", str_of(window_name(windows[i])));
            put_amount(writer, "limit", true, series, rule->limit);
            put_amount(writer, "used", true, series, used);
            admin_put_instant(writer, "resets_at", rule->end_us == INT64_MAX ? 0 : rule->end_us);
            put_exhaustion(writer, tally, outlook.known ? &outlook.forecast : NULL,
                           rule->limit - used, rule->end_us);
            json_object_close(writer);
        }
    json_array_close(writer);
}

static void put_method(struct json_writer *writer, const struct outlook *outlook)
{
    static const char *const few[] = {
        "poucos dias: são precisos três dias inteiros desde o primeiro uso",
        "too few days: three whole days since the first use are needed"};
    static const char *const even[] = {
        "usado + ritmo diário (média móvel exponencial de 7 dias) × dias que faltam",
        "used + daily rate (exponentially weighted mean over 7 days) × days that remain"};
    static const char *const weekly[] = {
        "usado + ritmo diário (média móvel exponencial de 7 dias) × dias que faltam, cada um com o "
        "peso do seu dia da semana nas últimas semanas inteiras",
        "used + daily rate (exponentially weighted mean over 7 days) × days that remain, each with "
        "the weight of its weekday in the last whole weeks"};
    const char *const *said = !outlook->known ? few : outlook->forecast.weekly ? weekly : even;
    json_key(writer, "method");
    json_object_open(writer);
    json_pair_text(writer, "pt", str_of(said[0]));
    json_pair_text(writer, "en", str_of(said[1]));
    json_object_close(writer);
    json_pair_i64(writer, "days_of_history", (int64_t)outlook->forecast.days);
}

static void put_last(struct json_writer *writer, const struct outlook *outlook, int series)
{
    json_key(writer, "last_month");
    if (!outlook->has_last) {
        json_put_null(writer);
        return;
    }
    json_object_open(writer);
    put_amount(writer, "forecast", true, series, outlook->last_said);
    put_amount(writer, "used", true, series, outlook->last_came);
    put_amount(writer, "error", true, series, outlook->error);
    json_object_close(writer);
}

static void put_outlook(struct json_writer *writer, const struct outlook *outlook, int series)
{
    int64_t const low = outlook->at_end - outlook->used > outlook->error
                            ? outlook->at_end - outlook->error
                            : outlook->used;
    put_amount(writer, "used", true, series, outlook->used);
    put_amount(writer, "forecast", outlook->known, series, outlook->at_end);
    put_amount(writer, "low", outlook->has_last, series, low);
    put_amount(writer, "high", outlook->has_last, series, sum_of(outlook->at_end, outlook->error));
    put_last(writer, outlook, series);
    put_method(writer, outlook);
}

enum err forecast_get(struct admin_call *call, struct json_writer *writer)
{
    struct subject *subject = NULL;
    struct tally *tally = NULL;
    struct outlook outlook;
    int series = OF_TOKENS;
    enum err err = subject_open(call, "customer", "usage:read", &subject);
    if (err == ERR_OK)
        err = tally_read(subject, &tally);
    if (err != ERR_OK)
        return err;
    struct str const said = admin_query_or_empty(call, "metric");
    for (int i = 0; i < OF_CREDIT; i++)
        if (str_eq(said, str_of(series_names[i])))
            series = i;
    look_ahead(tally, series, &outlook);
    json_object_open(writer);
    json_pair_text(writer, "customer", subject->id);
    json_pair_text(writer, "metric", str_of(series_names[series]));
    json_pair_text(writer, "time_zone", str_of(tally->zone->name));
    admin_put_instant(writer, "since", tally->start_us);
    admin_put_instant(writer, "until", tally->end_us);
    put_outlook(writer, &outlook, series);
    err = put_credit(subject, writer, tally);
    if (err != ERR_OK)
        return err;
    put_limits(subject, writer, tally);
    json_object_close(writer);
    return json_write_end(writer);
}

enum err forecast_put(struct subject *subject, struct json_writer *writer)
{
    static const char *const names[] = {"requests", "tokens", "cost_usd"};
    struct tally *tally = NULL;
    enum err const err = tally_read(subject, &tally);
    if (err != ERR_OK)
        return err;
    json_key(writer, "forecast");
    json_object_open(writer);
    for (int series = 0; series < OF_CREDIT; series++) {
        struct outlook outlook;
        look_ahead(tally, series, &outlook);
        put_amount(writer, names[series], outlook.known, series, outlook.at_end);
    }
    json_object_close(writer);
    return ERR_OK;
}
