/* openai_ask.c - what a client's body asks, and the bounds that the hold is made from.
 *
 * What:  validates the whole text once, then only the members that we interpret; a member that we
 *        interpret and that is there twice is refused, because the provider may take the other one.
 */
#include "core/estimate.h"
#include "upstream/openai_int.h"

enum {
    CHAT = 1u << OPERATION_CHAT,
    EMBEDDINGS = 1u << OPERATION_EMBEDDINGS,
    CHOICES_MAX = 128,
};

static const struct field_row {
    struct str name;
    unsigned operations; /* those that interpret it */
} fields[OPENAI_FIELD_COUNT] = {
    [OPENAI_FIELD_MODEL] = {STR_ROW("model"), CHAT | EMBEDDINGS},
    [OPENAI_FIELD_STREAM] = {STR_ROW("stream"), CHAT},
    [OPENAI_FIELD_STREAM_OPTIONS] = {STR_ROW("stream_options"), CHAT},
    [OPENAI_FIELD_MAX_COMPLETION_TOKENS] = {STR_ROW("max_completion_tokens"), CHAT},
    [OPENAI_FIELD_MAX_TOKENS] = {STR_ROW("max_tokens"), CHAT},
    [OPENAI_FIELD_N] = {STR_ROW("n"), CHAT},
    [OPENAI_FIELD_MESSAGES] = {STR_ROW("messages"), CHAT},
    [OPENAI_FIELD_INPUT] = {STR_ROW("input"), EMBEDDINGS},
    [OPENAI_FIELD_USER] = {STR_ROW("user"), CHAT | EMBEDDINGS},
};

/* The name with its quotes is a string value of the same text. */
static struct str quoted_key(const struct json_member *member)
{
    return str_make(member->key.ptr - 1, member->key.len + 2);
}

static bool name_is(const struct json_member *member, struct str name)
{
    char decoded[32];
    size_t len;
    if (!member->key_escaped)
        return openai_name_is(member, name);
    return json_text(quoted_key(member), decoded, sizeof decoded, &len) &&
           str_eq(str_make(decoded, len), name);
}

static enum err refuse(struct fault *fault, enum openai_field field, const char *why)
{
    return fault_param(fault, ERR_FIELD_INVALID, fields[field].name.ptr, "%s", why);
}

/* Takes the members that this operation interpretes out of the object. */
static enum err members_take(struct openai_ask *ask, const struct json_object *object,
                             struct fault *fault)
{
    unsigned const operation = 1u << ask->operation;
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        for (enum openai_field field = 0; field < OPENAI_FIELD_COUNT; field++) {
            if (!name_is(member, fields[field].name))
                continue;
            if (!(fields[field].operations & operation))
                break;
            if (ask->values[field].ptr)
                return refuse(fault, field, "the member is there twice");
            ask->values[field] = member->value;
            break;
        }
    }
    return ERR_OK;
}

static enum err model_take(struct openai_ask *ask, struct arena *arena, struct fault *fault)
{
    struct str const value = ask->values[OPENAI_FIELD_MODEL];
    if (json_type(value) != JSON_STRING)
        return refuse(fault, OPENAI_FIELD_MODEL, "a model must be named");
    if (!json_plain_text(value, &ask->model_name)) {
        char *decoded = arena_alloc(arena, NAME_BYTES_MAX);
        size_t len;
        if (!decoded)
            return fault_set(fault, ERR_NO_MEMORY, "no memory for the model's name");
        if (!json_text(value, decoded, NAME_BYTES_MAX, &len))
            return refuse(fault, OPENAI_FIELD_MODEL, "the model's name is too long");
        ask->model_name = str_make(decoded, len);
    }
    if (ask->model_name.len == 0)
        return refuse(fault, OPENAI_FIELD_MODEL, "the model's name is empty");
    if (ask->model_name.len > NAME_BYTES_MAX)
        return refuse(fault, OPENAI_FIELD_MODEL, "the model's name is too long");
    return ERR_OK;
}

static bool is_absent(struct str value)
{
    return !value.ptr || json_type(value) == JSON_NULL;
}

/* true, false, or null for false. */
static bool bool_take(struct str value, bool *flag)
{
    *flag = json_is_true(value);
    return *flag || is_absent(value) || json_type(value) == JSON_FALSE;
}

