/* fernet.h - Fernet tokens: AES-128-CBC and HMAC-SHA256 (github.com/fernet/spec).
 *
 * What:  encryption at rest that existing Python products can read; a ring of keys, newest first,
 *        is the rotation (MultiFernet).
 */
#pragma once
#include "base/buf.h"

enum { FERNET_KEY_BYTES = 32, FERNET_KEY_TEXT_BYTES = 44, FERNET_RING_KEYS_MAX = 8 };

struct fernet_key {
    unsigned char signing[16], encryption[16];
};

struct fernet_ring {
    size_t count; /* keys[0] encrypts, all decrypt */
    struct fernet_key keys[FERNET_RING_KEYS_MAX];
};

/* 44 characters of padded base64url. ERR_FIELD_INVALID otherwise. */
NODISCARD enum err fernet_key_parse(struct str text, struct fernet_key *key);
/* A fresh key as text, no NUL. */
void fernet_key_make(char text[FERNET_KEY_TEXT_BYTES]);
/* Adds the token to `token`. `now_s` and `iv` are brought by the caller: tests repeat the
 * published vectors. */
NODISCARD enum err fernet_encrypt_at(const struct fernet_key *key, struct str plain, int64_t now_s,
                                     const unsigned char iv[16], struct buf *token);
/* Encrypts with the newest key, the machine's clock and a random IV. */
NODISCARD enum err fernet_encrypt(const struct fernet_ring *ring, struct str plain,
                                  struct buf *token);
/* Adds the text to `plain`. ttl_s < 0: time is not looked at (data at rest); otherwise the token
 * may be ttl_s old and, for clock skew, 60 s from the future. ERR_FIELD_INVALID for every kind of
 * bad token: no oracle. `key_used` (an index into the ring) may be NULL. */
NODISCARD enum err fernet_decrypt(const struct fernet_ring *ring, struct str token, int64_t ttl_s,
                                  int64_t now_s, struct buf *plain, size_t *key_used);
void fernet_ring_wipe(struct fernet_ring *ring);
