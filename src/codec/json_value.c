/* json_value.c - looks into values that json_scan has accepted.
 *
 * Why:   no second validation. Yet every function stays inside the span it was given and comes to
 *        an end whatever the bytes are, so that a wrong caller gets `false`, not a crash.
 */
#include "codec/json.h"
#include "codec/json_int.h"
#include <stdio.h>

static const char *space_end(const char *at, const char *end)
{
    while (at < end && json_is_space((unsigned char)*at))
        at++;
    return at;
}

/* From behind an opening quote to behind the closing one; NULL when there is none. *escaped becomes
 * true when there is a backslash. */
static inline const char *text_end(const char *start, const char *end, bool *escaped)
{
    const char *at = start;
    while ((at = json_quote_or_slash(at, end)) < end) {
        if (*at == '"')
            return at + 1;
        if (end - at < 2)
            return NULL;
        *escaped = true;
        at += 2; /* what is escaped does not end the string */
    }
    return NULL;
}

static const char *string_end(const char *start, const char *end)
{
    bool escaped;
    return text_end(start, end, &escaped);
}

static const char *container_end(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        char const byte = *at++;
        if (byte == '"') {
            at = string_end(at, end);
            if (!at)
                return NULL;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if (byte == '}' || byte == ']') {
            if (--depth == 0)
                return at;
        }
    }
    return NULL;
}

/* Behind the value that begins at `at`; NULL when it has no end or no bytes. */
static const char *value_end(const char *at, const char *end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return string_end(at + 1, end);
    if (*at == '{' || *at == '[')
        return container_end(at, end);
    const char *const start = at;
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !json_is_space((unsigned char)*at))
        at++;
    return at > start ? at : NULL;
}

/* A member from its quote on; returns the byte behind its value, NULL when it is none. */
static const char *member_end(const char *at, const char *end, struct json_member *member)
{
    if (at == end || *at != '"')
        return NULL;
    const char *const name = at + 1;
    member->key_escaped = false;
    const char *const name_end = text_end(name, end, &member->key_escaped);
    if (!name_end)
        return NULL;
    at = space_end(name_end, end);
    if (at == end || *at != ':')
        return NULL;
    at = space_end(at + 1, end);
    const char *const last = value_end(at, end);
    if (!last)
        return NULL;
    member->key = str_make(name, (size_t)(name_end - 1 - name));
    member->value = str_make(at, (size_t)(last - at));
    return last;
}

static enum err not_members(struct json_object *object, struct fault *fault)
{
    object->count = 0;
    return fault_set(fault, ERR_JSON_INVALID, "a value is not JSON");
}

enum err json_members(struct str value, struct json_object *object, struct fault *fault)
{
    object->count = 0;
    object->text = (struct str){0};
    if (json_type(value) != JSON_OBJECT)
        return ERR_OK;
    const char *const end = value.ptr + value.len;
    const char *at = space_end(value.ptr + 1, end);
    while (at < end && *at != '}') {
        if (object->count == JSON_TOP_MEMBERS_MAX) {
            object->count = 0;
            return fault_set(fault, ERR_TOO_LARGE, "an object has more than %d members",
                             JSON_TOP_MEMBERS_MAX);
        }
        at = member_end(at, end, &object->members[object->count]);
        if (!at)
            return not_members(object, fault);
        object->count++;
        at = space_end(at, end);
        if (at < end && *at == ',')
            at = space_end(at + 1, end);
    }
    if (at == end)
        return not_members(object, fault);
    object->text = str_make(value.ptr, (size_t)(at + 1 - value.ptr));
    return ERR_OK;
}

/* Writes a code point (at most U+10FFFF) as UTF-8; returns its length. */
static size_t put_code_point(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t const len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[len] | code);
    return len;
}

/* Decodes \uXXXX (and its pair) at the start of `rest`; 0: not valid. */
static size_t unescape_unicode(struct str *rest, char out[4])
{
    const unsigned char *const at = (const unsigned char *)rest->ptr;
    if (rest->len < 6)
        return 0;
    int const unit = json_hex4(at + 2);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdfff) {
        *rest = str_skip(*rest, 6);
        return put_code_point((unsigned)unit, out);
    }
    int const low = rest->len >= 12 && at[6] == '\\' && at[7] == 'u' ? json_hex4(at + 8) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *rest = str_skip(*rest, 12);
    return put_code_point(0x10000u + ((unsigned)(unit - 0xd800) << 10) + (unsigned)(low - 0xdc00),
                          out);
}

/* Decodes the escape at the start of `rest` and steps over it; bytes written, 0: not valid. */
static size_t unescape(struct str *rest, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (rest->len < 2)
        return 0;
    if (rest->ptr[1] == 'u')
        return unescape_unicode(rest, out);
    const char *const found = memchr(from, rest->ptr[1], sizeof from - 1);
    if (!found)
        return 0;
    out[0] = to[found - from];
    *rest = str_skip(*rest, 2);
    return 1;
}

/* Plain bytes up to the next escape; steps over them. */
static struct str plain_run(struct str *rest)
{
    const char *const slash = rest->len > 0 ? memchr(rest->ptr, '\\', rest->len) : NULL;
    struct str const run = slash ? str_make(rest->ptr, (size_t)(slash - rest->ptr)) : *rest;
    *rest = str_skip(*rest, run.len);
    return run;
}

