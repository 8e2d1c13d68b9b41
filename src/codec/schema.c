/* schema.c - walks a value and its schema side by side; stops at the first mistake. */
#include "codec/schema.h"
#include "base/must.h"
#include "codec/schema_int.h"
#include "codec/utf8.h"
#include <stdio.h>

/* Where we are: a chain on the stack, printed only when something is wrong. */
struct place {
    const struct place *parent; /* NULL: the top, which has no name */
    struct str name;            /* of a member; ptr NULL: an item */
    size_t index;
    unsigned depth;
};

/* What does not change on the way. */
struct walk {
    bool writing;
    struct fault *fault;
};

static enum err check(const struct walk *walk, const struct place *place,
                      const struct schema *schema, struct str value, bool partial);

/* --- complaints ------------------------------------------------------------------------------ */
static size_t put_path(const struct place *place, char *out, size_t size)
{
    if (place->parent == NULL && place->name.ptr == NULL)
        return 0;
    size_t const used = place->parent ? put_path(place->parent, out, size) : 0;
    int const len =
        place->name.ptr == NULL
            ? snprintf(out + used, size - used, "[%zu]", place->index)
            : snprintf(out + used, size - used, "%s%.*s", used > 0 ? "." : "",
                       (int)(place->name.len < size ? place->name.len : size), place->name.ptr);
    size_t const end = used + (size_t)(len > 0 ? len : 0);
    return end < size ? end : size - 1;
}

static enum err refuse(const struct walk *walk, const struct place *place, const char *what)
{
    char path[sizeof walk->fault->param] = "";
    size_t const len = put_path(place, path, sizeof path);
    path[utf8_valid_prefix(str_make(path, len))] = '\0'; /* it may have been cut in a character */
    return fault_param(walk->fault, ERR_FIELD_INVALID, path, "%s %s",
                       path[0] ? path : "the document", what);
}

static enum err refuse_number(const struct walk *walk, const struct place *place, const char *what,
                              int64_t number, const char *unit)
{
    char text[80];
    snprintf(text, sizeof text, "%s %lld%s", what, (long long)number, unit);
    return refuse(walk, place, text);
}

static enum err refuse_type(const struct walk *walk, const struct place *place,
                            const struct schema *schema)
{
    static const struct {
        unsigned type;
        const char *name;
    } rows[] = {
        {SCHEMA_STRING, "text"},     {SCHEMA_INTEGER, "a whole number"},
        {SCHEMA_NUMBER, "a number"}, {SCHEMA_BOOLEAN, "true or false"},
        {SCHEMA_ARRAY, "a list"},    {SCHEMA_OBJECT, "an object"},
        {SCHEMA_NULL, "null"},
    };
    char text[96] = "must be";
    size_t used = strlen(text);
    bool first = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!(schema->types & rows[i].type))
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s", first ? "" : " or",
                                 rows[i].name);
        first = false;
    }
    return refuse(walk, place, text);
}

static enum err refuse_values(const struct walk *walk, const struct place *place,
                              const struct schema *schema)
{
    char text[160];
    size_t used = (size_t)snprintf(text, sizeof text, "must be one of");
    for (size_t i = 0; schema->values[i] != NULL && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s", i > 0 ? "," : "",
                                 schema->values[i]);
    return refuse(walk, place, text);
}

/* --- texts and numbers ----------------------------------------------------------------------- */
static enum err check_length(const struct walk *walk, const struct place *place,
                             const struct schema *schema, size_t length, const char *unit)
{
    if (length < schema->length_min)
        return refuse_number(walk, place, "must have at least", (int64_t)schema->length_min, unit);
    if (length > schema->length_max)
        return refuse_number(walk, place, "must have at most", (int64_t)schema->length_max, unit);
    return ERR_OK;
}

static bool is_listed(const char *const *values, struct str text)
{
    for (size_t i = 0; values[i] != NULL; i++)
        if (str_eq(text, str_of(values[i])))
            return true;
    return false;
}

/* A decoded text, when a list of values or a format restricts it. */
static enum err check_content(const struct walk *walk, const struct place *place,
                              const struct schema *schema, struct str text)
{
    if (schema->values != NULL && !is_listed(schema->values, text))
        return refuse_values(walk, place, schema);
    if (!schema_format_holds(schema->format, text)) {
        char what[160];
        snprintf(what, sizeof what, "must be %s", schema_format_help(schema->format));
        return refuse(walk, place, what);
    }
    return ERR_OK;
}

