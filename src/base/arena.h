/* arena.h - memory of one request, given back all at once.
 *
 * What:  bump allocation over a chain of blocks up to bytes_max; hooks run at the end, so that a
 *        socket or a hold tied to the request cannot leak.
 * Not:   thread-safe; an arena belongs to one loop.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct arena;

/* NULL when memory is short. The first block is small (4 KiB): most requests need no second. */
struct arena *arena_new(size_t bytes_max);
/* Aligned for any object, not zeroed. NULL past bytes_max or when memory is short. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* The same, zeroed. */
void *arena_zalloc(struct arena *arena, size_t bytes);
/* A NUL-terminated copy; .ptr is NULL when memory is short. */
struct str arena_copy(struct arena *arena, struct str text);
/* The parts one after the other, NUL-terminated; .ptr is NULL when memory is short. */
struct str arena_concat(struct arena *arena, const struct str *parts, size_t count);
/* Printed text, NUL-terminated; .ptr is NULL when memory is short. */
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
NODISCARD bool arena_on_free(struct arena *arena, void (*hook)(void *object), void *object);
size_t arena_used(const struct arena *arena);
/* Runs the hooks (newest first), keeps the first block: ready for the next request. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena); /* runs the hooks, newest first; NULL is allowed */
