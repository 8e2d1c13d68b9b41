/* test_json_oracle.c - jansson's second opinion on random documents, whole and damaged.
 *
 * What:  accept or refuse must agree, and so must every member of an accepted object. They differ
 *        by design in four things, which are left out: depth (ours is 128), numbers that fit no
 *        double (ours are text), names with \u0000, and names that are there twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "codec/json.h"
#include <cmocka.h>
#include <stdio.h>

/* jansson has some of our names */
#define json_type   jansson_type
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY  JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE   JANSSON_TRUE
#define JSON_FALSE  JANSSON_FALSE
#define JSON_NULL   JANSSON_NULL
#include <jansson.h>

enum { DOCUMENTS = 40000, DOCUMENT_BYTES_MAX = 4000, JANSSON = JSON_DECODE_ANY | JSON_ALLOW_NUL };

static struct random dice;
static char text[DOCUMENT_BYTES_MAX * 2];
static size_t len;

static size_t roll(size_t sides)
{
    return (size_t)random_below(&dice, sides);
}

static void add(const char *piece)
{
    size_t const count = strlen(piece);
    if (len + count < DOCUMENT_BYTES_MAX) {
        memcpy(text + len, piece, count);
        len += count;
    }
}

static const char *any(const char *const *choices, size_t count)
{
    return choices[roll(count)];
}
#define ANY(...)                                                                                   \
    any((const char *const[]){__VA_ARGS__},                                                        \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void add_space(void)
{
    if (roll(4) == 0)
        add(ANY(" ", "  ", "\n", "\t", "\r\n"));
}

static void add_string(void)
{
    add("\"");
    for (size_t count = roll(12); count > 0; count--)
        add(ANY("a", "xyz", "0123456789abcdefghij", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
                "\\u00e9", "\\uFFFF", "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x82\xac",
                "\xf0\x9f\x98\x80", "\x7f", " ", "{", "]", ",", ":"));
    add("\"");
}

static void add_number(void)
{
    if (roll(3) == 0)
        add("-");
    add(ANY("0", "1", "42", "907", "123456789"));
    if (roll(3) == 0)
        add(ANY(".0", ".5", ".125", ".000001"));
    if (roll(4) == 0)
        add(ANY("e1", "E+2", "e-3", "e0", "E-0"));
}

static void add_value(unsigned depth);

static void add_container(unsigned depth, bool object)
{
    static unsigned serial;
    add(object ? "{" : "[");
    size_t const count = roll(5);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        add_space();
        if (object) {
            snprintf(name, sizeof name, "\"%s%u\"", ANY("k", "\\u006b", "\xc3\xa9", "k\\n"),
                     serial++);
            add(name);
            add_space();
            add(":");
            add_space();
        }
        add_value(depth + 1);
        add_space();
        if (i + 1 < count)
            add(",");
    }
    add_space();
    add(object ? "}" : "]");
}

static void add_value(unsigned depth)
{
    switch (roll(depth < 7 ? 7 : 4)) {
    case 0:
        add(ANY("true", "false", "null"));
        break;
    case 1:
        add_number();
        break;
    case 2:
    case 3:
        add_string();
        break;
    case 4:
        add_container(depth, false);
        break;
    default:
        add_container(depth, true);
    }
}

static void make_document(void)
{
    len = 0;
    add_space();
    if (roll(4) == 0)
        add_value(0);
    else
        add_container(0, roll(3) > 0);
    add_space();
}

/* One change: a byte set, taken out or put in, the end cut, or a piece said twice. */
static void damage(void)
{
    static const char bytes[] = "\"\\{}[]:,0123456789eE+-.utfnl \n\t\x01\x1f\x80\xc3\xed\xf0\xff";
    size_t const at = roll(len);
    char const byte = bytes[roll(sizeof bytes - 1)]; /* not NUL: jansson skips those */
    size_t const count = 1 + roll(len - at < 20 ? len - at : 20);
    switch (roll(5)) {
    case 0:
        text[at] = byte;
        break;
    case 1:
        memmove(text + at, text + at + 1, len - at - 1);
        len--;
        break;
    case 2:
        memmove(text + at + 1, text + at, len - at);
        text[at] = byte;
        len++;
        break;
    case 3:
        len = at;
        break;
    default:
        memmove(text + at + count, text + at, len - at);
        len += count;
    }
}

static bool differs_by_design(const struct fault *fault, const json_error_t *error)
{
    enum json_error_code const code = json_error_code(error);
    return strstr(fault->detail, "nested too deeply") || code == json_error_numeric_overflow ||
           code == json_error_null_byte_in_key;
}

