/* test_jwt.c - tokens made here with OpenSSL, the examples of RFC 7515 and RFC 8037, and liars. */
#include "jwt_maker.c" /* one program, two files to read */
#include <pthread.h>

/* --- the examples of the standards -------------------------------------------------------- */

#define JOE                                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

static void the_examples_of_the_standards(void **state)
{
    (void)state;
    struct jwt_rules const rules = {.issuer = STR("joe"), .needs_expiry = true};
    struct jwt_keys *const keys = jwt_keys_new();
    char secret[64];
    size_t len = 0;
    assert_true(base64_decode(STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i"
                                  "PS4hcgUuTwjAzZr1Z9CAow"),
                              BASE64_URL, false, secret, sizeof secret, &len));
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_secret(keys, STR(""), str_make(secret, len), &fault), ERR_OK);
    assert_int_equal(add_jwks(keys, "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                                    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
                                    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"),
                     ERR_OK);
    assert_int_equal(jwt_keys_count(keys), 3);
    struct str const a1 = STR("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                              ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    struct str const a3 =
        STR("eyJhbGciOiJFUzI1NiJ9." JOE ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gawxae"
            "pmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    /* its text is no JSON: the signature is good when only the claims are not */
    struct str const ed_a4 = STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
                                 "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
                                 "hVsPt9g7sVvpAr_MuM0KAg");
    assert_int_equal(verify_at(keys, &rules, a1, 1300819379), ERR_OK);
    assert_int_equal(claims.expires_s, 1300819380);
    assert_true(str_eq(jwt_claim(&claims, STR("http://example.com/is_root"), arena), STR("true")));
    assert_int_equal(verify_at(keys, &rules, a3, 1300819379), ERR_OK);
    assert_int_equal(verify_at(keys, &rules, a3, 1300819380), ERR_KEY_EXPIRED);
    assert_int_equal(verify(keys, ed_a4), ERR_TOKEN_INVALID);
    expect_detail("RFC 8037 A.4", "the claims: byte 0");
    jwt_keys_free(keys);
}

/* --- form, head, signature ---------------------------------------------------------------- */

static void tokens_that_are_none(void **state)
{
    (void)state;
    static char many[JWT_BYTES_MAX + 2];
    memset(many, 'a', sizeof many - 1);
    many[20] = many[40] = '.';
    struct str const good = make_token(head_of(NULL), "{}", NULL);
    size_t const first = str_find(good, STR("."));
    size_t const second = first + 1 + str_find(str_skip(good, first + 1), STR("."));
    static const char *const inserted[] = {".", "=",    " ",    "\n", "+",
                                           "/", "\x80", "\r\n", "A",  "AA"};
    assert_int_equal(verify(ring, good), ERR_OK);
    for (size_t i = 0; i < sizeof inserted / sizeof inserted[0]; i++) {
        size_t const places[] = {0, 1, first, first + 1, second, second + 1, good.len};
        for (size_t j = 0; j < sizeof places / sizeof places[0]; j++) {
            char text[TEXT_BYTES_MAX];
            int const len = snprintf(text, sizeof text, "%.*s%s%s", (int)places[j], good.ptr,
                                     inserted[i], good.ptr + places[j]);
            if (verify(ring, str_make(text, (size_t)len)) != ERR_TOKEN_INVALID)
                fail_msg("\"%s\" at %zu", inserted[i], places[j]);
        }
    }
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(verify(ring, str_make(good.ptr, len)), ERR_TOKEN_INVALID);
    static const char *const others[] = {"",     ".",       "..",          "...",
                                         "a",    "a.b",     ".b.c",        "a..c",
                                         "a.b.", "a.b.c.d", "e30.e30.e30", "bnVsbA.e30.AA"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(verify(ring, str_of(others[i])), ERR_TOKEN_INVALID);
    assert_int_equal(verify(ring, str_of(many)), ERR_TOKEN_INVALID);
    expect_detail("long", "too long");
    assert_int_equal(verify(ring, str_make(many, JWT_BYTES_MAX)), ERR_TOKEN_INVALID);
    expect_detail("as long as may be", "the head");
}

static void heads(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        const char *reason; /* NULL: accepted */
    } rows[] = {
        {"the least", "{\"alg\":\"HS256\"}", NULL},
        {"an escaped name and value", "{\"\\u0061lg\":\"\\u0048S256\"}", NULL},
        {"members that do not matter", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"x5t\":\"a\"}",
         NULL},
        {"an address to fetch from is not read",
         "{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1/\",\"x5u\":\"http://127.0.0.1/\"}", NULL},
        {"a key of its own is not used", "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\"}}", NULL},
        {"a key id, while ours have none", "{\"alg\":\"HS256\",\"kid\":\"x\\n\"}", NULL},
        {"an empty key id", "{\"alg\":\"HS256\",\"kid\":\"\"}", NULL},
        {"b64 as always", "{\"alg\":\"HS256\",\"b64\":true}", NULL},
        {"none", "{\"alg\":\"none\"}", "alg is none of"},
        {"None", "{\"alg\":\"None\"}", "alg is none of"},
        {"NONE", "{\"alg\":\"NONE\"}", "alg is none of"},
        {"nOnE", "{\"alg\":\"nOnE\"}", "alg is none of"},
        {"small letters", "{\"alg\":\"hs256\"}", "alg is none of"},
        {"a space", "{\"alg\":\"HS256 \"}", "alg is none of"},
        {"a NUL", "{\"alg\":\"HS256\\u0000\"}", "alg is none of"},
        {"another size", "{\"alg\":\"HS512\"}", "alg is none of"},
        {"empty", "{\"alg\":\"\"}", "alg is none of"},
        {"no algorithm", "{\"typ\":\"JWT\"}", "alg is not a text"},
        {"a list", "{\"alg\":[\"HS256\"]}", "alg is not a text"},
        {"a number", "{\"alg\":256}", "alg is not a text"},
        {"null", "{\"alg\":null}", "alg is not a text"},
        {"two algorithms", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "alg is there twice"},
        {"two, one in disguise", "{\"alg\":\"HS256\",\"al\\u0067\":\"none\"}",
         "alg is there twice"},
        {"two key ids", "{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}", "kid is there twice"},
        {"a key id that is no text", "{\"alg\":\"HS256\",\"kid\":1}", "kid is not a text"},
        {"an extension", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "asks for extensions"},
        {"an empty list of extensions", "{\"alg\":\"HS256\",\"crit\":[]}", "asks for extensions"},
        {"null for extensions", "{\"alg\":\"HS256\",\"crit\":null}", "asks for extensions"},
        {"two lists", "{\"alg\":\"HS256\",\"crit\":[],\"crit\":[]}", "crit is there twice"},
        {"a text that is not encoded", "{\"alg\":\"HS256\",\"b64\":false}", "asks for extensions"},
        {"b64 twice", "{\"alg\":\"HS256\",\"b64\":true,\"b64\":false}", "b64 is there twice"},
        {"a list for a head", "[\"alg\",\"HS256\"]", "the head is not an object"},
        {"a text for a head", "\"HS256\"", "the head is not an object"},
        {"no JSON", "alg", "the head: byte 0"},
        {"more behind it", "{\"alg\":\"HS256\"}{}", "the head: byte 15"},
        {"a comma too many", "{\"alg\":\"HS256\",}", "the head: byte"},
        {"not UTF-8", "{\"alg\":\"HS256\",\"kid\":\"\xff\"}", "the head: byte"},
        {"a BOM", "\xef\xbb\xbf{\"alg\":\"HS256\"}", "the head: byte 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum err const err = verify(ring, make_token(rows[i].head, "{}", NULL));
        if (err != (rows[i].reason ? ERR_TOKEN_INVALID : ERR_OK))
            fail_msg("%s: %s", rows[i].name, fault.detail);
        if (rows[i].reason)
            expect_detail(rows[i].name, rows[i].reason);
    }
}

static void each_algorithm_and_no_other(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {NULL, rsa, ec, ed};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            enum err const err = verify(ring, make_token(head_of(signers[j]), "{}", signers[i]));
            if (err != (i == j ? ERR_OK : ERR_TOKEN_INVALID))
                fail_msg("signed by %zu, said to be by %zu: %s", i, j, fault.detail);
        }
    assert_string_equal(jwt_algorithm_name(JWT_EDDSA), "EdDSA");
    assert_string_equal(jwt_algorithm_name(JWT_ALGORITHM_COUNT), "");
}

/* The oldest trick: the public key, which everybody has, as the secret of an HMAC. */
static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    struct jwt_keys *const keys = jwt_keys_new();
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_pem(keys, STR(""), pem_of(rsa), &fault), ERR_OK);
    char mac[32];
    struct str const pem = pem_of(rsa);
    make_token(head_of(NULL), "{}", NULL);
    size_t const len = (size_t)(strrchr(token, '.') - token);
    token[len] = '\0';
    HMAC(EVP_sha256(), pem.ptr, (int)pem.len, (unsigned char *)token, len, (unsigned char *)mac,
         NULL);
    add_dot();
    add_base64(str_make(mac, sizeof mac));
    assert_int_equal(verify(keys, str_of(token)), ERR_TOKEN_INVALID);
    expect_detail("confusion", "that we have no key of");
    assert_int_equal(jwt_keys_add_secret(keys, STR(""), pem, &fault), ERR_FIELD_INVALID);
    assert_int_equal(jwt_keys_count(keys), 1);
    jwt_keys_free(keys);
}

