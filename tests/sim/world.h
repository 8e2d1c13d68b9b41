/* world.h - the two books of a run, the real one and the model, and what connects them. */
#pragma once
#include "book/replay.h"
#include "compare.h"
#include "sim.h"

enum { SNAPSHOTS = 6 };

struct sim_clock {
    struct clock clock; /* first: the book sees this */
    int64_t now_us;
};

struct world {
    struct random random;
    struct sim_clock clock;
    char directory[64];
    struct journal *journal;
    struct book *book;
    struct customer *customers[MODEL_CUSTOMERS];
    struct key *keys[MODEL_CUSTOMERS][MODEL_KEYS];
    struct hold *holds[MODEL_CUSTOMERS][MODEL_HOLDS];
    struct model model;
    int64_t swept_us, sources;
    int64_t highest_us; /* of the clock; it never goes back by MODEL_GRACE_US from there */
    struct snapshot {
        uint64_t lsn;
        struct model model;
        int64_t swept_us;
    } snapshots[SNAPSHOTS];
    long taken; /* snapshots so far */
    struct sim_counts *counts;
    char *what;
    size_t room;
};

NODISCARD bool world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);
/* After each operation: compare everything, keep a snapshot. */
NODISCARD bool world_compare(struct world *world);
/* Cuts the journal after a recent operation, and starts again from what is left. */
NODISCARD bool world_crash(struct world *world);
/* A second book, from the journal alone, must be in the same state. */
NODISCARD bool world_replay(struct world *world);
/* One random operation. */
NODISCARD bool world_step(struct world *world);
NODISCARD bool world_fail(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives the model's limits of a customer to the book. */
NODISCARD bool world_configure(struct world *world, int number);

void random_policy(struct world *world, struct model_policy *policy, bool in_credits);
void random_change(struct world *world, struct model_policy *policy, bool in_credits);
/* What is in force for that call at `clock`. False: nothing is, NULL would do. */
bool policy_rules(const struct model_policy *policy, const struct model_want *want, int64_t clock,
                  struct rules *rules);
int64_t below(struct world *world, int64_t limit);
bool chance(struct world *world, int percent);
