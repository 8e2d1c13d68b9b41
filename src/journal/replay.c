/* replay.c - reading records back, and letting go of those that nobody needs any more.
 *
 * What:  a reader holds its segment (a count), so that trimming never unmaps what is being read.
 *        Where the last replay stopped is remembered: the projection reads on from there.
 */
#include "base/must.h"
#include "journal/journal_int.h"

static void segment_release(struct segment *segment)
{
    MUST(segment->readers > 0);
    segment->readers--;
    if (segment->removed && segment->readers == 0)
        segment_free(segment);
}

struct reader {
    struct segment *segment;
    size_t offset;
    uint64_t lsn; /* of the record at offset, if there is one */
};

/* `mutex` held. False: `from` was trimmed. */
static bool reader_start(struct journal *journal, uint64_t from, struct reader *reader)
{
    struct segment *segment = journal->oldest;
    if (segment->first_lsn != 0 && from < segment->first_lsn)
        return false;
    while (segment != journal->active && segment->last_lsn < from)
        segment = segment->next;
    *reader = (struct reader){segment, SEGMENT_HEADER_BYTES,
                              segment->first_lsn > 0 ? segment->first_lsn : from};
    if (segment == journal->cursor_segment && from >= journal->cursor_lsn) {
        reader->offset = journal->cursor_offset;
        reader->lsn = journal->cursor_lsn;
    }
    segment->readers++;
    return true;
}

static void reader_end(struct journal *journal, struct reader *reader)
{
    pthread_mutex_lock(&journal->mutex);
    journal->cursor_segment = reader->segment->removed ? NULL : reader->segment;
    journal->cursor_offset = reader->offset;
    journal->cursor_lsn = reader->lsn;
    segment_release(reader->segment);
    pthread_mutex_unlock(&journal->mutex);
}

/* Checksums were verified at open, or the record was written by this process since: what is checked
 * here is that the walk stays on records. */
static enum err reader_record(const struct reader *reader, struct record_head *head,
                              struct fault *fault)
{
    const struct segment *segment = reader->segment;
    size_t const left = segment->capacity - reader->offset;
    if (left >= RECORD_HEAD_BYTES) {
        memcpy(head, segment->base + reader->offset, sizeof *head);
        if (head->bytes >= RECORD_HEAD_BYTES && head->bytes <= left && head->lsn == reader->lsn)
            return ERR_OK;
    }
    return fault_set(fault, ERR_CORRUPT, "journal %012llu.seg: record %llu is gone from offset %zu",
                     (unsigned long long)segment->number, (unsigned long long)reader->lsn,
                     reader->offset);
}

/* The record at reader->lsn exists: here, or at the start of a later segment. Moves there; returns
 * the last lsn that is known to be in the segment now. */
static uint64_t reader_find(struct journal *journal, struct reader *reader)
{
    pthread_mutex_lock(&journal->mutex);
    while (reader->lsn > reader->segment->last_lsn && reader->segment->next != NULL) {
        struct segment *next = reader->segment->next;
        next->readers++;
        segment_release(reader->segment);
        reader->segment = next;
        reader->offset = SEGMENT_HEADER_BYTES;
    }
    uint64_t const sure = reader->segment->last_lsn;
    pthread_mutex_unlock(&journal->mutex);
    return sure;
}

enum err journal_replay(struct journal *journal, uint64_t from, journal_visit *visit, void *owner,
                        struct fault *fault)
{
    struct reader reader;
    uint64_t const last = journal->last_lsn;
    if (from == 0)
        from = 1;
    if (from > last)
        return ERR_OK;
    pthread_mutex_lock(&journal->mutex);
    bool const found = reader_start(journal, from, &reader);
    pthread_mutex_unlock(&journal->mutex);
    if (!found)
        return fault_set(fault, ERR_CORRUPT,
                         "journal: record %llu is needed, but older segments are gone",
                         (unsigned long long)from);
    enum err err = ERR_OK;
    bool more = true;
    uint64_t sure = 0; /* records up to here are in this segment */
    while (more && reader.lsn <= last) {
        if (reader.lsn > sure)
            sure = reader_find(journal, &reader);
        struct record_head head;
        err = reader_record(&reader, &head, fault);
        if (err != ERR_OK)
            break;
        size_t const payload = head.bytes - RECORD_HEAD_BYTES;
        struct journal_record const record = {
            .lsn = head.lsn,
            .epoch = head.epoch,
            .at_us = head.at_us,
            .type = (uint8_t)head.type_lag,
            .payload = str_make(reader.segment->base + reader.offset + RECORD_HEAD_BYTES, payload)};
        if (head.lsn >= from)
            more = visit(owner, &record);
        if (!more)
            break; /* the next replay begins with what was not taken */
        reader.offset += record_size(payload);
        reader.lsn++;
    }
    reader_end(journal, &reader);
    return err;
}

/* The successor must hold a durable record: at open, the chain then surely starts with one. */
void journal_trim(struct journal *journal, uint64_t before)
{
    pthread_mutex_lock(&journal->mutex);
    while (journal->oldest != journal->active && journal->oldest->last_lsn < before &&
           journal->oldest->next->first_lsn <= journal->synced_lsn) {
        struct segment *segment = journal->oldest;
        MUST(journal->unsynced != segment);
        journal->oldest = segment->next;
        segment_unlink(journal->directory, segment->number);
        if (journal->cursor_segment == segment)
            journal->cursor_segment = NULL;
        segment->removed = true;
        if (segment->readers == 0)
            segment_free(segment);
    }
    pthread_mutex_unlock(&journal->mutex);
}
