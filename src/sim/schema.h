/* schema.h - an instance of a JSON schema, made up but valid.
 *
 * What:  type, properties, required, enum, const, anyOf, oneOf, allOf (its first), local $ref,
 *        bounds of numbers, texts and lists, the common formats: what tools and structured outputs
 *        use. No schema gives a small object.
 * Not:   pattern, not, if/then, dependent schemas: they are ignored.
 */
#pragma once
#include "base/arena.h"

/* `schema` is valid JSON; .ptr NULL or anything but an object: any value will do. ERR_TOO_LARGE:
 * the instance would pass SIM_INSTANCE_BYTES_MAX; ERR_NO_MEMORY. */
NODISCARD enum err sim_schema_instance(struct str schema, uint64_t seed, struct arena *arena,
                                       struct str *instance);
