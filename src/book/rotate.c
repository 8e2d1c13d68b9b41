/* rotate.c - a key gets another secret; the old one opens it until the overlap ends. */
#include "book/rotate.h"
#include "base/arena.h"
#include "base/log.h"
#include "book/customer_int.h"
#include <stdlib.h>

static enum err check_wanted(const struct key_rotation *want, struct fault *fault)
{
    if (want->overlap_s < 0 || want->overlap_s > KEY_OVERLAP_SECONDS_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "overlap_seconds", "0 to %d",
                           KEY_OVERLAP_SECONDS_MAX);
    if (want->secret.len > 0 &&
        (want->secret.len < KEY_SECRET_BYTES_MIN || want->secret.len > KEY_SECRET_BYTES_MAX))
        return fault_param(fault, ERR_FIELD_INVALID, "secret", "%d to %d bytes",
                           KEY_SECRET_BYTES_MIN, KEY_SECRET_BYTES_MAX);
    return ERR_OK;
}

static enum err check_key(struct book *book, const struct key *key, struct fault *fault)
{
    int64_t const expires_us = key->expires_us;
    if (key->origin == ORIGIN_FILE)
        return fault_set(fault, ERR_CONFLICT, "the key belongs to the configuration file");
    if (key->status != KEY_ACTIVE)
        return fault_set(fault, ERR_CONFLICT, "the key is revoked");
    if (expires_us > 0 && expires_us <= clock_wall_us(book->clock))
        return fault_set(fault, ERR_CONFLICT, "the key has expired");
    return ERR_OK;
}

/* Written down and made true in one critical section; then it waits for the disk, and only then
 * the new secret can be found. */
static enum err rotate(struct book *book, struct key *key, struct key_secret *secret,
                       struct str prefix, int64_t overlap_s, struct fault *fault)
{
    struct customer *customer = key->customer;
    uint64_t lsn = 0;
    pthread_mutex_lock(&customer->lock);
    int64_t const until_us = clock_wall_us(book->clock) + overlap_s * 1000000;
    struct key_row row = key_row_of(key);
    memcpy(row.old_hash, key->newest->hash, sizeof row.old_hash);
    memcpy(row.hash, secret->hash, sizeof row.hash);
    row.old_until_us = until_us;
    row.prefix = prefix;
    enum err const err = key_append(book, customer, &row, &lsn);
    if (err == ERR_OK)
        key_secret_replace(key, secret, prefix, until_us);
    pthread_mutex_unlock(&customer->lock);
    if (err != ERR_OK) {
        free(secret);
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no KEY record");
    }
    if (journal_sync(book->journal, lsn) != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal cannot be synced");
    if (book_add_secret(book, secret) != ERR_OK)
        return fault_set(fault, ERR_NO_MEMORY, "rotated; the new secret opens after a restart");
    LOG(key_rotated, field_str("customer", customer->id), field_str("key", key_id(key)),
        field_int("overlap_s", overlap_s));
    return ERR_OK;
}

/* Under book->manage. */
static enum err rotate_found(struct book *book, struct key *key, const struct key_rotation *want,
                             struct str secret, struct key_rotated *rotated, struct fault *fault)
{
    unsigned char hash[KEY_HASH_BYTES];
    book_hash_secret(book, secret, hash);
    const struct key_secret *known = book_find_secret(book, hash);
    enum err err = check_key(book, key, fault);
    if (err != ERR_OK)
        return err;
    if (known && (known != key->newest || !known->older))
        return fault_set(fault, ERR_CONFLICT, "a key has this secret, or had it");
    rotated->made.existed = known != NULL;
    if (!known) {
        struct key_secret *fresh = key_secret_new(key, hash);
        if (!fresh)
            return fault_set(fault, ERR_NO_MEMORY, "a secret");
        err = rotate(book, key, fresh, key_shown(secret), want->overlap_s, fault);
    }
    if (err == ERR_OK)
        rotated->old_until_us = key->newest->older->until_us;
    return err;
}

enum err book_key_rotate(struct book *book, const struct key_rotation *want, struct arena *arena,
                         struct key_rotated *rotated, struct fault *fault)
{
    enum err err = check_wanted(want, fault);
    if (err != ERR_OK)
        return err;
    *rotated =
        (struct key_rotated){.made.secret = want->secret.len > 0 ? arena_copy(arena, want->secret)
                                                                 : key_fresh_secret(arena)};
    if (!rotated->made.secret.ptr)
        return fault_set(fault, ERR_NO_MEMORY, "a secret");
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, want->customer_id);
    struct key *key = customer ? customer_key_named(customer, want->id_or_name) : NULL;
    if (!key)
        err = fault_set(fault, ERR_NOT_FOUND, "no such key");
    else
        err = rotate_found(book, key, want, rotated->made.secret, rotated, fault);
    if (err == ERR_OK) {
        memcpy(rotated->made.id, key->id_text, sizeof rotated->made.id);
        rotated->name = arena_copy(arena, key->name);
        rotated->expires_us = key->expires_us;
    }
    pthread_mutex_unlock(&book->manage);
    return err;
}