/* Every byte of every signature counts, and so does its length. */
static void changed_signatures(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {NULL, rsa, ec, ed};
    for (size_t i = 0; i < 4; i++) {
        make_token(head_of(signers[i]), "{\"sub\":\"a\"}", signers[i]);
        char signature[1024], *const start = strrchr(token, '.') + 1;
        size_t len = 0;
        assert_true(
            base64_decode(str_of(start), BASE64_URL, false, signature, sizeof signature - 1, &len));
        for (size_t at = 0; at <= len; at++) {
            signature[at] = (char)(at == len ? 0 : signature[at] ^ 0x10);
            *start = '\0';
            add_base64(str_make(signature, at == len ? len + 1 : len));
            assert_int_equal(verify(ring, str_of(token)), ERR_TOKEN_INVALID);
            expect_detail("changed", "the signature is not by one of our keys");
            signature[at] ^= 0x10;
        }
        *start = '\0';
        add_base64(str_make(signature, len - 1));
        assert_int_equal(verify(ring, str_of(token)), ERR_TOKEN_INVALID);
        *start = '\0';
        add_base64(str_make(signature, len));
        assert_int_equal(verify(ring, str_of(token)), ERR_OK);
    }
}

/* ES256: short numbers, zeros, and a signature in DER, which is not what RFC 7518 asks for. */
static void signatures_of_es256(void **state)
{
    (void)state;
    unsigned char der[1024];
    size_t short_ones = 0;
    /* one in 128 begins with a zero byte: 600 are enough in 99 runs of 100, so it goes on until
     * then */
    for (int i = 0; i < 600 || (short_ones == 0 && i < 20000); i++) {
        assert_int_equal(verify(ring, make_token(head_of(ec), "{}", ec)), ERR_OK);
        char raw[64];
        size_t len;
        assert_true(base64_decode(str_of(strrchr(token, '.') + 1), BASE64_URL, false, raw,
                                  sizeof raw, &len));
        short_ones += raw[0] == 0 || raw[32] == 0;
    }
    assert_true(short_ones > 0);
    char *const start = strrchr(token, '.') + 1;
    *start = '\0';
    add_base64(str_make((char[64]){0}, 64));
    assert_int_equal(verify(ring, str_of(token)), ERR_TOKEN_INVALID);
    start[-1] = '\0';
    EVP_MD_CTX *const context = EVP_MD_CTX_new();
    size_t len = sizeof der;
    assert_int_equal(EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, ec, NULL), 1);
    assert_int_equal(EVP_DigestSign(context, der, &len, (unsigned char *)token, strlen(token)), 1);
    EVP_MD_CTX_free(context);
    start[-1] = '.';
    *start = '\0';
    add_base64(str_make((char *)der, len));
    assert_int_equal(verify(ring, str_of(token)), ERR_TOKEN_INVALID);
}

