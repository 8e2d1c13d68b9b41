/* import_litellm.c - one pass over the settings; what nobody takes is noted. */
#include "app/import_litellm.h"
#include "admin/api_table.h"
#include "app/price_exact.h"
#include "base/limits.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include <stdio.h>

enum { DOCUMENT_BYTES_MAX = 16 << 10, SETTING_BYTES_MAX = 700, NAME_BYTES = 58 };

static const struct host {
    const char *prefix, *base_url, *key_env;
} hosts[] = {
#define HOST(prefix, base_url, key_env) {prefix, base_url, key_env},
#include "app/litellm.def"
#undef HOST
};
static const char *const dialects[] = {
#define DIALECT(prefix) prefix,
#include "app/litellm.def"
#undef DIALECT
    NULL};
static const struct pair {
    const char *name, *meaning;
} costs[] =
    {
#define COST(name, pool) {name, pool},
#include "app/litellm.def"
#undef COST
},
  reasons[] = {
#define REASON(name, why) {name, why},
#include "app/litellm.def"
#undef REASON
};
enum {
    HOST_COUNT = sizeof hosts / sizeof hosts[0],
    COST_COUNT = sizeof costs / sizeof costs[0],
    REASON_COUNT = sizeof reasons / sizeof reasons[0]
};

/* A provider that was written already. */
struct written {
    struct written *next;
    struct str prefix, base_url, key_env, id;
};
struct entry { /* of model_list */
    struct json_object *params, *info;
    struct str name, path; /* "model_list[2]" */
    struct str place;      /* the entry itself */
    struct str prefix, upstream, base_url, key_env, provider;
};
struct importer {
    struct import *import;
    struct arena *arena;
    const struct yaml_document *in;
    struct written *providers;
    enum err err;
};

static const char *meaning(const struct pair *pairs, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(name, str_of(pairs[i].name)))
            return pairs[i].meaning;
    return NULL;
}

static void note(struct importer *importer, struct import_notes *notes, struct str span,
                 struct str setting, const char *text)
{
    struct import_note *added = arena_zalloc(importer->arena, sizeof *added);
    struct str const copy = arena_copy(importer->arena, str_of(text));
    if (added == NULL || copy.ptr == NULL || setting.ptr == NULL) {
        importer->err = ERR_NO_MEMORY;
        return;
    }
    *added = (struct import_note){NULL, yaml_place_of(importer->in, span), setting, copy};
    *notes->end = added;
    notes->end = &added->next;
    notes->count++;
}

static struct str joined(struct importer *importer, struct str path, struct str name)
{
    struct str const parts[] = {path, path.len > 0 ? STR(".") : STR(""), name};
    struct str const text = arena_concat(importer->arena, parts, 3);
    if (text.ptr == NULL)
        importer->err = ERR_NO_MEMORY;
    return text.ptr != NULL ? text : STR("");
}

static void not_taken(struct importer *importer, struct str span, struct str path, struct str name,
                      const char *why)
{
    if (why == NULL)
        why = meaning(reasons, REASON_COUNT, name);
    note(importer, &importer->import->not_taken, span, joined(importer, path, name),
         why != NULL ? why : "it has no equivalent yet");
}

/* A member's text in the arena: that of a string, or a number as it is written; "" otherwise. */
static struct str text_of(struct importer *importer, const struct json_object *object,
                          const char *name)
{
    struct str const json = json_get(object, str_of(name));
    char text[1024];
    size_t len = 0;
    bool const string = json_text(json, text, sizeof text, &len);
    if (!string && json_type(json) != JSON_NUMBER)
        return STR("");
    struct str const copy = arena_copy(importer->arena, string ? str_make(text, len) : json);
    return copy.ptr != NULL ? copy : STR("");
}

