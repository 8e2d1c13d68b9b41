/* ai_config.h - documents AI_CONFIG: the provider key goes in, and never comes out. */
#pragma once
#include "admin/objects_int.h"

/* Puts the sealed key in the place of the plain one, and what may be shown of it beside it.
 * `before`: the document that is replaced; NULL: there is none. */
NODISCARD enum err ai_config_seal(struct admin_call *call, struct object_change *change,
                                  const struct object *before);
/* Seals the key with the newest key of the ring; *changed false: it was so already, or the document
 * is gone. The actor is the call's. */
NODISCARD enum err ai_config_reseal(struct admin_call *call, struct str id, bool *changed);
/* The document as anybody may see it: without the sealed key. Empty: no memory. */
struct str ai_config_shown(struct admin_call *call, struct str text);
/* Do calls of the customer to the provider go out with its own key (usable or not)? */
bool ai_config_is_active(struct admin_call *call, struct str customer, struct str provider);
/* The stored document as a patch can be put on it. ptr NULL: no memory. */
struct str ai_config_patched(struct admin_call *call, struct str text);
