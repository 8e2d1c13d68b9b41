/* head_check.h - what a head must be for us to act on it; stricter than any parser.
 *
 * What:  the request line, and the headers that frame or route. Pure: text in, verdict out, so
 *        every rule is a row in tests/unit/http/test_head_check.c.
 * Why:   smuggling lives where two readers disagree; we take only what nobody reads differently.
 */
#pragma once
#include "base/err.h"
#include "http/server.h"

struct request_line {
    struct str method, target;
    bool http_0_9, http_1_0;
};

/* `line` without CRLF. */
NODISCARD enum err request_line_check(struct str line, struct request_line *out,
                                      struct fault *fault);
/* Fills in all of *head (headers are given); *expects_continue: the client waits for a 100. */
NODISCARD enum err head_check(const struct request_line *line, const struct http_header *headers,
                              size_t count, struct http_head *head, bool *expects_continue,
                              struct fault *fault);
/* tchar of RFC 9110: what names and methods are made of. */
bool is_token_byte(char byte);
/* uri-host [":" port], characters only. */
bool host_is_valid(struct str host);
/* Headers that frame, route or authenticate: never as a trailer. */
bool trailer_is_forbidden(struct str name);
