/* schema.c - walks the schema in place and writes an instance as it goes. */
#include "sim/schema.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/random.h"
#include "codec/json.h"

/* Deeper than this only what is required is written, and the last of several choices is taken, so
 * that a schema that contains itself comes to an end. */
enum { DEPTH_GENEROUS = 4 };
static int64_t const WHOLE_MAX = (int64_t)1 << 53;

struct maker {
    struct buf out;
    struct str root;
    struct random random;
    size_t values; /* written so far: work is bounded even where bytes are few */
    enum err err;  /* the first that happened */
};

static void put(struct maker *maker, struct str text)
{
    if (maker->err == ERR_OK)
        maker->err = buf_add(&maker->out, text);
}

static void put_i64(struct maker *maker, int64_t number)
{
    if (maker->err == ERR_OK)
        maker->err = buf_add_i64(&maker->out, number);
}

static void put_value(struct maker *maker, struct str schema, unsigned depth);

static struct str child(struct str value, struct str key)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_type(value) != JSON_OBJECT || json_members(value, &object, &fault) != ERR_OK)
        return (struct str){0};
    return json_get(&object, key);
}

/* "#/$defs/Name"; .ptr NULL when it does not lead anywhere. */
static struct str resolve(struct maker *maker, struct str reference)
{
    struct str path, at = maker->root;
    if (!json_plain_text(reference, &path) || path.len == 0 || path.ptr[0] != '#')
        return (struct str){0};
    for (path = str_skip(path, 1); path.len > 1 && at.ptr;) {
        path = str_skip(path, 1);
        struct str const name = str_make(path.ptr, str_find(path, STR("/")));
        path = str_skip(path, name.len);
        at = child(at, name);
    }
    return at;
}

static struct str element_at(struct str array, size_t index)
{
    struct str element = {0};
    size_t at = 0;
    for (size_t i = 0; i <= index; i++)
        if (!json_next(array, &at, &element))
            return (struct str){0};
    return element;
}

static size_t element_count(struct str array)
{
    struct str element;
    size_t count = 0;
    for (size_t at = 0; json_type(array) == JSON_ARRAY && json_next(array, &at, &element);)
        count++;
    return count;
}

static struct str choose(struct str array, unsigned depth)
{
    size_t const count = element_count(array);
    return count == 0 ? (struct str){0} : element_at(array, depth > DEPTH_GENEROUS ? count - 1 : 0);
}

/* Clamped to what a double holds exactly, so that sums of bounds cannot overflow. */
static int64_t whole(const struct json_object *schema, const char *name, int64_t otherwise)
{
    int64_t number = otherwise;
    if (!json_i64(json_get(schema, str_of(name)), &number))
        return otherwise;
    return number > WHOLE_MAX ? WHOLE_MAX : number < -WHOLE_MAX ? -WHOLE_MAX : number;
}

static void put_text(struct maker *maker, const struct json_object *schema)
{
    static const struct {
        struct str format, text;
    } formats[] = {
        {STR_ROW("date-time"), STR_ROW("2025-03-14T09:26:53Z")},
        {STR_ROW("date"), STR_ROW("2025-03-14")},
        {STR_ROW("time"), STR_ROW("09:26:53Z")},
        {STR_ROW("duration"), STR_ROW("PT15M")},
        {STR_ROW("email"), STR_ROW("ana@example.com")},
        {STR_ROW("hostname"), STR_ROW("example.com")},
        {STR_ROW("ipv4"), STR_ROW("192.0.2.1")},
        {STR_ROW("ipv6"), STR_ROW("2001:db8::1")},
        {STR_ROW("uri"), STR_ROW("https://example.com/")},
        {STR_ROW("uuid"), STR_ROW("7c9e6679-7425-40de-944b-e07fc1f90ae7")},
    };
    static const struct str words[] = {STR_ROW("amber"), STR_ROW("harbour"), STR_ROW("Lisboa"),
                                       STR_ROW("maple"), STR_ROW("river"),   STR_ROW("Recife")};
    struct str format, text = words[random_below(&maker->random, sizeof words / sizeof words[0])];
    if (json_plain_text(json_get(schema, STR("format")), &format))
        for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
            if (str_eq(format, formats[i].format))
                text = formats[i].text;
    int64_t const most = whole(schema, "maxLength", INT32_MAX);
    if (most >= 0 && (size_t)most < text.len)
        text.len = (size_t)most;
    int64_t least = whole(schema, "minLength", 0) - (int64_t)text.len;
    put(maker, STR("\""));
    put(maker, text);
    for (; least > 0 && maker->err == ERR_OK; least--)
        put(maker, STR("x"));
    put(maker, STR("\""));
}

