/* counters.c - see counters.h. */
#include "book/counters.h"
#include <stdlib.h>

/* A clock that is set back by less than GRACE_US finds its windows again, with what was counted. */
enum { SLOTS_MIN = 4, SWEEP_US = 60 * 1000000, GRACE_US = 60 * 1000000 };

static size_t slot_of(const struct counters *counters, uint64_t id, int64_t start_us)
{
    uint64_t const mixed = (id ^ (uint64_t)start_us) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 32) & (counters->slot_count - 1);
}

/* False: memory is short; what is there stays. */
static bool grow(struct counters *counters)
{
    struct counters grown = *counters;
    grown.slot_count = counters->slot_count > 0 ? 2 * counters->slot_count : SLOTS_MIN;
    grown.slots = calloc(grown.slot_count, sizeof(struct counter *));
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < counters->slot_count; i++) {
        while (counters->slots[i] != NULL) {
            struct counter *counter = counters->slots[i];
            counters->slots[i] = counter->next;
            size_t const slot = slot_of(&grown, counter->id, counter->start_us);
            counter->next = grown.slots[slot];
            grown.slots[slot] = counter;
        }
    }
    free(counters->slots);
    *counters = grown;
    return true;
}

static struct counter *find(const struct counters *counters, const struct record_window_line *line)
{
    if (counters->slot_count == 0)
        return NULL;
    struct counter *counter = counters->slots[slot_of(counters, line->counter, line->start_us)];
    while (counter != NULL &&
           (counter->id != line->counter || counter->start_us != line->start_us ||
            counter->end_us != line->end_us || counter->metric != line->metric))
        counter = counter->next;
    return counter;
}

const struct counter *counters_find(const struct counters *counters,
                                    const struct record_window_line *line)
{
    return find(counters, line);
}

struct counter *counters_get(struct counters *counters, const struct record_window_line *line)
{
    struct counter *counter = find(counters, line);
    if (counter != NULL)
        return counter;
    if (counters->count == counters->slot_count && !grow(counters))
        return NULL;
    counter = calloc(1, sizeof *counter);
    if (counter == NULL)
        return NULL;
    size_t const slot = slot_of(counters, line->counter, line->start_us);
    *counter = (struct counter){
        .next = counters->slots[slot],
        .id = line->counter,
        .kind = line->kind,
        .metric = line->metric,
        .start_us = line->start_us,
        .end_us = line->end_us,
        .included = -1,
    };
    counters->slots[slot] = counter;
    counters->count++;
    return counter;
}

/* --- rollover ------------------------------------------------------------------------------ */
/* What is left of it can be carried until then; it counts until its window ends. */
static int64_t last_needed_us(const struct counter *counter)
{
    int64_t until_us, length_us;
    if (counter->included < 0)
        return counter->end_us;
    bool const never = __builtin_sub_overflow(counter->end_us, counter->start_us, &length_us) ||
                       __builtin_mul_overflow(length_us, (int64_t)RECORD_ROLLS, &length_us) ||
                       __builtin_add_overflow(counter->end_us, length_us, &until_us);
    return never ? INT64_MAX : until_us;
}

/* The last one of the rule that rolls over, had ended when this one began, and is still needed. */
static struct counter *before(const struct counters *counters,
                              const struct record_window_line *line, int64_t now_us)
{
    struct counter *found = NULL;
    size_t slot = 0;
    for (struct counter *other = counters_next(counters, &slot, NULL); other != NULL;
         other = counters_next(counters, &slot, other)) {
        if (other->id != line->counter || other->metric != line->metric || other->included < 0 ||
            other->end_us > line->start_us || last_needed_us(other) <= now_us)
            continue;
        if (found == NULL || other->end_us > found->end_us ||
            (other->end_us == found->end_us && other->start_us > found->start_us))
            found = other;
    }
    return found;
}

