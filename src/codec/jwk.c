/* jwk.c - keys that verify: shared secrets, PEM, JWK Sets.
 *
 * Why:   what a key may do is decided here, once: every key has one algorithm from its birth on.
 */
#include "codec/base64.h"
#include "codec/jwt_int.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = (JWT_RSA_BITS_MAX / 8 + 2) / 3 * 4 };

const char *jwt_algorithm_name(enum jwt_algorithm algorithm)
{
    static const char *const names[JWT_ALGORITHM_COUNT] = {
        [JWT_HS256] = "HS256",
        [JWT_RS256] = "RS256",
        [JWT_ES256] = "ES256",
        [JWT_EDDSA] = "EdDSA",
    };
    return algorithm < JWT_ALGORITHM_COUNT ? names[algorithm] : "";
}

struct jwt_keys *jwt_keys_new(void)
{
    return calloc(1, sizeof(struct jwt_keys));
}

static void key_free(struct jwt_key *key)
{
    EVP_MAC_CTX_free(key->mac); /* wipes its secret */
    EVP_MD_CTX_free(key->verifier);
    free((char *)key->id.ptr);
    *key = (struct jwt_key){0};
}

/* Takes the newest keys away again. */
static void keys_cut(struct jwt_keys *keys, size_t count)
{
    while (keys->count > count)
        key_free(&keys->keys[--keys->count]);
}

void jwt_keys_free(struct jwt_keys *keys)
{
    if (!keys)
        return;
    keys_cut(keys, 0);
    free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}

/* OpenSSL's error queue belongs to the thread: TLS must not find our failures in it. */
static enum err refuse(struct fault *fault, const char *reason)
{
    ERR_clear_error();
    return fault_set(fault, ERR_FIELD_INVALID, "%s", reason);
}

static enum err no_memory(struct fault *fault)
{
    ERR_clear_error();
    return fault_set(fault, ERR_NO_MEMORY, "keys of tokens");
}

/* Puts the key into the ring, which then owns what is in it; frees it otherwise. */
static enum err keep(struct jwt_keys *keys, struct str id, struct jwt_key *key, struct fault *fault)
{
    enum err err = ERR_OK;
    if (id.len > JWT_KEY_ID_BYTES_MAX)
        err = fault_set(fault, ERR_FIELD_INVALID, "a key id has more than %d bytes",
                        JWT_KEY_ID_BYTES_MAX);
    else if (keys->count == JWT_KEYS_MAX)
        err = fault_set(fault, ERR_TOO_LARGE, "more than %d keys", JWT_KEYS_MAX);
    char *const copy = err == ERR_OK && id.len > 0 ? malloc(id.len) : NULL;
    if (err == ERR_OK && id.len > 0 && !copy)
        err = no_memory(fault);
    if (err != ERR_OK) {
        key_free(key);
        return err;
    }
    if (copy)
        key->id = str_make(memcpy(copy, id.ptr, id.len), id.len);
    keys->keys[keys->count++] = *key;
    return ERR_OK;
}

/* An HMAC-SHA256 context with the secret in it, or NULL. */
static EVP_MAC_CTX *mac_of(struct str secret)
{
    char digest[] = "SHA256";
    OSSL_PARAM const params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *const hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac); /* the context keeps it */
    if (mac && !EVP_MAC_init(mac, (const unsigned char *)secret.ptr, secret.len, params)) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

enum err jwt_keys_add_secret(struct jwt_keys *keys, struct str id, struct str secret,
                             struct fault *fault)
{
    if (secret.len < JWT_SECRET_BYTES_MIN)
        return fault_set(fault, ERR_FIELD_INVALID, "a secret for HS256 needs %d bytes or more",
                         JWT_SECRET_BYTES_MIN);
    if (str_find(secret, STR("-----BEGIN ")) < secret.len)
        return refuse(fault, "a key in PEM is not a secret"); /* everybody may know it */
    struct jwt_key key = {.algorithm = JWT_HS256, .signature_bytes = 32, .mac = mac_of(secret)};
    if (!key.mac)
        return no_memory(fault);
    return keep(keys, id, &key, fault);
}

