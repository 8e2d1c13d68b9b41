/* test_sim_schema.c - made-up values are valid against their schema, by a validator written here;
 * and made-up vectors have length one. */
#include "codec/base64.h"
#include "sim/schema.h"
#include "sim_test.h"
#include <stdio.h>

static bool is_valid(struct str root, struct str schema, struct str value);

static bool type_fits(struct str type, struct str value)
{
    static const struct {
        const char *name;
        enum json_type type;
    } rows[] = {
        {"\"object\"", JSON_OBJECT}, {"\"array\"", JSON_ARRAY},    {"\"string\"", JSON_STRING},
        {"\"number\"", JSON_NUMBER}, {"\"integer\"", JSON_NUMBER}, {"\"null\"", JSON_NULL},
        {"\"boolean\"", JSON_TRUE},  {"\"boolean\"", JSON_FALSE},
    };
    int64_t whole = 0;
    if (str_eq(type, STR("\"integer\"")) && !json_i64(value, &whole))
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_eq(type, str_of(rows[i].name)) && json_type(value) == rows[i].type)
            return true;
    return false;
}

static bool any(struct str list, bool (*fits)(struct str, struct str, struct str), struct str root,
                struct str value)
{
    struct str element;
    for (size_t position = 0; json_next(list, &position, &element);)
        if (fits(root, element, value))
            return true;
    return false;
}

static bool equals(struct str root, struct str element, struct str value)
{
    (void)root;
    return str_eq(element, value);
}

static bool type_is(struct str root, struct str element, struct str value)
{
    (void)root;
    return type_fits(element, value);
}

static double real(struct str value)
{
    char digits[64];
    assert_true(value.len < sizeof digits);
    memcpy(digits, value.ptr, value.len);
    digits[value.len] = '\0';
    return strtod(digits, NULL);
}

static bool bounds_fit(struct str schema, struct str value)
{
    struct str bound;
    if (json_type(value) == JSON_STRING) {
        int64_t const bytes = (int64_t)json_text_len(value);
        bound = get(schema, "minLength");
        if (bound.ptr && bytes < number(bound))
            return false;
        bound = get(schema, "maxLength");
        return !bound.ptr || bytes <= number(bound);
    }
    if (json_type(value) != JSON_NUMBER)
        return true;
    double const found = real(value);
    bound = get(schema, "minimum");
    if (bound.ptr && found < real(bound))
        return false;
    bound = get(schema, "maximum");
    if (bound.ptr && found > real(bound))
        return false;
    bound = get(schema, "exclusiveMinimum");
    if (bound.ptr && found <= real(bound))
        return false;
    bound = get(schema, "exclusiveMaximum");
    if (bound.ptr && found >= real(bound))
        return false;
    bound = get(schema, "multipleOf");
    return !bound.ptr || number(value) % number(bound) == 0;
}

static bool list_fits(struct str root, struct str schema, struct str value)
{
    struct str element, bound;
    int64_t count = 0;
    for (size_t position = 0; json_next(value, &position, &element); count++)
        if (get(schema, "items").ptr && !is_valid(root, get(schema, "items"), element))
            return false;
    bound = get(schema, "minItems");
    if (bound.ptr && count < number(bound))
        return false;
    bound = get(schema, "maxItems");
    return !bound.ptr || count <= number(bound);
}

static bool object_fits(struct str root, struct str schema, struct str value)
{
    struct json_object members;
    struct fault fault = {0};
    struct str name;
    size_t position = 0;
    if (json_members(value, &members, &fault) != ERR_OK)
        return false;
    for (size_t i = 0; i < members.count; i++) {
        struct json_object properties;
        struct str const list = get(schema, "properties");
        if (!list.ptr || json_members(list, &properties, &fault) != ERR_OK)
            continue;
        struct str const property = json_get(&properties, members.members[i].key);
        if (property.ptr && !is_valid(root, property, members.members[i].value))
            return false;
    }
    struct str const required = get(schema, "required");
    while (required.ptr && json_next(required, &position, &name))
        if (!json_get(&members, str_make(name.ptr + 1, name.len - 2)).ptr)
            return false;
    return true;
}

static struct str follow(struct str root, struct str reference)
{
    char path[128];
    snprintf(path, sizeof path, "%.*s", (int)reference.len - 2, reference.ptr + 1);
    struct str found = root;
    for (char *part = strchr(path, '/'); part; part = strchr(part, '/')) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(part + 1, "/"), part + 1);
        found = get(found, name);
        part++;
    }
    return found;
}

