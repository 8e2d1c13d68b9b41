/* object_load.c - documents at start: rows of the database, then records of the journal; and who
 * hears of them. */
#include "base/log.h"
#include "book/object_int.h"
#include "book/replay_int.h"
#include <stdlib.h>

void book_objects_subscribe(struct book *book, object_listener *listener, void *owner)
{
    struct objects *objects = book->objects;
    pthread_mutex_lock(&book->manage);
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        MUST(objects->trees[kind].count == 0); /* their texts may be in the database alone */
    objects->listener = listener;
    objects->listener_owner = owner;
    pthread_mutex_unlock(&book->manage);
}

void objects_tell(const struct objects *objects, const struct object *object, bool more)
{
    if (objects->listener != NULL)
        objects->listener(objects->listener_owner, object, more);
}

void objects_loaded(struct book *book)
{
    objects_tell(book->objects, NULL, false);
}

static enum err remember(struct objects *objects, const struct object *object, struct fault *fault)
{
    struct object_node *node = object_node_new(object);
    if (node == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "a document");
    free(object_tree_put(&objects->trees[object->kind], node));
    if (object->updated_us > objects->last_us)
        objects->last_us = object->updated_us;
    objects_tell(objects, object, true);
    return ERR_OK;
}

enum err book_load_object(struct book *book, const struct object_row *row, struct fault *fault)
{
    struct object object = {
        .id = row->id,
        .customer_id = row->customer_id,
        .version = row->version,
        .origin = row->origin,
        .created_us = row->created_us,
        .updated_us = row->updated_us,
        .text = row->text,
    };
    if (!object_kind_parse(row->kind, &object.kind) || !object_id_valid(row->id) ||
        row->customer_id.len > CUSTOMER_ID_BYTES_MAX || row->version == 0 || str_empty(row->text) ||
        row->text.len > OBJECT_TEXT_BYTES_MAX ||
        object_tree_find(&book->objects->trees[object.kind], row->id) != NULL)
        return replay_corrupt(fault, "a document that cannot be, or is there twice", row->id);
    return remember(book->objects, &object, fault);
}

enum err book_load_audit_head(struct book *book, const struct audit_row *row, struct fault *fault)
{
    struct objects *objects = book->objects;
    if (row->sequence == 0 || row->sequence > INT64_MAX - OBJECT_PUT_CHANGES_MAX)
        return replay_corrupt(fault, "the audit trail has an entry without a number", row->kind);
    objects->sequence = row->sequence;
    memcpy(objects->hash, row->hash, sizeof objects->hash);
    if (row->at_us > objects->last_us)
        objects->last_us = row->at_us;
    return ERR_OK;
}

/* --- the journal --------------------------------------------------------------------------- */
/* A record whose hash is not what the trail leads to was written after another one. The trail goes
 * on from what the record says; the store's audit_verify shows where it broke. */
static void follow_chain(struct book *book, const struct record_object *record,
                         const struct record_object_change *change, int64_t at_us)
{
    struct objects *objects = book->objects;
    struct audit_row const row = record_object_audit(record, change, objects->sequence + 1, at_us);
    unsigned char hash[AUDIT_HASH_BYTES];
    audit_chain_hash(objects->hash, &row, hash);
    if (memcmp(hash, change->hash, sizeof hash) != 0) {
        book->mismatches++;
        LOG(audit_mismatch, field_str("customer", change->customer_id),
            field_text("where", "audit trail"));
    }
    memcpy(objects->hash, change->hash, sizeof objects->hash);
    objects->sequence++;
}

static enum err apply(struct book *book, const struct record_object_change *change, int64_t at_us,
                      struct fault *fault)
{
    struct objects *objects = book->objects;
    struct object object = {
        .id = change->id,
        .customer_id = change->customer_id,
        .version = change->version,
        .origin = change->origin,
        .created_us = change->created_us,
        .updated_us = at_us,
        .text = change->after,
    };
    if (!object_kind_parse(change->kind, &object.kind))
        return replay_corrupt(fault, "a document of unknown kind", change->kind);
    struct object_tree *tree = &objects->trees[object.kind];
    const struct object_node *old = object_tree_find(tree, change->id);
    uint64_t const had = old != NULL ? old->object.version : 0;
    if (change->version != (change->deleted ? had : had + 1))
        return replay_corrupt(fault, "a version that does not follow", change->id);
    if (!change->deleted)
        return remember(objects, &object, fault);
    free(object_tree_remove(tree, change->id));
    object.version = 0;
    objects_tell(objects, &object, true);
    return ERR_OK;
}

enum err objects_replay(struct book *book, const struct journal_record *record, struct fault *fault)
{
    struct record_object change_set;
    struct record_object_change change;
    enum err err = ERR_OK;
    if (!record_object_decode(record->payload, &change_set))
        return replay_corrupt(fault, "a record that cannot be read", STR("OBJECT"));
    if (change_set.sequence != book->objects->sequence + 1)
        return replay_corrupt(fault, "the audit trail has a gap", STR("OBJECT"));
    while (err == ERR_OK && record_object_next(&change_set, &change)) {
        follow_chain(book, &change_set, &change, record->at_us);
        err = apply(book, &change, record->at_us, fault);
    }
    if (record->at_us > book->objects->last_us)
        book->objects->last_us = record->at_us;
    return err;
}
