/* test_config.c - one row = one piece of YAML and exactly what the reader says about it. */
#include "app/config.h"
#include "core/price.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char *variable(void *owner, const char *name)
{
    (void)owner;
    return strcmp(name, "SET") == 0 ? "from-the-environment" : strcmp(name, "N") == 0 ? "7" : NULL;
}

static bool file(void *owner, const char *path, struct arena *arena, struct str *text,
                 const char **why)
{
    (void)owner;
    (void)arena;
    *why = "No such file or directory";
    *text = STR("sixteen-bytes-and-more\n");
    return strcmp(path, "/run/secret") == 0;
}

static const struct config_door door = {.variable = variable, .file = file};

struct row {
    const char *what, *yaml, *report; /* report: all lines, "" when it is valid */
};

#define KEY_OK   "secret: ck_test_0123456789abcdef"
#define PROVIDER "providers: [{name: up, base_url: \"http://127.0.0.1:1/v1\"}]\n"

static const struct row rows[] = {
    {"an empty file means the defaults", "", ""},
    {"so does a file of comments", "# nothing\n", ""},
    {"null is the default", "listen: null\nworkers: ~\n", ""},
    {"an unknown key, with a suggestion", "lisen: x\n",
     "f:1:1: unknown key \"lisen\" (did you mean \"listen\"?)\n"},
    {"an unknown key that resembles none", "zebra: x\n", "f:1:1: unknown key \"zebra\"\n"},
    {"swapped letters are one slip", "lsiten: 'h:1'\n",
     "f:1:1: unknown key \"lsiten\" (did you mean \"listen\"?)\n"},
    {"a key twice", "data_dir: ./a\ndata_dir: ./b\n", "f:2:1: data_dir is there twice\n"},
    {"a word for a number", "workers: many\n",
     "f:1:10: workers must be a whole number, not \"many\"\n"},
    {"a quoted number is text", "drain_timeout_ms: \"5\"\n",
     "f:1:19: drain_timeout_ms must be a whole number, not \"5\"\n"},
    {"out of range", "workers: 1000\n", "f:1:10: workers must be from 1 to 256, not 1000\n"},
    {"a word that is no choice", "durability: strickt\n",
     "f:1:13: durability must be one of group|strict, not \"strickt\"\n"},
    {"a number is no text", "data_dir: 12\n", "f:1:11: data_dir must be text: put it in quotes\n"},
    {"true is no text", "data_dir: true\n", "f:1:11: data_dir must be text: put it in quotes\n"},
    {"no is text, as in Norway", "data_dir: no\n", ""},
    {"a list where a value belongs", "data_dir: [a]\n",
     "f:1:11: data_dir must be a single value\n"},
    {"a value where a list belongs", "providers: up\n", "f:1:12: providers must be a list\n"},
    {"a mapping where a list belongs", "providers: {a: b}\n", "f:1:12: providers must be a list\n"},
    {"a value where a mapping belongs", "log: debug\n",
     "f:1:6: log must be a mapping, as {key: value}\n"},
    {"a value as an element", "providers: [up]\n",
     "f:1:13: each of providers must be a mapping, as {name: …}\n"},
    {"an anchor", "data_dir: &a x\n", "f:1:11: anchors (&name) are not allowed\n"},
    {"an alias", "data_dir: &a x\nlisten: *a\n",
     "f:1:11: anchors (&name) are not allowed\n"
     "f:2:9: aliases (*name) are not allowed: write the value out\n"},
    {"an alias for a whole list", "providers: *a\n",
     "f:1:12: aliases (*name) are not allowed: write the value out\n"},
    {"a tag", "data_dir: !!str x\n", "f:1:11: tags (!type) are not allowed\n"},
    {"a merge key", "log: {<<: {level: info}}\n", "f:1:7: merge keys (<<) are not allowed\n"},
    {"two documents", "data_dir: a\n---\ndata_dir: b\n", "f:2:1: only one document is allowed\n"},
    {"not a mapping", "- a\n- b\n", "f:1:1: the file must be a mapping, as \"listen: …\"\n"},
    {"a scalar file", "hello\n", "f:1:1: the file must be a mapping, as \"listen: …\"\n"},
    {"not YAML", "a: [\n",
     "f:1:1: unknown key \"a\"\nf:2:1: this is not YAML: did not find expected node content\n"},
    {"a list as a key", "? [a]\n: b\n", "f:1:3: a key must be a plain word\n"},
    {"nested too deeply", "x: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n",
     "f:1:1: unknown key \"x\"\nf:1:20: nested deeper than 16 levels\n"},
    {"a name that is missing", "providers: [{base_url: \"http://h/v1\"}]\n",
     "f:1:13: name is missing\n"},
    {"a misspelt key is not also missing", "providers: [{nam: up}]\n",
     "f:1:14: unknown key \"nam\" (did you mean \"name\"?)\n"},
    {"openai needs an address", "providers: [{name: up}]\n",
     "f:1:20: provider \"up\" needs a base_url\n"},
    {"the simulated provider needs none", "providers: [{name: sim, dialect: simulated}]\n", ""},
    {"an address that is none", "providers: [{name: up, base_url: \"ftp://host/\"}]\n",
     "f:1:34: base_url must begin with http:// or https://\n"},
    {"a model of nobody", PROVIDER "models: [{name: m, provider: upp}]\n",
     "f:2:30: model \"m\" names provider \"upp\", which does not exist (did you mean \"up\"?)\n"},
    {"a model twice", PROVIDER "models: [{name: m, provider: up}, {name: m, provider: up}]\n",
     "f:2:42: model \"m\" is there twice\n"},
    {"a provider twice",
     "providers:\n  - {name: a, dialect: simulated}\n  - {name: a, dialect: simulated}\n",
     "f:3:12: provider \"a\" is there twice\n"},
    {"a price with an exponent",
     PROVIDER "models: [{name: m, provider: up, price: {input: 1e3}}]\n",
     "f:2:49: input must be a plain decimal number with at most 6 digits after the point, not "
     "\"1e3\"\n"},
    {"a price that is no number",
     PROVIDER "models: [{name: m, provider: up, price: {output: .nan}}]\n",
     "f:2:50: output must be a plain decimal number with at most 6 digits after the point, not "
     "\".nan\"\n"},
    {"a negative price", PROVIDER "models: [{name: m, provider: up, price: {input: -1}}]\n",
     "f:2:49: input must not be negative\n"},
    {"a price too fine", PROVIDER "models: [{name: m, provider: up, price: {input: 0.0000001}}]\n",
     "f:2:49: input must be a plain decimal number with at most 6 digits after the point, not "
     "\"0.0000001\"\n"},
    {"a price of a wrong unit",
     PROVIDER "models: [{name: m, provider: up, price: {input: 1000.01}}]\n",
     "f:2:49: input costs more than 1000 USD per 1M tokens; if that is meant, set "
     "price_unchecked: true\n"},
    {"a high price that is confirmed",
     PROVIDER "models: [{name: m, provider: up, price_unchecked: true, price: {input: 1000.01}}]\n",
     ""},
    {"a price as text", PROVIDER "models: [{name: m, provider: up, price: {input: \"0.15\"}}]\n",
     ""},
    {"a pool that does not exist",
     PROVIDER "models: [{name: m, provider: up, price: {inputs: 1}}]\n",
     "f:2:42: unknown key \"inputs\" (did you mean \"input\"?)\n"},
    {"an id with a space", "customers: [{id: \"a b\"}]\n",
     "f:1:18: id may have letters, digits and . _ - : @\n"},
    {"a customer twice", "customers: [{id: a}, {id: a}]\n",
     "f:1:27: customer \"a\" is there twice\n"},
    {"credit for who needs none", "customers: [{id: a, unlimited: true, credit_usd: 5}]\n",
     "f:1:50: an unlimited customer has no credit_usd\n"},
    {"too much credit", "customers: [{id: a, credit_usd: 9000000000}]\n",
     "f:1:33: credit_usd is far too large: \"9000000000\"\n"},
    {"a key that is too short", "customers: [{id: a, keys: [{name: k, secret: short}]}]\n",
     "f:1:46: secret must have 16 to 200 bytes, not 5\n"},
    {"a secret with a space",
     "customers: [{id: a, keys: [{name: k, secret: \"0123456789 0123456789\"}]}]\n",
     "f:1:46: a secret must be visible ASCII, without spaces\n"},
    {"a key without its secret", "customers: [{id: a, keys: [{name: k}]}]\n",
     "f:1:28: secret is missing\n"},
    {"the same secret twice",
     "customers:\n  - {id: a, keys: [{name: k, " KEY_OK "}]}\n"
     "  - {id: b, keys: [{name: k, " KEY_OK "}]}\n",
     "f:3:38: another key has the same secret\n"},
    {"the same name twice within a customer",
     "customers:\n  - {id: a, keys: [{name: k, " KEY_OK "}, {name: k, secret: "
     "ck_test_other_0123456789}]}\n",
     "f:2:72: customer \"a\" has two keys named \"k\"\n"},
    {"no limit, by null",
     "customers: [{id: a, keys: [{name: k, " KEY_OK ", requests_per_minute: null}]}]\n", ""},
    {"a limit of none is not written 0",
     "customers: [{id: a, keys: [{name: k, " KEY_OK ", requests_per_minute: 0}]}]\n",
     "f:1:93: requests_per_minute must be from 1 to 1000000000, not 0\n"},
    {"an instant that is none",
     "customers: [{id: a, keys: [{name: k, " KEY_OK ", expires_at: tomorrow}]}]\n",
     "f:1:84: expires_at must be an instant such as 2027-01-31T12:00:00Z, not \"tomorrow\"\n"},
    {"an environment variable", "data_dir: \"${env:SET}/x\"\n", ""},
    {"a number from the environment", "workers: ${env:N}\n", ""},
    {"a variable that is not set", "data_dir: ${env:UNSET}\n",
     "f:1:11: data_dir: the environment variable UNSET is not set\n"},
    {"a file", "admin_token: ${file:/run/secret}\n", ""},
    {"a file that is not there", "admin_token: ${file:/none}\n",
     "f:1:14: admin_token: the file /none cannot be read: No such file or directory\n"},
    {"an expansion of an unknown kind", "data_dir: ${exec:ls}\n",
     "f:1:11: data_dir: ${exec:…} is not known here; there are ${env:NAME} and ${file:PATH}\n"},
    {"an expansion of nothing", "data_dir: ${env:}\n",
     "f:1:11: data_dir: ${env…} does not name anything\n"},
    {"an expansion that does not end", "data_dir: ${env:SET\n",
     "f:1:11: data_dir: \"${\" has no \"}\" (write \"$${\" for the text itself)\n"},
    {"a literal dollar brace", "data_dir: $${x}\n", ""},
    {"what was expanded is not shown", "durability: ${env:SET}\n",
     "f:1:13: durability must be one of group|strict, not this value\n"},
    {"a port is needed", "listen: localhost\n",
     "f:1:9: listen must be address:port, as 127.0.0.1:8787\n"},
    {"a certificate without its key", "tls: {cert: c.pem}\n",
     "f:1:13: tls needs both cert and key\n"},
    {"something else than a Fernet key",
     "encryption_keys: [\"0123456789012345678901234567890123456789012\"]\n",
     "f:1:19: encryption_keys must have 44 to 44 bytes, not 43\n"},
    {"44 bytes that are no Fernet key",
     "encryption_keys: [\"01234567890123456789012345678901234567890123\"]\n",
     "f:1:19: this is not a Fernet key; `cota keygen` makes one\n"},
    {"rules for tokens without a key", "jwt:\n  audience: app\n",
     "f:2:13: jwt needs a secret, a public_key_file, a jwks_file or a jwks_url\n"},
    {"a secret that is too short for HS256", "jwt: {secret: 0123456789abcdef}\n",
     "f:1:15: secret must have 32 to 4096 bytes, not 16\n"},
    {"a customer of all tokens that is no id", "jwt: {jwks_file: k.json, customer: a b}\n",
     "f:1:36: customer may have letters, digits and . _ - : @\n"},
    {"a claim that is needed and empty", "jwt: {jwks_file: k.json, claims: {user: \"\"}}\n",
     "f:1:41: user must have 1 to 255 bytes, not 0\n"},
    {"keys by URL", "jwt: {jwks_url: \"https://login.example/keys?p=1\"}\n", ""},
    {"keys by URL on this machine",
     "jwt: {jwks_url: \"http://127.0.0.1:9/k\", jwks_inside: true}\n", ""},
    {"http:// that is not allowed", "jwt: {jwks_url: \"http://127.0.0.1:9/k\"}\n",
     "f:1:17: jwks_url must begin with https://; http:// is for this machine alone, with "
     "jwks_inside: true\n"},
    {"an address that is none", "jwt: {jwks_url: \"https://me@a.example/k\"}\n",
     "f:1:17: jwks_url must be https://host[:port]/path\n"},
    {"a CA file for no URL", "jwt: {jwks_file: k.json, jwks_ca_file: ca.pem}\n",
     "f:1:40: jwks_ca_file needs a jwks_url\n"},
    {"tokens that do not say the profile",
     "jwt: {jwks_file: k.json, issuer: i, claims: {profile: \"\", customer: app.org}}\n", ""},
    {"a Fernet key", "encryption_keys: [\"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\"]\n", ""},
    {"a control character", "data_dir: \"a\\tb\"\n",
     "f:1:11: data_dir contains a control character\n"},
    {"all mistakes at once, in their order",
     "workers: x\nlisten: 5\nlog: {level: loud}\nstore: oracle\n",
     "f:1:10: workers must be a whole number, not \"x\"\n"
     "f:2:9: listen must be text: put it in quotes\n"
     "f:3:14: level must be one of debug|info|warn|error, not \"loud\"\n"
     "f:4:8: store must be one of sqlite, not \"oracle\"\n"},
};

