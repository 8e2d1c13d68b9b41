/* auth_throttle.h - slows down whoever guesses: per account and per address, growing back-off.
 *
 * What:  a bounded table of failures. A try counts as a failure until it is told to be none, so
 *        that tries at once do not slip through together.
 * Why:   keyed by a random seed and forgetting the mildest of a full set: nobody can push a
 *        blocked name out by filling the table with others.
 * Rules: any thread.
 */
#pragma once
#include "base/str.h"

enum {
    THROTTLE_FREE_ACCOUNT = 5,  /* failures without a wait */
    THROTTLE_FREE_ADDRESS = 20, /* an office behind one address */
    THROTTLE_WAIT_MAX_S = 900,
    THROTTLE_FORGET_S = 86400, /* without a failure */
    THROTTLE_SETS = 1024,
    THROTTLE_WAYS = 8,
};

/* Seconds to wait after this many failures, of which `free_count` are free: 1, 2, 4 … */
int64_t throttle_wait_s(int64_t failures, int64_t free_count);

struct throttle;
struct throttle *throttle_new(void); /* NULL: no memory */
void throttle_free(struct throttle *throttle);
/* 0: go on, a failure is counted; else seconds to wait, nothing is counted. */
int64_t throttle_take(struct throttle *throttle, struct str account, struct str address,
                      int64_t now_us);
/* It was right: the account's failures are forgotten, of the address one is taken back. */
void throttle_clear(struct throttle *throttle, struct str account, struct str address,
                    int64_t now_us);
/* It was neither right nor wrong. */
void throttle_give_back(struct throttle *throttle, struct str account, struct str address,
                        int64_t now_us);
