/* vector.h - an embedding: a unit vector that depends on the text alone (and the seed).
 *
 * What:  whole numbers all the way, so that every machine gives the same digits.
 */
#pragma once
#include "base/buf.h"

/* Appends a JSON list of `dimensions` numbers with nine digits. */
NODISCARD enum err sim_vector_numbers(uint64_t seed, int64_t dimensions, struct buf *out);
/* Appends a JSON text: base64 of little-endian 32-bit floats. */
NODISCARD enum err sim_vector_base64(uint64_t seed, int64_t dimensions, struct buf *out);
