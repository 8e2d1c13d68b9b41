/* verifier.h - who a JWT says its bearer is: keys, rules and claim paths in one immutable object.
 *
 * What:  made from the section `jwt` of the configuration; the gateway swaps it as a whole, like
 *        the catalogue, so that a reload brings new keys into force and takes old ones out of it.
 * Not:   whether the customer exists and may call (book/), what a profile allows (govern/).
 */
#pragma once
#include "codec/jwt.h"

struct verifier;

/* Everything is copied. Empty texts: not given. */
struct verifier_options {
    struct str secret, pem, jwks; /* key material itself; at least one, unless `waits` */
    struct str fetched;           /* a JWK Set, too: from a URL */
    bool waits;                   /* … that has not come yet */
    /* A token asks for a key that is not here; any thread, often, and it returns at once. NULL:
     * nobody looks for more keys. */
    void (*on_missing)(void *owner);
    void *owner;
    struct str issuer, audience;
    int64_t skew_s, age_max_s; /* age_max_s 0: no bound, and then a token must have "exp" */
    struct str customer;       /* of all tokens; empty: the claim says it */
    struct verifier_claims {
        struct str customer, user, profile, groups; /* paths; profile and groups may be empty */
    } claims;
};
/* ERR_CONFIG_INVALID with the reason; ERR_NO_MEMORY. */
NODISCARD enum err verifier_new(const struct verifier_options *options, struct verifier **verifier,
                                struct fault *fault);
struct verifier *verifier_ref(struct verifier *verifier); /* any thread */
void verifier_unref(struct verifier *verifier);           /* any thread; NULL is allowed */

/* What a verified token says. */
struct bearer {
    struct str customer, user; /* never empty */
    struct str profile;        /* empty: not said */
    struct str groups;         /* names, a line feed after each */
    int64_t expires_s;         /* > 0 */
};
/* ERR_TOKEN_INVALID, ERR_KEY_EXPIRED, ERR_KEYS_UNAVAILABLE, with the reason in fault->detail: for
 * the log alone, and never with the token or a claim in it. Texts are in the arena. */
NODISCARD enum err verifier_read(const struct verifier *verifier, struct str token, int64_t now_s,
                                 struct arena *arena, struct bearer *bearer, struct fault *fault);
bool bearer_in_group(const struct bearer *bearer, struct str group);

/* Three parts, the first of which begins as base64url of `{"` does: no key of ours looks so. */
bool is_jwt(struct str credential);
/* One line of 1 to CONTEXT_BYTES_MAX bytes of UTF-8: what users, profiles and groups may be. */
bool is_context_text(struct str value);
