/* jwt_maker.c - keys of every kind and tokens signed by them, made with OpenSSL; test_jw*.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "codec/base64.h"
#include "codec/jwt.h"
#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOW_S = 1760000000, TEXT_BYTES_MAX = 40000, ARENA_BYTES = 1 << 20 };

#define SECRET "0123456789abcdef0123456789abcdef"

/* Who signs. NULL: the secret, with HMAC-SHA256. */
static EVP_PKEY *rsa, *ec, *ed, *rsa_other;
static struct jwt_keys *ring; /* one key of each algorithm, without ids */
static struct arena *arena;
static struct fault fault;
static struct jwt_claims claims;
static char token[TEXT_BYTES_MAX];

static inline void add_dot(void)
{
    size_t const len = strlen(token);
    assert_true(len + 1 < sizeof token);
    memcpy(token + len, ".", 2);
}

/* Appends base64url without padding to `token`. */
static inline void add_base64(struct str bytes)
{
    size_t const at = strlen(token);
    assert_true(at + base64_encoded_len(bytes.len) < sizeof token);
    base64_encode(bytes, BASE64_URL, token + at);
    size_t len = at + base64_encoded_len(bytes.len);
    while (len > at && token[len - 1] == '=')
        len--;
    token[len] = '\0';
}

/* r and s, 32 bytes each, of OpenSSL's DER. */
static inline size_t raw_of(unsigned char *der, size_t len)
{
    const unsigned char *at = der;
    ECDSA_SIG *const pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), der, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), der + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static inline size_t sign(EVP_PKEY *key, unsigned char signature[1024])
{
    size_t len = 1024;
    const unsigned char *const text = (const unsigned char *)token;
    if (!key) {
        assert_non_null(HMAC(EVP_sha256(), SECRET, 32, text, strlen(token), signature, NULL));
        return 32;
    }
    EVP_MD_CTX *const context = EVP_MD_CTX_new();
    const char *const digest = key == ed ? NULL : "SHA256";
    assert_int_equal(EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &len, text, strlen(token)), 1);
    EVP_MD_CTX_free(context);
    return key == ec ? raw_of(signature, len) : len;
}

static inline struct str make_token(const char *head, const char *body, EVP_PKEY *key)
{
    unsigned char signature[1024];
    token[0] = '\0';
    add_base64(str_of(head));
    add_dot();
    add_base64(str_of(body));
    size_t const len = sign(key, signature);
    add_dot();
    add_base64(str_make((const char *)signature, len));
    return str_of(token);
}

/* "{…}" with the algorithm that the key has. */
static inline const char *head_of(EVP_PKEY *key)
{
    if (!key)
        return "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    return key == ec   ? "{\"alg\":\"ES256\"}"
           : key == ed ? "{\"alg\":\"EdDSA\"}"
                       : "{\"alg\":\"RS256\"}";
}

static inline enum err verify_at(const struct jwt_keys *keys, const struct jwt_rules *rules,
                                 struct str text, int64_t now_s)
{
    fault = (struct fault){0};
    arena_reset(arena);
    enum err const err = jwt_verify(keys, rules, text, now_s, arena, &claims, &fault);
    assert_int_equal(err, fault.code);
    assert_int_equal(ERR_peek_error(), 0); /* TLS on this thread must not stumble over it */
    if (err != ERR_OK)
        assert_true(!claims.object && claims.subject.len == 0 && claims.expires_s == 0);
    return err;
}

static inline enum err verify(const struct jwt_keys *keys, struct str text)
{
    struct jwt_rules const any = {0};
    return verify_at(keys, &any, text, NOW_S);
}

/* The public key as PEM; the next call overwrites it. */
static inline struct str pem_of(EVP_PKEY *key)
{
    static char text[4000];
    BIO *const out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(out, key), 1);
    int const len = BIO_read(out, text, sizeof text - 1);
    BIO_free(out);
    assert_true(len > 0);
    text[len] = '\0';
    return str_make(text, (size_t)len);
}

static inline struct jwt_keys *ring_of(void)
{
    struct jwt_keys *const keys = jwt_keys_new();
    EVP_PKEY *const public_keys[] = {rsa, ec, ed};
    assert_non_null(keys);
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_secret(keys, STR(""), STR(SECRET), &fault), ERR_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(jwt_keys_add_pem(keys, STR(""), pem_of(public_keys[i]), &fault), ERR_OK);
    assert_int_equal(jwt_keys_count(keys), 4);
    return keys;
}

/* "name":"base64url of the number or octets" for a JWK. */
static inline void jwk_number(EVP_PKEY *key, const char *param, const char *name, char *out,
                              size_t size)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
    int const bytes_min = key == rsa || key == rsa_other ? 0 : 32;
    int const len = bytes_min ? BN_bn2binpad(number, bytes, bytes_min) : BN_bn2bin(number, bytes);
    BN_free(number);
    token[0] = '\0';
    add_base64(str_make((const char *)bytes, (size_t)len));
    size_t const at = strlen(out);
    snprintf(out + at, size - at, ",\"%s\":\"%s\"", name, token);
}

/* A JWK of the key; `more` is added as it stands, for example ",\"use\":\"sig\"". */
static inline const char *jwk_of(EVP_PKEY *key, const char *more)
{
    static char text[TEXT_BYTES_MAX + 100];
    unsigned char point[32];
    size_t len = sizeof point;
    if (key == ed) {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, point, &len), 1);
        token[0] = '\0';
        add_base64(str_make((const char *)point, len));
        snprintf(text, sizeof text, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", token);
    } else if (key == ec) {
        snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
        jwk_number(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", text, sizeof text);
        jwk_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", text, sizeof text);
    } else {
        snprintf(text, sizeof text, "{\"kty\":\"RSA\"");
        jwk_number(key, OSSL_PKEY_PARAM_RSA_N, "n", text, sizeof text);
        jwk_number(key, OSSL_PKEY_PARAM_RSA_E, "e", text, sizeof text);
    }
    len = strlen(text);
    snprintf(text + len, sizeof text - len, "%s}", more);
    return text;
}

static inline enum err add_jwks(struct jwt_keys *keys, const char *format, ...)
{
    static char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault = (struct fault){0};
    size_t const before = jwt_keys_count(keys);
    enum err const err = jwt_keys_add_jwks(keys, str_of(text), &fault);
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(err == ERR_OK ? jwt_keys_count(keys) > before : jwt_keys_count(keys) == before);
    return err;
}

static inline void expect_detail(const char *name, const char *part)
{
    if (!strstr(fault.detail, part))
        fail_msg("%s: \"%s\" has no \"%s\"", name, fault.detail, part);
}

static inline int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    rsa_other = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_true(rsa && rsa_other && ec && ed);
    arena = arena_new(ARENA_BYTES);
    assert_non_null(arena);
    ring = ring_of();
    return 0;
}

static inline int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa_other);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    arena_free(arena);
    jwt_keys_free(ring);
    return 0;
}
