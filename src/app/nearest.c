/* nearest.c - Damerau-Levenshtein distance (adjacent letters may be swapped) on short words. */
#include "app/nearest.h"
#include <limits.h>

enum { WORD_BYTES_MAX = 64 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Three rows of the usual table: before last, last, this. */
static unsigned distance(struct str a, struct str b)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[1][j] = (unsigned)j;
    unsigned *older = rows[0], *last = rows[1], *row = rows[2];
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned const other = a.ptr[i - 1] != b.ptr[j - 1];
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + other);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], older[j - 2] + 1);
        }
        unsigned *const oldest = older;
        older = last;
        last = row;
        row = oldest;
    }
    return last[b.len];
}

void nearest_start(struct nearest *nearest, struct str wanted)
{
    *nearest = (struct nearest){.wanted = wanted, .distance = UINT_MAX};
}

void nearest_offer(struct nearest *nearest, struct str candidate)
{
    if (nearest->wanted.len > WORD_BYTES_MAX || candidate.len > WORD_BYTES_MAX)
        return;
    unsigned const found = distance(nearest->wanted, candidate);
    if (found < nearest->distance) {
        nearest->distance = found;
        nearest->best = candidate;
    }
}

struct str nearest_get(const struct nearest *nearest)
{
    size_t const longer =
        nearest->best.len > nearest->wanted.len ? nearest->best.len : nearest->wanted.len;
    if (nearest->distance > (longer + 2) / 3)
        return (struct str){0};
    return nearest->best;
}
