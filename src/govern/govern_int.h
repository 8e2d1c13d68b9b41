/* govern_int.h - the documents in force, and how readers and the writer keep out of each other's
 * way.
 *
 * What:  readers lock one slot, each thread its own; the writer locks all slots to put a whole
 *        change in force. What a change replaces goes to the era in which verdicts may still look
 *        at it, and is freed when nobody of that era or an earlier one is left.
 */
#pragma once
#include "core/resolve.h"
#include "govern/govern.h"
#include "govern/node.h"
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { SLOTS = 16, ZONE_CACHE = 16, PERIOD_CACHE = 128, CACHE_LINE_BYTES = 64 };

struct era {
    struct era *next;
    struct doc *garbage; /* by doc->next */
    struct {
        alignas(CACHE_LINE_BYTES) _Atomic int64_t count; /* verdicts that are out */
    } held[SLOTS];
};

struct bounds {
    int64_t start_us, end_us; /* holds nothing when they are equal */
};

struct slot {
    alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
    struct {
        const struct zone *zone;
        struct bounds bounds[WINDOW_MONTH + 1];
    } zones[ZONE_CACHE];
    struct {
        uint64_t serial; /* of the subscription's document */
        const struct zone *zone;
        enum period_unit unit;
        int unit_count;
        struct bounds bounds;
    } periods[PERIOD_CACHE];
    struct recent *recent; /* recent.h; NULL until the first */
};

struct change {
    enum doc_kind kind;
    struct doc *doc; /* NULL: deleted */
    char *id;        /* of what is deleted; NULL: it is in doc */
    size_t id_len;
};

struct govern {
    pthread_mutex_t compiling; /* guards compiler: those who check are many */
    struct compiler compiler;
    struct index docs, nodes;
    size_t node_counts[NODE_KIND_COUNT];
    _Atomic uint64_t changes; /* commits so far; changed with all slots locked */
    struct era *oldest, *current, *spare;
    struct change *pending;
    size_t pending_count, pending_room;
    struct slot slots[SLOTS];
};

/* This thread's slot, locked. */
unsigned slot_lock(struct govern *govern);
void slot_unlock(struct govern *govern, unsigned slot);
/* The era that is current, held until era_release. With the slot locked. */
struct era *era_hold(struct govern *govern, unsigned slot);
void era_release(struct era *era, unsigned slot);

/* With a slot locked, or by the writer. NULL: there is none. */
struct node *node_find(const struct govern *govern, enum node_kind kind, struct str id);
/* id: a, the separator, b. */
struct node *node_find_pair(const struct govern *govern, enum node_kind kind, struct str a,
                            char between, struct str b);
void *doc_find(const struct govern *govern, enum doc_kind kind, struct str id);

/* The window that holds now; `past` NULL: the zone has not changed; *kind becomes what it really is
 * (a period without one: a month). */
struct bounds slot_window(struct slot *slot, enum window_kind *kind, const struct zone *zone,
                          const struct zones_past *past,
                          const struct doc_subscription *subscription,
                          const struct plan_terms *plan, int64_t now_us);
