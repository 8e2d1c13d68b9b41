/* command_usage.c - cota usage: JSON lines as they come, or a table, or csv. */
#include "app/command.h"
#include "app/control_client.h"
#include <stdio.h>

enum { TABLE_ROWS = 50, LINE_BYTES_MAX = 1 << 20 };

struct shown {
    const char *const *heads, *const *names;
};
static const struct shown calls = {
    (const char *const[]){"FINISHED", "CUSTOMER", "KEY", "MODEL", "OUTCOME", ">STATUS", ">INPUT",
                          ">OUTPUT", ">COST USD", ">MS", "REQUEST", NULL},
    (const char *const[]){"finished_at", "customer", "key", "model", "outcome", "http_status",
                          "input_tokens", "output_tokens", "cost_nano", "latency_ms", "request_id",
                          NULL}};
static const struct shown call_columns = {(const char *const[]){NULL},
                                          (const char *const[]){"request_id",
                                                                "hold_id",
                                                                "customer",
                                                                "key",
                                                                "key_id",
                                                                "user",
                                                                "feature",
                                                                "module",
                                                                "profile",
                                                                "group",
                                                                "endpoint",
                                                                "model",
                                                                "provider",
                                                                "upstream_model",
                                                                "outcome",
                                                                "http_status",
                                                                "stream",
                                                                "usage_source",
                                                                "input_tokens",
                                                                "output_tokens",
                                                                "cached_tokens",
                                                                "reasoning_tokens",
                                                                "cost_nano",
                                                                "charged_nano",
                                                                "held_nano",
                                                                "debt_nano",
                                                                "started_at",
                                                                "finished_at",
                                                                "latency_ms",
                                                                "first_byte_ms",
                                                                NULL}};

static const char *const sum_heads[] = {"NAME",         ">CALLS",   ">FAILED",
                                        ">INPUT",       ">OUTPUT",  ">COST USD",
                                        ">CHARGED USD", ">MEAN MS", NULL};
static const char *sum_names[] = {NULL /* --by */, "requests",        "failures",
                                  "input_tokens",  "output_tokens",   "cost_nano",
                                  "charged_nano",  "mean_latency_ms", NULL};

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct printer {
    enum format format;
    struct shown shown;
    struct table table;
    struct buf line, scratch, problem;
    enum err err;
    int status;
};

static void print_csv_cell(struct str text, bool first)
{
    bool const quote = memchr(text.ptr, ',', text.len) || memchr(text.ptr, '"', text.len) ||
                       memchr(text.ptr, '\n', text.len);
    fputs(first ? "" : ",", stdout);
    if (quote)
        putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            putchar('"');
        putchar(text.ptr[i]);
    }
    if (quote)
        putchar('"');
}

static void print_line(struct printer *printer, struct str line)
{
    struct json_object object;
    struct fault fault = {0};
    buf_clear(&printer->scratch);
    if (buf_reserve(&printer->scratch, line.len + 1) != ERR_OK)
        printer->err = ERR_NO_MEMORY;
    else
        printer->err = json_scan(line, &object, &fault);
    const char *const *names = printer->shown.names;
    for (size_t i = 0; printer->err == ERR_OK && names[i] != NULL; i++) {
        struct str const value = command_member(&object, names[i], &printer->scratch);
        char usd[32];
        if (printer->format == FORMAT_CSV)
            print_csv_cell(value, i == 0);
        else
            table_cell(&printer->table,
                       strstr(names[i], "_nano") ? command_usd(value, usd) : value);
    }
    if (printer->format == FORMAT_CSV)
        putchar('\n');
}

/* Cuts the stream into lines. */
static bool on_piece(void *owner, int status, struct str bytes)
{
    struct printer *printer = owner;
    printer->status = status;
    if (status != 200)
        return buf_add(&printer->problem, bytes) == ERR_OK;
    if (printer->format == FORMAT_JSON) {
        if (fwrite(bytes.ptr, 1, bytes.len, stdout) != bytes.len)
            printer->err = ERR_INTERNAL; /* a closed pipe: nobody reads on */
        return printer->err == ERR_OK;
    }
    while (bytes.len > 0 && printer->err == ERR_OK) {
        size_t const end = str_find(bytes, STR("\n"));
        printer->err = buf_add(&printer->line, str_make(bytes.ptr, end));
        if (end < bytes.len && printer->err == ERR_OK) {
            print_line(printer, buf_view(&printer->line));
            buf_clear(&printer->line);
        }
        bytes = str_skip(bytes, end + 1);
    }
    return printer->err == ERR_OK;
}

