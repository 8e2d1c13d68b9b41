/* cidr.c - addresses are 16 bytes, IPv4 among them; a network is so many equal leading bits. */
#include "core/cidr.h"
#include "base/must.h"
#include "core/address.h"

enum { ADDRESS_BITS = 128, MAPPED_BITS = 96 };

/* One to three digits without a leading zero. */
static bool bits_parse(struct str text, int bits_max, int *bits)
{
    int64_t value;
    if (text.len > 3 || !str_to_i64(text, &value) || value > bits_max)
        return false;
    *bits = (int)value;
    return text.len == 1 || text.ptr[0] != '0';
}

/* Do the first `bits` bits agree? */
static bool agree(const unsigned char *a, const unsigned char *b, int bits)
{
    size_t const whole = (size_t)bits / 8;
    int const rest = bits % 8;
    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool nothing_behind(const struct cidr *cidr)
{
    for (int bit = cidr->bits; bit < ADDRESS_BITS; bit++)
        if (cidr->bytes[bit / 8] & 0x80 >> bit % 8)
            return false;
    return true;
}

bool cidr_parse(struct str text, struct cidr *cidr)
{
    bool is_v4;
    size_t const slash = str_find(text, STR("/"));
    if (!address_parse(str_make(text.ptr, slash), cidr->bytes, &is_v4))
        return false;
    cidr->bits = ADDRESS_BITS;
    if (slash == text.len)
        return true;
    int const before = is_v4 ? MAPPED_BITS : 0;
    if (!bits_parse(str_skip(text, slash + 1), ADDRESS_BITS - before, &cidr->bits))
        return false;
    cidr->bits += before;
    return nothing_behind(cidr);
}

bool cidr_has(const struct cidr *list, size_t count, struct str address)
{
    unsigned char bytes[16];
    bool is_v4;
    if (!address_parse(address, bytes, &is_v4))
        return false;
    for (size_t i = 0; i < count; i++) {
        MUST(list[i].bits >= 0 && list[i].bits <= ADDRESS_BITS);
        if (agree(list[i].bytes, bytes, list[i].bits))
            return true;
    }
    return false;
}
