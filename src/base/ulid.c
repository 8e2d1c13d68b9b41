/* ulid.c - base32 by shifting a 128-bit number. */
#include "base/ulid.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct ulid ulid_make(struct random *random, int64_t wall_us)
{
    uint64_t const ms = (uint64_t)(wall_us / 1000);
    return (struct ulid){ms << 16 | (random_next(random) & 0xffff), random_next(random)};
}

void ulid_text(struct ulid id, char text[ULID_TEXT_BYTES])
{
    unsigned __int128 rest = (unsigned __int128)id.high << 64 | id.low;
    for (int i = ULID_TEXT_BYTES - 1; i >= 0; i--) {
        text[i] = alphabet[(unsigned)rest & 31];
        rest >>= 5;
    }
}

bool ulid_parse(struct str text, struct ulid *id)
{
    if (text.len != ULID_TEXT_BYTES || text.ptr[0] > '7')
        return false;
    unsigned __int128 value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
        if (!at)
            return false;
        value = value << 5 | (unsigned)(at - alphabet);
    }
    *id = (struct ulid){(uint64_t)(value >> 64), (uint64_t)value};
    return true;
}
