/* idempotent.h - management writes that may be repeated: the same Idempotency-Key, the same answer.
 *
 * What:  around the handler of every operation that has the header: the first answer is kept for
 *        24 hours (book/claim.h), sealed, because it may show a secret; ids and secrets that the
 *        handler makes follow from the key, so that a repeat after a crash finds what was done.
 * Not:   which operations have it (openapi.yaml), the keys of calls to models (gateway/).
 */
#pragma once
#include "admin/admin_int.h"

/* On the loop: takes the header, if the operation has it. */
void idempotent_read(struct admin_call *call);
/* ERR_OK, and *answered: the call has its answer already. */
NODISCARD enum err idempotent_begin(struct admin_call *call, bool *answered);
/* After the handler, whatever call->err says. */
void idempotent_end(struct admin_call *call);

/* An id of 26 characters: fresh, or that of the first try. False: no memory. */
NODISCARD bool idempotent_id(struct admin_call *call, struct str *id);
/* For a key's secret: empty (any fresh one), or that of the first try. False: no memory. */
NODISCARD bool idempotent_secret(struct admin_call *call, struct str *secret);
/* A first try may have done it already. */
bool idempotent_again(const struct admin_call *call);
