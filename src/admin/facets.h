/* facets.h - of a list of documents: how many there are of each value of a member.
 *
 * What:  ?facets=status,plan on lists of documents: all that the filters let pass, not the page
 *        alone. Members that can be filtered by.
 * Bounds: FACETS_LOOK_MAX documents (then `complete` is false), FACET_VALUES_MAX values of each
 *        member (the others are counted together).
 */
#pragma once
#include "admin/objects_int.h"

enum { FACETS_MAX = 4, FACET_VALUES_MAX = 100, FACETS_LOOK_MAX = 20000 };

/* "facets": {…} into the open object, when it was asked for. `query`: with its filters. */
NODISCARD enum err facets_put(struct admin_call *call, struct json_writer *writer,
                              const struct object_query *query);
/* ERR_FIELD_INVALID: a member that is none, too many of them. */
NODISCARD enum err facets_check(struct admin_call *call);
