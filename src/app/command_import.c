/* command_import.c - cota import litellm: a report; documents as files or into a running daemon.
 */
#include "app/apply_report.h"
#include "app/document_write.h"
#include "app/import_litellm.h"
#include <stdio.h>

enum { REPORT_BYTES_MAX = 64 << 20 };

static void put_notes(struct json_writer *writer, const char *name,
                      const struct import_notes *notes)
{
    json_key(writer, name);
    json_array_open(writer);
    for (const struct import_note *it = notes->first; it != NULL; it = it->next) {
        json_object_open(writer);
        json_pair_text(writer, "setting", it->setting);
        json_pair_i64(writer, "line", it->place.line);
        json_pair_i64(writer, "column", it->place.column);
        json_pair_text(writer, "text", it->text);
        json_object_close(writer);
    }
    json_array_close(writer);
}

static enum err json_report(const struct import *import, struct buf *out)
{
    struct json_writer writer;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_i64(&writer, "documents", (int64_t)import->documents->count);
    put_notes(&writer, "taken", &import->taken);
    put_notes(&writer, "not_taken", &import->not_taken);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    return err == ERR_OK ? buf_add_byte(out, '\n') : err;
}

static enum err add_notes(struct buf *out, const char *head, const struct import_notes *notes)
{
    enum err err = notes->count > 0 ? buf_printf(out, "%s\n", head) : ERR_OK;
    for (const struct import_note *it = notes->first; it != NULL && err == ERR_OK; it = it->next)
        err = buf_printf(out, "  %s:%u:%u: %.*s: %.*s\n", it->place.file, it->place.line,
                         it->place.column, STR_ARG(it->setting), STR_ARG(it->text));
    return err;
}

static enum err text_report(const struct import *import, struct buf *out)
{
    const struct documents *documents = import->documents;
    enum err err = add_notes(out, "taken:", &import->taken);
    if (err == ERR_OK)
        err = add_notes(out, "not taken:", &import->not_taken);
    return err != ERR_OK
               ? err
               : buf_printf(out, "%zu providers, %zu models, %zu prices; %zu settings not taken\n",
                            documents->by_id[OBJECT_PROVIDER].count,
                            documents->by_id[OBJECT_MODEL].count,
                            documents->by_id[OBJECT_PRICE].count, import->not_taken.count);
}

/* On stdout, unless the result of applying comes there: then lines for people go to stderr. */
static int report(const struct invocation *invocation, const struct import *import, bool applies)
{
    struct buf out;
    buf_init(&out, REPORT_BYTES_MAX);
    enum err const err =
        cli_json(invocation) ? json_report(import, &out) : text_report(import, &out);
    if (err != ERR_OK || cli_json(invocation) || !applies)
        return cli_print(&out, err);
    fprintf(stderr, "%.*s", STR_ARG(buf_view(&out)));
    buf_free(&out);
    return EXIT_CODE_OK;
}

/* Takes the documents. */
static int finish(const struct invocation *invocation, struct import *import)
{
    struct apply_said const said = {.json = cli_json(invocation)};
    const char *folder = invocation->values[FLAG_out];
    bool const dry_run = cli_has(invocation, FLAG_dry_run);
    size_t files;
    int code = report(invocation, import, folder == NULL && !dry_run);
    if (code == EXIT_CODE_OK && !dry_run && folder == NULL)
        return documents_apply(invocation, import->documents, &said, false);
    if (code == EXIT_CODE_OK && !dry_run &&
        !(document_folder_make(folder) && documents_write(import->documents, folder, &files)))
        code = EXIT_CODE_FAILURE;
    documents_free(import->documents);
    return code;
}

int command_import_litellm(const struct invocation *invocation)
{
    const char *why = "there is not enough memory";
    struct str text = {0};
    struct import import = {.documents = documents_new()};
    enum err err = ERR_NO_MEMORY;
    if (import.documents != NULL)
        err = file_read(invocation->operand, import.documents->arena, &text, &why);
    if (err == ERR_OK)
        err = litellm_import(&import, text, invocation->operand);
    if (err == ERR_OK && import.documents->problems.count == 0)
        return finish(invocation, &import);
    int code = err == ERR_NOT_FOUND ? EXIT_CODE_NOT_FOUND : EXIT_CODE_FAILURE;
    if (err != ERR_OK)
        cli_complain("import litellm: %s: %s", invocation->operand, why);
    else
        code = problems_report(&import.documents->problems, cli_json(invocation));
    documents_free(import.documents);
    return code;
}
