/* json_int.h - what the json files share: plain runs of a string, white space, hex digits. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_space(unsigned char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* May the byte stand in a string as it is, without another look? */
static inline bool json_is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Are all eight plain? Exact: a borrow can only come out of a byte that is not plain. */
static inline bool json_all_plain(const unsigned char *at)
{
    uint64_t const ones = 0x0101010101010101u;
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t const quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t const odd =
        word | (word - ones * 0x20) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    return (odd & ones * 0x80) == 0;
}

/* The first byte from `at` on that is not plain; `end` when all are. */
static inline const unsigned char *json_plain_end(const unsigned char *at, const unsigned char *end)
{
#ifdef __SSE2__
    __m128i const space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'),
                  backslash = _mm_set1_epi8('\\');
    while (end - at >= 16) {
        __m128i const bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* a signed comparison: bytes outside ASCII are negative and fall below the space too */
        __m128i const odd = _mm_or_si128(
            _mm_cmplt_epi8(bytes, space),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        unsigned const mask = (unsigned)_mm_movemask_epi8(odd);
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (end - at >= 8 && json_all_plain(at))
        at += 8;
    while (at < end && json_is_plain(*at))
        at++;
    return at;
}

/* The first quote or backslash from `at` on; `end` when there is none. */
static inline const char *json_quote_or_slash(const char *at, const char *end)
{
#ifdef __SSE2__
    __m128i const quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    while (end - at >= 16) {
        __m128i const bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned const mask = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The value of four hexadecimal digits, or -1. */
static inline int json_hex4(const unsigned char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char const byte = at[i], letter = byte | 0x20;
        int digit;
        if (byte >= '0' && byte <= '9')
            digit = byte - '0';
        else if (letter >= 'a' && letter <= 'f')
            digit = letter - 'a' + 10;
        else
            return -1;
        value = value << 4 | digit;
    }
    return value;
}
