/* jobs.c - the queue, its thread, and the documents that tell how far each job is. */
#include "admin/jobs_int.h"
#include "admin/objects_int.h"
#include "base/log.h"
#include "base/must.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/thread.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    SAVE_EVERY_US = 2000000,
    JOB_TEXT_BYTES_MAX = OBJECT_TEXT_BYTES_MAX,
    ERROR_BYTES_MAX = 200 << 10, /* of all errors of a job; well below a document's bound */
    ONE_ERROR_BYTES_MAX = 4 << 10,
    JOBS_KEPT_MAX = 1000, /* the oldest documents go first */
    LOAD_ARENA_BYTES = 64 << 20,
};

struct jobs {
    struct admin *admin;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list waiting;
    size_t waiting_count, bytes; /* bytes: of operations that wait or run */
    struct job *running;
    pthread_t thread;
    bool started, stopping;
};

static const char *const kind_names[] = {"reseal", "bulk"};
static const char *const status_names[] = {"queued", "running", "done", "failed", "cancelled"};

struct jobs *jobs_new(struct admin *admin)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return NULL;
    jobs->admin = admin;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->wake, NULL);
    list_init(&jobs->waiting);
    return jobs;
}

static void job_free(struct job *job)
{
    if (job->operations.ptr != NULL)
        secret_zero(job->operations.ptr, job->operations.len);
    buf_free(&job->operations);
    buf_free(&job->errors);
    free(job);
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    MUST(!jobs->started);
    while (!list_empty(&jobs->waiting)) {
        struct job *job = LIST_OWNER(jobs->waiting.next, struct job, link);
        list_remove(&job->link);
        job_free(job);
    }
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

static struct job *job_new(struct jobs *jobs, struct str id, enum job_kind kind)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    MUST(id.len == sizeof job->id);
    job->jobs = jobs;
    job->kind = kind;
    memcpy(job->id, id.ptr, id.len);
    memcpy(job->actor, "job:", 4);
    memcpy(job->actor + 4, id.ptr, id.len);
    job->actor[4 + id.len] = '\0';
    list_init(&job->link);
    buf_init(&job->operations, JOB_BODY_BYTES_MAX);
    buf_init(&job->errors, ERROR_BYTES_MAX);
    return job;
}

/* --- the document ----------------------------------------------------------------------------- */
/* Under the lock. */
static enum err put_job(const struct job *job, struct buf *out)
{
    struct json_writer writer;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_text(&writer, "kind", str_of(kind_names[job->kind]));
    json_pair_text(&writer, "status", str_of(status_names[job->status]));
    json_pair_i64(&writer, "total", job->total);
    json_pair_i64(&writer, "done", job->done);
    json_pair_i64(&writer, "failed", job->failed);
    json_pair_i64(&writer, "changed", job->changed);
    admin_put_instant(&writer, "started_at", job->started_us);
    admin_put_instant(&writer, "ended_at", job->ended_us);
    json_pair_text(&writer, "message", str_of(job->message));
    json_key(&writer, "errors");
    json_array_open(&writer);
    if (job->errors.len > 0)
        json_put_raw(&writer, buf_view(&job->errors));
    json_array_close(&writer);
    json_object_close(&writer);
    return json_write_end(&writer);
}

static int64_t now_us(const struct jobs *jobs)
{
    return clock_wall_us(admin_options(jobs->admin)->clock);
}

/* Puts the job as it is now into the book. Blocks on the disk. */
static enum err save(struct job *job, const struct object_actor *actor, int64_t expected,
                     struct fault *fault)
{
    struct buf text;
    uint32_t version;
    buf_init(&text, JOB_TEXT_BYTES_MAX);
    pthread_mutex_lock(&job->jobs->lock);
    enum err err = put_job(job, &text);
    pthread_mutex_unlock(&job->jobs->lock);
    struct object_change const change = {.kind = OBJECT_JOB,
                                         .id = str_make(job->id, sizeof job->id),
                                         .text = buf_view(&text),
                                         .expected = expected,
                                         .origin = ORIGIN_RUNTIME};
    if (err == ERR_OK)
        err = book_objects_put(admin_options(job->jobs->admin)->book, &change, 1, actor, &version,
                               fault);
    else
        fault_set(fault, err, "the job's document cannot be made");
    buf_free(&text);
    return err;
}

