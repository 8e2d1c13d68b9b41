/* own_key.h - provider keys of customers' own: decrypted once, found per call.
 *
 * What:  the documents AI_CONFIG as calls need them (credentials, the model that takes the place of
 *        the catalogue's, what is switched off), and the ring of Fernet keys that seals them.
 * Not:   what such a call is charged (book/), the documents over HTTP (admin/).
 * Rules: a configuration that is active and cannot be read is there, and unusable: its calls are
 *        refused, never sent with the house's key. Plain keys are wiped when the last who holds
 *        them lets go. Any thread; no configuration, no work.
 */
#pragma once
#include "base/buf.h"
#include "codec/fernet.h"

struct own_keys;

struct own_key {
    struct str id;                       /* "CUSTOMER/PROVIDER" */
    const char *why;                     /* it is unusable; NULL: it is not */
    struct str credentials;              /* "authorization: Bearer …\r\n" */
    struct str model;                    /* empty: the catalogue's */
    struct str models_off, features_off; /* JSON lists of names; empty: none */
};

/* NULL: no memory. */
struct own_keys *own_keys_new(void);
void own_keys_free(struct own_keys *own_keys); /* NULL is allowed; nobody holds one any more */
/* Another ring (count 0: none); all configurations are read again. The copy of the caller is its
 * own to wipe. */
void own_keys_ring(struct own_keys *own_keys, const struct fernet_ring *ring);
bool own_keys_has_ring(struct own_keys *own_keys);

/* The document as it is now; ptr NULL: it is gone. One thread at a time. */
void own_keys_hear(struct own_keys *own_keys, struct str id, struct str text);

/* With the newest key. ERR_FIELD_INVALID: no ring is configured. */
NODISCARD enum err own_keys_seal(struct own_keys *own_keys, struct str plain, struct buf *token,
                                 struct fault *fault);
/* `plain` is the caller's to wipe. *newest: it was sealed with the newest key. ERR_FIELD_INVALID:
 * no key of the ring opens it, or there is no ring. */
NODISCARD enum err own_keys_open(struct own_keys *own_keys, struct str token, struct buf *plain,
                                 bool *newest, struct fault *fault);

/* *own_key with a reference; NULL: this customer calls this provider with the house's key.
 * ERR_OWN_KEY_UNUSABLE: it is not known which key, because memory was short. */
NODISCARD enum err own_key_take(struct own_keys *own_keys, struct str customer, struct str provider,
                                struct own_key **own_key, struct fault *fault);
void own_key_release(struct own_key *own_key); /* NULL is allowed */
/* ERR_OK, ERR_OWN_KEY_UNUSABLE, ERR_FEATURE_FORBIDDEN, ERR_MODEL_FORBIDDEN. */
NODISCARD enum err own_key_permits(const struct own_key *own_key, struct str feature,
                                   struct str model, struct fault *fault);
