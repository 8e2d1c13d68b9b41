/* test_fernet.c - the published vectors, every bit of a token, time, rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/base64.h"
#include "codec/fernet.h"
#include <cmocka.h>

/* Facts of github.com/fernet/spec: 1985-10-26T01:20:00-07:00, an IV of 0 … 15, "hello". */
enum { BORN_S = 499162800 };
static const char key_text[] = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
static const char token_text[] =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhu"
    "VUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

static struct fernet_ring ring_of(const char *text)
{
    struct fernet_ring ring = {.count = 1};
    assert_int_equal(fernet_key_parse(str_of(text), &ring.keys[0]), ERR_OK);
    return ring;
}

static enum err decrypt(const struct fernet_ring *ring, struct str token, int64_t ttl_s,
                        int64_t now_s)
{
    struct buf plain;
    buf_init(&plain, 1 << 16);
    enum err const err = fernet_decrypt(ring, token, ttl_s, now_s, &plain, NULL);
    if (err != ERR_OK)
        assert_int_equal(plain.len, 0);
    buf_free(&plain);
    return err;
}

static void the_published_token_is_made_and_read(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    unsigned char iv[16];
    for (unsigned char i = 0; i < 16; i++)
        iv[i] = i;
    struct buf token, plain;
    buf_init(&token, 1024);
    buf_init(&plain, 1024);
    assert_int_equal(fernet_encrypt_at(&ring.keys[0], STR("hello"), BORN_S, iv, &token), ERR_OK);
    assert_true(str_eq(buf_view(&token), STR(token_text)));
    size_t used = 99;
    assert_int_equal(fernet_decrypt(&ring, STR(token_text), 60, BORN_S + 1, &plain, &used), ERR_OK);
    assert_true(str_eq(buf_view(&plain), STR("hello")));
    assert_int_equal(used, 0);
    /* both add to what is there */
    assert_int_equal(fernet_decrypt(&ring, STR(token_text), 60, BORN_S + 1, &plain, &used), ERR_OK);
    assert_true(str_eq(buf_view(&plain), STR("hellohello")));
    buf_free(&token);
    buf_free(&plain);
}

static void time_is_checked_when_an_age_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t ttl_s, now_s;
        bool valid;
    } cases[] = {
        {"just made", 60, BORN_S, true},
        {"as old as it may be", 60, BORN_S + 60, true},
        {"a second too old", 60, BORN_S + 61, false},
        {"no age given, very old", -1, BORN_S + (INT64_C(1) << 40), true},
        {"no age given, from the future", -1, 0, true},
        {"the longest age", INT64_MAX, INT64_MAX, true},
        {"as far in the future as clocks may differ", 60, BORN_S - 60, true},
        {"too far in the future", 60, BORN_S - 61, false},
        {"a clock before 1970", 60, -5, false},
        {"an age of nothing, at once", 0, BORN_S, true},
        {"an age of nothing, a second later", 0, BORN_S + 1, false},
    };
    struct fernet_ring const ring = ring_of(key_text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum err const err = decrypt(&ring, STR(token_text), cases[i].ttl_s, cases[i].now_s);
        if (err != (cases[i].valid ? ERR_OK : ERR_FIELD_INVALID))
            fail_msg("%s", cases[i].name);
    }
}

static void a_time_beyond_counting_is_the_future(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    unsigned char const iv[16] = {0};
    struct buf token;
    buf_init(&token, 1024);
    assert_int_equal(fernet_encrypt_at(&ring.keys[0], STR("x"), -1, iv, &token), ERR_OK);
    assert_int_equal(decrypt(&ring, buf_view(&token), 60, INT64_MAX), ERR_FIELD_INVALID);
    assert_int_equal(decrypt(&ring, buf_view(&token), -1, 0), ERR_OK);
    buf_free(&token);
}

