/* idempotency.c - sharded table of (customer, key hash) -> in flight, answer, or lost.
 *
 * Why:   entries live for a day, so both their number and the bytes of their answers are bounded:
 *        the oldest answers leave memory first (the database has them), then the oldest entries.
 */
#include "book/idempotency.h"
#include "base/arena.h"
#include "book/claim.h"
#include <stdlib.h>

enum { SHARDS = 16, SWEEP_STEPS = 256 };
static const int64_t kept_us = (int64_t)24 * 3600 * 1000000;

struct entry_key {
    const struct customer *customer;
    unsigned char hash[32];
};

struct entry {
    struct entry_key key;
    unsigned char fingerprint[32];
    bool has_fingerprint;
    enum idempotency_state state; /* IN_FLIGHT, DONE, STORED, LOST */
    int64_t created_us;
    struct list age;       /* of the shard, oldest first */
    struct list in_memory; /* of the shard's answers, oldest first */
    struct idempotency_answer answer;
    char *texts; /* NULL: not in memory */
    size_t text_bytes;
};

struct shard {
    pthread_mutex_t lock;
    struct map entries;
    struct list oldest, answers;
    size_t answer_bytes;
} __attribute__((aligned(64)));

struct idempotency {
    struct shard shards[SHARDS];
};

struct idempotency *idempotency_new(void)
{
    struct idempotency *table = aligned_alloc(_Alignof(struct idempotency), sizeof *table);
    if (!table)
        return NULL;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        map_init(&shard->entries);
        list_init(&shard->oldest);
        list_init(&shard->answers);
        shard->answer_bytes = 0;
    }
    return table;
}

static struct entry_key key_of(const struct customer *customer, const unsigned char hash[32])
{
    struct entry_key key = {.customer = customer};
    memcpy(key.hash, hash, sizeof key.hash);
    return key;
}

static struct str key_text(const struct entry_key *key)
{
    return str_make((const char *)key, sizeof *key);
}
_Static_assert(sizeof(struct entry_key) == sizeof(void *) + 32, "no padding is hashed");

static struct shard *shard_of(struct book *book, const unsigned char hash[32])
{
    return &book->idempotency->shards[hash[0] % SHARDS];
}

/* --- entries, under the shard's lock ------------------------------------------------------- */
static void drop_answer(struct shard *shard, struct entry *entry)
{
    if (!entry->texts)
        return;
    list_remove(&entry->in_memory);
    shard->answer_bytes -= entry->text_bytes;
    free(entry->texts);
    entry->texts = NULL;
    entry->state = IDEMPOTENCY_STORED;
}

static void drop(struct shard *shard, struct entry *entry)
{
    drop_answer(shard, entry);
    list_remove(&entry->age);
    MUST(map_remove(&shard->entries, key_text(&entry->key)) == entry);
    free(entry);
}

void idempotency_free(struct idempotency *table)
{
    for (int i = 0; table && i < SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        while (!list_empty(&shard->oldest))
            drop(shard, LIST_OWNER(shard->oldest.next, struct entry, age));
        map_free(&shard->entries);
        pthread_mutex_destroy(&shard->lock);
    }
    free(table);
}

/* The oldest entry that is not in flight, or NULL. */
static struct entry *oldest_ended(struct shard *shard)
{
    struct list *at = shard->oldest.next;
    for (int steps = 0; at != &shard->oldest && steps < SWEEP_STEPS; steps++, at = at->next) {
        struct entry *entry = LIST_OWNER(at, struct entry, age);
        if (entry->state != IDEMPOTENCY_IN_FLIGHT)
            return entry;
    }
    return NULL;
}

static struct entry *find(struct shard *shard, const struct entry_key *key, int64_t now_us)
{
    struct entry *entry = map_get(&shard->entries, key_text(key));
    if (!entry || now_us - entry->created_us < kept_us)
        return entry;
    drop(shard, entry);
    return NULL;
}

