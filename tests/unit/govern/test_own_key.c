/* test_own_key.c - provider keys of customers' own: one row = a document and a ring, and what calls
 * get; and no block of memory is given back with a plain key in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN "sk-plain-0123456789"

/* Every free() of the two files below looks at what it frees. */
static size_t blocks_freed, blocks_dirty;

static void free_looked_at(void *block)
{
    if (block != NULL) {
        blocks_freed++;
        blocks_dirty += memmem(block, malloc_usable_size(block), PLAIN, sizeof PLAIN - 1) != NULL;
    }
    free(block);
}

static void *realloc_looked_at(void *old, size_t size)
{
    void *const fresh = malloc(size);
    size_t const old_size = old != NULL ? malloc_usable_size(old) : 0;
    if (fresh != NULL && old_size > 0)
        memcpy(fresh, old, old_size < size ? old_size : size);
    if (fresh != NULL)
        free_looked_at(old);
    return fresh;
}
#define free    free_looked_at
#define realloc realloc_looked_at
#include "base/buf.c" /* both in place of the library's */
#include "govern/own_key.c"
#undef free
#undef realloc
#include "base/limits.h"
#include <stdio.h>

enum { TEXT_BYTES = 8192 };

/* Rings by letters: "a", "ba" (b is the newest), "" … */
static struct fernet_ring ring_of(const char *letters)
{
    struct fernet_ring ring = {0};
    for (; letters[ring.count] != '\0'; ring.count++) {
        memset(ring.keys[ring.count].signing, letters[ring.count], 16);
        memset(ring.keys[ring.count].encryption, letters[ring.count] + 1, 16);
    }
    return ring;
}

/* The document with "%s" replaced by `plain` sealed with the first key of `letters`. */
static struct str document(const char *format, const char *plain, const char *letters)
{
    static char text[TEXT_BYTES];
    struct fernet_ring const ring = ring_of(letters);
    struct buf token;
    buf_init(&token, TOKEN_BYTES_MAX);
    assert_int_equal(fernet_encrypt(&ring, str_of(plain), &token), ERR_OK);
    char sealed[TOKEN_BYTES_MAX + 1];
    memcpy(sealed, token.ptr, token.len);
    sealed[token.len] = '\0';
    buf_free(&token);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    assert_in_range(snprintf(text, sizeof text, format, sealed), 1, sizeof text - 1);
#pragma GCC diagnostic pop
    return str_of(text);
}

#define SEALED "{\"provider\":\"p\",\"active\":true,\"api_key_sealed\":\"%s\"}"

static struct own_keys *own_keys;

static void ring_set(const char *letters)
{
    struct fernet_ring const ring = ring_of(letters);
    own_keys_ring(own_keys, &ring);
}

static struct own_key *take(const char *customer, const char *provider)
{
    struct own_key *own_key = NULL;
    struct fault fault = {0};
    assert_int_equal(own_key_take(own_keys, str_of(customer), str_of(provider), &own_key, &fault),
                     ERR_OK);
    return own_key;
}

static void credentials_are(const struct own_key *own_key, const char *plain)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "authorization: Bearer %s\r\n", plain);
    assert_non_null(own_key);
    assert_null(own_key->why);
    assert_true(str_eq(own_key->credentials, str_of(wanted)));
}

static char long_plain[OWN_KEY_BYTES_MAX + 2];

static const struct row {
    const char *sentence, *ring, *format, *plain, *sealed_with;
    const char *why; /* NULL: usable; "-": there is none, the house's key is used */
} rows[] = {
    {"sealed with the only key", "a", SEALED, PLAIN, "a", NULL},
    {"sealed with the newest", "ba", SEALED, PLAIN, "b", NULL},
    {"sealed with an older one", "ba", SEALED, PLAIN, "a", NULL},
    {"sealed with a key that is gone", "b", SEALED, PLAIN, "a", "none of the encryption_keys"},
    {"there are no keys", "", SEALED, PLAIN, "a", "no encryption_keys"},
    {"nothing is sealed", "a", "{\"provider\":\"p\",\"more\":\"%s\"}", PLAIN, "a", "no key"},
    {"something else than a text", "a", "{\"api_key_sealed\":7,\"more\":\"%s\"}", PLAIN, "a",
     "no key"},
    {"an empty text", "a", "{\"api_key_sealed\":\"\",\"more\":\"%s\"}", PLAIN, "a", "no key"},
    {"what nobody sealed", "a", "{\"api_key_sealed\":\"never sealed\",\"more\":\"%s\"}", "x", "a",
     "none of the encryption_keys"},
    {"a damaged token", "a", "{\"api_key_sealed\":\"A%s\"}", PLAIN, "a",
     "none of the encryption_keys"},
    {"a key with a blank", "a", SEALED, "sk plain", "a", "no provider key"},
    {"a key that would be another header", "a", SEALED, "sk\r\nevil: 1", "a", "no provider key"},
    {"a key that is not ASCII", "a", SEALED, "sk-\303\241", "a", "no provider key"},
    {"an empty key", "a", SEALED, "", "a", "no provider key"},
    {"a key that is too long", "a", SEALED, long_plain, "a", "no provider key"},
    {"switched off", "a", "{\"active\":false,\"api_key_sealed\":\"%s\"}", PLAIN, "a", "-"},
    {"switched off, and unreadable", "b", "{\"active\":false,\"api_key_sealed\":\"%s\"}", PLAIN,
     "a", "-"},
    {"not a document", "a", "[\"%s\"]", PLAIN, "a", "no key"},
    {"half a document", "a", "{\"api_key_sealed\":\"%s\"", PLAIN, "a", "cannot be read"},
};

