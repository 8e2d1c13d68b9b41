/* sse.h - server-sent events, parsed incrementally.
 *
 * What:  any split of the bytes gives the same events. LF, CRLF and CR end lines; a BOM at the
 *        start is dropped; comments are kept in `raw`. Source: WHATWG HTML, "Server-sent events".
 * Not:   interpretation of the data.
 */
#pragma once
#include "base/buf.h"

struct sse_event {
    struct str raw;  /* the event's bytes as received, with its blank line (never the BOM) */
    struct str name; /* event: field, or empty */
    struct str data; /* data: lines joined by LF; data.ptr NULL when there was none (a comment) */
};

/* Spans are valid during the call. Answer false to stop: sse_feed returns ERR_OK at once. */
typedef bool sse_event_fn(void *owner, const struct sse_event *event);

struct sse_parser {
    struct buf pending; /* bytes of an unfinished event */
    struct buf joined;  /* data of an event with several data lines */
    size_t scanned;     /* of pending: bytes known not to end the event */
    bool started;       /* the BOM question is settled */
};

void sse_init(struct sse_parser *parser, size_t event_bytes_max);
/* ERR_TOO_LARGE: an event passes its limit; ERR_NO_MEMORY. */
NODISCARD enum err sse_feed(struct sse_parser *parser, struct str bytes, sse_event_fn *on_event,
                            void *owner);
/* Bytes of an event that has not ended (at the end of a stream: it was cut). */
struct str sse_rest(const struct sse_parser *parser);
void sse_free(struct sse_parser *parser);
