/* utf8.c - eight ASCII bytes a step, one character a step otherwise. */
#include "codec/utf8.h"
#include "codec/utf8_int.h"

size_t utf8_valid_prefix(struct str text)
{
    size_t at = 0;
    while (at < text.len) {
        uint64_t word;
        if (text.len - at >= sizeof word) {
            memcpy(&word, text.ptr + at, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                at += sizeof word;
                continue;
            }
        }
        size_t const step = utf8_step((const unsigned char *)text.ptr + at, text.len - at);
        if (step == 0)
            return at;
        at += step;
    }
    return at;
}

bool utf8_valid(struct str text)
{
    return utf8_valid_prefix(text) == text.len;
}
