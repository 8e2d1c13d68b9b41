/* test_jwk.c - which keys are taken, which are refused, and what is left when memory is short. */
#include "jwt_maker.c" /* one program, two files to read */
#include <openssl/x509.h>

enum { ALLOCATIONS_MAX = 3000 };

/* OpenSSL's allocations fail from the one on that this counts down to; < 0: none does. */
static __thread int allocations_left = -1;

static bool no_more(void)
{
    if (allocations_left > 0)
        allocations_left--;
    return allocations_left == 0;
}

static void *malloc_or_not(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return no_more() ? NULL : malloc(size);
}

static void *realloc_or_not(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return no_more() ? NULL : realloc(old, size);
}

static void free_always(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static void secrets(void **state)
{
    (void)state;
    char long_id[JWT_KEY_ID_BYTES_MAX + 1];
    memset(long_id, 'i', sizeof long_id);
    struct str const ours = STR(SECRET);
    struct {
        const char *name;
        struct str id, secret;
        enum err err;
    } const rows[] = {
        {"none", STR(""), STR(""), ERR_FIELD_INVALID},
        {"31 bytes", STR(""), str_make(SECRET, 31), ERR_FIELD_INVALID},
        {"32 bytes", STR(""), ours, ERR_OK},
        {"a public key", STR(""), pem_of(ed), ERR_FIELD_INVALID},
        {"a public key with something before", STR(""),
         STR(" x\n-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG"), ERR_FIELD_INVALID},
        {"any bytes", STR("id"), str_make(SECRET "\0\xff", 34), ERR_OK},
        {"the longest id", str_make(long_id, sizeof long_id - 1), ours, ERR_OK},
        {"a longer one", str_make(long_id, sizeof long_id), ours, ERR_FIELD_INVALID},
    };
    struct jwt_keys *const keys = jwt_keys_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t const before = jwt_keys_count(keys);
        fault = (struct fault){0};
        if (jwt_keys_add_secret(keys, rows[i].id, rows[i].secret, &fault) != rows[i].err)
            fail_msg("%s: %s", rows[i].name, fault.detail);
        assert_int_equal(jwt_keys_count(keys), before + (rows[i].err == ERR_OK));
    }
    while (jwt_keys_count(keys) < JWT_KEYS_MAX)
        assert_int_equal(jwt_keys_add_secret(keys, STR(""), ours, &fault), ERR_OK);
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_secret(keys, STR("x"), ours, &fault), ERR_TOO_LARGE);
    jwt_keys_free(keys);
    jwt_keys_free(NULL);
}

static enum err add_pem(struct jwt_keys *keys, struct str pem)
{
    fault = (struct fault){0};
    size_t const before = jwt_keys_count(keys);
    enum err const err = jwt_keys_add_pem(keys, STR("id"), pem, &fault);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(jwt_keys_count(keys), before + (err == ERR_OK));
    return err;
}

static void public_keys_by_pem(void **state)
{
    (void)state;
    EVP_PKEY *const small = EVP_RSA_gen(1024), *const p384 = EVP_EC_gen("P-384");
    EVP_PKEY *const k1 = EVP_EC_gen("secp256k1");
    EVP_PKEY *const x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY *const ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    struct {
        const char *name;
        EVP_PKEY *key;
        const char *reason; /* NULL: taken */
    } const rows[] = {
        {"RSA", rsa, NULL},
        {"P-256", ec, NULL},
        {"Ed25519", ed, NULL},
        {"RSA of 1024 bits", small, "1024 bits"},
        {"P-384", p384, "P-256 only"},
        {"secp256k1", k1, "P-256 only"},
        {"X25519", x25519, "neither RSA"},
        {"Ed448", ed448, "neither RSA"},
    };
    struct jwt_keys *const keys = jwt_keys_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (add_pem(keys, pem_of(rows[i].key)) != (rows[i].reason ? ERR_FIELD_INVALID : ERR_OK))
            fail_msg("%s: %s", rows[i].name, fault.detail);
        if (rows[i].reason)
            expect_detail(rows[i].name, rows[i].reason);
    }
    EVP_PKEY *const made[] = {small, p384, k1, x25519, ed448};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        EVP_PKEY_free(made[i]);
    jwt_keys_free(keys);
}

