/* json.c - fuzz: what json_scan accepts, every reader of values agrees with.
 *
 * What:  spans lie inside the text and are JSON themselves, trusted readers see the same spans,
 *        text survives decode and encode; on refused bytes the trusted readers only have to end.
 */
#include "codec/json.h"
#include "base/must.h"
#include "codec/json_write.h"
#include "codec/utf8.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(struct str text)
{
    struct fault fault = {0};
    return json_scan(text, NULL, &fault) == ERR_OK;
}

static bool is_inside(struct str part, struct str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

/* Decodes a string, writes it, decodes that: the same text. */
static void check_text(struct str value)
{
    size_t const expected = json_text_len(value);
    size_t len = 0, again_len = 0;
    char *text = malloc(expected + 1), *again = malloc(expected + 1);
    MUST(text && again);
    MUST(json_text(value, text, expected, &len) && len == expected);
    MUST(expected == 0 || !json_text(value, text, expected - 1, &len));
    MUST(json_text(value, text, expected, &len));
    MUST(utf8_valid(str_make(text, len)));
    struct str plain;
    if (json_plain_text(value, &plain))
        MUST(str_eq(plain, str_make(text, len)));
    struct buf out;
    struct json_writer writer;
    buf_init(&out, expected * 6 + 2);
    json_write_start(&writer, &out);
    json_put_text(&writer, str_make(text, len));
    MUST(json_write_end(&writer) == ERR_OK);
    MUST(is_json(buf_view(&out)));
    MUST(json_text(buf_view(&out), again, expected, &again_len));
    MUST(str_eq(str_make(text, len), str_make(again, again_len)));
    buf_free(&out);
    free(text);
    free(again);
}

static void check_value(struct str value);

static void check_members(struct str value)
{
    struct json_object *seen = malloc(sizeof *seen), *trusted = malloc(sizeof *trusted);
    struct fault fault = {0};
    MUST(seen && trusted);
    enum err const err = json_scan(value, seen, &fault);
    MUST(err == ERR_OK || err == ERR_TOO_LARGE);
    MUST(json_members(value, trusted, &fault) == err);
    MUST(seen->count == trusted->count);
    for (size_t i = 0; i < seen->count; i++) {
        const struct json_member *a = &seen->members[i], *b = &trusted->members[i];
        MUST(a->key.ptr == b->key.ptr && a->key.len == b->key.len);
        MUST(a->value.ptr == b->value.ptr && a->value.len == b->value.len);
        MUST(a->key_escaped == b->key_escaped);
        MUST(is_inside(a->key, value) && is_inside(a->value, value));
        struct str const name = str_make(a->key.ptr - 1, a->key.len + 2);
        MUST(is_json(name) && is_json(a->value));
        check_text(name);
        if (!a->key_escaped)
            MUST(json_get(seen, a->key).ptr != NULL);
        check_value(a->value);
    }
    free(seen);
    free(trusted);
}

static void check_value(struct str value)
{
    size_t at = 0;
    int64_t number;
    struct str element;
    switch (json_type(value)) {
    case JSON_STRING:
        check_text(value);
        break;
    case JSON_ARRAY:
        while (json_next(value, &at, &element)) {
            MUST(is_inside(element, value) && is_json(element));
            check_value(element);
        }
        break;
    case JSON_OBJECT:
        check_members(value);
        break;
    case JSON_NUMBER:
        if (json_i64(value, &number))
            MUST(value.len <= 20);
        break;
    default:
        MUST(json_type(value) != JSON_NONE);
    }
}

/* Bytes nobody has validated: every answer is fine, as long as there is one. */
static void poke(struct str text)
{
    static struct json_object object;
    struct fault fault = {0};
    struct str element;
    char out[64];
    size_t at = 0, len = 0;
    if (json_members(text, &object, &fault) == ERR_OK)
        for (size_t i = 0; i < object.count; i++) {
            MUST(is_inside(object.members[i].value, text));
            (void)json_text(object.members[i].value, out, sizeof out, &len);
            (void)json_get(&object, STR("model"));
        }
    while (json_next(text, &at, &element))
        MUST(is_inside(element, text) && element.len > 0);
    (void)json_text(text, out, sizeof out, &len);
    MUST(json_text_len(text) <= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    poke(text);
    if (!is_json(text))
        return 0;
    while (strchr(" \t\r\n", text.ptr[0]))
        text = str_skip(text, 1);
    while (strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    MUST(is_json(text));
    enum json_type const type = json_type(text);
    if (type == JSON_STRING || type == JSON_ARRAY || type == JSON_OBJECT)
        MUST(!is_json(str_make(text.ptr, text.len - 1)));
    check_value(text);
    return 0;
}
