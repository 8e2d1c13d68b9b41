/* slot.c - a reader's lock, what it holds, and the windows it has computed already. */
#include "base/must.h"
#include "govern/govern_int.h"

static _Atomic unsigned threads;
static _Thread_local unsigned thread_slot; /* from 1 */

unsigned slot_lock(struct govern *govern)
{
    if (thread_slot == 0)
        thread_slot = 1 + atomic_fetch_add(&threads, 1) % SLOTS;
    pthread_mutex_lock(&govern->slots[thread_slot - 1].lock);
    return thread_slot - 1;
}

void slot_unlock(struct govern *govern, unsigned slot)
{
    pthread_mutex_unlock(&govern->slots[slot].lock);
}

struct era *era_hold(struct govern *govern, unsigned slot)
{
    struct era *era = govern->current;
    atomic_fetch_add_explicit(&era->held[slot].count, 1, memory_order_relaxed);
    return era;
}

void era_release(struct era *era, unsigned slot)
{
    int64_t const before =
        atomic_fetch_sub_explicit(&era->held[slot].count, 1, memory_order_release);
    MUST(before > 0);
}

struct node *node_find(const struct govern *govern, enum node_kind kind, struct str id)
{
    if (govern->node_counts[kind] == 0 || str_empty(id))
        return NULL;
    return index_find(&govern->nodes, kind, id);
}

struct node *node_find_pair(const struct govern *govern, enum node_kind kind, struct str a,
                            char between, struct str b)
{
    char id[2 * GOVERN_ID_BYTES_MAX + 1];
    if (govern->node_counts[kind] == 0 || str_empty(a) || str_empty(b) ||
        a.len > GOVERN_ID_BYTES_MAX || b.len > GOVERN_ID_BYTES_MAX)
        return NULL;
    memcpy(id, a.ptr, a.len);
    id[a.len] = between;
    memcpy(id + a.len + 1, b.ptr, b.len);
    return index_find(&govern->nodes, kind, (struct str){id, a.len + 1 + b.len});
}

void *doc_find(const struct govern *govern, enum doc_kind kind, struct str id)
{
    return str_empty(id) ? NULL : index_find(&govern->docs, kind, id);
}

static bool holds(const struct bounds *bounds, int64_t at_us)
{
    return bounds->start_us <= at_us && at_us < bounds->end_us;
}

/* No window of the calendar is moved any more when the zone changed so long ago. */
static const int64_t moved_for_us = 70 * (int64_t)86400 * 1000000;

static bool may_be_moved(const struct zones_past *past, int64_t now_us)
{
    return past != NULL && now_us < past->list[past->count - 1].until_us + moved_for_us;
}

static struct bounds calendar_window(struct slot *slot, enum window_kind kind,
                                     const struct zone *zone, const struct zones_past *past,
                                     int64_t now_us)
{
    if (may_be_moved(past, now_us)) {
        struct bounds moved;
        moved_window(kind, zone, past, now_us, &moved.start_us, &moved.end_us);
        return moved;
    }
    unsigned const place = zone_number(zone) % ZONE_CACHE;
    if (slot->zones[place].zone != zone) {
        memset(slot->zones[place].bounds, 0, sizeof slot->zones[place].bounds);
        slot->zones[place].zone = zone;
    }
    struct bounds *bounds = &slot->zones[place].bounds[kind];
    if (!holds(bounds, now_us))
        window_bounds(kind, zone, now_us, &bounds->start_us, &bounds->end_us);
    return *bounds;
}

/* What is kept of a period holds, whatever zone came since: one that runs keeps its end. */
static struct bounds billing_period(struct slot *slot, const struct zone *zone,
                                    const struct zones_past *past,
                                    const struct doc_subscription *subscription,
                                    const struct plan_terms *plan, int64_t now_us)
{
    size_t const place = subscription->serial % PERIOD_CACHE;
    if (slot->periods[place].serial == subscription->serial && slot->periods[place].zone == zone &&
        slot->periods[place].unit == plan->unit &&
        slot->periods[place].unit_count == plan->unit_count &&
        holds(&slot->periods[place].bounds, now_us))
        return slot->periods[place].bounds;
    struct period_rule const rule = {.unit = plan->unit,
                                     .count = plan->unit_count,
                                     .anchor_us = subscription->terms.anchor_us,
                                     .anchor_day = subscription->terms.anchor_day};
    static const struct zones_past none;
    struct period const period = moved_period(&rule, zone, past ? past : &none, now_us);
    slot->periods[place].serial = subscription->serial;
    slot->periods[place].zone = zone;
    slot->periods[place].unit = plan->unit;
    slot->periods[place].unit_count = plan->unit_count;
    slot->periods[place].bounds = (struct bounds){period.start_us, period.end_us};
    return slot->periods[place].bounds;
}

struct bounds slot_window(struct slot *slot, enum window_kind *kind, const struct zone *zone,
                          const struct zones_past *past,
                          const struct doc_subscription *subscription,
                          const struct plan_terms *plan, int64_t now_us)
{
    if (*kind == WINDOW_EVER)
        return (struct bounds){0, INT64_MAX};
    if (*kind == WINDOW_PERIOD && subscription && plan && subscription->terms.has_anchor)
        return billing_period(slot, zone, past, subscription, plan, now_us);
    if (*kind == WINDOW_PERIOD)
        *kind = WINDOW_MONTH;
    return calendar_window(slot, *kind, zone, past, now_us);
}
