/* object.h - what operators manage: plans, features, licences … as versioned JSON documents.
 *
 * What:  one store for all kinds of kinds.def. A write is one journal record with its audit entry:
 *        durable before it is acknowledged, projected to the tables `object` and `audit`, and told
 *        to whoever compiles documents into rules. The auditors' chain is part of the record.
 * Not:   what a document means (govern/), whether it is valid (codec/schema.h): callers check.
 * Rules: writes block on the disk: not on a loop. Kinds of many rows (`resident` false) are not
 * kept in memory whole: the database has their text, the book id, version and owner.
 */
#pragma once
#include "book/book.h"

enum object_kind {
#define X(name, path, resident, owned) OBJECT_##name,
#include "book/kinds.def"
#undef X
    OBJECT_KIND_COUNT
};
struct object_kind_row {
    struct str name;  /* "plan" */
    const char *path; /* "plans": the collection in the API */
    bool resident;    /* the text is kept in memory */
    bool owned;       /* belongs to a customer: "customer" is one of its members */
};
const struct object_kind_row *object_kind_row(enum object_kind kind);
/* Nobody sees its documents; the audit trail has none of their text. */
bool object_kind_secret(struct str name);
/* Only its own operations write it: files, exports and bulk work do not. */
static inline bool object_kind_private(enum object_kind kind)
{
    const char *path = object_kind_row(kind)->path;
    return path[0] == '/' || path[0] == '\0';
}

struct object {
    enum object_kind kind;
    struct str id;          /* given by the writer (a slug) or a ULID */
    struct str customer_id; /* empty: the operator's own */
    uint32_t version;       /* from 1; 0: there is none */
    enum row_origin origin; /* the file that `cota apply` read, or the API */
    int64_t created_us, updated_us;
    struct str text; /* JSON; empty for kinds that are not resident: read the store */
};

/* Who writes, for the audit trail. */
struct object_actor {
    struct str actor; /* "token", "operator:ID", "socket", "file:NAME" … */
    struct str address, user_agent, reason, request_id;
};

enum { OBJECT_ANY_VERSION = 0, OBJECT_ABSENT = -1 }; /* of `expected` */

struct object_change {
    enum object_kind kind;
    struct str id, customer_id;
    struct str text;   /* the new document; ptr NULL: delete */
    struct str before; /* the old one, for the audit trail; resident kinds: leave empty */
    int64_t expected;  /* the version it must have now, or one of the above */
    enum row_origin origin;
};

/* All changes or none, in order (each sees those before it), durable when it returns; *version is
 * of the last one; of a deletion: the version it had. Ids: 1 to 128 bytes of UTF-8 without control
 * characters. The actor's texts are cut to AUDIT_TEXT_BYTES_MAX.
 * ERR_VERSION_CONFLICT, ERR_CONFLICT (OBJECT_ABSENT, but it is there), ERR_NOT_FOUND (deleting, or
 * a version is expected of nothing), ERR_LEDGER_UNAVAILABLE, ERR_NO_MEMORY, ERR_TOO_LARGE (a text,
 * the record, or too many changes), ERR_FIELD_INVALID (id, customer), ERR_JSON_INVALID. */
NODISCARD enum err book_objects_put(struct book *book, const struct object_change *changes,
                                    size_t count, const struct object_actor *actor,
                                    uint32_t *version, struct fault *fault);
/* Copies into the arena. False: there is none, or the arena is full. */
NODISCARD bool book_object_get(struct book *book, enum object_kind kind, struct str id,
                               struct arena *arena, struct object *object);
size_t book_object_count(const struct book *book, enum object_kind kind);

/* Hears of every object: first of all that exist, then of each change, in the order of the journal,
 * under the book's lock: be quick, do not call the book. object->version 0: it was deleted. `more`:
 * others of the same put follow. The text is there for every kind.
 *
 * Subscribe between book_new and book_recover, once: texts of kinds that are not resident pass
 * through the book only while it loads. Loading tells, on its thread and all with `more`: each row
 * of the database by kind and id, then each change that only the journal knows (so an object may
 * come more than once, and go again); last comes a call with object NULL and more false, also when
 * there was nothing: what has been told is complete. */
typedef void object_listener(void *owner, const struct object *object, bool more);
void book_objects_subscribe(struct book *book, object_listener *listener, void *owner);
/* Ids and versions of a kind in the order of ids, from after `after`; for exports and checks. The
 * visitor does not call the book; false stops. */
typedef bool object_visit(void *owner, const struct object *object);
void book_objects_each(struct book *book, enum object_kind kind, struct str after,
                       object_visit *visit, void *owner);

/* The newest entry of the audit trail, written or not: the store's audit_verify must come to the
 * same after a projector_flush. Sequence 0: there is none. */
void book_audit_head(struct book *book, uint64_t *sequence, unsigned char hash[AUDIT_HASH_BYTES]);
