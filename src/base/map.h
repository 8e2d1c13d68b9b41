/* map.h - a hash map from text to pointer.
 *
 * What:  open addressing; SipHash with a key drawn at start, so that nobody outside can choose
 *        colliding keys. Keys are views: the owner of the value keeps the key's bytes alive.
 * Not:   thread-safe; no ownership of keys or values.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct map_slot {
    struct str key;
    void *value; /* NULL: empty; MAP_GONE: removed */
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t count, used, capacity; /* used counts removed slots too */
};

void map_init(struct map *map);
/* The value, or NULL. */
void *map_get(const struct map *map, struct str key);
/* Replaces an old value (and its key view). `value` is not NULL. ERR_NO_MEMORY: unchanged. */
NODISCARD enum err map_put(struct map *map, struct str key, void *value);
/* The removed value, or NULL. */
void *map_remove(struct map *map, struct str key);
/* Walks all values: start with *at = 0; NULL at the end. Do not put while walking;
 * removing the value just returned is allowed. */
void *map_next(const struct map *map, size_t *at);
void map_free(struct map *map); /* usable again after map_init */
/* The keyed hash that the map uses (64 bits, different in every process). */
uint64_t map_hash(struct str key);
