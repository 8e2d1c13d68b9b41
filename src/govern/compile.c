/* compile.c - a document's text to one block of memory. */
#include "govern/compile.h"
#include "base/must.h"
#include "govern/compile_int.h"
#include <stdlib.h>

static const struct {
    struct str name;
    void (*compile)(struct reading *reading);
} kinds[DOC_KIND_COUNT] = {
    [DOC_FEATURE] = {STR_ROW("feature"), compile_feature},
    [DOC_PROVIDER] = {STR_ROW("provider"), compile_provider},
    [DOC_PLAN] = {STR_ROW("plan"), compile_plan},
    [DOC_PLAN_VERSION] = {STR_ROW("plan_version"), compile_plan_version},
    [DOC_MARKUP] = {STR_ROW("markup"), compile_markup},
    [DOC_FEATURE_PROVIDER] = {STR_ROW("feature_provider"), compile_route},
    [DOC_MATRIX_CELL] = {STR_ROW("matrix_cell"), compile_cell},
    [DOC_GROUP] = {STR_ROW("group"), compile_group},
    [DOC_GROUP_MEMBER] = {STR_ROW("group_member"), compile_member},
    [DOC_OVERRIDE] = {STR_ROW("override"), compile_override},
    [DOC_LIMIT] = {STR_ROW("limit"), compile_limit},
    [DOC_PROFILE] = {STR_ROW("profile"), compile_profile},
    [DOC_USER] = {STR_ROW("user"), compile_user},
    [DOC_SUBSCRIPTION] = {STR_ROW("subscription"), compile_subscription},
    [DOC_LICENSE] = {STR_ROW("license"), compile_license},
    [DOC_KEY_RULES] = {STR_ROW("key_rules"), compile_key},
};

enum doc_kind doc_kind_of(struct str name)
{
    for (int kind = 0; kind < DOC_KIND_COUNT; kind++)
        if (str_eq(kinds[kind].name, name))
            return (enum doc_kind)kind;
    return DOC_KIND_COUNT;
}

/* The head of what lies at the start of the block. */
static struct doc *finish(struct reading *reading, enum doc_kind kind)
{
    struct str const id = reading_copy(reading, reading->id);
    struct doc *doc = (struct doc *)(void *)reading->block;
    doc->head.id = id.ptr;
    doc->head.id_len = (uint16_t)id.len;
    doc->head.kind = (uint8_t)kind;
    doc->head.hash = index_hash(kind, reading->id);
    return doc;
}

enum err compile(struct compiler *compiler, enum doc_kind kind, struct str id, struct str text,
                 struct doc **doc, struct fault *fault)
{
    struct json_object object;
    MUST(kind < DOC_KIND_COUNT);
    enum err const err = json_scan(text, &object, fault);
    if (err != ERR_OK || !object.text.ptr)
        return err != ERR_OK ? ERR_FIELD_INVALID
                             : fault_set(fault, ERR_FIELD_INVALID, "the document is not an object");
    if (id.len == 0 || id.len > GOVERN_ID_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "id", "the id is empty or too long");
    struct reading reading = {.compiler = compiler,
                              .object = &object,
                              .id = id,
                              .block = compiler->scratch,
                              .size = GOVERN_TERMS_BYTES_MAX,
                              .fault = fault};
    kinds[kind].compile(&reading);
    if (reading.err == ERR_OK)
        (void)finish(&reading, kind);
    if (reading.err != ERR_OK)
        return reading.err;
    reading.size = reading.used;
    reading.used = 0;
    reading.block = malloc(reading.size);
    if (!reading.block)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a document");
    kinds[kind].compile(&reading);
    *doc = finish(&reading, kind);
    MUST(reading.err == ERR_OK && reading.used == reading.size);
    return ERR_OK;
}