struct range {
    int64_t low, high;
};

static struct range range_of(const struct json_object *schema)
{
    int64_t const above = whole(schema, "exclusiveMinimum", -1);
    int64_t const below = whole(schema, "exclusiveMaximum", WHOLE_MAX);
    struct range range = {whole(schema, "minimum", above + 1), whole(schema, "maximum", WHOLE_MAX)};
    if (below != WHOLE_MAX && below - 1 < range.high)
        range.high = below - 1;
    if (range.high < range.low && !json_get(schema, STR("minimum")).ptr)
        range.low = range.high;
    return range;
}

/* A bound that is a fraction; .ptr NULL: there is none. */
static struct str fraction_bound(const struct json_object *schema, const char *name)
{
    int64_t ignored = 0;
    struct str const bound = json_get(schema, str_of(name));
    bool const fraction = json_type(bound) == JSON_NUMBER && !json_i64(bound, &ignored);
    return fraction ? bound : (struct str){0};
}

/* Bounds that are whole are met exactly; a fraction is copied as it stands. */
static void put_number(struct maker *maker, const struct json_object *schema, bool fraction)
{
    int64_t const step = whole(schema, "multipleOf", 0), spread = 98;
    struct range const range = range_of(schema);
    struct str copied = fraction_bound(schema, "minimum");
    if (!copied.ptr)
        copied = fraction_bound(schema, "maximum");
    if (copied.ptr) {
        put(maker, copied);
        return;
    }
    int64_t number = range.low, room = range.high - range.low;
    if (room > 0)
        number += (int64_t)random_below(&maker->random, (uint64_t)(room > spread ? spread : room));
    if (step > 1)
        number = range.low + (step - range.low % step) % step;
    put_i64(maker, number);
    if (fraction && step == 0 && number < range.high)
        put(maker, STR(".5"));
}

static void put_list(struct maker *maker, const struct json_object *schema, unsigned depth)
{
    int64_t least = whole(schema, "minItems", 0);
    int64_t const most = whole(schema, "maxItems", SIM_SCHEMA_ITEMS_MAX);
    if (least == 0 && most > 0 && depth <= DEPTH_GENEROUS)
        least = 1;
    if (least > SIM_SCHEMA_ITEMS_MAX)
        least = SIM_SCHEMA_ITEMS_MAX;
    struct str const items = json_get(schema, STR("items"));
    put(maker, STR("["));
    for (int64_t i = 0; i < least && maker->err == ERR_OK; i++) {
        put(maker, i > 0 ? STR(",") : STR(""));
        put_value(maker, items, depth + 1);
    }
    put(maker, STR("]"));
}

static bool is_required(struct str required, struct str key)
{
    struct str name;
    for (size_t at = 0; json_type(required) == JSON_ARRAY && json_next(required, &at, &name);)
        if (name.len == key.len + 2 && str_eq(str_make(name.ptr + 1, key.len), key))
            return true;
    return false;
}

static void put_member(struct maker *maker, struct str key, struct str schema, unsigned depth,
                       size_t *count)
{
    put(maker, (*count)++ > 0 ? STR(",\"") : STR("\""));
    put(maker, key);
    put(maker, STR("\":"));
    put_value(maker, schema, depth + 1);
}

static void put_object(struct maker *maker, const struct json_object *schema, unsigned depth)
{
    struct json_object properties;
    properties.count = 0;
    struct fault fault = {0};
    struct str const text = json_get(schema, STR("properties"));
    struct str const required = json_get(schema, STR("required"));
    if (json_type(text) == JSON_OBJECT && json_members(text, &properties, &fault) != ERR_OK)
        maker->err = fault.code;
    size_t count = 0;
    put(maker, STR("{"));
    for (size_t i = 0; i < properties.count && maker->err == ERR_OK; i++) {
        struct str const key = properties.members[i].key;
        if (depth <= DEPTH_GENEROUS || is_required(required, key))
            put_member(maker, key, properties.members[i].value, depth, &count);
    }
    struct str name;
    for (size_t at = 0; json_type(required) == JSON_ARRAY && json_next(required, &at, &name);) {
        struct str const key = str_make(name.ptr + 1, name.len >= 2 ? name.len - 2 : 0);
        if (json_type(name) == JSON_STRING && !json_get(&properties, key).ptr)
            put_member(maker, key, (struct str){0}, depth, &count);
    }
    put(maker, STR("}"));
}

