/* job_run.c - the work itself: sealing secrets anew, and many writes. */
#include "admin/ai_config.h"
#include "admin/jobs_int.h"
#include "admin/team_int.h"
#include "codec/json_merge.h"

enum { IDS_PER_PAGE = 64, RUN_ARENA_BYTES = 16 << 20 };

/* --- reseal ----------------------------------------------------------------------------------- */
/* Everything that `encryption_keys` seals. */
static const struct sealed {
    enum object_kind kind;
    enum err (*reseal)(struct admin_call *call, struct str id, bool *changed);
} sealed_kinds[] = {
    {OBJECT_AI_CONFIG, ai_config_reseal},
    {OBJECT_OPERATOR_SECRET, auth_totp_reseal},
};
enum { SEALED_KINDS = sizeof sealed_kinds / sizeof sealed_kinds[0] };

struct page {
    struct str ids[IDS_PER_PAGE];
    size_t count;
    struct arena *arena;
};

static bool keep_id(void *owner, const struct object *object)
{
    struct page *page = owner;
    struct str const id = arena_copy(page->arena, object->id);
    if (id.ptr != NULL)
        page->ids[page->count++] = id;
    return id.ptr != NULL && page->count < IDS_PER_PAGE;
}

static void reseal_one(struct job *job, const struct sealed *sealed, struct str id)
{
    struct arena *arena = arena_new(RUN_ARENA_BYTES);
    struct admin_call *call = arena != NULL ? arena_zalloc(arena, sizeof *call) : NULL;
    struct fault fault = {0};
    bool changed = false;
    fault_set(&fault, ERR_NO_MEMORY, "no memory for a key");
    if (call != NULL) {
        call->admin = job_admin(job);
        call->arena = arena;
        call->actor = (struct object_actor){.actor = str_of(job->actor),
                                            .reason = STR("encryption keys were rotated")};
        call->fault.code = sealed->reseal(call, id, &changed);
        fault = call->fault;
    }
    arena_free(arena);
    struct job_failure const failure = {-1, STR("update"), object_kind_row(sealed->kind)->name, id,
                                        &fault};
    if (fault.code == ERR_OK)
        job_did(job, changed);
    else
        job_failed(job, &failure);
}

/* False: the job shall not go on. */
static bool reseal_kind(struct job *job, const struct sealed *sealed)
{
    struct book *book = admin_options(job_admin(job))->book;
    struct arena *arena = arena_new(RUN_ARENA_BYTES);
    char after[OBJECT_ID_BYTES_MAX];
    size_t after_len = 0;
    bool goes_on = arena != NULL;
    while (goes_on) {
        struct page page = {.arena = arena};
        book_objects_each(book, sealed->kind, str_make(after, after_len), keep_id, &page);
        for (size_t i = 0; i < page.count && goes_on; i++) {
            reseal_one(job, sealed, page.ids[i]);
            goes_on = job_goes_on(job);
        }
        if (page.count == 0)
            break;
        struct str const last = page.ids[page.count - 1];
        memcpy(after, last.ptr, last.len);
        after_len = last.len;
        arena_reset(arena);
    }
    arena_free(arena);
    return goes_on;
}

static bool reseal(struct job *job)
{
    int64_t total = 0;
    for (size_t i = 0; i < SEALED_KINDS; i++)
        total +=
            (int64_t)book_object_count(admin_options(job_admin(job))->book, sealed_kinds[i].kind);
    job_total(job, total);
    for (size_t i = 0; i < SEALED_KINDS; i++)
        if (!reseal_kind(job, &sealed_kinds[i]))
            break;
    return !job_is_stopping(job);
}

/* --- bulk ------------------------------------------------------------------------------------- */
struct step {
    struct job *job;
    int64_t index;
    struct arena *arena;
    struct json_object members;
    struct str op, kind, id, document;
};

