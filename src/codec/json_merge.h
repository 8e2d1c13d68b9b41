/* json_merge.h - a JSON merge patch applied (RFC 7396), and members taken out of an object.
 *
 * Not:   validation of the texts: json_scan has accepted both.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "codec/json.h"

/* Appends `target` changed by `patch`. Members keep the target's order, new ones follow. A patch
 * that is not an object replaces all. ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err json_merge(struct str target, struct str patch, struct arena *arena,
                              struct buf *out);
/* Appends the object without the members that are named (NULL ends the list). */
NODISCARD enum err json_without(struct str object, const char *const *names, struct arena *arena,
                                struct buf *out);
