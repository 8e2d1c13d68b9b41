/* project.c - the projector's thread: gathers durable records, writes them as one transaction.
 *
 * Exactly once: rows, hold rows and the journal position are committed together. Whatever fails,
 * the transaction is rolled back, what we remember of live holds is read again from rows and
 *        journal, and the batch is tried again; meanwhile the journal just grows.
 * Only durable records are projected: after a power failure the database may have kept what the
 * journal has lost, and then nobody could tell which numbers had been given out twice.
 */
#include "base/log.h"
#include "base/must.h"
#include "base/thread.h"
#include "book/project_int.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

struct projector {
    struct book *book;
    struct store *store;
    struct journal *journal;
    struct live_holds holds;
    struct batch_sums sums;
    bool stale; /* holds must be read again */
    int64_t forgot_us;
    int retry_ms;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done; /* somebody wants it now; a batch has ended */
    uint64_t flush_lsn;
    bool stopping;
    const struct project_listener *_Atomic listener;

    _Atomic uint64_t applied_lsn, batches, rows, failures;
    _Atomic bool healthy;
};

static struct timespec in_ms(int64_t ms)
{
    int64_t const at_us = clock_mono_us(clock_system()) + ms * 1000;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

/* --- what is live at the position --- */

struct tracking {
    struct live_holds *holds;
    uint64_t applied;
    struct fault *fault;
    enum err err;
};

static bool track_row(void *owner, const struct hold_row *row)
{
    struct tracking *tracking = owner;
    struct ulid id;
    if (!ulid_parse(row->id, &id))
        tracking->err =
            fault_set(tracking->fault, ERR_CORRUPT, "projection: hold %.*s", STR_ARG(row->id));
    else
        tracking->err = live_holds_stored(tracking->holds, id, row->record);
    return tracking->err == ERR_OK;
}

/* Only what changes which holds are live. A RESERVE whose hold is a row already comes again when
 * the replay starts at a change of an even older row. */
static bool track_record(void *owner, const struct journal_record *record)
{
    struct tracking *tracking = owner;
    struct record_reserve reserve;
    struct record_progress progress;
    struct record_end end;
    if (record->lsn > tracking->applied)
        return false;
    if (record->type == RECORD_RESERVE && record_reserve_decode(record->payload, &reserve)) {
        if (!live_holds_known(tracking->holds, reserve.id))
            tracking->err = live_holds_begin(tracking->holds, reserve.id, record->lsn,
                                             record->at_us, record->payload);
    } else if ((record->type == RECORD_DISPATCH || record->type == RECORD_PROGRESS) &&
               record_progress_decode(record->payload, &progress)) {
        live_holds_progress(tracking->holds, &progress, record->type == RECORD_DISPATCH,
                            record->lsn, record->at_us);
    } else if ((record->type == RECORD_SETTLE || record->type == RECORD_RELEASE ||
                record->type == RECORD_EXPIRE) &&
               record_end_decode((enum record_type)record->type, record->payload, &end)) {
        (void)live_holds_end(tracking->holds, end.id); /* its row went in the same transaction */
    }
    return tracking->err == ERR_OK;
}

static enum err tracking_load(struct projector *projector, struct fault *fault)
{
    struct store_position position = {0};
    struct tracking tracking = {.holds = &projector->holds, .fault = fault};
    live_holds_free(&projector->holds);
    enum err err = projector->store->ops->position(projector->store, &position, fault);
    tracking.applied = position.applied_lsn;
    if (err == ERR_OK)
        err = projector->store->ops->holds(projector->store, track_row, &tracking, fault);
    if (err == ERR_OK)
        err = tracking.err;
    if (err == ERR_OK)
        err = journal_replay(projector->journal, position.recover_lsn, track_record, &tracking,
                             fault);
    if (err == ERR_OK)
        err = tracking.err;
    if (err != ERR_OK)
        return fault_set(fault, err, "projection: live holds");
    projector->applied_lsn = position.applied_lsn;
    projector->stale = false;
    return ERR_OK;
}

/* --- one batch --- */

static const struct project_listener *listener_of(const struct projector *projector)
{
    const struct project_listener *listener = projector->listener;
    return listener != NULL && listener->wants(listener->owner) ? listener : NULL;
}

static enum err batch_write(struct projector *projector, struct batch *batch)
{
    struct store *store = projector->store;
    struct fault *fault = batch->fault;
    enum err err =
        journal_replay(projector->journal, batch->applied + 1, batch_record, batch, fault);
    if (err == ERR_OK)
        err = batch->err;
    if (err == ERR_OK)
        err = batch_sums_write(&projector->sums, store, fault);
    if (err == ERR_OK)
        err = live_holds_write(&projector->holds, store, batch->at_us - HOLD_LONG_US, fault);
    bool const forget = batch->at_us - projector->forgot_us >= BATCH_FORGET_US;
    if (err == ERR_OK && forget)
        err = store->ops->forget(store, batch->at_us, fault);
    struct store_position const position = {
        .applied_lsn = batch->applied,
        .recover_lsn = live_holds_recover_lsn(&projector->holds, batch->applied + 1),
    };
    if (err == ERR_OK)
        err = store->ops->commit(store, position, fault);
    if (err != ERR_OK)
        return err;
    if (forget)
        projector->forgot_us = batch->at_us;
    journal_trim(projector->journal, position.recover_lsn);
    return ERR_OK;
}

static enum err batch_run(struct projector *projector, struct batch *batch)
{
    struct store *store = projector->store;
    enum err err = projector->stale ? tracking_load(projector, batch->fault) : ERR_OK;
    batch->applied = projector->applied_lsn;
    if (err == ERR_OK)
        err = store->ops->begin(store, batch->fault);
    if (err != ERR_OK)
        return err;
    err = batch_write(projector, batch);
    if (err != ERR_OK) {
        store->ops->rollback(store);
        projector->stale = true;
    }
    if (batch->listener != NULL)
        (err == ERR_OK ? batch->listener->committed
                       : batch->listener->rolled_back)(batch->listener->owner);
    batch_sums_clear(&projector->sums);
    return err;
}

/* Everything durable, in one or more batches; false when the store refused. */
static bool batches_run(struct projector *projector)
{
    uint64_t const until = journal_synced_lsn(projector->journal);
    while (projector->applied_lsn < until) {
        struct fault fault = {.code = ERR_OK};
        struct batch batch = {
            .book = projector->book,
            .store = projector->store,
            .holds = &projector->holds,
            .sums = &projector->sums,
            .listener = listener_of(projector),
            .until = until,
            .fault = &fault,
        };
        if (batch_run(projector, &batch) != ERR_OK) {
            projector->failures++;
            projector->healthy = false;
            LOG(projection_failed, field_str("reason", str_of(fault.detail)),
                field_int("applied_lsn", (int64_t)projector->applied_lsn));
            return false;
        }
        projector->batches++;
        projector->rows += batch.rows;
        if (!projector->healthy && batch.applied >= until)
            LOG(projection_caught_up, field_int("applied_lsn", (int64_t)batch.applied));
        projector->healthy = projector->healthy || batch.applied >= until;
        pthread_mutex_lock(&projector->mutex);
        projector->applied_lsn = batch.applied;
        pthread_cond_broadcast(&projector->done);
        pthread_mutex_unlock(&projector->mutex);
    }
    return true;
}

/* --- the thread --- */

/* Waits until it is worth writing: rest, many records, the time is over, or somebody asks. */
static void batch_gather(struct projector *projector)
{
    int64_t const deadline_us = clock_mono_us(clock_system()) + BATCH_GATHER_MS * 1000;
    uint64_t last = 0;
    pthread_mutex_lock(&projector->mutex);
    for (;;) {
        uint64_t const applied = projector->applied_lsn;
        uint64_t const now_last = journal_last_lsn(projector->journal);
        uint64_t const synced = journal_synced_lsn(projector->journal);
        bool const quiet = now_last == last && synced == now_last;
        bool const asked = projector->stopping || projector->flush_lsn > applied;
        if (synced > applied && (quiet || asked || synced - applied >= BATCH_RECORDS_MAX ||
                                 clock_mono_us(clock_system()) >= deadline_us))
            break;
        if (projector->stopping && synced <= applied)
            break;
        last = now_last;
        struct timespec const at = in_ms(BATCH_QUIET_MS);
        pthread_cond_timedwait(&projector->wake, &projector->mutex, &at);
        if (synced <= applied && clock_mono_us(clock_system()) >= deadline_us)
            break; /* the journal has failed: nothing becomes durable any more */
    }
    pthread_mutex_unlock(&projector->mutex);
}

/* False: time to go. */
static bool retry_wait(struct projector *projector)
{
    struct timespec const at = in_ms(projector->retry_ms);
    projector->retry_ms =
        2 * projector->retry_ms < BATCH_RETRY_MS_MAX ? 2 * projector->retry_ms : BATCH_RETRY_MS_MAX;
    pthread_mutex_lock(&projector->mutex);
    int result = 0;
    while (!projector->stopping && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&projector->wake, &projector->mutex, &at);
    bool const stopping = projector->stopping;
    pthread_mutex_unlock(&projector->mutex);
    return !stopping;
}

static bool stopping(struct projector *projector)
{
    pthread_mutex_lock(&projector->mutex);
    bool const is = projector->stopping;
    pthread_mutex_unlock(&projector->mutex);
    return is;
}

static void *projector_thread(void *owner)
{
    struct projector *projector = owner;
    projector->retry_ms = BATCH_RETRY_MS;
    thread_name("projector");
    (void)setpriority(PRIO_PROCESS, 0, PROJECTOR_NICE); /* this thread alone, on Linux */
    while (!stopping(projector)) {
        if (!journal_wait(projector->journal, projector->applied_lsn, BATCH_IDLE_MS))
            continue;
        batch_gather(projector);
        if (batches_run(projector))
            projector->retry_ms = BATCH_RETRY_MS;
        else if (!retry_wait(projector))
            break;
    }
    (void)batches_run(
        projector); /* a store that refuses now: the journal keeps it for the next start */
    return NULL;
}

enum err projector_start(struct book *book, struct store *store, struct projector **projector,
                         struct fault *fault)
{
    *projector = NULL;
    struct projector *made = calloc(1, sizeof *made);
    if (made == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "projection: no memory");
    made->book = book;
    made->store = store;
    made->journal = book->journal;
    made->healthy = true;
    batch_sums_init(&made->sums);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->wake, &monotonic);
    pthread_cond_init(&made->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum err err = tracking_load(made, fault);
    if (err == ERR_OK) {
        sigset_t all, before; /* signals belong to the main thread */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        if (pthread_create(&made->thread, NULL, projector_thread, made) != 0)
            err = fault_set(fault, ERR_NO_MEMORY, "projection: no thread");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (err == ERR_OK) {
        *projector = made;
        return ERR_OK;
    }
    live_holds_free(&made->holds);
    pthread_cond_destroy(&made->wake);
    pthread_cond_destroy(&made->done);
    pthread_mutex_destroy(&made->mutex);
    free(made);
    return err;
}

bool projector_flush(struct projector *projector, int timeout_ms)
{
    struct timespec const at = in_ms(timeout_ms);
    uint64_t const target = journal_last_lsn(projector->journal);
    if (journal_sync(projector->journal, target) != ERR_OK)
        return false;
    int result = 0;
    pthread_mutex_lock(&projector->mutex);
    if (target > projector->flush_lsn)
        projector->flush_lsn = target;
    pthread_cond_broadcast(&projector->wake);
    while (projector->applied_lsn < target && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&projector->done, &projector->mutex, &at);
    bool const there = projector->applied_lsn >= target;
    pthread_mutex_unlock(&projector->mutex);
    return there;
}

void projector_listen(struct projector *projector, const struct project_listener *listener)
{
    projector->listener = listener;
}

void projector_figures(const struct projector *projector, struct projector_figures *figures)
{
    uint64_t const last = journal_last_lsn(projector->journal), applied = projector->applied_lsn;
    *figures = (struct projector_figures){
        .applied_lsn = applied,
        .lag_records = last > applied ? last - applied : 0,
        .batches = projector->batches,
        .rows = projector->rows,
        .failures = projector->failures,
        .healthy = projector->healthy,
    };
}

void projector_stop(struct projector *projector)
{
    if (projector == NULL)
        return;
    enum err const err = journal_sync(projector->journal, journal_last_lsn(projector->journal));
    (void)err; /* a failed journal: what is durable is projected, the rest is for the next start */
    pthread_mutex_lock(&projector->mutex);
    projector->stopping = true;
    pthread_cond_broadcast(&projector->wake);
    pthread_mutex_unlock(&projector->mutex);
    pthread_join(projector->thread, NULL);
    live_holds_free(&projector->holds);
    batch_sums_free(&projector->sums);
    pthread_cond_destroy(&projector->wake);
    pthread_cond_destroy(&projector->done);
    pthread_mutex_destroy(&projector->mutex);
    free(projector);
}