/* Characters of a string value. False: one of them is U+0000, which C texts cannot hold. */
static bool characters(struct str value, size_t *count)
{
    *count = 0;
    for (size_t i = 1; i + 1 < value.len; i++) {
        char const byte = value.ptr[i];
        if ((byte & 0xc0) == 0x80)
            continue; /* the rest of a character */
        (*count)++;
        if (byte != '\\')
            continue;
        if (value.ptr[i + 1] != 'u') {
            i++;
            continue;
        }
        if (memcmp(value.ptr + i + 2, "0000", 4) == 0)
            return false;
        /* a pair of surrogates is one character: \uD83D\uDE00 */
        bool const pair =
            (value.ptr[i + 2] | 0x20) == 'd' && strchr("89abAB", value.ptr[i + 3]) != NULL;
        i += pair ? 11 : 5;
    }
    return true;
}

static enum err check_string(const struct walk *walk, const struct place *place,
                             const struct schema *schema, struct str value)
{
    size_t count, len;
    if (!characters(value, &count))
        return refuse(walk, place, "must not contain the character U+0000");
    enum err const err = check_length(walk, place, schema, count, " characters");
    if (err != ERR_OK || (schema->values == NULL && schema->format == SCHEMA_FORMAT_NONE))
        return err;
    char decoded[SCHEMA_TEXT_BYTES_MAX];
    if (!json_text(value, decoded, sizeof decoded, &len))
        return refuse(walk, place, "is too long");
    return check_content(walk, place, schema, str_make(decoded, len));
}

static enum err check_integer(const struct walk *walk, const struct place *place,
                              const struct schema *schema, int64_t number)
{
    if (number < schema->minimum)
        return refuse_number(walk, place, "must be at least", schema->minimum, "");
    if (number > schema->maximum)
        return refuse_number(walk, place, "must be at most", schema->maximum, "");
    return ERR_OK;
}

static enum err check_number(const struct walk *walk, const struct place *place,
                             const struct schema *schema, struct str value)
{
    int64_t number;
    if (json_i64(value, &number))
        return check_integer(walk, place, schema, number);
    return schema->types & SCHEMA_NUMBER ? ERR_OK : refuse_type(walk, place, schema);
}

/* --- lists ----------------------------------------------------------------------------------- */
/* "a" and "\u0061" are the same; numbers are compared as they are written. */
static bool same_value(struct str one, struct str other)
{
    char texts[2][SCHEMA_TEXT_BYTES_MAX];
    size_t one_len, other_len;
    if (str_eq(one, other))
        return true;
    if (!memchr(one.ptr, '\\', one.len) && !memchr(other.ptr, '\\', other.len))
        return false;
    return json_text(one, texts[0], sizeof texts[0], &one_len) &&
           json_text(other, texts[1], sizeof texts[1], &other_len) &&
           str_eq(str_make(texts[0], one_len), str_make(texts[1], other_len));
}

static bool is_before(struct str list, size_t index, struct str value)
{
    struct str item;
    size_t at = 0;
    for (size_t i = 0; i < index && json_next(list, &at, &item); i++)
        if (same_value(item, value))
            return true;
    return false;
}

static enum err check_list(const struct walk *walk, const struct place *place,
                           const struct schema *schema, struct str value)
{
    size_t at = 0, count = 0;
    struct str item;
    enum err err = ERR_OK;
    MUST(!schema->unique_items || schema->length_max <= SCHEMA_UNIQUE_ITEMS_MAX);
    for (; err == ERR_OK && json_next(value, &at, &item); count++) {
        struct place const here = {.parent = place, .index = count, .depth = place->depth + 1};
        if (count == schema->length_max) /* before anything is spent on the others */
            return check_length(walk, place, schema, count + 1, " items");
        if (schema->items != NULL)
            err = check(walk, &here, schema->items, item, false);
        if (err == ERR_OK && schema->unique_items && is_before(value, count, item))
            err = refuse(walk, &here, "is in the list twice");
    }
    return err != ERR_OK ? err : check_length(walk, place, schema, count, " items");
}

/* --- objects --------------------------------------------------------------------------------- */
static const struct schema_member *member_named(const struct schema *schema, struct str name)
{
    for (const struct schema_member *row = schema->members; row && row->name; row++)
        if (str_eq(name, str_of(row->name)))
            return row;
    return NULL;
}

/* The schema of the value of a member; NULL: refused, *err says why. */
static const struct schema *schema_of(const struct walk *walk, const struct place *here,
                                      const struct schema *schema, bool *required, enum err *err)
{
    const struct schema_member *row = member_named(schema, here->name);
    *required = row != NULL && row->required;
    *err = ERR_OK;
    if (row == NULL && schema->others != NULL)
        return schema->others;
    if (row == NULL)
        *err = refuse(walk, here, "is not a member that is known here");
    else if (walk->writing && row->read_only)
        *err = refuse(walk, here, "is made by the server and cannot be written");
    else if (!walk->writing && row->write_only)
        *err = refuse(walk, here, "is never shown");
    return *err == ERR_OK ? row->schema : NULL;
}

