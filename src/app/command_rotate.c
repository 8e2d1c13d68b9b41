/* command_rotate.c - cota rotate: starts the job that seals secrets anew; shows how far it is. */
#include "app/command.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 200, SCRATCH_BYTES_MAX = 1 << 20 };

struct progress {
    struct json_object object;
    struct buf scratch;
    struct str id, status, total, done, failed, changed, message;
};

static bool read_progress(struct progress *progress, struct str answer)
{
    struct fault fault = {0};
    buf_clear(&progress->scratch);
    if (buf_reserve(&progress->scratch, answer.len + 1) != ERR_OK ||
        json_scan(answer, &progress->object, &fault) != ERR_OK)
        return false;
    const struct {
        const char *name;
        struct str *value;
    } members[] = {
        {"id", &progress->id},           {"status", &progress->status},
        {"total", &progress->total},     {"done", &progress->done},
        {"failed", &progress->failed},   {"changed", &progress->changed},
        {"message", &progress->message},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        *members[i].value = command_member(&progress->object, members[i].name, &progress->scratch);
    return progress->id.len > 0;
}

static bool has_ended(const struct progress *progress)
{
    return !str_eq(progress->status, STR("queued")) && !str_eq(progress->status, STR("running"));
}

/* One line that is written over on a terminal; every state elsewhere. */
static void show(const struct progress *progress)
{
    bool const live = isatty(STDOUT_FILENO) != 0;
    printf("%s%.*s: %.*s of %.*s, %.*s sealed anew, %.*s failed%s", live ? "\r" : "",
           STR_ARG(progress->status), STR_ARG(progress->done), STR_ARG(progress->total),
           STR_ARG(progress->changed), STR_ARG(progress->failed),
           live && !has_ended(progress) ? " " : "\n");
    fflush(stdout);
}

static void show_errors(const struct progress *progress)
{
    struct str const errors = json_get(&progress->object, STR("errors"));
    struct str element;
    size_t at = 0;
    while (json_next(errors, &at, &element)) {
        struct json_object row;
        struct fault fault = {0};
        struct buf scratch;
        buf_init(&scratch, SCRATCH_BYTES_MAX);
        if (json_members(element, &row, &fault) == ERR_OK &&
            buf_reserve(&scratch, element.len + 1) == ERR_OK) {
            struct str const id = command_member(&row, "id", &scratch);
            struct str const detail = command_member(&row, "detail", &scratch);
            cli_complain("rotate: %.*s: %.*s", STR_ARG(id), STR_ARG(detail));
        }
        buf_free(&scratch);
    }
}

/* Asks until the job has ended. EXIT_CODE_OK: *answer is its last state. */
static int follow(const struct invocation *invocation, struct progress *progress,
                  struct buf *answer)
{
    struct timespec const pause = {.tv_nsec = POLL_MS * 1000000L};
    char path[64];
    int const len = snprintf(path, sizeof path, "/api/v1/jobs/%.*s", STR_ARG(progress->id));
    int code = EXIT_CODE_OK;
    while (code == EXIT_CODE_OK && !has_ended(progress)) {
        nanosleep(&pause, NULL);
        buf_free(answer);
        code = command_ask(invocation, "GET", str_make(path, (size_t)len), STR(""), answer);
        if (code == EXIT_CODE_OK && !read_progress(progress, buf_view(answer)))
            code = EXIT_CODE_FAILURE;
        if (code == EXIT_CODE_OK && !cli_json(invocation))
            show(progress);
    }
    return code;
}

int command_rotate(const struct invocation *invocation)
{
    struct progress progress = {.id = STR("")};
    struct buf answer;
    buf_init(&progress.scratch, SCRATCH_BYTES_MAX);
    int code =
        command_ask(invocation, "POST", STR("/api/v1/jobs"), STR("{\"kind\":\"reseal\"}"), &answer);
    if (code == EXIT_CODE_OK && !read_progress(&progress, buf_view(&answer)))
        code = EXIT_CODE_FAILURE;
    if (code == EXIT_CODE_OK)
        code = follow(invocation, &progress, &answer);
    if (code == EXIT_CODE_OK && !cli_json(invocation))
        show_errors(&progress);
    bool const good = code == EXIT_CODE_OK && str_eq(progress.status, STR("done")) &&
                      str_eq(progress.failed, STR("0"));
    if (code == EXIT_CODE_OK && cli_json(invocation)) {
        code = command_print(&answer);
    } else {
        buf_free(&answer);
    }
    buf_free(&progress.scratch);
    return code == EXIT_CODE_OK && !good ? EXIT_CODE_FAILURE : code;
}
