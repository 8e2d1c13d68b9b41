/* random.h - randomness: secrets from the kernel, ids from a fast generator.
 *
 * What:  random_secret for keys and tokens; struct random (xoshiro256**) for ids, jitter and
 *        seeded simulations. One struct random per thread.
 * Not:   struct random for anything that must not be guessed.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Unpredictable bytes (libsodium, kernel). */
void random_secret(void *bytes, size_t count);

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 … below-1; below > 0. */
uint64_t random_below(struct random *random, uint64_t below);
