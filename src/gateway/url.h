/* url.h - the address of somebody we call: http(s)://host[:port][/path], taken apart. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct url {
    bool tls;
    struct str host, host_header; /* the host without brackets; as it stands, with its port */
    struct str path;              /* what follows, from "/" on; may be empty */
    int port;
};
/* Views into `text`. False: something else; blanks, control characters, a user, a fragment; a query
 * unless it may have one. */
NODISCARD bool url_split(struct str text, bool with_query, struct url *url);
