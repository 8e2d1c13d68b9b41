/* openai_rewrite.c - the client's body for the provider: three members changed, the rest as it is.
 *
 * What:  edits in the order of the text; what lies between two edits goes out as a span of the
 *        client's own bytes, so fields that we do not know pass byte for byte.
 */
#include "base/must.h"
#include "codec/utf8.h"
#include "upstream/openai_int.h"

enum {
    EDITS_MAX = 5, /* at the head, model, two caps, stream_options */
    I64_DIGITS_MAX = 20,
};
_Static_assert(2 * EDITS_MAX + 1 <= UPSTREAM_PARTS_MAX, "spans and edits in turn");

/* At `at`, `removed` bytes of the body give way to `text`. */
struct edit {
    const char *at;
    size_t removed;
    struct str text;
};

struct edits {
    size_t count;
    struct edit list[EDITS_MAX];
};

/* Kept in the order of the text; there are few. */
static void edit_add(struct edits *edits, const char *at, size_t removed, struct str text)
{
    size_t place = edits->count;
    MUST(place < EDITS_MAX);
    while (place > 0 && edits->list[place - 1].at > at) {
        edits->list[place] = edits->list[place - 1];
        place--;
    }
    edits->list[place] = (struct edit){at, removed, text};
    edits->count++;
}

