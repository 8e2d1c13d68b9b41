/* hear.c - documents come in, and whole changes come into force. */
#include "base/limits.h"
#include "base/must.h"
#include "govern/govern_int.h"
#include <stdlib.h>

static void lock_all(struct govern *govern)
{
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_mutex_lock(&govern->slots[i].lock);
}

static void unlock_all(struct govern *govern)
{
    for (unsigned i = SLOTS; i-- > 0;)
        pthread_mutex_unlock(&govern->slots[i].lock);
}

static void change_free(struct change *change)
{
    free(change->doc);
    free(change->id);
}

static void garbage_free(struct doc *doc)
{
    while (doc) {
        struct doc *next = doc->next;
        free(doc);
        doc = next;
    }
}

static bool era_is_over(const struct era *era)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (atomic_load_explicit(&era->held[i].count, memory_order_acquire) != 0)
            return false;
    return true;
}

/* Frees what nobody can look at any more: eras end in order. */
static void eras_sweep(struct govern *govern)
{
    while (govern->oldest != govern->current && era_is_over(govern->oldest)) {
        struct era *over = govern->oldest;
        govern->oldest = over->next;
        garbage_free(over->garbage);
        if (govern->spare) {
            free(over);
            continue;
        }
        over->garbage = NULL;
        over->next = NULL;
        govern->spare = over;
    }
}

static struct era *era_new(void)
{
    struct era *era = aligned_alloc(CACHE_LINE_BYTES, sizeof *era);
    if (!era)
        return NULL;
    era->next = NULL;
    era->garbage = NULL;
    for (unsigned i = 0; i < SLOTS; i++)
        atomic_init(&era->held[i].count, 0);
    return era;
}

/* Out of lists and index; *garbage takes it. */
static void doc_remove(struct govern *govern, struct doc *doc, struct doc **garbage)
{
    struct node *node = doc->node;
    index_remove(&govern->docs, &doc->head);
    if (node && node_unlink(doc)) {
        index_remove(&govern->nodes, &node->head);
        govern->node_counts[node->head.kind]--;
        free(node);
    }
    doc->next = *garbage;
    *garbage = doc;
}

static bool doc_add(struct govern *govern, struct doc *doc)
{
    if (doc->owner_kind != NODE_NONE) {
        enum node_kind const kind = (enum node_kind)doc->owner_kind;
        struct node *node = index_find(&govern->nodes, kind, doc->owner);
        if (!node) {
            node = node_new(kind, doc->owner);
            if (!node)
                return false;
            index_put(&govern->nodes, &node->head);
            govern->node_counts[kind]++;
        }
        node_link(node, doc);
    }
    index_put(&govern->docs, &doc->head);
    return true;
}

static enum err apply(struct govern *govern, struct doc **garbage)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < govern->pending_count; i++) {
        struct change *change = &govern->pending[i];
        struct str const id =
            change->doc ? entry_id(&change->doc->head) : (struct str){change->id, change->id_len};
        struct doc *old = index_find(&govern->docs, change->kind, id);
        if (old)
            doc_remove(govern, old, garbage);
        if (change->doc && !doc_add(govern, change->doc))
            err = ERR_NO_MEMORY; /* left out: freed with the change */
        else
            change->doc = NULL;
    }
    return err;
}

/* What was larger made room for all pending changes; swapped in with readers out. */
static void swap_in(struct index *index, struct index *grown)
{
    if (!grown->slots)
        return;
    struct index const old = *index;
    *index = *grown;
    *grown = old;
}

static enum err commit(struct govern *govern, struct fault *fault)
{
    struct index docs = {0}, nodes = {0};
    struct doc *garbage = NULL;
    enum err err = ERR_OK;
    if (!govern->spare)
        govern->spare = era_new();
    if (!govern->spare || index_grown(&govern->docs, govern->pending_count, &docs) != ERR_OK ||
        index_grown(&govern->nodes, govern->pending_count, &nodes) != ERR_OK) {
        err = fault_set(fault, ERR_NO_MEMORY, "no memory for a change of documents");
        goto out;
    }
    lock_all(govern);
    govern->changes++;
    swap_in(&govern->docs, &docs);
    swap_in(&govern->nodes, &nodes);
    err = apply(govern, &garbage);
    if (garbage) {
        MUST(!govern->current->garbage);
        govern->current->garbage = garbage;
        govern->current = govern->current->next = govern->spare;
        govern->spare = NULL;
    }
    unlock_all(govern);
    if (err != ERR_OK)
        fault_set(fault, err, "no memory for a document");
out:
    for (size_t i = 0; i < govern->pending_count; i++)
        change_free(&govern->pending[i]);
    govern->pending_count = 0;
    index_free(&docs);
    index_free(&nodes);
    eras_sweep(govern);
    return err;
}