static void key_ids_choose(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        bool by_first;
        enum err err;
    } rows[] = {
        {"its id", "{\"alg\":\"RS256\",\"kid\":\"one\"}", true, ERR_OK},
        {"its id in disguise", "{\"alg\":\"RS256\",\"kid\":\"o\\u006ee\"}", true, ERR_OK},
        {"the id of the other", "{\"alg\":\"RS256\",\"kid\":\"two\"}", true, ERR_TOKEN_INVALID},
        {"no id: all are tried", "{\"alg\":\"RS256\"}", true, ERR_OK},
        {"the second, no id", "{\"alg\":\"RS256\"}", false, ERR_OK},
        {"the second by id", "{\"alg\":\"RS256\",\"kid\":\"two\"}", false, ERR_OK},
        {"unknown id", "{\"alg\":\"RS256\",\"kid\":\"three\"}", false, ERR_TOKEN_INVALID},
        {"a path", "{\"alg\":\"RS256\",\"kid\":\"../../one\"}", true, ERR_TOKEN_INVALID},
    };
    struct jwt_keys *const keys = jwt_keys_new();
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_pem(keys, STR("one"), pem_of(rsa), &fault), ERR_OK);
    assert_int_equal(add_jwks(keys, "{\"keys\":[%s]}", jwk_of(rsa_other, ",\"kid\":\"two\"")),
                     ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (verify(keys, make_token(rows[i].head, "{}", rows[i].by_first ? rsa : rsa_other)) !=
            rows[i].err)
            fail_msg("%s: %s", rows[i].name, fault.detail);
    fault = (struct fault){0};
    assert_int_equal(jwt_keys_add_secret(keys, STR("s"), STR(SECRET), &fault), ERR_OK);
    assert_int_equal(verify(keys, make_token("{\"alg\":\"HS256\",\"kid\":\"one\"}", "{}", NULL)),
                     ERR_TOKEN_INVALID);
    jwt_keys_free(keys);
}

