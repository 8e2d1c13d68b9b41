/* jwt.h - a JSON Web Token, verified: signature by our key, claims by our rules.
 *
 * What:  HS256, RS256, ES256 and EdDSA (Ed25519). The key decides the algorithm, never the token's
 *        head: a public key is never an HMAC secret, "none" does not exist.
 * Not:   fetching keys, what claims mean for a customer. Source: RFC 7515, 7517, 7519, 8037, 8725.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256, JWT_EDDSA, JWT_ALGORITHM_COUNT };
const char *jwt_algorithm_name(enum jwt_algorithm algorithm);

struct jwt_key; /* one verification key with its algorithm and key id */
struct jwt_keys;

/* An empty ring. NULL: no memory. */
struct jwt_keys *jwt_keys_new(void);
void jwt_keys_free(struct jwt_keys *keys);
size_t jwt_keys_count(const struct jwt_keys *keys);
/* A shared secret for HS256; at least 32 bytes (RFC 7518 3.2). ERR_FIELD_INVALID. */
NODISCARD enum err jwt_keys_add_secret(struct jwt_keys *keys, struct str id, struct str secret,
                                       struct fault *fault);
/* A PEM public key or certificate: RSA >= 2048 bits: RS256, P-256: ES256, Ed25519: EdDSA. */
NODISCARD enum err jwt_keys_add_pem(struct jwt_keys *keys, struct str id, struct str pem,
                                    struct fault *fault);
/* A JWK Set. Keys of other kinds or uses ("use":"enc") are passed over, so are those with secrets
 * ("oct") and those not good enough; none left is an error. On failure no key is added. */
NODISCARD enum err jwt_keys_add_jwks(struct jwt_keys *keys, struct str json, struct fault *fault);

struct jwt_rules {
    struct str issuer;   /* empty: any */
    struct str audience; /* empty: any; else "aud" is it or a list with it */
    int64_t skew_s;      /* tolerated difference of clocks */
    int64_t age_max_s;   /* > 0: "iat" must be there and not older */
    bool needs_expiry;   /* "exp" must be there */
    bool needs_subject; /* "sub" must be there; when it is, it is text without control characters */
};
struct jwt_claims {
    struct str subject;         /* empty: the token has none */
    int64_t expires_s;          /* "exp", or the end of age_max_s when that is sooner; 0: never */
    struct json_object *object; /* all top-level claims, in the arena */
};
/* ERR_TOKEN_INVALID with the reason in fault->detail (never the token itself); ERR_KEY_EXPIRED.
 * Everything in `claims` is in the arena. Signatures of every key that fits (by "kid" when both
 * sides have one, by algorithm) are tried. */
NODISCARD enum err jwt_verify(const struct jwt_keys *keys, const struct jwt_rules *rules,
                              struct str token, int64_t now_s, struct arena *arena,
                              struct jwt_claims *claims, struct fault *fault);
/* Does the token ask for a public key that is not in the ring: one of its "kid", or of its
 * algorithm when it names none? False too for what cannot be read, and for HS256. Whose token it is
 * has not been proved: good for looking for keys, and for nothing else. */
bool jwt_key_missing(const struct jwt_keys *keys, struct str token, struct arena *arena);
/* A claim by path ("app.roles", names separated by dots; a name with dots of its own is found
 * before its parts). ptr NULL: absent, or there twice. Raw JSON value. */
struct str jwt_claim(const struct jwt_claims *claims, struct str path, struct arena *arena);
