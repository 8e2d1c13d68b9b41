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

/* Takes digits off the front of *text into *sum; past `max` of them only zeros are allowed.
 * Returns how many there were, -1 when they do not fit. */
static int64_t take_digits(struct str *text, size_t max, int64_t *sum)
{
    size_t count = 0;
    while (count < text->len && is_digit(text->ptr[count])) {
        int const digit = text->ptr[count] - '0';
        if (count >= max ? digit != 0 : !push_digit(sum, digit))
            return -1;
        count++;
    }
    *text = str_skip(*text, count);
    return (int64_t)count;
}

bool decimal_parse(struct str text, unsigned scale, int64_t *value)
{
    MUST(scale <= SCALE_MAX);
    int64_t sum = 0, decimals = 0;
    bool const negative = str_starts(text, STR("-"));
    text = str_skip(text, negative ? 1 : 0);
    if (take_digits(&text, SIZE_MAX, &sum) <= 0)
        return false;
    if (str_starts(text, STR("."))) {
        text = str_skip(text, 1);
        decimals = take_digits(&text, scale, &sum);
        if (decimals <= 0)
            return false;
    }
    if (!str_empty(text))
        return false;
    for (int64_t i = decimals; i < (int64_t)scale; i++)
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
