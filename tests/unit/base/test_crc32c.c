/* test_crc32c.c - the vectors of RFC 3720 B.4 and a slow second opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "base/random.h"
#include <cmocka.h>

/* Bit by bit, straight from the polynomial. */
static uint32_t slow(struct str bytes)
{
    uint32_t sum = 0xffffffff;
    for (size_t i = 0; i < bytes.len; i++) {
        sum ^= (unsigned char)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0x82f63b78u : sum >> 1;
    }
    return ~sum;
}

static void published_vectors_hold(void **state)
{
    (void)state;
    char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, str_make(bytes, sizeof bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, str_make(bytes, sizeof bytes)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    assert_int_equal(crc32c(0, str_make(bytes, sizeof bytes)), 0x46dd794e);
    assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, (struct str){0}), 0);
}

static void any_length_and_any_split_give_the_same_sum(void **state)
{
    (void)state;
    char bytes[100];
    struct random random;
    random_seed(&random, 3);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)random_next(&random);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct str const all = str_make(bytes, len);
        uint32_t const sum = slow(all);
        for (size_t cut = 0; cut <= len; cut++)
            assert_int_equal(crc32c(crc32c(0, str_make(bytes, cut)), str_skip(all, cut)), sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold),
        cmocka_unit_test(any_length_and_any_split_give_the_same_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