static void texts_that_are_no_public_key(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
        "00000000000000000000000000000000\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "{\"keys\":[]}",
        /* small order: the neutral element, and a y that is no point */
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "-----END PUBLIC KEY-----\n",
    };
    struct jwt_keys *const keys = jwt_keys_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (add_pem(keys, str_of(rows[i])) != ERR_FIELD_INVALID)
            fail_msg("%s", rows[i]);
    char *const large = calloc(1, JWT_KEY_TEXT_BYTES_MAX + 1);
    assert_int_equal(add_pem(keys, str_make(large, JWT_KEY_TEXT_BYTES_MAX + 1)), ERR_TOO_LARGE);
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_jwks(keys, str_make(large, JWT_KEY_TEXT_BYTES_MAX + 1), &fault),
                     ERR_TOO_LARGE);
    free(large);
    jwt_keys_free(keys);
}

static void a_certificate_is_its_key(void **state)
{
    (void)state;
    char text[4000];
    X509 *const certificate = X509_new();
    BIO *const out = BIO_new(BIO_s_mem());
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    assert_int_equal(X509_set_pubkey(certificate, ec), 1);
    assert_true(X509_sign(certificate, rsa, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    int const len = BIO_read(out, text, sizeof text);
    BIO_free(out);
    X509_free(certificate);
    struct jwt_keys *const keys = jwt_keys_new();
    assert_int_equal(add_pem(keys, str_make(text, (size_t)len)), ERR_OK);
    assert_int_equal(verify(keys, make_token(head_of(ec), "{}", ec)), ERR_OK);
    assert_int_equal(verify(keys, make_token(head_of(rsa), "{}", rsa)), ERR_TOKEN_INVALID);
    jwt_keys_free(keys);
}

static void keys_by_jwk(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {rsa, ec, ed};
    const char *const algorithms[] = {"RS256", "ES256", "EdDSA"};
    for (size_t i = 0; i < 3; i++) {
        struct jwt_keys *const keys = jwt_keys_new();
        char more[200];
        snprintf(more, sizeof more,
                 ",\"alg\":\"%s\",\"use\":\"sig\",\"key_ops\":[\"x\",\"verify\"],\"kid\":\"k\","
                 "\"x5c\":[]",
                 algorithms[i]);
        assert_int_equal(add_jwks(keys, "{\"keys\":[%s],\"more\":1}", jwk_of(signers[i], more)),
                         ERR_OK);
        assert_int_equal(jwt_keys_count(keys), 1);
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(verify(keys, make_token(head_of(signers[j]), "{}", signers[j])),
                             i == j ? ERR_OK : ERR_TOKEN_INVALID);
        jwt_keys_free(keys);
    }
}

#define P256_X "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define P256_Y "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED_X   "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ED     "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," ED_X

/* One key that is passed over, in every kind of wrongness; beside a good one nobody minds. */
static void jwks_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *jwk, *reason;
    } rows[] = {
        {"null", "\"kty\""},
        {"{}", "\"kty\""},
        {"{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "\"kty\""},
        {"{" ED ",\"kty\":\"OKP\"}", "\"kty\""},
        {"{" ED ",\"use\":\"enc\"}", "not for verifying"},
        {"{" ED ",\"use\":1}", "not for verifying"},
        {"{" ED ",\"key_ops\":[\"sign\"]}", "not for verifying"},
        {"{" ED ",\"key_ops\":\"verify\"}", "not for verifying"},
        {"{" ED ",\"key_ops\":[],\"key_ops\":[\"verify\"]}", "not for verifying"},
        {"{" ED ",\"alg\":\"HS256\"}", "\"alg\""},
        {"{" ED ",\"alg\":\"RS256\"}", "\"alg\""},
        {"{" ED ",\"alg\":null}", "\"alg\""},
        {"{" ED ",\"kid\":7}", "\"kid\""},
        {"{" ED ",\"kid\":\"a\",\"kid\":\"b\"}", "\"kid\""},
        {"{" ED "," ED_X "}", "its numbers"},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED_X "}", "its numbers"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "its numbers"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}", "its numbers"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
         "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
         "not a point"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\"," P256_X "," P256_Y "}", "its numbers"},
        {"{\"kty\":\"EC\"," P256_X "," P256_Y "}", "its numbers"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X "}", "its numbers"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X
         ",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5Q\"}",
         "its numbers"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X
         ",\"y\":\"+_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIW"
         "I5a0\"}",
         "its numbers"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X
         ",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}",
         "its numbers"},
        {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "its numbers"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "its numbers"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", ""},
        {"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}", "its numbers"},
        {"{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AA\"}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jwt_keys *const keys = jwt_keys_new();
        if (add_jwks(keys, "{\"keys\":[%s]}", rows[i].jwk) != ERR_FIELD_INVALID)
            fail_msg("%s is taken", rows[i].jwk);
        expect_detail(rows[i].jwk, "no key that can verify; key 1: ");
        expect_detail(rows[i].jwk, rows[i].reason);
        assert_int_equal(add_jwks(keys, "{\"keys\":[%s,{" ED "}]}", rows[i].jwk), ERR_OK);
        assert_int_equal(jwt_keys_count(keys), 1);
        jwt_keys_free(keys);
    }
}

