/* reply_head.h - safe header values: a name or value that could split a header never gets out. */
#pragma once
#include "base/buf.h"

/* Appends "name: value\r\n"; control bytes in value become spaces (names are ours). */
NODISCARD enum err reply_header(struct buf *out, const char *name, struct str value);
NODISCARD enum err reply_header_i64(struct buf *out, const char *name, int64_t value);

/* What the server itself says at the top of a reply. */
struct reply_head {
    int status;
    struct str content_type; /* empty: no such line */
    struct str date;         /* a whole line, see reply_date */
    int64_t body_bytes;      /* -1: chunked; -2: neither (204, or ended by closing) */
    bool close;              /* "Connection: close" */
    bool keep_alive;         /* "Connection: keep-alive", for HTTP/1.0 */
};
enum { REPLY_HEAD_BYTES = 512, REPLY_CHUNKED = -1, REPLY_NO_LENGTH = -2 };

/* Writes status line and lines, without the empty line. Returns the length. */
size_t reply_head_write(char out[static REPLY_HEAD_BYTES], const struct reply_head *head);
enum { REPLY_DATE_BYTES = 37 };
/* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
void reply_date(char out[static REPLY_DATE_BYTES + 1], int64_t wall_us);
