/* basis.h - what verdicts rested on: each told to the journal before the first call that names it.
 *
 * What:  a basis is a text (govern/basis.h) under the hash of it. Usage rows name theirs, so that a
 *        decision can be explained when plans and limits have long changed.
 * Not:   reading them back (store->ops->basis_read). Which have been told is forgotten when the
 *        book ends or too many are known: told twice, the first stays.
 */
#pragma once
#include "book/book.h"

/* Has it been told? Any thread, no lock, a load or two. */
bool book_basis_known(const struct book *book, uint64_t name);
/* Before the RESERVE of a call that names it. ERR_LEDGER_UNAVAILABLE. Any thread. */
NODISCARD enum err book_basis_tell(struct book *book, uint64_t name, struct str text,
                                   struct fault *fault);
