/* object_int.h - the documents in memory: one tree per kind, in the order of ids.
 *
 * What:  every put makes a new node that takes the old one's place, so that it can be taken back
 *        until the journal has it. Treaps: balanced by a keyed hash of the id, whatever its order.
 * Rules: changes under book->manage and objects->lock; reading under objects->lock.
 */
#pragma once
#include "book/book_int.h"
#include "book/record_object.h"
#include "store/chain.h"

struct object_node {
    struct object_node *left, *right;
    uint64_t priority;
    struct object object; /* texts lie behind it */
};
struct object_tree {
    struct object_node *root;
    size_t count;
};

struct objects {
    pthread_rwlock_t lock;
    struct object_tree trees[OBJECT_KIND_COUNT];
    object_listener *listener;
    void *listener_owner;
    uint64_t sequence; /* of the last entry of the audit trail */
    unsigned char hash[AUDIT_HASH_BYTES];
    int64_t last_us;
};

struct objects *objects_new(void); /* NULL: memory is short */
void objects_free(struct objects *objects);

/* A node of its own memory; the text is kept for resident kinds only. NULL: memory is short. */
struct object_node *object_node_new(const struct object *object);
struct object_node *object_tree_find(const struct object_tree *tree, struct str id);
/* The first after `id` (empty: the very first), or NULL. */
struct object_node *object_tree_after(const struct object_tree *tree, struct str id);
/* Gives back the one that had the same id, now the caller's, or NULL. */
struct object_node *object_tree_put(struct object_tree *tree, struct object_node *node);
/* It is the caller's now; NULL: there is none. */
struct object_node *object_tree_remove(struct object_tree *tree, struct str id);

bool object_kind_parse(struct str name, enum object_kind *kind);
/* Tells the listener, if there is one. */
void objects_tell(const struct objects *objects, const struct object *object, bool more);
/* Ends what replay said with `more`. */
void objects_loaded(struct book *book);
/* RECORD_OBJECT, newer than the rows. */
NODISCARD enum err objects_replay(struct book *book, const struct journal_record *record,
                                  struct fault *fault);
