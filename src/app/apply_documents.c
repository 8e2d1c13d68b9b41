/* apply_documents.c - compare, check, write. */
#include "app/apply_documents.h"
#include "app/control_client.h"
#include "app/document_diff.h"
#include "base/limits.h"
#include <stdio.h>
#include <unistd.h>

enum {
    LIST_FROM = 50, /* so many documents of a kind: read them by page */
    HEADERS_BYTES_MAX = 4 << 10,
    PATH_BYTES_MAX = 16 << 10,
    COMPARE_ARENA_BYTES = 64 << 20,
    PROGRESS_EVERY = 50,
};

bool apply_open(struct apply *apply, const struct invocation *invocation,
                struct documents *documents, bool prune)
{
    *apply = (struct apply){.documents = documents, .arena = documents->arena, .prune = prune};
    apply->end = &apply->first;
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        map_init(&apply->deleted[kind]);
    return remote_open(&apply->remote, invocation);
}

void apply_close(struct apply *apply)
{
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        map_free(&apply->deleted[kind]);
    remote_close(&apply->remote);
}

static void progress(const char *what, size_t done, size_t total)
{
    if (total < 2 * PROGRESS_EVERY || !isatty(STDERR_FILENO))
        return;
    if (done % PROGRESS_EVERY == 0 || done == total)
        fprintf(stderr, "\r%s %zu of %zu%s", what, done, total, done == total ? "\n" : "");
}

/* --- comparing ------------------------------------------------------------------------------- */
struct comparison {
    struct apply *apply;
    enum object_kind kind;
    struct map stored; /* id to struct stored */
    enum err err;
};

static enum err keep_stored(struct comparison *comparison, const struct stored *stored)
{
    struct arena *arena = comparison->apply->arena;
    struct stored *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *copy = *stored;
    copy->id = arena_copy(arena, stored->id);
    copy->text = arena_copy(arena, stored->text);
    if (copy->id.ptr == NULL || copy->text.ptr == NULL)
        return ERR_NO_MEMORY;
    return map_put(&comparison->stored, copy->id, copy);
}

static bool on_stored(void *owner, const struct stored *stored)
{
    struct comparison *comparison = owner;
    struct apply *apply = comparison->apply;
    bool const wanted = map_get(&apply->documents->by_id[comparison->kind], stored->id) != NULL;
    if (wanted || (apply->prune && stored->from_file))
        comparison->err = keep_stored(comparison, stored);
    return comparison->err == ERR_OK;
}

/* One by one: a few of perhaps very many. */
static int get_each(struct comparison *comparison)
{
    struct apply *apply = comparison->apply;
    struct buf path;
    int code = EXIT_CODE_OK;
    buf_init(&path, PATH_BYTES_MAX);
    for (const struct document *it = apply->documents->first[comparison->kind];
         it != NULL && code == EXIT_CODE_OK && comparison->err == ERR_OK; it = it->next) {
        struct stored stored;
        buf_clear(&path);
        comparison->err = remote_path(&path, comparison->kind, it->id);
        if (comparison->err == ERR_OK)
            code = remote_call(&apply->remote, "GET", buf_view(&path), STR(""), STR(""));
        if (code != EXIT_CODE_OK || comparison->err != ERR_OK || apply->remote.status == 404)
            continue;
        if (apply->remote.status == 400) {
            file_problem(&apply->documents->problems, document_place(it, STR("id")), "%.*s",
                         STR_ARG(remote_complaint(&apply->remote, apply->arena, NULL)));
        } else if (apply->remote.status != 200) {
            command_complain(apply->remote.status, buf_view(&apply->remote.answer));
            code = command_exit_code(apply->remote.status);
        } else {
            comparison->err = stored_read(comparison->kind, buf_view(&apply->remote.answer),
                                          apply->arena, &stored);
            if (comparison->err == ERR_OK)
                comparison->err = keep_stored(comparison, &stored);
        }
    }
    buf_free(&path);
    return code;
}

static size_t count_of(const struct apply *apply, enum object_kind kind)
{
    return apply->documents->by_id[kind].count;
}

