/* test_verifier.c - one row = the claims of a token and who they say it is; the cache; rotation. */
#include "codec/base64.h"
#include "gateway/token_cache.h"
#include "gateway/verifier.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { NOW_S = 1760000000, TOKEN_BYTES = 20000, ARENA_BYTES = 1 << 20 };

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER  "another-secret-of-thirty-two-byt"
#define TIMES  "\"exp\":1760000600"

static struct arena *arena;
static char token[TOKEN_BYTES];

static void add_part(const void *bytes, size_t count)
{
    size_t const at = strlen(token);
    assert_true(at + base64_encoded_len(count) < sizeof token);
    base64_encode(str_make(bytes, count), BASE64_URL, token + at);
    size_t len = at + base64_encoded_len(count);
    while (len > at && token[len - 1] == '=')
        len--;
    token[len] = '\0';
}

static void add_dot(void)
{
    size_t const len = strlen(token);
    assert_true(len + 1 < sizeof token);
    memcpy(token + len, ".", 2);
}

/* HS256 by `secret`, in `token`. */
static struct str make_token(const char *claims, const char *secret)
{
    static const char head[] = "{\"alg\":\"HS256\"}";
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    token[0] = '\0';
    add_part(head, sizeof head - 1);
    add_dot();
    add_part(claims, strlen(claims));
    assert_int_equal(crypto_auth_hmacsha256(mac, (const unsigned char *)token, strlen(token),
                                            (const unsigned char *)secret),
                     0);
    add_dot();
    add_part(mac, sizeof mac);
    return str_of(token);
}

static struct verifier_options plain(void)
{
    return (struct verifier_options){
        .secret = STR(SECRET),
        .skew_s = 60,
        .claims = {STR("customer"), STR("sub"), STR("role"), STR("groups")},
    };
}

static struct verifier *make(const struct verifier_options *options)
{
    struct verifier *verifier = NULL;
    struct fault fault = {0};
    assert_int_equal(verifier_new(options, &verifier, &fault), ERR_OK);
    assert_non_null(verifier);
    return verifier;
}

static const struct row {
    const char *sentence, *claims;
    enum err err;
    const char *customer, *user, *profile, *groups;
} rows[] = {
    {"all four",
     TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"role\":\"admin\",\"groups\":[\"a\",\"b c\"]",
     ERR_OK, "acme", "ana", "admin", "a\nb c\n"},
    {"profile and groups need not be there", TIMES ",\"customer\":\"acme\",\"sub\":\"ana\"", ERR_OK,
     "acme", "ana", "", ""},
    {"null is not there",
     TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"role\":null,\"groups\":null", ERR_OK, "acme",
     "ana", "", ""},
    {"one group as a text", TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"groups\":\"vip\"",
     ERR_OK, "acme", "ana", "", "vip\n"},
    {"a number as the customer", TIMES ",\"customer\":42,\"sub\":\"ana\"", ERR_OK, "42", "ana", "",
     ""},
    {"escapes are decoded", TIMES ",\"customer\":\"acme\",\"sub\":\"an\\u00e1\"", ERR_OK, "acme",
     "an\303\241", "", ""},
    {"a group that no header can say is left out",
     TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"groups\":[\"\",\"a\\nadmin\",\"b\"]", ERR_OK,
     "acme", "ana", "", "b\n"},
    {"no customer", TIMES ",\"sub\":\"ana\"", ERR_TOKEN_INVALID, 0, 0, 0, 0},
    {"an empty customer", TIMES ",\"customer\":\"\",\"sub\":\"ana\"", ERR_TOKEN_INVALID, 0, 0, 0,
     0},
    {"a list of customers", TIMES ",\"customer\":[\"acme\"],\"sub\":\"ana\"", ERR_TOKEN_INVALID, 0,
     0, 0, 0},
    {"a number with a fraction", TIMES ",\"customer\":4.2,\"sub\":\"ana\"", ERR_TOKEN_INVALID, 0, 0,
     0, 0},
    {"no user: limits per user would not see it", TIMES ",\"customer\":\"acme\"", ERR_TOKEN_INVALID,
     0, 0, 0, 0},
    {"a user of two lines", TIMES ",\"customer\":\"acme\",\"sub\":\"a\\nb\"", ERR_TOKEN_INVALID, 0,
     0, 0, 0},
    {"a profile that is a list",
     TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"role\":[\"admin\"]", ERR_TOKEN_INVALID, 0, 0,
     0, 0},
    {"a number among the groups",
     TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"groups\":[\"a\",1]", ERR_TOKEN_INVALID, 0, 0,
     0, 0},
    {"groups that are an object", TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"groups\":{}",
     ERR_TOKEN_INVALID, 0, 0, 0, 0},
    {"a claim twice", TIMES ",\"customer\":\"acme\",\"sub\":\"ana\",\"sub\":\"bia\"",
     ERR_TOKEN_INVALID, 0, 0, 0, 0},
    {"no end", "\"customer\":\"acme\",\"sub\":\"ana\"", ERR_TOKEN_INVALID, 0, 0, 0, 0},
    {"over", "\"exp\":1759999000,\"customer\":\"acme\",\"sub\":\"ana\"", ERR_KEY_EXPIRED, 0, 0, 0,
     0},
};