/* Numbers that look like an RSA key: even, small factors, a bad exponent. */
static void rsa_numbers_that_are_no_key(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        char first, last; /* bytes of the modulus, of 256 */
        size_t modulus_bytes;
        const char *exponent;
    } rows[] = {
        {"even", (char)0x80, 2, 256, "AQAB"},        {"exponent 1", (char)0x80, 1, 256, "AQ"},
        {"even exponent", (char)0x80, 1, 256, "Ag"}, {"2^2047 + 1", (char)0x80, 1, 256, "AQAB"},
        {"2040 bits", (char)0x80, 1, 255, "AQAB"},   {"8200 bits", (char)0x80, 1, 1025, "AQAB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jwt_keys *const keys = jwt_keys_new();
        char modulus[1025] = {0};
        modulus[0] = rows[i].first;
        modulus[rows[i].modulus_bytes - 1] = rows[i].last;
        token[0] = '\0';
        add_base64(str_make(modulus, rows[i].modulus_bytes));
        if (add_jwks(keys, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", token,
                     rows[i].exponent) != ERR_FIELD_INVALID)
            fail_msg("%s", rows[i].name);
        jwt_keys_free(keys);
    }
}

static void sets_that_are_none(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "[]",
                                       "null",
                                       "{}",
                                       "{\"keys\":{}}",
                                       "{\"keys\":[]}",
                                       "{\"keys\":[],\"keys\":[]}",
                                       "{\"keys\":[{" ED "}]",
                                       "{\"keys\":[{" ED "},]}",
                                       "{" ED "}",
                                       "{\"Keys\":[{" ED "}]}"};
    struct jwt_keys *const keys = jwt_keys_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (add_jwks(keys, "%s", rows[i]) != ERR_FIELD_INVALID)
            fail_msg("%s", rows[i]);
    jwt_keys_free(keys);
}

/* One more than fits: none of them stays. */
static void too_many_keys(void **state)
{
    (void)state;
    static char set[TEXT_BYTES_MAX];
    struct jwt_keys *const keys = jwt_keys_new();
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_secret(keys, STR("s"), STR(SECRET), &fault), ERR_OK);
    int len = snprintf(set, sizeof set, "{\"keys\":[{" ED ",\"kid\":\"0\"}");
    for (int i = 1; i < JWT_KEYS_MAX; i++)
        len += snprintf(set + len, sizeof set - (size_t)len, ",{" ED ",\"kid\":\"%d\"}", i);
    assert_int_equal(add_jwks(keys, "%s]}", set), ERR_TOO_LARGE);
    assert_int_equal(jwt_keys_count(keys), 1);
    jwt_keys_free(keys);
}

static struct str short_token; /* what the ring is asked about while memory is short */

static enum err add_everything(void)
{
    static const char *const set = "{\"keys\":[{\"kid\":\"e\"," ED
                                   "},{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X "," P256_Y "}]}";
    struct jwt_keys *const keys = jwt_keys_new();
    enum err err = jwt_keys_add_secret(keys, STR("s"), STR(SECRET), &fault);
    if (err == ERR_OK)
        err = jwt_keys_add_jwks(keys, str_of(set), &fault);
    if (err == ERR_OK && jwt_keys_count(keys) < 3)
        err = ERR_FIELD_INVALID; /* one was passed over */
    jwt_keys_free(keys);
    return err;
}

