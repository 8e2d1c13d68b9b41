/* money.c - decimal text to integers and back; no floating point anywhere. */
#include "core/money.h"
#include "base/must.h"
#include <string.h>

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

/* The digits of `value`, written backwards from `end`, two a division: a call under a plan has its
 * limits, what is left of them and when they end in eighteen headers. */
static char *digits_before(char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    for (; value >= 10; value /= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
        if (value < 100)
            return end;
    }
    if (value > 0)
        *--end = (char)('0' + value);
    return end;
}

size_t decimal_text(int64_t value, unsigned scale, char out[24])
{
    MUST(scale <= SCALE_MAX);
    char digits[DIGITS_MAX];
    char *const end = digits + sizeof digits;
    char *at = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    while (at > end - scale - 1) /* at least one digit stands before the point */
        *--at = '0';
    size_t const whole = (size_t)(end - at) - scale;
    size_t decimals = scale, len = 0;
    while (decimals > 0 && at[whole + decimals - 1] == '0')
        decimals--;
    if (value < 0)
        out[len++] = '-';
    memcpy(out + len, at, whole);
    len += whole;
    if (decimals == 0)
        return len;
    out[len++] = '.';
    memcpy(out + len, at + whole, decimals);
    return len + decimals;
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
