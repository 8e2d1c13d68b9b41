/* own_key.c - one block per configuration, behind a reference count; the plain key in it is wiped.
 */
#include "govern/own_key.h"
#include "base/log.h"
#include "base/map.h"
#include "base/must.h"
#include "base/secret.h"
#include "codec/json.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    TOKEN_BYTES_MAX = 4096, /* a sealed key of KEY bytes and what Fernet adds */
    PREFIX_BYTES = 22,      /* "authorization: Bearer " */
    SUFFIX_BYTES = 2,       /* CR LF */
};

struct entry {
    struct own_key shown;
    _Atomic int64_t references;
    char *credentials; /* a block of its own, wiped before it is freed; NULL: none */
    size_t credentials_len;
    struct str text; /* the document: the ring may change */
    char *decoded;   /* behind id and text */
    size_t used;
    char bytes[];
};

struct own_keys {
    pthread_rwlock_t lock; /* guards map and ring */
    struct map map;        /* id -> struct entry */
    struct fernet_ring ring;
    _Atomic size_t count; /* entries of the map, and those that were lost for want of memory */
    size_t lost;
};

struct own_keys *own_keys_new(void)
{
    struct own_keys *own_keys = calloc(1, sizeof *own_keys);
    if (own_keys == NULL)
        return NULL;
    if (pthread_rwlock_init(&own_keys->lock, NULL) != 0) {
        free(own_keys);
        return NULL;
    }
    map_init(&own_keys->map);
    return own_keys;
}

static void credentials_free(struct entry *entry)
{
    if (entry->credentials != NULL)
        secret_zero(entry->credentials, entry->credentials_len);
    free(entry->credentials);
    entry->credentials = NULL;
    entry->shown.credentials = (struct str){0};
}

void own_key_release(struct own_key *own_key)
{
    struct entry *entry = (struct entry *)own_key; /* its first member */
    if (entry == NULL || atomic_fetch_sub(&entry->references, 1) != 1)
        return;
    credentials_free(entry);
    free(entry);
}

void own_keys_free(struct own_keys *own_keys)
{
    size_t at = 0;
    struct entry *entry;
    if (own_keys == NULL)
        return;
    while ((entry = map_next(&own_keys->map, &at)) != NULL)
        own_key_release(&entry->shown);
    map_free(&own_keys->map);
    fernet_ring_wipe(&own_keys->ring);
    pthread_rwlock_destroy(&own_keys->lock);
    free(own_keys);
}

/* --- reading a document ----------------------------------------------------------------------- */
/* The member's text, decoded behind the others; empty: absent, or no text. */
static struct str decode(struct entry *entry, struct str value)
{
    size_t len = 0;
    char *at = entry->decoded + entry->used;
    if (json_type(value) != JSON_STRING || !json_text(value, at, value.len, &len))
        return (struct str){0};
    entry->used += len;
    return str_make(at, len);
}

/* NULL: no memory. Everything that is decoded is shorter than the document. */
static struct entry *entry_new(struct str id, struct str text)
{
    struct entry *entry = malloc(sizeof *entry + id.len + 2 * text.len);
    if (entry == NULL)
        return NULL;
    memset(entry, 0, sizeof *entry);
    entry->references = 1;
    memcpy(entry->bytes, id.ptr, id.len);
    memcpy(entry->bytes + id.len, text.ptr, text.len);
    entry->shown.id = str_make(entry->bytes, id.len);
    entry->text = str_make(entry->bytes + id.len, text.len);
    entry->decoded = entry->bytes + id.len + text.len;
    return entry;
}

static bool is_header_text(struct str text)
{
    bool fine = text.len > 0 && text.len <= OWN_KEY_BYTES_MAX;
    for (size_t i = 0; fine && i < text.len; i++)
        fine = text.ptr[i] > 0x20 && text.ptr[i] < 0x7f;
    return fine;
}

static const char *credentials_make(struct entry *entry, struct str key)
{
    size_t const len = PREFIX_BYTES + key.len + SUFFIX_BYTES;
    if (!is_header_text(key))
        return "what was sealed is no provider key";
    entry->credentials = malloc(len);
    if (entry->credentials == NULL)
        return "there was no memory for it";
    memcpy(entry->credentials, "authorization: Bearer ", PREFIX_BYTES);
    memcpy(entry->credentials + PREFIX_BYTES, key.ptr, key.len);
    memcpy(entry->credentials + PREFIX_BYTES + key.len, "\r\n", SUFFIX_BYTES);
    entry->credentials_len = len;
    entry->shown.credentials = str_make(entry->credentials, len);
    return NULL;
}

