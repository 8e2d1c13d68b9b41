/* auth_throttle.c - a set-associative table of failures behind one lock. */
#include "admin/auth_throttle.h"
#include "base/random.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

enum { US_PER_S = 1000000 };

struct entry {
    uint64_t name; /* keyed hash; 0: empty */
    int64_t failures, last_us, until_us;
};

struct throttle {
    pthread_mutex_t lock;
    unsigned char key[crypto_shorthash_KEYBYTES];
    struct entry entries[THROTTLE_SETS][THROTTLE_WAYS];
};

int64_t throttle_wait_s(int64_t failures, int64_t free_count)
{
    int64_t const over = failures - free_count;
    if (over <= 0)
        return 0;
    return over > 10 || (int64_t)1 << (over - 1) > THROTTLE_WAIT_MAX_S ? THROTTLE_WAIT_MAX_S
                                                                       : (int64_t)1 << (over - 1);
}

struct throttle *throttle_new(void)
{
    struct throttle *throttle = calloc(1, sizeof *throttle);
    if (throttle == NULL)
        return NULL;
    pthread_mutex_init(&throttle->lock, NULL);
    random_secret(throttle->key, sizeof throttle->key);
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* Its entry, or the one of its set that is worth least: empty, forgotten, fewest failures. */
static struct entry *entry_of(struct throttle *throttle, char kind, struct str text, int64_t now_us)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t name;
    crypto_shorthash(hash, (const unsigned char *)(text.len ? text.ptr : ""), text.len,
                     throttle->key);
    memcpy(&name, hash, sizeof name);
    name = (name ^ (uint64_t)(unsigned char)kind) | 1;
    struct entry *set = throttle->entries[name >> 32 & (THROTTLE_SETS - 1)];
    struct entry *least = &set[0];
    for (size_t i = 0; i < THROTTLE_WAYS; i++) {
        if (now_us - set[i].last_us >= (int64_t)THROTTLE_FORGET_S * US_PER_S)
            set[i] = (struct entry){0};
        if (set[i].name == name)
            return &set[i];
        if (set[i].failures < least->failures)
            least = &set[i];
    }
    *least = (struct entry){.name = name, .last_us = now_us};
    return least;
}

static int64_t left_s(const struct entry *entry, int64_t now_us)
{
    return entry->until_us > now_us ? (entry->until_us - now_us + US_PER_S - 1) / US_PER_S : 0;
}

static void count(struct entry *entry, int64_t free_count, int64_t now_us)
{
    entry->failures++;
    entry->last_us = now_us;
    entry->until_us = now_us + throttle_wait_s(entry->failures, free_count) * US_PER_S;
}

int64_t throttle_take(struct throttle *throttle, struct str account, struct str address,
                      int64_t now_us)
{
    pthread_mutex_lock(&throttle->lock);
    struct entry *from = entry_of(throttle, 'a', address, now_us);
    int64_t wait_s = left_s(from, now_us);
    if (wait_s == 0) { /* a blocked address cannot fill the table with accounts */
        struct entry *to = entry_of(throttle, 'n', account, now_us);
        wait_s = left_s(to, now_us);
        if (wait_s == 0) {
            count(from, THROTTLE_FREE_ADDRESS, now_us);
            count(to, THROTTLE_FREE_ACCOUNT, now_us);
        }
    }
    pthread_mutex_unlock(&throttle->lock);
    return wait_s;
}

static void take_back(struct entry *entry)
{
    if (entry->failures > 0)
        entry->failures--;
    entry->until_us = 0;
}

void throttle_clear(struct throttle *throttle, struct str account, struct str address,
                    int64_t now_us)
{
    pthread_mutex_lock(&throttle->lock);
    take_back(entry_of(throttle, 'a', address, now_us));
    struct entry *to = entry_of(throttle, 'n', account, now_us);
    to->failures = to->until_us = 0;
    pthread_mutex_unlock(&throttle->lock);
}

void throttle_give_back(struct throttle *throttle, struct str account, struct str address,
                        int64_t now_us)
{
    pthread_mutex_lock(&throttle->lock);
    take_back(entry_of(throttle, 'a', address, now_us));
    take_back(entry_of(throttle, 'n', account, now_us));
    pthread_mutex_unlock(&throttle->lock);
}