/* NULL: memory is short, or the table is full of keys in flight. */
static struct entry *add(struct shard *shard, const struct entry_key *key, int64_t now_us)
{
    if (shard->entries.count >= IDEMPOTENCY_ENTRIES_MAX / SHARDS) {
        struct entry *oldest = oldest_ended(shard);
        if (!oldest)
            return NULL;
        drop(shard, oldest);
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->key = *key;
    entry->state = IDEMPOTENCY_IN_FLIGHT;
    entry->created_us = now_us;
    list_init(&entry->in_memory);
    if (map_put(&shard->entries, key_text(&entry->key), entry) != ERR_OK) {
        free(entry);
        return NULL;
    }
    list_push(&shard->oldest, &entry->age);
    return entry;
}

/* --- a call -------------------------------------------------------------------------------- */
/* Out of the table into the request's arena. */
static enum idempotency_state give(const struct entry *entry, struct arena *arena,
                                   struct idempotency_answer *answer)
{
    if (entry->state != IDEMPOTENCY_DONE)
        return entry->state;
    answer->status = entry->answer.status;
    answer->content_type = arena_copy(arena, entry->answer.content_type);
    answer->headers = arena_copy(arena, entry->answer.headers);
    answer->body = arena_copy(arena, entry->answer.body);
    bool const whole = answer->content_type.ptr && answer->headers.ptr && answer->body.ptr;
    return whole ? IDEMPOTENCY_DONE : IDEMPOTENCY_STORED;
}

enum idempotency_state book_idempotency_begin(struct book *book, const struct customer *customer,
                                              const unsigned char key_hash[32],
                                              const unsigned char fingerprint[32],
                                              struct arena *arena,
                                              struct idempotency_answer *answer)
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(customer, key_hash);
    enum idempotency_state state;
    int64_t const now_us = clock_wall_us(book->clock);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = find(shard, &key, now_us);
    if (entry && entry->has_fingerprint && memcmp(entry->fingerprint, fingerprint, 32) != 0) {
        state = IDEMPOTENCY_MISMATCH;
    } else if (entry) {
        state = give(entry, arena, answer);
    } else {
        entry = add(shard, &key, now_us);
        if (entry) {
            memcpy(entry->fingerprint, fingerprint, sizeof entry->fingerprint);
            entry->has_fingerprint = true;
        }
        /* What cannot be remembered is not started: the client may try again. */
        state = entry ? IDEMPOTENCY_NEW : IDEMPOTENCY_IN_FLIGHT;
    }
    pthread_mutex_unlock(&shard->lock);
    return state;
}

static struct str add_text(char **at, struct str text)
{
    struct str const copy = {*at, text.len};
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

static size_t bytes_of(const struct idempotency_answer *answer)
{
    return answer->content_type.len + answer->headers.len + answer->body.len;
}

/* Keeps the answer in memory; older ones make room for it. */
static void keep(struct shard *shard, struct entry *entry, const struct idempotency_answer *answer)
{
    size_t const bytes = bytes_of(answer);
    size_t const room = IDEMPOTENCY_MEMORY_BYTES_MAX / SHARDS;
    while (shard->answer_bytes + bytes > room && !list_empty(&shard->answers))
        drop_answer(shard, LIST_OWNER(shard->answers.next, struct entry, in_memory));
    entry->state = IDEMPOTENCY_STORED;
    entry->texts = bytes <= room ? malloc(bytes + 1) : NULL;
    if (!entry->texts)
        return;
    char *at = entry->texts;
    entry->answer.status = answer->status;
    entry->answer.content_type = add_text(&at, answer->content_type);
    entry->answer.headers = add_text(&at, answer->headers);
    entry->answer.body = add_text(&at, answer->body);
    entry->text_bytes = bytes;
    entry->state = IDEMPOTENCY_DONE;
    shard->answer_bytes += bytes;
    list_push(&shard->answers, &entry->in_memory);
}

/* The answer is the client's already: what the journal cannot take is lost by a restart only. */
static enum err write_down(struct book *book, const struct idempotency_row *row)
{
    size_t const texts = row->content_type.len + row->headers.len + row->body.len;
    size_t const room = texts + IDEMPOTENCY_RECORD_FIXED_BYTES;
    unsigned char *bytes = malloc(room);
    if (!bytes)
        return ERR_NO_MEMORY;
    uint64_t lsn;
    size_t const len = record_idempotency_encode(row, bytes, room);
    MUST(len > 0);
    enum err const err =
        journal_append(book->journal, RECORD_IDEMPOTENCY, clock_wall_us(book->clock),
                       str_make((const char *)bytes, len), &lsn);
    free(bytes);
    return err;
}

void book_idempotency_finish(struct book *book, const struct customer *customer,
                             const unsigned char key_hash[32],
                             const struct idempotency_answer *answer)
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(customer, key_hash);
    bool const too_large = bytes_of(answer) > IDEMPOTENCY_BODY_BYTES_MAX;
    struct idempotency_row row = {
        .customer_id = customer ? customer->id : STR(""),
        .status = answer->status,
        .content_type = answer->content_type,
        .headers = answer->headers,
        .body = answer->body,
    };
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = map_get(&shard->entries, key_text(&key));
    bool const known = entry && entry->state == IDEMPOTENCY_IN_FLIGHT;
    if (known) {
        memcpy(row.key_hash, entry->key.hash, sizeof row.key_hash);
        memcpy(row.fingerprint, entry->fingerprint, sizeof row.fingerprint);
        row.created_us = entry->created_us;
        row.expires_us = entry->created_us + kept_us;
        if (too_large)
            entry->state = IDEMPOTENCY_LOST;
        else
            keep(shard, entry, answer);
    }
    pthread_mutex_unlock(&shard->lock);
    enum err const ignored = known && !too_large ? write_down(book, &row) : ERR_OK;
    (void)ignored;
}

