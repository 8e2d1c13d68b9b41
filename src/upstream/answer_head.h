/* answer_head.h - one head of an answer, checked line by line and taken apart. */
#pragma once
#include "base/limits.h"
#include "upstream/client.h"

enum answer_framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_UNTIL_END };

struct answer_head {
    int status, minor_version;
    enum answer_framing framing;
    int64_t content_length; /* with FRAMING_LENGTH */
    bool close;             /* Connection: close, or HTTP/1.0 */
    bool compressed;        /* gzip or deflate */
    size_t header_count;
    struct upstream_header headers[UPSTREAM_HEADER_COUNT_MAX];
};

/* `text` is a whole head with its empty line; every LF in it follows a CR (answer.c has seen to
 * that). NULL, or what is wrong. At most UPSTREAM_HEADER_COUNT_MAX lines after the first. */
const char *answer_head_read(struct str text, struct answer_head *head);
/* Three digits of 1xx: such heads have no body and another head follows. */
static inline bool answer_head_interim(const struct answer_head *head)
{
    return head->status < 200;
}
