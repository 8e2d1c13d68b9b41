/* buf.h - bytes we own and append to; every buffer is born with its limit.
 *
 * What:  a growing byte array that refuses to pass len_max.
 * Not:   thread-safe; not for secrets (see secret.h).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len, cap, len_max;
};

void buf_init(struct buf *buf, size_t len_max);
/* ERR_TOO_LARGE past len_max, ERR_NO_MEMORY; the buffer is then unchanged. */
NODISCARD enum err buf_add(struct buf *buf, struct str text);
NODISCARD enum err buf_add_byte(struct buf *buf, char byte);
NODISCARD enum err buf_add_i64(struct buf *buf, int64_t value);
NODISCARD enum err buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for `count` more bytes at buf->ptr + buf->len; the caller writes and raises len. */
NODISCARD enum err buf_reserve(struct buf *buf, size_t count);
/* Drops the first `count` bytes (count <= len). */
void buf_drop(struct buf *buf, size_t count);
void buf_clear(struct buf *buf);            /* len = 0, memory kept */
struct str buf_view(const struct buf *buf); /* valid until the next change */
void buf_free(struct buf *buf);             /* usable again after buf_init */
