/* command.c - finding the daemon, asking it, and printing what it said. */
#include "app/command.h"
#include "app/config.h"
#include "app/control_client.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The data_dir of a configuration file. Mistakes elsewhere in it do not matter here: this shell may
 * not have the variables that the daemon has. */
static bool dir_of_file(const char *file, char out[DATA_DIR_BYTES])
{
    struct config *config = NULL;
    struct config_report report = {0};
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    enum err const err = arena ? config_load(file, arena, &config, &report) : ERR_NO_MEMORY;
    bool const read = err == ERR_OK || (err == ERR_CONFIG_INVALID && report.problems[0].line > 0);
    int len = 0;
    if (read)
        len = snprintf(out, DATA_DIR_BYTES, "%.*s", STR_ARG(config->data_dir));
    else
        cli_complain("%s cannot be read; see: cota check -c %s", file, file);
    arena_free(arena);
    return len > 0 && len < DATA_DIR_BYTES;
}

bool command_data_dir(const struct invocation *invocation, char out[DATA_DIR_BYTES])
{
    const char *dir = invocation->values[FLAG_data];
    const char *file = invocation->values[FLAG_config];
    if (dir == NULL && file != NULL)
        return dir_of_file(file, out);
    if (dir == NULL)
        dir = getenv("COTA_DATA");
    if ((dir == NULL || dir[0] == '\0') && access("cota.yaml", R_OK) == 0)
        return dir_of_file("cota.yaml", out);
    if (dir == NULL || dir[0] == '\0')
        dir = "./cota-data";
    int const len = snprintf(out, DATA_DIR_BYTES, "%s", dir);
    return len > 0 && len < DATA_DIR_BYTES;
}

int command_exit_code(int status)
{
    if (status >= 200 && status < 300)
        return EXIT_CODE_OK;
    switch (status) {
    case 400:
        return EXIT_CODE_USAGE;
    case 401:
    case 403:
        return EXIT_CODE_AUTH;
    case 404:
        return EXIT_CODE_NOT_FOUND;
    case 409:
        return EXIT_CODE_CONFLICT;
    case 503:
        return EXIT_CODE_UNAVAILABLE;
    default:
        return EXIT_CODE_FAILURE;
    }
}

struct str command_member(const struct json_object *object, const char *name, struct buf *scratch)
{
    struct str const value = json_get(object, str_of(name));
    size_t const start = scratch->len;
    size_t len = 0;
    if (json_type(value) == JSON_NULL || value.len == 0)
        return STR("");
    if (json_type(value) != JSON_STRING)
        return value;
    if (buf_reserve(scratch, value.len + 1) != ERR_OK ||
        !json_text(value, scratch->ptr + start, value.len, &len))
        return STR("?");
    scratch->len += len;
    return str_make(scratch->ptr + start, len);
}

void command_complain(int status, struct str body)
{
    struct json_object object;
    struct fault fault = {0};
    struct buf scratch;
    buf_init(&scratch, 1 << 20);
    if (body.len == 0 || buf_reserve(&scratch, body.len) != ERR_OK ||
        json_scan(body, &object, &fault) != ERR_OK) {
        cli_complain("the daemon answered with status %d", status);
    } else {
        struct str const title = command_member(&object, "title", &scratch);
        struct str const detail = command_member(&object, "detail", &scratch);
        cli_complain("%.*s%s%.*s", STR_ARG(title), detail.len ? ": " : "", STR_ARG(detail));
    }
    buf_free(&scratch);
}

static bool gather(void *owner, int status, struct str bytes)
{
    (void)status;
    return buf_add(owner, bytes) == ERR_OK;
}