static void check_row(const struct row *row)
{
    struct fault fault = {0};
    own_keys = own_keys_new();
    ring_set(row->ring);
    assert_int_equal(own_keys_has_ring(own_keys), row->ring[0] != '\0');
    own_keys_hear(own_keys, STR("acme/p"), document(row->format, row->plain, row->sealed_with));
    struct own_key *own_key = take("acme", "p");
    print_message("  %s\n", row->sentence);
    if (row->why == NULL) {
        credentials_are(own_key, row->plain);
        assert_int_equal(own_key_permits(own_key, STR(""), STR("m"), &fault), ERR_OK);
    } else if (row->why[0] == '-') {
        assert_null(own_key);
    } else {
        assert_non_null(own_key);
        assert_non_null(strstr(own_key->why, row->why));
        assert_int_equal(own_key->credentials.len, 0);
        assert_int_equal(own_key_permits(own_key, STR(""), STR("m"), &fault), ERR_OWN_KEY_UNUSABLE);
        assert_null(strstr(fault.detail, "sk"));
    }
    own_key_release(own_key);
    own_keys_free(own_keys);
}

static void a_document_and_a_ring_make_credentials(void **state)
{
    (void)state;
    memset(long_plain, 'k', sizeof long_plain - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void each_customer_and_provider_has_its_own(void **state)
{
    (void)state;
    static const char *const others[][2] = {{"acme", "q"}, {"other", "p"}, {"acme", ""},
                                            {"", "p"},     {"acme/p", ""}, {"ACME", "p"}};
    char longest[OBJECT_ID_BYTES_MAX];
    own_keys = own_keys_new();
    assert_null(take("acme", "p")); /* nobody has one */
    ring_set("a");
    own_keys_hear(own_keys, STR("acme/p"), document(SEALED, PLAIN, "a"));
    own_keys_hear(own_keys, STR("acme/q2"), document(SEALED, "sk-second", "a"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(take(others[i][0], others[i][1]));
    struct own_key *second = take("acme", "q2");
    credentials_are(second, "sk-second");
    own_key_release(second);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(take(longest, "p"));                             /* no document has so long an id */
    own_keys_hear(own_keys, STR("acme/never"), (struct str){0}); /* gone before it came */
    own_keys_free(own_keys);
}

static void another_ring_reads_everything_again(void **state)
{
    (void)state;
    static const struct {
        const char *ring;
        bool first, second; /* usable, by sealed with a, with b */
    } steps[] = {{"", false, false}, {"a", true, false},  {"ba", true, true},
                 {"b", false, true}, {"c", false, false}, {"cba", true, true}};
    own_keys = own_keys_new();
    own_keys_hear(own_keys, STR("acme/p"), document(SEALED, PLAIN, "a"));
    own_keys_hear(own_keys, STR("acme/q"), document(SEALED, PLAIN "-b", "b"));
    own_keys_hear(own_keys, STR("acme/off"),
                  document("{\"active\":false,\"api_key_sealed\":\"%s\"}", PLAIN, "a"));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ring_set(steps[i].ring);
        struct own_key *first = take("acme", "p"), *second = take("acme", "q");
        assert_int_equal(first->why == NULL, steps[i].first);
        assert_int_equal(second->why == NULL, steps[i].second);
        if (steps[i].first)
            credentials_are(first, PLAIN);
        if (steps[i].second)
            credentials_are(second, PLAIN "-b");
        assert_null(take("acme", "off"));
        own_key_release(first);
        own_key_release(second);
    }
    own_keys_free(own_keys);
}

/* A call that runs keeps the key that it began with; nobody else gets it any more. */
static void whoever_holds_it_keeps_it(void **state)
{
    (void)state;
    own_keys = own_keys_new();
    ring_set("a");
    own_keys_hear(own_keys, STR("acme/p"), document(SEALED, PLAIN, "a"));
    struct own_key *first = take("acme", "p"), *same = take("acme", "p");
    assert_ptr_equal(first, same);
    own_keys_hear(own_keys, STR("acme/p"), document(SEALED, PLAIN "-new", "a"));
    struct own_key *next = take("acme", "p");
    credentials_are(first, PLAIN);
    credentials_are(next, PLAIN "-new");
    own_key_release(first);
    credentials_are(same, PLAIN);
    own_keys_hear(own_keys, STR("acme/p"), (struct str){0});
    assert_null(take("acme", "p"));
    ring_set("b");
    credentials_are(same, PLAIN);
    credentials_are(next, PLAIN "-new");
    own_key_release(next);
    size_t const freed = blocks_freed;
    own_key_release(same); /* the last one: credentials and entry go */
    assert_int_equal(blocks_freed, freed + 2);
    own_key_release(NULL);
    own_keys_free(own_keys);
}

static void what_is_switched_off(void **state)
{
    (void)state;
    static const struct {
        const char *feature, *model;
        enum err err;
    } asks[] = {
        {"chat", "gpt", ERR_OK},
        {"", "gpt", ERR_OK},
        {"chat", "", ERR_OK},
        {"summary", "gpt", ERR_FEATURE_FORBIDDEN},
        {"chat", "dear", ERR_MODEL_FORBIDDEN},
        {"chat", "l\303\241", ERR_MODEL_FORBIDDEN}, /* escaped in the document */
        {"summary", "dear", ERR_FEATURE_FORBIDDEN},
        {"dear", "summary", ERR_OK},
        {"chat", "dea", ERR_OK},
        {"chat", "Dear", ERR_OK},
    };
    own_keys = own_keys_new();
    ring_set("a");
    own_keys_hear(own_keys, STR("acme/p"),
                  document("{\"api_key_sealed\":\"%s\",\"model\":\"house\\u002dmodel\","
                           "\"models_off\":[\"dear\",7,null,\"l\\u00e1\"],"
                           "\"features_off\":[\"summary\"]}",
                           PLAIN, "a"));
    struct own_key *own_key = take("acme", "p");
    credentials_are(own_key, PLAIN);
    assert_true(str_eq(own_key->model, STR("house-model")));
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct fault fault = {0};
        if (own_key_permits(own_key, str_of(asks[i].feature), str_of(asks[i].model), &fault) !=
            asks[i].err)
            fail_msg("%s, %s", asks[i].feature, asks[i].model);
    }
    own_key_release(own_key);
    own_keys_free(own_keys);
}

static void what_is_sealed_opens_with_its_ring_only(void **state)
{
    (void)state;
    static const struct {
        const char *ring;
        enum err err;
        bool newest;
    } opens[] = {{"a", ERR_OK, true},
                 {"ba", ERR_OK, false},
                 {"ab", ERR_OK, true},
                 {"b", ERR_FIELD_INVALID, true},
                 {"", ERR_FIELD_INVALID, true}};
    struct buf token, plain;
    struct fault fault = {0};
    buf_init(&token, TOKEN_BYTES_MAX);
    buf_init(&plain, TOKEN_BYTES_MAX);
    own_keys = own_keys_new();
    assert_int_equal(own_keys_seal(own_keys, STR(PLAIN), &token, &fault), ERR_FIELD_INVALID);
    assert_non_null(strstr(fault.detail, "encryption_keys"));
    ring_set("a");
    assert_int_equal(own_keys_seal(own_keys, STR("two words"), &token, &fault), ERR_FIELD_INVALID);
    assert_int_equal(own_keys_seal(own_keys, STR(""), &token, &fault), ERR_FIELD_INVALID);
    assert_int_equal(token.len, 0);
    assert_int_equal(own_keys_seal(own_keys, STR(PLAIN), &token, &fault), ERR_OK);
    assert_null(memmem(token.ptr, token.len, PLAIN, sizeof PLAIN - 1));
    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
        bool newest = !opens[i].newest;
        ring_set(opens[i].ring);
        enum err const err = own_keys_open(own_keys, buf_view(&token), &plain, &newest, &fault);
        assert_int_equal(err, opens[i].err);
        if (err == ERR_OK) {
            assert_int_equal(newest, opens[i].newest);
            assert_true(str_eq(buf_view(&plain), STR(PLAIN)));
        }
        wipe(&plain);
        buf_init(&plain, TOKEN_BYTES_MAX);
    }
    buf_free(&token);
    own_keys_free(own_keys);
}

/* After all of the above. */
static void no_block_was_freed_with_a_key_in_it(void **state)
{
    (void)state;
    assert_true(blocks_freed > 100);
    assert_int_equal(blocks_dirty, 0);
    char *const bait = malloc(64); /* the look itself sees */
    memcpy(bait, "....." PLAIN, 5 + sizeof PLAIN);
    free_looked_at(bait);
    assert_int_equal(blocks_dirty, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_and_a_ring_make_credentials),
        cmocka_unit_test(each_customer_and_provider_has_its_own),
        cmocka_unit_test(another_ring_reads_everything_again),
        cmocka_unit_test(whoever_holds_it_keeps_it),
        cmocka_unit_test(what_is_switched_off),
        cmocka_unit_test(what_is_sealed_opens_with_its_ring_only),
        cmocka_unit_test(no_block_was_freed_with_a_key_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