/* Ed25519 by its bytes: a point of small order would accept signatures that nobody made. */
static enum err check_ed25519(EVP_PKEY *pkey, struct fault *fault)
{
    unsigned char point[crypto_core_ed25519_BYTES];
    size_t len = sizeof point;
    if (!EVP_PKEY_get_raw_public_key(pkey, point, &len) || len != sizeof point ||
        !crypto_core_ed25519_is_valid_point(point))
        return refuse(fault, "the Ed25519 key is not a point of its group");
    return ERR_OK;
}

static enum err check_ec(EVP_PKEY *pkey, struct fault *fault)
{
    char group[32] = "";
    if (!EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) ||
        strcmp(group, SN_X9_62_prime256v1) != 0)
        return refuse(fault, "an EC key is usable on the curve P-256 only");
    return ERR_OK;
}

static enum err check_rsa(EVP_PKEY *pkey, struct fault *fault)
{
    int const bits = EVP_PKEY_get_bits(pkey);
    if (bits < JWT_RSA_BITS_MIN || bits > JWT_RSA_BITS_MAX)
        return fault_set(fault, ERR_FIELD_INVALID, "an RSA key has %d bits, not %d to %d", bits,
                         JWT_RSA_BITS_MIN, JWT_RSA_BITS_MAX);
    return ERR_OK;
}

/* The one algorithm that this kind of key is used with, and is it a good key of its kind? */
static enum err check_public(EVP_PKEY *pkey, struct jwt_key *key, struct fault *fault)
{
    enum err err;
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        key->algorithm = JWT_RS256;
        key->signature_bytes = (size_t)EVP_PKEY_get_size(pkey);
        err = check_rsa(pkey, fault);
    } else if (EVP_PKEY_is_a(pkey, "EC")) {
        key->algorithm = JWT_ES256;
        key->signature_bytes = (size_t)2 * JWT_COORDINATE_BYTES;
        err = check_ec(pkey, fault);
    } else if (EVP_PKEY_is_a(pkey, "ED25519")) {
        key->algorithm = JWT_EDDSA;
        key->signature_bytes = 64;
        err = check_ed25519(pkey, fault);
    } else {
        err = refuse(fault, "the key is neither RSA, EC nor Ed25519");
    }
    if (err != ERR_OK)
        return err;
    EVP_PKEY_CTX *const context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (!context)
        return no_memory(fault);
    bool const good = EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return good ? ERR_OK : refuse(fault, "the public key's numbers are not a key");
}

/* The verifier holds the algorithm too: SHA-256, and PKCS #1 v1.5 for RSA. */
static enum err add_public(struct jwt_keys *keys, struct str id, EVP_PKEY *pkey,
                           struct fault *fault)
{
    struct jwt_key key = {0};
    enum err const err = check_public(pkey, &key, fault);
    if (err != ERR_OK)
        return err;
    const char *const digest = key.algorithm == JWT_EDDSA ? NULL : "SHA256";
    key.verifier = EVP_MD_CTX_new();
    if (!key.verifier ||
        EVP_DigestVerifyInit_ex(key.verifier, NULL, digest, NULL, NULL, pkey, NULL) != 1) {
        key_free(&key);
        return no_memory(fault);
    }
    return keep(keys, id, &key, fault);
}

/* An encrypted PEM is not asked for its password: nobody sits at the terminal. */
static int no_password(char *password, int size, int writing, void *owner)
{
    (void)password;
    (void)size;
    (void)writing;
    (void)owner;
    return -1;
}

static EVP_PKEY *key_of_certificate(BIO *input)
{
    X509 *const certificate = PEM_read_bio_X509(input, NULL, no_password, NULL);
    EVP_PKEY *const pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return pkey;
}

