/* object.c - documents change: checked, made, chained, journalled, told, in one critical section.
 *
 * How:   the changes are made in the trees first, one after the other, so that each sees the one
 *        before it; whatever fails until the journal has the record, they are all taken back.
 */
#include "base/arena.h"
#include "book/object_int.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include <stdlib.h>

struct step {
    struct object_node *made, *old; /* made NULL: deleted; old NULL: there was none */
};

struct put {
    struct book *book;
    struct objects *objects;
    const struct object_change *changes;
    struct record_object record;
    struct record_object_change *lines;
    struct step *steps;
    size_t done, bytes;
    int64_t now_us;
    unsigned char hash[AUDIT_HASH_BYTES];
    void *room;
    uint64_t lsn;
};

/* --- before the lock ----------------------------------------------------------------------- */
static enum err check_change(const struct object_change *change, struct fault *fault)
{
    MUST(change->kind < OBJECT_KIND_COUNT && change->expected >= OBJECT_ABSENT);
    if (!object_id_valid(change->id))
        return fault_param(fault, ERR_FIELD_INVALID, "id",
                           "1 to %d bytes of UTF-8 without control characters",
                           OBJECT_ID_BYTES_MAX);
    if (change->customer_id.len > CUSTOMER_ID_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "customer", "at most %d bytes",
                           CUSTOMER_ID_BYTES_MAX);
    if (change->text.len > OBJECT_TEXT_BYTES_MAX || change->before.len > OBJECT_TEXT_BYTES_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "%.*s: a document has at most %d bytes",
                         STR_ARG(change->id), OBJECT_TEXT_BYTES_MAX);
    /* The database looks into it. */
    return change->text.ptr != NULL ? json_scan(change->text, NULL, fault) : ERR_OK;
}

static enum err check_changes(const struct object_change *changes, size_t count,
                              struct fault *fault)
{
    enum err err = ERR_OK;
    if (count == 0 || count > OBJECT_PUT_CHANGES_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "1 to %d changes", OBJECT_PUT_CHANGES_MAX);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = check_change(&changes[i], fault);
    return err;
}

/* A header of a client's may be longer, or no text at all. */
static struct str cut(struct str text)
{
    size_t const len = text.len < AUDIT_TEXT_BYTES_MAX ? text.len : AUDIT_TEXT_BYTES_MAX;
    return str_make(text.ptr, utf8_valid_prefix(str_make(text.ptr, len)));
}

static enum err put_begin(struct put *put, const struct object_actor *actor, size_t count,
                          struct fault *fault)
{
    put->lines = calloc(count, sizeof *put->lines);
    put->steps = calloc(count, sizeof *put->steps);
    put->room = malloc(OBJECT_PUT_BYTES_MAX);
    put->record = (struct record_object){
        .by = {.actor = cut(actor->actor),
               .address = cut(actor->address),
               .user_agent = cut(actor->user_agent),
               .reason = cut(actor->reason),
               .request_id = cut(actor->request_id)},
        .count = count,
    };
    if (put->lines == NULL || put->steps == NULL || put->room == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "a change of documents");
    return ERR_OK;
}

static void put_end(struct put *put)
{
    free(put->lines);
    free(put->steps);
    free(put->room);
}

/* --- under the locks ----------------------------------------------------------------------- */
static enum err check_version(const struct object_change *change, const struct object_node *old,
                              struct fault *fault)
{
    struct str const kind = object_kind_row(change->kind)->name;
    if (old == NULL && (change->text.ptr == NULL || change->expected > 0))
        return fault_set(fault, ERR_NOT_FOUND, "no %.*s %.*s", STR_ARG(kind), STR_ARG(change->id));
    if (old != NULL && change->expected == OBJECT_ABSENT)
        return fault_set(fault, ERR_CONFLICT, "%.*s %.*s exists", STR_ARG(kind),
                         STR_ARG(change->id));
    if (old != NULL && change->expected > 0 && change->expected != old->object.version)
        return fault_set(fault, ERR_VERSION_CONFLICT, "%.*s %.*s has version %u", STR_ARG(kind),
                         STR_ARG(change->id), old->object.version);
    if (old != NULL && old->object.version == UINT32_MAX)
        return fault_set(fault, ERR_CONFLICT, "%.*s has no more versions", STR_ARG(change->id));
    return ERR_OK;
}

