/* yaml_write.h - JSON documents as YAML that people edit and yaml_json.h reads back unchanged.
 *
 * Not:   comments, anchors, folded text: what could be read in two ways is quoted.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* Appends "---", kind, id (when there is one) and the members of the object `text`, which json_scan
 * accepts. The arena is scratch: reset it between documents. ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err yaml_write_document(struct buf *out, struct str kind, struct str id,
                                       struct str text, struct arena *arena);
