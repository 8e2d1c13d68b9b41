/* index.h - everything that has a kind and an id, found by them: 16 bytes per entry and slack.
 *
 * What:  open addressing over pointers to objects that begin with struct entry_head. Growing makes
 *        a new table beside the old one, so that readers are kept out only while they are swapped.
 * Why:   the hash beside the pointer: with a million keys each look into an entry is a walk to
 * memory, and most keys and users have no document, so that all of a run of slots is walked. Not:
 * thread-safe by itself; no ownership. Rules: one writer.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct entry_head {
    const char *id;
    uint32_t hash;
    uint16_t id_len;
    uint8_t kind, list;
};

struct index_slot {
    struct entry_head *head; /* NULL: empty */
    uint32_t hash;
};
struct index {
    struct index_slot *slots;
    size_t capacity, used, count;
};

static inline struct str entry_id(const struct entry_head *head)
{
    return (struct str){head->id, head->id_len};
}
uint32_t index_hash(unsigned kind, struct str id);
/* NULL: none. */
void *index_find(const struct index *index, unsigned kind, struct str id);
/* A larger table for `more` entries, if one is needed (slots NULL: it is not). Reads `index` only.
 */
NODISCARD enum err index_grown(const struct index *index, size_t more, struct index *grown);
/* There is room, and no entry with this kind and id. */
void index_put(struct index *index, struct entry_head *head);
void index_remove(struct index *index, struct entry_head *head);
/* Walks all: start with *at = 0; NULL at the end. */
void *index_next(const struct index *index, size_t *at);
void index_free(struct index *index);
