/* jwt.c - fuzz: tokens, their heads and claims, and keys, against a ring of all algorithms.
 *
 * What:  the first byte chooses: a token as it stands; a head and claims (a NUL between them) which
 *        are signed here, so that they are read; a JWK Set; a PEM.
 */
#include "codec/jwt.h"
#include "base/limits.h"
#include "base/must.h"
#include "codec/base64.h"
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum { NOW_S = 1760000000, SKEW_S = 60, AGE_MAX_S = 3600, ARENA_BYTES = 4 << 20 };

#define SECRET "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jwt_keys *ring;
static struct arena *arena;

/* The public keys of RFC 7515 A.3 and RFC 8037 A.4, whose tokens are among the seeds. */
static void set_up(void)
{
    struct fault fault = {0};
    struct str const set = STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                               "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                               "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
                               "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
                               "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");
    if (ring)
        return;
    ring = jwt_keys_new();
    arena = arena_new(ARENA_BYTES);
    MUST(ring && arena);
    MUST(jwt_keys_add_secret(ring, STR("a"), STR(SECRET), &fault) == ERR_OK);
    MUST(jwt_keys_add_jwks(ring, set, &fault) == ERR_OK);
    MUST(jwt_keys_count(ring) == 3);
}

/* What holds of every answer. */
static enum err verify(const struct jwt_keys *keys, const struct jwt_rules *rules, struct str token,
                       struct jwt_claims *claims)
{
    struct fault fault = {0};
    arena_reset(arena);
    enum err const err = jwt_verify(keys, rules, token, NOW_S, arena, claims, &fault);
    MUST(err == fault.code);
    MUST(err == ERR_OK || err == ERR_TOKEN_INVALID || err == ERR_KEY_EXPIRED);
    MUST((err == ERR_OK) == (claims->object != NULL));
    MUST(ERR_peek_error() == 0);
    return err;
}

/* Rules are kept: stricter ones never accept what the loose ones refused. */
static void check_rules(struct str token)
{
    struct jwt_rules const loose = {0};
    struct jwt_rules const strict = {.issuer = STR("joe"),
                                     .audience = STR("us"),
                                     .age_max_s = AGE_MAX_S,
                                     .needs_expiry = true,
                                     .needs_subject = true};
    struct jwt_rules const patient = {.skew_s = SKEW_S};
    struct jwt_claims claims;
    if (verify(ring, &strict, token, &claims) == ERR_OK) {
        MUST(claims.expires_s >= NOW_S && claims.expires_s <= NOW_S + AGE_MAX_S);
        MUST(claims.subject.len > 0 && !memchr(claims.subject.ptr, '\0', claims.subject.len));
        MUST(verify(ring, &loose, token, &claims) == ERR_OK);
    }
    if (verify(ring, &loose, token, &claims) == ERR_OK) {
        MUST(claims.expires_s == 0 || claims.expires_s > NOW_S);
        MUST(verify(ring, &patient, token, &claims) == ERR_OK);
        /* base64url is strict, so that a token that is a byte shorter is another one */
        MUST(verify(ring, &loose, str_make(token.ptr, token.len - 1), &claims) ==
             ERR_TOKEN_INVALID);
    }
}

/* Every claim is found by its name, when that is written without escapes. */
static void check_claims(const struct jwt_claims *claims)
{
    for (size_t i = 0; i < claims->object->count; i++) {
        struct json_member const *member = &claims->object->members[i];
        if (member->key_escaped || member->key.len == 0 ||
            member->key.ptr[member->key.len - 1] == '.')
            continue;
        struct str const found = jwt_claim(claims, member->key, arena);
        MUST(found.ptr == member->value.ptr && found.len == member->value.len);
    }
    (void)jwt_claim(claims, STR("a.b.c"), arena);
}

static size_t add_base64(struct str bytes, char *out)
{
    base64_encode(bytes, BASE64_URL, out);
    size_t len = base64_encoded_len(bytes.len);
    while (len > 0 && out[len - 1] == '=')
        len--;
    return len;
}

static void check_signed(struct str head, struct str body)
{
    struct jwt_rules const loose = {0};
    struct jwt_claims claims;
    unsigned char mac[32];
    char *const text =
        malloc(base64_encoded_len(head.len) + base64_encoded_len(body.len) + sizeof mac * 2);
    MUST(text);
    size_t len = add_base64(head, text);
    text[len++] = '.';
    len += add_base64(body, text + len);
    MUST(HMAC(EVP_sha256(), SECRET, 32, (unsigned char *)text, len, mac, NULL));
    text[len++] = '.';
    len += add_base64(str_make((char *)mac, sizeof mac), text + len);
    check_rules(str_make(text, len));
    if (verify(ring, &loose, str_make(text, len), &claims) == ERR_OK)
        check_claims(&claims);
    free(text);
}

/* Keys or none, never some of a set that failed; a key that was just made up vouches for nothing.
 */
static void check_keys(struct str text, bool pem)
{
    struct fault fault = {0};
    struct jwt_rules const loose = {0};
    struct jwt_claims claims;
    struct jwt_keys *const keys = jwt_keys_new();
    MUST(keys);
    enum err const err =
        pem ? jwt_keys_add_pem(keys, STR(""), text, &fault) : jwt_keys_add_jwks(keys, text, &fault);
    MUST(err == ERR_OK || err == ERR_FIELD_INVALID || err == ERR_TOO_LARGE);
    MUST((err == ERR_OK) == (jwt_keys_count(keys) > 0));
    MUST(ERR_peek_error() == 0);
    MUST(verify(keys, &loose, STR("eyJhbGciOiJFUzI1NiJ9.e30.AAAA"), &claims) != ERR_OK);
    MUST(verify(keys, &loose, STR("eyJhbGciOiJIUzI1NiJ9.e30.AAAA"), &claims) != ERR_OK);
    jwt_keys_free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    set_up();
    if (size == 0)
        return 0;
    struct str const text = str_make((const char *)data + 1, size - 1);
    size_t const head_len = str_find(text, str_make("\0", 1));
    switch (data[0]) {
    case 't':
        check_rules(text);
        break;
    case 'c':
        check_signed(STR("{\"alg\":\"HS256\"}"), text);
        break;
    case 'h':
        check_signed(str_make(text.ptr, head_len), str_skip(text, head_len + 1));
        break;
    case 'k':
        check_keys(text, false);
        break;
    case 'p':
        check_keys(text, true);
        break;
    default:
        break;
    }
    return 0;
}