static enum err verify_one(void)
{
    struct jwt_rules const any = {0};
    arena_reset(arena);
    return jwt_verify(ring, &any, short_token, NOW_S, arena, &claims, &fault);
}

/* OpenSSL does not always say that it was memory: any failure will do, success only with enough. */
static void openssl_without_memory(enum err (*work)(void))
{
    enum err err = ERR_NO_MEMORY;
    int count = 0;
    while (err != ERR_OK && ++count < ALLOCATIONS_MAX) {
        fault = (struct fault){0};
        allocations_left = count;
        err = work();
        allocations_left = -1;
        assert_int_equal(ERR_peek_error(), 0);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY || err == ERR_FIELD_INVALID ||
                    err == ERR_TOKEN_INVALID);
    }
    assert_true(count > 1 && count < ALLOCATIONS_MAX);
}

static void memory_is_short(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {NULL, rsa, ec, ed};
    openssl_without_memory(add_everything);
    for (size_t i = 0; i < 4; i++) {
        short_token = make_token(head_of(signers[i]), "{}", signers[i]);
        openssl_without_memory(verify_one);
    }
}

static void a_key_that_is_not_here(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        bool missing;
    } rows[] = {
        {"an id that is here", "{\"alg\":\"RS256\",\"kid\":\"two\"}", false},
        {"… in disguise", "{\"alg\":\"RS256\",\"kid\":\"t\\u0077o\"}", false},
        {"an id that is not", "{\"alg\":\"RS256\",\"kid\":\"three\"}", true},
        {"… though a key without an id is tried", "{\"alg\":\"ES256\",\"kid\":\"three\"}", true},
        {"the id of another algorithm", "{\"alg\":\"EdDSA\",\"kid\":\"two\"}", true},
        {"no id, an algorithm that is here", "{\"alg\":\"RS256\"}", false},
        {"no id, one that is not", "{\"alg\":\"EdDSA\"}", true},
        {"an empty id is none", "{\"alg\":\"EdDSA\",\"kid\":\"\"}", true},
        {"no set brings shared secrets", "{\"alg\":\"HS256\",\"kid\":\"three\"}", false},
        {"an unknown algorithm", "{\"alg\":\"RS512\",\"kid\":\"three\"}", false},
        {"none", "{\"alg\":\"none\",\"kid\":\"three\"}", false},
        {"extensions", "{\"alg\":\"RS256\",\"kid\":\"three\",\"crit\":[\"x\"]}", false},
        {"an id that is no text", "{\"alg\":\"RS256\",\"kid\":3}", false},
        {"two ids", "{\"alg\":\"RS256\",\"kid\":\"two\",\"kid\":\"three\"}", false},
        {"no object", "[]", false},
        {"nothing", "", false},
    };
    static char long_token[JWT_BYTES_MAX + 8];
    struct jwt_keys *const keys = jwt_keys_new();
    assert_int_equal(add_jwks(keys, "{\"keys\":[%s]}", jwk_of(rsa, ",\"kid\":\"two\"")), ERR_OK);
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_pem(keys, STR(""), pem_of(ec), &fault), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (jwt_key_missing(keys, make_token(rows[i].head, "{}", rsa), arena) != rows[i].missing)
            fail_msg("%s", rows[i].name);
    assert_false(jwt_key_missing(keys, STR("a.b"), arena));
    assert_false(jwt_key_missing(keys, STR("!.b.c"), arena));
    memset(long_token, 'a', sizeof long_token);
    assert_false(jwt_key_missing(keys, str_make(long_token, sizeof long_token), arena));
    jwt_keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets),
        cmocka_unit_test(public_keys_by_pem),
        cmocka_unit_test(texts_that_are_no_public_key),
        cmocka_unit_test(a_certificate_is_its_key),
        cmocka_unit_test(keys_by_jwk),
        cmocka_unit_test(jwks_passed_over),
        cmocka_unit_test(rsa_numbers_that_are_no_key),
        cmocka_unit_test(sets_that_are_none),
        cmocka_unit_test(a_key_that_is_not_here),
        cmocka_unit_test(too_many_keys),
        cmocka_unit_test(memory_is_short),
    };
    if (!CRYPTO_set_mem_functions(malloc_or_not, realloc_or_not, free_always))
        return 1;
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
