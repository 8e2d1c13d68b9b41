/* import_prices.c - cota import prices: a table of prices into a running daemon, and what became of
 * each row.
 */
#include "app/command.h"
#include "app/control_client.h"
#include "app/document_files.h"
#include <stdio.h>

enum { PRICES_ARENA_BYTES = 16 << 20, PRICES_BYTES_MAX = 16 << 20 };

static struct str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_of(slash != NULL ? slash + 1 : path);
}

static enum err request(const struct invocation *invocation, struct str csv, struct buf *body)
{
    struct json_writer writer;
    struct str source = base_name(invocation->operand);
    if (source.len > 64)
        source.len = 64;
    json_write_start(&writer, body);
    json_object_open(&writer);
    json_pair_text(&writer, "csv", csv);
    json_pair_text(&writer, "source", source);
    json_pair_bool(&writer, "dry_run", cli_has(invocation, FLAG_dry_run));
    json_object_close(&writer);
    return json_write_end(&writer);
}

static void print_rows(struct str rows, struct buf *scratch)
{
    size_t at = 0;
    for (struct str element; json_next(rows, &at, &element);) {
        static const char *const names[] = {"line", "result", "model", "reason", NULL};
        struct json_object row;
        struct fault fault = {0};
        buf_clear(scratch);
        if (json_members(element, &row, &fault) != ERR_OK)
            return;
        for (size_t i = 0; names[i] != NULL; i++)
            if (json_get(&row, str_of(names[i])).ptr != NULL)
                printf("%s%.*s",
                       i == 0   ? ""
                       : i == 1 ? ": "
                       : i == 2 ? " "
                                : " - ",
                       STR_ARG(command_member(&row, names[i], scratch)));
        putchar('\n');
    }
}

static int print_report(struct buf *answer)
{
    static const char *const counts[] = {"new",       "changed",  "held",
                                         "unchanged", "rejected", "unknown_model",
                                         "unpriced",  "invalid",  NULL};
    struct json_object report;
    struct fault fault = {0};
    struct buf scratch;
    buf_init(&scratch, ANSWER_BYTES_MAX);
    int code = EXIT_CODE_FAILURE;
    if (buf_reserve(&scratch, answer->len + 1) == ERR_OK &&
        json_scan(buf_view(answer), &report, &fault) == ERR_OK) {
        print_rows(json_get(&report, STR("rows")), &scratch);
        for (size_t i = 0; counts[i] != NULL; i++)
            printf("%s%.*s %s", i == 0 ? "" : ", ", STR_ARG(json_get(&report, str_of(counts[i]))),
                   counts[i]);
        putchar('\n');
        code = fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    }
    buf_free(&scratch);
    return code;
}

int command_import_prices(const struct invocation *invocation)
{
    const char *why = "there is not enough memory";
    struct str text = {0};
    struct buf body, answer;
    struct arena *arena = arena_new(PRICES_ARENA_BYTES);
    enum err err =
        arena != NULL ? file_read(invocation->operand, arena, &text, &why) : ERR_NO_MEMORY;
    buf_init(&body, PRICES_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    int code = err == ERR_NOT_FOUND ? EXIT_CODE_NOT_FOUND : EXIT_CODE_FAILURE;
    if (err == ERR_OK)
        err = request(invocation, text, &body);
    if (err != ERR_OK)
        cli_complain("import prices: %s: %s", invocation->operand, why);
    else
        code =
            command_ask(invocation, "POST", STR("/api/v1/prices/import"), buf_view(&body), &answer);
    arena_free(arena);
    buf_free(&body);
    if (code == EXIT_CODE_OK && cli_json(invocation))
        return command_print(&answer);
    if (code == EXIT_CODE_OK)
        code = print_report(&answer);
    buf_free(&answer);
    return code;
}
