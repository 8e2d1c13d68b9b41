/* document_diff.h - are two JSON documents the same, and if not: which members differ?
 *
 * What:  the order of members and the escapes of texts do not matter; numbers are compared as they
 *        are written.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* Appends the object with sorted members and texts written one way. ERR_TOO_LARGE, ERR_NO_MEMORY,
 * ERR_JSON_INVALID. */
NODISCARD enum err document_canonical(struct str json, struct arena *arena, struct buf *out);

/* `before` or `after` NULL: the member is not there. False stops. */
typedef bool diff_visit(void *owner, struct str member, const struct str *before,
                        const struct str *after);
/* Members that differ, by path: "limits[2].value"; values are JSON. An empty text: no document.
 * What the visitor gets lives in the arena. */
NODISCARD enum err document_diff(struct str before, struct str after, struct arena *arena,
                                 diff_visit *visit, void *owner);