/* --- claims ------------------------------------------------------------------------------- */

static const struct {
    const char *name, *body;
    enum err err;
    const char *reason;
    struct jwt_rules rules;
    int64_t expires_s;
} claim_rows[] = {
#define N "1760000000"
    {"nothing asked, nothing there", "{}", ERR_OK, "", {.skew_s = 0}, 0},
    {"a list", "[]", ERR_TOKEN_INVALID, "the claims is not an object", {.skew_s = 0}, 0},
    {"no JSON", "{", ERR_TOKEN_INVALID, "the claims: byte 1", {.skew_s = 0}, 0},
    {"a claim twice",
     "{\"a\":1,\"b\":2,\"a\":1}",
     ERR_TOKEN_INVALID,
     "there twice",
     {.skew_s = 0},
     0},
    {"twice, in disguise",
     "{\"\\u0061\":1,\"\\u0061\":1}",
     ERR_TOKEN_INVALID,
     "twice",
     {.skew_s = 0},
     0},
    {"similar names", "{\"a\":1,\"A\":2,\"\\u0061\\u0061\":3}", ERR_OK, "", {.skew_s = 0}, 0},
    {"before the end", "{\"exp\":1760000001}", ERR_OK, "", {.skew_s = 0}, 1760000001},
    {"the end", "{\"exp\":" N "}", ERR_KEY_EXPIRED, "has expired", {.skew_s = 0}, 0},
    {"the end, clocks differ", "{\"exp\":" N "}", ERR_OK, "", {.skew_s = 1}, 1760000000},
    {"past that, too", "{\"exp\":" N "}", ERR_OK, "", {.skew_s = 60}, 1760000000},
    {"past by more", "{\"exp\":1759999940}", ERR_KEY_EXPIRED, "", {.skew_s = 60}, 0},
    {"a fraction is cut", "{\"exp\":1760000001.9}", ERR_OK, "", {.skew_s = 0}, 1760000001},
    {"a fraction is not enough", "{\"exp\":1760000000.9}", ERR_KEY_EXPIRED, "", {.skew_s = 0}, 0},
    {"an exponent", "{\"exp\":1.7600000015e9}", ERR_OK, "", {.skew_s = 0}, 1760000001},
    {"a large exponent", "{\"exp\":0.000000176e+16}", ERR_KEY_EXPIRED, "", {.skew_s = 0}, 0},
    {"zeros to come", "{\"exp\":177E7}", ERR_OK, "", {.skew_s = 0}, 1770000000},
    {"a small exponent", "{\"exp\":17600000019e-1}", ERR_OK, "", {.skew_s = 0}, 1760000001},
    {"nothing is left of it",
     "{\"exp\":1760000000e-99999999999999999999}",
     ERR_KEY_EXPIRED,
     "",
     {.skew_s = 0},
     0},
    {"zero stays zero", "{\"exp\":0e99999999999999999999}", ERR_KEY_EXPIRED, "", {.skew_s = 0}, 0},
    {"before 1970", "{\"exp\":-0.5}", ERR_KEY_EXPIRED, "", {.skew_s = 0}, 0},
    {"negative", "{\"exp\":-1}", ERR_KEY_EXPIRED, "", {.skew_s = 0}, 0},
    {"the last moment", "{\"exp\":9223372036854775807}", ERR_OK, "", {.skew_s = 60}, INT64_MAX},
    {"one more",
     "{\"exp\":9223372036854775808}",
     ERR_TOKEN_INVALID,
     "exp is not a time",
     {.skew_s = 0},
     0},
    {"far more", "{\"exp\":1e30}", ERR_TOKEN_INVALID, "exp is not a time", {.skew_s = 0}, 0},
    {"zeros do not end",
     "{\"exp\":1e99999999999999999999}",
     ERR_TOKEN_INVALID,
     "not a time",
     {.skew_s = 0},
     0},
    {"a text",
     "{\"exp\":\"1760000100\"}",
     ERR_TOKEN_INVALID,
     "exp is not a time",
     {.skew_s = 0},
     0},
    {"null", "{\"exp\":null}", ERR_TOKEN_INVALID, "exp is not a time", {.skew_s = 0}, 0},
    {"true", "{\"exp\":true}", ERR_TOKEN_INVALID, "exp is not a time", {.skew_s = 0}, 0},
    {"a list", "{\"exp\":[1760000100]}", ERR_TOKEN_INVALID, "exp is not a time", {.skew_s = 0}, 0},
    {"an end is asked for", "{}", ERR_TOKEN_INVALID, "exp is missing", {.needs_expiry = true}, 0},
    {"not yet",
     "{\"nbf\":1760000001}",
     ERR_TOKEN_INVALID,
     "nbf is in the future",
     {.skew_s = 0},
     0},
    {"now", "{\"nbf\":" N "}", ERR_OK, "", {.skew_s = 0}, 0},
    {"soon, clocks differ", "{\"nbf\":1760000060}", ERR_OK, "", {.skew_s = 60}, 0},
    {"any time will do", "{\"exp\":1,\"nbf\":9e18}", ERR_OK, "", {.skew_s = INT64_MAX}, 1},
    {"a start that is none",
     "{\"nbf\":\"\"}",
     ERR_TOKEN_INVALID,
     "nbf is not a time",
     {.skew_s = 0},
     0},
    {"made later", "{\"iat\":1760000061}", ERR_TOKEN_INVALID, "iat is in", {.skew_s = 60}, 0},
    {"made soon", "{\"iat\":1760000060}", ERR_OK, "", {.skew_s = 60}, 0},
    {"made never", "{\"iat\":{}}", ERR_TOKEN_INVALID, "iat is not a time", {.skew_s = 0}, 0},
    {"an age is asked for", "{}", ERR_TOKEN_INVALID, "iat is missing", {.age_max_s = 10}, 0},
    {"too old", "{\"iat\":1759999989}", ERR_KEY_EXPIRED, "too old", {.age_max_s = 10}, 0},
    {"old", "{\"iat\":1759999990}", ERR_OK, "", {.age_max_s = 10}, 1760000000},
    {"old, and ends before",
     "{\"iat\":1759999995,\"exp\":1760000002}",
     ERR_OK,
     "",
     {.age_max_s = 10},
     1760000002},
    {"old, and ends after",
     "{\"iat\":1759999995,\"exp\":1760000009}",
     ERR_OK,
     "",
     {.age_max_s = 10},
     1760000005},
    {"our issuer", "{\"iss\":\"a\"}", ERR_OK, "", {.issuer = STR_ROW("a")}, 0},
    {"in disguise", "{\"iss\":\"\\u0061\"}", ERR_OK, "", {.issuer = STR_ROW("a")}, 0},
    {"another issuer",
     "{\"iss\":\"a/\"}",
     ERR_TOKEN_INVALID,
     "iss is another",
     {.issuer = STR_ROW("a")},
     0},
    {"no issuer", "{}", ERR_TOKEN_INVALID, "iss is not a text", {.issuer = STR_ROW("a")}, 0},
    {"a list of issuers",
     "{\"iss\":[\"a\"]}",
     ERR_TOKEN_INVALID,
     "iss is not a text",
     {.issuer = STR_ROW("a")},
     0},
    {"for us", "{\"aud\":\"a\"}", ERR_OK, "", {.audience = STR_ROW("a")}, 0},
    {"for us, too", "{\"aud\":[\"b\",\"\\u0061\"]}", ERR_OK, "", {.audience = STR_ROW("a")}, 0},
    {"for others",
     "{\"aud\":[\"b\",\"aa\"]}",
     ERR_TOKEN_INVALID,
     "aud is another",
     {.audience = STR_ROW("a")},
     0},
    {"for nobody",
     "{\"aud\":[]}",
     ERR_TOKEN_INVALID,
     "aud is another",
     {.audience = STR_ROW("a")},
     0},
    {"not said for whom",
     "{}",
     ERR_TOKEN_INVALID,
     "aud is not a text",
     {.audience = STR_ROW("a")},
     0},
    {"a list in the list",
     "{\"aud\":[[\"a\"]]}",
     ERR_TOKEN_INVALID,
     "aud is not a text",
     {.audience = STR_ROW("a")},
     0},
    {"an object",
     "{\"aud\":{\"a\":\"a\"}}",
     ERR_TOKEN_INVALID,
     "aud is not a text",
     {.audience = STR_ROW("a")},
     0},
    {"whoever it is for", "{\"aud\":7,\"iss\":7}", ERR_OK, "", {.skew_s = 0}, 0},
    {"a subject is asked for",
     "{}",
     ERR_TOKEN_INVALID,
     "sub is missing",
     {.needs_subject = true},
     0},
    {"an empty subject", "{\"sub\":\"\"}", ERR_TOKEN_INVALID, "sub is empty", {.skew_s = 0}, 0},
    {"a number", "{\"sub\":1}", ERR_TOKEN_INVALID, "sub is not a text", {.skew_s = 0}, 0},
    {"a NUL", "{\"sub\":\"a\\u0000\"}", ERR_TOKEN_INVALID, "control character", {.skew_s = 0}, 0},
    {"a line", "{\"sub\":\"a\\nb\"}", ERR_TOKEN_INVALID, "control character", {.skew_s = 0}, 0},
    {"a DEL", "{\"sub\":\"\x7f\"}", ERR_TOKEN_INVALID, "control character", {.skew_s = 0}, 0},
#undef N
};

