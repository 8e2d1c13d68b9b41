/* totp.c - HMAC-SHA1 of the step, cut to six digits; base32; the link that apps read as a QR code.
 *
 * Why:   a code that was used is a code that was seen: only a step after the last good one counts.
 */
#include "codec/totp.h"
#include "base/must.h"
#include "base/secret.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { STEP_SECONDS = 30, STEPS_ASIDE = 1, SHA1_BYTES = 20, CODES = 1000000 };

void totp_code(const unsigned char secret[TOTP_SECRET_BYTES], int64_t step, char code[TOTP_DIGITS])
{
    unsigned char counter[8], mac[SHA1_BYTES];
    unsigned mac_len = 0;
    for (int i = 0; i < 8; i++)
        counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
    if (!HMAC(EVP_sha1(), secret, TOTP_SECRET_BYTES, counter, sizeof counter, mac, &mac_len)) {
        memset(code, '-', TOTP_DIGITS); /* no memory: a code that nobody can type */
        return;
    }
    MUST(mac_len == SHA1_BYTES);
    size_t const at = mac[SHA1_BYTES - 1] & 15u; /* RFC 4226 5.3: dynamic truncation */
    uint32_t const number = (mac[at] & 0x7fu) << 24 | (uint32_t)mac[at + 1] << 16 |
                            (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    uint32_t rest = number % CODES;
    for (int i = TOTP_DIGITS - 1; i >= 0; i--, rest /= 10)
        code[i] = (char)('0' + rest % 10);
    secret_zero(mac, sizeof mac);
}

static bool all_digits(struct str code)
{
    for (size_t i = 0; i < code.len; i++)
        if (code.ptr[i] < '0' || code.ptr[i] > '9')
            return false;
    return code.len == TOTP_DIGITS;
}

bool totp_check(const unsigned char secret[TOTP_SECRET_BYTES], struct str code, int64_t now_s,
                int64_t *last_step)
{
    if (now_s < 0 || !all_digits(code))
        return false;
    int64_t const now_step = now_s / STEP_SECONDS;
    int64_t good = -1;
    /* Every step is computed and compared, whichever fits. */
    for (int64_t step = now_step - STEPS_ASIDE; step <= now_step + STEPS_ASIDE; step++) {
        char wanted[TOTP_DIGITS];
        totp_code(secret, step, wanted);
        bool const fits = secret_equal(str_make(wanted, TOTP_DIGITS), code);
        secret_zero(wanted, sizeof wanted);
        bool const counts = fits & (step >= 0) & (step > *last_step);
        good = counts ? step : good;
    }
    if (good < 0)
        return false;
    *last_step = good;
    return true;
}

/* --- base32: 20 bytes are 32 characters, without padding and without spare bits ------------------
 */
_Static_assert(TOTP_SECRET_BYTES * 8 == TOTP_SECRET_TEXT_BYTES * 5, "no padding");

void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES],
                      char text[TOTP_SECRET_TEXT_BYTES])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned bits = 0;
    size_t bit_count = 0, out = 0;
    for (size_t i = 0; i < TOTP_SECRET_BYTES; i++) {
        bits = (bits << 8 | secret[i]) & 0xfff; /* four left over and eight more */
        for (bit_count += 8; bit_count >= 5; bit_count -= 5)
            text[out++] = alphabet[bits >> (bit_count - 5) & 31];
    }
    MUST(out == TOTP_SECRET_TEXT_BYTES);
}

static int base32_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z') /* people type it */
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

bool totp_secret_parse(struct str text, unsigned char secret[TOTP_SECRET_BYTES])
{
    unsigned bits = 0;
    size_t bit_count = 0, out = 0;
    if (text.len != TOTP_SECRET_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int const value = base32_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = (bits << 5 | (unsigned)value) & 0xfff;
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            secret[out++] = (unsigned char)(bits >> bit_count);
        }
    }
    MUST(out == TOTP_SECRET_BYTES);
    return true;
}

/* --- link ------------------------------------------------------------------------------------ */
/* Text with a limit; once something did not fit, nothing does. */
struct link {
    char *out;
    size_t len, size;
    bool full;
};

static void add_char(struct link *link, char c)
{
    link->full = link->len == link->size;
    if (!link->full)
        link->out[link->len++] = c;
}

static void add(struct link *link, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        add_char(link, text.ptr[i]);
}

static bool is_unreserved(char c) /* RFC 3986 2.3 */
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct link *link, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char const byte = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i])) {
            add_char(link, text.ptr[i]);
            continue;
        }
        add_char(link, '%');
        add_char(link, digits[byte >> 4]);
        add_char(link, digits[byte & 15]);
    }
}

size_t totp_uri(struct str issuer, struct str account,
                const unsigned char secret[TOTP_SECRET_BYTES], char *out, size_t out_size)
{
    char secret_text[TOTP_SECRET_TEXT_BYTES];
    struct link link = {.out = out, .size = out_size};
    totp_secret_text(secret, secret_text);
    add(&link, STR("otpauth://totp/"));
    add_encoded(&link, issuer);
    add_char(&link, ':');
    add_encoded(&link, account);
    add(&link, STR("?secret="));
    add(&link, str_make(secret_text, sizeof secret_text));
    add(&link, STR("&issuer="));
    add_encoded(&link, issuer);
    secret_zero(secret_text, sizeof secret_text);
    if (!link.full)
        return link.len;
    secret_zero(out, out_size); /* a part of the secret is of no use */
    return 0;
}
