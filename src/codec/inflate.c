/* inflate.c - zlib, a piece at a time. */
#include "codec/inflate.h"
#include <stdlib.h>
#include <zlib.h>

enum { PIECE_BYTES = 16 << 10, INPUT_BYTES_MAX = 1 << 30, GZIP_OR_ZLIB = 32 + MAX_WBITS };

struct inflate {
    z_stream stream;
    enum err err;  /* sticky */
    bool finished; /* at the end of a member, and nothing came after it */
    bool stopped;  /* on_data wanted no more */
    unsigned char piece[PIECE_BYTES];
};

struct inflate *inflate_new(void)
{
    struct inflate *inflate = malloc(sizeof *inflate);
    if (!inflate)
        return NULL;
    inflate->stream = (z_stream){0};
    inflate->err = ERR_OK;
    inflate->finished = inflate->stopped = false;
    if (inflateInit2(&inflate->stream, GZIP_OR_ZLIB) == Z_OK)
        return inflate;
    free(inflate);
    return NULL;
}

/* One call of zlib. True: there may be more to do with the input at hand. */
static bool inflate_turn(struct inflate *body, inflate_fn *on_data, void *owner)
{
    z_stream *const stream = &body->stream;
    if (body->finished) {
        inflateReset(stream); /* another gzip member, or its header is refused */
        body->finished = false;
    }
    stream->next_out = body->piece;
    stream->avail_out = PIECE_BYTES;
    int const result = inflate(stream, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR)
        body->err = ERR_NO_MEMORY;
    else if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        body->err = ERR_UPSTREAM_INVALID; /* Z_NEED_DICT too: HTTP has no dictionaries */
    body->finished = result == Z_STREAM_END;
    size_t const count = PIECE_BYTES - stream->avail_out;
    if (count > 0 && body->err == ERR_OK)
        body->stopped = !on_data(owner, str_make((const char *)body->piece, count));
    /* a full piece may have more behind it; otherwise only input can bring more */
    return stream->avail_out == 0 || stream->avail_in > 0;
}

enum err inflate_feed(struct inflate *inflate, struct str bytes, inflate_fn *on_data, void *owner)
{
    z_stream *const stream = &inflate->stream;
    while (bytes.len > 0 && inflate->err == ERR_OK && !inflate->stopped) {
        size_t const count = bytes.len < INPUT_BYTES_MAX ? bytes.len : INPUT_BYTES_MAX;
        stream->next_in = (z_const Bytef *)(uintptr_t)bytes.ptr;
        stream->avail_in = (uInt)count;
        bytes = str_skip(bytes, count);
        bool more = true;
        while (more && inflate->err == ERR_OK && !inflate->stopped)
            more = inflate_turn(inflate, on_data, owner);
    }
    return inflate->err;
}

bool inflate_finished(const struct inflate *inflate)
{
    return inflate->finished;
}

void inflate_free(struct inflate *inflate)
{
    if (!inflate)
        return;
    inflateEnd(&inflate->stream);
    free(inflate);
}