static void every_mistake_has_its_place(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
        struct config *config;
        struct config_report report;
        struct buf out;
        buf_init(&out, 1 << 20);
        enum err const err = config_parse(str_of(rows[i].yaml), &door, arena, &config, &report);
        assert_int_equal(config_report_print(&report, STR("f"), &out), ERR_OK);
        bool const same = str_eq(buf_view(&out), str_of(rows[i].report)) &&
                          (err == ERR_OK) == (rows[i].report[0] == '\0');
        if (!same) {
            print_message("%s:\n  wanted %s\n  got    %.*s\n", rows[i].what, rows[i].report,
                          STR_ARG(buf_view(&out)));
            wrong++;
        }
        buf_free(&out);
        arena_free(arena);
    }
    assert_int_equal(wrong, 0);
}

static const char whole[] =
    "listen: 127.0.0.1:8787\n"
    "data_dir: ./cota-data\n"
    "workers: auto\n"
    "store: sqlite\n"
    "durability: strict\n"
    "admin_token: \"${file:/run/secret}\"\n"
    "on_disconnect: {drain_ms: 0}\n"
    "log: {level: warn}\n"
    "providers:\n"
    "  - {name: up, dialect: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: \"sk-up\",\n"
    "     ca_file: null, output_cap_field: max_tokens, timeouts: {connect_ms: 1, idle_ms: 7}}\n"
    "models:\n"
    "  - {name: gpt, provider: up, max_output_tokens: 99, price: {input: 0.15, output: 0.60,\n"
    "     cached_input: 0.075, cache_write_1h: \"3\"}}\n"
    "customers:\n"
    "  - {id: acme, credit_usd: 100.000000001, keys: [{name: main, secret: "
    "\"ck_test_0123456789abcdef\",\n"
    "     requests_per_minute: null, concurrent: 3, expires_at: \"2027-01-31T12:00:00+03:00\"}]}\n"
    "  - {id: free, unlimited: true}\n";

