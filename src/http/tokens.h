/* tokens.h - llhttp, Node's parser in strict mode, as the splitter of a head.
 *
 * What:  names and values of a whole head in one contiguous piece, with their characters checked.
 * Not:   line endings, folding, meaning: llhttp is laxer there than we are; see parse.c and
 *        head_check.c.
 */
#pragma once
#include "http/header.h"

enum split_result {
    SPLIT_GOOD,
    SPLIT_BAD,    /* not a head, or more headers than `room` */
    SPLIT_METHOD, /* a method that HTTP does not have */
    SPLIT_CODING, /* a Transfer-Encoding that cannot be decoded */
};

/* `head` ends with the empty line. When it is not good *reason says why (static). */
enum split_result head_split(struct str head, struct http_header *headers, size_t room,
                             size_t *count, const char **reason);
