/* document_files.c - from paths to documents that openapi.yaml accepts. */
#include "app/document_files.h"
#include "admin/api_table.h"
#include "app/nearest.h"
#include "base/limits.h"
#include "codec/json.h"
#include "codec/json_merge.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not every kind: those with secrets are written over the API alone. */
static const enum object_kind kinds[] = {
    OBJECT_FEATURE,
    OBJECT_PROVIDER,
    OBJECT_MODEL,
    OBJECT_PRICE,
    OBJECT_PLAN,
    OBJECT_PLAN_VERSION,
    OBJECT_FEATURE_PROVIDER,
    OBJECT_MATRIX_CELL,
    OBJECT_GROUP,
    OBJECT_PROFILE,
    OBJECT_USER,
    OBJECT_GROUP_MEMBER,
    OBJECT_OVERRIDE,
    OBJECT_LIMIT,
    OBJECT_SUBSCRIPTION,
    OBJECT_LICENSE,
    OBJECT_KEY_RULES,
    OBJECT_MARKUP,
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

bool document_kind_at(size_t index, enum object_kind *kind)
{
    if (index >= KIND_COUNT)
        return false;
    *kind = kinds[index];
    return true;
}

bool document_kind_find(struct str name, enum object_kind *kind)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (str_eq(object_kind_row(kinds[i])->name, name)) {
            *kind = kinds[i];
            return true;
        }
    return false;
}

struct documents *documents_new(void)
{
    struct arena *arena = arena_new(FILE_ARENA_BYTES);
    struct documents *documents = arena ? arena_zalloc(arena, sizeof *documents) : NULL;
    if (documents == NULL) {
        arena_free(arena);
        return NULL;
    }
    documents->arena = documents->problems.arena = arena;
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        map_init(&documents->by_id[kind]);
    return documents;
}

void documents_free(struct documents *documents)
{
    if (documents == NULL)
        return;
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        map_free(&documents->by_id[kind]);
    arena_free(documents->arena); /* they are in it */
}

/* --- places ---------------------------------------------------------------------------------- */
/* The next step of the path: ".name", "name" or "[2]"; false when it leads nowhere. */
static bool step(struct str *json, struct str *path)
{
    struct fault ignored = {0};
    if (path->ptr[0] == '[') {
        size_t const end = str_find(*path, STR("]"));
        size_t at = 0;
        int64_t index;
        struct str element = {0};
        if (end == path->len || !str_to_i64(str_make(path->ptr + 1, end - 1), &index))
            return false;
        for (; index >= 0; index--)
            if (!json_next(*json, &at, &element))
                return false;
        *json = element;
        *path = str_skip(*path, end + 1);
        return true;
    }
    if (path->ptr[0] == '.')
        *path = str_skip(*path, 1);
    size_t end = 0;
    while (end < path->len && path->ptr[end] != '.' && path->ptr[end] != '[')
        end++;
    struct json_object object;
    struct str found = {0};
    if (json_type(*json) == JSON_OBJECT && json_members(*json, &object, &ignored) == ERR_OK)
        found = json_get(&object, str_make(path->ptr, end));
    *path = str_skip(*path, end);
    if (found.ptr == NULL)
        return false;
    *json = found;
    return true;
}

struct file_place document_place(const struct document *document, struct str member)
{
    struct str at = document->source;
    if (document->in == NULL)
        return (struct file_place){0};
    while (member.len > 0 && step(&at, &member))
        continue;
    return yaml_place_of(document->in, at);
}

/* --- one document ---------------------------------------------------------------------------- */
static struct str text_of(struct arena *arena, const struct json_object *object, const char *name)
{
    struct str const json = json_get(object, str_of(name));
    char text[OBJECT_ID_BYTES_MAX + 1];
    size_t len;
    if (!json_text(json, text, sizeof text, &len))
        return STR("");
    struct str const copy = arena_copy(arena, str_make(text, len));
    return copy.ptr != NULL ? copy : STR("");
}

/* "a kind" that the member names, or what is wrong with it. */
static bool read_kind(struct documents *documents, struct document *document,
                      const struct json_object *object)
{
    struct str const name = text_of(documents->arena, object, "kind");
    struct nearest nearest;
    if (document_kind_find(name, &document->kind))
        return true;
    nearest_start(&nearest, name);
    for (size_t i = 0; i < KIND_COUNT; i++)
        nearest_offer(&nearest, object_kind_row(kinds[i])->name);
    struct str const best = nearest_get(&nearest);
    struct file_place const place = document_place(document, STR("kind"));
    if (name.len == 0)
        file_problem(&documents->problems, place,
                     "kind is missing: a document begins with "
                     "\"kind: plan\", \"kind: price\" …");
    else
        file_problem(&documents->problems, place, "unknown kind \"%.*s\"%s%.*s%s", STR_ARG(name),
                     best.len ? " (did you mean \"" : "", STR_ARG(best), best.len ? "\"?)" : "");
    return false;
}