/* The buffer held a key. */
static void wipe(struct buf *plain)
{
    if (plain->ptr != NULL)
        secret_zero(plain->ptr, plain->len);
    buf_free(plain);
}

static const char *unseal(const struct fernet_ring *ring, struct entry *entry, struct str sealed)
{
    struct buf plain;
    const char *why = "none of the encryption_keys opens it";
    if (str_empty(sealed))
        return "it has no key";
    if (ring->count == 0)
        return "no encryption_keys are configured";
    buf_init(&plain, TOKEN_BYTES_MAX);
    if (fernet_decrypt(ring, sealed, -1, 0, &plain, NULL) == ERR_OK)
        why = credentials_make(entry, buf_view(&plain));
    wipe(&plain);
    return why;
}

/* Fills in what the document says, or why it cannot be used. False: it is switched off. */
static bool entry_read(const struct fernet_ring *ring, struct entry *entry)
{
    struct json_object members;
    struct fault ignored = {0};
    struct own_key *shown = &entry->shown;
    shown->why = "its document cannot be read";
    if (json_members(entry->text, &members, &ignored) == ERR_OK) {
        if (json_type(json_get(&members, STR("active"))) == JSON_FALSE)
            return false;
        shown->model = decode(entry, json_get(&members, STR("model")));
        shown->models_off = json_get(&members, STR("models_off"));
        shown->features_off = json_get(&members, STR("features_off"));
        shown->why = unseal(ring, entry, decode(entry, json_get(&members, STR("api_key_sealed"))));
    }
    if (shown->why != NULL)
        LOG(own_key_unusable, field_str("id", shown->id), field_text("reason", shown->why));
    return true;
}

/* --- changes ---------------------------------------------------------------------------------- */
static void lose(struct own_keys *own_keys)
{
    LOG(internal_error, field_text("reason", "no memory for a customer's own key"));
    own_keys->lost++;
}

/* Under the lock. Takes the reference; NULL: there is none (any more). */
static void put(struct own_keys *own_keys, struct map *map, struct entry *entry)
{
    if (entry != NULL && map_put(map, entry->shown.id, entry) != ERR_OK) {
        lose(own_keys);
        own_key_release(&entry->shown);
    }
}

void own_keys_hear(struct own_keys *own_keys, struct str id, struct str text)
{
    struct entry *entry = text.ptr != NULL ? entry_new(id, text) : NULL;
    pthread_rwlock_wrlock(&own_keys->lock);
    struct entry *old = map_remove(&own_keys->map, id);
    if (text.ptr != NULL && entry == NULL) {
        lose(own_keys);
    } else if (entry != NULL && !entry_read(&own_keys->ring, entry)) {
        own_key_release(&entry->shown);
    } else {
        put(own_keys, &own_keys->map, entry);
    }
    own_keys->count = own_keys->map.count + own_keys->lost;
    pthread_rwlock_unlock(&own_keys->lock);
    if (old != NULL)
        own_key_release(&old->shown);
}

void own_keys_ring(struct own_keys *own_keys, const struct fernet_ring *ring)
{
    size_t at = 0;
    struct entry *old;
    struct map fresh;
    map_init(&fresh);
    pthread_rwlock_wrlock(&own_keys->lock);
    fernet_ring_wipe(&own_keys->ring);
    own_keys->ring = *ring;
    while ((old = map_next(&own_keys->map, &at)) != NULL) {
        struct entry *entry = entry_new(old->shown.id, old->text);
        if (entry == NULL) {
            lose(own_keys);
            continue;
        }
        MUST(entry_read(ring, entry)); /* those that are off are not in the map */
        put(own_keys, &fresh, entry);
    }
    for (at = 0; (old = map_next(&own_keys->map, &at)) != NULL;)
        own_key_release(&old->shown);
    map_free(&own_keys->map);
    own_keys->map = fresh;
    own_keys->count = fresh.count + own_keys->lost;
    pthread_rwlock_unlock(&own_keys->lock);
}

