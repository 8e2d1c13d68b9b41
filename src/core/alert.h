/* alert.h - which shares of a limit were reached by one step of what is used.
 *
 * What:  an edge is before < share <= after. What is used of a window only grows, so one share of
 *        one limit is passed once, and nobody has to remember what was told. A limit that was
 *        raised has other shares: those above what is used can be passed again, the others not.
 * Not:   holds: what is only held has not been used.
 */
#pragma once
#include "base/str.h"
#include <stdint.h>

enum { ALERT_THRESHOLDS_MAX = 8, ALERT_PERCENT_MAX = 1000 };

struct alert_thresholds {
    uint16_t percent[ALERT_THRESHOLDS_MAX]; /* ascending, then zeros */
};

/* What a limit says about being told; lives as long as the document that says it. */
struct alert_terms {
    struct str name; /* of the limit */
    struct alert_thresholds thresholds;
};

/* Those that were passed, ascending. Returns how many. None of a limit of 0: nothing reaches it. */
size_t alert_edges(int64_t before, int64_t after, int64_t limit,
                   const struct alert_thresholds *thresholds, struct alert_thresholds *passed);
/* Puts one in its place; 0, or one that is there already: nothing. False: too many, or too large.
 */
bool alert_add(struct alert_thresholds *thresholds, int64_t percent);
