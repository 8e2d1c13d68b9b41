/* arena.c - a chain of blocks; the newest is the one we bump. */
#include "base/arena.h"
#include "base/must.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK_BYTES = 4096 - 64, NEXT_BLOCK_BYTES = 16384 - 64 };

struct hook {
    struct hook *next;
    void (*run)(void *object);
    void *object;
};

struct block {
    struct block *older;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *newest;
    struct hook *hooks;
    size_t used, bytes_max;
    struct block *first;
};

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof *block + size);
    if (block) {
        block->older = NULL;
        block->used = 0;
        block->size = size;
    }
    return block;
}

struct arena *arena_new(size_t bytes_max)
{
    struct block *first = block_new(FIRST_BLOCK_BYTES);
    if (!first)
        return NULL;
    struct arena *arena = (struct arena *)(void *)first->bytes;
    first->used = (sizeof *arena + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    *arena = (struct arena){.newest = first, .bytes_max = bytes_max, .first = first};
    return arena;
}

static struct block *block_for(struct arena *arena, size_t bytes)
{
    if (bytes <= arena->newest->size - arena->newest->used)
        return arena->newest;
    struct block *block = block_new(bytes > NEXT_BLOCK_BYTES ? bytes : NEXT_BLOCK_BYTES);
    if (!block)
        return NULL;
    block->older = arena->newest;
    arena->newest = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t const align = alignof(max_align_t);
    if (bytes > arena->bytes_max)
        return NULL;
    size_t const rounded = (bytes + align - 1) & ~(align - 1);
    if (arena->used > arena->bytes_max || rounded > arena->bytes_max - arena->used)
        return NULL;
    struct block *block = block_for(arena, rounded);
    if (!block)
        return NULL;
    void *object = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    return object;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    void *object = arena_alloc(arena, bytes);
    return object ? memset(object, 0, bytes) : NULL;
}

struct str arena_copy(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (!copy)
        return (struct str){0};
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct str){copy, text.len};
}

struct str arena_concat(struct arena *arena, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = arena_alloc(arena, len + 1);
    if (!text)
        return (struct str){0};
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    return (struct str){text, len};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int const needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MUST(needed >= 0);
    char *text = arena_alloc(arena, (size_t)needed + 1);
    if (!text)
        return (struct str){0};
    va_start(args, format);
    vsnprintf(text, (size_t)needed + 1, format, args);
    va_end(args);
    return (struct str){text, (size_t)needed};
}

bool arena_on_free(struct arena *arena, void (*run)(void *object), void *object)
{
    struct hook *hook = arena_alloc(arena, sizeof *hook);
    if (!hook)
        return false;
    *hook = (struct hook){arena->hooks, run, object};
    arena->hooks = hook;
    return true;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

void arena_reset(struct arena *arena)
{
    for (struct hook *hook = arena->hooks; hook; hook = hook->next)
        hook->run(hook->object);
    while (arena->newest != arena->first) {
        struct block *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
    arena->hooks = NULL;
    arena->used = 0;
    arena->first->used = (sizeof *arena + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    free(arena->first);
}
