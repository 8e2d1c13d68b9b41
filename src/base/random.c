/* random.c - libsodium for secrets, xoshiro256** (Blackman and Vigna, public domain algorithm). */
#include "base/random.h"
#include "base/must.h"
#include <sodium.h>

void random_secret(void *bytes, size_t count)
{
    MUST(sodium_init() >= 0);
    randombytes_buf(bytes, count);
}

/* SplitMix64 spreads a small seed over the whole state. */
static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = split_mix(&seed);
}

static uint64_t rotate(uint64_t value, int count)
{
    return (value << count) | (value >> (64 - count));
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t const result = rotate(s[1] * 5, 7) * 9;
    uint64_t const t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t below)
{
    MUST(below > 0);
    return (uint64_t)(((unsigned __int128)random_next(random) * below) >> 64);
}
