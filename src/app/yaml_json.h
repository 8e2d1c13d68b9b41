/* yaml_json.h - strict YAML read as JSON, with the place of every value.
 *
 * What:  each document of a YAML stream becomes one JSON text. Plain words follow YAML 1.2's core
 *        schema; what other readers would take for something else (0x1F, 012, .5, True) must be
 *        quoted. Anchors, aliases, tags, merge keys and keys that are there twice are problems, so
 *        that a file means what it says.
 * Not:   what the documents mean (document_files.h).
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct file_place {
    const char *file; /* NULL: none */
    unsigned line, column;
};

/* --- problems: gathered, so that one run tells them all -------------------------------------- */
struct file_problem {
    struct file_problem *next;
    struct file_place place;
    struct str text;
};
struct file_problems {
    struct arena *arena;
    struct file_problem *first, *last;
    size_t count; /* all of them; at most FILE_PROBLEMS_MAX are kept */
    bool no_memory;
};
void file_problem(struct file_problems *problems, struct file_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "plans.yaml:12:3: …" line by line. */
NODISCARD enum err file_problems_text(const struct file_problems *problems, struct buf *out);

/* --- reading --------------------------------------------------------------------------------- */
struct yaml_place {
    size_t offset; /* where the value begins in the JSON text */
    unsigned line, column;
};
struct yaml_document {
    struct yaml_document *next;
    const char *file;
    struct str json;
    const struct yaml_place *places; /* by offset, ascending; the first is the document's */
    size_t place_count;
};
enum yaml_words {
    YAML_WORDS_STRICT, /* what is ambiguous must be quoted */
    YAML_WORDS_PYTHON, /* for files of Python programs: True, yes, off … are booleans */
};

/* The documents in order; comments alone are none. What is wrong is told in `problems`, with the
 * rest of the text read on; look at problems->count. ERR_NO_MEMORY. `file` stays the caller's. */
NODISCARD enum err yaml_json_read(struct str text, const char *file, enum yaml_words words,
                                  struct file_problems *problems, struct yaml_document **first);
/* The place of the value that `span`, a part of document->json, begins with. */
struct file_place yaml_place_of(const struct yaml_document *document, struct str span);