static enum err stream_take(struct openai_ask *ask, struct fault *fault)
{
    struct json_object options;
    struct json_member found;
    struct str const value = ask->values[OPENAI_FIELD_STREAM_OPTIONS];
    static const char *const param = "stream_options.include_usage";
    if (!bool_take(ask->values[OPENAI_FIELD_STREAM], &ask->stream))
        return refuse(fault, OPENAI_FIELD_STREAM, "true or false is expected");
    if (!ask->stream || is_absent(value))
        return ERR_OK;
    if (json_type(value) != JSON_OBJECT || json_members(value, &options, fault) != ERR_OK)
        return refuse(fault, OPENAI_FIELD_STREAM_OPTIONS, "an object is expected");
    struct fault twice = {0};
    if (json_find(&options, STR("include_usage"), &found, &twice) != ERR_OK)
        return fault_param(fault, ERR_FIELD_INVALID, param, "the member is there twice");
    if (!bool_take(found.value, &ask->wants_usage))
        return fault_param(fault, ERR_FIELD_INVALID, param, "true or false is expected");
    ask->include_usage = found.value;
    return ERR_OK;
}

static enum err cap_take(struct openai_ask *ask, enum openai_field field, struct fault *fault)
{
    int64_t cap;
    if (is_absent(ask->values[field]))
        return ERR_OK;
    if (!json_i64(ask->values[field], &cap) || cap < 1)
        return refuse(fault, field, "a positive integer is expected");
    ask->output_cap = cap > ask->output_cap ? cap : ask->output_cap;
    return ERR_OK;
}

static enum err choices_take(struct openai_ask *ask, struct fault *fault)
{
    struct str const value = ask->values[OPENAI_FIELD_N];
    if (is_absent(value))
        return ERR_OK;
    if (!json_i64(value, &ask->choices) || ask->choices < 1 || ask->choices > CHOICES_MAX)
        return refuse(fault, OPENAI_FIELD_N, "an integer from 1 to 128 is expected");
    return ERR_OK;
}

/* --- images and files ------------------------------------------------------------------------ */

/* An escaped letter of a part's type: \u005f to \u007a. Other escapes do not hide one. */
static bool hides_letters(struct str text)
{
    struct str rest = text;
    while (rest.len > 0) {
        const char *slash = memchr(rest.ptr, '\\', rest.len);
        if (!slash)
            return false;
        rest = str_skip(rest, (size_t)(slash - rest.ptr));
        if (rest.len >= 6 && rest.ptr[1] == 'u' && rest.ptr[2] == '0' && rest.ptr[3] == '0' &&
            rest.ptr[4] >= '5' && rest.ptr[4] <= '7')
            return true;
        rest = str_skip(rest, 2);
    }
    return false;
}

/* A cheap look: most requests have no list of parts, and of those most have text only. */
static bool may_have_parts(struct str messages)
{
    struct str const inside = str_skip(messages, 1);
    if (!memchr(inside.ptr, '[', inside.len))
        return false;
    return memmem(inside.ptr, inside.len, "image", 5) ||
           memmem(inside.ptr, inside.len, "file", 4) || hides_letters(inside);
}

static bool is_costly_type(struct str value)
{
    static const struct str types[] = {STR_ROW("image_url"), STR_ROW("input_image"),
                                       STR_ROW("image"), STR_ROW("file"), STR_ROW("input_file")};
    char text[16];
    size_t len;
    if (!json_text(value, text, sizeof text, &len))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_eq(str_make(text, len), types[i]))
            return true;
    return false;
}

/* All members are looked at: the provider may take the second one of two types. */
static enum err part_count(struct str part, int64_t *count, struct fault *fault)
{
    struct json_object object;
    enum err const err = json_members(part, &object, fault);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < object.count; i++)
        if (name_is(&object.members[i], STR("type")) && is_costly_type(object.members[i].value)) {
            (*count)++;
            break;
        }
    return ERR_OK;
}

static enum err message_count(struct str message, int64_t *count, struct fault *fault)
{
    struct json_object object;
    struct str part;
    enum err err = json_members(message, &object, fault);
    for (size_t i = 0; err == ERR_OK && i < object.count; i++) {
        if (!name_is(&object.members[i], STR("content")))
            continue;
        for (size_t at = 0; err == ERR_OK && json_next(object.members[i].value, &at, &part);)
            err = part_count(part, count, fault);
    }
    return err;
}

