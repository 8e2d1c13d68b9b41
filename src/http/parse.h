/* parse.h - one request out of bytes that come in any pieces; no sockets, no clock.
 *
 * What:  finds the end of the head line by line (CRLF only, no folding, bounded), lets llhttp split
 *        it and head_check judge it, then gathers the body by length or chunks, up to its bound.
 * Rules: the same bytes give the same result however they are cut (tests/fuzz/http_request.c).
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "http/chunked.h"
#include "http/server.h"

enum parse_step {
    PARSE_MORE,    /* all bytes were used and more are needed */
    PARSE_HEAD,    /* the head is good: set body_bytes_max, then go on with the rest */
    PARSE_DONE,    /* the request is whole; the rest belongs to the next one */
    PARSE_REFUSED, /* see fault; the connection cannot be read any further */
};

struct parser {
    struct buf head; /* as sent; the views of `request` point into it */
    struct buf body;
    struct http_head request; /* valid from PARSE_HEAD on */
    bool has_request, expects_continue;
    size_t body_bytes_max;
    size_t body_left; /* of Content-Length */
    struct chunked chunked;
    int phase;
    size_t begin, line, line_count, skipped; /* of the head: where it and its current line begin */
};

void parser_init(struct parser *parser);
/* Ready for the next request. Keeps a little memory. */
void parser_reset(struct parser *parser);
void parser_free(struct parser *parser);
/* True when no byte of a request has come yet. */
bool parser_is_idle(const struct parser *parser);
/* The header table goes into the arena. *used: how many bytes were taken. */
enum parse_step parser_feed(struct parser *parser, struct arena *arena, struct str bytes,
                            size_t *used, struct fault *fault);