enum err jwt_keys_add_pem(struct jwt_keys *keys, struct str id, struct str pem, struct fault *fault)
{
    if (pem.len > JWT_KEY_TEXT_BYTES_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "a PEM of more than %d bytes",
                         JWT_KEY_TEXT_BYTES_MAX);
    bool const certificate = str_find(pem, STR("-----BEGIN CERTIFICATE-----")) < pem.len;
    if (!certificate && str_find(pem, STR("-----BEGIN PUBLIC KEY-----")) == pem.len)
        return refuse(fault, "there is no PUBLIC KEY or CERTIFICATE in the PEM");
    BIO *const input = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (!input)
        return no_memory(fault);
    EVP_PKEY *const pkey = certificate
                               ? key_of_certificate(input)
                               : PEM_read_bio_PUBKEY_ex(input, NULL, no_password, NULL, NULL, NULL);
    BIO_free(input);
    enum err const err = pkey ? add_public(keys, id, pkey, fault)
                              : refuse(fault, "the key in the PEM could not be read");
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return err;
}

/* The text of a member; absent: length 0. False: there twice, not a string, or too long. */
static bool text_of(const struct json_object *object, const char *name, char *out, size_t size,
                    size_t *len)
{
    struct json_member found;
    struct fault ignored = {0};
    *len = 0;
    if (json_find(object, str_of(name), &found, &ignored) != ERR_OK)
        return false;
    return !found.value.ptr || json_text(found.value, out, size, len);
}

static bool text_is(const struct json_object *object, const char *name, const char *wanted)
{
    char text[40];
    size_t len;
    return text_of(object, name, text, sizeof text, &len) &&
           str_eq(str_make(text, len), str_of(wanted));
}

/* The bytes of a member in base64url; at least one. */
static bool bytes_of(const struct json_object *object, const char *name, unsigned char *out,
                     size_t size, size_t *len)
{
    char text[TEXT_BYTES_MAX];
    size_t text_len;
    return text_of(object, name, text, sizeof text, &text_len) && text_len > 0 &&
           base64_decode(str_make(text, text_len), BASE64_URL, false, out, size, len);
}

