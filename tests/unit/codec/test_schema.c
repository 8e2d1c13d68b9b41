/* test_schema.c - what a schema accepts, and what it says about the first mistake, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "codec/schema.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define OPEN .minimum = INT64_MIN, .maximum = INT64_MAX, .length_max = SIZE_MAX /* no bounds */

/* --- a document with one member of each sort -------------------------------------------------- */
static const char *const modes[] = {"hard", "soft", "ação", NULL};
static const struct schema any = {.types = SCHEMA_ANY, OPEN};
static const struct schema text = {.types = SCHEMA_STRING, OPEN};
static const struct schema flag = {.types = SCHEMA_BOOLEAN, OPEN};
static const struct schema number = {.types = SCHEMA_NUMBER, OPEN};
static const struct schema three = {.types = SCHEMA_STRING,
                                    .minimum = INT64_MIN,
                                    .maximum = INT64_MAX,
                                    .length_min = 2,
                                    .length_max = 3};
static const struct schema percent = {
    .types = SCHEMA_INTEGER, .minimum = -1, .maximum = 100, .length_max = SIZE_MAX};
static const struct schema mode = {.types = SCHEMA_STRING, OPEN, .values = modes};
static const struct schema mode_or_null = {
    .types = SCHEMA_STRING | SCHEMA_NULL, OPEN, .values = modes};
static const struct schema quantity = {.types = SCHEMA_INTEGER | SCHEMA_STRING,
                                       .format = SCHEMA_FORMAT_DECIMAL,
                                       .minimum = 0,
                                       .maximum = INT64_MAX,
                                       .length_max = SIZE_MAX};
static const struct schema names = {.types = SCHEMA_ARRAY,
                                    .minimum = INT64_MIN,
                                    .maximum = INT64_MAX,
                                    .length_min = 1,
                                    .length_max = 3,
                                    .items = &text,
                                    .unique_items = true};
static const struct schema_member item_members[] = {
    {"value", &quantity, true, false, false}, {"mode", &mode, false, false, false}, {0}};
static const struct schema item = {.types = SCHEMA_OBJECT, OPEN, .members = item_members};
static const struct schema items = {.types = SCHEMA_ARRAY, OPEN, .items = &item};
static const struct schema switches = {.types = SCHEMA_OBJECT,
                                       .minimum = INT64_MIN,
                                       .maximum = INT64_MAX,
                                       .length_max = 2,
                                       .others = &flag};
static const struct schema object_only = {.types = SCHEMA_OBJECT, OPEN};
static const struct schema_member members[] = {{"name", &text, true, false, false},
                                               {"three", &three, false, false, false},
                                               {"percent", &percent, false, false, false},
                                               {"mode", &mode, false, false, false},
                                               {"maybe", &mode_or_null, false, false, false},
                                               {"names", &names, false, false, false},
                                               {"items", &items, false, false, false},
                                               {"item", &item, false, false, false},
                                               {"switches", &switches, false, false, false},
                                               {"metadata", &object_only, false, false, false},
                                               {"number", &number, false, false, false},
                                               {"any", &any, false, false, false},
                                               {"version", &percent, true, true, false},
                                               {"secret", &text, true, false, true},
                                               {0}};
static const struct schema document = {.types = SCHEMA_OBJECT, OPEN, .members = members};

enum how { WRITING, READING, PARTIAL };

static enum err run(const struct schema *schema, const char *json, enum how how,
                    struct fault *fault)
{
    size_t const len = strlen(json);
    char *copy = malloc(len); /* without the NUL: a sanitizer sees a read past it */
    assert_non_null(copy);
    memcpy(copy, json, len);
    *fault = (struct fault){0};
    assert_int_equal(json_scan(str_make(copy, len), NULL, fault), ERR_OK);
    enum err const err =
        schema_check(schema, str_make(copy, len), how != READING, how == PARTIAL, fault);
    free(copy);
    return err;
}

