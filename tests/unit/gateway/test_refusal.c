/* test_refusal.c - what a provider's error status means for our client, row by row. */
#include "gateway/refusal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct row {
    int status;
    bool clients;
    enum err code;
    int http;
} rows[] = {
    {302, false, ERR_UPSTREAM_INVALID, 502},      {400, true, ERR_REQUEST_INVALID, 400},
    {401, false, ERR_UPSTREAM_AUTH, 502},         {402, false, ERR_UPSTREAM_AUTH, 502},
    {403, false, ERR_UPSTREAM_AUTH, 502},         {404, true, ERR_REQUEST_INVALID, 400},
    {408, false, ERR_UPSTREAM_TIMEOUT, 504},      {413, true, ERR_REQUEST_INVALID, 400},
    {422, true, ERR_REQUEST_INVALID, 400},        {418, false, ERR_UPSTREAM_ERROR, 502},
    {429, false, ERR_UPSTREAM_RATE_LIMITED, 429}, {500, false, ERR_UPSTREAM_ERROR, 502},
    {503, false, ERR_UPSTREAM_OVERLOADED, 503},   {504, false, ERR_UPSTREAM_TIMEOUT, 504},
    {529, false, ERR_UPSTREAM_OVERLOADED, 503},   {599, false, ERR_UPSTREAM_ERROR, 502},
};

static void each_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("  %d\n", rows[i].status);
        assert_int_equal(refusal_is_clients(rows[i].status), rows[i].clients);
        assert_int_equal(refusal_code(rows[i].status), rows[i].code);
        assert_int_equal(err_row(refusal_code(rows[i].status))->http, rows[i].http);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_status)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
