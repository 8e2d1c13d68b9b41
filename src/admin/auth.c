/* auth.c - one lock around the setup link and the table of last uses. */
#include "admin/auth.h"
#include "base/secret.h"
#include <stdlib.h>

enum { US_PER_S = 1000000 };

struct auth *auth_new(void)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return NULL;
    pthread_mutex_init(&auth->team, NULL);
    pthread_mutex_init(&auth->lock, NULL);
    auth->throttle = throttle_new();
    auth->thread = auth->throttle != NULL ? auth_thread_new() : NULL;
    if (auth->thread != NULL)
        return auth;
    auth_free(auth);
    return NULL;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    auth_thread_free(auth->thread);
    throttle_free(auth->throttle);
    pthread_mutex_destroy(&auth->lock);
    pthread_mutex_destroy(&auth->team);
    free(auth);
}

void auth_setup_make(struct auth *auth, int64_t now_us, char token[TOKEN_BYTES_MAX])
{
    token_make("cs_", token);
    pthread_mutex_lock(&auth->lock);
    token_hash("setup", str_of(token), auth->setup_hash);
    auth->setup_until_us = now_us + (int64_t)SETUP_LINK_S * US_PER_S;
    pthread_mutex_unlock(&auth->lock);
}

bool auth_setup_is(struct auth *auth, struct str token, int64_t now_us)
{
    char hash[TOKEN_HASH_BYTES];
    token_hash("setup", token, hash);
    pthread_mutex_lock(&auth->lock);
    bool const good =
        now_us < auth->setup_until_us &&
        secret_equal(str_make(hash, sizeof hash), str_make(auth->setup_hash, sizeof hash));
    pthread_mutex_unlock(&auth->lock);
    return good;
}

void auth_setup_end(struct auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->setup_until_us = 0;
    pthread_mutex_unlock(&auth->lock);
}

bool auth_session_use(struct auth *auth, struct str hash, int64_t now_us)
{
    uint64_t name = 0;
    bool good = true;
    memcpy(&name, hash.ptr, hash.len < sizeof name ? hash.len : sizeof name);
    pthread_mutex_lock(&auth->lock);
    /* hex letters: the low four bits of each byte are random enough for a set */
    uint64_t const mixed = name * 0x9e3779b97f4a7c15u;
    struct session_use *set = auth->uses[mixed >> 40 & (SESSION_SETS - 1)];
    struct session_use *use = &set[0];
    for (size_t i = 0; i < SESSION_WAYS; i++) {
        if (set[i].name == name) {
            use = &set[i];
            break;
        }
        if (set[i].last_us < use->last_us)
            use = &set[i];
    }
    if (use->name == name)
        good = now_us - use->last_us < (int64_t)SESSION_IDLE_S * US_PER_S;
    if (good)
        *use = (struct session_use){name, now_us};
    pthread_mutex_unlock(&auth->lock);
    return good;
}
