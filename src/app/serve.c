/* serve.c - cota serve: the file, then the daemon. */
#include "app/command.h"
#include "app/daemon.h"
#include <stdio.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 1 << 20 };

static void print_ready(void *owner, const char *url, struct str admin_token, struct str setup)
{
    (void)admin_token;
    const struct invocation *invocation = owner;
    if (cli_json(invocation) && setup.len > 0)
        printf("{\"url\":\"%s\",\"setup_token\":\"%.*s\"}\n", url, STR_ARG(setup));
    else if (cli_json(invocation))
        printf("{\"url\":\"%s\"}\n", url);
    else if (setup.len > 0)
        fprintf(stderr,
                "cota: no operator yet. Setup link, good once and for 30 minutes:\n"
                "  %s/api/v1/setup#%.*s\n"
                "  (docs/operators.md; for another one: cota operator setup-link)\n",
                url, STR_ARG(setup));
    fflush(stdout);
}

static void print_problems(const char *file, const struct config_report *report)
{
    struct buf out;
    buf_init(&out, REPORT_BYTES_MAX);
    if (config_report_print(report, str_of(file ? file : "defaults"), &out) == ERR_OK)
        fwrite(out.ptr, 1, out.len, stderr);
    buf_free(&out);
}

int command_serve(const struct invocation *invocation)
{
    const char *file = invocation->values[FLAG_config];
    if (file == NULL && access("cota.yaml", F_OK) == 0)
        file = "cota.yaml";
    struct config *config = NULL;
    struct config_report report = {0};
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    enum err const err = arena ? config_load(file, arena, &config, &report) : ERR_NO_MEMORY;
    int code = EXIT_CODE_FAILURE;
    if (err == ERR_OK) {
        struct daemon_options const options = {.config = config,
                                               .config_file = file,
                                               .data_dir = invocation->values[FLAG_data],
                                               .on_ready = print_ready,
                                               .owner = (void *)(uintptr_t)invocation};
        code = daemon_run(&options);
    } else if (err == ERR_CONFIG_INVALID) {
        print_problems(file, &report);
    } else {
        cli_complain("there is not enough memory");
    }
    arena_free(arena);
    return code;
}