static void values_arrive(void **state)
{
    (void)state;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    struct config *config;
    struct config_report report;
    assert_int_equal(config_parse(str_of(whole), &door, arena, &config, &report), ERR_OK);
    assert_int_equal(config->workers, 0);
    assert_int_equal(config->durability, DURABILITY_STRICT);
    assert_int_equal(config->on_disconnect.drain_ms, 0);
    assert_int_equal(config->drain_timeout_ms, 30000);
    assert_int_equal(config->log.level, 2);
    assert_true(str_eq(config->admin_token, STR("sixteen-bytes-and-more")));
    const struct config_provider *provider = config_first(&config->providers);
    assert_int_equal(config->providers.count, 1);
    assert_true(str_eq(provider->base_url, STR("http://127.0.0.1:9001/v1")));
    assert_null(provider->ca_file.ptr);
    assert_int_equal(provider->output_cap_field, 1);
    assert_int_equal(provider->timeouts.connect_ms, 1);
    assert_int_equal(provider->timeouts.first_byte_ms, 60000);
    assert_int_equal(provider->timeouts.idle_ms, 7);
    const struct config_model *model = config_first(&config->models);
    assert_int_equal(model->price.pico[POOL_INPUT], 150000);
    assert_int_equal(model->price.pico[POOL_CACHED_INPUT], 75000);
    assert_int_equal(model->price.pico[POOL_CACHE_WRITE_1H], 3000000);
    assert_int_equal(model->price.pico[POOL_REASONING], PRICE_UNKNOWN);
    assert_null(model->model.ptr);
    assert_int_equal(model->item.line, 13);
    const struct config_customer *customer = config_first(&config->customers);
    assert_int_equal(customer->credit_usd.nano, 100000000001);
    const struct config_key *key = config_first(&customer->keys);
    assert_int_equal(key->requests_per_minute, 0);
    assert_int_equal(key->concurrent, 3);
    assert_int_equal(key->expires_at, 1801386000000000);
    customer = config_next(customer);
    assert_true(customer->unlimited);
    assert_null(config_next(customer));
    arena_free(arena);
}

