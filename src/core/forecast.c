/* forecast.c - rate, shape of a week, and both carried forward day by day. */
#include "core/forecast.h"
#include "base/must.h"

/* One day's amount at the most, times FORECAST_UNIT: products with a day's microseconds fit. */
static const __int128 day_max = (__int128)INT64_MAX * FORECAST_UNIT;

static int weekday(int64_t day)
{
    int64_t const since_monday = day - FIRST_MONDAY;
    return (int)(since_monday - floor_div(since_monday, DAYS_PER_WEEK) * DAYS_PER_WEEK);
}

/* A weekday's share of whole weeks, seven times: their mean is one. */
static void find_factors(const int64_t *days, size_t count, int64_t last_day,
                         struct forecast *forecast)
{
    size_t const used = count - count % DAYS_PER_WEEK;
    __int128 sums[DAYS_PER_WEEK] = {0}, total = 0;
    for (size_t i = 0; i < used; i++) {
        int64_t const amount = days[count - 1 - i];
        sums[weekday(last_day - (int64_t)i)] += amount;
        total += amount;
    }
    forecast->weekly = count >= FORECAST_WEEK_DAYS_MIN && total > 0;
    for (int i = 0; i < DAYS_PER_WEEK; i++)
        forecast->factors[i] = forecast->weekly
                                   ? (int64_t)(sums[i] * DAYS_PER_WEEK * FORECAST_UNIT / total)
                                   : FORECAST_UNIT;
}

/* The mean of the first week; after it each day counts for a quarter: 2 / (7 + 1). */
static void find_rate(const int64_t *days, size_t count, int64_t last_day,
                      struct forecast *forecast)
{
    __int128 sum = 0, rate = 0;
    int seen = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t const factor = forecast->factors[weekday(last_day - (int64_t)(count - 1 - i))];
        if (factor == 0)
            continue; /* a day on which nothing is ever used says nothing about the rate */
        __int128 const even = (__int128)days[i] * FORECAST_UNIT * FORECAST_UNIT / factor;
        seen++;
        if (seen <= DAYS_PER_WEEK) {
            sum += even;
            rate = sum / seen;
        } else {
            rate += (even - rate) / 4;
        }
    }
    forecast->rate = rate;
}

bool forecast_make(const struct forecast_history *history, struct forecast *forecast)
{
    size_t count = history->count < FORECAST_HISTORY_DAYS ? history->count : FORECAST_HISTORY_DAYS;
    const int64_t *days = history->days + (history->count - count);
    for (; count > 0 && *days == 0; days++)
        count--;
    *forecast = (struct forecast){.zone = history->zone, .days = count};
    for (size_t i = 0; i < count; i++)
        MUST(days[i] >= 0);
    if (count < FORECAST_DAYS_MIN)
        return false;
    find_factors(days, count, history->last_day, forecast);
    find_rate(days, count, history->last_day, forecast);
    return true;
}

/* The part of a local day that lies in [from, until), and what is used in it. */
struct part {
    int64_t from_us, length_us, day_us;
    __int128 day_amount, amount; /* of the whole day; of the part: times FORECAST_UNIT */
};

static struct part part_of(const struct forecast *forecast, int64_t day, int64_t from_us,
                           int64_t until_us)
{
    int64_t const begins_us = zone_day_begins_us(forecast->zone, day);
    int64_t const ends_us = zone_day_begins_us(forecast->zone, day + 1);
    int64_t const last_us = until_us < ends_us ? until_us : ends_us;
    struct part part = {.from_us = from_us > begins_us ? from_us : begins_us};
    part.length_us = last_us > part.from_us ? last_us - part.from_us : 0;
    part.day_us = ends_us > begins_us ? ends_us - begins_us : 1; /* a date that was left out */
    __int128 const amount = forecast->rate * forecast->factors[weekday(day)] / FORECAST_UNIT;
    part.day_amount = amount < day_max ? amount : day_max;
    part.amount = part.day_amount * part.length_us / part.day_us;
    return part;
}

int64_t forecast_between(const struct forecast *forecast, int64_t from_us, int64_t until_us)
{
    __int128 sum = 0;
    if (until_us <= from_us)
        return 0;
    int64_t const last = zone_day(forecast->zone, until_us - 1);
    for (int64_t day = zone_day(forecast->zone, from_us); day <= last && sum < day_max; day++)
        sum += part_of(forecast, day, from_us, until_us).amount;
    sum = (sum + FORECAST_UNIT / 2) / FORECAST_UNIT;
    return sum < INT64_MAX ? (int64_t)sum : INT64_MAX;
}

int64_t forecast_when(const struct forecast *forecast, int64_t from_us, int64_t amount)
{
    __int128 left = (__int128)amount * FORECAST_UNIT;
    int64_t const today = zone_day(forecast->zone, from_us);
    if (amount <= 0)
        return from_us;
    for (int64_t day = today; day < today + FORECAST_AHEAD_DAYS; day++) {
        struct part const part = part_of(forecast, day, from_us, INT64_MAX);
        if (part.amount >= left)
            return part.from_us + (int64_t)(left * part.day_us / part.day_amount);
        left -= part.amount;
    }
    return INT64_MAX;
}
