/* object_tree.c - treaps of documents, and the table of kinds. */
#include "book/object_int.h"
#include <stdlib.h>

enum { KIND_NAME_BYTES_MAX = 32 };

/* --- kinds --------------------------------------------------------------------------------- */
static struct object_kind_row kinds[] = {
#define X(name, path, resident, owned) {STR_ROW(#name), path, resident, owned},
#include "book/kinds.def"
#undef X
};

/* The preprocessor cannot write small letters. */
static void kinds_lower(void)
{
    static char names[OBJECT_KIND_COUNT][KIND_NAME_BYTES_MAX];
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        struct str *name = &kinds[kind].name;
        MUST(name->len <= KIND_NAME_BYTES_MAX);
        for (size_t i = 0; i < name->len; i++)
            names[kind][i] = name->ptr[i] == '_' ? '_' : (char)(name->ptr[i] | 0x20);
        name->ptr = names[kind];
    }
}

const struct object_kind_row *object_kind_row(enum object_kind kind)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    MUST(kind < OBJECT_KIND_COUNT);
    pthread_once(&once, kinds_lower);
    return &kinds[kind];
}

bool object_kind_parse(struct str name, enum object_kind *kind)
{
    for (unsigned i = 0; i < OBJECT_KIND_COUNT; i++) {
        *kind = (enum object_kind)i;
        if (str_eq(object_kind_row(*kind)->name, name))
            return true;
    }
    return false;
}

bool object_kind_secret(struct str name)
{
    enum object_kind kind;
    return object_kind_parse(name, &kind) && object_kind_row(kind)->path[0] == '\0';
}

/* --- nodes --------------------------------------------------------------------------------- */
static struct str copy_text(char **at, struct str text)
{
    char *copy = *at;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    *at += text.len;
    return str_make(copy, text.len);
}

struct object_node *object_node_new(const struct object *object)
{
    struct str const text = object_kind_row(object->kind)->resident ? object->text : STR("");
    struct object_node *node =
        malloc(sizeof *node + object->id.len + object->customer_id.len + text.len);
    if (node == NULL)
        return NULL;
    char *at = (char *)(node + 1);
    *node = (struct object_node){.priority = map_hash(object->id), .object = *object};
    node->object.id = copy_text(&at, object->id);
    node->object.customer_id = copy_text(&at, object->customer_id);
    node->object.text = copy_text(&at, text);
    return node;
}

static int id_order(struct str a, struct str b)
{
    size_t const shorter = a.len < b.len ? a.len : b.len;
    int const order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* --- the tree ------------------------------------------------------------------------------ */
static struct object_node **slot_of(struct object_node **slot, struct str id)
{
    while (*slot != NULL) {
        int const order = id_order(id, (*slot)->object.id);
        if (order == 0)
            break;
        slot = order < 0 ? &(*slot)->left : &(*slot)->right;
    }
    return slot;
}

struct object_node *object_tree_find(const struct object_tree *tree, struct str id)
{
    struct object_node *root = tree->root;
    return *slot_of(&root, id);
}

struct object_node *object_tree_after(const struct object_tree *tree, struct str id)
{
    struct object_node *found = NULL;
    for (struct object_node *at = tree->root; at != NULL;) {
        bool const after = id_order(at->object.id, id) > 0;
        found = after ? at : found;
        at = after ? at->left : at->right;
    }
    return found;
}

/* `id` is not in there. */
static void split(struct object_node *tree, struct str id, struct object_node **less,
                  struct object_node **more)
{
    while (tree != NULL) {
        if (id_order(tree->object.id, id) < 0) {
            *less = tree;
            less = &tree->right;
            tree = tree->right;
        } else {
            *more = tree;
            more = &tree->left;
            tree = tree->left;
        }
    }
    *less = *more = NULL;
}

/* All of `less` come before all of `more`. */
static struct object_node *join(struct object_node *less, struct object_node *more)
{
    struct object_node *root = NULL, **at = &root;
    while (less != NULL && more != NULL) {
        if (less->priority >= more->priority) {
            *at = less;
            at = &less->right;
            less = less->right;
        } else {
            *at = more;
            at = &more->left;
            more = more->left;
        }
    }
    *at = less != NULL ? less : more;
    return root;
}

struct object_node *object_tree_put(struct object_tree *tree, struct object_node *node)
{
    struct str const id = node->object.id;
    struct object_node **slot = slot_of(&tree->root, id), *old = *slot;
    if (old != NULL) {
        node->left = old->left;
        node->right = old->right;
        *slot = node;
        return old;
    }
    slot = &tree->root;
    while (*slot != NULL && (*slot)->priority >= node->priority)
        slot = id_order(id, (*slot)->object.id) < 0 ? &(*slot)->left : &(*slot)->right;
    split(*slot, id, &node->left, &node->right);
    *slot = node;
    tree->count++;
    return NULL;
}

struct object_node *object_tree_remove(struct object_tree *tree, struct str id)
{
    struct object_node **slot = slot_of(&tree->root, id), *old = *slot;
    if (old == NULL)
        return NULL;
    *slot = join(old->left, old->right);
    tree->count--;
    return old;
}

/* --- all of them --------------------------------------------------------------------------- */
struct objects *objects_new(void)
{
    struct objects *objects = calloc(1, sizeof *objects);
    if (objects != NULL)
        pthread_rwlock_init(&objects->lock, NULL);
    return objects;
}

void objects_free(struct objects *objects)
{
    if (objects == NULL)
        return;
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        struct object_node *at = objects->trees[kind].root;
        while (at != NULL) {
            struct object_node *rest = join(at->left, at->right);
            free(at);
            at = rest;
        }
    }
    pthread_rwlock_destroy(&objects->lock);
    free(objects);
}
