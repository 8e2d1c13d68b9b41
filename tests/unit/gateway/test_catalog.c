/* test_catalog.c - base URLs, names and references of the catalogue. */
#include "gateway/catalog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct row {
    const char *base_url;
    enum err err;
    const char *host, *header, *path;
    int port;
    bool tls;
} rows[] = {
    {"http://127.0.0.1:9001/v1", ERR_OK, "127.0.0.1", "127.0.0.1:9001", "/v1", 9001, false},
    {"https://api.example.com/v1/", ERR_OK, "api.example.com", "api.example.com", "/v1", 443, true},
    {"http://localhost", ERR_OK, "localhost", "localhost", "", 80, false},
    {"http://[::1]:81/a/b", ERR_OK, "::1", "[::1]:81", "/a/b", 81, false},
    {"https://[::1]", ERR_OK, "::1", "[::1]", "", 443, true},
    {"ftp://x/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://:80/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x:0/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x:65536/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x:80a/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://[::1/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x/?a=b", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://user@x/", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x/a b", ERR_CONFIG_INVALID, "", "", "", 0, false},
    {"http://x/a\r\nevil: 1", ERR_CONFIG_INVALID, "", "", "", 0, false},
};

static struct provider_wanted wanted(const char *name, const char *base_url)
{
    return (struct provider_wanted){.name = str_of(name),
                                    .base_url = str_of(base_url),
                                    .api_key = STR("sk-up"),
                                    .ca_file = STR(""),
                                    .cap_field = STR("max_tokens"),
                                    .dialect = DIALECT_OPENAI};
}

static void base_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        struct catalog *catalog = catalog_new();
        struct provider_wanted const want = wanted("up", rows[i].base_url);
        print_message("  %s\n", rows[i].base_url);
        assert_int_equal(catalog_add_provider(catalog, &want, &fault), rows[i].err);
        if (rows[i].err == ERR_OK) {
            const struct provider *provider = catalog_provider_at(catalog, 0);
            assert_true(str_eq(provider->target.host, str_of(rows[i].host)));
            assert_true(str_eq(provider->target.host_header, str_of(rows[i].header)));
            assert_true(str_eq(provider->path_base, str_of(rows[i].path)));
            assert_int_equal(provider->target.port, rows[i].port);
            assert_int_equal(provider->target.tls, rows[i].tls);
            assert_true(str_eq(provider->credentials, STR("authorization: Bearer sk-up\r\n")));
        } else {
            assert_string_not_equal(fault.detail, "");
        }
        catalog_unref(catalog);
    }
}

static void names(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct catalog *catalog = catalog_new();
    struct provider_wanted const want = wanted("up", "http://x/v1");
    struct model model = {.name = STR("m"), .upstream_model = STR("M"), .max_output_tokens = 10};
    price_init(&model.price);
    assert_int_equal(catalog_add_model(catalog, STR("up"), &model, &fault), ERR_NOT_FOUND);
    assert_int_equal(catalog_add_provider(catalog, &want, &fault), ERR_OK);
    fault = (struct fault){0};
    assert_int_equal(catalog_add_provider(catalog, &want, &fault), ERR_CONFLICT);
    assert_int_equal(catalog_add_model(catalog, STR("up"), &model, &fault), ERR_OK);
    assert_int_equal(catalog_add_model(catalog, STR("up"), &model, &fault), ERR_CONFLICT);
    assert_ptr_equal(catalog_model(catalog, STR("m"))->provider, catalog_provider_at(catalog, 0));
    assert_null(catalog_model(catalog, STR("M")));
    assert_int_equal(catalog_model_count(catalog), 1);
    catalog_unref(catalog);
}

static void keys_cannot_split_headers(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct catalog *catalog = catalog_new();
    struct provider_wanted want = wanted("up", "http://x/v1");
    want.api_key = STR("sk\r\nx-evil: 1");
    assert_int_equal(catalog_add_provider(catalog, &want, &fault), ERR_CONFIG_INVALID);
    assert_null(strstr(fault.detail, "evil")); /* a key is never shown, not even a bad one */
    catalog_unref(catalog);
}

static void references(void **state)
{
    (void)state;
    struct catalog *catalog = catalog_new();
    assert_ptr_equal(catalog_ref(catalog), catalog);
    catalog_unref(catalog);
    assert_int_equal(catalog_model_count(catalog), 0); /* still there */
    catalog_unref(catalog);
    catalog_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_urls),
        cmocka_unit_test(names),
        cmocka_unit_test(keys_cannot_split_headers),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