static struct json_object *object_of(struct importer *importer, struct str json)
{
    struct fault ignored = {0};
    struct json_object *object = arena_zalloc(importer->arena, sizeof *object);
    if (object == NULL)
        importer->err = ERR_NO_MEMORY;
    else if (json_type(json) != JSON_OBJECT || json_members(json, object, &ignored) != ERR_OK)
        object->count = 0;
    return object;
}

/* --- writing --------------------------------------------------------------------------------- */
/* Adds what the writer wrote if openapi.yaml allows it; else notes why not. */
static bool add_document(struct importer *importer, enum object_kind kind, struct str id,
                         struct json_writer *writer, const struct entry *entry)
{
    struct fault fault = {0};
    struct str const text = buf_view(writer->out);
    enum err err = json_write_end(writer);
    bool good = err == ERR_OK;
    if (good && schema_check(api_documents[kind], text, true, false, &fault) != ERR_OK) {
        char why[SETTING_BYTES_MAX];
        snprintf(why, sizeof why, "its %.*s would not be valid: %s: %s",
                 STR_ARG(object_kind_row(kind)->name), fault.param, fault.detail);
        not_taken(importer, entry->place, STR(""), entry->path, why);
        good = false;
    }
    if (good)
        err = documents_add(importer->import->documents, kind, id, text);
    if (err != ERR_OK)
        importer->err = err;
    return good && err == ERR_OK;
}

static struct str unused_id(struct importer *importer, enum object_kind kind, struct str wanted)
{
    const struct map *map = &importer->import->documents->by_id[kind];
    struct str id = wanted;
    for (int number = 2; id.ptr != NULL && map_get(map, id) != NULL; number++)
        id = arena_printf(importer->arena, "%.*s-%d", (int)(wanted.len < 58 ? wanted.len : 58),
                          wanted.ptr, number);
    if (id.ptr == NULL)
        importer->err = ERR_NO_MEMORY;
    return id.ptr != NULL ? id : STR("");
}

static bool write_provider(struct importer *importer, struct entry *entry)
{
    for (const struct written *it = importer->providers; it != NULL; it = it->next)
        if (str_eq(it->prefix, entry->prefix) && str_eq(it->base_url, entry->base_url) &&
            str_eq(it->key_env, entry->key_env)) {
            entry->provider = it->id;
            return true;
        }
    struct buf out;
    struct json_writer writer;
    struct str const id = unused_id(importer, OBJECT_PROVIDER, entry->prefix);
    struct written *written = arena_alloc(importer->arena, sizeof *written);
    buf_init(&out, DOCUMENT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "display_name", id);
    json_pair_text(&writer, "dialect", STR("openai"));
    json_pair_text(&writer, "base_url", entry->base_url);
    if (entry->key_env.len > 0)
        json_pair_text(&writer, "api_key_env", entry->key_env);
    json_pair_text(&writer, "status", STR("active"));
    json_object_close(&writer);
    bool const good = written != NULL && id.len > 0 &&
                      add_document(importer, OBJECT_PROVIDER, id, &writer, entry);
    buf_free(&out);
    if (!good)
        return false;
    *written =
        (struct written){importer->providers, entry->prefix, entry->base_url, entry->key_env, id};
    importer->providers = written;
    entry->provider = id;
    return true;
}

static void put_count(struct json_writer *writer, const struct entry *entry, const char *name,
                      const char *from, const char *otherwise)
{
    int64_t count;
    if (json_i64(json_get(entry->info, str_of(from)), &count) ||
        (otherwise != NULL && json_i64(json_get(entry->info, str_of(otherwise)), &count)))
        json_pair_i64(writer, name, count);
}

static bool write_model(struct importer *importer, const struct entry *entry)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, DOCUMENT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "provider", entry->provider);
    json_pair_text(&writer, "upstream_model", entry->upstream);
    put_count(&writer, entry, "max_output_tokens", "max_output_tokens", "max_tokens");
    put_count(&writer, entry, "context_tokens", "max_input_tokens", NULL);
    json_object_close(&writer);
    bool const good = add_document(importer, OBJECT_MODEL, entry->name, &writer, entry);
    buf_free(&out);
    return good;
}