/* `path` NULL: accepted. `says`: a part of the complaint. */
static const struct {
    const char *what;
    enum how how;
    const char *json, *path, *says;
} cases[] = {
    {"what is required", WRITING, "{\"name\":\"a\",\"secret\":\"s\"}", NULL, NULL},
    {"not an object", WRITING, "[]", "", "the document must be an object"},
    {"a required member is not there", WRITING, "{\"secret\":\"s\"}", "name", "must be given"},
    {"null does not stand for it", WRITING, "{\"name\":null,\"secret\":\"s\"}", "name",
     "must be text"},
    {"a member that the server makes", WRITING, "{\"name\":\"a\",\"secret\":\"s\",\"version\":1}",
     "version", "made by the server"},
    {"an answer has it", READING, "{\"name\":\"a\",\"version\":1}", NULL, NULL},
    {"an answer must have it", READING, "{\"name\":\"a\"}", "version", "must be given"},
    {"an answer shows no secret", READING, "{\"name\":\"a\",\"version\":1,\"secret\":\"s\"}",
     "secret", "never shown"},
    {"a member that nobody knows", WRITING, "{\"name\":\"a\",\"secret\":\"s\",\"nome\":\"b\"}",
     "nome", "not a member"},
    {"a member twice", WRITING, "{\"name\":\"a\",\"name\":\"b\",\"secret\":\"s\"}", "name",
     "twice"},
    {"twice, once in disguise", WRITING, "{\"name\":\"a\",\"\\u006eame\":\"b\",\"secret\":\"s\"}",
     "name", "twice"},
    {"a name with escapes", WRITING, "{\"\\u006eame\":\"a\",\"secret\":\"s\"}", NULL, NULL},

    /* a merge patch */
    {"a patch of nothing", PARTIAL, "{}", NULL, NULL},
    {"takes a member away", PARTIAL, "{\"percent\":null}", NULL, NULL},
    {"cannot take away what is required", PARTIAL, "{\"name\":null}", "name", "must be text"},
    {"a part of an object in it", PARTIAL, "{\"item\":{\"mode\":\"soft\"}}", NULL, NULL},
    {"takes away inside", PARTIAL, "{\"item\":{\"mode\":null}}", NULL, NULL},
    {"not what is required inside", PARTIAL, "{\"item\":{\"value\":null}}", "item.value",
     "must be text or a whole number"},
    {"takes away one of many", PARTIAL, "{\"switches\":{\"chat\":null}}", NULL, NULL},
    {"items of lists are whole", PARTIAL, "{\"items\":[{\"mode\":\"soft\"}]}", "items[0].value",
     "must be given"},
    {"and have no nulls", PARTIAL, "{\"items\":[{\"value\":1,\"mode\":null}]}", "items[0].mode",
     "must be text"},
    {"unknown members stay unknown", PARTIAL, "{\"nome\":null}", "nome", "not a member"},
    {"the server's stay the server's", PARTIAL, "{\"version\":null}", "version", "by the server"},
    {"values are checked", PARTIAL, "{\"percent\":101}", "percent", "must be at most 100"},

    /* numbers */
    {"the least", PARTIAL, "{\"percent\":-1}", NULL, NULL},
    {"below it", PARTIAL, "{\"percent\":-2}", "percent", "must be at least -1"},
    {"the most", PARTIAL, "{\"percent\":100}", NULL, NULL},
    {"a fraction", PARTIAL, "{\"percent\":1.0}", "percent", "must be a whole number"},
    {"an exponent", PARTIAL, "{\"percent\":1e1}", "percent", "must be a whole number"},
    {"more than 64 bits", PARTIAL, "{\"percent\":99999999999999999999}", "percent",
     "must be a whole number"},
    {"text of digits", PARTIAL, "{\"percent\":\"5\"}", "percent", "must be a whole number"},
    {"any number", PARTIAL, "{\"number\":-1.5e3}", NULL, NULL},
    {"a number is no text", PARTIAL, "{\"name\":1}", "name", "must be text"},
    {"a quantity in digits", PARTIAL, "{\"item\":{\"value\":0}}", NULL, NULL},
    {"a quantity as text", PARTIAL, "{\"item\":{\"value\":\"0.5\"}}", NULL, NULL},
    {"a negative quantity", PARTIAL, "{\"item\":{\"value\":-1}}", "item.value", "at least 0"},
    {"a negative one as text", PARTIAL, "{\"item\":{\"value\":\"-1\"}}", "item.value",
     "a decimal number"},

    /* texts */
    {"too short", PARTIAL, "{\"three\":\"a\"}", "three", "at least 2 characters"},
    {"too long", PARTIAL, "{\"three\":\"abcd\"}", "three", "at most 3 characters"},
    {"characters, not bytes", PARTIAL, "{\"three\":\"\xc3\xa7\xc3\xa3\xe2\x82\xac\"}", NULL, NULL},
    {"escapes are one each", PARTIAL, "{\"three\":\"\\n\\u00e7\\\"\"}", NULL, NULL},
    {"so are pairs", PARTIAL, "{\"three\":\"\\ud83d\\ude00\\uD83D\\uDE00\"}", NULL, NULL},
    {"four of them are not three", PARTIAL, "{\"three\":\"\\u00e7\\ud83d\\ude00ab\"}", "three",
     "at most 3"},
    {"U+D7FF is no half", PARTIAL, "{\"three\":\"\\ud7ff\\u0041\"}", NULL, NULL},
    {"no U+0000", PARTIAL, "{\"name\":\"a\\u0000b\"}", "name", "U+0000"},
    {"a known value", PARTIAL, "{\"mode\":\"hard\"}", NULL, NULL},
    {"a known value in escapes", PARTIAL, "{\"mode\":\"a\\u00e7\\u00e3o\"}", NULL, NULL},
    {"an unknown one", PARTIAL, "{\"mode\":\"harder\"}", "mode", "one of hard, soft"},
    {"a list of values and null", WRITING, "{\"name\":\"a\",\"secret\":\"s\",\"maybe\":null}", NULL,
     NULL},
    {"neither", PARTIAL, "{\"maybe\":true}", "maybe", "must be text or null"},

    /* lists */
    {"one item", PARTIAL, "{\"names\":[\"a\"]}", NULL, NULL},
    {"no item", PARTIAL, "{\"names\":[]}", "names", "at least 1 items"},
    {"one too many", PARTIAL, "{\"names\":[\"a\",\"b\",\"c\",\"d\"]}", "names", "at most 3 items"},
    {"the same twice", PARTIAL, "{\"names\":[\"a\",\"b\",\"a\"]}", "names[2]", "twice"},
    {"the same in disguise", PARTIAL, "{\"names\":[\"a\",\"\\u0061\"]}", "names[1]", "twice"},
    {"of another type", PARTIAL, "{\"names\":[\"a\",1]}", "names[1]", "must be text"},
    {"deep inside", PARTIAL, "{\"items\":[{\"value\":1},{\"value\":\"x\"}]}", "items[1].value",
     "a decimal number"},
    {"unknown inside", PARTIAL, "{\"items\":[{\"value\":1,\"valor\":2}]}", "items[0].valor",
     "not a member"},
    {"twice inside", PARTIAL, "{\"items\":[{\"value\":1,\"value\":2}]}", "items[0].value", "twice"},

    /* open objects */
    {"members by any name", PARTIAL, "{\"switches\":{\"chat\":true,\"image\":false}}", NULL, NULL},
    {"their values are checked", PARTIAL, "{\"switches\":{\"chat\":1}}", "switches.chat",
     "true or false"},
    {"their number is", PARTIAL, "{\"switches\":{\"a\":true,\"b\":true,\"c\":true}}", "switches",
     "at most 2 members"},
    {"their names are", PARTIAL, "{\"switches\":{\"a\":true,\"\\u0061\":true}}", "switches.a",
     "twice"},
    {"any object", PARTIAL, "{\"metadata\":{\"a\":[1,{\"b\":null}],\"c\":1.5}}", NULL, NULL},
    {"only an object", PARTIAL, "{\"metadata\":[]}", "metadata", "must be an object"},
    {"anything", PARTIAL, "{\"any\":[null,1.5,{\"a\":{}}]}", NULL, NULL},
    {"anything, a fraction", PARTIAL, "{\"any\":0.25}", NULL, NULL},
};

