/* document_write.c - a file beside the old one, synced, then renamed over it. */
#include "app/document_write.h"
#include "app/cli.h"
#include "app/yaml_write.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, TEXT_BYTES_MAX = 1 << 30, DOCUMENT_ARENA_BYTES = 256 << 20 };

static bool write_all(int file, struct str text)
{
    while (text.len > 0) {
        ssize_t const written = write(file, text.ptr, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = str_skip(text, (size_t)written);
    }
    return fsync(file) == 0;
}

bool document_file_write(const char *folder, const char *name, struct str text)
{
    char path[PATH_BYTES], fresh[PATH_BYTES];
    int const len = snprintf(path, sizeof path, "%s/%s", folder, name);
    int const more = snprintf(fresh, sizeof fresh, "%s/.%s.new", folder, name);
    if (len < 0 || len >= (int)sizeof path || more < 0 || more >= (int)sizeof fresh) {
        cli_complain("the path is too long: %s/%s", folder, name);
        return false;
    }
    int const file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = file >= 0 && write_all(file, text);
    if (file >= 0)
        good = close(file) == 0 && good;
    good = good && rename(fresh, path) == 0;
    if (!good)
        cli_complain("%s cannot be written: %s", path, strerror(errno));
    return good;
}

bool document_folder_make(const char *folder)
{
    if (mkdir(folder, 0755) == 0 || errno == EEXIST)
        return true;
    cli_complain("%s cannot be made: %s", folder, strerror(errno));
    return false;
}

enum err documents_text(const struct documents *documents, enum object_kind kind, struct buf *out)
{
    struct arena *arena = arena_new(DOCUMENT_ARENA_BYTES);
    enum err err = arena != NULL ? ERR_OK : ERR_NO_MEMORY;
    for (const struct document *it = documents->first[kind]; it != NULL && err == ERR_OK;
         it = it->next) {
        err = yaml_write_document(out, object_kind_row(kind)->name, it->id, it->text, arena);
        arena_reset(arena);
    }
    arena_free(arena);
    return err;
}

bool documents_write(const struct documents *documents, const char *folder, size_t *files)
{
    enum object_kind kind;
    bool good = true;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    *files = 0;
    for (size_t i = 0; good && document_kind_at(i, &kind); i++) {
        char name[128];
        if (documents->first[kind] == NULL)
            continue;
        buf_clear(&text);
        snprintf(name, sizeof name, "%s.yaml", object_kind_row(kind)->path);
        enum err const err = documents_text(documents, kind, &text);
        if (err != ERR_OK)
            cli_complain("%s: %s", name, err_row(err)->text.ptr);
        good = err == ERR_OK && document_file_write(folder, name, buf_view(&text));
        *files += good;
    }
    buf_free(&text);
    return good;
}
