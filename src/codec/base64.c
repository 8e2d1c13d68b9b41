/* base64.c - three bytes to four characters and back. */
#include "codec/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(struct str bytes, enum base64_alphabet alphabet, char *out)
{
    const char *const letters = alphabet == BASE64_URL ? url : standard;
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t const count = bytes.len - at < 3 ? bytes.len - at : 3;
        unsigned group = 0;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < count ? (unsigned char)bytes.ptr[at + i] : 0u);
        *out++ = letters[group >> 18];
        *out++ = letters[group >> 12 & 63];
        *out++ = count > 1 ? letters[group >> 6 & 63] : '=';
        *out++ = count > 2 ? letters[group & 63] : '=';
    }
}

/* The six bits of a letter, or -1. */
static int sextet(unsigned char letter, enum base64_alphabet alphabet)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    if (letter == (alphabet == BASE64_URL ? '-' : '+'))
        return 62;
    return letter == (alphabet == BASE64_URL ? '_' : '/') ? 63 : -1;
}

/* Cuts the padding off; false when it is not what `padded` asks for. */
static bool unpad(struct str *text, bool padded)
{
    if (!padded)
        return text->len % 4 != 1;
    if (text->len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text->len > 0 && text->ptr[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

bool base64_decode(struct str text, enum base64_alphabet alphabet, bool padded, void *out,
                   size_t out_size, size_t *len)
{
    unsigned char *bytes = out;
    if (!unpad(&text, padded))
        return false;
    size_t const count = text.len / 4 * 3 + (text.len % 4 ? text.len % 4 - 1 : 0);
    if (count > out_size)
        return false;
    unsigned group = 0, bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int const six = sextet((unsigned char)text.ptr[i], alphabet);
        if (six < 0)
            return false;
        group = (group << 6 | (unsigned)six) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *bytes++ = (unsigned char)(group >> bits);
        }
    }
    *len = count;
    return (group & ((1u << bits) - 1)) == 0; /* one text for one value: the rest is zero */
}