/* The id that it says, or that its members make. */
static bool read_id(struct documents *documents, struct document *document,
                    const struct json_object *object)
{
    struct arena *arena = documents->arena;
    struct str const said = json_get(object, STR("id"));
    document->id = text_of(arena, object, "id");
    struct str const customer = text_of(arena, object, "customer");
    struct str const user = text_of(arena, object, "external_id");
    struct str const parts[] = {customer, STR("/"), user};
    bool const made = said.ptr == NULL && customer.len > 0;
    if (made && document->kind == OBJECT_PROFILE)
        document->id = customer;
    if (made && document->kind == OBJECT_USER && user.len > 0)
        document->id = arena_concat(arena, parts, 3);
    if (document->id.len > 0)
        return true;
    file_problem(&documents->problems, document_place(document, STR("id")),
                 said.ptr == NULL ? "id is missing: a document in a file needs one"
                                  : "id must be text of 1 to %d bytes",
                 OBJECT_ID_BYTES_MAX);
    return false;
}

static enum err keep(struct documents *documents, struct document *document)
{
    enum object_kind const kind = document->kind;
    const struct document *other = map_get(&documents->by_id[kind], document->id);
    struct file_place const place = document_place(document, STR("id"));
    if (other != NULL) {
        struct file_place const there = document_place(other, STR(""));
        file_problem(&documents->problems, place, "%.*s \"%.*s\" is there twice: see %s:%u",
                     STR_ARG(object_kind_row(kind)->name), STR_ARG(document->id),
                     there.file ? there.file : "", there.line);
        return ERR_OK;
    }
    if (documents->count == FILE_DOCUMENTS_MAX) {
        file_problem(&documents->problems, place, "more than %d documents", FILE_DOCUMENTS_MAX);
        return ERR_OK;
    }
    documents->count++;
    if (documents->last[kind] != NULL)
        documents->last[kind]->next = document;
    else
        documents->first[kind] = document;
    documents->last[kind] = document;
    return map_put(&documents->by_id[kind], document->id, document);
}

/* The members as they are stored, and checked. */
static enum err read_members(struct documents *documents, struct document *document)
{
    static const char *const names[] = {"kind", "id", NULL};
    struct fault fault = {0};
    struct buf out;
    buf_init(&out, (size_t)DOCUMENT_FILE_BYTES_MAX * 8);
    enum err err = json_without(document->source, names, documents->arena, &out);
    if (err == ERR_OK)
        document->text = arena_copy(documents->arena, buf_view(&out));
    buf_free(&out);
    if (err != ERR_OK || document->text.ptr == NULL)
        return ERR_NO_MEMORY;
    if (document->text.len > OBJECT_TEXT_BYTES_MAX)
        file_problem(&documents->problems, document_place(document, STR("")),
                     "larger than %d bytes", OBJECT_TEXT_BYTES_MAX);
    else if (schema_check(api_documents[document->kind], document->text, true, false, &fault) !=
             ERR_OK)
        file_problem(&documents->problems, document_place(document, str_of(fault.param)),
                     "%.*s \"%.*s\": %s%s%s", STR_ARG(object_kind_row(document->kind)->name),
                     STR_ARG(document->id), fault.param, fault.param[0] ? ": " : "", fault.detail);
    return ERR_OK;
}

static enum err read_one(struct documents *documents, const struct yaml_document *in,
                         struct str source)
{
    struct fault ignored = {0};
    struct json_object object;
    struct document *document = arena_zalloc(documents->arena, sizeof *document);
    if (document == NULL)
        return ERR_NO_MEMORY;
    document->in = in;
    document->source = source;
    if (json_type(source) != JSON_OBJECT || json_members(source, &object, &ignored) != ERR_OK) {
        file_problem(&documents->problems, document_place(document, STR("")),
                     "a document must be a mapping, as \"kind: plan\"");
        return ERR_OK;
    }
    bool const known = read_kind(documents, document, &object);
    if (!known || !read_id(documents, document, &object))
        return ERR_OK;
    enum err const err = read_members(documents, document);
    return err == ERR_OK ? keep(documents, document) : err;
}