static bool is_valid(struct str root, struct str schema, struct str value)
{
    struct str const type = get(schema, "type");
    if (get(schema, "$ref").ptr)
        return is_valid(root, follow(root, get(schema, "$ref")), value);
    if (get(schema, "const").ptr && !str_eq(get(schema, "const"), value))
        return false;
    if (get(schema, "enum").ptr && !any(get(schema, "enum"), equals, root, value))
        return false;
    if (get(schema, "anyOf").ptr && !any(get(schema, "anyOf"), is_valid, root, value))
        return false;
    if (json_type(type) == JSON_STRING && !type_fits(type, value))
        return false;
    if (json_type(type) == JSON_ARRAY && !any(type, type_is, root, value))
        return false;
    if (json_type(value) == JSON_OBJECT)
        return object_fits(root, schema, value);
    if (json_type(value) == JSON_ARRAY)
        return list_fits(root, schema, value);
    return bounds_fit(schema, value);
}

static void instances_are_valid(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"unit\":{\"enum\":["
        "\"c\",\"f\",7,null]}},\"required\":[\"city\",\"unit\"]}",
        "{\"type\":\"object\",\"required\":[\"unlisted\"]}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{"
        "\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":3}},\"required\":[\"b\"]}}"
        ","
        "\"required\":[\"a\"]}",
        "{\"type\":\"integer\",\"minimum\":3,\"maximum\":5}",
        "{\"type\":\"integer\",\"minimum\":-9,\"maximum\":-7}",
        "{\"type\":\"integer\",\"maximum\":-100}",
        "{\"type\":\"integer\",\"exclusiveMinimum\":4,\"exclusiveMaximum\":6}",
        "{\"type\":\"integer\",\"minimum\":10,\"multipleOf\":7}",
        "{\"type\":\"integer\",\"minimum\":-9223372036854775808}",
        "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
        "{\"type\":\"number\",\"minimum\":0.25,\"maximum\":0.75}",
        "{\"type\":\"number\",\"maximum\":-0.5}",
        "{\"type\":\"string\",\"minLength\":40,\"maxLength\":41}",
        "{\"type\":\"string\",\"maxLength\":2}",
        "{\"type\":\"string\",\"format\":\"date-time\"}",
        "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":2,\"maxItems\":2}",
        "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"maxItems\":0}",
        "{\"type\":[\"null\",\"string\"]}",
        "{\"type\":[\"integer\",\"null\"],\"minimum\":1}",
        "{\"const\":{\"fixed\":[1,2]}}",
        "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}",
        "{\"allOf\":[{\"type\":\"integer\"}]}",
        "{\"type\":\"null\"}",
        "{\"properties\":{\"x\":{\"type\":\"boolean\"}},\"required\":[\"x\"]}",
        "{\"$defs\":{\"leaf\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
        "\"required\":[\"n\"]}},\"type\":\"object\",\"properties\":{\"l\":{\"$ref\":"
        "\"#/$defs/leaf\"}},\"required\":[\"l\"]}",
        /* a list of nodes of lists of nodes, and a tree that must end in null */
        "{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"type\":"
        "\"array\",\"items\":{\"$ref\":\"#\"}}},\"required\":[\"v\",\"next\"]}",
        "{\"type\":\"object\",\"properties\":{\"left\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":"
        "\"null\"}]}},\"required\":[\"left\"]}",
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct arena *arena = arena_new(1 << 20);
            struct str instance;
            struct fault fault = {0};
            struct str const schema = str_of(schemas[i]);
            assert_int_equal(json_scan(schema, NULL, &fault), ERR_OK);
            assert_int_equal(sim_schema_instance(schema, seed, arena, &instance), ERR_OK);
            if (json_scan(instance, NULL, &fault) != ERR_OK || !is_valid(schema, schema, instance))
                fail_msg("%s\nseed %d: %.*s", schemas[i], (int)seed, STR_ARG(instance));
            arena_free(arena);
        }
    }
}

/* Whoever writes such a schema gets an end, not a fault of ours. */
static void odd_schemas_come_to_an_end(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        enum err err;
    } rows[] = {
        {"true", ERR_OK},
        {"{}", ERR_OK},
        {"{\"$ref\":\"#\"}", ERR_OK},
        {"{\"$ref\":\"#/nowhere/at/all\"}", ERR_OK},
        {"{\"$ref\":\"http://example.com/schema\"}", ERR_OK},
        {"{\"$ref\":17}", ERR_OK},
        {"{\"type\":\"unheard of\"}", ERR_OK},
        {"{\"type\":\"integer\",\"exclusiveMaximum\":-9223372036854775807}", ERR_OK},
        {"{\"enum\":[]}", ERR_OK},
        {"{\"anyOf\":[]}", ERR_OK},
        {"{\"type\":[]}", ERR_OK},
        {"{\"type\":\"object\",\"required\":[1,\"a\"]}", ERR_OK},
        {"{\"type\":\"array\",\"minItems\":99999999}", ERR_OK}, /* bounded */
        {"{\"type\":\"string\",\"minLength\":99999999}", ERR_TOO_LARGE},
        {"{\"type\":\"array\",\"minItems\":200,\"items\":{\"$ref\":\"#\"}}", ERR_TOO_LARGE},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"$ref\":\"#\"},"
         "\"c\":{\"$ref\":\"#\"},\"d\":{\"$ref\":\"#\"},\"e\":{\"$ref\":\"#\"}},"
         "\"required\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}",
         ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(1 << 20);
        struct str instance = {0};
        struct fault fault = {0};
        enum err const err = sim_schema_instance(str_of(rows[i].schema), 1, arena, &instance);
        if (err != rows[i].err)
            fail_msg("%s: %d", rows[i].schema, err);
        if (err == ERR_OK)
            assert_int_equal(json_scan(instance, NULL, &fault), ERR_OK);
        arena_free(arena);
    }
}