static void check_row(const struct verifier *verifier, const struct row *row)
{
    char claims[1024];
    struct bearer bearer;
    struct fault fault = {0};
    print_message("  %s\n", row->sentence);
    snprintf(claims, sizeof claims, "{%s}", row->claims);
    struct str const text = make_token(claims, SECRET);
    assert_int_equal(verifier_read(verifier, text, NOW_S, arena, &bearer, &fault), row->err);
    assert_int_equal(fault.code, row->err);
    if (row->err != ERR_OK) {
        assert_true(fault.detail[0] != '\0');
        assert_null(strstr(fault.detail, "acme")); /* claims are not for the log either */
        assert_null(bearer.customer.ptr);
        return;
    }
    assert_true(str_eq(bearer.customer, str_of(row->customer)));
    assert_true(str_eq(bearer.user, str_of(row->user)));
    assert_true(str_eq(bearer.profile, str_of(row->profile)));
    assert_true(str_eq(bearer.groups, str_of(row->groups)));
    assert_int_equal(bearer.expires_s, NOW_S + 600);
}

static void claims_say_who_it_is(void **state)
{
    (void)state;
    struct verifier_options const options = plain();
    struct verifier *verifier = make(&options);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(verifier, &rows[i]);
    verifier_unref(verifier);
}

static void paths_are_configured(void **state)
{
    (void)state;
    struct bearer bearer;
    struct fault fault = {0};
    struct verifier_options options = plain();
    options.customer = STR("only");
    options.age_max_s = 100;
    options.claims = (struct verifier_claims){STR("customer"), STR("user.id"), STR(""), STR("a.b")};
    struct verifier *verifier = make(&options);
    struct str const text =
        make_token("{\"iat\":1759999990,\"customer\":\"other\",\"role\":\"admin\","
                   "\"user\":{\"id\":7},\"a\":{\"b\":[\"x\"]}}",
                   SECRET);
    assert_int_equal(verifier_read(verifier, text, NOW_S, arena, &bearer, &fault), ERR_OK);
    verifier_unref(verifier); /* what was read does not need it any more */
    assert_true(str_eq(bearer.customer, STR("only")));
    assert_true(str_eq(bearer.user, STR("7")));
    assert_true(str_eq(bearer.profile, STR("")));
    assert_true(str_eq(bearer.groups, STR("x\n")));
    assert_int_equal(bearer.expires_s, NOW_S + 90); /* without "exp": the age ends it */
}

static void a_group_is_a_whole_name(void **state)
{
    (void)state;
    struct bearer const bearer = {.groups = STR("one\ntwo three\n")};
    struct bearer const none = {0};
    assert_true(bearer_in_group(&bearer, STR("one")));
    assert_true(bearer_in_group(&bearer, STR("two three")));
    assert_false(bearer_in_group(&bearer, STR("two")));
    assert_false(bearer_in_group(&bearer, STR("")));
    assert_false(bearer_in_group(&bearer, STR("one\ntwo three")));
    assert_false(bearer_in_group(&none, STR("one")));
}

