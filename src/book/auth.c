/* auth.c - from a secret to a key: two hashes, and a cache in front of the dear one.
 *
 * What:  the book knows keyed BLAKE2b-256 hashes only. Each thread remembers the keys it has seen
 * by a SipHash-128 of the secret under a key drawn for this process, so that a repeated key costs
 * no lock and no BLAKE2b. The cache holds no status: that is read from the key itself, each time,
 * so that a revoked key is refused at the very next request of every thread.
 */
#include "base/secret.h"
#include "book/claim.h"
#include "book/customer_int.h"
#include "book/token_key.h"
#include <sodium.h>
#include <stdlib.h>

enum { CACHE_SLOTS = 1024 };

struct cache_slot {
    uint64_t hash[2];
    uint64_t book; /* serial; 0: empty */
    struct key_secret *secret;
};
_Static_assert(sizeof(((struct cache_slot *)0)->hash) == crypto_shorthash_siphashx24_BYTES,
               "a slot holds a whole hash");
_Static_assert(KEY_HASH_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");

static unsigned char cache_key[crypto_shorthash_siphashx24_KEYBYTES];
static pthread_once_t cache_key_once = PTHREAD_ONCE_INIT;

static void cache_key_draw(void)
{
    MUST(sodium_init() >= 0);
    randombytes_buf(cache_key, sizeof cache_key);
}

static void hash_secret(const struct book *book, struct str secret,
                        unsigned char hash[KEY_HASH_BYTES])
{
    MUST(crypto_generichash(hash, KEY_HASH_BYTES, (const unsigned char *)secret.ptr, secret.len,
                            book->pepper, sizeof book->pepper) == 0);
}

void book_hash_secret(const struct book *book, struct str secret,
                      unsigned char hash[KEY_HASH_BYTES])
{
    hash_secret(book, secret, hash);
}

void book_derive(const struct book *book, const char *label, struct str seed,
                 unsigned char derived[BOOK_DERIVED_BYTES])
{
    crypto_generichash_state state; /* another length than of secrets' hashes: another function */
    MUST(crypto_generichash_init(&state, book->pepper, sizeof book->pepper, BOOK_DERIVED_BYTES) ==
         0);
    crypto_generichash_update(&state, (const unsigned char *)label, strlen(label) + 1);
    crypto_generichash_update(&state, (const unsigned char *)seed.ptr, seed.len);
    crypto_generichash_final(&state, derived, BOOK_DERIVED_BYTES);
}

static struct key_shard *shard_of(struct book *book, const unsigned char hash[KEY_HASH_BYTES])
{
    return &book->key_shards[hash[0] % KEY_SHARDS];
}

static struct str hash_text(const unsigned char hash[KEY_HASH_BYTES])
{
    return str_make((const char *)hash, KEY_HASH_BYTES);
}

struct key_secret *book_find_secret(struct book *book, const unsigned char hash[KEY_HASH_BYTES])
{
    struct key_shard *shard = shard_of(book, hash);
    pthread_rwlock_rdlock(&shard->lock);
    struct key_secret *secret = map_get(&shard->keys, hash_text(hash));
    pthread_rwlock_unlock(&shard->lock);
    /* The map compares early-out, but on a keyed hash that nobody outside can steer. */
    return secret && secret_equal(hash_text(secret->hash), hash_text(hash)) ? secret : NULL;
}

struct key *book_find_key(struct book *book, const unsigned char hash[KEY_HASH_BYTES])
{
    const struct key_secret *secret = book_find_secret(book, hash);
    return secret ? secret->key : NULL;
}

enum err book_add_secret(struct book *book, struct key_secret *secret)
{
    struct key_shard *shard = shard_of(book, secret->hash);
    pthread_rwlock_wrlock(&shard->lock);
    enum err const err = map_put(&shard->keys, hash_text(secret->hash), secret);
    pthread_rwlock_unlock(&shard->lock);
    return err;
}

enum err book_add_key(struct book *book, struct key *key)
{
    enum err err = ERR_OK;
    for (struct key_secret *it = key->newest; it && err == ERR_OK; it = it->older)
        err = book_add_secret(book, it);
    if (err != ERR_OK)
        return err;
    struct customer *customer = key->customer;
    pthread_mutex_lock(&customer->lock);
    *customer->keys_end = key;
    customer->keys_end = &key->next;
    customer->key_count++;
    /* Names are unique among active keys only; rows of the database come in any order. */
    if (str_eq(key->name, TOKEN_KEY_NAME) &&
        (!atomic_load(&customer->token_key) || atomic_load(&key->status) == KEY_ACTIVE))
        atomic_store_explicit(&customer->token_key, key, memory_order_release);
    pthread_mutex_unlock(&customer->lock);
    atomic_fetch_add(&book->key_count, 1);
    return ERR_OK;
}

static struct key_secret *find_cached(struct book *book, struct str secret)
{
    static _Thread_local struct cache_slot cache[CACHE_SLOTS];
    uint64_t hash[2];
    pthread_once(&cache_key_once, cache_key_draw);
    crypto_shorthash_siphashx24((unsigned char *)hash, (const unsigned char *)secret.ptr,
                                secret.len, cache_key);
    struct cache_slot *slot = &cache[hash[0] % CACHE_SLOTS];
    if (slot->book == book->serial && slot->hash[0] == hash[0] && slot->hash[1] == hash[1])
        return slot->secret;
    unsigned char strong[KEY_HASH_BYTES];
    hash_secret(book, secret, strong);
    struct key_secret *found = book_find_secret(book, strong);
    if (found)
        *slot = (struct cache_slot){{hash[0], hash[1]}, book->serial, found};
    return found;
}

static bool has_expired(struct book *book, const struct key *key)
{
    int64_t const expires_us = atomic_load_explicit(&key->expires_us, memory_order_acquire);
    return expires_us > 0 && clock_wall_us(book->clock) >= expires_us;
}

static enum err check_key(struct book *book, const struct key *key, struct fault *fault)
{
    if (atomic_load_explicit(&key->status, memory_order_acquire) != KEY_ACTIVE)
        return fault_set(fault, ERR_KEY_REVOKED, "key %.*s", ULID_TEXT_BYTES, key->id_text);
    if (has_expired(book, key))
        return fault_set(fault, ERR_KEY_EXPIRED, "key %.*s", ULID_TEXT_BYTES, key->id_text);
    return ERR_OK;
}

enum err book_authenticate(struct book *book, struct str secret, const struct key **key,
                           struct fault *fault)
{
    const struct key_secret *opens = NULL;
    *key = NULL;
    if (secret.len >= KEY_SECRET_BYTES_MIN && secret.len <= KEY_SECRET_BYTES_MAX)
        opens = find_cached(book, secret);
    if (!opens)
        return fault_set(fault, ERR_KEY_INVALID, "no key has this secret");
    const struct key *found = opens->key;
    int64_t const until_us = atomic_load_explicit(&opens->until_us, memory_order_acquire);
    if (until_us > 0 && clock_wall_us(book->clock) >= until_us)
        return fault_set(fault, ERR_KEY_EXPIRED, "key %.*s has another secret now", ULID_TEXT_BYTES,
                         found->id_text);
    enum err const err = check_key(book, found, fault);
    if (err != ERR_OK)
        return err;
    if (atomic_load_explicit(&found->customer->status, memory_order_acquire) != CUSTOMER_ACTIVE)
        return fault_set(fault, ERR_CUSTOMER_SUSPENDED, "customer %.*s",
                         STR_ARG(found->customer->id));
    *key = found;
    return ERR_OK;
}

enum err book_token_key(struct book *book, struct str customer_id, const struct key **key,
                        struct fault *fault)
{
    struct customer *customer = book_find_customer(book, customer_id);
    *key = NULL;
    if (!customer)
        return fault_set(fault, ERR_TOKEN_INVALID, "its customer does not exist");
    if (atomic_load_explicit(&customer->status, memory_order_acquire) != CUSTOMER_ACTIVE)
        return fault_set(fault, ERR_TOKEN_INVALID, "customer %.*s is not active",
                         STR_ARG(customer->id));
    const struct key *found = atomic_load_explicit(&customer->token_key, memory_order_acquire);
    enum err const err = found ? check_key(book, found, fault) : ERR_OK;
    if (err == ERR_OK)
        *key = found;
    return err;
}

struct str key_id(const struct key *key)
{
    return str_make(key->id_text, ULID_TEXT_BYTES);
}

struct str key_name(const struct key *key)
{
    return key->name;
}

const struct customer *key_customer(const struct key *key)
{
    return key->customer;
}
