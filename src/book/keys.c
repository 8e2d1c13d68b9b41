/* keys.c - making, changing, revoking and listing API keys. */
#include "base/arena.h"
#include "base/log.h"
#include "base/secret.h"
#include "book/customer_int.h"
#include <stdlib.h>

static const char fresh_prefix[] = "ck_live_";
enum { FRESH_RANDOM_CHARS = 52, PREFIX_SHOWN_MAX = 12, PREFIX_SHOWN_PART = 4 };

struct key *key_new(struct customer *customer, const struct key_row *row)
{
    struct key *key = calloc(1, sizeof *key);
    if (!key)
        return NULL;
    MUST(row->name.len <= KEY_NAME_BYTES_MAX);
    MUST(row->prefix.len <= sizeof key->texts - KEY_NAME_BYTES_MAX);
    MUST(ulid_parse(row->id, &key->id));
    ulid_text(key->id, key->id_text);
    key->customer = customer;
    key->status = row->status;
    key->expires_us = row->expires_us;
    key->limits = limits_of(row->requests_per_minute, row->tokens_per_minute, row->concurrent_max);
    memcpy(key->secret.hash, row->hash, sizeof key->secret.hash);
    key->secret.key = key;
    key->newest = &key->secret;
    if (row->old_until_us > 0) {
        key->secret.older = key_secret_new(key, row->old_hash);
        if (!key->secret.older) {
            free(key);
            return NULL;
        }
        key->secret.older->until_us = row->old_until_us;
    }
    if (row->name.len > 0)
        memcpy(key->texts, row->name.ptr, row->name.len);
    if (row->prefix.len > 0)
        memcpy(key->texts + KEY_NAME_BYTES_MAX, row->prefix.ptr, row->prefix.len);
    key->name = str_make(key->texts, row->name.len);
    key->prefix = str_make(key->texts + KEY_NAME_BYTES_MAX, row->prefix.len);
    key->origin = row->origin;
    key->created_us = row->created_us;
    return key;
}

void key_free(struct key *key)
{
    if (!key)
        return;
    for (struct key_secret *it = key->newest, *older; it; it = older) {
        older = it->older;
        if (it != &key->secret)
            free(it);
    }
    free(key);
}

struct key_secret *key_secret_new(struct key *key, const unsigned char hash[KEY_HASH_BYTES])
{
    struct key_secret *secret = calloc(1, sizeof *secret);
    if (!secret)
        return NULL;
    secret->key = key;
    memcpy(secret->hash, hash, sizeof secret->hash);
    return secret;
}

void key_secret_replace(struct key *key, struct key_secret *secret, struct str prefix,
                        int64_t until_us)
{
    struct key_secret *before = key->newest;
    MUST(prefix.len <= sizeof key->texts - KEY_NAME_BYTES_MAX);
    if (before->older) /* at most two are good at a time */
        atomic_store_explicit(&before->older->until_us, 1, memory_order_release);
    atomic_store_explicit(&before->until_us, until_us, memory_order_release);
    secret->older = before;
    key->newest = secret;
    memcpy(key->texts + KEY_NAME_BYTES_MAX, prefix.ptr, prefix.len);
    key->prefix.len = prefix.len;
}

struct key *customer_key(const struct customer *customer, struct ulid id)
{
    for (struct key *key = customer->keys; key; key = key->next)
        if (ulid_eq(key->id, id))
            return key;
    return NULL;
}

struct key_row key_row_of(const struct key *key)
{
    struct key_row row = {
        .id = key_id(key),
        .customer_id = key->customer->id,
        .name = key->name,
        .prefix = key->prefix,
        .origin = key->origin,
        .status = key->status,
        .created_us = key->created_us,
        .expires_us = key->expires_us,
        .requests_per_minute = key->limits.requests.limit,
        .tokens_per_minute = key->limits.tokens.limit,
        .concurrent_max = key->limits.concurrent_max,
    };
    memcpy(row.hash, key->newest->hash, sizeof row.hash);
    const struct key_secret *older = key->newest->older;
    row.old_until_us = older ? older->until_us : 0;
    if (row.old_until_us > 0)
        memcpy(row.old_hash, older->hash, sizeof row.old_hash);
    return row;
}

enum err key_append(struct book *book, struct customer *customer, const struct key_row *row,
                    uint64_t *lsn)
{
    unsigned char bytes[RECORD_SMALL_BYTES_MAX];
    size_t const len = record_key_encode(row, bytes, sizeof bytes);
    MUST(len > 0);
    return journal_append(book->journal, RECORD_KEY, customer_now_us(book, customer),
                          str_make((const char *)bytes, len), lsn);
}

