/* command_misc.c - check, keygen, version, health, simulate, completion, man, docs. */
#include "app/command.h"
#include "app/config.h"
#include "app/docs.h"
#include "app/simulate.h"
#include "base/secret.h"
#include "codec/fernet.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 1 << 20 };

static int print_check(const struct invocation *invocation, const char *file,
                       const struct config_report *report, const struct config *config)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, REPORT_BYTES_MAX);
    if (!cli_json(invocation)) {
        if (report->count == 0)
            return cli_print(&out, buf_printf(&out,
                                              "%s is valid: %zu providers, %zu models, "
                                              "%zu customers\n",
                                              file, config->providers.count, config->models.count,
                                              config->customers.count));
        if (config_report_print(report, str_of(file), &out) == ERR_OK)
            fwrite(out.ptr, 1, out.len, stderr);
        buf_free(&out);
        return EXIT_CODE_FAILURE;
    }
    json_write_start(&writer, &out);
    json_object_open(&writer);
    json_pair_text(&writer, "file", str_of(file));
    json_pair_bool(&writer, "valid", report->count == 0);
    json_key(&writer, "problems");
    json_array_open(&writer);
    for (size_t i = 0; i < report->count; i++) {
        json_object_open(&writer);
        json_pair_i64(&writer, "line", report->problems[i].line);
        json_pair_i64(&writer, "column", report->problems[i].column);
        json_pair_text(&writer, "text", report->problems[i].text);
        json_object_close(&writer);
    }
    json_array_close(&writer);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    int const code = err == ERR_OK ? command_print(&out) : cli_print(&out, err);
    return report->count > 0 ? EXIT_CODE_FAILURE : code;
}

int command_check(const struct invocation *invocation)
{
    const char *file = invocation->values[FLAG_config];
    struct config_report report = {0};
    struct config *config = NULL;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    if (file == NULL)
        file = "cota.yaml";
    enum err const err = arena ? config_load(file, arena, &config, &report) : ERR_NO_MEMORY;
    int code = EXIT_CODE_FAILURE;
    if (err == ERR_NO_MEMORY)
        cli_complain("there is not enough memory");
    else
        code = print_check(invocation, file, &report, config);
    arena_free(arena);
    return code;
}

int command_keygen(const struct invocation *invocation)
{
    char key[FERNET_KEY_TEXT_BYTES];
    struct buf out;
    fernet_key_make(key);
    buf_init(&out, 256);
    enum err const err = buf_printf(&out, cli_json(invocation) ? "{\"key\":\"%.*s\"}\n" : "%.*s\n",
                                    (int)sizeof key, key);
    secret_zero(key, sizeof key);
    return cli_print(&out, err);
}

int command_version(const struct invocation *invocation)
{
    struct buf out;
    buf_init(&out, 256);
    return cli_print(&out, buf_add(&out, cli_json(invocation)
                                             ? STR("{\"version\":\"" COTA_VERSION "\"}\n")
                                             : STR("cota " COTA_VERSION "\n")));
}

int command_health(const struct invocation *invocation)
{
    struct buf answer;
    int code = command_ask(invocation, "GET", STR("/api/v1/status"), STR(""), &answer);
    struct json_object object;
    struct fault fault = {0};
    if (code == EXIT_CODE_OK && json_scan(buf_view(&answer), &object, &fault) == ERR_OK) {
        bool const ready = json_is_true(json_get(&object, STR("ready")));
        code = ready ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
        if (cli_json(invocation)) {
            int const printed = command_print(&answer);
            return ready ? printed : code;
        }
        puts(ready ? "ready" : "not ready; see: cota health --json");
    }
    buf_free(&answer);
    return code;
}

static bool is_number(const struct invocation *invocation, enum flag_id id, int64_t fallback,
                      int64_t *number)
{
    return cli_i64(invocation, id, fallback, number);
}

static struct str text_of(const struct invocation *invocation, enum flag_id id)
{
    return invocation->values[id] ? str_of(invocation->values[id]) : STR("");
}

int command_simulate(const struct invocation *invocation)
{
    struct simulate_options options;
    int64_t seed = 0;
    simulate_options_init(&options);
    if (!is_number(invocation, FLAG_latency_ms, -1, &options.latency_ms) ||
        !is_number(invocation, FLAG_tokens_per_second, -1, &options.tokens_per_second) ||
        !is_number(invocation, FLAG_seed, (int64_t)options.seed, &seed))
        return EXIT_CODE_USAGE;
    if (cli_has(invocation, FLAG_tls_cert) != cli_has(invocation, FLAG_tls_key)) {
        cli_complain("simulate: --tls-cert and --tls-key belong together");
        return EXIT_CODE_USAGE;
    }
    options.seed = (uint64_t)seed;
    options.listen =
        cli_has(invocation, FLAG_listen) ? text_of(invocation, FLAG_listen) : STR("127.0.0.1:9001");
    options.served_file = text_of(invocation, FLAG_served);
    options.tls_cert_file = text_of(invocation, FLAG_tls_cert);
    options.tls_key_file = text_of(invocation, FLAG_tls_key);
    options.json = cli_json(invocation);
    if (cli_has(invocation, FLAG_bad_certificate) &&
        !simulate_certificate_named(text_of(invocation, FLAG_bad_certificate),
                                    &options.certificate)) {
        cli_complain("simulate: there is no such certificate");
        return EXIT_CODE_USAGE;
    }
    return simulate_run(&options);
}

int command_completion(const struct invocation *invocation)
{
    struct buf out;
    buf_init(&out, REPORT_BYTES_MAX);
    enum err const err = cli_completion(str_of(invocation->operand), &out);
    if (err == ERR_NOT_FOUND) {
        cli_complain("completion: there are bash, zsh and fish, not \"%s\"", invocation->operand);
        buf_free(&out);
        return EXIT_CODE_USAGE;
    }
    return cli_print(&out, err);
}

int command_man(const struct invocation *invocation)
{
    struct buf out;
    (void)invocation;
    buf_init(&out, REPORT_BYTES_MAX);
    return cli_print(&out, cli_man(&out));
}

static bool write_page(const char *folder, const char *name, const struct buf *text)
{
    char path[DATA_DIR_BYTES];
    int const len = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = len > 0 && (size_t)len < sizeof path ? fopen(path, "w") : NULL;
    bool good = file != NULL && fwrite(text->ptr, 1, text->len, file) == text->len;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        cli_complain("docs: %s/%s cannot be written: %s", folder, name, strerror(errno));
    return good;
}

int command_docs(const struct invocation *invocation)
{
    static const struct {
        const char *name;
        enum err (*make)(struct buf *out);
    } pages[] = {{"cli.md", cli_markdown},
                 {"config.md", docs_config},
                 {"config.schema.json", docs_schema},
                 {"errors.md", docs_errors},
                 {"events.md", docs_events}};
    int code = EXIT_CODE_OK;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0] && code == EXIT_CODE_OK; i++) {
        struct buf out;
        buf_init(&out, REPORT_BYTES_MAX);
        if (pages[i].make(&out) != ERR_OK || !write_page(invocation->operand, pages[i].name, &out))
            code = EXIT_CODE_FAILURE;
        buf_free(&out);
    }
    return code;
}
