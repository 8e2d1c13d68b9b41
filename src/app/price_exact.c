/* price_exact.c - digits and the place of the point. */
#include "app/price_exact.h"

enum { DIGITS_MAX = 64, WHOLE_MAX = 9, FRACTION_MAX = 6, EXPONENT_MAX = 999, MILLION_DIGITS = 6 };

struct digits {
    char digits[DIGITS_MAX]; /* without leading zeros */
    int count, point;        /* value = 0.digits x 10^point */
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool read_digits(struct str *rest, struct digits *number)
{
    bool any = false, fraction = false;
    for (; rest->len > 0; *rest = str_skip(*rest, 1)) {
        char const byte = rest->ptr[0];
        if (byte == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (!is_digit(byte))
            break;
        any = true;
        if (number->count == 0 && byte == '0') {
            number->point -= fraction;
            continue;
        }
        if (number->count == DIGITS_MAX)
            return false;
        number->digits[number->count++] = byte;
        number->point += !fraction;
    }
    return any;
}

static bool read_exponent(struct str rest, int *exponent)
{
    bool const minus = rest.len > 1 && rest.ptr[1] == '-';
    *exponent = 0;
    if (rest.len == 0)
        return true;
    if ((rest.ptr[0] | 0x20) != 'e')
        return false;
    rest = str_skip(rest, rest.len > 1 && (minus || rest.ptr[1] == '+') ? 2 : 1);
    if (rest.len == 0)
        return false;
    for (; rest.len > 0; rest = str_skip(rest, 1)) {
        if (!is_digit(rest.ptr[0]) || *exponent > EXPONENT_MAX)
            return false;
        *exponent = *exponent * 10 + (rest.ptr[0] - '0');
    }
    *exponent = minus ? -*exponent : *exponent;
    return true;
}

enum price_exact price_per_million(struct str per_token, char out[PRICE_TEXT_BYTES],
                                   struct str *text)
{
    struct digits number = {0};
    int exponent;
    size_t len = 0;
    if (!read_digits(&per_token, &number) || !read_exponent(per_token, &exponent))
        return PRICE_NO_NUMBER;
    while (number.count > 0 && number.digits[number.count - 1] == '0')
        number.count--;
    int const point = number.count > 0 ? number.point + exponent + MILLION_DIGITS : 0;
    if (point > WHOLE_MAX)
        return PRICE_TOO_LARGE;
    if (number.count - point > FRACTION_MAX)
        return PRICE_TOO_FINE;
    if (point <= 0)
        out[len++] = '0';
    for (int i = 0; i < point; i++)
        out[len++] = i < number.count ? number.digits[i] : '0';
    if (number.count > point)
        out[len++] = '.';
    for (int i = point; i < number.count; i++)
        out[len++] = i < 0 ? '0' : number.digits[i];
    *text = str_make(out, len);
    return PRICE_EXACT;
}
