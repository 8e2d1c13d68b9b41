/* buf.c - doubling growth, never past len_max. */
#include "base/buf.h"
#include "base/must.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t len_max)
{
    MUST(len_max > 0);
    *buf = (struct buf){.len_max = len_max};
}

enum err buf_reserve(struct buf *buf, size_t count)
{
    MUST(buf->len <= buf->cap);
    if (count > buf->len_max - buf->len)
        return ERR_TOO_LARGE;
    if (count <= buf->cap - buf->len)
        return ERR_OK;
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap < buf->len + count)
        cap *= 2;
    if (cap > buf->len_max)
        cap = buf->len_max;
    char *grown = realloc(buf->ptr, cap);
    if (!grown)
        return ERR_NO_MEMORY;
    buf->ptr = grown;
    buf->cap = cap;
    return ERR_OK;
}

enum err buf_add(struct buf *buf, struct str text)
{
    enum err err = buf_reserve(buf, text.len);
    if (err != ERR_OK)
        return err;
    if (text.len > 0)
        memcpy(buf->ptr + buf->len, text.ptr, text.len);
    buf->len += text.len;
    return ERR_OK;
}

enum err buf_add_byte(struct buf *buf, char byte)
{
    return buf_add(buf, str_make(&byte, 1));
}

enum err buf_add_i64(struct buf *buf, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    return buf_add(buf, str_make(digits + at, sizeof digits - at));
}

enum err buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int const needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MUST(needed >= 0);
    size_t const count = (size_t)needed;
    if (count >= buf->len_max - buf->len)
        return ERR_TOO_LARGE; /* one byte is for vsnprintf's NUL */
    enum err err = buf_reserve(buf, count + 1);
    if (err != ERR_OK)
        return err;
    va_start(args, format);
    vsnprintf(buf->ptr + buf->len, count + 1, format, args);
    va_end(args);
    buf->len += count;
    return ERR_OK;
}

void buf_drop(struct buf *buf, size_t count)
{
    MUST(count <= buf->len);
    if (count > 0 && count < buf->len)
        memmove(buf->ptr, buf->ptr + count, buf->len - count);
    buf->len -= count;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

struct str buf_view(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

void buf_free(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){0};
}
