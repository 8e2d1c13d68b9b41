/* journal.c - opening, appending, promising, trimming. */
#include "base/crc32c.h"
#include "base/must.h"
#include "journal/journal_int.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err directory_open(struct journal *journal, struct str path, struct fault *fault)
{
    char name[PATH_MAX];
    if (path.len == 0 || path.len >= sizeof name)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: folder name is empty or too long");
    memcpy(name, path.ptr, path.len);
    name[path.len] = 0;
    if (mkdir(name, 0700) != 0 && errno != EEXIST)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: folder: %s", strerror(errno));
    journal->directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: folder: %s", strerror(errno));
    journal->lock = openat(journal->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock < 0)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: lock: %s", strerror(errno));
    if (flock(journal->lock, LOCK_EX | LOCK_NB) != 0)
        return fault_set(fault, ERR_JOURNAL_FAILED,
                         errno == EWOULDBLOCK ? "journal: another process uses this folder"
                                              : "journal: the folder cannot be locked");
    return ERR_OK;
}

static struct journal *journal_make(const struct journal_options *options)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return NULL;
    size_t const bytes = options->segment_bytes;
    journal->directory = journal->lock = -1;
    journal->segment_bytes = bytes == 0                    ? JOURNAL_SEGMENT_BYTES
                             : bytes < SEGMENT_BYTES_LEAST ? SEGMENT_BYTES_LEAST
                                                           : bytes & ~(size_t)4095;
    journal->sync_ms = options->sync_ms > 0 ? options->sync_ms : JOURNAL_SYNC_MS;
    journal->clock = options->clock;
    pthread_mutexattr_t adaptive; /* sections are shorter than a sleep: spin a little first */
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&journal->mutex, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_mutex_init(&journal->wake_mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->wake, &monotonic);
    pthread_cond_init(&journal->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return journal;
}

static void journal_discard(struct journal *journal)
{
    while (journal->oldest != NULL) {
        struct segment *segment = journal->oldest;
        MUST(segment->readers == 0);
        journal->oldest = segment->next;
        segment_free(segment);
    }
    if (journal->lock >= 0)
        close(journal->lock);
    if (journal->directory >= 0)
        close(journal->directory);
    pthread_cond_destroy(&journal->changed);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->wake_mutex);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

/* Signals belong to the main thread. */
static enum err thread_start(struct journal *journal, struct fault *fault)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int const error = pthread_create(&journal->thread, NULL, journal_thread, journal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return fault_set(fault, ERR_JOURNAL_FAILED, "journal: thread: %s", strerror(error));
    journal->thread_runs = true;
    return ERR_OK;
}

enum err journal_open(const struct journal_options *options, struct journal **journal,
                      struct journal_opened *opened, struct fault *fault)
{
    MUST(options->clock != NULL);
    *journal = NULL;
    struct journal *made = journal_make(options);
    if (made == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "journal: no memory");
    enum err err = directory_open(made, options->directory, fault);
    if (err == ERR_OK)
        err = journal_scan(made, opened, fault);
    if (err == ERR_OK) {
        made->last_lsn = made->synced_lsn = opened->last_lsn;
        journal_prepare(made);
        err = thread_start(made, fault);
    }
    if (err != ERR_OK) {
        journal_discard(made);
        return err;
    }
    *journal = made;
    return ERR_OK;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    pthread_mutex_lock(&journal->wake_mutex);
    journal->closing = true;
    pthread_cond_broadcast(&journal->wake);
    pthread_mutex_unlock(&journal->wake_mutex);
    pthread_join(journal->thread, NULL);
    while (journal->active->next != NULL) { /* prepared, never used */
        struct segment **link = &journal->active->next;
        while ((*link)->next != NULL)
            link = &(*link)->next;
        segment_unlink(journal->directory, (*link)->number);
        segment_free(*link);
        *link = NULL;
    }
    journal_discard(journal);
}

/* --- room --- */

