/* index.c - linear probing at a load of at most three quarters. */
#include "govern/index.h"
#include "base/map.h"
#include "base/must.h"
#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

static struct entry_head gone;

uint32_t index_hash(unsigned kind, struct str id)
{
    uint64_t const hash = map_hash(id) + kind * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ hash >> 32);
}

void *index_find(const struct index *index, unsigned kind, struct str id)
{
    if (index->count == 0)
        return NULL;
    uint32_t const hash = index_hash(kind, id);
    size_t const mask = index->capacity - 1;
    for (size_t i = hash & mask; index->slots[i].head; i = (i + 1) & mask) {
        struct entry_head *head = index->slots[i].head;
        if (index->slots[i].hash == hash && head != &gone && head->kind == kind &&
            str_eq(entry_id(head), id))
            return head;
    }
    return NULL;
}

static void put(struct index *index, struct index_slot slot)
{
    MUST(index->used < index->capacity);
    size_t const mask = index->capacity - 1;
    size_t i = slot.hash & mask;
    while (index->slots[i].head)
        i = (i + 1) & mask;
    index->slots[i] = slot;
    index->used++;
    index->count++;
}

enum err index_grown(const struct index *index, size_t more, struct index *grown)
{
    *grown = (struct index){0};
    if ((index->used + more) * 4 <= index->capacity * 3)
        return ERR_OK;
    size_t capacity = CAPACITY_MIN;
    while (capacity * 5 < (index->count + more) * 8)
        capacity *= 2;
    grown->slots = calloc(capacity, sizeof *grown->slots);
    if (!grown->slots)
        return ERR_NO_MEMORY;
    grown->capacity = capacity;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].head && index->slots[i].head != &gone)
            put(grown, index->slots[i]);
    return ERR_OK;
}

void index_put(struct index *index, struct entry_head *head)
{
    put(index, (struct index_slot){head, head->hash});
}

void index_remove(struct index *index, struct entry_head *head)
{
    size_t const mask = index->capacity - 1;
    size_t i = head->hash & mask;
    while (index->slots[i].head != head) {
        MUST(index->slots[i].head);
        i = (i + 1) & mask;
    }
    index->slots[i].head = &gone; /* its hash stays, and means nothing */
    index->count--;
}

void *index_next(const struct index *index, size_t *at)
{
    while (*at < index->capacity) {
        struct entry_head *head = index->slots[(*at)++].head;
        if (head && head != &gone)
            return head;
    }
    return NULL;
}

void index_free(struct index *index)
{
    free(index->slots);
    *index = (struct index){0};
}