static void save_progress(struct job *job)
{
    struct fault fault = {0};
    struct object_actor const actor = {.actor = str_of(job->actor)};
    job->saved_us = now_us(job->jobs);
    if (save(job, &actor, OBJECT_ANY_VERSION, &fault) != ERR_OK)
        LOG(internal_error, field_text("reason", fault.detail));
}

struct str jobs_shown(struct jobs *jobs, struct arena *arena, struct str id, struct str text)
{
    struct buf out;
    const struct job *found = NULL;
    struct str shown = {0};
    buf_init(&out, JOB_TEXT_BYTES_MAX);
    pthread_mutex_lock(&jobs->lock);
    if (jobs->running != NULL && str_eq(str_make(jobs->running->id, ULID_TEXT_BYTES), id))
        found = jobs->running;
    if (found != NULL && put_job(found, &out) == ERR_OK)
        shown = arena_copy(arena, buf_view(&out));
    pthread_mutex_unlock(&jobs->lock);
    buf_free(&out);
    return found != NULL ? shown : text;
}

/* --- what the work tells ---------------------------------------------------------------------- */
struct admin *job_admin(const struct job *job)
{
    return job->jobs->admin;
}

bool job_is_stopping(struct job *job)
{
    pthread_mutex_lock(&job->jobs->lock);
    bool const stopping = job->jobs->stopping;
    pthread_mutex_unlock(&job->jobs->lock);
    return stopping;
}

bool job_goes_on(struct job *job)
{
    pthread_mutex_lock(&job->jobs->lock);
    bool const goes_on = !job->cancel && !job->jobs->stopping;
    pthread_mutex_unlock(&job->jobs->lock);
    if (goes_on && now_us(job->jobs) - job->saved_us >= SAVE_EVERY_US)
        save_progress(job);
    return goes_on;
}

void job_total(struct job *job, int64_t total)
{
    pthread_mutex_lock(&job->jobs->lock);
    job->total = total;
    pthread_mutex_unlock(&job->jobs->lock);
}

void job_did(struct job *job, bool changed)
{
    pthread_mutex_lock(&job->jobs->lock);
    job->done++;
    job->changed += changed;
    if (job->total < job->done + job->failed)
        job->total = job->done + job->failed; /* documents came while it ran */
    pthread_mutex_unlock(&job->jobs->lock);
}

static enum err put_failure(struct buf *out, const struct job_failure *failure)
{
    struct json_writer writer;
    const struct err_row *row = err_row(failure->fault->code);
    json_write_start(&writer, out);
    json_object_open(&writer);
    if (failure->index >= 0)
        json_pair_i64(&writer, "index", failure->index);
    json_pair_text(&writer, "op", failure->op);
    json_pair_text(&writer, "kind", failure->kind);
    json_pair_text(&writer, "id", failure->id);
    json_pair_text(&writer, "code", row->code);
    json_pair_text(&writer, "detail",
                   failure->fault->detail[0] ? str_of(failure->fault->detail) : row->text);
    if (failure->fault->param[0])
        json_pair_text(&writer, "param", str_of(failure->fault->param));
    json_object_close(&writer);
    return json_write_end(&writer);
}

void job_failed(struct job *job, const struct job_failure *failure)
{
    struct buf one;
    buf_init(&one, ONE_ERROR_BYTES_MAX);
    bool const good = put_failure(&one, failure) == ERR_OK;
    pthread_mutex_lock(&job->jobs->lock);
    job->failed++;
    if (job->total < job->done + job->failed)
        job->total = job->done + job->failed;
    if (good && job->error_count < JOB_ERRORS_MAX &&
        job->errors.len + one.len + 1 <= ERROR_BYTES_MAX) {
        enum err err = job->error_count > 0 ? buf_add_byte(&job->errors, ',') : ERR_OK;
        if (err == ERR_OK && buf_add(&job->errors, buf_view(&one)) == ERR_OK)
            job->error_count++;
    }
    pthread_mutex_unlock(&job->jobs->lock);
    buf_free(&one);
}