/* --- files ----------------------------------------------------------------------------------- */
static enum err read_yaml(struct documents *documents, const struct yaml_document *in)
{
    struct fault ignored = {0};
    struct json_object object;
    if (json_type(in->json) != JSON_OBJECT || json_members(in->json, &object, &ignored) != ERR_OK)
        return read_one(documents, in, in->json);
    struct str const list = json_get(&object, STR("documents"));
    if (list.ptr == NULL)
        return read_one(documents, in, in->json);
    if (json_type(list) != JSON_ARRAY || object.count != 1) {
        file_problem(&documents->problems, yaml_place_of(in, list),
                     "documents must be a list, with nothing beside it");
        return ERR_OK;
    }
    enum err err = ERR_OK;
    size_t at = 0;
    for (struct str element; err == ERR_OK && json_next(list, &at, &element);)
        err = read_one(documents, in, element);
    return err;
}

enum err documents_read(struct documents *documents, struct str text, const char *file)
{
    struct yaml_document *first;
    size_t const before = documents->problems.count;
    enum err err = yaml_json_read(text, file, YAML_WORDS_STRICT, &documents->problems, &first);
    if (documents->problems.count > before)
        return err; /* what could not be read is not judged */
    for (const struct yaml_document *it = first; it != NULL && err == ERR_OK; it = it->next)
        err = read_yaml(documents, it);
    return err == ERR_OK && documents->problems.no_memory ? ERR_NO_MEMORY : err;
}

enum err documents_add(struct documents *documents, enum object_kind kind, struct str id,
                       struct str text)
{
    struct document *document = arena_zalloc(documents->arena, sizeof *document);
    if (document == NULL)
        return ERR_NO_MEMORY;
    document->kind = kind;
    document->id = arena_copy(documents->arena, id);
    document->text = arena_copy(documents->arena, text);
    if (document->id.ptr == NULL || document->text.ptr == NULL)
        return ERR_NO_MEMORY;
    return keep(documents, document);
}

static enum err read_whole(int file, struct arena *arena, struct str *text, const char **why)
{
    struct stat status;
    *why = "it cannot be read";
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        *why = "it is no file";
        return ERR_NOT_FOUND;
    }
    if (status.st_size > DOCUMENT_FILE_BYTES_MAX) {
        *why = "it is too large";
        return ERR_TOO_LARGE;
    }
    char *bytes = arena_alloc(arena, (size_t)status.st_size + 1);
    size_t len = 0;
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    while (len < (size_t)status.st_size) {
        ssize_t const got = read(file, bytes + len, (size_t)status.st_size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_NOT_FOUND;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *text = str_make(bytes, len);
    return ERR_OK;
}

enum err file_read(const char *path, struct arena *arena, struct str *text, const char **why)
{
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    *why = strerror(errno);
    if (file < 0)
        return ERR_NOT_FOUND;
    enum err const err = read_whole(file, arena, text, why);
    close(file);
    return err;
}

static enum err load_file(struct documents *documents, const char *path)
{
    struct str text;
    const char *why;
    enum err const err = file_read(path, documents->arena, &text, &why);
    if (err == ERR_OK)
        return documents_read(documents, text, path);
    if (err != ERR_NO_MEMORY)
        file_problem(&documents->problems, (struct file_place){path, 0, 0}, "%s", why);
    return err == ERR_NO_MEMORY ? err : ERR_OK;
}

static int is_yaml(const struct dirent *entry)
{
    struct str const name = str_of(entry->d_name);
    struct str const endings[] = {STR(".yaml"), STR(".yml")};
    for (size_t i = 0; i < 2; i++)
        if (name.ptr[0] != '.' && name.len > endings[i].len &&
            str_eq(str_skip(name, name.len - endings[i].len), endings[i]))
            return 1;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum err load_directory(struct documents *documents, const char *path)
{
    struct dirent **entries = NULL;
    int const count = scandir(path, &entries, is_yaml, by_name);
    size_t const len = strlen(path);
    bool const slash = len > 0 && path[len - 1] == '/';
    enum err err = ERR_OK;
    if (count < 0 || count > FILE_COUNT_MAX)
        file_problem(&documents->problems, (struct file_place){path, 0, 0}, "%s",
                     count < 0 ? strerror(errno) : "too many files");
    for (int i = 0; i < count; i++) {
        struct str const name =
            arena_printf(documents->arena, "%s%s%s", path, slash ? "" : "/", entries[i]->d_name);
        if (err == ERR_OK && count <= FILE_COUNT_MAX)
            err = name.ptr != NULL ? load_file(documents, name.ptr) : ERR_NO_MEMORY;
        free(entries[i]);
    }
    free(entries);
    return err;
}

enum err documents_load(struct documents *documents, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return ERR_NOT_FOUND;
    return S_ISDIR(status.st_mode) ? load_directory(documents, path) : load_file(documents, path);
}
