/* demo.c - cota demo: a configuration made in memory, with fresh secrets, and the daemon on it.
 *
 * What:  the built-in provider, priced models, a customer with credit and an unlimited one.
 * Why:   it is the same daemon with the same reader as `cota serve`: what works here works there.
 */
#include "app/command.h"
#include "app/daemon.h"
#include "app/datadir.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEMO_PORT = 8787, YAML_BYTES_MAX = 64 << 10, OPEN_FOLDERS_MAX = 16 };

static const struct {
    const char *name;
    const char *input, *output; /* USD per 1M tokens */
} models[] = {
#define X(symbol, name, first_byte_ms, tokens_per_second, help) {name, "0.15", "0.60"},
#include "sim/models.def"
#undef X
};
enum { MODEL_COUNT = sizeof models / sizeof models[0] };

struct demo {
    const struct invocation *invocation;
    struct secret key, token, ring_key;
    char dir[DATA_DIR_BYTES];
    bool temporary;
};

static enum err write_yaml(const struct demo *demo, int port, struct buf *out)
{
    enum err err =
        buf_printf(out,
                   "listen: \"127.0.0.1:%d\"\n"
                   "admin_token: \"%.*s\"\n"
                   "encryption_keys: [\"%.*s\"]\n"
                   "assistant_model: sim-fast\n"
                   "providers:\n"
                   "  - {name: simulado, dialect: simulated}\n"
                   "customers:\n"
                   "  - {id: demo, credit_usd: 100, keys: [{name: demo, secret: "
                   "\"%.*s\"}]}\n"
                   "models:\n",
                   port, STR_ARG(secret_view(&demo->token)), STR_ARG(secret_view(&demo->ring_key)),
                   STR_ARG(secret_view(&demo->key)));
    for (size_t i = 0; i < MODEL_COUNT && err == ERR_OK; i++)
        err = buf_printf(out,
                         "  - {name: %s, provider: simulado, max_output_tokens: 4096, price: "
                         "{input: %s, cached_input: 0.075, output: %s}}\n",
                         models[i].name, models[i].input, models[i].output);
    return err;
}

static void print_json(const struct demo *demo, const char *url)
{
    printf("{\"url\":\"%s\",\"api_key\":\"%.*s\",\"admin_token\":\"%.*s\",\"customer\":\"demo\","
           "\"data_dir\":\"%s\",\"models\":[",
           url, STR_ARG(secret_view(&demo->key)), STR_ARG(secret_view(&demo->token)), demo->dir);
    for (size_t i = 0; i < MODEL_COUNT; i++)
        printf("%s\"%s\"", i ? "," : "", models[i].name);
    puts("]}");
}

static void print_text(const struct demo *demo, const char *url)
{
    printf("\n  Cota is ready at %s/v1\n\n"
           "  API key      %.*s\n"
           "  admin token  %.*s\n"
           "  models       ",
           url, STR_ARG(secret_view(&demo->key)), STR_ARG(secret_view(&demo->token)));
    for (size_t i = 0; i < MODEL_COUNT; i++)
        printf("%s%s", i ? ", " : "", models[i].name);
    printf("\n\n  Try it:\n\n"
           "curl -N %s/v1/chat/completions -H 'Authorization: Bearer %.*s' "
           "-H 'Content-Type: application/json' "
           "-d '{\"model\":\"sim-fast\",\"stream\":true,\"messages\":[{\"role\":\"user\","
           "\"content\":\"Olá! What is Cota?\"}]}'\n\n"
           "  Then, in another terminal:\n\n"
           "%s usage --data %s\n\n  Ctrl-C ends it.\n\n",
           url, STR_ARG(secret_view(&demo->key)), program_invocation_name, demo->dir);
}

static void on_ready(void *owner, const char *url, struct str admin_token, struct str setup_token)
{
    (void)setup_token; /* a demo has its admin token; cota operator setup-link makes another */
    const struct demo *demo = owner;
    (void)admin_token;
    if (cli_json(demo->invocation))
        print_json(demo, url);
    else
        print_text(demo, url);
    fflush(stdout);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static bool make_dir(struct demo *demo)
{
    const char *given = demo->invocation->values[FLAG_data];
    const char *temporary = getenv("TMPDIR");
    demo->temporary = given == NULL;
    int const len = given ? snprintf(demo->dir, sizeof demo->dir, "%s", given)
                          : snprintf(demo->dir, sizeof demo->dir, "%s/cota-demo-XXXXXX",
                                     temporary && temporary[0] ? temporary : "/tmp");
    if (len <= 0 || (size_t)len >= sizeof demo->dir ||
        (demo->temporary && mkdtemp(demo->dir) == NULL)) {
        cli_complain("demo: no data directory can be made");
        return false;
    }
    return true;
}

/* The wanted port, or 0 (a free one) when somebody has it. */
static bool choose_port(const struct invocation *invocation, int *port)
{
    int64_t wanted;
    char address[64];
    if (!cli_i64(invocation, FLAG_port, DEMO_PORT, &wanted) || wanted > 65535) {
        cli_complain("demo: --port must be from 0 to 65535");
        return false;
    }
    snprintf(address, sizeof address, "127.0.0.1:%d", (int)wanted);
    *port = daemon_port_free(str_of(address)) ? (int)wanted : 0;
    if (*port != wanted)
        fprintf(stderr, "cota: port %d is taken; another one is used\n", (int)wanted);
    return true;
}

static int run_demo(struct demo *demo, int port)
{
    struct buf yaml;
    struct config *config = NULL;
    struct config_report report;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    int code = EXIT_CODE_FAILURE;
    buf_init(&yaml, YAML_BYTES_MAX);
    enum err err = arena ? write_yaml(demo, port, &yaml) : ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = config_parse(buf_view(&yaml), config_door_system(), arena, &config, &report);
    if (yaml.ptr != NULL)
        secret_zero(yaml.ptr, yaml.len);
    buf_free(&yaml);
    if (err == ERR_OK) {
        struct daemon_options const options = {
            .config = config, .data_dir = demo->dir, .on_ready = on_ready, .owner = demo};
        code = daemon_run(&options);
    } else {
        cli_complain("demo: the configuration cannot be made");
    }
    arena_free(arena);
    return code;
}

int command_demo(const struct invocation *invocation)
{
    struct demo demo = {.invocation = invocation};
    int port;
    if (!choose_port(invocation, &port))
        return EXIT_CODE_USAGE;
    if (!make_dir(&demo))
        return EXIT_CODE_FAILURE;
    struct fault fault = {0};
    if (datadir_ring_key(demo.dir, &demo.ring_key, &fault) != ERR_OK) {
        cli_complain("demo: %s", fault.detail);
        return EXIT_CODE_FAILURE;
    }
    datadir_token_make("ck_demo_", &demo.key);
    datadir_token_make("adm_", &demo.token);
    int const code = run_demo(&demo, port);
    secret_wipe(&demo.key);
    secret_wipe(&demo.token);
    secret_wipe(&demo.ring_key);
    if (demo.temporary)
        nftw(demo.dir, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
    return code;
}
