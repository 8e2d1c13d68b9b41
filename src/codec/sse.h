/* sse.h - server-sent events, parsed incrementally.
 *
 * What:  any split of the bytes gives the same events. LF, CRLF and CR end lines; a BOM at the
 *        start is dropped; comments are kept in `raw`. Source: WHATWG HTML, "Server-sent events".
 *        All `raw` one after another, and sse_rest, are the input without its BOM. A blank line
 *        more than needed is an event of its own, without data. In a stream of CR lines an event
 *        is given out at its last CR; should a LF follow, it is the first byte of the next `raw`.
 * Not:   interpretation of the data.
 */
#pragma once
#include "base/buf.h"

struct sse_event {
    struct str raw;  /* the event's bytes as received, with its blank line (never the BOM) */
    struct str name; /* event: field, or empty */
    struct str data; /* data: lines joined by LF; data.ptr NULL when there was none (a comment) */
};

/* Spans are valid during the call; the parser must not be freed in it. Answer false to stop:
 * sse_feed returns ERR_OK at once, and the parser takes no more bytes. */
typedef bool sse_event_fn(void *owner, const struct sse_event *event);

struct sse_parser {
    struct buf pending;      /* bytes of an unfinished event, all of them scanned */
    struct buf joined;       /* data of an event with several data lines */
    unsigned char state;     /* where in a line the next byte falls; see sse.c */
    unsigned char bom_bytes; /* bytes of a BOM seen while nothing else was */
    bool started;            /* the BOM question is settled */
    bool stopped;            /* on_event answered false */
};

void sse_init(struct sse_parser *parser, size_t event_bytes_max);
/* ERR_TOO_LARGE: an event passes its limit; ERR_NO_MEMORY. */
NODISCARD enum err sse_feed(struct sse_parser *parser, struct str bytes, sse_event_fn *on_event,
                            void *owner);
/* Bytes of an event that has not ended (at the end of a stream: it was cut). */
struct str sse_rest(const struct sse_parser *parser);
void sse_free(struct sse_parser *parser); /* usable again after sse_init */