static enum err is_same(struct str one, struct str other, struct arena *arena, bool *same)
{
    struct buf first, second;
    buf_init(&first, (size_t)8 * OBJECT_TEXT_BYTES_MAX);
    buf_init(&second, (size_t)8 * OBJECT_TEXT_BYTES_MAX);
    enum err err = document_canonical(one, arena, &first);
    if (err == ERR_OK)
        err = document_canonical(other, arena, &second);
    *same = err == ERR_OK && str_eq(buf_view(&first), buf_view(&second));
    buf_free(&first);
    buf_free(&second);
    return err;
}

static enum err add_change(struct apply *apply, enum change_action action, enum object_kind kind,
                           const struct document *wanted, const struct stored *stored)
{
    struct change *change = arena_zalloc(apply->arena, sizeof *change);
    if (change == NULL)
        return ERR_NO_MEMORY;
    *change = (struct change){.action = action,
                              .kind = kind,
                              .id = wanted != NULL ? wanted->id : stored->id,
                              .wanted = wanted};
    if (stored != NULL) {
        change->before = stored->text;
        change->version = stored->version;
        change->was_runtime = !stored->from_file;
    }
    apply->counts[action]++;
    if (action == CHANGE_DELETE) {
        change->next = apply->deletes;
        apply->deletes = change;
        return map_put(&apply->deleted[kind], change->id, change);
    }
    *apply->end = change;
    apply->end = &change->next;
    return ERR_OK;
}

static enum err compare_stored(struct comparison *comparison)
{
    struct apply *apply = comparison->apply;
    struct arena *scratch = arena_new(COMPARE_ARENA_BYTES);
    enum err err = scratch != NULL ? ERR_OK : ERR_NO_MEMORY;
    for (const struct document *it = apply->documents->first[comparison->kind];
         it != NULL && err == ERR_OK; it = it->next) {
        const struct stored *stored = map_get(&comparison->stored, it->id);
        bool same = false;
        if (stored != NULL)
            err = is_same(it->text, stored->text, scratch, &same);
        arena_reset(scratch);
        if (err == ERR_OK && same)
            apply->unchanged++;
        else if (err == ERR_OK)
            err = add_change(apply, stored != NULL ? CHANGE_UPDATE : CHANGE_CREATE,
                             comparison->kind, it, stored);
    }
    size_t at = 0;
    for (const struct stored *it; err == ERR_OK && (it = map_next(&comparison->stored, &at));)
        if (map_get(&apply->documents->by_id[comparison->kind], it->id) == NULL)
            err = add_change(apply, CHANGE_DELETE, comparison->kind, NULL, it);
    arena_free(scratch);
    return err;
}

static int compare_kind(struct apply *apply, enum object_kind kind)
{
    struct comparison comparison = {.apply = apply, .kind = kind};
    int code = EXIT_CODE_OK;
    map_init(&comparison.stored);
    if (apply->prune || count_of(apply, kind) > LIST_FROM)
        code = remote_list(&apply->remote, kind, STR(""), on_stored, &comparison);
    else
        code = get_each(&comparison);
    if (code == EXIT_CODE_OK && comparison.err == ERR_OK)
        comparison.err = compare_stored(&comparison);
    map_free(&comparison.stored);
    if (comparison.err == ERR_OK)
        return code;
    cli_complain("%s: %s", object_kind_row(kind)->path, err_row(comparison.err)->text.ptr);
    return EXIT_CODE_FAILURE;
}

int apply_compare(struct apply *apply)
{
    enum object_kind kind;
    int code = EXIT_CODE_OK;
    for (size_t i = 0; code == EXIT_CODE_OK && document_kind_at(i, &kind); i++)
        code = compare_kind(apply, kind);
    *apply->end = apply->deletes; /* the kinds that others name come last */
    return code;
}

/* --- one write ------------------------------------------------------------------------------- */
/* A header's value: no line breaks. */
static enum err add_clean(struct buf *out, struct str text)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < text.len && err == ERR_OK; i++)
        err = buf_add_byte(out, (unsigned char)text.ptr[i] < 0x20 ? '?' : text.ptr[i]);
    return err;
}

