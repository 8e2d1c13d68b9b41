/* answer.h - reads one HTTP/1.1 answer, and finds the marks in its stream.
 *
 * What:  head, then a body by Content-Length or in chunks; in a body, marks of the form @digits@
 *        (when the provider sent this token) and the end mark [DONE].
 * Not:   no leniency: an answer with neither length nor chunks is bad.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_HEAD_BYTES_MAX = 8 << 10 };

enum answer_state { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

enum chunk_state { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

struct answer {
    int status;
    bool in_body, chunked, chunked_stream, done_seen;
    enum chunk_state chunk_state;
    size_t left;         /* of the body, or of the chunk */
    size_t trailer_line; /* bytes in the line so far, without CR */
    bool in_mark;
    int64_t mark;
    size_t done_matched; /* letters of [DONE] */
    size_t head_bytes;
    char head[ANSWER_HEAD_BYTES_MAX + 1];
};

typedef void answer_mark_fn(void *context, int64_t mark);

void answer_begin(struct answer *answer);
enum answer_state answer_feed(struct answer *answer, const char *bytes, size_t count,
                              answer_mark_fn *mark_seen, void *context);
