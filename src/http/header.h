/* header.h - one header as it was sent. Alone in its file: llhttp.h and server.h both name methods
 * HTTP_GET, HTTP_POST …, so no file can include the two. */
#pragma once
#include "base/str.h"

struct http_header {
    struct str name; /* as sent; compare with str_eq_nocase */
    struct str value;
};
