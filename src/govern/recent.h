/* recent.h - verdicts of a moment ago: the same call within the same windows gets the same rules.
 *
 * What:  a small table per slot, keyed by everything that the call says about itself. An entry is
 *        good until documents change, a window ends, or an override, licence, membership or
 *        subscription begins or ends: never longer.
 * Not:   refusals: they explain themselves anew. With the slot locked.
 */
#pragma once
#include "govern/gather.h"

enum { RECENT_COUNT = 64, RECENT_ASK_BYTES_MAX = 480 };

struct recent {
    uint64_t hash, changes; /* changes: of govern, when it was made; hash 0: empty */
    int64_t made_us, until_us;
    size_t ask_len;
    char ask[RECENT_ASK_BYTES_MAX];
    struct govern_verdict verdict;
};

/* The ask as one text; 0: too long to be kept. */
size_t recent_ask(const struct govern_ask *ask, char text[RECENT_ASK_BYTES_MAX]);
/* True: *verdict is filled, but for who holds it. */
bool recent_find(const struct govern *govern, const struct slot *slot, struct str ask,
                 int64_t now_us, struct govern_verdict *verdict);
/* Memory short: it is not kept. */
void recent_keep(const struct govern *govern, struct slot *slot, struct str ask,
                 const struct gathering *gathering, int64_t edge_us,
                 const struct govern_verdict *verdict);
