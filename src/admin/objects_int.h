/* objects_int.h - what the handlers of documents share. */
#pragma once
#include "admin/admin_int.h"

enum { ADMIN_FLUSH_MS = 5000, OBJECT_TRIES = 8 };

/* Until the database shows all that was written before. ERR_STORE_FAILED. */
NODISCARD enum err admin_flush(struct admin_call *call);
/* How many a page has: ?limit=. */
size_t admin_page_rows(struct admin_call *call);
/* "next_cursor": `last`, or null when there are no more rows. */
void admin_put_cursor(struct json_writer *writer, bool more, struct str last);
/* {"id": …, members of the document …, "version", "created_at", "updated_at", "origin"}; only the
 * members of ?fields=a,b when that was asked. */
NODISCARD enum err object_put(struct admin_call *call, struct json_writer *writer,
                              const struct object *object);
/* With its text, wherever that is. ERR_NOT_FOUND. */
NODISCARD enum err object_load(struct admin_call *call, enum object_kind kind, struct str id,
                               struct object *object);
/* Makes a document with this body (its id may be in it), and answers with it. ERR_CONFLICT. */
NODISCARD enum err object_new(struct admin_call *call, struct json_writer *writer,
                              enum object_kind kind, struct str body);
/* Stores the document that was loaded with this merge patch on it, and answers with it.
 * ERR_VERSION_CONFLICT: somebody was faster; load again, OBJECT_TRIES times. */
NODISCARD enum err object_merge(struct admin_call *call, struct json_writer *writer,
                                const struct object *object, struct str patch);
/* The id that a new document has by its nature or by its body; empty: any will do. */
NODISCARD enum err document_id(struct admin_call *call, enum object_kind kind, struct str body,
                               struct str *id);
/* What it names exists, it belongs to the customer it says (set in the change), and what must not
 * change has not. */
NODISCARD enum err document_check(struct admin_call *call, struct object_change *change);
/* Nothing needs it any more. */
NODISCARD enum err delete_check(struct admin_call *call, const struct object_change *change);