/* The schema's type as text between quotes; "null" of several when it is deep. */
static struct str type_of(const struct json_object *schema, unsigned depth)
{
    struct str type = json_get(schema, STR("type")), text = {0}, element;
    if (json_type(type) == JSON_ARRAY) {
        struct str picked = {0};
        for (size_t at = 0; json_next(type, &at, &element);) {
            bool const null = str_eq(element, STR("\"null\""));
            if (!picked.ptr || (null && depth > DEPTH_GENEROUS) ||
                (!null && str_eq(picked, STR("\"null\"")) && depth <= DEPTH_GENEROUS))
                picked = element;
        }
        type = picked;
    }
    if (json_plain_text(type, &text))
        return text;
    if (json_get(schema, STR("properties")).ptr)
        return STR("object");
    return json_get(schema, STR("items")).ptr ? STR("array") : STR("string");
}

static void put_typed(struct maker *maker, const struct json_object *schema, unsigned depth)
{
    struct str const type = type_of(schema, depth);
    if (str_eq(type, STR("object")))
        put_object(maker, schema, depth);
    else if (str_eq(type, STR("array")))
        put_list(maker, schema, depth);
    else if (str_eq(type, STR("integer")))
        put_number(maker, schema, false);
    else if (str_eq(type, STR("number")))
        put_number(maker, schema, true);
    else if (str_eq(type, STR("boolean")))
        put(maker, random_below(&maker->random, 2) == 0 ? STR("true") : STR("false"));
    else if (str_eq(type, STR("null")))
        put(maker, STR("null"));
    else
        put_text(maker, schema);
}

static void put_value(struct maker *maker, struct str value, unsigned depth)
{
    struct json_object schema;
    struct fault fault = {0};
    if (++maker->values > SIM_INSTANCE_VALUES_MAX && maker->err == ERR_OK)
        maker->err = ERR_TOO_LARGE;
    if (json_type(value) != JSON_OBJECT || depth > SIM_SCHEMA_DEPTH_MAX ||
        json_members(value, &schema, &fault) != ERR_OK) {
        put(maker, STR("\"sim\""));
        return;
    }
    static const char *const several[] = {"anyOf", "oneOf", "allOf"};
    struct str chosen = {0};
    struct str const choices = json_get(&schema, STR("enum"));
    size_t const count = element_count(choices);
    if (json_get(&schema, STR("const")).ptr)
        put(maker, json_get(&schema, STR("const")));
    else if (count > 0)
        put(maker, element_at(choices, (size_t)random_below(&maker->random, count)));
    else if (json_get(&schema, STR("$ref")).ptr)
        put_value(maker, resolve(maker, json_get(&schema, STR("$ref"))), depth + 1);
    else {
        for (size_t i = 0; i < 3 && !chosen.ptr; i++)
            chosen = choose(json_get(&schema, str_of(several[i])), depth);
        if (chosen.ptr)
            put_value(maker, chosen, depth + 1);
        else
            put_typed(maker, &schema, depth);
    }
}

enum err sim_schema_instance(struct str schema, uint64_t seed, struct arena *arena,
                             struct str *instance)
{
    static const struct str plain =
        STR_ROW("{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"string\"},"
                "\"score\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100},"
                "\"sure\":{\"type\":\"boolean\"},"
                "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":2}},"
                "\"required\":[\"answer\",\"score\",\"sure\",\"tags\"]}");
    struct maker maker = {.root = json_type(schema) == JSON_OBJECT ? schema : plain};
    random_seed(&maker.random, seed);
    buf_init(&maker.out, SIM_INSTANCE_BYTES_MAX);
    put_value(&maker, maker.root, 0);
    if (maker.err == ERR_OK) {
        *instance = arena_copy(arena, buf_view(&maker.out));
        maker.err = instance->ptr ? ERR_OK : ERR_NO_MEMORY;
    }
    buf_free(&maker.out);
    return maker.err;
}
