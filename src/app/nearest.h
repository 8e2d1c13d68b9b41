/* nearest.h - "did you mean": the candidate that a typing mistake most likely came from. */
#pragma once
#include "base/str.h"

struct nearest {
    struct str wanted, best;
    unsigned distance; /* of best */
};

void nearest_start(struct nearest *nearest, struct str wanted);
void nearest_offer(struct nearest *nearest, struct str candidate);
/* Empty when nothing is close enough to be a slip: at most a third of the letters. */
struct str nearest_get(const struct nearest *nearest);