static enum err make_path(const struct invocation *invocation, enum format format, struct buf *path)
{
    static const enum flag_id passed[] = {FLAG_customer, FLAG_key,   FLAG_model, FLAG_request_id,
                                          FLAG_since,    FLAG_until, FLAG_by,    FLAG_limit};
    enum err err = buf_add(path, STR("/api/v1/usage?"));
    for (size_t i = 0; i < sizeof passed / sizeof passed[0] && err == ERR_OK; i++) {
        if (!cli_has(invocation, passed[i]))
            continue;
        err = buf_printf(path, "%s=", flag_at(passed[i])->name);
        if (err == ERR_OK)
            err = control_encode(path, str_of(invocation->values[passed[i]]));
        if (err == ERR_OK)
            err = buf_add_byte(path, '&');
    }
    if (err == ERR_OK && format == FORMAT_TABLE && !cli_has(invocation, FLAG_limit))
        err = buf_printf(path, "limit=%d&", TABLE_ROWS);
    path->len -= err == ERR_OK; /* the last separator */
    return err;
}

static void start_printer(struct printer *printer, const struct invocation *invocation)
{
    const char *output = invocation->values[FLAG_output];
    printer->format = output && strcmp(output, "csv") == 0 ? FORMAT_CSV : FORMAT_TABLE;
    if (cli_json(invocation))
        printer->format = FORMAT_JSON;
    buf_init(&printer->line, LINE_BYTES_MAX);
    buf_init(&printer->scratch, LINE_BYTES_MAX);
    buf_init(&printer->problem, LINE_BYTES_MAX);
    printer->shown = printer->format == FORMAT_CSV ? call_columns : calls;
    if (cli_has(invocation, FLAG_by)) {
        sum_names[0] = invocation->values[FLAG_by];
        printer->shown = (struct shown){sum_heads, sum_names};
    }
    if (printer->format == FORMAT_TABLE)
        table_start(&printer->table, printer->shown.heads);
    for (size_t i = 0; printer->format == FORMAT_CSV && printer->shown.names[i] != NULL; i++)
        print_csv_cell(str_of(printer->shown.names[i]), i == 0);
    if (printer->format == FORMAT_CSV)
        putchar('\n');
}

static int finish_printer(struct printer *printer, const struct invocation *invocation, int code)
{
    if (printer->format == FORMAT_TABLE && code == EXIT_CODE_OK)
        code = table_end(&printer->table, invocation);
    else if (printer->format == FORMAT_TABLE)
        buf_free(&printer->table.text);
    if (code == EXIT_CODE_OK && (printer->err != ERR_OK || fflush(stdout) != 0))
        code = EXIT_CODE_FAILURE;
    buf_free(&printer->line);
    buf_free(&printer->scratch);
    buf_free(&printer->problem);
    return code;
}

int command_usage(const struct invocation *invocation)
{
    struct printer printer = {0};
    struct buf path;
    char data_dir[DATA_DIR_BYTES];
    struct fault fault = {0};
    int status = 0;
    if (!command_data_dir(invocation, data_dir))
        return EXIT_CODE_USAGE;
    buf_init(&path, 16 << 10);
    start_printer(&printer, invocation);
    enum err err = make_path(invocation, printer.format, &path);
    if (err == ERR_OK) {
        struct control_request const request = {
            .data_dir = data_dir, .method = "GET", .path = buf_view(&path)};
        err = control_call(&request, on_piece, &printer, &status, &fault);
    }
    int code = command_exit_code(status);
    if (err == ERR_UPSTREAM_UNREACHABLE) {
        cli_complain("%s\n  start one with: cota serve   (or say where it is: --data DIR)",
                     fault.detail);
        code = EXIT_CODE_UNAVAILABLE;
    } else if (err != ERR_OK) {
        cli_complain("%s", fault.detail);
        code = EXIT_CODE_FAILURE;
    } else if (code != EXIT_CODE_OK) {
        command_complain(status, buf_view(&printer.problem));
    }
    buf_free(&path);
    return finish_printer(&printer, invocation, code);
}
