/* apply_documents.h - brings a daemon's documents to what the files say.
 *
 * What:  compares each with the stored one, checks all that would be written before the first
 *        write, then writes in the order of dependency and deletes in the opposite one. Again with
 *        the same files: nothing is written.
 * Not:   a transaction: a write that fails in the middle leaves what was written before.
 */
#pragma once
#include "app/document_files.h"
#include "app/document_remote.h"

enum change_action { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE, CHANGE_COUNT };

struct change {
    struct change *next;
    enum change_action action;
    enum object_kind kind;
    struct str id;
    const struct document *wanted; /* NULL: delete */
    struct str before;             /* the stored members; empty: there are none */
    int64_t version;               /* of those */
    bool was_runtime;
};
struct apply {
    struct remote remote;
    struct documents *documents; /* problems are told there */
    struct arena *arena;
    bool prune;
    struct change *first, **end;           /* in the order in which they are written */
    struct change *deletes;                /* newest first, until apply_compare ends */
    struct map deleted[OBJECT_KIND_COUNT]; /* by id */
    size_t counts[CHANGE_COUNT], unchanged, written;
};

NODISCARD bool apply_open(struct apply *apply, const struct invocation *invocation,
                          struct documents *documents, bool prune);
/* Finds the changes. An exit code. */
int apply_compare(struct apply *apply);
/* Would the daemon take them? Problems are told in documents->problems. An exit code. */
int apply_check(struct apply *apply);
/* Writes. An exit code; stops at the first that fails. */
int apply_write(struct apply *apply);
void apply_close(struct apply *apply);