static void expansions_are_put_in(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *data_dir;
    } cases[] = {{"data_dir: \"${env:SET}/x\"", "from-the-environment/x"},
                 {"data_dir: $${x}", "${x}"},
                 {"data_dir: a$${env:SET}-${env:N}", "a${env:SET}-7"},
                 {"data_dir: ${env:N}${env:N}", "77"},
                 {"data_dir: ${file:/run/secret}", "sixteen-bytes-and-more"},
                 {"data_dir: a $ b { c }", "a $ b { c }"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
        struct config *config;
        struct config_report report;
        assert_int_equal(config_parse(str_of(cases[i].yaml), &door, arena, &config, &report),
                         ERR_OK);
        assert_string_equal(config->data_dir.ptr, cases[i].data_dir);
        arena_free(arena);
    }
}

static void many_mistakes_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    struct config *config;
    struct config_report report;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&text, "key%d: 1\n", i), ERR_OK);
    assert_int_equal(config_parse(buf_view(&text), &door, arena, &config, &report),
                     ERR_CONFIG_INVALID);
    assert_int_equal(report.count, CONFIG_PROBLEMS_MAX);
    assert_true(report.more);
    buf_free(&text);
    arena_free(arena);
}

static void memory_runs_out_politely(void **state)
{
    (void)state;
    int refused = 0, read = 0;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_add(&text, str_of(whole)), ERR_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_printf(&text, "  - {id: \"customer-%d\"}\n", i), ERR_OK);
    for (size_t bytes = 4096; bytes < 65536; bytes += 512) {
        struct arena *arena = arena_new(bytes);
        struct config *config;
        struct config_report report;
        enum err const err = config_parse(buf_view(&text), &door, arena, &config, &report);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY || err == ERR_CONFIG_INVALID);
        refused += err != ERR_OK;
        read += err == ERR_OK;
        arena_free(arena);
    }
    assert_true(refused > 0 && read > 0);
    buf_free(&text);
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    struct config *config;
    struct config_report report;
    assert_int_equal(config_load("/nowhere/cota.yaml", arena, &config, &report),
                     ERR_CONFIG_INVALID);
    assert_int_equal(report.count, 1);
    assert_string_equal(report.problems[0].text.ptr, "cannot be read: No such file or directory");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_has_its_place), cmocka_unit_test(values_arrive),
        cmocka_unit_test(expansions_are_put_in),       cmocka_unit_test(many_mistakes_are_bounded),
        cmocka_unit_test(memory_runs_out_politely),    cmocka_unit_test(a_file_that_is_not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