void book_idempotency_abandon(struct book *book, const struct customer *customer,
                              const unsigned char key_hash[32])
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(customer, key_hash);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = map_get(&shard->entries, key_text(&key));
    if (entry && entry->state == IDEMPOTENCY_IN_FLIGHT)
        drop(shard, entry);
    pthread_mutex_unlock(&shard->lock);
}

void idempotency_sweep(struct book *book)
{
    int64_t const now_us = clock_wall_us(book->clock);
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &book->idempotency->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (int steps = 0; steps < SWEEP_STEPS && !list_empty(&shard->oldest); steps++) {
            struct entry *entry = LIST_OWNER(shard->oldest.next, struct entry, age);
            if (now_us - entry->created_us < kept_us)
                break;
            drop(shard, entry);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

/* --- claims: keys of no customer ----------------------------------------------------------- */
/* Under the shard's lock. NULL: it cannot be remembered, so it is not started. */
static struct entry *claim_entry(struct shard *shard, const struct entry_key *key,
                                 const unsigned char fingerprint[32], int64_t now_us,
                                 struct claim *claim)
{
    struct entry *entry = find(shard, key, now_us);
    claim->state = IDEMPOTENCY_IN_FLIGHT;
    if (!entry) {
        entry = add(shard, key, now_us);
        if (!entry)
            return NULL;
        memcpy(entry->fingerprint, fingerprint, sizeof entry->fingerprint);
        entry->has_fingerprint = true;
        claim->state = IDEMPOTENCY_NEW;
    } else if (memcmp(entry->fingerprint, fingerprint, sizeof entry->fingerprint) != 0) {
        claim->state = IDEMPOTENCY_MISMATCH;
    } else if (entry->state == IDEMPOTENCY_LOST) {
        entry->state = IDEMPOTENCY_IN_FLIGHT;
        claim->state = IDEMPOTENCY_NEW;
        claim->again = true;
    }
    claim->begun_us = entry->created_us;
    return entry;
}

enum err book_claim(struct book *book, const unsigned char key_hash[32],
                    const unsigned char fingerprint[32], struct arena *arena, struct claim *claim)
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(NULL, key_hash);
    *claim = (struct claim){0};
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = claim_entry(shard, &key, fingerprint, clock_wall_us(book->clock), claim);
    if (entry && (entry->state == IDEMPOTENCY_DONE || entry->state == IDEMPOTENCY_STORED) &&
        claim->state != IDEMPOTENCY_MISMATCH)
        claim->state = give(entry, arena, &claim->answer);
    pthread_mutex_unlock(&shard->lock);
    if (!entry)
        return ERR_NO_MEMORY;
    if (claim->state != IDEMPOTENCY_NEW || claim->again)
        return ERR_OK;
    struct idempotency_row row = {.created_us = claim->begun_us,
                                  .expires_us = claim->begun_us + kept_us};
    memcpy(row.key_hash, key_hash, sizeof row.key_hash);
    memcpy(row.fingerprint, fingerprint, sizeof row.fingerprint);
    enum err const err = write_down(book, &row);
    if (err != ERR_OK)
        book_idempotency_abandon(book, NULL, key_hash);
    return err;
}

void book_claim_finish(struct book *book, const unsigned char key_hash[32],
                       const struct idempotency_answer *answer)
{
    book_idempotency_finish(book, NULL, key_hash, answer);
}

void book_claim_drop(struct book *book, const unsigned char key_hash[32])
{
    int64_t const now_us = clock_wall_us(book->clock);
    struct idempotency_row row = {.created_us = now_us, .expires_us = now_us};
    memcpy(row.key_hash, key_hash, sizeof row.key_hash);
    book_idempotency_abandon(book, NULL, key_hash);
    enum err const ignored = write_down(book, &row); /* unwritten: a restart asks to repeat it */
    (void)ignored;
}

void book_claim_leave(struct book *book, const unsigned char key_hash[32])
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(NULL, key_hash);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = map_get(&shard->entries, key_text(&key));
    if (entry && entry->state == IDEMPOTENCY_IN_FLIGHT)
        entry->state = IDEMPOTENCY_LOST;
    pthread_mutex_unlock(&shard->lock);
}

