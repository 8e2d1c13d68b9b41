/* command_export.c - cota export: the documents of a running daemon as YAML that apply reads back.
 *
 * Why:   files of kinds that have no documents any more are emptied, so that the folder says what
 *        the daemon has. Kinds with secrets are not exported at all (document_files.c).
 */
#include "app/document_remote.h"
#include "app/document_write.h"
#include "base/limits.h"
#include <stdio.h>
#include <unistd.h>

enum { EXPORT_BYTES_MAX = 1 << 30, PATH_BYTES = 4096 };

struct export
{
    struct documents *documents;
    enum object_kind kind;
    enum err err;
};

static bool on_stored(void *owner, const struct stored *stored)
{
    struct export *export = owner;
    export->err = documents_add(export->documents, export->kind, stored->id, stored->text);
    return export->err == ERR_OK;
}

static int fetch(const struct invocation *invocation, struct documents *documents)
{
    struct remote remote;
    const char *wanted = invocation->values[FLAG_kind];
    struct export export = {.documents = documents};
    int code = remote_open(&remote, invocation) ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    for (size_t i = 0; code == EXIT_CODE_OK && document_kind_at(i, &export.kind); i++) {
        if (wanted != NULL && !str_eq(object_kind_row(export.kind)->name, str_of(wanted)))
            continue;
        code = remote_list(&remote, export.kind, STR(""), on_stored, &export);
        if (code == EXIT_CODE_OK && (export.err != ERR_OK || documents->problems.count > 0)) {
            cli_complain("export: too many documents for one export: use --kind");
            code = EXIT_CODE_FAILURE;
        }
    }
    remote_close(&remote);
    return code;
}

static enum err put_documents(const struct documents *documents, struct buf *out)
{
    struct json_writer writer;
    enum object_kind kind;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_key(&writer, "documents");
    json_array_open(&writer);
    for (size_t i = 0; document_kind_at(i, &kind); i++)
        for (const struct document *it = documents->first[kind]; it != NULL; it = it->next) {
            json_object_open(&writer);
            json_pair_text(&writer, "kind", object_kind_row(kind)->name);
            json_pair_text(&writer, "id", it->id);
            json_key(&writer, "members");
            json_put_raw(&writer, it->text);
            json_object_close(&writer);
        }
    json_array_close(&writer);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    return err == ERR_OK ? buf_add_byte(out, '\n') : err;
}

static int print_documents(const struct documents *documents, bool json)
{
    struct buf out;
    enum object_kind kind;
    enum err err = ERR_OK;
    buf_init(&out, EXPORT_BYTES_MAX);
    if (json)
        err = put_documents(documents, &out);
    for (size_t i = 0; !json && err == ERR_OK && document_kind_at(i, &kind); i++)
        err = documents_text(documents, kind, &out);
    return cli_print(&out, err);
}

/* A file of an earlier export whose documents are all gone. */
static bool empty_rest(const struct documents *documents, const char *folder, const char *wanted)
{
    enum object_kind kind;
    bool good = true;
    for (size_t i = 0; good && document_kind_at(i, &kind); i++) {
        char name[128], path[PATH_BYTES];
        const struct object_kind_row *row = object_kind_row(kind);
        if (documents->first[kind] != NULL ||
            (wanted != NULL && !str_eq(row->name, str_of(wanted))))
            continue;
        snprintf(name, sizeof name, "%s.yaml", row->path);
        int const len = snprintf(path, sizeof path, "%s/%s", folder, name);
        if (len > 0 && len < (int)sizeof path && access(path, F_OK) == 0)
            good = document_file_write(folder, name, STR("# none\n"));
    }
    return good;
}

static int write_files(const struct invocation *invocation, const struct documents *documents)
{
    const char *folder = invocation->values[FLAG_out];
    size_t files = 0;
    struct buf out;
    if (!document_folder_make(folder) || !documents_write(documents, folder, &files) ||
        !empty_rest(documents, folder, invocation->values[FLAG_kind]))
        return EXIT_CODE_FAILURE;
    buf_init(&out, 1 << 10);
    return cli_print(&out, buf_printf(&out,
                                      cli_json(invocation) ? "{\"documents\":%zu,\"files\":%zu}\n"
                                                           : "%zu documents in %zu files\n",
                                      documents->count, files));
}

int command_export(const struct invocation *invocation)
{
    struct documents *documents = documents_new();
    const char *kind = invocation->values[FLAG_kind];
    enum object_kind found;
    int code = EXIT_CODE_FAILURE;
    if (kind != NULL && !document_kind_find(str_of(kind), &found)) {
        cli_complain("export: there is no kind \"%s\" in files; there are:", kind);
        for (size_t i = 0; document_kind_at(i, &found); i++)
            fprintf(stderr, "  %.*s\n", STR_ARG(object_kind_row(found)->name));
        code = EXIT_CODE_USAGE;
    } else if (documents == NULL) {
        cli_complain("export: there is not enough memory");
    } else {
        code = fetch(invocation, documents);
        if (code == EXIT_CODE_OK)
            code = cli_has(invocation, FLAG_out) ? write_files(invocation, documents)
                                                 : print_documents(documents, cli_json(invocation));
    }
    documents_free(documents);
    return code;
}
