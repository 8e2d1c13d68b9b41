/* cidr.h - is an address inside a list of addresses and networks? IPv4, IPv6, v4-mapped v6.
 *
 * What:  0.0.0.0/0 holds every IPv4 address, ::/0 every address of either kind.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct cidr {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    int bits;                /* 0 … 128 */
};
/* "10.0.0.0/8", "2001:db8::/32", or one address. False: neither, or bits set behind the prefix. */
NODISCARD bool cidr_parse(struct str text, struct cidr *cidr);
/* `address`: as printed by the kernel (no zone, no port). False when it cannot be read. */
bool cidr_has(const struct cidr *list, size_t count, struct str address);
