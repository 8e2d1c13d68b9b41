/* end.h - how a hold ends without a price: released, expired, forgotten; and writing every end
 * down.
 *
 * Not:   the arithmetic of a charge (settle.c).
 */
#pragma once
#include "book/effect.h"

struct end_facts { /* of SETTLE and RELEASE */
    struct str outcome;
    int http_status, attempts;
    int64_t first_byte_us;
    struct usage usage;
};

/* Token limiters get back what was taken but not used (or lose what was used beyond that). */
void end_limiters(struct effect *effect, int64_t tokens_used, int64_t now_us);
/* Applies the effect and writes it into room that was promised; customer->lock is held. */
uint64_t end_commit(struct book *book, struct effect *effect, const struct end_facts *facts,
                    size_t promised, int64_t now_us);
/* False: it is not held any more, or the journal has no room (then it stays held for now). */
bool end_expire(struct book *book, struct hold *hold);
void end_forget(struct book *book, struct hold *hold);
/* Room for the end of a hold with these lines. */
size_t end_bytes_max(const struct hold *hold);