/* --- replay, one thread -------------------------------------------------------------------- */
enum err idempotency_replay_begun(struct book *book, const struct customer *customer,
                                  const unsigned char key_hash[32], int64_t at_us)
{
    struct shard *shard = shard_of(book, key_hash);
    struct entry_key const key = key_of(customer, key_hash);
    if (map_get(&shard->entries, key_text(&key)))
        return ERR_OK; /* a second try of the same call */
    return add(shard, &key, at_us) ? ERR_OK : ERR_NO_MEMORY;
}

void idempotency_replay_released(struct book *book, const struct customer *customer,
                                 const unsigned char key_hash[32])
{
    book_idempotency_abandon(book, customer, key_hash);
}

enum err idempotency_replay_row(struct book *book, const struct customer *customer,
                                const struct idempotency_row *row)
{
    struct shard *shard = shard_of(book, row->key_hash);
    struct entry_key const key = key_of(customer, row->key_hash);
    struct entry *entry = map_get(&shard->entries, key_text(&key));
    if (row->expires_us <= row->created_us) { /* a claim that was dropped */
        if (entry)
            drop(shard, entry);
        return ERR_OK;
    }
    if (!entry)
        entry = add(shard, &key, row->created_us);
    if (!entry)
        return ERR_NO_MEMORY;
    drop_answer(shard, entry);
    entry->created_us = row->created_us;
    entry->has_fingerprint = row->status > 0 || !customer; /* claims know it from the start */
    memcpy(entry->fingerprint, row->fingerprint, sizeof entry->fingerprint);
    entry->state = row->status > 0 ? IDEMPOTENCY_STORED : IDEMPOTENCY_IN_FLIGHT;
    struct idempotency_answer const answer = {row->status, row->content_type, row->headers,
                                              row->body};
    if (row->status > 0 && bytes_of(&answer) > 0)
        keep(shard, entry, &answer);
    return ERR_OK;
}

void idempotency_replay_end(struct book *book)
{
    for (int i = 0; i < SHARDS; i++) {
        struct list *oldest = &book->idempotency->shards[i].oldest;
        for (struct list *at = oldest->next; at != oldest; at = at->next) {
            struct entry *entry = LIST_OWNER(at, struct entry, age);
            if (entry->state == IDEMPOTENCY_IN_FLIGHT)
                entry->state = IDEMPOTENCY_LOST;
        }
    }
}