static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    char raw[128], text[128];
    size_t len;
    assert_true(base64_decode(STR(token_text), BASE64_URL, true, raw, sizeof raw, &len));
    for (size_t bit = 0; bit < len * 8; bit++) {
        raw[bit / 8] = (char)(raw[bit / 8] ^ 1 << bit % 8);
        base64_encode(str_make(raw, len), BASE64_URL, text);
        if (decrypt(&ring, str_make(text, base64_encoded_len(len)), -1, 0) != ERR_FIELD_INVALID)
            fail_msg("bit %zu is not protected", bit);
        raw[bit / 8] = (char)(raw[bit / 8] ^ 1 << bit % 8);
    }
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    for (size_t len = 0; len + 1 < sizeof token_text; len++)
        assert_int_equal(decrypt(&ring, str_make(token_text, len), -1, 0), ERR_FIELD_INVALID);
}

/* The specification's list of invalid tokens; several have the right HMAC over bad content. */
static void published_bad_tokens_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *token;
    } cases[] = {
        {"incorrect mac",
         "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKt"
         "wcaX1YdykQUFBQUFBQUFBQQ=="},
        {"too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=="},
        {"invalid base64",
         "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8A"
         "KtwcaX1YdykRtfsH-p1YsUD2Q=="},
        {"not a multiple of a block",
         "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9"
         "uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm"},
        {"bad padding",
         "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FW"
         "ke6CnJNYIbkuKNqOhw=="},
        {"far future",
         "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2"
         "Xc2a6kBd-iX9b_qXQcw=="},
        {"incorrect IV",
         "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv4"
         "9TF2AUEZ1TIvcZjK1zQ=="},
        {"without its padding",
         "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhu"
         "VUPgJobwOz7JcbmrR64jVmpU4IwqDA"},
        {"standard base64", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ/eEwCGM4BLLF/5CV9dOPmrhu"
                            "VUPgJobwOz7JcbmrR64jVmpU4IwqDA=="},
    };
    struct fernet_ring const ring = ring_of(key_text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (decrypt(&ring, str_of(cases[i].token), 60, BORN_S + 1) != ERR_FIELD_INVALID)
            fail_msg("%s", cases[i].name);
}

