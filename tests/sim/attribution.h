/* attribution.h - I11: what is used of a window is the sum of the settles attributed to it. */
#pragma once
#include <stdbool.h>

struct world;

/* False: world_fail has said what does not add up. */
bool attribution_check(struct world *world);
