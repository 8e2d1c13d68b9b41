/* ask.c - the request's fields, read from the scanned text. */
#include "sim/ask.h"
#include "base/limits.h"
#include "codec/json.h"
#include "core/estimate.h"

enum { LANGUAGE_BYTES = 4096, DIMENSIONS_DEFAULT = 256 };

uint64_t sim_hash(struct str text, uint64_t seed)
{
    uint64_t const factor = 0x9e3779b97f4a7c15u;
    uint64_t hash = seed ^ (text.len * factor);
    while (text.len > 0) {
        uint64_t word = 0;
        size_t const count = text.len < sizeof word ? text.len : sizeof word;
        memcpy(&word, text.ptr, count);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 29;
        text = str_skip(text, count);
    }
    hash *= 0xbf58476d1ce4e5b9u;
    return hash ^ hash >> 32;
}

static bool ends_with(struct str text, struct str end)
{
    return text.len >= end.len && str_eq(str_skip(text, text.len - end.len), end);
}

enum sim_operation sim_operation_of(struct str method, struct str path, struct str *id)
{
    const char *query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    if (query)
        path.len = (size_t)(query - path.ptr);
    bool const post = str_eq(method, STR("POST"));
    if (post && ends_with(path, STR("/chat/completions")))
        return SIM_CHAT;
    if (post && ends_with(path, STR("/embeddings")))
        return SIM_EMBEDDINGS;
    if (post || !str_eq(method, STR("GET")))
        return SIM_NOWHERE;
    if (ends_with(path, STR("/models")))
        return SIM_MODELS;
    size_t const at = str_find(path, STR("/models/"));
    *id = str_skip(path, at + 8);
    return at < path.len && id->len > 0 ? SIM_MODEL : SIM_NOWHERE;
}

/* A glance is enough: the answer should not look foreign, no more. */
static bool looks_portuguese(struct str body)
{
    static const struct str cues[] = {STR_ROW("ção"),    STR_ROW("ã"),     STR_ROW(" você"),
                                      STR_ROW(" para "), STR_ROW(" uma "), STR_ROW("Olá")};
    if (body.len > LANGUAGE_BYTES)
        body.len = LANGUAGE_BYTES;
    for (size_t i = 0; i < sizeof cues / sizeof cues[0]; i++)
        if (str_find(body, cues[i]) < body.len)
            return true;
    return false;
}

static struct str member(struct str value, struct str key, struct json_object *scratch)
{
    struct fault fault = {0};
    if (json_type(value) != JSON_OBJECT || json_members(value, scratch, &fault) != ERR_OK)
        return (struct str){0};
    return json_get(scratch, key);
}

/* A string's decoded text in the arena; .ptr NULL: not a string, or no memory. */
static struct str text_of(struct str value, struct arena *arena)
{
    struct str text = {0};
    if (json_type(value) != JSON_STRING)
        return text;
    if (json_plain_text(value, &text))
        return text;
    char *copy = arena_alloc(arena, value.len);
    size_t len = 0;
    if (!copy || !json_text(value, copy, value.len, &len))
        return (struct str){0};
    return str_make(copy, len);
}

static int64_t content_bytes(struct str content, struct json_object *scratch)
{
    if (json_type(content) != JSON_ARRAY)
        return (int64_t)json_text_len(content);
    int64_t bytes = 0;
    struct str part;
    for (size_t at = 0; json_next(content, &at, &part);)
        bytes += (int64_t)json_text_len(member(part, STR("text"), scratch));
    return bytes;
}

static enum err read_messages(struct str messages, struct sim_ask *ask, struct json_object *scratch,
                              struct fault *fault)
{
    int64_t bytes = 0, count = 0;
    struct str message, role = {0};
    for (size_t at = 0; json_type(messages) == JSON_ARRAY && json_next(messages, &at, &message);) {
        struct str const content = member(message, STR("content"), scratch);
        role = json_type(message) == JSON_OBJECT ? json_get(scratch, STR("role")) : (struct str){0};
        bytes += content_bytes(content, scratch);
        count++;
    }
    if (count == 0)
        return fault_param(fault, ERR_FIELD_INVALID, "messages", "a list that is not empty");
    ask->prompt_tokens = estimate_prompt_tokens(bytes);
    ask->tool_answered = str_eq(role, STR("\"tool\""));
    return ERR_OK;
}

/* The first tool, or the one that tool_choice names. */
static void read_tools(struct str tools, struct str choice, struct sim_ask *ask,
                       struct arena *arena, struct json_object *scratch)
{
    if (json_type(tools) != JSON_ARRAY || str_eq(choice, STR("\"none\"")))
        return;
    struct str wanted = member(member(choice, STR("function"), scratch), STR("name"), scratch);
    struct str tool;
    for (size_t at = 0; json_next(tools, &at, &tool);) {
        struct str const function = member(tool, STR("function"), scratch);
        struct str const name = member(function, STR("name"), scratch);
        if (json_type(name) != JSON_STRING || (wanted.ptr && !str_eq(wanted, name)))
            continue;
        ask->tool_schema = json_get(scratch, STR("parameters"));
        ask->tool_name = text_of(name, arena);
        ask->tool_required = wanted.ptr || str_eq(choice, STR("\"required\""));
        return;
    }
}

