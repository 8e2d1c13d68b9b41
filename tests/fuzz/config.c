/* config.c - hostile configuration text: no crash, and the same verdict twice. */
#include "app/config.h"
#include "base/must.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No file and no variable of the machine is touched; one of each exists. */
static const char *variable(void *owner, const char *name)
{
    (void)owner;
    return strcmp(name, "X") == 0 ? "value-of-x" : NULL;
}

static bool file(void *owner, const char *path, struct arena *arena, struct str *text,
                 const char **why)
{
    (void)owner;
    (void)arena;
    *text = STR("text of the file\n");
    *why = "not here";
    return strcmp(path, "/x") == 0;
}

static enum err parse(struct str text, size_t *problems)
{
    static const struct config_door door = {.variable = variable, .file = file};
    static struct config_report report;
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    struct config *config;
    struct buf out;
    if (arena == NULL)
        return ERR_NO_MEMORY;
    buf_init(&out, 1 << 20);
    enum err const err = config_parse(text, &door, arena, &config, &report);
    MUST(err == ERR_OK || err == ERR_CONFIG_INVALID || err == ERR_NO_MEMORY);
    MUST((err == ERR_OK) == (report.count == 0) || err == ERR_NO_MEMORY);
    MUST(config_report_print(&report, STR("f"), &out) == ERR_OK);
    *problems = report.count;
    buf_free(&out);
    arena_free(arena);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str const text = str_make((const char *)data, size);
    size_t once, again;
    if (size > 64 << 10)
        return 0;
    MUST(parse(text, &once) == parse(text, &again));
    MUST(once == again);
    return 0;
}