static struct object object_of(const struct put *put, size_t at)
{
    const struct record_object_change *line = &put->lines[at];
    return (struct object){
        .kind = put->changes[at].kind,
        .id = line->id,
        .customer_id = line->customer_id,
        .version = line->deleted ? 0 : line->version,
        .origin = line->origin,
        .created_us = line->created_us,
        .updated_us = put->now_us,
        .text = line->after,
    };
}

static void fill_line(struct put *put, size_t at, const struct object_node *old)
{
    const struct object_change *change = &put->changes[at];
    const struct object_kind_row *kind = object_kind_row(change->kind);
    bool const deleted = change->text.ptr == NULL;
    uint32_t const had = old != NULL ? old->object.version : 0;
    put->lines[at] = (struct record_object_change){
        .kind = kind->name,
        .id = change->id,
        .customer_id = deleted ? old->object.customer_id : change->customer_id,
        .version = deleted ? had : had + 1,
        .origin = change->origin,
        .deleted = deleted,
        .created_us = old != NULL ? old->object.created_us : put->now_us,
        .before = old != NULL && kind->resident ? old->object.text : change->before,
        .after = change->text,
    };
}

static enum err step(struct put *put, size_t at, struct fault *fault)
{
    const struct object_change *change = &put->changes[at];
    struct object_tree *tree = &put->objects->trees[change->kind];
    struct object_node *made = NULL;
    struct object_node *const old = object_tree_find(tree, change->id);
    enum err const err = check_version(change, old, fault);
    if (err != ERR_OK)
        return err;
    fill_line(put, at, old);
    put->bytes += put->lines[at].before.len + put->lines[at].after.len;
    if (put->bytes > OBJECT_PUT_BYTES_MAX || (old == NULL && tree->count == OBJECTS_PER_KIND_MAX))
        return fault_set(fault, ERR_TOO_LARGE, "too much for one change, or too many documents");
    if (!put->lines[at].deleted) {
        struct object const object = object_of(put, at);
        made = object_node_new(&object);
        if (made == NULL)
            return fault_set(fault, ERR_NO_MEMORY, "a document");
        (void)object_tree_put(tree, made); /* gives back `old` */
    } else {
        (void)object_tree_remove(tree, change->id);
    }
    put->steps[at] = (struct step){made, old};
    put->done++;
    return ERR_OK;
}

static void take_back(struct put *put)
{
    while (put->done > 0) {
        struct step const *step = &put->steps[--put->done];
        const struct object_change *change = &put->changes[put->done];
        struct object_tree *tree = &put->objects->trees[change->kind];
        if (step->old != NULL)
            (void)object_tree_put(tree, step->old);
        else
            (void)object_tree_remove(tree, change->id);
        free(step->made);
    }
}

