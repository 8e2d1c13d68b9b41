/* chunked.h - the chunked coding of a request body, byte-strict.
 *
 * What:  takes bytes in any pieces, gives data spans; nothing else is let through: no bare LF, no
 *        blanks around the size, bounded sizes, extensions and trailers, no framing trailers.
 * Not:   memory: data spans point into what was given; trailers are checked and dropped.
 */
#pragma once
#include "base/str.h"

enum chunked_step {
    CHUNKED_MORE, /* all bytes were used */
    CHUNKED_DATA, /* *data is set; call again with the rest */
    CHUNKED_DONE, /* the body is whole; the rest belongs to the next request */
    CHUNKED_BAD,  /* see reason */
};

struct chunked {
    int state;
    uint64_t left;      /* of the current chunk */
    uint64_t announced; /* data bytes of all chunks so far, the current one included */
    size_t digits;
    size_t extension_bytes, trailer_bytes, trailer_count;
    size_t name_len; /* of the trailer under way; name holds its beginning */
    char name[32];
    const char *reason;
};

void chunked_init(struct chunked *chunked);
enum chunked_step chunked_next(struct chunked *chunked, struct str bytes, size_t *used,
                               struct str *data);