static enum err add_headers(struct buf *out, const struct change *change, bool dry_run)
{
    const char *file = change->wanted != NULL && change->wanted->in != NULL
                           ? change->wanted->in->file
                           : "cota apply";
    enum err err = buf_add(out, STR("x-cota-origin: file\r\nx-cota-file: "));
    struct str const name = str_of(file);
    if (err == ERR_OK)
        err = add_clean(out, name.len < 200 ? name : str_skip(name, name.len - 200));
    if (err == ERR_OK && dry_run)
        err = buf_add(out, STR("\r\nx-cota-dry-run: 1"));
    if (err == ERR_OK && change->action == CHANGE_CREATE)
        return buf_add(out, STR("\r\nif-none-match: *\r\n"));
    return err == ERR_OK ? buf_printf(out, "\r\nif-match: \"%lld\"\r\n", (long long)change->version)
                         : err;
}

static int send_change(struct apply *apply, const struct change *change, bool dry_run)
{
    struct buf path, headers;
    int code = EXIT_CODE_FAILURE;
    bool const deletes = change->action == CHANGE_DELETE;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&headers, HEADERS_BYTES_MAX);
    if (remote_path(&path, change->kind, change->id) == ERR_OK &&
        add_headers(&headers, change, dry_run) == ERR_OK)
        code = remote_call(&apply->remote, deletes ? "DELETE" : "PUT", buf_view(&path),
                           buf_view(&headers), deletes ? STR("") : change->wanted->text);
    buf_free(&path);
    buf_free(&headers);
    return code;
}

static void tell_refusal(struct apply *apply, const struct change *change)
{
    struct str param;
    struct str const said = remote_complaint(&apply->remote, apply->arena, &param);
    struct file_place const place =
        change->wanted != NULL ? document_place(change->wanted, param) : (struct file_place){0};
    file_problem(&apply->documents->problems, place, "%.*s \"%.*s\": %.*s",
                 STR_ARG(object_kind_row(change->kind)->name), STR_ARG(change->id), STR_ARG(said));
}

static int refused(struct apply *apply, const struct change *change)
{
    int const code = command_exit_code(apply->remote.status);
    if (code == EXIT_CODE_OK)
        return code;
    tell_refusal(apply, change);
    return apply->remote.status == 412                              ? EXIT_CODE_CONFLICT
           : code == EXIT_CODE_USAGE || code == EXIT_CODE_NOT_FOUND ? EXIT_CODE_FAILURE
                                                                    : code;
}

/* --- checking -------------------------------------------------------------------------------- */
static const struct reference {
    enum object_kind from;
    const char *member;
    enum object_kind to;
} references[] = {
#define X(from, member, to) {OBJECT_##from, member, OBJECT_##to},
#include "admin/references.def"
#undef X
};
enum { REFERENCE_COUNT = sizeof references / sizeof references[0] };

static struct str member_of(struct apply *apply, struct str text, const char *name)
{
    struct json_object object;
    struct fault ignored = {0};
    char value[OBJECT_ID_BYTES_MAX + 1];
    size_t len;
    if (json_members(text, &object, &ignored) != ERR_OK ||
        !json_text(json_get(&object, str_of(name)), value, sizeof value, &len))
        return STR("");
    struct str const copy = arena_copy(apply->arena, str_make(value, len));
    return copy.ptr != NULL ? copy : STR("");
}

/* Will it be there when the files are applied? */
static int exists(struct apply *apply, enum object_kind kind, struct str id, bool *there)
{
    struct buf path;
    int code = EXIT_CODE_FAILURE;
    *there = map_get(&apply->documents->by_id[kind], id) != NULL;
    if (*there || map_get(&apply->deleted[kind], id) != NULL)
        return EXIT_CODE_OK;
    buf_init(&path, PATH_BYTES_MAX);
    if (remote_path(&path, kind, id) == ERR_OK)
        code = remote_call(&apply->remote, "GET", buf_view(&path), STR(""), STR(""));
    buf_free(&path);
    *there = code == EXIT_CODE_OK && apply->remote.status == 200;
    return code;
}

