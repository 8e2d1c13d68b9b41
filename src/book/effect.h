/* effect.h - the one piece of code that changes balances: decided effects, applied.
 *
 * What:  used live, inside the customer's critical section, and by replay: the same effects in the
 *        same order give the same state. Absolute values for the record are read off afterwards.
 * Not:   deciding (reserve.c, settle.c), writing down (end.c).
 */
#pragma once
#include "book/hold.h"

/* How a hold ends: SETTLE, RELEASE or EXPIRE. */
struct effect {
    enum record_type type;
    struct customer *customer;
    struct key *key;
    struct hold *hold; /* NULL in replay: a late settle of a hold that is forgotten already */
    bool late;         /* its lines were dropped when it expired */
    size_t grant_count, window_count;
    struct effect_grant { /* the hold's lines first, in their order; then those of an overrun */
        struct grant *grant;
        int64_t consumed;
        int64_t breakage; /* filled in by effect_end */
    } grants[RECORD_GRANTS_MAX];
    struct effect_window {
        struct counter *counter;
        int64_t used;
    } windows[RECORD_WINDOWS_MAX];
    struct money cost, charge; /* of the provider; of the customer: the sum of what follows */
    struct money charged, covered, overage, debt; /* charged = sum of consumed */
    struct money list; /* of what the customer's own provider key paid for; is in no sum */
    struct record_limiters limiters; /* tokens */
};

/* Would the state stay valid? Live, a MUST; in replay, damage. `partly`: older records whose ends
 * the rows know already; grants may be short until those ends are replayed too. */
bool effect_reserve_fits(const struct hold *hold, bool partly);
void effect_reserve(struct hold *hold, const struct record_limiters *limiters);
/* Beside effect_reserve: what its allowance's window has from the one before. */
void effect_rollover(const struct hold *hold, const struct record_rollover *rollover,
                     int64_t now_us);
bool effect_end_fits(const struct effect *effect);
void effect_end(struct effect *effect);
/* A new grant, linked and active already, pays back `repaid` of the customer's debt. */
bool effect_grant_fits(const struct customer *customer, const struct grant *grant,
                       struct money repaid);
void effect_grant(struct customer *customer, struct grant *grant, struct money repaid);
/* Returns the breakage. */
struct money effect_grant_expire(struct customer *customer, struct grant *grant);
/* The hold's lines are gone and nobody may end it any more: its windows need not be kept for it. */
void effect_forget(struct hold *hold);
