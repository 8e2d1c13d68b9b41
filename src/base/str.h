/* str.h - a view: bytes that someone else owns, with their length.
 *
 * What:  the only way text crosses a file boundary. Not NUL-terminated, may be empty.
 * Not:   ownership; see buf.h and arena.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

/* For static initialisers (tables); STR() elsewhere. */
#define STR_ROW(literal)                                                                           \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define STR(literal) ((struct str)STR_ROW(literal))
/* For printf: "%.*s", STR_ARG(text). */
#define STR_ARG(text) (int)(text).len, (text).ptr ? (text).ptr : ""

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_make(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_empty(struct str text)
{
    return text.len == 0;
}

static inline bool str_starts(struct str text, struct str prefix)
{
    return prefix.len == 0 ||
           (text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

/* The rest of text after its first `count` bytes; empty when there are fewer. */
static inline struct str str_skip(struct str text, size_t count)
{
    size_t const taken = count < text.len ? count : text.len;
    return taken > 0 ? (struct str){text.ptr + taken, text.len - taken} : text;
}

/* ASCII only: header names and tokens, never user text. */
bool str_same_nocase(const char *a, const char *b, size_t len);
/* Most differ in length, and nearly all others in the first letter. */
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || (((a.ptr[0] ^ b.ptr[0]) & ~0x20) == 0 &&
                                             str_same_nocase(a.ptr, b.ptr, a.len)));
}
/* First position of `needle`, or text.len. */
size_t str_find(struct str text, struct str needle);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str text);
/* Decimal digits only, no sign; false when empty, foreign or out of range. */
bool str_to_i64(struct str text, int64_t *value);