/* Each member, read alone by jansson, is what jansson has under that name. */
static void compare_members(const struct json_object *object, json_t *root)
{
    if (object->count != json_object_size(root))
        return; /* a name twice: jansson keeps the last */
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        static char name[DOCUMENT_BYTES_MAX];
        size_t name_len = 0;
        struct str const quoted = str_make(member->key.ptr - 1, member->key.len + 2);
        assert_true(json_text(quoted, name, sizeof name, &name_len));
        assert_int_equal(json_text_len(quoted), name_len);
        json_t *theirs = json_object_getn(root, name, name_len);
        json_t *ours = json_loadb(member->value.ptr, member->value.len, JANSSON, NULL);
        assert_non_null(theirs);
        assert_non_null(ours);
        assert_true(json_equal(ours, theirs));
        if (json_is_string(theirs)) {
            assert_true(json_text(member->value, name, sizeof name, &name_len));
            assert_int_equal(name_len, json_string_length(theirs));
            assert_memory_equal(name, json_string_value(theirs), name_len);
        }
        json_decref(ours);
    }
}

/* json_members, which does not validate, sees what json_scan saw. */
static void compare_trusted(const struct json_object *object)
{
    static struct json_object again;
    struct fault fault = {0};
    assert_int_equal(json_members(object->text, &again, &fault), ERR_OK);
    assert_int_equal(again.count, object->count);
    for (size_t i = 0; i < again.count; i++) {
        assert_ptr_equal(again.members[i].value.ptr, object->members[i].value.ptr);
        assert_int_equal(again.members[i].value.len, object->members[i].value.len);
        assert_int_equal(again.members[i].key_escaped, object->members[i].key_escaped);
        assert_true(str_eq(again.members[i].key, object->members[i].key));
    }
}

/* One pass sees what two see. */
static void compare_element_members(struct str array, size_t at, struct str element)
{
    static struct json_object two, one;
    struct fault fault = {0};
    struct str same;
    size_t same_at = at;
    assert_true(json_next_object(array, &same_at, &same, &one));
    assert_ptr_equal(same.ptr, element.ptr);
    assert_int_equal(same.len, element.len);
    assert_int_equal(json_members(element, &two, &fault), ERR_OK);
    assert_int_equal(one.count, two.count);
    for (size_t i = 0; i < one.count; i++)
        assert_ptr_equal(one.members[i].value.ptr, two.members[i].value.ptr);
}

static void compare_elements(json_t *root)
{
    size_t at = 0, before = 0, index = 0;
    struct str element, array = str_make(text, len);
    while (array.ptr[0] != '[')
        array = str_skip(array, 1);
    for (; json_next(array, &at, &element); index++, before = at) {
        compare_element_members(array, before, element);
        json_t *ours = json_loadb(element.ptr, element.len, JANSSON, NULL);
        assert_true(json_equal(ours, json_array_get(root, index)));
        json_decref(ours);
    }
    assert_int_equal(index, json_array_size(root));
}

/* True: both accept. */
static bool compare(void)
{
    static struct json_object object;
    struct fault fault = {0};
    json_error_t error = {0};
    json_t *root = json_loadb(text, len, JANSSON, &error);
    bool const ours = json_scan(str_make(text, len), &object, &fault) == ERR_OK;
    if (ours != (root != NULL) && !differs_by_design(&fault, &error))
        fail_msg("ours: %d (%s), jansson's: %d (%s): %.*s", ours, fault.detail, root != NULL,
                 error.text, (int)len, text);
    if (ours && root && json_is_object(root)) {
        compare_members(&object, root);
        compare_trusted(&object);
    }
    if (ours && root && json_is_array(root))
        compare_elements(root);
    bool const both = ours && root;
    json_decref(root);
    return both;
}

static void both_read_the_same_documents(void **state)
{
    (void)state;
    size_t accepted = 0, damaged = 0;
    random_seed(&dice, 20240601);
    for (int i = 0; i < DOCUMENTS; i++) {
        make_document();
        bool const whole = len < DOCUMENT_BYTES_MAX - 100; /* a full one may be cut */
        bool const valid = compare();
        assert_true(valid || !whole);
        for (size_t changes = 1 + roll(3); changes > 0 && len > 0; changes--) {
            damage();
            damaged += compare();
        }
        accepted += valid;
    }
    assert_true(accepted > DOCUMENTS / 2);
    assert_in_range(damaged, DOCUMENTS / 20, DOCUMENTS * 2); /* damage is neither nothing nor all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_read_the_same_documents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