static struct str words(struct step *step, const char *name)
{
    struct str const value = json_get(&step->members, str_of(name));
    char text[OBJECT_ID_BYTES_MAX + 1];
    size_t len;
    if (!json_text(value, text, sizeof text, &len))
        return STR("");
    struct str const copy = arena_copy(step->arena, str_make(text, len));
    return copy.ptr != NULL ? copy : STR("");
}

static enum err kind_find(struct str name, enum object_kind *kind, struct fault *fault)
{
    for (int i = 0; i < OBJECT_KIND_COUNT; i++)
        if (str_eq(object_kind_row((enum object_kind)i)->name, name)) {
            *kind = (enum object_kind)i;
            return ERR_OK;
        }
    return fault_param(fault, ERR_FIELD_INVALID, "kind", "there is no such kind");
}

/* A new document says its id itself. */
static enum err with_id(struct step *step, struct fault *fault)
{
    struct buf patch, out;
    struct json_writer writer;
    buf_init(&patch, 8 * OBJECT_ID_BYTES_MAX);
    buf_init(&out, OBJECT_TEXT_BYTES_MAX);
    json_write_start(&writer, &patch);
    json_object_open(&writer);
    json_pair_text(&writer, "id", step->id);
    json_object_close(&writer);
    enum err err = json_write_end(&writer);
    if (err == ERR_OK)
        err = json_merge(step->document, buf_view(&patch), step->arena, &out);
    if (err == ERR_OK)
        step->document = arena_copy(step->arena, buf_view(&out));
    if (err == ERR_OK && step->document.ptr == NULL)
        err = ERR_NO_MEMORY;
    buf_free(&patch);
    buf_free(&out);
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "the document cannot be taken");
}

static enum err step_write(struct step *step, struct fault *fault)
{
    struct job *job = step->job;
    struct admin_write write = {
        .actor = {.actor = str_of(job->actor)},
        .local = job->local,
    };
    enum err err = kind_find(step->kind, &write.kind, fault);
    if (err != ERR_OK)
        return err;
    bool const creates = str_eq(step->op, STR("create"));
    bool const deletes = str_eq(step->op, STR("delete"));
    if (deletes != (step->document.ptr == NULL))
        return fault_param(fault, ERR_FIELD_INVALID, "document",
                           deletes ? "a deletion has none" : "it must be given");
    if (!creates && step->id.len == 0)
        return fault_param(fault, ERR_FIELD_INVALID, "id", "it must be given");
    if (creates && step->id.len > 0)
        err = with_id(step, fault);
    if (err != ERR_OK)
        return err;
    write.handler = creates ? "object_create" : deletes ? "object_delete" : "object_change";
    write.id = creates ? STR("") : step->id;
    write.body = deletes ? STR("") : step->document;
    return admin_write(job_admin(job), &write, fault);
}

static void step_run(struct step *step, struct str operation)
{
    struct fault fault = {0};
    enum err err = json_members(operation, &step->members, &fault);
    step->op = words(step, "op");
    step->kind = words(step, "kind");
    step->id = words(step, "id");
    step->document = json_get(&step->members, STR("document"));
    if (err == ERR_OK)
        err = step_write(step, &fault);
    struct job_failure const failure = {step->index, step->op, step->kind, step->id, &fault};
    fault.code = err;
    if (err == ERR_OK)
        job_did(step->job, true);
    else
        job_failed(step->job, &failure);
}

static bool bulk(struct job *job)
{
    struct str const operations = buf_view(&job->operations);
    struct arena *arena = arena_new(RUN_ARENA_BYTES);
    struct str operation;
    size_t at = 0;
    for (int64_t i = 0; arena != NULL && json_next(operations, &at, &operation); i++) {
        struct step *step = arena_zalloc(arena, sizeof *step);
        if (step == NULL)
            break;
        step->job = job;
        step->index = i;
        step->arena = arena;
        step_run(step, operation);
        arena_reset(arena);
        if (!job_goes_on(job))
            break;
    }
    arena_free(arena);
    return true;
}

bool job_run(struct job *job)
{
    return job->kind == JOB_RESEAL ? reseal(job) : bulk(job);
}
