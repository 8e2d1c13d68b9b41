/* document_remote.c - calls, pages, and what the server added taken off again. */
#include "app/document_remote.h"
#include "app/control_client.h"
#include "codec/json_merge.h"
#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES_MAX = 16 << 10, PAGE_ARENA_BYTES = 512 << 20 };

bool remote_open(struct remote *remote, const struct invocation *invocation)
{
    *remote = (struct remote){0};
    buf_init(&remote->answer, (size_t)4 * ANSWER_BYTES_MAX);
    return command_data_dir(invocation, remote->data_dir);
}

void remote_close(struct remote *remote)
{
    buf_free(&remote->answer);
}

static bool gather(void *owner, int status, struct str bytes)
{
    (void)status;
    return buf_add(owner, bytes) == ERR_OK;
}

int remote_call(struct remote *remote, const char *method, struct str path, struct str headers,
                struct str body)
{
    struct fault fault = {0};
    struct control_request const request = {.data_dir = remote->data_dir,
                                            .method = method,
                                            .path = path,
                                            .body = body,
                                            .headers = headers};
    buf_clear(&remote->answer);
    enum err const err = control_call(&request, gather, &remote->answer, &remote->status, &fault);
    if (err == ERR_OK)
        return EXIT_CODE_OK;
    cli_complain("%s%s", fault.detail,
                 err == ERR_UPSTREAM_UNREACHABLE
                     ? "\n  start one with: cota serve   (or say where it is: --data DIR)"
                     : "");
    return EXIT_CODE_UNAVAILABLE;
}

/* A member's text in the arena; "" when it is absent or no text. */
static struct str member(const struct json_object *object, const char *name, struct arena *arena)
{
    struct str const json = json_get(object, str_of(name));
    size_t len = json_text_len(json);
    char *text = arena_alloc(arena, len + 1);
    if (text == NULL || !json_text(json, text, len + 1, &len))
        return STR("");
    return str_make(text, len);
}

struct str remote_complaint(const struct remote *remote, struct arena *arena, struct str *param)
{
    struct json_object object;
    struct fault ignored = {0};
    if (param != NULL)
        *param = STR("");
    struct str const body = buf_view(&remote->answer);
    struct str said = {0};
    if (json_scan(body, &object, &ignored) == ERR_OK) {
        struct str const title = member(&object, "title", arena);
        struct str const detail = member(&object, "detail", arena);
        struct str const where = member(&object, "param", arena);
        if (param != NULL)
            *param = where;
        said = arena_printf(arena, "%.*s%s%.*s", STR_ARG(where), where.len ? ": " : "",
                            STR_ARG(detail.len > 0 ? detail : title));
    } else {
        said = arena_printf(arena, "the daemon answered with status %d", remote->status);
    }
    return said.ptr != NULL ? said : STR("");
}

enum err remote_path(struct buf *path, enum object_kind kind, struct str id)
{
    enum err err = buf_printf(path, "/api/v1/%s/", object_kind_row(kind)->path);
    return err == ERR_OK ? control_encode(path, id) : err;
}

enum err stored_read(enum object_kind kind, struct str json, struct arena *arena,
                     struct stored *stored)
{
    bool const cell = kind == OBJECT_MATRIX_CELL; /* its origin is a member of its own */
    const char *const origin = cell ? "document_origin" : "origin";
    const char *const names[] = {"id",
                                 "version",
                                 "created_at",
                                 "updated_at",
                                 origin,
                                 "ai_token_limit_effective",
                                 "time_zone_before",
                                 NULL};
    struct fault ignored = {0};
    struct buf out;
    struct json_object *object = malloc(sizeof *object);
    enum err err = object != NULL ? json_members(json, object, &ignored) : ERR_NO_MEMORY;
    buf_init(&out, (size_t)2 * OBJECT_TEXT_BYTES_MAX);
    if (err == ERR_OK) {
        stored->id = member(object, "id", arena);
        stored->from_file = str_eq(member(object, origin, arena), STR("file"));
        if (!json_i64(json_get(object, STR("version")), &stored->version) || stored->id.len == 0)
            err = ERR_JSON_INVALID;
    }
    if (err == ERR_OK)
        err = json_without(json, names, arena, &out);
    if (err == ERR_OK)
        stored->text = arena_copy(arena, buf_view(&out));
    if (err == ERR_OK && stored->text.ptr == NULL)
        err = ERR_NO_MEMORY;
    buf_free(&out);
    free(object);
    return err;
}

/* One page; *cursor: of the next, empty at the end. */
static int visit_page(struct remote *remote, enum object_kind kind, struct arena *arena,
                      stored_visit *visit, void *owner, struct buf *cursor)
{
    struct json_object object;
    struct fault fault = {0};
    size_t at = 0;
    buf_clear(cursor);
    enum err err = json_scan(buf_view(&remote->answer), &object, &fault);
    struct str const items = err == ERR_OK ? json_get(&object, STR("items")) : STR("");
    bool more = err == ERR_OK;
    for (struct str item; more && json_next(items, &at, &item);) {
        struct stored stored = {0};
        err = stored_read(kind, item, arena, &stored);
        more = err == ERR_OK && visit(owner, &stored);
    }
    struct str const next = more ? member(&object, "next_cursor", arena) : STR("");
    if (err == ERR_OK && next.len > 0)
        err = control_encode(cursor, next);
    if (err == ERR_OK)
        return EXIT_CODE_OK;
    cli_complain("the daemon's list of %s cannot be read: %s", object_kind_row(kind)->path,
                 fault.detail[0] ? fault.detail : err_row(err)->text.ptr);
    return EXIT_CODE_FAILURE;
}

int remote_list(struct remote *remote, enum object_kind kind, struct str query, stored_visit *visit,
                void *owner)
{
    struct buf path, cursor;
    struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    int code = arena != NULL ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&cursor, PATH_BYTES_MAX);
    do {
        buf_clear(&path);
        if (buf_printf(&path, "/api/v1/%s?limit=500%.*s%s%.*s", object_kind_row(kind)->path,
                       STR_ARG(query), cursor.len ? "&cursor=" : "",
                       STR_ARG(buf_view(&cursor))) != ERR_OK)
            code = EXIT_CODE_FAILURE;
        if (code == EXIT_CODE_OK)
            code = remote_call(remote, "GET", buf_view(&path), STR(""), STR(""));
        if (code == EXIT_CODE_OK && remote->status != 200) {
            command_complain(remote->status, buf_view(&remote->answer));
            code = command_exit_code(remote->status);
        }
        if (code == EXIT_CODE_OK)
            code = visit_page(remote, kind, arena, visit, owner, &cursor);
        if (arena != NULL)
            arena_reset(arena);
    } while (code == EXIT_CODE_OK && cursor.len > 0);
    arena_free(arena);
    buf_free(&path);
    buf_free(&cursor);
    return code;
}
