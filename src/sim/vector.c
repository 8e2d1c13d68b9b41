/* vector.c - random directions, scaled to length one with an integer square root. */
#include "sim/vector.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/random.h"
#include "codec/base64.h"

enum { COMPONENT_MAX = 1 << 20, SCALE = 1000000000 };

_Static_assert((int64_t)COMPONENT_MAX *SCALE <= INT64_MAX / 2, "a component can be scaled");
_Static_assert((int64_t)COMPONENT_MAX *COMPONENT_MAX <= INT64_MAX / SIM_DIMENSIONS_MAX / 2,
               "the sum of squares fits");

static uint64_t square_root(uint64_t square)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 31; bit > 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= square)
            root |= bit;
    return root;
}

/* Fills `parts` with numbers whose squares add up to SCALE squared (nearly). */
static void make(uint64_t seed, int64_t dimensions, int64_t *parts)
{
    MUST(dimensions > 0 && dimensions <= SIM_DIMENSIONS_MAX);
    struct random random;
    random_seed(&random, seed);
    uint64_t sum = 1; /* never zero */
    for (int64_t i = 0; i < dimensions; i++) {
        parts[i] = (int64_t)random_below(&random, 2 * COMPONENT_MAX + 1) - COMPONENT_MAX;
        sum += (uint64_t)(parts[i] * parts[i]);
    }
    int64_t const length = (int64_t)square_root(sum);
    for (int64_t i = 0; i < dimensions; i++)
        parts[i] = parts[i] * SCALE / length;
}

enum err sim_vector_numbers(uint64_t seed, int64_t dimensions, struct buf *out)
{
    int64_t parts[SIM_DIMENSIONS_MAX];
    make(seed, dimensions, parts);
    enum err err = buf_reserve(out, (size_t)dimensions * sizeof "-0.123456789," + 2);
    if (err != ERR_OK)
        return err;
    char *at = out->ptr + out->len;
    *at++ = '[';
    for (int64_t i = 0; i < dimensions; i++) {
        uint64_t rest = (uint64_t)(parts[i] < 0 ? -parts[i] : parts[i]);
        if (parts[i] < 0)
            *at++ = '-';
        *at++ = (char)('0' + rest / SCALE);
        *at++ = '.';
        for (uint64_t unit = SCALE / 10; unit > 0; unit /= 10)
            *at++ = (char)('0' + rest / unit % 10);
        *at++ = i + 1 < dimensions ? ',' : ']';
    }
    out->len = (size_t)(at - out->ptr);
    return ERR_OK;
}

enum err sim_vector_base64(uint64_t seed, int64_t dimensions, struct buf *out)
{
    int64_t parts[SIM_DIMENSIONS_MAX];
    unsigned char bytes[SIM_DIMENSIONS_MAX * 4];
    make(seed, dimensions, parts);
    for (int64_t i = 0; i < dimensions; i++) {
        float const number = (float)((double)parts[i] / SCALE);
        uint32_t bits = 0;
        memcpy(&bits, &number, sizeof bits);
        for (int64_t k = 0; k < 4; k++)
            bytes[i * 4 + k] = (unsigned char)(bits >> (8 * k));
    }
    struct str const raw = str_make((const char *)bytes, (size_t)dimensions * 4);
    size_t const len = base64_encoded_len(raw.len);
    enum err const err = buf_reserve(out, len + 2);
    if (err != ERR_OK)
        return err;
    out->ptr[out->len] = '"';
    base64_encode(raw, BASE64_STANDARD, out->ptr + out->len + 1);
    out->ptr[out->len + 1 + len] = '"';
    out->len += len + 2;
    return ERR_OK;
}