static enum err messages_take(struct openai_ask *ask, struct fault *fault)
{
    struct str const messages = ask->values[OPENAI_FIELD_MESSAGES];
    if (!json_has_element(messages))
        return refuse(fault, OPENAI_FIELD_MESSAGES, "a list of at least one message is expected");
    if (!may_have_parts(messages))
        return ERR_OK;
    struct fault inner = {0};
    struct str message;
    for (size_t at = 0; json_next(messages, &at, &message);)
        if (message_count(message, &ask->image_parts, &inner) != ERR_OK)
            return refuse(fault, OPENAI_FIELD_MESSAGES, "a message has too many members");
    return ERR_OK;
}

/* --- the whole ------------------------------------------------------------------------------- */

static enum err chat_take(struct openai_ask *ask, struct fault *fault)
{
    enum err err = stream_take(ask, fault);
    if (err == ERR_OK)
        err = cap_take(ask, OPENAI_FIELD_MAX_COMPLETION_TOKENS, fault);
    if (err == ERR_OK)
        err = cap_take(ask, OPENAI_FIELD_MAX_TOKENS, fault);
    if (err == ERR_OK)
        err = choices_take(ask, fault);
    if (err == ERR_OK)
        err = messages_take(ask, fault);
    return err;
}

static enum err input_take(struct openai_ask *ask, struct fault *fault)
{
    if (is_absent(ask->values[OPENAI_FIELD_INPUT]))
        return refuse(fault, OPENAI_FIELD_INPUT, "an input is expected");
    return ERR_OK;
}

/* All but the object, which json_scan fills: it is large and this runs for every request. */
static void ask_clear(struct openai_ask *ask, enum operation operation, struct str body)
{
    ask->operation = operation;
    ask->body = body;
    memset(ask->values, 0, sizeof ask->values);
    ask->include_usage = ask->model_name = ask->end_user = (struct str){0};
    ask->stream = ask->wants_usage = false;
    ask->output_cap = -1;
    ask->choices = 1;
    ask->image_parts = 0;
}

enum err openai_ask_read(enum operation operation, struct str body, struct arena *arena,
                         struct openai_ask *ask, struct fault *fault)
{
    struct json_object object;
    ask_clear(ask, operation, body);
    enum err err = json_scan(body, &object, fault);
    ask->text = object.text;
    if (err == ERR_OK && ask->text.len == 0)
        err = fault_param(fault, ERR_FIELD_INVALID, "body", "a JSON object is expected");
    if (err == ERR_OK)
        err = members_take(ask, &object, fault);
    if (err == ERR_OK)
        err = model_take(ask, arena, fault);
    if (err == ERR_OK)
        err = operation == OPERATION_CHAT ? chat_take(ask, fault) : input_take(ask, fault);
    if (err == ERR_OK && json_type(ask->values[OPENAI_FIELD_USER]) == JSON_STRING)
        (void)json_plain_text(ask->values[OPENAI_FIELD_USER], &ask->end_user);
    return err;
}

int64_t openai_input_bound(const struct openai_ask *ask, int64_t image_tokens_max)
{
    int64_t bound;
    if (__builtin_mul_overflow(ask->image_parts, image_tokens_max, &bound) ||
        __builtin_add_overflow(bound, (int64_t)ask->body.len, &bound))
        return INT64_MAX;
    return bound;
}

static int64_t messages_bytes(struct str messages)
{
    struct json_object object;
    struct str message;
    int64_t bytes = 0;
    for (size_t at = 0; json_next_object(messages, &at, &message, &object);)
        bytes += openai_content_bytes(json_get(&object, STR("content")));
    return bytes;
}

/* Texts, or tokens that the client counted itself, or a list of either. */
static int64_t input_bytes(struct str input, unsigned depth)
{
    enum { INPUT_DEPTH_MAX = 3 };
    struct str element;
    int64_t bytes = 0;
    if (json_type(input) == JSON_NUMBER)
        return ESTIMATE_TOKEN_BYTES;
    if (json_type(input) != JSON_ARRAY)
        return openai_content_bytes(input);
    if (depth == INPUT_DEPTH_MAX)
        return 0;
    for (size_t at = 0; json_next(input, &at, &element);)
        bytes += input_bytes(element, depth + 1);
    return bytes;
}

int64_t openai_input_estimate(const struct openai_ask *ask)
{
    int64_t const bytes = ask->operation == OPERATION_CHAT
                              ? messages_bytes(ask->values[OPENAI_FIELD_MESSAGES])
                              : input_bytes(ask->values[OPENAI_FIELD_INPUT], 0);
    return estimate_prompt_tokens(bytes);
}
