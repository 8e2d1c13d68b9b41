/* document_files.h - documents of operators in YAML files: kind, id and members.
 *
 * What:  a file has several documents between "---", or a list under `documents:`; a directory
 * means its *.yaml and *.yml in the order of names, not those below it. Each document is checked by
 *        openapi.yaml; what is wrong is told with its place.
 * Not:   writing them anywhere (apply_documents.h); kinds with secrets, which no file has.
 */
#pragma once
#include "app/yaml_json.h"
#include "base/map.h"
#include "book/object.h"

struct document {
    struct document *next; /* of its kind, in the order of the files */
    enum object_kind kind;
    struct str id;
    struct str text;                /* what is stored: the members without kind and id */
    const struct yaml_document *in; /* NULL: not from a file */
    struct str source;              /* the part of in->json that it is */
};
struct documents {
    struct arena *arena;
    struct file_problems problems;
    struct document *first[OBJECT_KIND_COUNT], *last[OBJECT_KIND_COUNT];
    struct map by_id[OBJECT_KIND_COUNT];
    size_t count;
};

/* The kinds that files may have, in the order in which they depend on each other; false past the
 * end. */
bool document_kind_at(size_t index, enum object_kind *kind);
/* By its name ("plan_version"); false: unknown, or not in files. */
bool document_kind_find(struct str name, enum object_kind *kind);

/* NULL: no memory. */
struct documents *documents_new(void);
/* The documents of a YAML text; `file` must outlive them. Look at documents->problems.
 * ERR_NO_MEMORY. */
NODISCARD enum err documents_read(struct documents *documents, struct str text, const char *file);
/* Those of a file or a directory. ERR_NOT_FOUND: there is no such path; ERR_NO_MEMORY. */
NODISCARD enum err documents_load(struct documents *documents, const char *path);
/* One that is made, not read: its text is JSON without kind and id. ERR_NO_MEMORY. */
NODISCARD enum err documents_add(struct documents *documents, enum object_kind kind, struct str id,
                                 struct str text);
/* Where a member ("limits[2].value") stands; that of the document when there is no such member. */
struct file_place document_place(const struct document *document, struct str member);
void documents_free(struct documents *documents);

/* A whole file into the arena. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_NO_MEMORY; *why says more. */
NODISCARD enum err file_read(const char *path, struct arena *arena, struct str *text,
                             const char **why);