/* Writes the row down, then lets `apply` make it true, in one critical section; then waits for the
 * disk. */
static enum err change(struct book *book, struct key *key, const struct key_row *row,
                       struct fault *fault)
{
    uint64_t lsn = 0;
    pthread_mutex_lock(&key->customer->lock);
    enum err const err = key_append(book, key->customer, row, &lsn);
    if (err == ERR_OK) {
        key->limits =
            limits_of(row->requests_per_minute, row->tokens_per_minute, row->concurrent_max);
        atomic_store_explicit(&key->expires_us, row->expires_us, memory_order_release);
        atomic_store_explicit(&key->status, row->status, memory_order_release);
    }
    pthread_mutex_unlock(&key->customer->lock);
    if (err != ERR_OK)
        return fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal took no KEY record");
    return journal_sync(book->journal, lsn) == ERR_OK
               ? ERR_OK
               : fault_set(fault, ERR_LEDGER_UNAVAILABLE, "the journal cannot be synced");
}

static enum err check_wanted(const struct key_wanted *want, struct fault *fault)
{
    if (want->name.len == 0 || want->name.len > KEY_NAME_BYTES_MAX)
        return fault_param(fault, ERR_FIELD_INVALID, "name", "1 to %d bytes", KEY_NAME_BYTES_MAX);
    if (want->secret.len > 0 &&
        (want->secret.len < KEY_SECRET_BYTES_MIN || want->secret.len > KEY_SECRET_BYTES_MAX))
        return fault_param(fault, ERR_FIELD_INVALID, "secret", "%d to %d bytes",
                           KEY_SECRET_BYTES_MIN, KEY_SECRET_BYTES_MAX);
    const struct limits_wanted *limits = &want->limits;
    if (limits->requests_per_minute < 0 || limits->tokens_per_minute < 0 ||
        limits->concurrent_max < 0 || want->expires_us < 0)
        return fault_param(fault, ERR_FIELD_INVALID, "limits", "not negative");
    return ERR_OK;
}

struct str key_fresh_secret(struct arena *arena)
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[FRESH_RANDOM_CHARS];
    size_t const prefix = sizeof fresh_prefix - 1;
    char *text = arena_alloc(arena, prefix + FRESH_RANDOM_CHARS);
    if (!text)
        return (struct str){0};
    memcpy(text, fresh_prefix, prefix);
    random_secret(random, sizeof random);
    for (size_t i = 0; i < FRESH_RANDOM_CHARS; i++)
        text[prefix + i] = alphabet[random[i] & 31];
    secret_zero(random, sizeof random);
    return str_make(text, prefix + FRESH_RANDOM_CHARS);
}

static bool name_is_taken(const struct customer *customer, struct str name)
{
    for (const struct key *key = customer->keys; key; key = key->next)
        if (key->status == KEY_ACTIVE && str_eq(key->name, name))
            return true;
    return false;
}

/* The same secret again: what is asked for is brought up to date. */
static enum err update(struct book *book, struct key *key, const struct key_wanted *want,
                       struct fault *fault)
{
    struct key_row row = key_row_of(key);
    if (!str_eq(key->customer->id, want->customer_id))
        return fault_set(fault, ERR_CONFLICT, "another customer has this secret");
    if (key->origin != want->origin)
        return fault_set(fault, ERR_CONFLICT, "the key belongs to the %s",
                         key->origin == ORIGIN_FILE ? "configuration file" : "management API");
    if (row.status != KEY_ACTIVE)
        return fault_set(fault, ERR_KEY_REVOKED, "a revoked secret does not come back");
    bool const same = row.requests_per_minute == want->limits.requests_per_minute &&
                      row.tokens_per_minute == want->limits.tokens_per_minute &&
                      row.concurrent_max == want->limits.concurrent_max &&
                      row.expires_us == want->expires_us;
    if (same)
        return ERR_OK;
    row.requests_per_minute = want->limits.requests_per_minute;
    row.tokens_per_minute = want->limits.tokens_per_minute;
    row.concurrent_max = want->limits.concurrent_max;
    row.expires_us = want->expires_us;
    return change(book, key, &row, fault);
}

/* The part of a secret that lists show: never more than a quarter of it. */
struct str key_shown(struct str secret)
{
    size_t const part = secret.len / PREFIX_SHOWN_PART;
    return str_make(secret.ptr, part < PREFIX_SHOWN_MAX ? part : PREFIX_SHOWN_MAX);
}