/* The decoded name is compared piece by piece: no copy, no bound on its length. */
static bool name_is(const struct json_member *member, struct str key)
{
    if (!member->key_escaped)
        return str_eq(member->key, key);
    struct str rest = member->key;
    while (rest.len > 0) {
        char bytes[4];
        struct str piece = plain_run(&rest);
        if (piece.len == 0)
            piece = str_make(bytes, unescape(&rest, bytes));
        if (piece.len == 0 || !str_starts(key, piece))
            return false;
        key = str_skip(key, piece.len);
    }
    return key.len == 0;
}

enum err json_find(const struct json_object *object, struct str key, struct json_member *found,
                   struct fault *fault)
{
    *found = (struct json_member){0};
    for (size_t i = 0; i < object->count; i++) {
        if (!name_is(&object->members[i], key))
            continue;
        if (found->value.ptr) {
            char name[sizeof fault->param];
            snprintf(name, sizeof name, "%.*s", STR_ARG(key));
            return fault_param(fault, ERR_JSON_INVALID, name, "the member is there twice");
        }
        *found = object->members[i];
    }
    return ERR_OK;
}

struct str json_get(const struct json_object *object, struct str key)
{
    for (size_t i = 0; i < object->count; i++)
        if (name_is(&object->members[i], key))
            return object->members[i].value;
    return (struct str){0};
}

enum json_type json_type(struct str value)
{
    if (value.len == 0)
        return JSON_NONE;
    switch (value.ptr[0]) {
    case 'n':
        return JSON_NULL;
    case 'f':
        return JSON_FALSE;
    case 't':
        return JSON_TRUE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9') ? JSON_NUMBER
                                                                                   : JSON_NONE;
    }
}

bool json_i64(struct str value, int64_t *number)
{
    bool const negative = value.len > 0 && value.ptr[0] == '-';
    size_t at = negative ? 1 : 0;
    int64_t sum = 0;
    if (at == value.len || (value.ptr[at] == '0' && value.len - at > 1))
        return false;
    for (; at < value.len; at++) {
        char const byte = value.ptr[at];
        if (byte < '0' || byte > '9')
            return false;
        int64_t const digit = negative ? '0' - byte : byte - '0'; /* INT64_MIN has no positive */
        if (__builtin_mul_overflow(sum, (int64_t)10, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *number = sum;
    return true;
}

bool json_is_true(struct str value)
{
    return str_eq(value, STR("true"));
}

/* What stands between the quotes, escapes as they are. */
static bool string_body(struct str value, struct str *body)
{
    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
        return false;
    *body = str_make(value.ptr + 1, value.len - 2);
    return true;
}

bool json_text(struct str value, char *out, size_t out_size, size_t *len)
{
    struct str rest;
    size_t used = 0;
    if (!string_body(value, &rest))
        return false;
    while (rest.len > 0) {
        char bytes[4];
        struct str piece = plain_run(&rest);
        if (piece.len == 0)
            piece = str_make(bytes, unescape(&rest, bytes));
        if (piece.len == 0 || piece.len > out_size - used)
            return false;
        memcpy(out + used, piece.ptr, piece.len);
        used += piece.len;
    }
    *len = used;
    return true;
}

bool json_plain_text(struct str value, struct str *text)
{
    struct str body;
    if (!string_body(value, &body) || memchr(body.ptr, '\\', body.len))
        return false;
    *text = body;
    return true;
}

size_t json_text_len(struct str value)
{
    struct str rest;
    size_t len = 0;
    if (!string_body(value, &rest))
        return 0;
    while (rest.len > 0) {
        char bytes[4];
        size_t count = plain_run(&rest).len;
        if (count == 0)
            count = unescape(&rest, bytes);
        if (count == 0)
            return 0;
        len += count;
    }
    return len;
}

/* Where the next element begins; NULL: the closing bracket, or nothing we know. */
static const char *element_start(struct str array, size_t at)
{
    if (json_type(array) != JSON_ARRAY || at >= array.len)
        return NULL;
    const char *const end = array.ptr + array.len;
    const char *const first = space_end(array.ptr + at, end);
    if (first == end || (at > 0 && *first != ','))
        return NULL;
    return space_end(first + 1, end);
}

static bool element_take(struct str array, size_t *at, const char *first, const char *last,
                         struct str *element)
{
    if (!last)
        return false; /* "]" of an empty array has no bytes before it */
    *element = str_make(first, (size_t)(last - first));
    *at = (size_t)(last - array.ptr);
    return true;
}

bool json_next(struct str array, size_t *at, struct str *element)
{
    const char *const first = element_start(array, *at);
    return first &&
           element_take(array, at, first, value_end(first, array.ptr + array.len), element);
}

bool json_next_object(struct str array, size_t *at, struct str *element, struct json_object *object)
{
    struct fault fault = {0};
    const char *const first = element_start(array, *at);
    if (!first)
        return false;
    const char *const end = array.ptr + array.len;
    bool const read =
        json_members(str_make(first, (size_t)(end - first)), object, &fault) == ERR_OK;
    const char *const last =
        read && object->text.len > 0 ? first + object->text.len : value_end(first, end);
    return element_take(array, at, first, last, element);
}

bool json_has_element(struct str array)
{
    if (json_type(array) != JSON_ARRAY)
        return false;
    const char *const end = array.ptr + array.len;
    const char *const first = space_end(array.ptr + 1, end);
    return first < end && *first != ']';
}