static void rules_for_claims(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof claim_rows / sizeof claim_rows[0]; i++) {
        struct str const text = make_token(head_of(NULL), claim_rows[i].body, NULL);
        enum err const err = verify_at(ring, &claim_rows[i].rules, text, NOW_S);
        if (err != claim_rows[i].err || claims.expires_s != claim_rows[i].expires_s)
            fail_msg("%s: %s, %lld", claim_rows[i].name, fault.detail, (long long)claims.expires_s);
        expect_detail(claim_rows[i].name, claim_rows[i].reason);
    }
}

static void claims_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *value; /* NULL: absent */
    } rows[] = {
        {"sub", "\"J\\u00f6rg\""},
        {"app.roles", "[\"a\"]"},
        {"app.deep.er", "7"},
        {"app", "{\"roles\":[\"a\"],\"deep\":{\"er\":7},\"twice\":1,\"twice\":2}"},
        {"https://acme.example/plan", "\"pro\""},
        {"https://acme.example/app.tenant", "\"t1\""},
        {"flat.name", "1"},
        {"none", "null"},
        {"app.twice", NULL},
        {"app.roles.0", NULL},
        {"app.missing", NULL},
        {"sub.x", NULL},
        {"app.", NULL},
        {".app", NULL},
        {"ap", NULL},
        {"", NULL},
    };
    const char *const body =
        "{\"sub\":\"J\\u00f6rg\",\"app\":{\"roles\":[\"a\"],\"deep\":{\"er\":7},\"twice\":1,"
        "\"twice\":2},\"https://acme.example/plan\":\"pro\",\"https://acme.example/app\":"
        "{\"tenant\":\"t1\"},\"flat.name\":1,\"flat\":{\"name\":2},\"none\":null}";
    assert_int_equal(verify(ring, make_token(head_of(ed), body, ed)), ERR_OK);
    memset(token, 'x', sizeof token); /* nothing points into it any more */
    assert_true(str_eq(claims.subject, STR("J\xc3\xb6rg")));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str const value = jwt_claim(&claims, str_of(rows[i].path), arena);
        if (rows[i].value ? !str_eq(value, str_of(rows[i].value)) : value.ptr != NULL)
            fail_msg("%s: %.*s", rows[i].path, STR_ARG(value));
    }
    struct jwt_claims const nothing = {0};
    assert_null(jwt_claim(&nothing, STR("sub"), arena).ptr);
}

