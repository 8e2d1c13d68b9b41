/* answer.h - the framing of a provider's answer: bytes in, head and body out; no socket.
 *
 * What:  llhttp in strict mode behind our own checks of every head line; interim answers (1xx) are
 *        swallowed, gzip and deflate undone, every size bounded. Any split of the bytes gives the
 *        same result.
 * Not:   deadlines, connections (client.c), meaning of bodies.
 * Why:   a provider's bytes are hostile: what two parsers could read in two ways is refused.
 */
#pragma once
#include "base/buf.h"
#include "codec/inflate.h"
#include "upstream/client.h"
#include <llhttp.h>

enum answer_result {
    ANSWER_MORE,    /* the answer is not whole yet */
    ANSWER_DONE,    /* whole and well framed */
    ANSWER_FAILED,  /* answer->why and answer->detail say how; feed no more */
    ANSWER_STOPPED, /* a callback answered false */
};

struct answer_handler {
    bool (*on_head)(void *owner, const struct upstream_head *head);
    bool (*on_body)(void *owner, struct str bytes); /* unchunked, decoded, never empty */
};

enum answer_phase { ANSWER_HEAD, ANSWER_BODY, ANSWER_END };

struct answer {
    const struct answer_handler *handler;
    void *owner;
    llhttp_t parser;
    enum answer_phase phase;
    enum upstream_fail why;
    const char *detail; /* static */

    struct buf head;   /* a head that came in pieces; empty otherwise */
    size_t head_bytes; /* of this head so far */
    size_t line_bytes; /* of its last line */
    size_t line_count; /* whole ones */
    char last_byte;
    int interim_count;

    struct inflate *inflate; /* NULL: the body is not compressed */
    int64_t body_bytes, wire_bytes, bytes_max, extra_bytes;
    bool until_end; /* the body ends with the connection */
    bool whole;     /* the parser saw the end */
    bool keep;      /* HTTP/1.1 without Connection: close */
    bool stopped;
};

/* `answer` is ready for one answer; again after it ended, for the next one. The first time it must
 * be all zero. */
void answer_start(struct answer *answer, const struct answer_handler *handler, void *owner);
/* Takes some of `bytes` (not empty) and says how many: one head or one piece of the body, so that a
 * pause can take hold in between. Feed the rest while the result is ANSWER_MORE. What is left after
 * ANSWER_DONE is no part of the answer: the connection is then not fit for reuse. */
enum answer_result answer_feed(struct answer *answer, struct str bytes, size_t *used);
/* The connection was closed in good order. */
enum answer_result answer_close(struct answer *answer);
/* After ANSWER_DONE with nothing left: may the connection carry another call? */
bool answer_reusable(const struct answer *answer);
/* True from the end of the final head on. */
static inline bool answer_head_seen(const struct answer *answer)
{
    return answer->phase != ANSWER_HEAD;
}
void answer_allow_stream(struct answer *answer);
/* Gives memory back; answer_start makes it ready again. */
void answer_free(struct answer *answer);