/* --- the thread ------------------------------------------------------------------------------- */
static struct job *next_job(struct jobs *jobs)
{
    struct job *job = NULL;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping && list_empty(&jobs->waiting))
        pthread_cond_wait(&jobs->wake, &jobs->lock);
    if (!jobs->stopping) {
        job = LIST_OWNER(jobs->waiting.next, struct job, link);
        list_remove(&job->link);
        jobs->waiting_count--;
        jobs->running = job;
        job->status = JOB_RUNNING;
        job->started_us = now_us(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

/* Cancelled, cut off by a stop, or at its end. */
static void conclude(struct job *job, bool whole)
{
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    bool const all = whole && job->done + job->failed >= job->total;
    job->ended_us = now_us(jobs);
    if (all) {
        job->status = job->failed > 0 && job->done == 0 ? JOB_FAILED : JOB_DONE;
    } else if (job->cancel) {
        job->status = JOB_CANCELLED;
        snprintf(job->message, sizeof job->message, "cancelled after %lld of %lld",
                 (long long)(job->done + job->failed), (long long)job->total);
    } else if (jobs->stopping && job->kind == JOB_RESEAL) {
        job->status = JOB_QUEUED; /* goes on at the next start */
        job->ended_us = 0;
    } else {
        job->status = JOB_FAILED;
        snprintf(job->message, sizeof job->message,
                 jobs->stopping ? "the daemon stopped after operation %lld of %lld; send the rest"
                                : "memory was short after operation %lld of %lld; send the rest",
                 (long long)(job->done + job->failed), (long long)job->total);
    }
    pthread_mutex_unlock(&jobs->lock);
}

static void run_job(struct jobs *jobs, struct job *job)
{
    save_progress(job);
    bool const whole = job_run(job);
    conclude(job, whole);
    save_progress(job);
    LOG(job_ended, field_str("id", str_make(job->id, sizeof job->id)),
        field_text("kind", kind_names[job->kind]), field_text("status", status_names[job->status]),
        field_int("done", job->done), field_int("failed", job->failed));
    pthread_mutex_lock(&jobs->lock);
    jobs->running = NULL;
    jobs->bytes -= job->operations.len;
    pthread_mutex_unlock(&jobs->lock);
    job_free(job);
}

static void *jobs_run(void *argument)
{
    struct jobs *jobs = argument;
    struct job *job;
    thread_name("jobs");
    while ((job = next_job(jobs)) != NULL)
        run_job(jobs, job);
    return NULL;
}

/* --- after a restart -------------------------------------------------------------------------- */
struct loading {
    struct arena *arena;
    struct str *ids;
    size_t count, room;
};

static bool keep_id(void *owner, const struct object *object)
{
    struct loading *loading = owner;
    if (loading->count < loading->room)
        loading->ids[loading->count] = arena_copy(loading->arena, object->id);
    if (loading->count < loading->room && loading->ids[loading->count].ptr != NULL)
        loading->count++;
    return true;
}

static bool member_is(const struct json_object *members, const char *name, const char *value)
{
    struct str text;
    return json_plain_text(json_get(members, str_of(name)), &text) && str_eq(text, str_of(value));
}

static void member_i64(const struct json_object *members, const char *name, int64_t *number)
{
    if (!json_i64(json_get(members, str_of(name)), number))
        *number = 0;
}

/* What was left behind by the process before. */
static void take_up(struct jobs *jobs, struct str id, struct str text)
{
    struct json_object members;
    struct fault ignored = {0};
    if (json_members(text, &members, &ignored) != ERR_OK || id.len != ULID_TEXT_BYTES ||
        (!member_is(&members, "status", "queued") && !member_is(&members, "status", "running")))
        return;
    bool const again = member_is(&members, "kind", "reseal");
    struct job *job = job_new(jobs, id, again ? JOB_RESEAL : JOB_BULK);
    if (job == NULL) {
        LOG(internal_error, field_text("reason", "no memory for a job"));
        return;
    }
    if (again) {
        list_push(&jobs->waiting, &job->link);
        jobs->waiting_count++;
        return;
    }
    member_i64(&members, "total", &job->total);
    member_i64(&members, "done", &job->done);
    member_i64(&members, "failed", &job->failed);
    job->changed = job->done;
    job->status = JOB_FAILED;
    job->ended_us = now_us(jobs);
    snprintf(
        job->message, sizeof job->message,
        "the daemon ended while it ran: at least %lld of %lld operations were carried out; the "
        "audit trail of %s has each",
        (long long)(job->done + job->failed), (long long)job->total, job->actor);
    save_progress(job);
    job_free(job);
}

static enum err load(struct jobs *jobs, struct fault *fault)
{
    struct book *book = admin_options(jobs->admin)->book;
    struct arena *arena = arena_new(LOAD_ARENA_BYTES);
    struct loading loading = {.arena = arena, .room = book_object_count(book, OBJECT_JOB)};
    if (arena != NULL)
        loading.ids = arena_alloc(arena, (loading.room + 1) * sizeof *loading.ids);
    if (arena == NULL || loading.ids == NULL) {
        arena_free(arena);
        return fault_set(fault, ERR_NO_MEMORY, "no memory for jobs");
    }
    book_objects_each(book, OBJECT_JOB, STR(""), keep_id, &loading);
    for (size_t i = 0; i < loading.count; i++) {
        struct object object;
        if (book_object_get(book, OBJECT_JOB, loading.ids[i], arena, &object))
            take_up(jobs, object.id, object.text);
    }
    arena_free(arena);
    return ERR_OK;
}

enum err admin_jobs_start(struct admin *admin, struct fault *fault)
{
    struct jobs *jobs = admin_jobs(admin);
    enum err const err = load(jobs, fault);
    if (err != ERR_OK)
        return err;
    int const result = pthread_create(&jobs->thread, NULL, jobs_run, jobs);
    jobs->started = result == 0;
    return result == 0 ? ERR_OK
                       : fault_set(fault, ERR_NO_MEMORY, "a thread cannot be started: %s",
                                   strerror(result));
}

void admin_jobs_stop(struct admin *admin)
{
    struct jobs *jobs = admin != NULL ? admin_jobs(admin) : NULL;
    if (jobs == NULL || !jobs->started)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    pthread_join(jobs->thread, NULL);
    jobs->started = false;
}

/* --- handlers --------------------------------------------------------------------------------- */
/* Room in the list for one more document. */
static void forget_oldest(struct admin_call *call)
{
    struct book *book = admin_options(call->admin)->book;
    while (book_object_count(book, OBJECT_JOB) >= JOBS_KEPT_MAX) {
        struct str id = {0};
        struct loading oldest = {.arena = call->arena, .ids = &id, .room = 1};
        uint32_t version;
        struct fault fault = {0};
        book_objects_each(book, OBJECT_JOB, STR(""), keep_id, &oldest);
        struct object_change const change = {.kind = OBJECT_JOB, .id = id};
        if (id.ptr == NULL ||
            book_objects_put(book, &change, 1, &call->actor, &version, &fault) != ERR_OK)
            return;
    }
}

static enum err answer(struct admin_call *call, struct json_writer *writer, struct str id)
{
    struct object object;
    enum err const err = object_load(call, OBJECT_JOB, id, &object);
    if (err != ERR_OK)
        return err;
    return object_put(call, writer, &object);
}

static size_t count_operations(struct str operations)
{
    size_t count = 0, at = 0;
    struct str element;
    while (json_next(operations, &at, &element))
        count++;
    return count;
}

/* Under the lock: is there room for it? */
static enum err queue(struct jobs *jobs, struct job *job, struct fault *fault)
{
    if (jobs->waiting_count >= JOBS_WAITING_MAX ||
        jobs->bytes + job->operations.len > JOB_BYTES_MAX)
        return fault_set(fault, ERR_OVERLOADED, "too many jobs wait already");
    list_push(&jobs->waiting, &job->link);
    jobs->waiting_count++;
    jobs->bytes += job->operations.len;
    pthread_cond_signal(&jobs->wake);
    return ERR_OK;
}

static struct str fresh_id(struct admin_call *call)
{
    struct random random;
    uint64_t seed;
    char text[ULID_TEXT_BYTES];
    random_secret(&seed, sizeof seed);
    random_seed(&random, seed);
    ulid_text(ulid_make(&random, clock_wall_us(admin_options(call->admin)->clock)), text);
    return arena_copy(call->arena, str_make(text, sizeof text));
}

static enum err job_of_body(struct admin_call *call, struct job **made)
{
    struct jobs *jobs = admin_jobs(call->admin);
    struct str const operations = json_get(&call->object, STR("operations"));
    struct str kind;
    enum err err = admin_body_text(call, "kind", true, &kind);
    if (err != ERR_OK)
        return err;
    bool const bulk = str_eq(kind, STR("bulk"));
    if (bulk != (json_type(operations) == JSON_ARRAY))
        return fault_param(&call->fault, ERR_FIELD_INVALID, "operations",
                           bulk ? "a bulk job needs them" : "only a bulk job has them");
    if (!bulk && !own_keys_has_ring(admin_options(call->admin)->own_keys))
        return fault_param(&call->fault, ERR_CONFLICT, "kind",
                           "no encryption_keys are configured: nothing is sealed");
    struct str const id = fresh_id(call);
    struct job *job = id.ptr != NULL ? job_new(jobs, id, bulk ? JOB_BULK : JOB_RESEAL) : NULL;
    if (job == NULL)
        return ERR_NO_MEMORY;
    job->local = call->local;
    job->total = bulk ? (int64_t)count_operations(operations) : 0;
    if (bulk && buf_add(&job->operations, operations) != ERR_OK) {
        job_free(job);
        return ERR_TOO_LARGE;
    }
    *made = job;
    return ERR_OK;
}

enum err job_create(struct admin_call *call, struct json_writer *writer)
{
    struct jobs *jobs = admin_jobs(call->admin);
    struct job *job = NULL;
    enum err err = job_of_body(call, &job);
    if (err != ERR_OK)
        return err;
    struct str const id = arena_copy(call->arena, str_make(job->id, sizeof job->id));
    forget_oldest(call);
    err = id.ptr != NULL ? save(job, &call->actor, OBJECT_ABSENT, &call->fault) : ERR_NO_MEMORY;
    if (err == ERR_OK) {
        pthread_mutex_lock(&jobs->lock);
        err = queue(jobs, job, &call->fault);
        pthread_mutex_unlock(&jobs->lock);
    }
    if (err == ERR_OK) {
        call->status = 202;
        return answer(call, writer, id);
    }
    if (err == ERR_OVERLOADED) { /* its document says so too */
        job->status = JOB_FAILED;
        job->ended_us = now_us(jobs);
        snprintf(job->message, sizeof job->message, "too many jobs waited");
        save_progress(job);
    }
    job_free(job);
    return err;
}

/* Out of those that wait; NULL: it is not among them. */
static struct job *unqueue(struct jobs *jobs, struct str id)
{
    for (struct list *link = jobs->waiting.next; link != &jobs->waiting; link = link->next) {
        struct job *job = LIST_OWNER(link, struct job, link);
        if (!str_eq(str_make(job->id, sizeof job->id), id))
            continue;
        list_remove(&job->link);
        jobs->waiting_count--;
        jobs->bytes -= job->operations.len;
        return job;
    }
    return NULL;
}

enum err job_cancel(struct admin_call *call, struct json_writer *writer)
{
    struct jobs *jobs = admin_jobs(call->admin);
    struct str const id = call->params[0];
    pthread_mutex_lock(&jobs->lock);
    struct job *job = unqueue(jobs, id);
    bool const runs = jobs->running != NULL && jobs->running->status == JOB_RUNNING &&
                      str_eq(str_make(jobs->running->id, sizeof jobs->running->id), id);
    if (runs)
        jobs->running->cancel = true;
    if (job != NULL) {
        job->status = JOB_CANCELLED;
        job->ended_us = now_us(jobs);
        snprintf(job->message, sizeof job->message, "cancelled before it began");
    }
    pthread_mutex_unlock(&jobs->lock);
    enum err err = ERR_OK;
    if (job != NULL) {
        err = save(job, &call->actor, OBJECT_ANY_VERSION, &call->fault);
        job_free(job);
    }
    struct object object;
    if (err == ERR_OK)
        err = object_load(call, OBJECT_JOB, id, &object);
    if (err == ERR_OK && job == NULL && !runs)
        err = fault_set(&call->fault, ERR_CONFLICT, "it has ended already");
    return err == ERR_OK ? object_put(call, writer, &object) : err;
}