/* --- memory, threads ---------------------------------------------------------------------- */

static void a_small_arena(void **state)
{
    (void)state;
    struct jwt_rules const any = {0};
    struct str const text = make_token("{\"alg\":\"HS256\",\"kid\":\"\\u0061\"}",
                                       "{\"sub\":\"\\u0061\",\"\\u0062\":1,\"c\":{\"d\":1}}", NULL);
    bool done = false;
    for (size_t bytes = 200; bytes < 100000 && !done; bytes += 16) {
        struct arena *const small = arena_new(bytes);
        struct fault why = {0};
        enum err const err = jwt_verify(ring, &any, text, NOW_S, small, &claims, &why);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
        done = err == ERR_OK;
        if (done) /* no room for the members of "c" */
            assert_null(jwt_claim(&claims, STR("c.d"), small).ptr);
        arena_free(small);
    }
    assert_true(done);
}

static void *verify_often(void *text)
{
    struct arena *const own = arena_new(ARENA_BYTES);
    struct jwt_rules const any = {0};
    size_t good = 0;
    for (int i = 0; i < 200; i++) {
        struct jwt_claims found;
        struct fault why = {0};
        arena_reset(own);
        good += jwt_verify(ring, &any, str_of(text), NOW_S, own, &found, &why) == ERR_OK;
    }
    arena_free(own);
    return good == 200 ? text : NULL;
}

static void threads_share_a_ring(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {NULL, rsa, ec, ed};
    char texts[4][1000];
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) {
        if (i < 4)
            snprintf(texts[i], sizeof texts[i], "%s",
                     make_token(head_of(signers[i]), "{}", signers[i]).ptr);
    }
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, texts[i % 4]), 0);
    for (size_t i = 0; i < 8; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, texts[i % 4]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standards),
        cmocka_unit_test(tokens_that_are_none),
        cmocka_unit_test(heads),
        cmocka_unit_test(each_algorithm_and_no_other),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(changed_signatures),
        cmocka_unit_test(signatures_of_es256),
        cmocka_unit_test(key_ids_choose),
        cmocka_unit_test(rules_for_claims),
        cmocka_unit_test(claims_are_found),
        cmocka_unit_test(a_small_arena),
        cmocka_unit_test(threads_share_a_ring),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