static enum err write_down(struct put *put, struct fault *fault)
{
    put->record.sequence = put->objects->sequence + 1;
    memcpy(put->hash, put->objects->hash, sizeof put->hash);
    for (size_t i = 0; i < put->record.count; i++) {
        struct audit_row const row = record_object_audit(&put->record, &put->lines[i],
                                                         put->record.sequence + i, put->now_us);
        audit_chain_hash(put->hash, &row, put->hash);
        memcpy(put->lines[i].hash, put->hash, sizeof put->hash);
    }
    size_t const len =
        record_object_encode(&put->record, put->lines, put->room, OBJECT_PUT_BYTES_MAX);
    if (len == 0)
        return fault_set(fault, ERR_TOO_LARGE, "a change has at most %d bytes in all",
                         OBJECT_PUT_BYTES_MAX);
    if (journal_append(put->book->journal, RECORD_OBJECT, put->now_us, str_make(put->room, len),
                       &put->lsn) != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no OBJECT record");
    return ERR_OK;
}

/* It is in the journal: nothing can fail any more. */
static void make_true(struct put *put)
{
    struct objects *objects = put->objects;
    size_t const count = put->record.count;
    objects->sequence += count;
    objects->last_us = put->now_us;
    memcpy(objects->hash, put->hash, sizeof objects->hash);
    for (size_t i = 0; i < count; i++) {
        struct object const object = object_of(put, i);
        objects_tell(objects, &object, i + 1 < count);
    }
    for (size_t i = 0; i < count; i++)
        free(put->steps[i].old); /* may have been made by an earlier step */
}

static enum err change_all(struct put *put, struct fault *fault)
{
    struct objects *objects = put->objects;
    enum err err = ERR_OK;
    pthread_mutex_lock(&put->book->manage);
    pthread_rwlock_wrlock(&objects->lock);
    int64_t const wall_us = clock_wall_us(put->book->clock);
    put->now_us = wall_us > objects->last_us ? wall_us : objects->last_us;
    for (size_t i = 0; i < put->record.count && err == ERR_OK; i++)
        err = step(put, i, fault);
    if (err == ERR_OK)
        err = write_down(put, fault);
    if (err == ERR_OK)
        make_true(put);
    else
        take_back(put);
    pthread_rwlock_unlock(&objects->lock);
    pthread_mutex_unlock(&put->book->manage);
    return err;
}

enum err book_objects_put(struct book *book, const struct object_change *changes, size_t count,
                          const struct object_actor *actor, uint32_t *version, struct fault *fault)
{
    struct put put = {.book = book, .objects = book->objects, .changes = changes};
    enum err err = check_changes(changes, count, fault);
    if (err != ERR_OK)
        return err;
    err = put_begin(&put, actor, count, fault);
    if (err == ERR_OK)
        err = change_all(&put, fault);
    if (err == ERR_OK)
        *version = put.lines[count - 1].version;
    put_end(&put);
    if (err == ERR_OK && journal_sync(book->journal, put.lsn) != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal cannot be synced");
    return err;
}

/* --- looking ------------------------------------------------------------------------------- */
bool book_object_get(struct book *book, enum object_kind kind, struct str id, struct arena *arena,
                     struct object *object)
{
    struct objects *objects = book->objects;
    MUST(kind < OBJECT_KIND_COUNT);
    pthread_rwlock_rdlock(&objects->lock);
    const struct object_node *node = object_tree_find(&objects->trees[kind], id);
    if (node != NULL) {
        *object = node->object;
        object->id = arena_copy(arena, node->object.id);
        object->customer_id = arena_copy(arena, node->object.customer_id);
        object->text = arena_copy(arena, node->object.text);
    }
    pthread_rwlock_unlock(&objects->lock);
    return node != NULL && object->id.ptr && object->customer_id.ptr && object->text.ptr;
}

size_t book_object_count(const struct book *book, enum object_kind kind)
{
    MUST(kind < OBJECT_KIND_COUNT);
    pthread_rwlock_rdlock(&book->objects->lock);
    size_t const count = book->objects->trees[kind].count;
    pthread_rwlock_unlock(&book->objects->lock);
    return count;
}

void book_objects_each(struct book *book, enum object_kind kind, struct str after,
                       object_visit *visit, void *owner)
{
    MUST(kind < OBJECT_KIND_COUNT);
    const struct object_tree *tree = &book->objects->trees[kind];
    pthread_rwlock_rdlock(&book->objects->lock);
    for (const struct object_node *node = object_tree_after(tree, after); node != NULL;
         node = object_tree_after(tree, node->object.id))
        if (!visit(owner, &node->object))
            break;
    pthread_rwlock_unlock(&book->objects->lock);
}

void book_audit_head(struct book *book, uint64_t *sequence, unsigned char hash[AUDIT_HASH_BYTES])
{
    pthread_rwlock_rdlock(&book->objects->lock);
    *sequence = book->objects->sequence;
    memcpy(hash, book->objects->hash, AUDIT_HASH_BYTES);
    pthread_rwlock_unlock(&book->objects->lock);
}