size_t journal_room(size_t active_left, size_t ahead_room, size_t ahead_count, size_t record_max)
{
    size_t const lost = ahead_count * record_max;
    return (active_left > record_max ? active_left - record_max : 0) +
           (ahead_room > lost ? ahead_room - lost : 0);
}

static size_t active_left(const struct journal *journal)
{
    return journal->active->capacity - journal->active->used;
}

bool journal_wants_segment(const struct journal *journal)
{
    size_t const room = journal_room(active_left(journal), journal->ahead_room,
                                     journal->ahead_count, journal->promise_max);
    return journal->ahead_count == 0 ||
           (journal->ahead_count < SEGMENTS_AHEAD_MAX && room / 2 < journal->promised);
}

void journal_take_segment(struct journal *journal, struct segment *segment)
{
    struct segment *last = journal->active;
    while (last->next != NULL)
        last = last->next;
    last->next = segment;
    journal->ahead_room += segment->capacity - SEGMENT_HEADER_BYTES;
    journal->ahead_count++;
}

/* Asks the sync thread for a segment, once. `mutex` held; true: the caller wakes it afterwards. */
static bool segment_ask(struct journal *journal)
{
    return journal_wants_segment(journal) && !atomic_exchange(&journal->want_segment, true);
}

enum err journal_promise(struct journal *journal, size_t bytes)
{
    size_t const size = record_size(bytes);
    if (journal->failed || size > JOURNAL_RECORD_BYTES_MAX)
        return ERR_JOURNAL_FAILED;
    pthread_mutex_lock(&journal->mutex);
    size_t const record_max = size > journal->promise_max ? size : journal->promise_max;
    size_t const room =
        journal_room(active_left(journal), journal->ahead_room, journal->ahead_count, record_max);
    bool const fits = journal->promised + size <= room;
    bool ask = false;
    if (fits) {
        journal->promise_max = record_max;
        journal->promised += size;
    }
    if (!fits || room / 2 < journal->promised)
        ask = segment_ask(journal);
    pthread_mutex_unlock(&journal->mutex);
    if (!fits)
        journal->refusing = true;
    if (ask)
        journal_wake(journal);
    return fits ? ERR_OK : ERR_JOURNAL_FAILED;
}

void journal_forget(struct journal *journal, size_t bytes)
{
    size_t const size = record_size(bytes);
    pthread_mutex_lock(&journal->mutex);
    MUST(journal->promised >= size);
    journal->promised -= size;
    pthread_mutex_unlock(&journal->mutex);
}

/* --- append --- */

/* True when a record without a promise fits and leaves room for all promised ones. */
static bool fits_beside_promises(const struct journal *journal, size_t size)
{
    size_t left = active_left(journal), room = journal->ahead_room, count = journal->ahead_count;
    const struct segment *next = journal->active->next;
    if (left < size) {
        if (next == NULL || next->capacity - SEGMENT_HEADER_BYTES < size)
            return false;
        left = next->capacity - SEGMENT_HEADER_BYTES;
        room -= left;
        count--;
    }
    return journal->promised <= journal_room(left - size, room, count, journal->promise_max);
}

static void active_advance(struct journal *journal)
{
    struct segment *next = journal->active->next;
    MUST(next != NULL); /* room was checked, or promised */
    journal->ahead_room -= next->capacity - SEGMENT_HEADER_BYTES;
    journal->ahead_count--;
    journal->active = next;
}

/* Everything but the length first, the length last: whoever kills us in between leaves no record.
 * `mutex` held. */