static void read_format(struct str format, struct sim_ask *ask, struct json_object *scratch)
{
    struct str const type = member(format, STR("type"), scratch);
    if (str_eq(type, STR("\"json_object\"")))
        ask->format = SIM_FORMAT_JSON;
    if (!str_eq(type, STR("\"json_schema\"")))
        return;
    ask->format = SIM_FORMAT_JSON;
    ask->schema = member(json_get(scratch, STR("json_schema")), STR("schema"), scratch);
}

/* An optional whole number in [min, max]. */
static enum err read_count(const struct json_object *top, const char *name, int64_t min,
                           int64_t max, int64_t *number, struct fault *fault)
{
    struct str const value = json_get(top, str_of(name));
    if (json_type(value) == JSON_NONE || json_type(value) == JSON_NULL)
        return ERR_OK;
    int64_t found = 0;
    if (!json_i64(value, &found) || found < min || found > max)
        return fault_param(fault, ERR_FIELD_INVALID, name, "a whole number in range");
    *number = found;
    return ERR_OK;
}

static enum err read_chat(const struct json_object *top, struct arena *arena, struct sim_ask *ask,
                          struct fault *fault)
{
    struct json_object scratch;
    ask->stream = json_is_true(json_get(top, STR("stream")));
    ask->include_usage =
        json_is_true(member(json_get(top, STR("stream_options")), STR("include_usage"), &scratch));
    enum err err = read_count(top, "max_tokens", 1, INT32_MAX, &ask->output_cap, fault);
    if (err == ERR_OK)
        err = read_count(top, "max_completion_tokens", 1, INT32_MAX, &ask->output_cap, fault);
    if (err == ERR_OK)
        err = read_count(top, "n", 1, SIM_CHOICES_MAX, &ask->choices, fault);
    if (err == ERR_OK)
        err = read_messages(json_get(top, STR("messages")), ask, &scratch, fault);
    /* not of the whole body: a stream says what the plain answer says */
    ask->hash = sim_hash(json_get(top, STR("messages")), 0);
    ask->hash = sim_hash(json_get(top, STR("tools")), ask->hash);
    ask->hash = sim_hash(json_get(top, STR("response_format")), ask->hash);
    read_tools(json_get(top, STR("tools")), json_get(top, STR("tool_choice")), ask, arena,
               &scratch);
    read_format(json_get(top, STR("response_format")), ask, &scratch);
    return err;
}

/* Text counts by its bytes, a list of token numbers by its length. */
static int64_t input_bytes(struct str value)
{
    if (json_type(value) == JSON_NUMBER)
        return ESTIMATE_TOKEN_BYTES;
    if (json_type(value) != JSON_ARRAY)
        return (int64_t)json_text_len(value);
    int64_t bytes = 0;
    struct str element;
    for (size_t at = 0; json_next(value, &at, &element);)
        bytes += json_type(element) == JSON_ARRAY ? 0 : input_bytes(element);
    return bytes;
}

static enum err read_embeddings(const struct json_object *top, struct sim_ask *ask,
                                struct fault *fault)
{
    ask->input = json_get(top, STR("input"));
    enum json_type const type = json_type(ask->input);
    if (type != JSON_STRING && type != JSON_ARRAY)
        return fault_param(fault, ERR_FIELD_INVALID, "input", "a text or a list");
    int64_t bytes = input_bytes(ask->input);
    struct str element;
    for (size_t at = 0; type == JSON_ARRAY && json_next(ask->input, &at, &element);)
        bytes += json_type(element) == JSON_ARRAY ? input_bytes(element) : 0;
    ask->prompt_tokens = estimate_prompt_tokens(bytes);
    ask->dimensions = DIMENSIONS_DEFAULT;
    ask->base64 = str_eq(json_get(top, STR("encoding_format")), STR("\"base64\""));
    return read_count(top, "dimensions", 1, SIM_DIMENSIONS_MAX, &ask->dimensions, fault);
}

enum err sim_ask_read(enum sim_operation operation, struct str body, struct arena *arena,
                      struct sim_ask *ask, struct fault *fault)
{
    *ask = (struct sim_ask){.operation = operation, .output_cap = -1, .choices = 1};
    struct json_object top;
    enum err const err = json_scan(body, &top, fault);
    if (err != ERR_OK)
        return err == ERR_NO_MEMORY ? err : ERR_JSON_INVALID;
    ask->portuguese = looks_portuguese(body);
    ask->model = text_of(json_get(&top, STR("model")), arena);
    if (ask->model.len == 0)
        return fault_param(fault, ERR_FIELD_INVALID, "model", "a name");
    size_t const colon = str_find(ask->model, STR(":"));
    ask->model_base = str_make(ask->model.ptr, colon);
    ask->model_suffix = str_skip(ask->model, colon + 1);
    return operation == SIM_EMBEDDINGS ? read_embeddings(&top, ask, fault)
                                       : read_chat(&top, arena, ask, fault);
}