/* --- prices ---------------------------------------------------------------------------------- */
static struct str price_id(struct importer *importer, struct str name)
{
    char id[NAME_BYTES] = "litellm-";
    size_t len = strlen(id);
    for (size_t i = 0; i < name.len && len < sizeof id; i++) {
        char const byte = name.ptr[i];
        char const low = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
        bool const plain =
            (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || low == '.' || low == '_';
        id[len++] = plain ? low : '-';
    }
    struct str const copy = arena_copy(importer->arena, str_make(id, len));
    return unused_id(importer, OBJECT_PRICE, copy.ptr != NULL ? copy : STR(""));
}

/* The cost of a pool, wherever the entry says it; params win as they do there. */
static bool put_cost(struct importer *importer, const struct entry *entry, const struct pair *cost,
                     struct json_writer *writer)
{
    static const char *const why[] = {
        [PRICE_EXACT] = "",
        [PRICE_NO_NUMBER] = "this is no price",
        [PRICE_TOO_FINE] = "a price has at most 6 digits after the point in USD per 1M tokens",
        [PRICE_TOO_LARGE] = "this is no price of a token"};
    char out[PRICE_TEXT_BYTES];
    struct str text = {0};
    struct str const name = str_of(cost->name);
    bool const own = json_get(entry->params, name).ptr != NULL;
    const struct json_object *object = own ? entry->params : entry->info;
    struct str const json = json_get(object, name);
    if (json.ptr == NULL || json_type(json) == JSON_NULL)
        return false;
    enum price_exact const exact =
        price_per_million(text_of(importer, object, cost->name), out, &text);
    if (exact == PRICE_EXACT)
        json_pair_text(writer, cost->meaning, text);
    else
        not_taken(importer, json,
                  joined(importer, entry->path, own ? STR("litellm_params") : STR("model_info")),
                  name, why[exact]);
    return exact == PRICE_EXACT;
}

static bool write_price(struct importer *importer, const struct entry *entry)
{
    struct buf out;
    struct json_writer writer;
    bool any = false;
    buf_init(&out, DOCUMENT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "model", entry->name);
    json_pair_text(&writer, "source", STR("litellm"));
    json_pair_text(&writer, "status", STR("active"));
    json_key(&writer, "pools");
    json_object_open(&writer);
    for (size_t i = 0; i < COST_COUNT; i++)
        any = put_cost(importer, entry, &costs[i], &writer) || any;
    json_object_close(&writer);
    json_object_close(&writer);
    struct str const id = any ? price_id(importer, entry->name) : STR("");
    if (any)
        any = add_document(importer, OBJECT_PRICE, id, &writer, entry);
    buf_free(&out);
    return any;
}

/* --- one entry ------------------------------------------------------------------------------- */
static bool refuse(struct importer *importer, const struct entry *entry, const char *why)
{
    not_taken(importer, entry->place, STR(""), entry->path, why);
    return false;
}

static bool is_openai_name(struct str model)
{
    struct str const starts[] = {STR("gpt-"), STR("o1"),       STR("o3"),
                                 STR("o4"),   STR("chatgpt-"), STR("text-embedding-")};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (str_starts(model, starts[i]))
            return true;
    return false;
}

static void read_model_name(struct importer *importer, struct entry *entry)
{
    struct str const model = text_of(importer, entry->params, "model");
    size_t const slash = str_find(model, STR("/"));
    entry->prefix = text_of(importer, entry->params, "custom_llm_provider");
    entry->upstream = model;
    if (entry->prefix.len > 0)
        return;
    if (slash < model.len) {
        entry->prefix = str_make(model.ptr, slash);
        entry->upstream = str_skip(model, slash + 1);
    } else if (is_openai_name(model)) {
        entry->prefix = STR("openai");
    }
}

static bool read_host(struct importer *importer, struct entry *entry)
{
    const struct host *host = NULL;
    for (size_t i = 0; i < HOST_COUNT; i++)
        if (str_eq(entry->prefix, str_of(hosts[i].prefix)))
            host = &hosts[i];
    for (size_t i = 0; dialects[i] != NULL; i++)
        if (str_eq(entry->prefix, str_of(dialects[i])))
            return refuse(importer, entry, "Cota does not speak this provider's dialect yet");
    if (host == NULL)
        return refuse(importer, entry,
                      entry->prefix.len == 0
                          ? "it does not say its provider: write model: openai/NAME"
                          : "this provider is not known to speak OpenAI's dialect: if it does, "
                            "write model: openai/NAME with api_base");
    entry->base_url = text_of(importer, entry->params, "api_base");
    if (entry->base_url.len == 0)
        entry->base_url = text_of(importer, entry->params, "base_url");
    if (entry->base_url.len == 0 && host->base_url != NULL)
        entry->base_url = str_of(host->base_url);
    if (!str_starts(entry->base_url, STR("http")))
        return refuse(importer, entry,
                      entry->base_url.len == 0 ? "it needs api_base"
                                               : "api_base must be an address, not a variable");
    entry->key_env = host->key_env != NULL ? str_of(host->key_env) : STR("");
    return true;
}

static void read_key(struct importer *importer, struct entry *entry)
{
    struct str const key = text_of(importer, entry->params, "api_key");
    struct str const scheme = STR("os.environ/");
    char why[SETTING_BYTES_MAX];
    if (str_starts(key, scheme)) {
        entry->key_env = str_skip(key, scheme.len);
        return;
    }
    if (json_get(entry->params, STR("api_key")).ptr == NULL)
        return;
    if (entry->key_env.len == 0)
        entry->key_env = STR("UPSTREAM_API_KEY");
    snprintf(why, sizeof why, "secrets are not copied: put it into the variable %.*s",
             STR_ARG(entry->key_env));
    not_taken(importer, json_get(entry->params, STR("api_key")),
              joined(importer, entry->path, STR("litellm_params")), STR("api_key"), why);
}

/* Members that were not used for anything. */
static void note_rest(struct importer *importer, const struct entry *entry,
                      const struct json_object *object, const char *section,
                      const char *const *used)
{
    struct str const path = joined(importer, entry->path, str_of(section));
    for (size_t i = 0; i < object->count; i++) {
        bool is_used = meaning(costs, COST_COUNT, object->members[i].key) != NULL;
        for (size_t at = 0; used[at] != NULL && !is_used; at++)
            is_used = str_eq(object->members[i].key, str_of(used[at]));
        if (!is_used)
            not_taken(importer, object->members[i].value, path, object->members[i].key, NULL);
    }
}

static void note_taken(struct importer *importer, const struct entry *entry, bool priced)
{
    char text[SETTING_BYTES_MAX];
    snprintf(text, sizeof text, "model %.*s, provider %.*s, %s", STR_ARG(entry->name),
             STR_ARG(entry->provider),
             priced ? "price" : "no price: calls are refused until there is one");
    note(importer, &importer->import->taken, entry->place, entry->path, text);
}

/* Can it be a model of ours? */
static bool check_name(struct importer *importer, const struct entry *entry)
{
    const struct map *models = &importer->import->documents->by_id[OBJECT_MODEL];
    if (entry->name.len == 0 || entry->name.len > OBJECT_ID_BYTES_MAX)
        return refuse(importer, entry, "model_name is missing or too long");
    if (memchr(entry->name.ptr, '*', entry->name.len) || str_eq(entry->upstream, STR("*")))
        return refuse(importer, entry, "wildcards have no equivalent: name each model");
    if (map_get(models, entry->name) != NULL)
        return refuse(importer, entry,
                      "several deployments of one model have no equivalent yet: "
                      "the first is taken");
    return true;
}

static bool write_entry(struct importer *importer, struct entry *entry)
{
    read_model_name(importer, entry);
    if (!check_name(importer, entry) || !read_host(importer, entry))
        return false;
    read_key(importer, entry);
    if (!write_provider(importer, entry) || !write_model(importer, entry))
        return false;
    note_taken(importer, entry, write_price(importer, entry));
    return true;
}

static void note_rest_of_entry(struct importer *importer, const struct entry *entry,
                               const struct json_object *object)
{
    static const char *const params_used[] = {
        "model", "api_base", "base_url", "api_key", "custom_llm_provider", NULL};
    static const char *const info_used[] = {"max_tokens", "max_output_tokens", "max_input_tokens",
                                            NULL};
    note_rest(importer, entry, entry->params, "litellm_params", params_used);
    note_rest(importer, entry, entry->info, "model_info", info_used);
    for (size_t i = 0; i < object->count; i++) {
        struct str const name = object->members[i].key;
        if (!str_eq(name, STR("model_name")) && !str_eq(name, STR("litellm_params")) &&
            !str_eq(name, STR("model_info")))
            not_taken(importer, object->members[i].value, entry->path, name, NULL);
    }
}

static void read_entry(struct importer *importer, struct str json, size_t index)
{
    struct json_object *object = object_of(importer, json);
    struct entry entry = {.path = arena_printf(importer->arena, "model_list[%zu]", index),
                          .place = json};
    if (object == NULL || entry.path.ptr == NULL) {
        importer->err = ERR_NO_MEMORY;
        return;
    }
    entry.params = object_of(importer, json_get(object, STR("litellm_params")));
    entry.info = object_of(importer, json_get(object, STR("model_info")));
    entry.name = text_of(importer, object, "model_name");
    if (importer->err == ERR_OK && write_entry(importer, &entry))
        note_rest_of_entry(importer, &entry, object);
}

/* --- the file -------------------------------------------------------------------------------- */
static void read_section(struct importer *importer, struct str name, struct str json)
{
    const struct json_object *object = object_of(importer, json);
    if (json_type(json) != JSON_OBJECT) {
        not_taken(importer, json, STR(""), name, NULL);
        return;
    }
    for (size_t i = 0; importer->err == ERR_OK && i < object->count; i++)
        not_taken(importer, object->members[i].value, name, object->members[i].key, NULL);
}

static void read_file(struct importer *importer)
{
    const struct json_object *object = object_of(importer, importer->in->json);
    if (json_type(importer->in->json) != JSON_OBJECT)
        file_problem(&importer->import->documents->problems,
                     yaml_place_of(importer->in, importer->in->json),
                     "the file must be a mapping, as \"model_list: …\"");
    for (size_t i = 0; importer->err == ERR_OK && i < object->count; i++) {
        struct str const name = object->members[i].key, value = object->members[i].value;
        size_t at = 0, index = 0;
        struct str entry;
        if (!str_eq(name, STR("model_list")) || json_type(value) != JSON_ARRAY)
            read_section(importer, name, value);
        else
            while (importer->err == ERR_OK && json_next(value, &at, &entry))
                read_entry(importer, entry, index++);
    }
}

enum err litellm_import(struct import *import, struct str text, const char *file)
{
    struct file_problems *problems = &import->documents->problems;
    struct yaml_document *first;
    import->taken.end = &import->taken.first;
    import->not_taken.end = &import->not_taken.first;
    enum err const err = yaml_json_read(text, file, YAML_WORDS_PYTHON, problems, &first);
    if (err != ERR_OK || problems->count > 0)
        return err;
    struct importer importer = {.import = import, .arena = import->documents->arena};
    for (importer.in = first; importer.in != NULL && importer.err == ERR_OK;
         importer.in = importer.in->next)
        read_file(&importer);
    return importer.err;
}
