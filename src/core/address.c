/* address.c - the special networks as tables; what is in none of them is public. */
#include "core/address.h"
#include <arpa/inet.h>

enum { ADDRESS_TEXT_BYTES_MAX = INET6_ADDRSTRLEN - 1, V4_AT = 12 };

bool address_parse(struct str text, unsigned char bytes[16], bool *is_v4)
{
    static const unsigned char mapped[V4_AT] = {[10] = 0xff, [11] = 0xff};
    char copy[ADDRESS_TEXT_BYTES_MAX + 1];
    if (str_empty(text) || text.len > ADDRESS_TEXT_BYTES_MAX || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *is_v4 = memchr(copy, ':', text.len) == NULL;
    if (!*is_v4)
        return inet_pton(AF_INET6, copy, bytes) == 1;
    memcpy(bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, bytes + sizeof mapped) == 1;
}

/* So many leading bits, and what they mean; V4 …: look at the IPv4 address that begins there. */
enum { V4_BEHIND_96 = ADDRESS_CLASS_COUNT, V4_BEHIND_16 };
struct network {
    unsigned char start[16];
    int bits;
    int class;
};

static bool is_in(const struct network *network, const unsigned char *bytes)
{
    size_t const whole = (size_t)network->bits / 8;
    int const rest = network->bits % 8;
    return memcmp(network->start, bytes, whole) == 0 &&
           (rest == 0 || (network->start[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

/* The first that holds it. */
static int find(const struct network *networks, size_t count, const unsigned char *bytes, int other)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(&networks[i], bytes))
            return networks[i].class;
    return other;
}

static enum address_class class_v4(const unsigned char bytes[4])
{
    static const struct network networks[] = {
        {{127}, 8, ADDRESS_LOOPBACK},
        {{10}, 8, ADDRESS_PRIVATE},
        {{172, 16}, 12, ADDRESS_PRIVATE},
        {{192, 168}, 16, ADDRESS_PRIVATE},
        {{100, 64}, 10, ADDRESS_PRIVATE}, /* RFC 6598 */
        {{169, 254}, 16, ADDRESS_LINK_LOCAL},
        {{0}, 8, ADDRESS_SPECIAL}, /* Linux connects 0.0.0.0 to this machine */
        {{192, 0, 0}, 24, ADDRESS_SPECIAL},
        {{192, 0, 2}, 24, ADDRESS_SPECIAL},
        {{192, 88, 99}, 24, ADDRESS_SPECIAL},
        {{198, 18}, 15, ADDRESS_SPECIAL},
        {{198, 51, 100}, 24, ADDRESS_SPECIAL},
        {{203, 0, 113}, 24, ADDRESS_SPECIAL},
        {{224}, 3, ADDRESS_SPECIAL}, /* multicast, reserved, broadcast */
    };
    return (enum address_class)find(networks, sizeof networks / sizeof networks[0], bytes,
                                    ADDRESS_PUBLIC);
}

enum address_class address_class(const unsigned char bytes[16])
{
    static const struct network networks[] = {
        {{[10] = 0xff, [11] = 0xff}, 96, V4_BEHIND_96},
        {{0, 0x64, 0xff, 0x9b}, 96, V4_BEHIND_96}, /* NAT64 */
        {{0x20, 0x02}, 16, V4_BEHIND_16},          /* 6to4 */
        {{[15] = 1}, 128, ADDRESS_LOOPBACK},
        {{0xfc}, 7, ADDRESS_PRIVATE},
        {{0xfe, 0xc0}, 10, ADDRESS_PRIVATE},                /* site-local, deprecated */
        {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, ADDRESS_PRIVATE}, /* NAT64 of a site's own */
        {{0xfe, 0x80}, 10, ADDRESS_LINK_LOCAL},
        {{0x20, 0x01}, 23, ADDRESS_SPECIAL}, /* protocols, Teredo */
        {{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_SPECIAL},
        {{0x3f, 0xff}, 20, ADDRESS_SPECIAL},
        {{0x20}, 3, ADDRESS_PUBLIC}, /* 2000::/3 is what has been given out */
    };
    int const found = find(networks, sizeof networks / sizeof networks[0], bytes, ADDRESS_SPECIAL);
    if (found == V4_BEHIND_96)
        return class_v4(bytes + V4_AT);
    if (found == V4_BEHIND_16)
        return class_v4(bytes + 2);
    return (enum address_class)found;
}
