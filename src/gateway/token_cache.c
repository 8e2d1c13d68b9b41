/* token_cache.c - a table of JWT_CACHE_SLOTS; a newer token takes the slot of an older one. */
#include "gateway/token_cache.h"
#include "base/limits.h"
#include "base/random.h"
#include <sodium.h>
#include <stdlib.h>

struct slot {
    uint64_t hash[2];
    struct bearer bearer; /* expires_s 0: empty */
    char *texts;          /* what its views look at */
};

struct token_cache {
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    struct slot slots[JWT_CACHE_SLOTS];
};

_Static_assert(sizeof(((struct slot *)0)->hash) == crypto_shorthash_siphashx24_BYTES,
               "a slot holds a whole hash");

struct token_cache *token_cache_new(void)
{
    struct token_cache *cache = calloc(1, sizeof *cache);
    if (cache)
        random_secret(cache->key, sizeof cache->key);
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache)
        token_cache_clear(cache);
    free(cache);
}

static size_t slot_of(const struct token_cache *cache, struct str token, uint64_t hash[2])
{
    crypto_shorthash_siphashx24((unsigned char *)hash, (const unsigned char *)token.ptr, token.len,
                                cache->key);
    return hash[0] % JWT_CACHE_SLOTS;
}

const struct bearer *token_cache_get(const struct token_cache *cache, struct str token,
                                     int64_t now_s)
{
    uint64_t hash[2];
    const struct slot *slot = &cache->slots[slot_of(cache, token, hash)];
    bool const same = slot->hash[0] == hash[0] && slot->hash[1] == hash[1];
    return same && now_s < slot->bearer.expires_s ? &slot->bearer : NULL;
}

static void slot_clear(struct slot *slot)
{
    free(slot->texts);
    *slot = (struct slot){0};
}

/* Copies one text to *at, and steps over it. */
static struct str keep(char **at, struct str text)
{
    struct str const kept = str_make(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

void token_cache_put(struct token_cache *cache, struct str token, const struct bearer *bearer)
{
    uint64_t hash[2];
    size_t const bytes =
        bearer->customer.len + bearer->user.len + bearer->profile.len + bearer->groups.len;
    struct slot *slot = &cache->slots[slot_of(cache, token, hash)];
    if (bytes > JWT_CACHE_TEXT_BYTES_MAX)
        return;
    slot_clear(slot);
    char *at = malloc(bytes + 1);
    if (!at)
        return;
    slot->texts = at;
    slot->hash[0] = hash[0];
    slot->hash[1] = hash[1];
    slot->bearer.customer = keep(&at, bearer->customer);
    slot->bearer.user = keep(&at, bearer->user);
    slot->bearer.profile = keep(&at, bearer->profile);
    slot->bearer.groups = keep(&at, bearer->groups);
    slot->bearer.expires_s = bearer->expires_s;
}

void token_cache_clear(struct token_cache *cache)
{
    for (size_t i = 0; i < JWT_CACHE_SLOTS; i++)
        slot_clear(&cache->slots[i]);
}
