/* map.c - linear probing at a load of at most three quarters. */
#include "base/map.h"
#include "base/must.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 16 };

static char gone_mark;
#define MAP_GONE ((void *)&gone_mark)

static unsigned char hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void hash_key_draw(void)
{
    MUST(sodium_init() >= 0);
    crypto_shorthash_keygen(hash_key);
}

uint64_t map_hash(struct str key)
{
    uint64_t hash;
    pthread_once(&hash_key_once, hash_key_draw);
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key.ptr, key.len, hash_key);
    return hash;
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

/* The slot that holds key, or NULL. */
static struct map_slot *slot_of(const struct map *map, struct str key, uint64_t hash)
{
    if (map->capacity == 0)
        return NULL;
    size_t const mask = map->capacity - 1;
    for (size_t i = hash & mask; map->slots[i].value; i = (i + 1) & mask) {
        struct map_slot *slot = &map->slots[i];
        if (slot->hash == hash && slot->value != MAP_GONE && str_eq(slot->key, key))
            return slot;
    }
    return NULL;
}

void *map_get(const struct map *map, struct str key)
{
    struct map_slot *slot = slot_of(map, key, map_hash(key));
    return slot ? slot->value : NULL;
}

static void put_new(struct map_slot *slots, size_t capacity, struct map_slot entry)
{
    size_t i = entry.hash & (capacity - 1);
    while (slots[i].value)
        i = (i + 1) & (capacity - 1);
    slots[i] = entry;
}

static enum err grow(struct map *map)
{
    size_t capacity = CAPACITY_MIN;
    while (capacity < (map->count + 1) * 2)
        capacity *= 2;
    struct map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value && map->slots[i].value != MAP_GONE)
            put_new(slots, capacity, map->slots[i]);
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    map->used = map->count;
    return ERR_OK;
}

enum err map_put(struct map *map, struct str key, void *value)
{
    MUST(value && value != MAP_GONE);
    uint64_t const hash = map_hash(key);
    struct map_slot *slot = slot_of(map, key, hash);
    if (slot) {
        slot->value = value;
        slot->key = key;
        return ERR_OK;
    }
    if ((map->used + 1) * 4 > map->capacity * 3) {
        enum err err = grow(map);
        if (err != ERR_OK)
            return err;
    }
    put_new(map->slots, map->capacity, (struct map_slot){key, value, hash});
    map->count++;
    map->used++;
    return ERR_OK;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_slot *slot = slot_of(map, key, map_hash(key));
    if (!slot)
        return NULL;
    void *value = slot->value;
    slot->value = MAP_GONE;
    slot->key = (struct str){0};
    map->count--;
    return value;
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->capacity) {
        void *value = map->slots[(*at)++].value;
        if (value && value != MAP_GONE)
            return value;
    }
    return NULL;
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}
