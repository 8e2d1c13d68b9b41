/* test_totp.c - RFC 6238's vectors, the steps around now, and texts that people type. */
#include "base/random.h"
#include "codec/totp.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const unsigned char secret[TOTP_SECRET_BYTES] = "12345678901234567890";

static void vectors(void **state)
{
    (void)state;
    static const struct { /* RFC 6238 appendix B, the last six of eight digits; RFC 4226 D */
        int64_t now_s;
        const char *code;
    } rows[] = {
        {0, "755224"},           {30, "287082"},         {59, "287082"},
        {60, "359152"},          {270, "520489"},        {1111111109, "081804"},
        {1111111111, "050471"},  {1234567890, "005924"}, {2000000000, "279037"},
        {20000000000, "353130"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char code[TOTP_DIGITS];
        totp_code(secret, rows[i].now_s / 30, code);
        assert_memory_equal(code, rows[i].code, TOTP_DIGITS);
        int64_t last_step = -1;
        assert_true(totp_check(secret, str_of(rows[i].code), rows[i].now_s, &last_step));
        assert_int_equal(last_step, rows[i].now_s / 30);
    }
}

static void steps(void **state)
{
    (void)state;
    enum { STEP = 41152263 }; /* of 1234567890 */
    static const struct {
        const char *what;
        int64_t step, last_step, after; /* of the code; the last good one before and after */
        bool good;
    } rows[] = {
        {"now", STEP, 0, STEP, true},
        {"the step before", STEP - 1, 0, STEP - 1, true},
        {"the step after", STEP + 1, 0, STEP + 1, true},
        {"two before", STEP - 2, 0, 0, false},
        {"two after", STEP + 2, 0, 0, false},
        {"used", STEP, STEP, STEP, false},
        {"older than the last used", STEP - 1, STEP, STEP, false},
        {"newer than the last used", STEP + 1, STEP, STEP + 1, true},
        {"a clock that went back", STEP, STEP + 5, STEP + 5, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char code[TOTP_DIGITS];
        int64_t last_step = rows[i].last_step;
        totp_code(secret, rows[i].step, code);
        bool const good = totp_check(secret, str_make(code, sizeof code), 1234567890, &last_step);
        if (good != rows[i].good || last_step != rows[i].after)
            fail_msg("%s", rows[i].what);
    }
}

static void what_is_no_code(void **state)
{
    (void)state;
    static const char *const rows[] = {"",       "00592",  "0059240", "05924 ", " 05924",
                                       "------", "00592a", "005925",  "005 24"};
    int64_t last_step = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(totp_check(secret, str_of(rows[i]), 1234567890, &last_step));
    assert_false(totp_check(secret, STR("755224"), -1, &last_step));
    assert_int_equal(last_step, 0);
    last_step = -5; /* there is no step -1 */
    char code[TOTP_DIGITS];
    totp_code(secret, -1, code);
    assert_false(totp_check(secret, str_make(code, sizeof code), 0, &last_step));
}

static void secrets_as_text(void **state)
{
    (void)state;
    char text[TOTP_SECRET_TEXT_BYTES];
    unsigned char bytes[TOTP_SECRET_BYTES];
    totp_secret_text(secret, text);
    assert_memory_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", sizeof text);
    assert_true(totp_secret_parse(STR("gezdgnbvgy3tqojqGEZDGNBVGY3TQOJQ"), bytes));
    assert_memory_equal(bytes, secret, sizeof bytes);
    struct random random;
    random_seed(&random, 23);
    for (int i = 0; i < 1000; i++) {
        unsigned char wanted[TOTP_SECRET_BYTES];
        for (size_t k = 0; k < sizeof wanted; k++)
            wanted[k] = (unsigned char)random_below(&random, 256);
        totp_secret_text(wanted, text);
        assert_true(totp_secret_parse(str_make(text, sizeof text), bytes));
        assert_memory_equal(bytes, wanted, sizeof wanted);
    }
    static const char *const bad[] = {
        "",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ",   /* short */
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQA", /* long */
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ=",  /* padding */
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",  /* 0, 1, 8, 9 are no digits */
        "0EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "GEZDGNBV GY3TQOJQGEZDGNBVGY3TQOJ",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO\xc3\xa7",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(totp_secret_parse(str_of(bad[i]), bytes));
}

static void links(void **state)
{
    (void)state;
    static const char wanted[] = "otpauth://totp/Cota%20%C3%A7:ana%2Bx%40example.org?secret="
                                 "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Cota%20%C3%A7";
    enum { LEN = sizeof wanted - 1 };
    char out[LEN + 1];
    for (size_t size = 0; size <= sizeof out; size++) {
        memset(out, '!', sizeof out);
        size_t const len =
            totp_uri(STR("Cota \xc3\xa7"), STR("ana+x@example.org"), secret, out, size);
        assert_int_equal(len, size >= LEN ? LEN : 0);
        if (len > 0)
            assert_memory_equal(out, wanted, LEN);
        if (size < sizeof out)
            assert_int_equal(out[size], '!'); /* nothing behind it */
    }
    char plain[128];
    size_t const len = totp_uri(STR("a:b&c"), STR("x-._~9"), secret, plain, sizeof plain);
    assert_true(
        str_eq(str_make(plain, len), STR("otpauth://totp/a%3Ab%26c:x-._~9?secret="
                                         "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=a%3Ab%26c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),         cmocka_unit_test(steps),
        cmocka_unit_test(what_is_no_code), cmocka_unit_test(secrets_as_text),
        cmocka_unit_test(links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
