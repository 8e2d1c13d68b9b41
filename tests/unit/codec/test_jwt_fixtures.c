/* test_jwt_fixtures.c - the published suite of tokens, read in place.
 *
 * What:  COTA_FIXTURES names a folder with suites/ in it; without it the test is skipped (77).
 * Not:   in this project: nothing of the suites is copied here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/jwt.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 1 << 20, SKIPPED = 77 };

static struct buf file;
static struct arena *arena;

/* Reads the file into `file`; skips the test when there is none. */
static void load(const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/suites/%s", getenv("COTA_FIXTURES"), name);
    FILE *const input = fopen(path, "rb");
    if (!input) {
        print_message("%s is not there\n", path);
        skip();
    }
    buf_clear(&file);
    assert_int_equal(buf_reserve(&file, FILE_BYTES_MAX), ERR_OK);
    file.len = fread(file.ptr, 1, FILE_BYTES_MAX, input);
    fclose(input);
    assert_true(file.len > 0 && file.len < FILE_BYTES_MAX);
}

/* A member's text, decoded; the buffer is the caller's. */
static struct str text_of(const struct json_object *object, const char *name, char *out,
                          size_t size)
{
    size_t len = 0;
    assert_true(json_text(json_get(object, str_of(name)), out, size, &len));
    return str_make(out, len);
}

/* The suite's service has a secret and no other key: what its public key signed is foreign there.
 * A service that has the public key is `other`: no HS256 is good enough for that. */
static struct jwt_keys *read_keys(int64_t *now_s, struct jwt_keys **other)
{
    struct json_object object;
    struct fault why = {0};
    char text[4000];
    struct jwt_keys *const keys = jwt_keys_new();
    *other = jwt_keys_new();
    load("jwt/keys.json");
    assert_int_equal(json_scan(buf_view(&file), &object, &why), ERR_OK);
    assert_true(json_i64(json_get(&object, STR("now")), now_s));
    assert_int_equal(
        jwt_keys_add_secret(keys, STR("hmac"), text_of(&object, "secret", text, sizeof text), &why),
        ERR_OK);
    assert_int_equal(jwt_keys_add_pem(*other, STR(""),
                                      text_of(&object, "rsa_public_pem", text, sizeof text), &why),
                     ERR_OK);
    return keys;
}

/* Accepted and refused as the suite says; where it says neither, an answer without a crash. */
static void tokens(void **state)
{
    (void)state;
    struct jwt_rules const rules = {.issuer = STR("cota"),
                                    .audience = STR("cota"),
                                    .skew_s = 60,
                                    .needs_expiry = true,
                                    .needs_subject = true};
    struct jwt_keys *other;
    int64_t now_s;
    size_t counts[3] = {0}, signed_by_other = 0, at = 0;
    struct jwt_keys *const keys = read_keys(&now_s, &other);
    load("jwt/dev.jsonl");
    while (at < file.len) {
        struct str const rest = str_skip(buf_view(&file), at);
        struct str const line = str_make(rest.ptr, str_find(rest, STR("\n")));
        struct json_object object;
        struct jwt_claims claims;
        struct fault why = {0};
        char name[200], token[JWT_BYTES_MAX];
        at += line.len + 1;
        assert_int_equal(json_scan(line, &object, &why), ERR_OK);
        enum json_type const accept = json_type(json_get(&object, STR("accept")));
        arena_reset(arena);
        struct str const text = text_of(&object, "token", token, sizeof token);
        enum err const err = jwt_verify(keys, &rules, text, now_s, arena, &claims, &why);
        if ((accept == JSON_TRUE && err != ERR_OK) || (accept == JSON_FALSE && err == ERR_OK))
            fail_msg("%.*s: %s", STR_ARG(text_of(&object, "name", name, sizeof name)), why.detail);
        if (jwt_verify(other, &rules, text, now_s, arena, &claims, &why) == ERR_OK)
            signed_by_other++;
        counts[accept == JSON_TRUE ? 0 : accept == JSON_FALSE ? 1 : 2]++;
    }
    jwt_keys_free(keys);
    jwt_keys_free(other);
    print_message("%zu accepted, %zu refused, %zu either\n", counts[0], counts[1], counts[2]);
    assert_true(counts[0] > 0 && counts[1] > 0);
    assert_int_equal(signed_by_other, 3); /* those that say RS256, wherever they point to */
}

static int unload(void **state)
{
    (void)state;
    buf_free(&file);
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
    };
    if (!getenv("COTA_FIXTURES")) {
        print_message("COTA_FIXTURES is not set: no published suite is read\n");
        return SKIPPED;
    }
    buf_init(&file, 2 * FILE_BYTES_MAX);
    arena = arena_new(1 << 20);
    return arena ? cmocka_run_group_tests(tests, NULL, unload) : 1;
}
