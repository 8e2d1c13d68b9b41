/* sim.h - one run of the simulator. */
#pragma once
#include "base/log.h"
#include "base/str.h"

struct sim_counts {
    long reserves, refusals, fitted, settles, late, overruns, debts, releases, expired, grants;
    long repeats, replays, crashes, orphans, by_rule, covered, billed;
};

/* False: `what` says what differed, *step when. */
bool sim_run(uint64_t seed, long steps, struct sim_counts *counts, long *step, char *what,
             size_t room);