/* The key of these parameters, which it frees; NULL: no key or no memory. */
static EVP_PKEY *key_of_params(const char *kind, OSSL_PARAM *params)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *const context = params ? EVP_PKEY_CTX_new_from_name(NULL, kind, NULL) : NULL;
    if (context && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_of_jwk(const struct json_object *jwk)
{
    unsigned char modulus[JWT_RSA_BITS_MAX / 8], exponent[8];
    size_t modulus_len = 0, exponent_len = 0;
    if (!bytes_of(jwk, "n", modulus, sizeof modulus, &modulus_len) ||
        !bytes_of(jwk, "e", exponent, sizeof exponent, &exponent_len))
        return NULL;
    BIGNUM *const n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    BIGNUM *const e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    OSSL_PARAM_BLD *const builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (n && e && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
        params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *const pkey = key_of_params("RSA", params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return pkey;
}

static EVP_PKEY *ec_of_jwk(const struct json_object *jwk)
{
    unsigned char point[1 + 2 * JWT_COORDINATE_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    unsigned char *const x = point + 1, *const y = x + JWT_COORDINATE_BYTES;
    size_t x_len = 0, y_len = 0;
    if (!text_is(jwk, "crv", "P-256") || !bytes_of(jwk, "x", x, JWT_COORDINATE_BYTES, &x_len) ||
        !bytes_of(jwk, "y", y, JWT_COORDINATE_BYTES, &y_len) || x_len != JWT_COORDINATE_BYTES ||
        y_len != JWT_COORDINATE_BYTES)
        return NULL;
    OSSL_PARAM_BLD *const builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                        0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *const pkey = key_of_params("EC", params);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static EVP_PKEY *okp_of_jwk(const struct json_object *jwk)
{
    unsigned char point[crypto_core_ed25519_BYTES];
    size_t len = 0;
    if (!text_is(jwk, "crv", "Ed25519") || !bytes_of(jwk, "x", point, sizeof point, &len) ||
        len != sizeof point)
        return NULL;
    return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, point, len);
}

/* RFC 7517 4.3: "key_ops", when it is there, must have "verify" in it. */
static bool may_verify(const struct json_object *jwk)
{
    struct json_member found;
    struct fault ignored = {0};
    struct str element;
    size_t at = 0;
    if (json_find(jwk, STR("key_ops"), &found, &ignored) != ERR_OK)
        return false;
    if (!found.value.ptr)
        return true;
    while (json_next(found.value, &at, &element))
        if (str_eq(element, STR("\"verify\"")))
            return true;
    return false;
}

static bool absent_or(const struct json_object *jwk, const char *name, const char *wanted)
{
    return text_is(jwk, name, "") || text_is(jwk, name, wanted);
}

/* One key of a set. ERR_FIELD_INVALID: not for us. */
static enum err add_jwk(struct jwt_keys *keys, const struct json_object *jwk, struct fault *fault)
{
    static const struct {
        const char *kind;
        enum jwt_algorithm algorithm;
        EVP_PKEY *(*read)(const struct json_object *jwk);
    } kinds[] = {{"RSA", JWT_RS256, rsa_of_jwk},
                 {"EC", JWT_ES256, ec_of_jwk},
                 {"OKP", JWT_EDDSA, okp_of_jwk}};
    size_t const count = sizeof kinds / sizeof kinds[0];
    char id[JWT_KEY_ID_BYTES_MAX];
    size_t kind = 0, id_len;
    while (kind < count && !text_is(jwk, "kty", kinds[kind].kind))
        kind++;
    if (kind == count)
        return refuse(fault, "its \"kty\" is none of RSA, EC and OKP");
    if (!absent_or(jwk, "use", "sig") || !may_verify(jwk))
        return refuse(fault, "it is not for verifying signatures");
    if (!absent_or(jwk, "alg", jwt_algorithm_name(kinds[kind].algorithm)))
        return refuse(fault, "its \"alg\" is none of RS256, ES256 and EdDSA, or of another kind");
    if (!text_of(jwk, "kid", id, sizeof id, &id_len))
        return refuse(fault, "its \"kid\" is not a text, or too long");
    EVP_PKEY *const pkey = kinds[kind].read(jwk);
    if (!pkey)
        return refuse(fault, "its numbers are missing or not those of a usable key");
    enum err const err = add_public(keys, str_make(id, id_len), pkey, fault);
    EVP_PKEY_free(pkey);
    return err;
}

/* All keys of the array that are for us; the reason of the first that is not stays in `passed`. */
static enum err add_all(struct jwt_keys *keys, struct str array, struct fault *passed,
                        struct fault *fault)
{
    struct json_object jwk;
    struct str element;
    size_t at = 0;
    for (size_t number = 1; json_next(array, &at, &element); number++) {
        struct fault why = {0};
        enum err err = json_members(element, &jwk, &why);
        if (err == ERR_OK)
            err = add_jwk(keys, &jwk, &why);
        if (err == ERR_NO_MEMORY || err == ERR_TOO_LARGE)
            return fault_set(fault, err, "key %zu: %s", number, why.detail);
        if (err != ERR_OK)
            fault_set(passed, ERR_FIELD_INVALID, "key %zu: %s", number, why.detail);
    }
    return ERR_OK;
}

enum err jwt_keys_add_jwks(struct jwt_keys *keys, struct str json, struct fault *fault)
{
    struct json_object set;
    struct json_member list;
    struct fault why = {0};
    size_t const count = keys->count;
    if (json.len > JWT_KEY_TEXT_BYTES_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "a JWK Set of more than %d bytes",
                         JWT_KEY_TEXT_BYTES_MAX);
    if (json_scan(json, &set, &why) != ERR_OK ||
        json_find(&set, STR("keys"), &list, &why) != ERR_OK)
        return fault_set(fault, ERR_FIELD_INVALID, "the JWK Set: %s", why.detail);
    if (json_type(list.value) != JSON_ARRAY)
        return refuse(fault, "the JWK Set has no list \"keys\"");
    enum err err = add_all(keys, list.value, &why, fault);
    ERR_clear_error();
    if (err == ERR_OK && keys->count == count)
        err = fault_set(fault, ERR_FIELD_INVALID, "the JWK Set has no key that can verify; %s",
                        why.detail);
    if (err != ERR_OK)
        keys_cut(keys, count);
    return err;
}
