/* pack.c - the reading half: every byte may be an attacker's, or a broken disk's. */
#include "book/pack.h"

unsigned unpack_byte(struct unpack *unpack, unsigned limit)
{
    const unsigned char *byte = unpack_raw(unpack, 1);
    if (!byte || *byte >= limit) {
        unpack->bad = true;
        return 0;
    }
    return *byte;
}

uint64_t unpack_long_number(struct unpack *unpack)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char *byte = unpack_raw(unpack, 1);
        if (!byte)
            return 0;
        uint64_t const bits = *byte & 0x7f;
        bool const longer_than_needed = *byte == 0 && shift > 0;
        if (longer_than_needed || (shift == 63 && bits > 1))
            break;
        value |= bits << shift;
        if (*byte < 0x80)
            return value;
    }
    unpack->bad = true;
    return 0;
}

int64_t unpack_count_max(struct unpack *unpack, int64_t max)
{
    uint64_t const value = unpack_number(unpack);
    if (value > (uint64_t)max) {
        unpack->bad = true;
        return 0;
    }
    return (int64_t)value;
}

int64_t unpack_count(struct unpack *unpack)
{
    return unpack_count_max(unpack, INT64_MAX);
}

int64_t unpack_signed(struct unpack *unpack)
{
    uint64_t const value = unpack_number(unpack);
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

int64_t unpack_fixed(struct unpack *unpack)
{
    int64_t value = 0;
    const unsigned char *bytes = unpack_raw(unpack, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return value;
}

struct ulid unpack_ulid(struct unpack *unpack)
{
    struct ulid id;
    id.high = (uint64_t)unpack_fixed(unpack);
    id.low = (uint64_t)unpack_fixed(unpack);
    return id;
}

struct str unpack_text(struct unpack *unpack, size_t len_max)
{
    uint64_t const len = unpack_number(unpack);
    if (len > len_max)
        unpack->bad = true;
    const unsigned char *bytes = unpack_raw(unpack, len);
    return (struct str){(const char *)bytes, bytes ? len : 0};
}