static uint64_t record_write(struct journal *journal, struct record_head *head, struct str payload,
                             uint32_t payload_crc)
{
    size_t const size = record_size(payload.len);
    if (active_left(journal) < size)
        active_advance(journal);
    struct segment *segment = journal->active;
    MUST(segment->capacity - segment->used >= size);
    uint64_t const lsn = atomic_load_explicit(&journal->last_lsn, memory_order_relaxed) + 1;
    head->lsn = lsn;
    head->epoch = journal->epoch;
    head->type_lag = type_lag((uint8_t)head->type_lag, lsn - journal->synced_lsn);
    head->crc = record_crc(head, segment->salt, payload_crc);
    char *at = segment->base + segment->used;
    if (payload.len > 0)
        memcpy(at + RECORD_HEAD_BYTES, payload.ptr, payload.len);
    memcpy(at + sizeof head->bytes, (const char *)head + sizeof head->bytes,
           sizeof *head - sizeof head->bytes);
    __atomic_store_n((uint32_t *)(void *)at, head->bytes, __ATOMIC_RELEASE);
    if (segment->first_lsn == 0)
        segment->first_lsn = lsn;
    segment->last_lsn = lsn;
    segment->used += size;
    for (size_t ahead = 0; ahead < PREFETCH_BYTES; ahead += 64) /* the next record's cold lines */
        __builtin_prefetch(segment->base + segment->used + ahead, 1);
    journal->last_lsn = lsn; /* in one order with the read of `idle` below: see sync.c */
    return lsn;
}

static enum err append(struct journal *journal, size_t promised, uint8_t type, int64_t at_us,
                       struct str payload, uint64_t *lsn)
{
    struct record_head head = {
        .bytes = (uint32_t)(RECORD_HEAD_BYTES + payload.len), .type_lag = type, .at_us = at_us};
    uint32_t const payload_crc = crc32c(0, payload);
    size_t const size = record_size(payload.len);
    pthread_mutex_lock(&journal->mutex);
    MUST(journal->promised >= promised);
    bool const fits = promised > 0 || fits_beside_promises(journal, size);
    bool ask = false;
    uint64_t made = 0;
    if (fits) {
        const struct segment *before = journal->active;
        journal->promised -= promised;
        made = record_write(journal, &head, payload, payload_crc);
        ask = before != journal->active && segment_ask(journal);
    } else {
        ask = segment_ask(journal);
    }
    pthread_mutex_unlock(&journal->mutex);
    if (!fits)
        journal->refusing = true;
    if (ask || journal->idle)
        journal_wake(journal);
    if (lsn != NULL && fits)
        *lsn = made;
    return fits ? ERR_OK : ERR_JOURNAL_FAILED;
}

enum err journal_append(struct journal *journal, uint8_t type, int64_t at_us, struct str payload,
                        uint64_t *lsn)
{
    if (journal->failed || record_size(payload.len) > JOURNAL_RECORD_BYTES_MAX)
        return ERR_JOURNAL_FAILED;
    return append(journal, 0, type, at_us, payload, lsn);
}

void journal_append_promised(struct journal *journal, size_t promised, uint8_t type, int64_t at_us,
                             struct str payload, uint64_t *lsn)
{
    MUST(payload.len <= promised);
    enum err const err = append(journal, record_size(promised), type, at_us, payload, lsn);
    MUST(err == ERR_OK);
}

/* --- what others see --- */

uint64_t journal_last_lsn(const struct journal *journal)
{
    return journal->last_lsn;
}

uint64_t journal_synced_lsn(const struct journal *journal)
{
    return journal->synced_lsn;
}

bool journal_healthy(const struct journal *journal)
{
    return !journal->failed && !journal->refusing;
}

void journal_figures(const struct journal *journal, struct journal_figures *figures)
{
    struct journal *self = (struct journal *)(uintptr_t)journal; /* a lock is no change */
    *figures = (struct journal_figures){.last_lsn = journal->last_lsn,
                                        .synced_lsn = journal->synced_lsn,
                                        .syncs = journal->syncs,
                                        .last_sync_us = journal->last_sync_us,
                                        .healthy = journal_healthy(journal)};
    pthread_mutex_lock(&self->mutex);
    for (const struct segment *at = journal->oldest; at != NULL; at = at->next) {
        figures->segments++;
        figures->bytes += at->capacity;
    }
    pthread_mutex_unlock(&self->mutex);
}