static void documents_are_accepted_or_refused_by_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault;
        enum err const err = run(&document, cases[i].json, cases[i].how, &fault);
        if ((err == ERR_OK) != (cases[i].path == NULL))
            fail_msg("%s: %s: %s %s", cases[i].what, cases[i].json, fault.param, fault.detail);
        if (cases[i].path == NULL)
            continue;
        assert_int_equal(err, ERR_FIELD_INVALID);
        assert_int_equal(fault.code, ERR_FIELD_INVALID);
        if (strcmp(fault.param, cases[i].path) != 0 || !strstr(fault.detail, cases[i].says))
            fail_msg("%s: %s: %s", cases[i].what, fault.param, fault.detail);
    }
}

/* --- formats --------------------------------------------------------------------------------- */
static const struct {
    enum schema_format format;
    bool holds;
    const char *text;
} formats[] = {
    {SCHEMA_FORMAT_NONE, true, ""},
    {SCHEMA_FORMAT_INSTANT, true, "2027-01-31T12:00:00Z"},
    {SCHEMA_FORMAT_INSTANT, true, "2024-02-29t23:59:59.123456789-03:00"},
    {SCHEMA_FORMAT_INSTANT, false, "2023-02-29T00:00:00Z"},
    {SCHEMA_FORMAT_INSTANT, false, "2027-01-31"},
    {SCHEMA_FORMAT_INSTANT, false, "2027-01-31 12:00:00Z"},
    {SCHEMA_FORMAT_INSTANT, false, "2027-01-31T12:00:00"},
    {SCHEMA_FORMAT_INSTANT, false, "2027-01-31T12:00:60Z"},
    {SCHEMA_FORMAT_INSTANT, false, "now"},
    {SCHEMA_FORMAT_DATE, true, "2027-01-31"},
    {SCHEMA_FORMAT_DATE, false, "2027-02-30"},
    {SCHEMA_FORMAT_DATE, false, "2027-01-31T12:00:00Z"},
    {SCHEMA_FORMAT_DATE, false, "27-01-31"},
    {SCHEMA_FORMAT_DECIMAL, true, "0"},
    {SCHEMA_FORMAT_DECIMAL, true, "12.50"},
    {SCHEMA_FORMAT_DECIMAL, true, "999999999.999999999"},
    {SCHEMA_FORMAT_DECIMAL, false, "1000000000"},
    {SCHEMA_FORMAT_DECIMAL, false, "0.1234567891"},
    {SCHEMA_FORMAT_DECIMAL, false, ""},
    {SCHEMA_FORMAT_DECIMAL, false, "1."},
    {SCHEMA_FORMAT_DECIMAL, false, ".5"},
    {SCHEMA_FORMAT_DECIMAL, false, "01"},
    {SCHEMA_FORMAT_DECIMAL, false, "1,5"},
    {SCHEMA_FORMAT_DECIMAL, false, "1.5.0"},
    {SCHEMA_FORMAT_DECIMAL, false, "-1"},
    {SCHEMA_FORMAT_DECIMAL, false, "1e3"},
    {SCHEMA_FORMAT_DECIMAL, false, " 1"},
    {SCHEMA_FORMAT_NAME, true, "a"},
    {SCHEMA_FORMAT_NAME, true, "0-chat_v2.1"},
    {SCHEMA_FORMAT_NAME, true, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {SCHEMA_FORMAT_NAME, false,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {SCHEMA_FORMAT_NAME, false, ""},
    {SCHEMA_FORMAT_NAME, false, "Chat"},
    {SCHEMA_FORMAT_NAME, false, "-chat"},
    {SCHEMA_FORMAT_NAME, false, ".."},
    {SCHEMA_FORMAT_NAME, false, "a/b"},
    {SCHEMA_FORMAT_NAME, false, "an\xc3\xa3o"},
    {SCHEMA_FORMAT_ID, true, "vip"},
    {SCHEMA_FORMAT_ID, true, "01KAHJ3W5R7Q9T1V3X5Z7B9D0F"},
    {SCHEMA_FORMAT_ID, false, "81KAHJ3W5R7Q9T1V3X5Z7B9D0F"},
    {SCHEMA_FORMAT_ID, false, "01KAHJ3W5R7Q9T1V3X5Z7B9D0U"},
    {SCHEMA_FORMAT_ID, false, "01KAHJ3W5R7Q9T1V3X5Z7B9D0FF"},
    {SCHEMA_FORMAT_ID, false, "clinica/u-1"},
    {SCHEMA_FORMAT_CIDR, true, "10.0.0.0/8"},
    {SCHEMA_FORMAT_CIDR, true, "10.1.2.3"},
    {SCHEMA_FORMAT_CIDR, true, "10.1.2.3/32"},
    {SCHEMA_FORMAT_CIDR, true, "0.0.0.0/0"},
    {SCHEMA_FORMAT_CIDR, true, "2001:db8::/32"},
    {SCHEMA_FORMAT_CIDR, true, "::1"},
    {SCHEMA_FORMAT_CIDR, true, "fe80::/10"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0.1/8"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0.0/33"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0.0/08"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0.0/"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0.0/-1"},
    {SCHEMA_FORMAT_CIDR, false, "10.0.0/24"},
    {SCHEMA_FORMAT_CIDR, false, "010.0.0.1"},
    {SCHEMA_FORMAT_CIDR, false, "2001:db8::1/32"},
    {SCHEMA_FORMAT_CIDR, false, "2001:db8::/129"},
    {SCHEMA_FORMAT_CIDR, false, "fe80::1%eth0"},
    {SCHEMA_FORMAT_CIDR, false, "localhost"},
    {SCHEMA_FORMAT_CIDR, false, "/8"},
    {SCHEMA_FORMAT_CIDR, false, ""},
    {SCHEMA_FORMAT_EMAIL, true, "ana.souza+ia@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana@localhost"},
    {SCHEMA_FORMAT_EMAIL, false, ".ana@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana.@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana..souza@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana@"},
    {SCHEMA_FORMAT_EMAIL, false, "ana"},
    {SCHEMA_FORMAT_EMAIL, false, "ana souza@clinica.com.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana@clinica..br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana@-clinica.br"},
    {SCHEMA_FORMAT_EMAIL, false, "ana@b@clinica.br"},
    {SCHEMA_FORMAT_URL, true, "https://api.openai.com/v1"},
    {SCHEMA_FORMAT_URL, true, "http://127.0.0.1:8787"},
    {SCHEMA_FORMAT_URL, true, "http://[::1]:8787/v1?a=b#c"},
    {SCHEMA_FORMAT_URL, true, "http://simulado"},
    {SCHEMA_FORMAT_URL, false, "https://"},
    {SCHEMA_FORMAT_URL, false, "https:///v1"},
    {SCHEMA_FORMAT_URL, false, "ftp://example.com"},
    {SCHEMA_FORMAT_URL, false, "javascript:alert(1)"},
    {SCHEMA_FORMAT_URL, false, "https://user:secret@example.com"},
    {SCHEMA_FORMAT_URL, false, "https://example.com:0"},
    {SCHEMA_FORMAT_URL, false, "https://example.com:65536"},
    {SCHEMA_FORMAT_URL, false, "https://example.com:"},
    {SCHEMA_FORMAT_URL, false, "https://exa mple.com"},
    {SCHEMA_FORMAT_URL, false, "https://example.com/\xc3\xa7"},
    {SCHEMA_FORMAT_URL, false, "https://[::1"},
    {SCHEMA_FORMAT_URL, false, "https://[127.0.0.1]/"},
    {SCHEMA_FORMAT_URL, false, "https://[::1/128]/"},
    {SCHEMA_FORMAT_URL, false, "https://.example.com"},
};

static void formats_hold_or_do_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct schema const schema = {.types = SCHEMA_STRING, OPEN, .format = formats[i].format};
        struct fault fault = {0};
        char json[160];
        snprintf(json, sizeof json, "\"%s\"", formats[i].text);
        enum err const err = run(&schema, json, WRITING, &fault);
        if ((err == ERR_OK) != formats[i].holds)
            fail_msg("%s: %s", schema_format_name(formats[i].format), formats[i].text);
        fault = (struct fault){0};
        assert_int_equal(schema_check_text(&schema, str_of(formats[i].text), "q", &fault), err);
        assert_string_equal(fault.param, err == ERR_OK ? "" : "q");
    }
}

static void every_format_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(schema_format_name(SCHEMA_FORMAT_NONE), "");
    for (int i = 1; i < SCHEMA_FORMAT_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(schema_format_name((enum schema_format)i),
                                    schema_format_name((enum schema_format)j));
}

static void a_text_with_a_hidden_end_is_no_format(void **state)
{
    (void)state;
    static const struct str texts[] = {STR_ROW("10.0.0.1\0x"), STR_ROW("a\0b"), STR_ROW("\xff"),
                                       STR_ROW("\xc3")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fault fault = {0};
        assert_int_equal(schema_check_text(&text, texts[i], "q", &fault), ERR_FIELD_INVALID);
    }
}

/* --- parameters of addresses ----------------------------------------------------------------- */
static void parameters_are_read_as_their_type(void **state)
{
    (void)state;
    static const struct {
        const struct schema *schema;
        const char *text, *says; /* NULL: accepted */
    } rows[] = {
        {&percent, "50", NULL},
        {&percent, "101", "must be at most 100"},
        {&percent, "-2", "must be at least -1"},
        {&percent, "050", "must be a whole number"},
        {&percent, "", "must be a whole number"},
        {&percent, "5.0", "must be a whole number"},
        {&flag, "true", NULL},
        {&flag, "false", NULL},
        {&flag, "1", "must be true or false"},
        {&mode, "soft", NULL},
        {&mode, "SOFT", "must be one of"},
        {&three, "\xc3\xa7\xc3\xa3o", NULL},
        {&three, "abcd", "at most 3 characters"},
        {&three, "", "at least 2 characters"},
        {&quantity, "7", NULL},
        {&quantity, "7.5", NULL},
        {&quantity, "-7", "at least 0"},
        {&quantity, "seven", "a decimal number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        enum err const err =
            schema_check_text(rows[i].schema, str_of(rows[i].text), "limit", &fault);
        if ((err == ERR_OK) != (rows[i].says == NULL))
            fail_msg("%s: %s", rows[i].text, fault.detail);
        if (rows[i].says != NULL) {
            assert_string_equal(fault.param, "limit");
            assert_non_null(strstr(fault.detail, rows[i].says));
        }
    }
}

/* --- bounds ---------------------------------------------------------------------------------- */
static const struct schema_member endless_members[];
static const struct schema endless = {.types = SCHEMA_OBJECT, OPEN, .members = endless_members};
static const struct schema_member endless_members[] = {{"a", &endless, false, false, false}, {0}};

static void values_in_values_have_an_end(void **state)
{
    (void)state;
    for (int depth = SCHEMA_DEPTH_MAX; depth <= SCHEMA_DEPTH_MAX + 1; depth++) {
        char json[512] = "";
        size_t used = 0;
        for (int i = 0; i < depth; i++)
            used += (size_t)snprintf(json + used, sizeof json - used, "{\"a\":");
        used += (size_t)snprintf(json + used, sizeof json - used, "{}");
        for (int i = 0; i < depth; i++)
            used += (size_t)snprintf(json + used, sizeof json - used, "}");
        struct fault fault;
        enum err const err = run(&endless, json, WRITING, &fault);
        assert_int_equal(err, depth > SCHEMA_DEPTH_MAX ? ERR_FIELD_INVALID : ERR_OK);
        if (err != ERR_OK)
            assert_non_null(strstr(fault.detail, "nested too deep"));
    }
}

static void an_object_has_only_so_many_members(void **state)
{
    (void)state;
    for (int count = JSON_TOP_MEMBERS_MAX; count <= JSON_TOP_MEMBERS_MAX + 1; count++) {
        char json[8192] = "{\"metadata\":{";
        size_t used = strlen(json);
        for (int i = 0; i < count; i++)
            used += (size_t)snprintf(json + used, sizeof json - used, "%s\"m%d\":%d",
                                     i > 0 ? "," : "", i, i);
        snprintf(json + used, sizeof json - used, "}}");
        struct fault fault;
        enum err const err = run(&document, json, PARTIAL, &fault);
        assert_int_equal(err, count > JSON_TOP_MEMBERS_MAX ? ERR_FIELD_INVALID : ERR_OK);
        if (err != ERR_OK)
            assert_string_equal(fault.param, "metadata");
    }
}

/* A path or a text that does not fit its buffer is cut or refused, never written past. */
static void long_names_and_texts_are_bounded(void **state)
{
    (void)state;
    enum { LONG = 3 * SCHEMA_TEXT_BYTES_MAX };
    static const char *const shapes[] = {"{\"switches\":{\"%s\":1}}",
                                         "{\"switches\":{\"\\u0061%s\":true}}",
                                         "{\"mode\":\"%s\"}",
                                         "{\"%s\":1}",
                                         "{\"item\":{\"value\":\"%s\"}}",
                                         "{\"names\":[\"%s\",\"a\",\"\\u0061\"]}",
                                         "{\"items\":[{\"value\":\"%s\"}]}"};
    static char name[LONG + 1], json[LONG + 64];
    for (int i = 0; i < LONG; i += 2) { /* two bytes each: the path must not be cut inside */
        name[i] = '\xc3';
        name[i + 1] = '\xa7';
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct fault fault;
        const char *mark = strstr(shapes[i], "%s");
        snprintf(json, sizeof json, "%.*s%s%s", (int)(mark - shapes[i]), shapes[i], name, mark + 2);
        assert_int_equal(run(&document, json, PARTIAL, &fault), ERR_FIELD_INVALID);
        size_t const len = strlen(fault.param);
        assert_true(len > 0 && len < sizeof fault.param);
        assert_true(fault.param[len - 1] != '\xc3');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_accepted_or_refused_by_path),
        cmocka_unit_test(formats_hold_or_do_not),
        cmocka_unit_test(every_format_has_a_name),
        cmocka_unit_test(a_text_with_a_hidden_end_is_no_format),
        cmocka_unit_test(parameters_are_read_as_their_type),
        cmocka_unit_test(values_in_values_have_an_end),
        cmocka_unit_test(an_object_has_only_so_many_members),
        cmocka_unit_test(long_names_and_texts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