int command_ask(const struct invocation *invocation, const char *method, struct str path,
                struct str body, struct buf *answer)
{
    char data_dir[DATA_DIR_BYTES];
    struct fault fault = {0};
    int status = 0;
    buf_init(answer, ANSWER_BYTES_MAX);
    if (!command_data_dir(invocation, data_dir))
        return EXIT_CODE_USAGE;
    struct control_request const request = {
        .data_dir = data_dir, .method = method, .path = path, .body = body};
    enum err const err = control_call(&request, gather, answer, &status, &fault);
    if (err != ERR_OK) {
        cli_complain("%s%s", fault.detail,
                     err == ERR_UPSTREAM_UNREACHABLE
                         ? "\n  start one with: cota serve   (or say where it is: --data DIR)"
                         : "");
        return EXIT_CODE_UNAVAILABLE;
    }
    int const code = command_exit_code(status);
    if (code != EXIT_CODE_OK)
        command_complain(status, buf_view(answer));
    return code;
}

int command_print(struct buf *answer)
{
    return cli_print(answer, buf_add_byte(answer, '\n'));
}

struct str command_usd(struct str nano, char out[32])
{
    bool const minus = nano.len > 0 && nano.ptr[0] == '-';
    int64_t value;
    if (!str_to_i64(minus ? str_skip(nano, 1) : nano, &value))
        return STR("");
    int64_t const unit = 1000000000;
    int len = snprintf(out, 32, "%s%lld.%09lld", minus ? "-" : "", (long long)(value / unit),
                       (long long)(value % unit));
    while (len > 3 && out[len - 1] == '0' && out[len - 3] != '.')
        len--;
    return str_make(out, (size_t)len);
}

/* --- tables ---------------------------------------------------------------------------------- */
/* Columns that a terminal takes: bytes that begin a character. */
static size_t shown_width(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

void table_start(struct table *table, const char *const *heads)
{
    *table = (struct table){0};
    buf_init(&table->text, ANSWER_BYTES_MAX);
    while (heads[table->columns] != NULL && table->columns < TABLE_COLUMNS_MAX)
        table->columns++;
    for (size_t i = 0; i < table->columns; i++) {
        bool const right = heads[i][0] == '>';
        table->right[i] = right;
        table_cell(table, str_of(heads[i] + right));
    }
}

void table_cell(struct table *table, struct str text)
{
    size_t const column = table->cells++ % table->columns;
    size_t const width = shown_width(text);
    size_t const start = table->text.len;
    if (table->widths[column] < width)
        table->widths[column] = width;
    if (table->err == ERR_OK)
        table->err = buf_add(&table->text, text);
    if (table->err == ERR_OK)
        table->err = buf_add_byte(&table->text, '\0');
    for (size_t i = start; table->err == ERR_OK && i + 1 < table->text.len; i++)
        if ((unsigned char)table->text.ptr[i] < 0x20)
            table->text.ptr[i] = '?'; /* nobody's name moves the cursor */
}

static bool wants_colour(const struct invocation *invocation)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !cli_has(invocation, FLAG_no_color) &&
           (no_colour == NULL || no_colour[0] == '\0');
}

int table_end(struct table *table, const struct invocation *invocation)
{
    struct buf out;
    enum err err = table->err;
    bool const colour = wants_colour(invocation);
    buf_init(&out, 2 * ANSWER_BYTES_MAX);
    const char *cell = table->text.ptr;
    for (size_t i = 0; i < table->cells && err == ERR_OK; i++) {
        size_t const column = i % table->columns;
        bool const last = column + 1 == table->columns;
        struct str const text = str_of(cell);
        int const pad = (int)(table->widths[column] - shown_width(text));
        bool const right = table->right[column];
        if (colour && i == 0)
            err = buf_add(&out, STR("\033[1m"));
        if (err == ERR_OK)
            err = buf_printf(&out, "%*s%.*s%*s%s", right ? pad : 0, "", STR_ARG(text),
                             right || last ? 0 : pad, "", last ? "\n" : "  ");
        if (err == ERR_OK && colour && i + 1 == table->columns)
            err = buf_add(&out, STR("\033[0m"));
        cell += text.len + 1;
    }
    buf_free(&table->text);
    return cli_print(&out, err);
}