static void bad_keys_are_told(void **state)
{
    (void)state;
    struct verifier *verifier;
    struct fault fault = {0};
    struct verifier_options options = plain();
    options.secret = STR("");
    assert_int_equal(verifier_new(&options, &verifier, &fault), ERR_CONFIG_INVALID);
    assert_null(verifier);
    fault = (struct fault){0};
    options.pem = STR("-----BEGIN RUBBISH-----\n");
    assert_int_equal(verifier_new(&options, &verifier, &fault), ERR_CONFIG_INVALID);
    assert_non_null(strstr(fault.detail, "public_key_file"));
    fault = (struct fault){0};
    options.pem = STR("");
    options.jwks = STR("{\"keys\":[]}");
    assert_int_equal(verifier_new(&options, &verifier, &fault), ERR_CONFIG_INVALID);
    assert_non_null(strstr(fault.detail, "jwks_file"));
}

static void what_looks_like_a_token(void **state)
{
    (void)state;
    assert_true(is_jwt(STR("eyJh.eyJz.c2ln")));
    assert_true(is_jwt(STR("ey.."))); /* … and is then refused as one */
    assert_false(is_jwt(STR("eyJh.eyJz")));
    assert_false(is_jwt(STR("eyJh.eyJz.c2ln.more")));
    assert_false(is_jwt(STR("ck_live_a.b.c")));
    assert_false(is_jwt(STR("")));
}

static void the_cache_forgets_in_time(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new();
    struct bearer const bearer = {STR("acme"), STR("ana"), STR(""), STR("a\nb\n"), NOW_S + 10};
    assert_non_null(cache);
    assert_null(token_cache_get(cache, STR("ey.a.b"), NOW_S));
    token_cache_put(cache, STR("ey.a.b"), &bearer);
    const struct bearer *known = token_cache_get(cache, STR("ey.a.b"), NOW_S + 9);
    assert_non_null(known);
    assert_true(str_eq(known->customer, STR("acme")) && str_eq(known->user, STR("ana")));
    assert_true(str_empty(known->profile) && str_eq(known->groups, STR("a\nb\n")));
    assert_null(token_cache_get(cache, STR("ey.a.b"), NOW_S + 10)); /* it ends with its token */
    assert_null(token_cache_get(cache, STR("ey.a.c"), NOW_S));      /* the signature counts */
    token_cache_put(cache, STR("ey.a.b"), &bearer);                 /* again: nothing leaks */
    token_cache_clear(cache);
    assert_null(token_cache_get(cache, STR("ey.a.b"), NOW_S));
    token_cache_free(cache);
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    static char large[JWT_CACHE_TEXT_BYTES_MAX + 1];
    struct token_cache *cache = token_cache_new();
    struct bearer bearer = {STR("acme"), STR("ana"), STR(""), STR(""), NOW_S + 10};
    size_t known = 0;
    char name[32];
    for (int i = 0; i < 4 * JWT_CACHE_SLOTS; i++) {
        snprintf(name, sizeof name, "ey.%d.x", i);
        token_cache_put(cache, str_of(name), &bearer);
        assert_non_null(token_cache_get(cache, str_of(name), NOW_S));
    }
    for (int i = 0; i < 4 * JWT_CACHE_SLOTS; i++) {
        snprintf(name, sizeof name, "ey.%d.x", i);
        known += token_cache_get(cache, str_of(name), NOW_S) != NULL;
    }
    assert_in_range(known, JWT_CACHE_SLOTS / 2, JWT_CACHE_SLOTS);
    memset(large, 'g', sizeof large);
    bearer.groups = str_make(large, sizeof large);
    token_cache_put(cache, STR("ey.large.x"), &bearer);
    assert_null(token_cache_get(cache, STR("ey.large.x"), NOW_S));
    token_cache_free(cache);
    token_cache_free(NULL);
}

