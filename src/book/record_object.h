/* record_object.h - the record of a put: documents that changed together, and who changed them.
 *
 * What:  everything that the rows of the documents and of the audit trail need, hashes too: neither
 *        projection nor replay computes a new one. Kinds are names: their numbers may change.
 * Not:   which version follows which (object.c); what a document says.
 */
#pragma once
#include "book/object.h"
#include "book/record.h"

enum { RECORD_OBJECT_HEAD_BYTES_MAX = 5 * (AUDIT_TEXT_BYTES_MAX + 2) + 64 };

struct record_object {
    struct object_actor by;
    uint64_t sequence; /* of the first change, in the audit trail */
    size_t count;
    struct str rest; /* where record_object_next goes on */
};

struct record_object_change {
    struct str kind, id, customer_id;
    uint32_t version; /* the new one; deleted: the one it had */
    enum row_origin origin;
    bool deleted;
    int64_t created_us;
    struct str before; /* empty: there was none, or it is not known */
    struct str after;  /* empty when deleted, and only then */
    unsigned char hash[AUDIT_HASH_BYTES];
};

/* 1 to 128 bytes of UTF-8 without control characters. */
bool object_id_valid(struct str id);

/* 0: it does not fit. `record->count` changes; `rest` is not looked at. */
size_t record_object_encode(const struct record_object *record,
                            const struct record_object_change *changes, void *out, size_t room);
/* Checks all of it; the changes come from record_object_next, which cannot fail afterwards. */
NODISCARD bool record_object_decode(struct str payload, struct record_object *record);
/* False at the end. */
bool record_object_next(struct record_object *record, struct record_object_change *change);

/* The entry of the audit trail that a change is; without its hash. */
struct audit_row record_object_audit(const struct record_object *record,
                                     const struct record_object_change *change, uint64_t sequence,
                                     int64_t at_us);
