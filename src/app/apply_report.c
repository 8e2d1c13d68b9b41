/* apply_report.c - lines for people, one object for programs. */
#include "app/apply_report.h"
#include "app/document_diff.h"
#include <stdio.h>

enum { REPORT_BYTES_MAX = 1 << 30, DIFF_ARENA_BYTES = 64 << 20 };

static const char *const verbs[CHANGE_COUNT] = {"create", "update", "delete"};
static const char *const counted[CHANGE_COUNT] = {"created", "updated", "deleted"};

struct report {
    struct buf out;
    struct json_writer writer;
    struct arena *arena; /* of one diff */
    enum err err;
};

static struct str text_after(const struct change *change)
{
    return change->wanted != NULL ? change->wanted->text : STR("");
}

static struct file_place place_of(const struct change *change)
{
    return change->wanted != NULL ? document_place(change->wanted, STR(""))
                                  : (struct file_place){0};
}

/* --- for people ------------------------------------------------------------------------------ */
static bool print_member(void *owner, struct str member, const struct str *before,
                         const struct str *after)
{
    struct report *report = owner;
    if (report->err == ERR_OK && before != NULL)
        report->err = buf_printf(&report->out, "-%.*s: %.*s\n", STR_ARG(member), STR_ARG(*before));
    if (report->err == ERR_OK && after != NULL)
        report->err = buf_printf(&report->out, "+%.*s: %.*s\n", STR_ARG(member), STR_ARG(*after));
    return report->err == ERR_OK;
}

static enum err print_diff(struct report *report, const struct change *change)
{
    struct str const kind = object_kind_row(change->kind)->name;
    struct file_place const place = place_of(change);
    if (change->version > 0)
        report->err = buf_printf(&report->out, "--- %.*s/%.*s version %lld\n", STR_ARG(kind),
                                 STR_ARG(change->id), (long long)change->version);
    else
        report->err = buf_add(&report->out, STR("--- /dev/null\n"));
    if (report->err == ERR_OK && place.file != NULL)
        report->err = buf_printf(&report->out, "+++ %.*s/%.*s %s:%u:%u\n", STR_ARG(kind),
                                 STR_ARG(change->id), place.file, place.line, place.column);
    else if (report->err == ERR_OK)
        report->err = buf_add(&report->out, change->wanted != NULL ? STR("+++ imported\n")
                                                                   : STR("+++ /dev/null\n"));
    enum err const err =
        document_diff(change->before, text_after(change), report->arena, print_member, report);
    arena_reset(report->arena);
    return err != ERR_OK ? err : report->err;
}

static enum err print_change(struct report *report, const struct change *change, bool diff)
{
    struct file_place const place = place_of(change);
    if (diff)
        return print_diff(report, change);
    enum err err = buf_printf(&report->out, "%s %.*s \"%.*s\"", verbs[change->action],
                              STR_ARG(object_kind_row(change->kind)->name), STR_ARG(change->id));
    if (err == ERR_OK && place.file != NULL)
        err = buf_printf(&report->out, " (%s:%u:%u)", place.file, place.line, place.column);
    if (err == ERR_OK && change->action == CHANGE_UPDATE && change->was_runtime)
        err = buf_add(&report->out, STR(": it was made over the API, the file takes it over"));
    return err == ERR_OK ? buf_add_byte(&report->out, '\n') : err;
}

static int print_problems(const struct file_problems *problems)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    if (file_problems_text(problems, &out) == ERR_OK)
        fprintf(stderr, "%.*s", STR_ARG(buf_view(&out)));
    buf_free(&out);
    return EXIT_CODE_FAILURE;
}

static enum err print_all(struct report *report, const struct apply *apply,
                          const struct apply_said *said, int code)
{
    enum err err = ERR_OK;
    size_t left = said->dry_run ? SIZE_MAX : apply->written;
    for (const struct change *it = apply->first; it != NULL && err == ERR_OK && left > 0;
         it = it->next, left--)
        err = print_change(report, it, said->diff);
    if (err == ERR_OK && code != EXIT_CODE_OK && !said->dry_run)
        return buf_printf(&report->out, "%zu of %zu changes were written\n", apply->written,
                          apply->counts[CHANGE_CREATE] + apply->counts[CHANGE_UPDATE] +
                              apply->counts[CHANGE_DELETE]);
    return err != ERR_OK ? err
                         : buf_printf(&report->out,
                                      "%s%zu created, %zu updated, %zu unchanged, %zu deleted\n",
                                      said->dry_run ? "dry run, nothing is written: " : "",
                                      apply->counts[CHANGE_CREATE], apply->counts[CHANGE_UPDATE],
                                      apply->unchanged, apply->counts[CHANGE_DELETE]);
}

/* --- for programs ---------------------------------------------------------------------------- */
static void put_place(struct json_writer *writer, struct file_place place)
{
    if (place.file == NULL)
        return;
    json_pair_text(writer, "file", str_of(place.file));
    json_pair_i64(writer, "line", place.line);
    json_pair_i64(writer, "column", place.column);
}

