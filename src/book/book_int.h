/* book_int.h - the objects of the book, for the files of this folder and the auditor's comparison.
 *
 * Rules: everything of a customer, its keys' meters, its grants, counters and holds' states is
 * under customer->lock. Lock order: manage -> customer, objects -> journal; shard and idempotency
 *        locks are leaves. Customers and keys are never freed while the book lives.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/must.h"
#include "book/record.h"
#include "core/waterfall.h"
#include <pthread.h>
#include <stdatomic.h>

/* The wheel has a bucket per second; later deadlines wait another turn. */
enum { KEY_SHARDS = 16, HOLD_SHARDS = 16, WHEEL_SECONDS = 512, KEY_HASH_BYTES = 32 };

struct limits { /* 0: no limit */
    struct gcra_limit requests, tokens;
    int64_t concurrent_max;
};
struct meter {                              /* the state that limits are held against */
    struct gcra requests, tokens, throttle; /* throttle: of customers alone */
    int64_t live, tokens_held;
};

struct grant {
    struct waterfall_grant funds; /* first: the waterfall's view is the grant */
    struct customer *customer;
    struct grant *next; /* of the customer, oldest first */
    struct money amount;
    enum grant_status status;
    uint64_t lsn;   /* of its record: durable before anyone hears of it */
    struct str key; /* source_type 0x1f source_id */
    struct str category, source_type, source_id; /* and funds.features */
    char texts[];
};

struct counter { /* of one rule in one window */
    struct counter *next;
    uint64_t id; /* struct rule's counter */
    enum window_kind kind;
    enum metric metric;
    int64_t start_us, end_us, used, held;
    size_t lines; /* of holds that may still end here; 0 and over: forgotten */
    /* Of an allowance that rolls over; else -1, 0, 0. What was included when a call was last
     * admitted, what the window before left it, and what it left the next one. */
    int64_t included, carried, given;
};
struct counters { /* chained by id and start; see counters.h */
    struct counter **slots;
    size_t count, slot_count;
    int64_t sweep_us; /* not walked before that */
};

struct customer {
    pthread_mutex_t lock;
    _Atomic int status;
    _Atomic bool unlimited;
    _Atomic bool in_credits; /* whatever `currency` was: once true, always true */
    struct limits limits;
    struct meter meter;
    struct money overdraft;
    struct record_totals totals;
    int64_t grants_held, overage_held, overdraft_held, last_us;
    int64_t low_told; /* that little credit is left: TOTAL_GRANTED then, and 1; 0: not told */
    const struct waterfall_grant **active; /* in waterfall order, with something remaining */
    size_t active_count, active_capacity, key_count;
    struct counters counters;
    struct grant *grants, **grants_end;
    struct key *keys, **keys_end;
    struct key *_Atomic token_key; /* token_key.h */
    struct str id, currency;
    enum row_origin origin;
    int64_t created_us;
    char texts[CUSTOMER_ID_BYTES_MAX + 16];
};

struct key_secret { /* what opens a key; never freed while the book lives: threads remember it */
    unsigned char hash[KEY_HASH_BYTES];
    struct key *key;
    _Atomic int64_t until_us; /* another took its place, and it ends then; 0: it is the newest */
    struct key_secret *older;
};

struct key {
    struct customer *customer;
    _Atomic int status;
    _Atomic int64_t expires_us;
    struct limits limits;
    struct meter meter;
    struct ulid id;
    struct key *next;          /* of the customer, oldest first */
    struct key_secret secret;  /* the first that we know of */
    struct key_secret *newest; /* under customer->lock */
    struct str name, prefix;
    enum row_origin origin;
    bool unwritten; /* revoked, but the journal did not take it */
    int64_t created_us;
    char id_text[ULID_TEXT_BYTES];
    char texts[KEY_NAME_BYTES_MAX + 16];
};

struct hold_shard {
    pthread_mutex_t lock;
    int64_t swept_s; /* no hold goes into a bucket before this second */
    int64_t retry_s; /* where the next sweep begins; <= swept_s */
    int64_t live, expired_count;
    int64_t reserves, settles, releases, expiries, refusals;
    struct list wheel[WHEEL_SECONDS];
    struct list expired; /* oldest first */
} __attribute__((aligned(64)));

struct key_shard { /* keys by hash */
    pthread_rwlock_t lock;
    struct map keys;
} __attribute__((aligned(64)));

enum { BASIS_SLOTS = 16381, BASIS_TRIES_MAX = 32 }; /* a prime; 128 KiB */
struct basis_names { /* basis.h: those told since the start; 0: empty */
    _Atomic uint64_t names[BASIS_SLOTS];
};

struct idempotency; /* idempotency.h */
struct objects;     /* object_int.h */
struct book {
    struct journal *journal;
    struct clock *clock;
    unsigned char pepper[32];
    uint64_t serial; /* tells books apart in the threads' caches */
    pthread_mutex_t manage;
    struct random random;    /* under manage */
    struct map sources;      /* grants by source, under manage */
    struct grant **expiring; /* heap by expiry, under manage */
    size_t expiring_count, expiring_capacity;
    pthread_rwlock_t customers_lock;
    struct map customers; /* by id */
    _Atomic int64_t key_count, customer_count, swept_us;
    struct key_shard key_shards[KEY_SHARDS];
    struct hold_shard hold_shards[HOLD_SHARDS];
    struct idempotency *idempotency;
    struct objects *objects;
    struct basis_names bases;
    struct map replayed; /* holds by id, while replaying only */
    bool replayed_whole; /* records newer than the rows have begun */
    uint64_t mismatches;
};