bool own_keys_has_ring(struct own_keys *own_keys)
{
    pthread_rwlock_rdlock(&own_keys->lock);
    bool const has = own_keys->ring.count > 0;
    pthread_rwlock_unlock(&own_keys->lock);
    return has;
}

/* --- sealing ---------------------------------------------------------------------------------- */
static enum err no_ring(struct fault *fault)
{
    return fault_param(fault, ERR_FIELD_INVALID, "api_key",
                       "no encryption_keys are configured: keys cannot be stored; `cota keygen` "
                       "makes one for cota.yaml");
}

enum err own_keys_seal(struct own_keys *own_keys, struct str plain, struct buf *token,
                       struct fault *fault)
{
    if (!is_header_text(plain))
        return fault_param(fault, ERR_FIELD_INVALID, "api_key",
                           "printable ASCII without spaces, at most %d characters",
                           OWN_KEY_BYTES_MAX);
    pthread_rwlock_rdlock(&own_keys->lock);
    bool const has = own_keys->ring.count > 0;
    enum err const err = has ? fernet_encrypt(&own_keys->ring, plain, token) : ERR_OK;
    pthread_rwlock_unlock(&own_keys->lock);
    if (!has)
        return no_ring(fault);
    return err == ERR_OK ? ERR_OK : fault_set(fault, err, "the key cannot be sealed");
}

enum err own_keys_open(struct own_keys *own_keys, struct str token, struct buf *plain, bool *newest,
                       struct fault *fault)
{
    size_t used = 0;
    pthread_rwlock_rdlock(&own_keys->lock);
    bool const has = own_keys->ring.count > 0;
    enum err const err = has ? fernet_decrypt(&own_keys->ring, token, -1, 0, plain, &used) : ERR_OK;
    pthread_rwlock_unlock(&own_keys->lock);
    *newest = used == 0;
    if (!has)
        return no_ring(fault);
    if (err == ERR_OK && is_header_text(buf_view(plain)))
        return ERR_OK;
    return fault_param(fault, ERR_FIELD_INVALID, "api_key_sealed",
                       "none of the encryption_keys opens it as a provider key");
}

/* --- calls ------------------------------------------------------------------------------------ */
enum err own_key_take(struct own_keys *own_keys, struct str customer, struct str provider,
                      struct own_key **own_key, struct fault *fault)
{
    char id[OBJECT_ID_BYTES_MAX]; /* no document has a longer one */
    size_t const len = customer.len + 1 + provider.len;
    *own_key = NULL;
    if (atomic_load_explicit(&own_keys->count, memory_order_acquire) == 0 || len > sizeof id)
        return ERR_OK;
    memcpy(id, customer.ptr, customer.len);
    id[customer.len] = '/';
    memcpy(id + customer.len + 1, provider.ptr, provider.len);
    pthread_rwlock_rdlock(&own_keys->lock);
    struct entry *entry = map_get(&own_keys->map, str_make(id, len));
    bool const unknown = entry == NULL && own_keys->lost > 0;
    if (entry != NULL)
        atomic_fetch_add(&entry->references, 1);
    pthread_rwlock_unlock(&own_keys->lock);
    if (entry != NULL)
        *own_key = &entry->shown;
    return unknown ? fault_set(fault, ERR_OWN_KEY_UNUSABLE, "memory was short when it came")
                   : ERR_OK;
}

static bool is_among(struct str list, struct str name)
{
    char text[NAME_BYTES_MAX];
    size_t at = 0, len;
    struct str element;
    if (name.len == 0 || json_type(list) != JSON_ARRAY)
        return false;
    while (json_next(list, &at, &element))
        if (json_text(element, text, sizeof text, &len) && str_eq(str_make(text, len), name))
            return true;
    return false;
}

enum err own_key_permits(const struct own_key *own_key, struct str feature, struct str model,
                         struct fault *fault)
{
    if (own_key->why != NULL)
        return fault_set(fault, ERR_OWN_KEY_UNUSABLE, "%.*s: %s", STR_ARG(own_key->id),
                         own_key->why);
    if (is_among(own_key->features_off, feature))
        return fault_set(fault, ERR_FEATURE_FORBIDDEN, "switched off in %.*s",
                         STR_ARG(own_key->id));
    if (is_among(own_key->models_off, model))
        return fault_set(fault, ERR_MODEL_FORBIDDEN, "switched off in %.*s", STR_ARG(own_key->id));
    return ERR_OK;
}
