/* command_operator.c - cota operator create | list | disable | reset-password | setup-link. */
#include "app/command.h"
#include "app/control_client.h"
#include "base/secret.h"
#include <stdio.h>

enum { OPERATOR_BYTES_MAX = 16 << 10 };

/* --- printing -------------------------------------------------------------------------------- */
/* "name value" lines of an object's members. */
static int print_members(struct str json, const char *const *names)
{
    struct json_object object;
    struct fault fault = {0};
    struct buf scratch;
    int code = EXIT_CODE_FAILURE;
    buf_init(&scratch, ANSWER_BYTES_MAX);
    if (json_scan(json, &object, &fault) == ERR_OK) {
        for (; *names != NULL; names++) {
            struct str const value = command_member(&object, *names, &scratch);
            printf("%-10s %.*s\n", *names, STR_ARG(value));
        }
        code = fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    }
    buf_free(&scratch);
    return code;
}

static int finish(const struct invocation *invocation, int code, struct buf *answer,
                  const char *const *names)
{
    if (code == EXIT_CODE_OK && cli_json(invocation))
        return command_print(answer);
    if (code == EXIT_CODE_OK)
        code = print_members(buf_view(answer), names);
    if (answer->ptr != NULL)
        secret_zero(answer->ptr, answer->len);
    buf_free(answer);
    return code;
}

static const char *const link_names[] = {"expires_at", "token", NULL};

static int finish_link(const struct invocation *invocation, int code, struct buf *answer)
{
    bool const said = code == EXIT_CODE_OK && !cli_json(invocation);
    code = finish(invocation, code, answer, link_names);
    if (said && code == EXIT_CODE_OK)
        fputs("\nHand the token over in private; with it: POST /api/v1/setup {\"token\":…,"
              "\"password\":…}\n",
              stderr);
    return code;
}

/* --- who is meant ---------------------------------------------------------------------------- */
/* "/api/v1/team/ID" of the operator with this address, and `after`. */
static int find_path(const struct invocation *invocation, const char *after, struct buf *path)
{
    struct buf query, answer, scratch;
    struct json_object page, item;
    struct fault fault = {0};
    struct str element;
    size_t at = 0;
    int code = EXIT_CODE_FAILURE;
    buf_init(&query, OPERATOR_BYTES_MAX);
    buf_init(&scratch, OPERATOR_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    enum err err = buf_add(&query, STR("/api/v1/team?email="));
    for (const char *it = invocation->operand; err == ERR_OK && *it != '\0'; it++) {
        char const letter = *it >= 'A' && *it <= 'Z' ? (char)(*it | 0x20) : *it;
        err = control_encode(&query, str_make(&letter, 1));
    }
    if (err == ERR_OK)
        code = command_ask(invocation, "GET", buf_view(&query), STR(""), &answer);
    if (code == EXIT_CODE_OK && json_scan(buf_view(&answer), &page, &fault) == ERR_OK &&
        json_next(json_get(&page, STR("items")), &at, &element) &&
        json_members(element, &item, &fault) == ERR_OK) {
        struct str const id = command_member(&item, "id", &scratch);
        code = buf_printf(path, "/api/v1/team/%.*s%s", STR_ARG(id), after) == ERR_OK
                   ? EXIT_CODE_OK
                   : EXIT_CODE_FAILURE;
    } else if (code == EXIT_CODE_OK) {
        cli_complain("there is no operator %s", invocation->operand);
        code = EXIT_CODE_NOT_FOUND;
    }
    buf_free(&query);
    buf_free(&scratch);
    buf_free(&answer);
    return code;
}

static int ask_about(const struct invocation *invocation, const char *method, const char *after,
                     struct str body, struct buf *answer)
{
    struct buf path;
    buf_init(&path, OPERATOR_BYTES_MAX);
    buf_init(answer, ANSWER_BYTES_MAX);
    int code = find_path(invocation, after, &path);
    if (code == EXIT_CODE_OK)
        code = command_ask(invocation, method, buf_view(&path), body, answer);
    buf_free(&path);
    return code;
}

/* --- commands -------------------------------------------------------------------------------- */
int command_operator_create(const struct invocation *invocation)
{
    static const enum flag_id flags[] = {FLAG_email, FLAG_role, FLAG_name, FLAG_customer};
    struct buf body, answer;
    struct json_writer writer;
    int code = EXIT_CODE_USAGE;
    if (!cli_needs(invocation, FLAG_email) || !cli_needs(invocation, FLAG_role))
        return EXIT_CODE_USAGE;
    buf_init(&body, OPERATOR_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    json_write_start(&writer, &body);
    json_object_open(&writer);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (cli_has(invocation, flags[i]))
            json_pair_text(&writer, flag_at(flags[i])->name, str_of(invocation->values[flags[i]]));
    json_object_close(&writer);
    if (json_write_end(&writer) == ERR_OK)
        code = command_ask(invocation, "POST", STR("/api/v1/team"), buf_view(&body), &answer);
    buf_free(&body);
    return finish_link(invocation, code, &answer);
}

int command_operator_list(const struct invocation *invocation)
{
    static const char *const heads[] = {"EMAIL",  "NAME", "ROLE", "CUSTOMER",
                                        "STATUS", "TOTP", "ID",   NULL};
    static const char *const names[] = {"email",  "name", "role", "customer",
                                        "status", "totp", "id",   NULL};
    struct buf answer, scratch;
    struct json_object page, item;
    struct fault fault = {0};
    struct table table;
    struct str element;
    int const code =
        command_ask(invocation, "GET", STR("/api/v1/team?limit=500"), STR(""), &answer);
    if (code != EXIT_CODE_OK || cli_json(invocation)) {
        if (code == EXIT_CODE_OK)
            return command_print(&answer);
        buf_free(&answer);
        return code;
    }
    buf_init(&scratch, ANSWER_BYTES_MAX);
    table_start(&table, heads);
    if (json_scan(buf_view(&answer), &page, &fault) != ERR_OK)
        table.err = ERR_JSON_INVALID;
    for (size_t at = 0;
         table.err == ERR_OK && json_next(json_get(&page, STR("items")), &at, &element);)
        if (json_members(element, &item, &fault) == ERR_OK)
            for (size_t i = 0; names[i] != NULL; i++) {
                buf_clear(&scratch);
                table_cell(&table, command_member(&item, names[i], &scratch));
            }
    buf_free(&scratch);
    buf_free(&answer);
    return table_end(&table, invocation);
}

int command_operator_disable(const struct invocation *invocation)
{
    static const char *const names[] = {"email", "role", "status", NULL};
    struct buf answer;
    int const code = ask_about(invocation, "PATCH", "", STR("{\"status\":\"disabled\"}"), &answer);
    return finish(invocation, code, &answer, names);
}

int command_operator_reset(const struct invocation *invocation)
{
    struct buf answer;
    int const code = ask_about(invocation, "POST", "/link", STR(""), &answer);
    return finish_link(invocation, code, &answer);
}

int command_operator_setup(const struct invocation *invocation)
{
    struct buf answer;
    int const code = command_ask(invocation, "POST", STR("/api/v1/setup/link"), STR(""), &answer);
    return finish_link(invocation, code, &answer);
}
