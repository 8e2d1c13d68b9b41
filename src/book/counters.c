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
    };
    counters->slots[slot] = counter;
    counters->count++;
    return counter;
}

/* A counter of calls that run now has no end: it goes when none of them is left. */
static bool is_over(const struct counter *counter, int64_t wall_us)
{
    if (counter->lines > 0)
        return false;
    return counter->metric == METRIC_CONCURRENT || counter->end_us <= wall_us - GRACE_US;
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
