/* simulated.h - the built-in provider on the worker's loop: no network, no key, the same contract.
 *
 * What:  runs a plan of sim/ as an upstream call: dispatch, head, body pieces at their times, then
 *        done or the failure that the network would have shown. simulated_call itself is declared
 * in call_int.h, beside the network's. Not:   what is answered (sim/plan.h); a real server
 * (app/simulate.h).
 */
#pragma once
#include <stdint.h>

/* Seed of every answer that does not bring its own; set before the first call. Default 1. */
void simulated_seed_set(uint64_t seed);
