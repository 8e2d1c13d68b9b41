/* store_contract.h - what every backend of store.h must do; each backend's test hands in a door. */
#pragma once
#include "store/store.h"

/* Opens a fresh, empty store; `again` closes nothing and forgets nothing, it opens the same data
 * once more after a close (NULL: this backend keeps nothing). */
struct store_contract {
    struct store *(*open_fresh)(void);
    struct store *(*open_again)(void);
};

/* A cmocka group; returns the number of failed tests. */
int store_contract_run(const struct store_contract *contract);