void problems_put(struct json_writer *writer, const struct file_problems *problems)
{
    json_key(writer, "problems");
    json_array_open(writer);
    for (const struct file_problem *it = problems->first; it != NULL; it = it->next) {
        json_object_open(writer);
        put_place(writer, it->place);
        json_pair_text(writer, "message", it->text);
        json_object_close(writer);
    }
    json_array_close(writer);
}

static bool put_member(void *owner, struct str member, const struct str *before,
                       const struct str *after)
{
    struct json_writer *writer = owner;
    json_object_open(writer);
    json_pair_text(writer, "member", member);
    json_key(writer, "before");
    json_put_raw(writer, before != NULL ? *before : STR(""));
    json_key(writer, "after");
    json_put_raw(writer, after != NULL ? *after : STR(""));
    json_object_close(writer);
    return true;
}

static enum err put_change(struct report *report, const struct change *change, bool diff)
{
    struct json_writer *writer = &report->writer;
    enum err err = ERR_OK;
    json_object_open(writer);
    json_pair_text(writer, "action", str_of(verbs[change->action]));
    json_pair_text(writer, "kind", object_kind_row(change->kind)->name);
    json_pair_text(writer, "id", change->id);
    put_place(writer, place_of(change));
    if (change->version > 0)
        json_pair_bool(writer, "was_runtime", change->was_runtime);
    if (diff) {
        json_key(writer, "diff");
        json_array_open(writer);
        err = document_diff(change->before, text_after(change), report->arena, put_member, writer);
        json_array_close(writer);
        arena_reset(report->arena);
    }
    json_object_close(writer);
    return err;
}

static enum err put_all(struct report *report, const struct apply *apply,
                        const struct apply_said *said)
{
    struct json_writer *writer = &report->writer;
    enum err err = ERR_OK;
    json_write_start(writer, &report->out);
    json_object_open(writer);
    json_pair_bool(writer, "dry_run", said->dry_run);
    for (int action = 0; action < CHANGE_COUNT; action++)
        json_pair_i64(writer, counted[action], (int64_t)apply->counts[action]);
    json_pair_i64(writer, "unchanged", (int64_t)apply->unchanged);
    json_pair_i64(writer, "written", (int64_t)apply->written);
    json_key(writer, "changes");
    json_array_open(writer);
    for (const struct change *it = apply->first; it != NULL && err == ERR_OK; it = it->next)
        err = put_change(report, it, said->diff);
    json_array_close(writer);
    problems_put(writer, &apply->documents->problems);
    json_object_close(writer);
    enum err const written = json_write_end(writer);
    return err != ERR_OK ? err : written != ERR_OK ? written : buf_add_byte(&report->out, '\n');
}

/* --- both ------------------------------------------------------------------------------------ */
int problems_report(const struct file_problems *problems, bool json)
{
    struct buf out;
    struct json_writer writer;
    if (!json)
        return print_problems(problems);
    buf_init(&out, REPORT_BYTES_MAX);
    json_write_start(&writer, &out);
    json_object_open(&writer);
    problems_put(&writer, problems);
    json_object_close(&writer);
    enum err err = json_write_end(&writer);
    if (err == ERR_OK)
        err = buf_add_byte(&out, '\n');
    (void)cli_print(&out, err);
    return EXIT_CODE_FAILURE;
}

int apply_report(const struct apply *apply, const struct apply_said *said, int code)
{
    struct report report = {.arena = arena_new(DIFF_ARENA_BYTES)};
    buf_init(&report.out, REPORT_BYTES_MAX);
    enum err err = report.arena == NULL ? ERR_NO_MEMORY
                   : said->json         ? put_all(&report, apply, said)
                                        : print_all(&report, apply, said, code);
    arena_free(report.arena);
    int const printed = cli_print(&report.out, err);
    if (!said->json && apply->documents->problems.count > 0)
        print_problems(&apply->documents->problems);
    return code != EXIT_CODE_OK ? code : printed;
}

static int apply_run(struct apply *apply, const struct apply_said *said)
{
    int code = apply_compare(apply);
    if (code != EXIT_CODE_OK)
        return code;
    if (apply->documents->problems.count == 0)
        code = apply_check(apply);
    else
        code = EXIT_CODE_FAILURE;
    if (code == EXIT_CODE_OK && !said->dry_run)
        code = apply_write(apply);
    return apply_report(apply, said, code);
}

int documents_apply(const struct invocation *invocation, struct documents *documents,
                    const struct apply_said *said, bool prune)
{
    struct apply apply;
    int code = EXIT_CODE_USAGE;
    if (apply_open(&apply, invocation, documents, prune))
        code = apply_run(&apply, said);
    apply_close(&apply);
    documents_free(documents);
    return code;
}
