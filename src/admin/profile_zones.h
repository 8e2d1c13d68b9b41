/* profile_zones.h - a profile's member time_zone_before: the zones it had, and until when.
 *
 * Why:   windows that run when a customer's zone changes keep their ends (core/moved.h), after a
 *        restart, too. The server alone writes it.
 */
#pragma once
#include "admin/objects_int.h"

/* Puts into the change what `before` (NULL: there is no profile yet) says, and its zone, when the
 * change has another. */
NODISCARD enum err profile_zones(struct admin_call *call, struct object_change *change,
                                 const struct object *before);
/* The stored document as a patch can be put on it: without that member. ptr NULL: no memory. */
struct str profile_patched(struct admin_call *call, struct str text);
