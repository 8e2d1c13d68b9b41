/* utf8_int.h - one step of UTF-8, for the files of codec/ alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

static inline bool utf8_is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Three bytes: no overlong form (E0 80…9F), no surrogate (ED A0…BF). */
static inline bool utf8_three(const unsigned char *at)
{
    if (!utf8_is_tail(at[1]) || !utf8_is_tail(at[2]))
        return false;
    return at[0] == 0xe0 ? at[1] >= 0xa0 : at[0] != 0xed || at[1] < 0xa0;
}

/* Four bytes: no overlong form (F0 80…8F), nothing above U+10FFFF (F4 90…BF). */
static inline bool utf8_four(const unsigned char *at)
{
    if (!utf8_is_tail(at[1]) || !utf8_is_tail(at[2]) || !utf8_is_tail(at[3]))
        return false;
    return at[0] == 0xf0 ? at[1] >= 0x90 : at[0] != 0xf4 || at[1] < 0x90;
}

/* Length of the character at `at` (left > 0), 0 when it is not valid or not whole. */
static inline size_t utf8_step(const unsigned char *at, size_t left)
{
    unsigned char const first = at[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return left >= 2 && utf8_is_tail(at[1]) ? 2 : 0;
    if (first < 0xf0)
        return left >= 3 && utf8_three(at) ? 3 : 0;
    return left >= 4 && utf8_four(at) ? 4 : 0;
}
