/* counters.h - the counters of a customer's windows: found by name, forgotten when over.
 *
 * What:  a chained hash per customer, because a plan with limits per user has many; nothing for a
 *        customer that has none.
 * Rules: under customer->lock.
 */
#pragma once
#include "book/book_int.h"

/* Made when there is none. NULL: memory is short. */
struct counter *counters_get(struct counters *counters, const struct record_window_line *line);
/* NULL: there is none. */
const struct counter *counters_find(const struct counters *counters,
                                    const struct record_window_line *line);
/* Drops those whose window has been over for a minute and in which no hold can end any more; looks
 * at most once a minute. By the wall clock, as rules are made: a clock that is set back for good
 * must not find that the windows it is in now are dropped. Not between counters_get and
 * effect_reserve: a hold that is being made has no lines yet. */
void counters_forget(struct counters *counters, int64_t wall_us);
/* Walks all: start with *slot = 0 and NULL; NULL at the end. */
struct counter *counters_next(const struct counters *counters, size_t *slot,
                              const struct counter *after);
void counters_free(struct counters *counters);