static int check_names(struct apply *apply, const struct document *document)
{
    int code = EXIT_CODE_OK;
    for (size_t i = 0; i < REFERENCE_COUNT && code == EXIT_CODE_OK; i++) {
        const struct reference *row = &references[i];
        if (row->from != document->kind)
            continue;
        struct str const id = member_of(apply, document->text, row->member);
        bool there = true;
        if (id.len > 0)
            code = exists(apply, row->to, id, &there);
        if (code == EXIT_CODE_OK && !there)
            file_problem(&apply->documents->problems, document_place(document, str_of(row->member)),
                         "%.*s \"%.*s\": there is no %.*s \"%.*s\"",
                         STR_ARG(object_kind_row(document->kind)->name), STR_ARG(document->id),
                         STR_ARG(object_kind_row(row->to)->name), STR_ARG(id));
    }
    return code;
}

struct naming {
    struct apply *apply;
    const struct change *change;
    const struct reference *row;
};

/* A stored document that names what is to be deleted: does it stay, and go on naming it? */
static bool on_naming(void *owner, const struct stored *stored)
{
    struct naming *naming = owner;
    struct apply *apply = naming->apply;
    const struct reference *row = naming->row;
    const struct document *wanted = map_get(&apply->documents->by_id[row->from], stored->id);
    bool const goes = map_get(&apply->deleted[row->from], stored->id) != NULL;
    if (goes || (wanted != NULL &&
                 !str_eq(member_of(apply, wanted->text, row->member), naming->change->id)))
        return true;
    file_problem(&apply->documents->problems, (struct file_place){0},
                 "%.*s \"%.*s\" cannot be deleted: %.*s \"%.*s\" still names it",
                 STR_ARG(object_kind_row(naming->change->kind)->name), STR_ARG(naming->change->id),
                 STR_ARG(object_kind_row(row->from)->name), STR_ARG(stored->id));
    return false;
}

static int check_delete(struct apply *apply, const struct change *change)
{
    int code = EXIT_CODE_OK;
    for (size_t i = 0; i < REFERENCE_COUNT && code == EXIT_CODE_OK; i++) {
        struct naming naming = {apply, change, &references[i]};
        struct buf query;
        if (references[i].to != change->kind)
            continue;
        buf_init(&query, PATH_BYTES_MAX);
        enum err err = buf_printf(&query, "&%s=", references[i].member);
        if (err == ERR_OK)
            err = control_encode(&query, change->id);
        code = err == ERR_OK ? remote_list(&apply->remote, references[i].from, buf_view(&query),
                                           on_naming, &naming)
                             : EXIT_CODE_FAILURE;
        buf_free(&query);
    }
    return code;
}

int apply_check(struct apply *apply)
{
    size_t const total =
        apply->counts[CHANGE_CREATE] + apply->counts[CHANGE_UPDATE] + apply->counts[CHANGE_DELETE];
    size_t done = 0;
    int worst = EXIT_CODE_OK;
    for (const struct change *it = apply->first; it != NULL; it = it->next) {
        size_t const before = apply->documents->problems.count;
        int code = it->wanted != NULL ? check_names(apply, it->wanted) : check_delete(apply, it);
        if (code == EXIT_CODE_OK)
            code = send_change(apply, it, true);
        if (code != EXIT_CODE_OK)
            return code; /* the daemon is gone */
        code = refused(apply, it);
        if (code == EXIT_CODE_OK && apply->documents->problems.count > before)
            code = it->wanted != NULL ? EXIT_CODE_FAILURE : EXIT_CODE_CONFLICT;
        worst = worst != EXIT_CODE_OK ? worst : code;
        progress("checked", ++done, total);
    }
    return worst;
}

/* --- writing --------------------------------------------------------------------------------- */
int apply_write(struct apply *apply)
{
    size_t const total =
        apply->counts[CHANGE_CREATE] + apply->counts[CHANGE_UPDATE] + apply->counts[CHANGE_DELETE];
    for (const struct change *it = apply->first; it != NULL; it = it->next) {
        int code = send_change(apply, it, false);
        if (code == EXIT_CODE_OK)
            code = refused(apply, it);
        if (code != EXIT_CODE_OK)
            return code;
        progress("written", ++apply->written, total);
    }
    return EXIT_CODE_OK;
}
