/* jwks_plan.h - when the JWK Set of a URL is fetched; no clock, no socket.
 *
 * What:  as long as its max-age says, within bounds; sooner when tokens ask for a key that it does
 *        not have, but never twice within JWKS_ASK_MS; after a failure again, a little later each
 *        time.
 * Why:   whoever sends tokens with invented key ids must not make us call the issuer.
 */
#pragma once
#include "base/str.h"
#include <stdint.h>

enum {
    JWKS_AGE_MIN_S = 300,
    JWKS_AGE_MAX_S = 86400,
    JWKS_ASK_MS = 30000,         /* least time between two fetches that tokens ask for */
    JWKS_RETRY_FIRST_MS = 1000,  /* while there are no keys at all; doubled each time … */
    JWKS_RETRY_LAST_MS = 30000,  /* … up to this */
    JWKS_RETRY_KEYED_MS = 60000, /* while older keys are in force */
};

struct jwks_plan {
    bool has_keys;
    bool has_begun;   /* a fetch, ever */
    int64_t begun_ms; /* when the last one did */
    int64_t due_ms;   /* when the next one does */
    int64_t failures; /* since the last success */
};

/* Of a new address: due now. */
void jwks_plan_start(struct jwks_plan *plan, int64_t now_ms);
void jwks_plan_begin(struct jwks_plan *plan, int64_t now_ms);
/* `cache_control`: of the answer; empty: none. */
void jwks_plan_fetched(struct jwks_plan *plan, int64_t now_ms, struct str cache_control);
void jwks_plan_failed(struct jwks_plan *plan, int64_t now_ms);
/* A token asked for a key that is not there. */
void jwks_plan_missing(struct jwks_plan *plan, int64_t now_ms);

/* How long a set may be used: its max-age within the bounds; the least one when there is none, or
 * it must not be stored, or cannot be read. RFC 9111 5.2.2. */
int64_t jwks_age_s(struct str cache_control);