static void structured_output_follows_its_schema(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}},"
        "\"required\":[\"id\"]}";
    char body[512];
    snprintf(
        body, sizeof body,
        "{\"model\":\"sim-fast\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
        "{\"name\":\"x\",\"schema\":%s}},\"messages\":[{}]}",
        schema);
    struct answer a = answer_chat(body, NULL);
    struct buf text, content;
    answer_body(&a.plan, &text);
    buf_init(&content, 1 << 16);
    add_decoded(get(get(at(get(buf_view(&text), "choices"), 0), "message"), "content"), &content);
    assert_true(is_valid(STR(schema), STR(schema), buf_view(&content)));
    buf_free(&content);
    buf_free(&text);
    answer_free(&a);
}

static struct str embedding(const struct buf *text, size_t index)
{
    return get(at(get(buf_view(text), "data"), index), "embedding");
}

static void vectors_have_length_one(void **state)
{
    (void)state;
    static int const dimensions[] = {1, 2, 3, 256, 1536, 4096};
    for (size_t i = 0; i < sizeof dimensions / sizeof dimensions[0]; i++) {
        char body[128];
        struct buf numbers, packed;
        snprintf(body, sizeof body, "{\"model\":\"e\",\"input\":\"x\",\"dimensions\":%d}",
                 dimensions[i]);
        struct answer a = answer_make("/v1/embeddings", body, NULL, 1, 1);
        snprintf(
            body, sizeof body,
            "{\"model\":\"e\",\"input\":\"x\",\"dimensions\":%d,\"encoding_format\":\"base64\"}",
            dimensions[i]);
        struct answer b = answer_make("/v1/embeddings", body, NULL, 1, 1);
        answer_body(&a.plan, &numbers);
        answer_body(&b.plan, &packed);
        static float floats[4096];
        size_t len = 0, position = 0;
        struct str base64, element;
        assert_true(json_plain_text(embedding(&packed, 0), &base64));
        assert_true(base64_decode(base64, BASE64_STANDARD, true, floats, sizeof floats, &len));
        assert_int_equal(len, (size_t)dimensions[i] * 4);
        double sum = 0;
        int count = 0;
        for (; json_next(embedding(&numbers, 0), &position, &element); count++) {
            double const difference = real(element) - (double)floats[count];
            assert_true(difference < 1e-7 && difference > -1e-7);
            sum += real(element) * real(element);
        }
        assert_int_equal(count, dimensions[i]);
        assert_true(sum > 0.9999 && sum < 1.0001);
        buf_free(&numbers);
        buf_free(&packed);
        answer_free(&a);
        answer_free(&b);
    }
}

static void vectors_depend_on_the_text_alone(void **state)
{
    (void)state;
    struct buf list, single, tokens;
    struct answer a = answer_make("/v1/embeddings",
                                  "{\"model\":\"e\",\"input\":[\"x\",\"y\",\"x\"]}", NULL, 1, 1);
    struct answer b =
        answer_make("/v1/embeddings", "{\"input\":\"y\", \"model\":\"e\"}", NULL, 1, 1);
    struct answer c =
        answer_make("/v1/embeddings", "{\"model\":\"e\",\"input\":[1,2]}", NULL, 1, 1);
    answer_body(&a.plan, &list);
    answer_body(&b.plan, &single);
    answer_body(&c.plan, &tokens);
    assert_true(str_eq(embedding(&list, 0), embedding(&list, 2)));
    assert_false(str_eq(embedding(&list, 0), embedding(&list, 1)));
    assert_true(str_eq(embedding(&list, 1), embedding(&single, 0)));
    assert_non_null(embedding(&tokens, 0).ptr);
    assert_null(embedding(&tokens, 1).ptr); /* a list of tokens is one input */
    buf_free(&list);
    buf_free(&single);
    buf_free(&tokens);
    answer_free(&a);
    answer_free(&b);
    answer_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_valid),
        cmocka_unit_test(odd_schemas_come_to_an_end),
        cmocka_unit_test(structured_output_follows_its_schema),
        cmocka_unit_test(vectors_have_length_one),
        cmocka_unit_test(vectors_depend_on_the_text_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