static enum err check_member(const struct walk *walk, const struct place *place,
                             const struct schema *schema, const struct json_object *object,
                             const struct json_member *member, bool partial)
{
    char decoded[SCHEMA_TEXT_BYTES_MAX];
    size_t len;
    struct fault ignored = {0};
    struct json_member found;
    struct str name = member->key;
    if (member->key_escaped) { /* between its quotes it is a string value */
        if (!json_text(str_make(name.ptr - 1, name.len + 2), decoded, sizeof decoded, &len))
            return refuse(walk, place, "has a member with a name that is too long");
        name = str_make(decoded, len);
    }
    struct place const here = {.parent = place, .name = name, .depth = place->depth + 1};
    if (json_find(object, name, &found, &ignored) != ERR_OK)
        return refuse(walk, &here, "is there twice");
    bool required;
    enum err err;
    const struct schema *of_member = schema_of(walk, &here, schema, &required, &err);
    if (of_member == NULL)
        return err;
    if (partial && !required && json_type(member->value) == JSON_NULL)
        return ERR_OK; /* it is taken away */
    return check(walk, &here, of_member, member->value, partial);
}

static enum err check_required(const struct walk *walk, const struct place *place,
                               const struct schema *schema, const struct json_object *object)
{
    for (const struct schema_member *row = schema->members; row && row->name; row++) {
        bool const wanted = row->required && !(walk->writing ? row->read_only : row->write_only);
        struct place const here = {.parent = place, .name = str_of(row->name)};
        if (wanted && json_get(object, here.name).ptr == NULL)
            return refuse(walk, &here, "must be given");
    }
    return ERR_OK;
}

static enum err check_object(const struct walk *walk, const struct place *place,
                             const struct schema *schema, struct str value, bool partial)
{
    struct json_object object;
    struct fault ignored = {0};
    if (json_members(value, &object, &ignored) != ERR_OK)
        return refuse_number(walk, place, "must have at most", JSON_TOP_MEMBERS_MAX, " members");
    enum err err = check_length(walk, place, schema, object.count, " members");
    if (schema->members == NULL && schema->others == NULL)
        return err; /* any object */
    for (size_t i = 0; err == ERR_OK && i < object.count; i++)
        err = check_member(walk, place, schema, &object, &object.members[i], partial);
    if (err == ERR_OK && !partial)
        err = check_required(walk, place, schema, &object);
    return err;
}

/* --- values ---------------------------------------------------------------------------------- */
static unsigned type_of(struct str value)
{
    static const unsigned types[] = {
        [JSON_NONE] = 0,
        [JSON_NULL] = SCHEMA_NULL,
        [JSON_FALSE] = SCHEMA_BOOLEAN,
        [JSON_TRUE] = SCHEMA_BOOLEAN,
        [JSON_NUMBER] = SCHEMA_INTEGER | SCHEMA_NUMBER,
        [JSON_STRING] = SCHEMA_STRING,
        [JSON_ARRAY] = SCHEMA_ARRAY,
        [JSON_OBJECT] = SCHEMA_OBJECT,
    };
    return types[json_type(value)];
}

static enum err check(const struct walk *walk, const struct place *place,
                      const struct schema *schema, struct str value, bool partial)
{
    unsigned const type = type_of(value) & schema->types;
    if (place->depth > SCHEMA_DEPTH_MAX)
        return refuse(walk, place, "is nested too deep");
    if (type & SCHEMA_STRING)
        return check_string(walk, place, schema, value);
    if (type & (SCHEMA_INTEGER | SCHEMA_NUMBER))
        return check_number(walk, place, schema, value);
    if (type & SCHEMA_ARRAY)
        return check_list(walk, place, schema, value);
    if (type & SCHEMA_OBJECT)
        return check_object(walk, place, schema, value, partial);
    return type != 0 ? ERR_OK : refuse_type(walk, place, schema);
}

enum err schema_check(const struct schema *schema, struct str value, bool writing, bool partial,
                      struct fault *fault)
{
    struct walk const walk = {.writing = writing, .fault = fault};
    struct place const top = {0};
    return check(&walk, &top, schema, value, partial);
}

enum err schema_check_text(const struct schema *schema, struct str text, const char *name,
                           struct fault *fault)
{
    struct walk const walk = {.writing = true, .fault = fault};
    struct place const place = {.name = str_of(name)};
    int64_t number;
    if (schema->types & SCHEMA_INTEGER && json_i64(text, &number))
        return check_integer(&walk, &place, schema, number);
    if (schema->types & SCHEMA_BOOLEAN && (str_eq(text, STR("true")) || str_eq(text, STR("false"))))
        return ERR_OK;
    if (!(schema->types & SCHEMA_STRING))
        return refuse_type(&walk, &place, schema);
    if (!utf8_valid(text) || (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL))
        return refuse(&walk, &place, "must be UTF-8 without the character U+0000");
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += (text.ptr[i] & 0xc0) != 0x80;
    enum err const err = check_length(&walk, &place, schema, count, " characters");
    return err != ERR_OK ? err : check_content(&walk, &place, schema, text);
}
