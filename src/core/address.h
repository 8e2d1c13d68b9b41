/* address.h - IPv4 and IPv6 addresses as 16 bytes, and how far each of them leads.
 *
 * What:  the classes tell what a connection to an address reaches: this machine, the network around
 *        it, or the Internet. IPv4 inside IPv6 (mapped, NAT64, 6to4) is what it leads to.
 * Not:   names; who asks looks at every address that a name has. Source: IANA's special-purpose
 *        registries (RFC 6890 and its successors).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum address_class {
    ADDRESS_PUBLIC,
    ADDRESS_LOOPBACK,   /* 127/8, ::1 */
    ADDRESS_PRIVATE,    /* RFC 1918, carriers' shared space, fc00::/7 */
    ADDRESS_LINK_LOCAL, /* 169.254/16, where clouds keep their credentials; fe80::/10 */
    ADDRESS_SPECIAL,    /* "this host", multicast, documentation, reserved: nobody to talk to */
    ADDRESS_CLASS_COUNT,
};
/* Sets of classes are bits. */
#define ADDRESS_BIT(class) (1U << (class))
#define ADDRESS_ALL        (ADDRESS_BIT(ADDRESS_CLASS_COUNT) - 1)
/* This machine and what is near it: for nobody but the operator to allow. */
#define ADDRESS_INSIDE                                                                             \
    (ADDRESS_BIT(ADDRESS_LOOPBACK) | ADDRESS_BIT(ADDRESS_PRIVATE) | ADDRESS_BIT(ADDRESS_LINK_LOCAL))

/* As printed by the kernel (no zone, no port); IPv4 becomes ::ffff:a.b.c.d. */
NODISCARD bool address_parse(struct str text, unsigned char bytes[16], bool *is_v4);
enum address_class address_class(const unsigned char bytes[16]);
