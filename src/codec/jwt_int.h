/* jwt_int.h - the ring of keys, for jwt.c and jwk.c alone.
 *
 * Why:   OpenSSL 3 spends microseconds on fetching and initialising; a key therefore keeps a
 * context that has all of that behind it, and a verification works with a copy of it. The keys are
 *        only read by verifications, which may run on several threads.
 */
#pragma once
#include "base/limits.h"
#include "codec/jwt.h"
#include <openssl/evp.h>

enum {
    JWT_SECRET_BYTES_MIN = 32, /* RFC 7518 3.2 */
    JWT_RSA_BITS_MIN = 2048,   /* RFC 7518 3.3 */
    JWT_RSA_BITS_MAX = 8192,   /* longer ones only cost time */
    JWT_SIGNATURE_BYTES_MAX = JWT_RSA_BITS_MAX / 8,
    JWT_COORDINATE_BYTES = 32, /* of P-256; half of a signature, too */
};

struct jwt_key {
    enum jwt_algorithm algorithm;
    struct str id; /* owned; empty: none */
    size_t signature_bytes;
    EVP_MAC_CTX *mac;     /* HS256: has the secret */
    EVP_MD_CTX *verifier; /* the others: has the public key */
};

struct jwt_keys {
    size_t count;
    struct jwt_key keys[JWT_KEYS_MAX];
};