static void value_replace(struct edits *edits, struct str value, struct str text)
{
    if (!str_eq(value, text))
        edit_add(edits, value.ptr, value.len, text);
}

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* The text as a JSON string; ptr NULL when memory is short. */
static struct str quote(struct arena *arena, struct str text)
{
    static const char digits[] = "0123456789abcdef";
    char *const out = arena_alloc(arena, text.len * 6 + 2);
    size_t len = 0;
    if (!out)
        return (struct str){0};
    out[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char const byte = (unsigned char)text.ptr[i];
        if (needs_escape(byte)) {
            memcpy(out + len, "\\u00", 4);
            out[len + 4] = digits[byte >> 4];
            out[len + 5] = digits[byte & 15];
            len += 6;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    out[len++] = '"';
    return str_make(out, len);
}

static bool model_is(struct str value, struct str model)
{
    struct str plain;
    return json_plain_text(value, &plain) && str_eq(plain, model);
}

static enum err edit_model(const struct openai_ask *ask, const struct openai_rewrite *how,
                           struct arena *arena, struct edits *edits, struct fault *fault)
{
    struct str const value = ask->values[OPENAI_FIELD_MODEL];
    if (model_is(value, how->model))
        return ERR_OK;
    if (!utf8_valid(how->model))
        return fault_set(fault, ERR_CONFIG_INVALID, "the provider's model name is not UTF-8");
    struct str const text = quote(arena, how->model);
    if (!text.ptr)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the model's name");
    value_replace(edits, value, text);
    return ERR_OK;
}

/* Writes `number` (not negative) and returns its length. */
static size_t put_number(char *out, int64_t number)
{
    char digits[I64_DIGITS_MAX];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

/* The client's own cap, lowered to ours; a null of the name that we need becomes ours. True when
 * the body then carries a cap under that name. */
static bool edit_cap(const struct openai_ask *ask, enum openai_field field, bool needed,
                     int64_t cap, struct str cap_text, struct edits *edits)
{
    struct str const value = ask->values[field];
    int64_t asked;
    if (json_i64(value, &asked)) {
        if (asked > cap)
            value_replace(edits, value, cap_text);
        return true;
    }
    if (!needed || !value.ptr)
        return false;
    value_replace(edits, value, cap_text);
    return true;
}

static size_t put(char *out, struct str text)
{
    memcpy(out, text.ptr, text.len);
    return text.len;
}

/* Members that the client did not send stand at the head, right behind the brace. */
struct head {
    bool cap, stream_options;
};

static enum err edit_caps(const struct openai_ask *ask, const struct openai_rewrite *how,
                          struct arena *arena, struct edits *edits, struct head *head,
                          struct fault *fault)
{
    if (how->output_cap < 0 || ask->operation != OPERATION_CHAT)
        return ERR_OK;
    char *const digits = arena_alloc(arena, I64_DIGITS_MAX);
    if (!digits)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the output cap");
    struct str const text = str_make(digits, put_number(digits, how->output_cap));
    bool const none = ask->output_cap < 0;
    bool const newer = str_eq(how->cap_field, STR("max_completion_tokens"));
    bool const has_newer = edit_cap(ask, OPENAI_FIELD_MAX_COMPLETION_TOKENS, none && newer,
                                    how->output_cap, text, edits);
    bool const has_older =
        edit_cap(ask, OPENAI_FIELD_MAX_TOKENS, none && !newer, how->output_cap, text, edits);
    head->cap = !has_newer && !has_older;
    return ERR_OK;
}

static void edit_stream(const struct openai_ask *ask, const struct openai_rewrite *how,
                        struct edits *edits, struct head *head)
{
    struct str const options = ask->values[OPENAI_FIELD_STREAM_OPTIONS];
    if (!how->ask_usage || !ask->stream || ask->wants_usage)
        return;
    if (!options.ptr) {
        head->stream_options = true;
    } else if (json_type(options) == JSON_NULL) {
        value_replace(edits, options, STR("{\"include_usage\":true}"));
    } else if (ask->include_usage.ptr) {
        value_replace(edits, ask->include_usage, STR("true"));
    } else {
        struct fault fault = {0};
        struct json_object members;
        bool const more = json_members(options, &members, &fault) == ERR_OK && members.count > 0;
        edit_add(edits, options.ptr + 1, 0,
                 more ? STR("\"include_usage\":true,") : STR("\"include_usage\":true"));
    }
}

static enum err edit_head(const struct openai_ask *ask, const struct openai_rewrite *how,
                          const struct head *head, struct arena *arena, struct edits *edits,
                          struct fault *fault)
{
    struct str const usage = STR("\"stream_options\":{\"include_usage\":true},");
    if (!head->cap && !head->stream_options)
        return ERR_OK;
    char *const out = arena_alloc(arena, how->cap_field.len + I64_DIGITS_MAX + 4 + usage.len);
    size_t len = 0;
    if (!out)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the rewritten body");
    if (head->cap) {
        out[len++] = '"';
        len += put(out + len, how->cap_field);
        len += put(out + len, STR("\":"));
        len += put_number(out + len, how->output_cap);
        out[len++] = ',';
    }
    if (head->stream_options)
        len += put(out + len, usage);
    edit_add(edits, ask->text.ptr + 1, 0, str_make(out, len));
    return ERR_OK;
}

static void part_add(struct upstream_request *request, const char *from, const char *to)
{
    if (from < to)
        request->parts[request->part_count++] = str_make(from, (size_t)(to - from));
}

static void parts_make(struct str body, const struct edits *edits, struct upstream_request *request)
{
    const char *at = body.ptr;
    request->part_count = 0;
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->list[i];
        part_add(request, at, edit->at);
        part_add(request, edit->text.ptr, edit->text.ptr + edit->text.len);
        at = edit->at + edit->removed;
    }
    part_add(request, at, body.ptr + body.len);
}

enum err openai_rewrite(const struct openai_ask *ask, const struct openai_rewrite *how,
                        struct arena *arena, struct upstream_request *request, struct fault *fault)
{
    struct edits edits = {0};
    struct head head = {0};
    enum err err = edit_model(ask, how, arena, &edits, fault);
    if (err == ERR_OK)
        err = edit_caps(ask, how, arena, &edits, &head, fault);
    if (err == ERR_OK) {
        edit_stream(ask, how, &edits, &head);
        err = edit_head(ask, how, &head, arena, &edits, fault);
    }
    if (err == ERR_OK)
        parts_make(ask->body, &edits, request);
    return err;
}