/* What was carried is used up first, and is not carried twice. */
static int64_t unused(const struct counter *counter, int64_t start_us)
{
    int64_t const length_us = counter->end_us - counter->start_us;
    int64_t const gap_us = start_us - counter->end_us;
    __int128 of_included = (__int128)counter->used + counter->held - counter->carried;
    if (of_included < 0 || gap_us > length_us / 2) /* a window lies between that nobody used */
        of_included = 0;
    __int128 const left = (__int128)counter->included - of_included - counter->given;
    return left > 0 ? (int64_t)left : 0;
}

int64_t counters_left(const struct counters *counters, const struct record_window_line *line,
                      int64_t most, int64_t now_us)
{
    const struct counter *last = before(counters, line, now_us);
    if (last == NULL)
        return 0;
    int64_t const left = unused(last, line->start_us);
    return left < most ? left : most;
}

int64_t counters_carried(const struct counters *counters, const struct counter *counter,
                         const struct rule *rule, int64_t now_us)
{
    struct record_window_line const line = {
        .counter = rule->counter, .metric = rule->metric, .start_us = rule->start_us};
    if (counter == NULL || counter->included < 0)
        return counters_left(counters, &line, rule->rollover_max, now_us);
    return counter->carried < rule->rollover_max ? counter->carried : rule->rollover_max;
}

static struct record_window_line line_of(const struct counter *counter)
{
    return (struct record_window_line){
        .counter = counter->id, .metric = counter->metric, .start_us = counter->start_us};
}

static void take_from_before(const struct counters *counters, const struct counter *counter,
                             int64_t now_us)
{
    struct record_window_line const line = line_of(counter);
    struct counter *last = before(counters, &line, now_us);
    if (last != NULL && __builtin_add_overflow(last->given, counter->carried, &last->given))
        last->given = INT64_MAX;
}

void counters_carry(const struct counters *counters, struct counter *counter,
                    const struct record_rollover *rollover, int64_t now_us)
{
    bool const begins = counter->included < 0;
    counter->carried = rollover->carried;
    counter->included = rollover->included;
    if (begins && counter->carried > 0)
        take_from_before(counters, counter, now_us);
}

void counters_loaded(const struct counters *counters)
{
    size_t slot = 0;
    for (struct counter *counter = counters_next(counters, &slot, NULL); counter != NULL;
         counter = counters_next(counters, &slot, counter))
        if (counter->included >= 0 && counter->carried > 0)
            take_from_before(counters, counter, INT64_MIN);
}

/* --- forgetting ---------------------------------------------------------------------------- */
/* A counter of calls that run now has no end: it goes when none of them is left. */
static bool is_over(const struct counter *counter, int64_t wall_us)
{
    if (counter->lines > 0)
        return false;
    return counter->metric == METRIC_CONCURRENT || last_needed_us(counter) <= wall_us - GRACE_US;
}

void counters_forget(struct counters *counters, int64_t wall_us)
{
    int64_t const wait_us = counters->sweep_us - wall_us; /* longer: the clock was set back */
    if (counters->count == 0 || (wait_us > 0 && wait_us <= SWEEP_US))
        return;
    counters->sweep_us = wall_us + SWEEP_US;
    for (size_t i = 0; i < counters->slot_count; i++) {
        struct counter **link = &counters->slots[i];
        while (*link != NULL) {
            struct counter *counter = *link;
            if (is_over(counter, wall_us)) {
                *link = counter->next;
                counters->count--;
                free(counter);
                continue;
            }
            link = &counter->next;
        }
    }
}

struct counter *counters_next(const struct counters *counters, size_t *slot,
                              const struct counter *after)
{
    struct counter *next = after != NULL ? after->next : NULL;
    while (next == NULL && *slot < counters->slot_count)
        next = counters->slots[(*slot)++];
    return next;
}

void counters_free(struct counters *counters)
{
    for (size_t i = 0; i < counters->slot_count; i++) {
        while (counters->slots[i] != NULL) {
            struct counter *counter = counters->slots[i];
            counters->slots[i] = counter->next;
            free(counter);
        }
    }
    free(counters->slots);
    *counters = (struct counters){0};
}