static void another_secret_is_another_verifier(void **state)
{
    (void)state;
    struct bearer bearer;
    struct fault fault = {0};
    struct verifier_options options = plain();
    struct verifier *old = make(&options);
    options.secret = STR(OTHER);
    struct verifier *next = make(&options);
    struct str const text = make_token("{" TIMES ",\"customer\":\"acme\",\"sub\":\"ana\"}", OTHER);
    assert_int_equal(verifier_read(old, text, NOW_S, arena, &bearer, &fault), ERR_TOKEN_INVALID);
    fault = (struct fault){0};
    verifier_unref(verifier_ref(next));
    assert_int_equal(verifier_read(next, text, NOW_S, arena, &bearer, &fault), ERR_OK);
    verifier_unref(old);
    verifier_unref(next);
    verifier_unref(NULL);
}

/* For its algorithm and id alone; RFC 8037 A.2. */
#define JWKS                                                                                       \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"known\","                           \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static void count_missing(void *owner)
{
    ++*(int *)owner;
}

static struct str head_and_rubbish(const char *head)
{
    token[0] = '\0';
    add_part(head, strlen(head));
    add_dot();
    add_part("{}", 2);
    add_dot();
    add_part("rubbish", 7);
    return str_of(token);
}

static void keys_are_looked_for_when_a_token_asks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        bool asks;
    } heads[] = {
        {"a key id that is here", "{\"alg\":\"EdDSA\",\"kid\":\"known\"}", false},
        {"one that is not", "{\"alg\":\"EdDSA\",\"kid\":\"new\"}", true},
        {"of another algorithm", "{\"alg\":\"ES256\",\"kid\":\"known\"}", true},
        {"a shared secret", "{\"alg\":\"HS256\",\"kid\":\"new\"}", false},
        {"none", "{\"alg\":\"none\",\"kid\":\"new\"}", false},
    };
    for (int waits = 0; waits < 2; waits++) {
        int asked = 0, wanted = 0;
        struct verifier_options options = plain();
        options.secret = waits ? STR("") : STR(SECRET);
        options.fetched = waits ? STR("") : STR(JWKS);
        options.waits = waits != 0;
        options.on_missing = count_missing;
        options.owner = &asked;
        struct verifier *verifier = make(&options);
        for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
            bool const asks = heads[i].asks || (waits && i == 0); /* nothing is here yet */
            struct bearer bearer;
            struct fault fault = {0};
            struct str const text = head_and_rubbish(heads[i].head);
            enum err const err = verifier_read(verifier, text, NOW_S, arena, &bearer, &fault);
            print_message("  %s\n", heads[i].name);
            wanted += asks;
            assert_int_equal(asked, wanted);
            assert_int_equal(err, waits && asks ? ERR_KEYS_UNAVAILABLE : ERR_TOKEN_INVALID);
            assert_int_equal(fault.code, err);
        }
        verifier_unref(verifier);
    }
}

static void a_good_token_asks_for_nothing(void **state)
{
    (void)state;
    int asked = 0;
    struct bearer bearer;
    struct fault fault = {0};
    struct verifier_options options = plain();
    options.waits = true;
    options.on_missing = count_missing;
    options.owner = &asked;
    struct verifier *verifier = make(&options);
    struct str text = make_token("{" TIMES ",\"customer\":\"acme\",\"sub\":\"ana\"}", SECRET);
    assert_int_equal(verifier_read(verifier, text, NOW_S, arena, &bearer, &fault), ERR_OK);
    assert_int_equal(verifier_read(verifier, text, NOW_S + 9999, arena, &bearer, &fault),
                     ERR_KEY_EXPIRED);
    assert_int_equal(asked, 0);
    verifier_unref(verifier);
    options.fetched = STR("{\"keys\":[]}");
    fault = (struct fault){0};
    assert_int_equal(verifier_new(&options, &verifier, &fault), ERR_CONFIG_INVALID);
    assert_non_null(strstr(fault.detail, "jwks_url"));
}

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new(ARENA_BYTES);
    return arena ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_say_who_it_is),
        cmocka_unit_test(paths_are_configured),
        cmocka_unit_test(a_group_is_a_whole_name),
        cmocka_unit_test(bad_keys_are_told),
        cmocka_unit_test(what_looks_like_a_token),
        cmocka_unit_test(the_cache_forgets_in_time),
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(another_secret_is_another_verifier),
        cmocka_unit_test(keys_are_looked_for_when_a_token_asks),
        cmocka_unit_test(a_good_token_asks_for_nothing),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
