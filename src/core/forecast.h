/* forecast.h - how much will be used by a day to come, from what was used a day.
 *
 * What:  a rate (of the last days most: an exponentially weighted mean over 7 days) times the shape
 *        of a week (Monday's share, Tuesday's …), by local days of the customer's zone. Integers.
 * Not:   reading what was used (admin/forecast.c); words for people.
 */
#pragma once
#include "core/calendar.h"
#include "core/zone.h"

enum {
    FORECAST_DAYS_MIN = 3,       /* fewer whole days say nothing */
    FORECAST_HISTORY_DAYS = 28,  /* older ones are passed over */
    FORECAST_WEEK_DAYS_MIN = 14, /* from then on the days of the week differ */
    FORECAST_AHEAD_DAYS = 366,   /* nobody is told of a day further away */
    FORECAST_UNIT = 1000000,
};

/* Amounts of whole local days, oldest first; the last one is that of day number `last_day`. What
 * lies before the first use is no history. */
struct forecast_history {
    const struct zone *zone;
    int64_t last_day;
    size_t count;
    const int64_t *days; /* >= 0 */
};

struct forecast {
    const struct zone *zone;
    size_t days;                    /* that it rests on */
    bool weekly;                    /* days of the week differ */
    int64_t factors[DAYS_PER_WEEK]; /* Monday first; of FORECAST_UNIT */
    __int128 rate;                  /* of a day with factor one; times FORECAST_UNIT */
};

/* False: there are too few days. */
NODISCARD bool forecast_make(const struct forecast_history *history, struct forecast *forecast);
/* What will be used in [from, until); rounded, INT64_MAX when it is more. */
int64_t forecast_between(const struct forecast *forecast, int64_t from_us, int64_t until_us);
/* When so much more will have been used. INT64_MAX: not within FORECAST_AHEAD_DAYS. */
int64_t forecast_when(const struct forecast *forecast, int64_t from_us, int64_t amount);
