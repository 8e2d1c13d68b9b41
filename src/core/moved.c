/* moved.c - see moved.h: one change after the other, the oldest first. */
#include "core/moved.h"
#include "base/must.h"
#include "core/calendar.h"

static const int64_t half_a_day_us = 12 * 3600 * US_PER_SECOND;
static const int64_t zones_apart_us = 26 * 3600 * US_PER_SECOND;

/* What windows are made by: a rule, or without one a kind. */
struct maker {
    const struct period_rule *rule;
    enum window_kind kind;
};

static struct period plain(const struct maker *maker, const struct zone *zone, int64_t at_us)
{
    struct period window = {0};
    if (maker->rule != NULL)
        return period_at(maker->rule, zone, at_us);
    window_bounds(maker->kind, zone, at_us, &window.start_us, &window.end_us);
    return window;
}

/* The one between the last of the zone before, which ended there, and the first of this one. */
static struct period between(const struct maker *maker, const struct zone *zone, int64_t end_us)
{
    if (maker->rule != NULL)
        return period_after(maker->rule, zone, end_us);
    int64_t const apart_us = maker->kind == WINDOW_DAY ? half_a_day_us : zones_apart_us;
    return (struct period){0, end_us, plain(maker, zone, end_us + apart_us).end_us};
}

static struct period holding(const struct maker *maker, const struct zone *zone,
                             const struct zones_past *past, int64_t at_us)
{
    MUST(past->count <= ZONES_PAST_MAX);
    size_t changes = past->count;
    while (changes > 0 && at_us < past->list[changes - 1].until_us)
        changes--; /* the clock was set back: those have not been */
    struct period running = {.end_us = INT64_MIN};
    for (size_t i = 0; i <= changes; i++) {
        bool const is_past = i < past->count;
        const struct zone *by = is_past ? past->list[i].zone : zone;
        int64_t const then_us = i < changes ? past->list[i].until_us : at_us;
        if (then_us < running.end_us)
            continue;
        struct period next = plain(maker, by, then_us);
        if (i > 0 && plain(maker, by, running.end_us).start_us != running.end_us) {
            struct period const first = between(maker, by, running.end_us);
            next = then_us < first.end_us ? first : next;
        }
        running = next;
    }
    return running;
}

void moved_window(enum window_kind kind, const struct zone *zone, const struct zones_past *past,
                  int64_t at_us, int64_t *start_us, int64_t *end_us)
{
    struct maker const maker = {.kind = kind};
    if (kind <= WINDOW_HOUR || past->count == 0) {
        window_bounds(kind, zone, at_us, start_us, end_us);
        return;
    }
    struct period const window = holding(&maker, zone, past, at_us);
    *start_us = window.start_us;
    *end_us = window.end_us;
}

struct period moved_period(const struct period_rule *rule, const struct zone *zone,
                           const struct zones_past *past, int64_t at_us)
{
    struct maker const maker = {.rule = rule};
    return past->count == 0 ? period_at(rule, zone, at_us) : holding(&maker, zone, past, at_us);
}