static enum err pending_room(struct govern *govern, struct fault *fault)
{
    if (govern->pending_count < govern->pending_room)
        return ERR_OK;
    size_t const room = govern->pending_room ? govern->pending_room * 2 : 16;
    if (room > GOVERN_PENDING_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "more than %d documents in one change",
                         GOVERN_PENDING_MAX);
    struct change *grown = realloc(govern->pending, room * sizeof *grown);
    if (!grown)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a change of documents");
    govern->pending = grown;
    govern->pending_room = room;
    return ERR_OK;
}

static enum err compile_locked(struct govern *govern, enum doc_kind kind, struct str id,
                               struct str text, struct doc **doc, struct fault *fault)
{
    pthread_mutex_lock(&govern->compiling);
    enum err const err = compile(&govern->compiler, kind, id, text, doc, fault);
    pthread_mutex_unlock(&govern->compiling);
    return err;
}

enum err govern_check(struct govern *govern, struct str kind, struct str id, struct str text,
                      struct fault *fault)
{
    struct doc *doc = NULL;
    enum doc_kind const doc_kind = doc_kind_of(kind);
    if (doc_kind == DOC_KIND_COUNT)
        return ERR_OK;
    enum err const err = compile_locked(govern, doc_kind, id, text, &doc, fault);
    free(doc);
    return err;
}

/* A document that cannot be compiled takes the place of its former version: as if deleted. */
static enum err pending_add(struct govern *govern, enum doc_kind kind, struct str id,
                            struct str text, struct fault *fault)
{
    struct change change = {.kind = kind};
    enum err err = pending_room(govern, fault);
    if (err != ERR_OK)
        return err;
    if (text.ptr)
        err = compile_locked(govern, kind, id, text, &change.doc, fault);
    if (!change.doc) {
        change.id = malloc(id.len + 1);
        if (!change.id)
            return fault_set(fault, ERR_NO_MEMORY, "no memory for a change of documents");
        if (id.len > 0)
            memcpy(change.id, id.ptr, id.len);
        change.id_len = id.len;
    }
    govern->pending[govern->pending_count++] = change;
    return err;
}

enum err govern_hear(struct govern *govern, struct str kind, struct str id, struct str text,
                     bool more, struct fault *fault)
{
    enum doc_kind const doc_kind = doc_kind_of(kind);
    enum err err = ERR_OK;
    if (doc_kind != DOC_KIND_COUNT)
        err = pending_add(govern, doc_kind, id, text, fault);
    if (more || govern->pending_count == 0)
        return err;
    enum err const late = commit(govern, fault);
    return err != ERR_OK ? err : late;
}

enum err govern_new(const struct govern_options *options, struct govern **govern,
                    struct fault *fault)
{
    const char *dir = options && options->zone_dir ? options->zone_dir : "/usr/share/zoneinfo";
    struct govern *made = aligned_alloc(CACHE_LINE_BYTES, sizeof *made);
    if (!made)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the rules");
    memset(made, 0, sizeof *made);
    pthread_mutex_init(&made->compiling, NULL);
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_mutex_init(&made->slots[i].lock, NULL);
    enum err err = zones_new(dir, &made->compiler.zones, fault);
    made->compiler.scratch = malloc(GOVERN_TERMS_BYTES_MAX);
    made->oldest = made->current = era_new();
    if (err == ERR_OK && (!made->compiler.scratch || !made->current))
        err = fault_set(fault, ERR_NO_MEMORY, "no memory for the rules");
    if (err != ERR_OK) {
        govern_free(made);
        return err;
    }
    *govern = made;
    return ERR_OK;
}

static void eras_free(struct govern *govern)
{
    while (govern->oldest) {
        struct era *next = govern->oldest->next;
        garbage_free(govern->oldest->garbage);
        free(govern->oldest);
        govern->oldest = next;
    }
    free(govern->spare);
}

void govern_free(struct govern *govern)
{
    size_t at = 0;
    void *object;
    if (!govern)
        return;
    while ((object = index_next(&govern->docs, &at)))
        free(object);
    for (at = 0; (object = index_next(&govern->nodes, &at));)
        free(object);
    for (size_t i = 0; i < govern->pending_count; i++)
        change_free(&govern->pending[i]);
    free(govern->pending);
    eras_free(govern);
    index_free(&govern->docs);
    index_free(&govern->nodes);
    zones_free(govern->compiler.zones);
    free(govern->compiler.scratch);
    pthread_mutex_destroy(&govern->compiling);
    for (unsigned i = 0; i < SLOTS; i++) {
        free(govern->slots[i].recent);
        pthread_mutex_destroy(&govern->slots[i].lock);
    }
    free(govern);
}
