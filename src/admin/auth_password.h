/* auth_password.h - passwords (argon2id), one-time codes' and tokens' hashes.
 *
 * What:  crypto_pwhash_str of libsodium (64 MiB, 2 passes, about 0.1 s): call it on the thread of
 *        auth_thread.h only. Tokens have 256 random bits: one SHA-256 is their hash.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    PASSWORD_TEXT_MIN = 12, /* characters */
    PASSWORD_BYTES_MAX = 256,
    PASSWORD_HASH_BYTES = 128,    /* with its NUL */
    TOKEN_BYTES_MAX = 64,         /* prefix and 43 letters of base64url, with its NUL */
    TOKEN_HASH_BYTES = 40,        /* letters of hex: 160 bits of SHA-256 */
    RECOVERY_CODES = 10,          /* of one operator */
    RECOVERY_CODE_BYTES = 16 + 3, /* AAAA-BBBB-CCCC-DDDD: 80 bits */
};

/* ERR_OVERLOADED: no memory for it now. */
NODISCARD enum err password_hash(struct str password, char hash[PASSWORD_HASH_BYTES]);
/* `hash` empty: nobody's; the same work is done and the answer is false. */
NODISCARD bool password_verify(struct str hash, struct str password);
/* ERR_FIELD_INVALID with what is wrong. */
NODISCARD enum err password_check(struct str password, struct fault *fault);

/* "cm_" + 43 letters, NUL-terminated. */
void token_make(const char *prefix, char token[TOKEN_BYTES_MAX]);
/* Letters of hex, no NUL. `purpose` keeps a token of one kind from being one of another. */
void token_hash(const char *purpose, struct str token, char hash[TOKEN_HASH_BYTES]);
void recovery_code_make(char code[RECOVERY_CODE_BYTES]);
