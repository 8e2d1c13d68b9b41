/* auth.h - what signing in needs in memory: throttle, thread of hashes, last uses, the setup link.
 *
 * Not:   operators and sessions themselves: they are documents (kinds OPERATOR, OPERATOR_SECRET,
 *        SESSION, LINK, MACHINE_TOKEN).
 * Rules: any thread.
 */
#pragma once
#include "admin/auth_password.h"
#include "admin/auth_thread.h"
#include "admin/auth_throttle.h"
#include <pthread.h>

enum {
    SESSION_IDLE_S = 12 * 3600,
    SESSION_AGE_MAX_S = 7 * 86400,
    SETUP_LINK_S = 30 * 60,
    SESSION_SETS = 512, /* sessions whose last use is remembered: sets of 8 */
    SESSION_WAYS = 8,
};

struct auth {
    struct throttle *throttle;
    struct auth_thread *thread;
    pthread_mutex_t team; /* one change of the team at a time: unique addresses, a last owner */
    pthread_mutex_t lock; /* guards the rest */
    char setup_hash[TOKEN_HASH_BYTES];
    int64_t setup_until_us; /* 0: there is no setup link */
    struct session_use {
        uint64_t name; /* 0: empty */
        int64_t last_us;
    } uses[SESSION_SETS][SESSION_WAYS];
};

struct auth *auth_new(void); /* NULL: no memory */
void auth_free(struct auth *auth);

/* A new link takes the place of the one before; only its hash is kept. */
void auth_setup_make(struct auth *auth, int64_t now_us, char token[TOKEN_BYTES_MAX]);
bool auth_setup_is(struct auth *auth, struct str token, int64_t now_us);
void auth_setup_end(struct auth *auth);
/* The session is used now; false: it was not for too long. One that is not remembered (a restart)
 * counts as used now. `hash`: the letters of token_hash. */
bool auth_session_use(struct auth *auth, struct str hash, int64_t now_us);
