/* basis.h - what a verdict rested on, as a document: the "why" of a decision record.
 *
 * What:  plan, matrix cell, limits with their names and where each came from, in the order of
 *        verdict->rules. Without counters, windows and customers: calls of one kind share a basis,
 *        so that it is stored once and named by its hash.
 * Not:   what was counted (a usage row's own lines), finding it again (store/).
 */
#pragma once
#include "base/buf.h"
#include "govern/govern.h"

enum { BASIS_BYTES_MAX = 16 * 1024 };

/* JSON; *out is added to. */
NODISCARD enum err basis_write(const struct govern_ask *ask, const struct govern_verdict *verdict,
                               struct buf *out);
/* The name of what basis_write writes: a hash of the same things, never 0. */
uint64_t basis_name(const struct govern_ask *ask, const struct govern_verdict *verdict);
