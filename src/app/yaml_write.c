/* yaml_write.c - block style for what is nested, one line for lists of scalars. */
#include "app/yaml_write.h"
#include "codec/json.h"
#include "codec/utf8.h"

enum { INDENT = 2, KEY_BYTES_SIMPLE = 100 /* longer ones need "? key" */, WORD_BYTES_MAX = 200 };

struct output {
    struct buf *out;
    struct arena *arena;
    enum err err;
};

static void put(struct output *output, struct str text)
{
    if (output->err == ERR_OK)
        output->err = buf_add(output->out, text);
}

static void put_indent(struct output *output, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        put(output, STR(" "));
}

static struct str decoded(struct output *output, struct str json)
{
    size_t len = json_text_len(json);
    char *text = arena_alloc(output->arena, len + 1);
    if (text == NULL || !json_text(json, text, len + 1, &len)) {
        output->err = output->err != ERR_OK ? output->err : ERR_NO_MEMORY;
        return STR("");
    }
    return str_make(text, len);
}

/* --- scalars --------------------------------------------------------------------------------- */
static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_inner(char byte)
{
    return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
           byte == '.' || byte == '/';
}

/* Read as this very text by every YAML reader, also inside [ ] and as a key. */
static bool is_word(struct str text)
{
    static const char *const taken[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n",   NULL};
    if (text.len == 0 || text.len > WORD_BYTES_MAX || !is_letter(text.ptr[0]))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_inner(text.ptr[i]))
            return false;
    for (size_t i = 0; taken[i] != NULL; i++)
        if (str_eq_nocase(text, str_of(taken[i])))
            return false;
    return true;
}

/* Characters that YAML does not allow as they are, or that nobody sees. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa1) || code == 0xad ||
           (code >= 0x2028 && code <= 0x202e) || code == 0xfeff || code == 0xfffe || code == 0xffff;
}

/* Length of the character at `at`. */
static size_t character(struct str text, size_t at, uint32_t *code)
{
    unsigned char const first = (unsigned char)text.ptr[at];
    size_t const len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *code = len == 1 ? first : first & (0xffU >> (len + 1));
    for (size_t i = 1; i < len && at + i < text.len; i++)
        *code = *code << 6 | ((unsigned char)text.ptr[at + i] & 0x3f);
    return at + len <= text.len ? len : text.len - at;
}

static void put_escape(struct output *output, uint32_t code)
{
    if (output->err != ERR_OK)
        return;
    if (code == '\n')
        put(output, STR("\\n"));
    else if (code == '\t')
        put(output, STR("\\t"));
    else if (code < 0x100)
        output->err = buf_printf(output->out, "\\x%02X", (unsigned)code);
    else
        output->err = buf_printf(output->out, "\\u%04X", (unsigned)code);
}

static void put_text(struct output *output, struct str text)
{
    if (is_word(text)) {
        put(output, text);
        return;
    }
    put(output, STR("\""));
    for (size_t at = 0; at < text.len && output->err == ERR_OK;) {
        uint32_t code;
        size_t const len = character(text, at, &code);
        if (code == '"' || code == '\\')
            put(output, STR("\\"));
        if (is_hidden(code))
            put_escape(output, code);
        else
            put(output, str_make(text.ptr + at, len));
        at += len;
    }
    put(output, STR("\""));
}

static void put_scalar(struct output *output, struct str json)
{
    if (json_type(json) == JSON_STRING)
        put_text(output, decoded(output, json));
    else
        put(output, json);
}

/* --- nodes ----------------------------------------------------------------------------------- */
static bool is_nested(struct str json)
{
    return json_type(json) == JSON_OBJECT || json_type(json) == JSON_ARRAY;
}

/* Empty, or a list of scalars: it stands in one line. */
static bool is_line(struct str json)
{
    size_t at = 0;
    struct str element;
    struct fault ignored = {0};
    if (json_type(json) == JSON_OBJECT) {
        struct json_object object;
        return json_members(json, &object, &ignored) == ERR_OK && object.count == 0;
    }
    while (json_type(json) == JSON_ARRAY && json_next(json, &at, &element))
        if (is_nested(element))
            return false;
    return true;
}

static void put_line(struct output *output, struct str json)
{
    size_t at = 0;
    bool first = true;
    struct str element;
    if (json_type(json) == JSON_OBJECT) {
        put(output, STR("{}"));
    } else if (json_type(json) != JSON_ARRAY) {
        put_scalar(output, json);
    } else {
        put(output, STR("["));
        for (; json_next(json, &at, &element); first = false) {
            put(output, first ? STR("") : STR(", "));
            put_scalar(output, element);
        }
        put(output, STR("]"));
    }
    put(output, STR("\n"));
}

static void put_items(struct output *output, struct str array, size_t indent);

/* The members of an object; the first one's indentation is there already when `inline_first`. */
static void put_members(struct output *output, struct str json, size_t indent, bool inline_first)
{
    struct json_object *object = arena_alloc(output->arena, sizeof *object);
    struct fault ignored = {0};
    if (object == NULL)
        output->err = ERR_NO_MEMORY;
    if (output->err == ERR_OK)
        output->err = json_members(json, object, &ignored);
    for (size_t i = 0; output->err == ERR_OK && i < object->count; i++) {
        struct str const raw = object->members[i].key; /* its quotes are around it */
        struct str const key = decoded(output, str_make(raw.ptr - 1, raw.len + 2));
        struct str const value = object->members[i].value;
        bool const simple = key.len <= KEY_BYTES_SIMPLE;
        put_indent(output, i == 0 && inline_first ? 0 : indent);
        put(output, simple ? STR("") : STR("? "));
        put_text(output, key);
        if (!simple) {
            put(output, STR("\n"));
            put_indent(output, indent);
        }
        put(output, is_line(value) ? STR(": ") : STR(":\n"));
        if (is_line(value))
            put_line(output, value);
        else if (json_type(value) == JSON_OBJECT)
            put_members(output, value, indent + INDENT, false);
        else
            put_items(output, value, simple ? indent : indent + INDENT);
    }
}

static void put_items(struct output *output, struct str array, size_t indent)
{
    size_t at = 0;
    struct str element;
    while (output->err == ERR_OK && json_next(array, &at, &element)) {
        put_indent(output, indent);
        if (is_line(element)) {
            put(output, STR("- "));
            put_line(output, element);
        } else if (json_type(element) == JSON_OBJECT) {
            put(output, STR("- "));
            put_members(output, element, indent + INDENT, true);
        } else {
            put(output, STR("-\n"));
            put_items(output, element, indent + INDENT);
        }
    }
}

enum err yaml_write_document(struct buf *out, struct str kind, struct str id, struct str text,
                             struct arena *arena)
{
    struct output output = {.out = out, .arena = arena};
    put(&output, STR("---\nkind: "));
    put_text(&output, kind);
    if (id.len > 0) {
        put(&output, STR("\nid: "));
        put_text(&output, id);
    }
    put(&output, STR("\n"));
    put_members(&output, text, 0, false);
    return output.err;
}