/* Signed with the right key (32 zeros), so that only the check in question can refuse it. */
static void content_is_checked_behind_the_signature(void **state)
{
    (void)state;
    static const struct {
        const char *name, *token;
        enum err err;
    } cases[] = {
        {"the same, well made",
         "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJg07VGMvI--mvPG7LdeuMBI1w7_888lJm-2adk6cTWIKKEE6vf61WWe_"
         "7gBeb48kQ==",
         ERR_OK},
        {"another version",
         "gQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJg07VGMvI--mvPG7LdeuMAqTx82UFqr4bMdLGXnVsPVkeilZA-"
         "wldQvMK6wNS9XJw==",
         ERR_FIELD_INVALID},
        {"no block at all",
         "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJS21Gbi9iuhhbZcru7ebIATauDfXGyim9QdJKXncfRb",
         ERR_FIELD_INVALID},
        {"padding of zero bytes",
         "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGbpS9Tviiw7iEz6Wco0Ky6UmLmgAnj-AclgUZyKfY3BfAxlcBvAJLJV_"
         "R8cMSTUOQ==",
         ERR_FIELD_INVALID},
        {"padding longer than a block",
         "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP-jx-0EcQuYBn2uaBXidR9XWWHb7BD_"
         "rOiPLx3AtXlqWLFfve6Sbmk1nYqA4b-t4n3EXbRkihjjA6rxtSdPwts=",
         ERR_FIELD_INVALID},
        {"padding of unequal bytes",
         "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOYt4IRGkVWszkSVr10_23pm14BtYqIe_-6fmFNDPNWuE9-"
         "2erg2nXBXDNGLCYu1Nw==",
         ERR_FIELD_INVALID},
    };
    struct fernet_ring const ring = {.count = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (decrypt(&ring, str_of(cases[i].token), -1, 0) != cases[i].err)
            fail_msg("%s", cases[i].name);
}

static void every_length_comes_back(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    char text[300];
    for (size_t len = 0; len < sizeof text; len++) {
        struct buf token, plain;
        text[len] = (char)(len * 7);
        buf_init(&token, 1024);
        buf_init(&plain, 1024);
        assert_int_equal(fernet_encrypt(&ring, str_make(text, len), &token), ERR_OK);
        assert_int_equal(fernet_decrypt(&ring, buf_view(&token), -1, 0, &plain, NULL), ERR_OK);
        assert_true(str_eq(buf_view(&plain), str_make(text, len)));
        buf_free(&token);
        buf_free(&plain);
    }
}

static void keys_rotate(void **state)
{
    (void)state;
    char text[3][FERNET_KEY_TEXT_BYTES];
    struct fernet_ring old = {.count = 1}, ring = {.count = 3};
    for (size_t i = 0; i < 3; i++) {
        fernet_key_make(text[i]);
        assert_int_equal(fernet_key_parse(str_make(text[i], sizeof text[i]), &ring.keys[i]),
                         ERR_OK);
    }
    old.keys[0] = ring.keys[2];
    struct buf token, plain;
    buf_init(&token, 1024);
    buf_init(&plain, 1024);
    size_t used = 99;
    assert_int_equal(fernet_encrypt(&old, STR("kept"), &token), ERR_OK);
    assert_int_equal(fernet_decrypt(&ring, buf_view(&token), 60, INT64_MAX, &plain, &used),
                     ERR_FIELD_INVALID);
    assert_int_equal(fernet_decrypt(&ring, buf_view(&token), -1, 0, &plain, &used), ERR_OK);
    assert_int_equal(used, 2);
    ring.count = 2; /* the oldest key is dropped */
    assert_int_equal(decrypt(&ring, buf_view(&token), -1, 0), ERR_FIELD_INVALID);
    buf_clear(&token);
    assert_int_equal(fernet_encrypt(&ring, STR("kept"), &token), ERR_OK);
    assert_int_equal(fernet_decrypt(&ring, buf_view(&token), -1, 0, &plain, &used), ERR_OK);
    assert_int_equal(used, 0); /* the newest encrypts */
    ring.count = 0;
    assert_int_equal(decrypt(&ring, buf_view(&token), -1, 0), ERR_FIELD_INVALID);
    fernet_ring_wipe(&ring);
    static const struct fernet_ring zero;
    assert_memory_equal(&ring, &zero, sizeof zero);
    buf_free(&token);
    buf_free(&plain);
}

static void keys_are_44_letters(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool valid;
    } cases[] = {
        {"the published key", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", true},
        {"no padding", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4", false},
        {"standard base64", "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=", false},
        {"33 bytes", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4A", false},
        {"31 bytes", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4Q==", false},
        {"trailing bits", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=", false},
        {"a line end", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\n", false},
        {"nothing", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fernet_key key;
        if ((fernet_key_parse(str_of(cases[i].text), &key) == ERR_OK) != cases[i].valid)
            fail_msg("%s", cases[i].name);
    }
}

static void a_full_buffer_is_said(void **state)
{
    (void)state;
    struct fernet_ring const ring = ring_of(key_text);
    struct buf out;
    buf_init(&out, 20);
    assert_int_equal(fernet_encrypt(&ring, STR("x"), &out), ERR_TOO_LARGE);
    assert_int_equal(fernet_decrypt(&ring, STR(token_text), -1, 0, &out, NULL), ERR_TOO_LARGE);
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_token_is_made_and_read),
        cmocka_unit_test(time_is_checked_when_an_age_is_given),
        cmocka_unit_test(a_time_beyond_counting_is_the_future),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(published_bad_tokens_are_refused),
        cmocka_unit_test(content_is_checked_behind_the_signature),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(keys_rotate),
        cmocka_unit_test(keys_are_44_letters),
        cmocka_unit_test(a_full_buffer_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
