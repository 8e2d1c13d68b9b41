/* datadir.h - the data directory: its layout, its secrets, and who may read them.
 *
 * What:  0700; secret.key (the pepper of API key hashes) and admin.token, 0600 each; the paths of
 *        journal/, cota.db and cota.sock.
 * Why:   a pepper that others can read, or that is made anew beside an old database, would silently
 *        make every stored key worthless: both are refused.
 */
#pragma once
#include "base/secret.h"

enum { DATADIR_PATH_BYTES = 4096, PEPPER_BYTES = 32 };

struct datadir {
    char path[DATADIR_PATH_BYTES], journal[DATADIR_PATH_BYTES], database[DATADIR_PATH_BYTES];
    char socket[DATADIR_PATH_BYTES];
    unsigned char pepper[PEPPER_BYTES];
    struct secret admin_token;
};

/* Makes what is missing. `token`: the configured one, else empty. ERR_CONFIG_INVALID. */
NODISCARD enum err datadir_open(struct str path, struct str token, struct datadir *dir,
                                struct fault *fault);
void datadir_wipe(struct datadir *dir);
/* The Fernet key in `path`/encryption.key, made (0600) when it is not there: for cota demo, which
 * has no configuration file that could say one. ERR_CONFIG_INVALID. */
NODISCARD enum err datadir_ring_key(const char *path, struct secret *key, struct fault *fault);
/* "adm_" or another prefix and 43 letters of base64url; fits struct secret. */
void datadir_token_make(const char *prefix, struct secret *secret);
