/* recover.c - start: the rows, then the journal from where the rows end, then the orphans. */
#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "book/book_int.h"
#include "book/project.h"
#include "book/replay.h"

enum { HOLD_IDS_BYTES_MAX = 1 << 30 };

struct recovery {
    struct book *book;
    struct store *store;
    struct fault *fault;
    enum err err;
    struct arena *ids;
    struct map stored; /* holds that are rows, by the text of their id */
    uint64_t applied, records;
};

static bool load_customer(void *owner, const struct customer_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_customer(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_key(void *owner, const struct key_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_key(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_grant(void *owner, const struct grant_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_grant(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_counter(void *owner, const struct counter_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_counter(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_hold(void *owner, const struct hold_row *row)
{
    struct recovery *recovery = owner;
    struct str const id = arena_copy(recovery->ids, row->id);
    recovery->err = id.ptr == NULL ? fault_set(recovery->fault, ERR_NO_MEMORY, "recovery: holds")
                                   : map_put(&recovery->stored, id, recovery);
    if (recovery->err == ERR_OK)
        recovery->err = book_load_hold(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_idempotency(void *owner, const struct idempotency_row *row)
{
    struct recovery *recovery = owner;
    struct idempotency_row bare = *row; /* listed without its body: half an answer is no use */
    bare.content_type = bare.headers = bare.body = (struct str){0};
    recovery->err = book_load_idempotency(recovery->book, &bare, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_object(void *owner, const struct object_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_object(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static bool load_audit_head(void *owner, const struct audit_row *row)
{
    struct recovery *recovery = owner;
    recovery->err = book_load_audit_head(recovery->book, row, recovery->fault);
    return recovery->err == ERR_OK;
}

static enum err objects_load(struct recovery *recovery)
{
    struct store *store = recovery->store;
    struct audit_query const newest = {.limit = 1};
    enum err err = store->ops->objects(store, STR(""), load_object, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = store->ops->audit_list(store, &newest, load_audit_head, recovery, recovery->fault);
    return err != ERR_OK ? err : recovery->err;
}

/* Customers before what belongs to them, grants before the counters that count them. */
static enum err rows_load(struct recovery *recovery)
{
    struct store *store = recovery->store;
    const struct store_ops *ops = store->ops;
    enum err err = ops->customers(store, load_customer, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = ops->keys(store, load_key, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = ops->grants(store, load_grant, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = ops->counters(store, load_counter, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = ops->idempotency(store, load_idempotency, recovery, recovery->fault);
    if (err == ERR_OK && recovery->err == ERR_OK)
        err = ops->holds(store, load_hold, recovery, recovery->fault);
    return err != ERR_OK ? err : recovery->err;
}

/* True for a RESERVE whose hold came as a row: replay may start before it, for the sake of an older
 * row that has changed. */
static bool is_stored(const struct recovery *recovery, const struct journal_record *record)
{
    struct record_reserve reserve;
    char id[ULID_TEXT_BYTES];
    if (recovery->stored.count == 0 || record->type != RECORD_RESERVE ||
        !record_reserve_decode(record->payload, &reserve))
        return false;
    ulid_text(reserve.id, id);
    return map_get(&recovery->stored, str_make(id, sizeof id)) != NULL;
}

static bool apply(void *owner, const struct journal_record *record)
{
    struct recovery *recovery = owner;
    bool const known = record->lsn <= recovery->applied;
    recovery->records++;
    if (known && is_stored(recovery, record))
        return true;
    recovery->err = book_apply_record(recovery->book, record, known ? REPLAY_HOLDS : REPLAY_WHOLE,
                                      recovery->fault);
    if (recovery->err != ERR_OK)
        fault_set(recovery->fault, recovery->err, "journal record %llu",
                  (unsigned long long)record->lsn);
    return recovery->err == ERR_OK;
}

static enum err journal_apply(struct recovery *recovery)
{
    struct journal *journal = recovery->book->journal;
    struct store_position position = {0};
    enum err err = recovery->store->ops->position(recovery->store, &position, recovery->fault);
    if (err != ERR_OK)
        return err;
    /* Only durable records are projected: if the database knows more, the journal was damaged at
     * its end or belongs to something else, and its numbers would be given out twice. */
    if (position.applied_lsn > journal_last_lsn(journal))
        return fault_set(recovery->fault, ERR_CORRUPT,
                         "the journal ends at record %llu, but the database knows %llu: it is not "
                         "this database's journal, or its end is lost",
                         (unsigned long long)journal_last_lsn(journal),
                         (unsigned long long)position.applied_lsn);
    recovery->applied = position.applied_lsn;
    err = rows_load(recovery);
    if (err == ERR_OK)
        err = objects_load(recovery);
    if (err == ERR_OK)
        err = journal_replay(journal, position.recover_lsn, apply, recovery, recovery->fault);
    return err != ERR_OK ? err : recovery->err;
}

enum err book_recover(struct book *book, struct store *store, struct recovered *recovered,
                      struct fault *fault)
{
    int64_t const begin_us = clock_mono_us(book->clock);
    struct recovery recovery = {.book = book, .store = store, .fault = fault};
    struct book_orphans orphans = {0};
    map_init(&recovery.stored);
    recovery.ids = arena_new(HOLD_IDS_BYTES_MAX);
    enum err err = recovery.ids != NULL ? journal_apply(&recovery)
                                        : fault_set(fault, ERR_NO_MEMORY, "recovery: no memory");
    if (err == ERR_OK)
        err = book_close_orphans(book, &orphans, fault);
    map_free(&recovery.stored);
    arena_free(recovery.ids);
    *recovered = (struct recovered){
        .records = recovery.records,
        .released = orphans.released,
        .settled = orphans.settled,
        .took_us = clock_mono_us(book->clock) - begin_us,
    };
    if (err != ERR_OK)
        return fault_set(fault, err, "recovery failed");
    struct journal_figures figures;
    journal_figures(book->journal, &figures);
    LOG(journal_opened, field_int("records", (int64_t)recovered->records),
        field_int("segments", (int64_t)figures.segments),
        field_int("released", (int64_t)recovered->released),
        field_int("settled", (int64_t)recovered->settled),
        field_int("ms", recovered->took_us / 1000));
    return ERR_OK;
}
