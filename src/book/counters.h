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
/* Rollover: what a window that begins at the line's start gets of the one before, up to `most`. A
 * window that nobody used, because there was no call in it, leaves all that was included; one that
 * ended longer ago than RECORD_ROLLS of its own length leaves nothing. */
int64_t counters_left(const struct counters *counters, const struct record_window_line *line,
                      int64_t most, int64_t now_us);
/* What this window has of the one before: as it began, but never more than the rule says now.
 * `counter` NULL: there is none yet. */
int64_t counters_carried(const struct counters *counters, const struct counter *counter,
                         const struct rule *rule, int64_t now_us);
/* The window rolls over from now on, or by other terms. What it gets, the one before has given. */
void counters_carry(const struct counters *counters, struct counter *counter,
                    const struct record_rollover *rollover, int64_t now_us);
/* After rows: they know what each got, not what each gave. */
void counters_loaded(const struct counters *counters);
/* Drops those whose window has been over for a minute and in which no hold can end any more; looks
 * at most once a minute. By the wall clock, as rules are made: a clock that is set back for good
 * must not find that the windows it is in now are dropped. Not between counters_get and
 * effect_reserve: a hold that is being made has no lines yet. */
void counters_forget(struct counters *counters, int64_t wall_us);
/* Walks all: start with *slot = 0 and NULL; NULL at the end. */
struct counter *counters_next(const struct counters *counters, size_t *slot,
                              const struct counter *after);
void counters_free(struct counters *counters);
