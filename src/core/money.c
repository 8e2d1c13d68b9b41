/* money.c - decimal text to integers and back; no floating point anywhere. */
#include "core/money.h"
#include "base/must.h"

enum { SCALE_MAX = 18, DIGITS_MAX = 20 };

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* *value = *value x 10 + digit, kept within int64 on the negative side (which reaches further). */
static bool push_digit(int64_t *value, int digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_sub_overflow(*value, digit, value);
}

bool decimal_parse(struct str text, unsigned scale, int64_t *value)
{
    MUST(scale <= SCALE_MAX);
    bool const negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = negative ? 1 : 0, whole = 0, decimals = 0;
    int64_t sum = 0;
    for (; at < text.len && is_digit(text.ptr[at]); at++, whole++)
        if (!push_digit(&sum, text.ptr[at] - '0'))
            return false;
    if (whole == 0)
        return false;
    if (at < text.len && text.ptr[at] == '.') {
        for (at++; at < text.len && is_digit(text.ptr[at]); at++, decimals++)
            if (decimals >= scale ? text.ptr[at] != '0' : !push_digit(&sum, text.ptr[at] - '0'))
                return false;
        if (decimals == 0)
            return false;
    }
    if (at != text.len)
        return false;
    for (size_t i = decimals; i < scale; i++)
        if (!push_digit(&sum, 0))
            return false;
    if (!negative && sum == INT64_MIN)
        return false;
    *value = negative ? sum : -sum;
    return true;
}

size_t decimal_text(int64_t value, unsigned scale, char out[24])
{
    MUST(scale <= SCALE_MAX);
    char digits[DIGITS_MAX];
    size_t count = 0, len = 0, skipped = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    while (rest > 0 || count <= scale) { /* lowest digit first, at least one before the point */
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    while (skipped < scale && digits[skipped] == '0')
        skipped++;
    if (value < 0)
        out[len++] = '-';
    for (size_t i = count; i > skipped; i--) {
        out[len++] = digits[i - 1];
        if (i - 1 == scale && skipped < scale)
            out[len++] = '.';
    }
    return len;
}

int64_t mul_div_ceil(int64_t a, int64_t b, int64_t c)
{
    MUST(a >= 0 && b >= 0);
    MUST(c > 0);
    unsigned __int128 const product = (unsigned __int128)a * (unsigned __int128)b;
    unsigned __int128 const divisor = (unsigned __int128)c;
    unsigned __int128 const result = (product + divisor - 1) / divisor;
    return result > INT64_MAX ? INT64_MAX : (int64_t)result;
}