static enum err add(struct book *book, struct customer *customer, const struct key_wanted *want,
                    struct str secret, struct key_made *made, struct fault *fault)
{
    struct key_row row = {
        .id = str_make(made->id, ULID_TEXT_BYTES),
        .customer_id = customer->id,
        .name = want->name,
        .prefix = key_shown(secret),
        .origin = want->origin,
        .status = KEY_ACTIVE,
        .created_us = clock_wall_us(book->clock),
        .expires_us = want->expires_us,
        .requests_per_minute = want->limits.requests_per_minute,
        .tokens_per_minute = want->limits.tokens_per_minute,
        .concurrent_max = want->limits.concurrent_max,
    };
    if (name_is_taken(customer, want->name))
        return fault_param(fault, ERR_CONFLICT, "name", "an active key has this name");
    if (customer->key_count >= KEYS_PER_CUSTOMER_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "a customer has at most %d keys",
                         KEYS_PER_CUSTOMER_MAX);
    book_hash_secret(book, secret, row.hash);
    ulid_text(ulid_make(&book->random, row.created_us), made->id);
    struct key *key = key_new(customer, &row);
    if (!key)
        return fault_set(fault, ERR_NO_MEMORY, "a key");
    /* Not yet findable: nobody can use it before it is on disk. */
    enum err const err = change(book, key, &row, fault);
    if (err != ERR_OK || book_add_key(book, key) != ERR_OK) {
        key_free(key);
        return err != ERR_OK ? err : fault_set(fault, ERR_NO_MEMORY, "a key");
    }
    LOG(key_created, field_str("customer", customer->id), field_str("key", row.id));
    return ERR_OK;
}

enum err book_key_create(struct book *book, const struct key_wanted *want, struct arena *arena,
                         struct key_made *made, struct fault *fault)
{
    enum err err = check_wanted(want, fault);
    if (err != ERR_OK)
        return err;
    *made = (struct key_made){.secret = want->secret};
    if (str_empty(want->secret))
        made->secret = key_fresh_secret(arena);
    else
        made->secret = arena_copy(arena, want->secret);
    if (!made->secret.ptr)
        return fault_set(fault, ERR_NO_MEMORY, "a secret");
    unsigned char hash[KEY_HASH_BYTES];
    book_hash_secret(book, made->secret, hash);
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, want->customer_id);
    struct key *known = book_find_key(book, hash);
    if (!customer)
        err = fault_param(fault, ERR_NOT_FOUND, "customer", "no such customer");
    else if (known)
        err = update(book, known, want, fault);
    else
        err = add(book, customer, want, made->secret, made, fault);
    if (err == ERR_OK && known) {
        made->existed = true;
        memcpy(made->id, known->id_text, sizeof made->id);
    }
    pthread_mutex_unlock(&book->manage);
    return err;
}

struct key *customer_key_named(const struct customer *customer, struct str id_or_name)
{
    struct key *named = NULL;
    for (struct key *key = customer->keys; key; key = key->next) {
        if (str_eq(key_id(key), id_or_name))
            return key;
        /* Names are unique among active keys only. */
        if (str_eq(key->name, id_or_name) && (!named || key->status == KEY_ACTIVE))
            named = key;
    }
    return named;
}

enum err book_key_revoke(struct book *book, struct str customer_id, struct str id_or_name,
                         struct fault *fault)
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&book->manage);
    struct customer *customer = book_find_customer(book, customer_id);
    struct key *key = customer ? customer_key_named(customer, id_or_name) : NULL;
    if (!key) {
        err = fault_set(fault, ERR_NOT_FOUND, "no such key");
    } else if (key->status == KEY_ACTIVE || key->unwritten) {
        /* Refused from now on, even when the journal cannot take it: then try again. */
        atomic_store_explicit(&key->status, KEY_REVOKED, memory_order_release);
        struct key_row const row = key_row_of(key);
        err = change(book, key, &row, fault);
        key->unwritten = err != ERR_OK;
        if (err == ERR_OK)
            LOG(key_revoked, field_str("customer", customer->id), field_str("key", row.id));
    }
    pthread_mutex_unlock(&book->manage);
    return err;
}

void book_keys(struct book *book, struct str customer_id, key_row_visit *visit, void *owner)
{
    pthread_mutex_lock(&book->manage);
    const struct customer *customer = book_find_customer(book, customer_id);
    for (const struct key *key = customer ? customer->keys : NULL; key; key = key->next) {
        struct key_row const row = key_row_of(key);
        if (!visit(owner, &row))
            break;
    }
    pthread_mutex_unlock(&book->manage);
}
