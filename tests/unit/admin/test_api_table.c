/* test_api_table.c - the table made from openapi.yaml and the functions behind it fit together, and
 * documents are checked by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/api_table.h"
#include <cmocka.h>

static const char *const handlers[] = {
#define X(handler) #handler,
#include "admin/handlers.def"
#undef X
};
enum { HANDLER_COUNT = sizeof handlers / sizeof handlers[0] };

static const struct api_operation *operation_of(const char *id)
{
    for (size_t i = 0; i < API_OPERATION_COUNT; i++)
        if (strcmp(api_operations[i].id, id) == 0)
            return &api_operations[i];
    fail_msg("there is no operation %s", id);
    return NULL;
}

static void every_operation_has_a_function_and_every_function_an_operation(void **state)
{
    (void)state;
    bool used[HANDLER_COUNT] = {0};
    for (size_t i = 0; i < API_OPERATION_COUNT; i++) {
        size_t at = 0;
        while (at < HANDLER_COUNT && strcmp(handlers[at], api_operations[i].handler) != 0)
            at++;
        if (at == HANDLER_COUNT)
            fail_msg("%s: %s is not in handlers.def", api_operations[i].id,
                     api_operations[i].handler);
        used[at] = true;
    }
    for (size_t i = 0; i < HANDLER_COUNT; i++)
        if (!used[i])
            fail_msg("%s is in handlers.def, but no operation has it", handlers[i]);
}

static void path_parameters_come_first_and_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < API_OPERATION_COUNT; i++) {
        const struct api_parameter *one = api_operations[i].parameters;
        struct str rest = str_of(api_operations[i].path);
        size_t count = 0;
        for (; one->name != NULL && one->place == API_IN_PATH; one++, count++) {
            rest = str_skip(rest, str_find(rest, STR("{")) + 1);
            assert_true(str_eq(str_make(rest.ptr, str_find(rest, STR("}"))), str_of(one->name)));
            assert_true(one->required);
        }
        assert_true(count <= API_PATH_PARAMETERS_MAX);
        for (; one->name != NULL; one++)
            assert_int_not_equal(one->place, API_IN_PATH);
    }
}

static void every_kind_has_its_document_and_six_operations(void **state)
{
    (void)state;
    static const enum http_method methods[] = {HTTP_GET, HTTP_POST,  HTTP_GET,
                                               HTTP_PUT, HTTP_PATCH, HTTP_DELETE};
    size_t count[OBJECT_KIND_COUNT] = {0};
    for (size_t i = 0; i < API_OPERATION_COUNT; i++) {
        const struct api_operation *row = &api_operations[i];
        if (row->kind == API_NO_KIND || object_kind_private((enum object_kind)row->kind))
            continue;
        assert_true(row->kind >= 0 && row->kind < OBJECT_KIND_COUNT);
        if (row->kind == OBJECT_JOB) { /* the server alone writes it */
            assert_int_equal(row->method, HTTP_GET);
            count[row->kind]++;
            continue;
        }
        assert_int_equal(row->method, methods[count[row->kind]++]);
        assert_int_equal(row->scope, row->method == HTTP_GET ? API_SCOPE_READ : API_SCOPE_WRITE);
        assert_int_equal(row->partial, row->method == HTTP_PATCH);
        assert_int_equal(row->body != NULL, row->method != HTTP_GET && row->method != HTTP_DELETE);
        if (row->method == HTTP_PUT)
            assert_ptr_equal(row->body, api_documents[row->kind]);
    }
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        if (object_kind_private((enum object_kind)kind))
            continue; /* their operations are their own */
        bool const shown_only = kind == OBJECT_JOB;
        assert_int_equal(count[kind], shown_only ? 2 : 6);
        assert_int_equal(api_documents[kind] == NULL, shown_only);
    }
}

/* The chain from openapi.yaml through the tables to the answer, for the documents that matter. */
static void documents_are_checked_by_the_tables(void **state)
{
    (void)state;
    static const struct {
        const char *id, *json, *param; /* NULL: accepted */
    } rows[] = {
        {"createPlan", "{\"id\":\"pro\",\"name\":{\"pt\":\"Pro\"},\"price\":\"29.00\"}", NULL},
        {"createPlan", "{\"name\":{\"pt\":\"Pro\"}}", "id"},
        {"createPlan", "{\"id\":\"Pro\",\"name\":{\"pt\":\"Pro\"}}", "id"},
        {"createPlan", "{\"id\":\"pro\",\"name\":{}}", "name"},
        {"replacePlan", "{\"name\":{\"pt\":\"Pro\"},\"version\":3}", "version"},
        {"changePlan", "{\"price\":null,\"name\":{\"en\":\"Pro\"}}", NULL},
        {"changePlan", "{\"price\":29}", "price"},
        {"createPlanVersion",
         "{\"plan\":\"pro\",\"number\":1,\"status\":\"draft\",\"limits\":[{\"name\":\"a\","
         "\"metric\":\"cost\","
         "\"window\":\"day\",\"value\":\"1.50\"}]}",
         NULL},
        {"createPlanVersion",
         "{\"plan\":\"pro\",\"number\":1,\"status\":\"draft\",\"limits\":[{\"name\":\"a\","
         "\"metric\":\"cost\","
         "\"window\":\"day\",\"value\":1.5}]}",
         "limits[0].value"},
        {"createPlanVersion",
         "{\"plan\":\"pro\",\"number\":1,\"status\":\"draft\",\"items\":[{\"feature\":\"*\","
         "\"included\":1,"
         "\"metric\":\"requests\",\"reset\":\"fortnight\"}]}",
         "items[0].reset"},
        {"createKeyRules", "{\"id\":\"k\",\"customer\":\"c\",\"addresses\":[\"10.0.0.1/8\"]}",
         "addresses[0]"},
        {"changeOverride", "{\"expires_at\":\"2026-11-30\"}", "expires_at"},
        {"createGrant", "{\"amount_usd\":10.5,\"reference\":null}", NULL},
        {"createKey", "{\"customer\":\"c\",\"name\":\"k\",\"concurrent\":-1}", "concurrent"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct api_operation *row = operation_of(rows[i].id);
        struct fault fault = {0};
        struct str const json = str_of(rows[i].json);
        assert_int_equal(json_scan(json, NULL, &fault), ERR_OK);
        enum err const err = schema_check(row->body, json, true, row->partial, &fault);
        if ((err == ERR_OK) != (rows[i].param == NULL) ||
            (rows[i].param && strcmp(fault.param, rows[i].param) != 0))
            fail_msg("%s %s: %s %s", rows[i].id, rows[i].json, fault.param, fault.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_a_function_and_every_function_an_operation),
        cmocka_unit_test(path_parameters_come_first_and_in_order),
        cmocka_unit_test(every_kind_has_its_document_and_six_operations),
        cmocka_unit_test(documents_are_checked_by_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
