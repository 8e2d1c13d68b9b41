/* test_base64.c - RFC 4648, strictly: one text for one value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "codec/base64.h"
#include <cmocka.h>

static void the_vectors_of_rfc_4648_hold(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
        size_t bare; /* length of the text without its padding */
    } cases[] = {
        {"", "", 0},
        {"f", "Zg==", 2},
        {"fo", "Zm8=", 3},
        {"foo", "Zm9v", 4},
        {"foob", "Zm9vYg==", 6},
        {"fooba", "Zm9vYmE=", 7},
        {"foobar", "Zm9vYmFy", 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str const bytes = str_of(cases[i].bytes), text = str_of(cases[i].text);
        char out[16];
        size_t len;
        assert_int_equal(base64_encoded_len(bytes.len), text.len);
        base64_encode(bytes, BASE64_STANDARD, out);
        assert_true(str_eq(str_make(out, text.len), text));
        assert_true(base64_decode(text, BASE64_STANDARD, true, out, sizeof out, &len));
        assert_true(str_eq(str_make(out, len), bytes));
        struct str const bare = str_make(text.ptr, cases[i].bare);
        assert_true(base64_decode(bare, BASE64_URL, false, out, sizeof out, &len));
        assert_true(str_eq(str_make(out, len), bytes));
        assert_int_equal(base64_decode(text, BASE64_URL, false, out, sizeof out, &len),
                         bare.len == text.len); /* padding where none may be */
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum base64_alphabet alphabet;
        bool padded, valid;
    } cases[] = {
        {"both letters of the standard alphabet", "+/+/", BASE64_STANDARD, true, true},
        {"both letters of the URL alphabet", "-_-_", BASE64_URL, true, true},
        {"the other alphabet's 62", "-AAA", BASE64_STANDARD, true, false},
        {"the other alphabet's 63", "A_AA", BASE64_STANDARD, true, false},
        {"standard letters in URL", "+AAA", BASE64_URL, true, false},
        {"a slash in URL", "AAA/", BASE64_URL, true, false},
        {"padding is missing", "Zg", BASE64_STANDARD, true, false},
        {"padding is short", "Zg=", BASE64_STANDARD, true, false},
        {"one letter", "A", BASE64_STANDARD, false, false},
        {"five letters", "AAAAA", BASE64_URL, false, false},
        {"three letters are padding", "A===", BASE64_STANDARD, true, false},
        {"only padding", "====", BASE64_STANDARD, true, false},
        {"padding inside", "Zg==Zg==", BASE64_STANDARD, true, false},
        {"padding before a letter", "Zg=v", BASE64_STANDARD, true, false},
        {"trailing bits, two letters", "Zh==", BASE64_STANDARD, true, false},
        {"trailing bits, three letters", "Zm9=", BASE64_STANDARD, true, false},
        {"trailing bits without padding", "Zh", BASE64_URL, false, false},
        {"white space", "Zm9v\n", BASE64_STANDARD, true, false},
        {"white space inside", "Zm 9", BASE64_STANDARD, true, false},
        {"not ASCII",
         "\xc3\xa9"
         "AA",
         BASE64_STANDARD, true, false},
        {"a dot", "AAA.", BASE64_URL, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[16];
        size_t len;
        if (base64_decode(str_of(cases[i].text), cases[i].alphabet, cases[i].padded, out,
                          sizeof out, &len) != cases[i].valid)
            fail_msg("%s", cases[i].name);
    }
}

static void the_output_never_passes_its_size(void **state)
{
    (void)state;
    char out[8] = "--------";
    size_t len = 0;
    assert_false(base64_decode(STR("Zm9vYmFy"), BASE64_STANDARD, true, out, 5, &len));
    assert_memory_equal(out, "--------", 8);
    assert_true(base64_decode(STR("Zm9vYmFy"), BASE64_STANDARD, true, out, 6, &len));
    assert_memory_equal(out, "foobar--", 8);
    assert_int_equal(len, 6);
    assert_true(base64_decode((struct str){0}, BASE64_URL, true, out, 0, &len));
    assert_int_equal(len, 0);
}

static void random_bytes_come_back(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 11);
    for (size_t count = 0; count < 200; count++) {
        char bytes[200], text[300], back[200];
        size_t len;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (char)random_next(&random);
        for (int alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
            enum base64_alphabet const letters = (enum base64_alphabet)alphabet;
            base64_encode(str_make(bytes, count), letters, text);
            struct str const encoded = str_make(text, base64_encoded_len(count));
            assert_true(base64_decode(encoded, letters, true, back, sizeof back, &len));
            assert_true(str_eq(str_make(back, len), str_make(bytes, count)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(the_output_never_passes_its_size),
        cmocka_unit_test(random_bytes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
