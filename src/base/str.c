/* str.c - the few questions about a view that are more than a line. */
#include "base/str.h"

static unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

/* Eight bytes at once, A-Z made small: a carry into bit 7 says that a letter is at least A, and
 * that it is beyond Z; bytes outside ASCII stay as they are. */
static uint64_t lower_word(uint64_t word)
{
    uint64_t const ones = 0x0101010101010101u;
    uint64_t const low = word & ones * 0x7f;
    uint64_t const from_a = low + ones * (0x80 - 'A'), beyond_z = low + ones * (0x7f - 'Z');
    return word | ((from_a ^ beyond_z) & ~word & ones * 0x80) >> 2;
}

static uint64_t eight(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return lower_word(word);
}

/* Four to eight bytes: the first four and the last four, which may overlap. */
static uint64_t few(const char *at, size_t len)
{
    uint32_t first, last;
    memcpy(&first, at, sizeof first);
    memcpy(&last, at + len - sizeof last, sizeof last);
    return lower_word((uint64_t)last << 32 | first);
}

bool str_same_nocase(const char *a, const char *b, size_t len)
{
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8)
            if (eight(a + at) != eight(b + at))
                return false;
        return eight(a + len - 8) == eight(b + len - 8);
    }
    if (len >= 4)
        return few(a, len) == few(b, len);
    for (size_t i = 0; i < len; i++)
        if (lower((unsigned char)a[i]) != lower((unsigned char)b[i]))
            return false;
    return true;
}

size_t str_find(struct str text, struct str needle)
{
    if (needle.len == 0)
        return 0;
    if (text.len < needle.len)
        return text.len;
    const char *at = memmem(text.ptr, text.len, needle.ptr, needle.len);
    return at ? (size_t)(at - text.ptr) : text.len;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct str str_trim(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool str_to_i64(struct str text, int64_t *value)
{
    if (text.len == 0)
        return false;
    int64_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, (int64_t)10, &sum) ||
            __builtin_add_overflow(sum, (int64_t)(text.ptr[i] - '0'), &sum))
            return false;
    }
    *value = sum;
    return true;
}
