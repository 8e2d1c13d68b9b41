/* documents.c - YAML files of documents: no crash, one verdict, and what is accepted survives being
 * written and read again. */
#include "app/document_diff.h"
#include "app/document_files.h"
#include "app/yaml_write.h"
#include "base/must.h"
#include "codec/json.h"

enum { INPUT_BYTES_MAX = 64 << 10, OUTPUT_BYTES_MAX = 16 << 20 };

static struct documents *read_text(struct str text)
{
    struct documents *documents = documents_new();
    MUST(documents != NULL);
    MUST(documents_read(documents, text, "f") == ERR_OK);
    return documents;
}

static void canonical(struct str json, struct arena *arena, struct buf *out)
{
    buf_init(out, OUTPUT_BYTES_MAX);
    MUST(document_canonical(json, arena, out) == ERR_OK);
}

/* The other set has the very same document. */
static void check_same(const struct document *document, const struct documents *others,
                       struct arena *arena)
{
    const struct document *other = map_get(&others->by_id[document->kind], document->id);
    struct fault fault = {0};
    struct buf one, two;
    MUST(other != NULL);
    MUST(json_scan(document->text, NULL, &fault) == ERR_OK);
    canonical(document->text, arena, &one);
    canonical(other->text, arena, &two);
    MUST(str_eq(buf_view(&one), buf_view(&two)));
    buf_free(&one);
    buf_free(&two);
}

static void check_round(const struct documents *documents)
{
    struct arena *arena = arena_new((size_t)1 << 28);
    struct buf yaml;
    enum object_kind kind;
    MUST(arena != NULL);
    buf_init(&yaml, OUTPUT_BYTES_MAX);
    for (size_t i = 0; document_kind_at(i, &kind); i++)
        for (const struct document *it = documents->first[kind]; it != NULL; it = it->next)
            MUST(yaml_write_document(&yaml, object_kind_row(kind)->name, it->id, it->text, arena) ==
                 ERR_OK);
    struct documents *again = read_text(buf_view(&yaml));
    MUST(again->problems.count == 0 && again->count == documents->count);
    for (size_t i = 0; document_kind_at(i, &kind); i++)
        for (const struct document *it = documents->first[kind]; it != NULL; it = it->next)
            check_same(it, again, arena);
    documents_free(again);
    buf_free(&yaml);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str const text = str_make((const char *)data, size);
    if (size > INPUT_BYTES_MAX)
        return 0;
    struct documents *documents = read_text(text);
    struct documents *again = read_text(text);
    MUST(documents->problems.count == again->problems.count && documents->count == again->count);
    if (documents->problems.count == 0)
        check_round(documents);
    documents_free(documents);
    documents_free(again);
    return 0;
}
