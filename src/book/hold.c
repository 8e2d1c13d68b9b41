/* hold.c - holds are listed by the second of their deadline, in shards, so that finding the expired
 * ones costs nothing per live hold, and threads seldom meet. */
#include "book/hold.h"
#include "base/log.h"
#include "book/customer_int.h"
#include "book/end.h"
#include "book/idempotency.h"
#include <stdlib.h>

enum { SECOND_US = 1000000, SWEEP_BATCH = 64 };

struct hold *hold_new(struct str context, struct str alerts)
{
    struct hold *hold = malloc(sizeof *hold + context.len + alerts.len);
    if (!hold)
        return NULL;
    memset(hold, 0, offsetof(struct hold, price));
    hold->references = 1;
    hold->output_tokens = hold->forget_us = 0;
    hold->limiters = 0;
    hold->shard = 0;
    hold->grant_count = hold->window_count = 0;
    hold->result = (struct settled){0};
    hold->overage = hold->overdraft = (struct money){0};
    hold->tariff = (struct tariff){0};
    hold->free = false;
    hold->overage_mode = OVERAGE_BLOCK;
    hold->allowance_limit = hold->overage_cap = 0;
    list_init(&hold->node);
    memcpy(hold->context_bytes, context.ptr, context.len);
    hold->context = str_make(hold->context_bytes, context.len);
    hold->alerts = str_make(hold->context_bytes + context.len, alerts.len);
    if (alerts.len > 0)
        memcpy(hold->context_bytes + context.len, alerts.ptr, alerts.len);
    return hold;
}

enum err hold_charge(const struct hold *hold, const struct usage *usage, struct money *cost,
                     struct money *charge)
{
    enum err const err = price_cost(&hold->price, usage, cost);
    *charge = *cost;
    if (err != ERR_OK || !tariff_is_set(&hold->tariff))
        return err;
    return tariff_charge(&hold->tariff, *cost, usage_total(usage), charge);
}

void hold_unref(struct hold *hold)
{
    int const before = atomic_fetch_sub_explicit(&hold->references, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before > 1)
        return;
    MUST(hold->node.next == &hold->node);
    free(hold);
}

void book_unref(struct hold *hold)
{
    hold_unref(hold);
}

/* --- shards -------------------------------------------------------------------------------- */
void hold_shards_init(struct book *book)
{
    for (int i = 0; i < HOLD_SHARDS; i++) {
        struct hold_shard *shard = &book->hold_shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        list_init(&shard->expired);
        for (int at = 0; at < WHEEL_SECONDS; at++)
            list_init(&shard->wheel[at]);
    }
}

static void drop_all(struct list *list)
{
    while (!list_empty(list)) {
        struct hold *hold = LIST_OWNER(list->next, struct hold, node);
        list_remove(&hold->node);
        hold_unref(hold);
    }
}

void hold_shards_free(struct book *book)
{
    for (int i = 0; i < HOLD_SHARDS; i++) {
        struct hold_shard *shard = &book->hold_shards[i];
        for (int at = 0; at < WHEEL_SECONDS; at++)
            drop_all(&shard->wheel[at]);
        drop_all(&shard->expired);
        pthread_mutex_destroy(&shard->lock);
    }
}

static unsigned shard_of_thread(void)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned mine;
    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1) % HOLD_SHARDS;
    return mine - 1;
}

void hold_enlist(struct book *book, struct hold *hold)
{
    hold->shard = shard_of_thread();
    struct hold_shard *shard = &book->hold_shards[hold->shard];
    atomic_fetch_add_explicit(&hold->references, 1, memory_order_relaxed);
    pthread_mutex_lock(&shard->lock);
    int64_t second = hold->deadline_us / SECOND_US;
    if (second < shard->swept_s)
        second = shard->swept_s;
    list_push(&shard->wheel[second % WHEEL_SECONDS], &hold->node);
    shard->live++;
    shard->reserves++;
    pthread_mutex_unlock(&shard->lock);
}

static void count(struct hold_shard *shard, enum record_type type)
{
    shard->settles += type == RECORD_SETTLE;
    shard->releases += type == RECORD_RELEASE;
    shard->expiries += type == RECORD_EXPIRE;
}

void hold_unlist(struct book *book, struct hold *hold, enum record_type type)
{
    struct hold_shard *shard = &book->hold_shards[hold->shard];
    pthread_mutex_lock(&shard->lock);
    bool const listed = hold->node.next != &hold->node;
    list_remove(&hold->node);
    if (hold->forget_us > 0)
        shard->expired_count -= listed;
    else
        shard->live -= listed;
    count(shard, type);
    pthread_mutex_unlock(&shard->lock);
    if (listed)
        hold_unref(hold);
}

void hold_count_refusal(struct book *book)
{
    struct hold_shard *shard = &book->hold_shards[shard_of_thread()];
    pthread_mutex_lock(&shard->lock);
    shard->refusals++;
    pthread_mutex_unlock(&shard->lock);
}

/* --- sweep --------------------------------------------------------------------------------- */
/* Up to SWEEP_BATCH holds of a bucket whose deadline has passed, each with a reference. */
static size_t collect(struct hold_shard *shard, struct list *bucket, int64_t now_us,
                      struct hold *found[SWEEP_BATCH])
{
    size_t number = 0;
    pthread_mutex_lock(&shard->lock);
    for (struct list *at = bucket->next; at != bucket && number < SWEEP_BATCH; at = at->next) {
        struct hold *hold = LIST_OWNER(at, struct hold, node);
        if (hold->deadline_us > now_us)
            continue;
        atomic_fetch_add_explicit(&hold->references, 1, memory_order_relaxed);
        found[number++] = hold;
    }
    pthread_mutex_unlock(&shard->lock);
    return number;
}

/* From the wheel to the expired ones, unless somebody has ended it for good meanwhile. */
static void keep_expired(struct hold_shard *shard, struct hold *hold, int64_t now_us)
{
    pthread_mutex_lock(&shard->lock);
    if (hold->node.next != &hold->node) {
        list_remove(&hold->node);
        hold->forget_us = now_us + (int64_t)HOLD_MEMORY_S * SECOND_US;
        list_push(&shard->expired, &hold->node);
        shard->live--;
        shard->expired_count++;
    }
    count(shard, RECORD_EXPIRE);
    pthread_mutex_unlock(&shard->lock);
}

/* False: some are still there (the journal took nothing, or they are just being ended). */
static bool sweep_bucket(struct book *book, struct hold_shard *shard, struct list *bucket,
                         int64_t now_us, size_t *expired)
{
    struct hold *found[SWEEP_BATCH];
    size_t number, done;
    do {
        number = collect(shard, bucket, now_us, found);
        done = 0;
        for (size_t i = 0; i < number; i++) {
            if (end_expire(book, found[i])) {
                keep_expired(shard, found[i], now_us);
                LOG(hold_expired, field_str("customer", found[i]->customer->id));
                done++;
            }
            hold_unref(found[i]);
        }
        *expired += done;
    } while (number == SWEEP_BATCH && done > 0);
    return done == number;
}

static size_t sweep_shard(struct book *book, struct hold_shard *shard, int64_t now_us)
{
    size_t expired = 0;
    bool whole = true;
    int64_t const now_s = now_us / SECOND_US;
    pthread_mutex_lock(&shard->lock);
    int64_t const first = shard->retry_s;
    int64_t second = first > now_s - WHEEL_SECONDS ? first : now_s - WHEEL_SECONDS + 1;
    if (shard->swept_s < now_s)
        shard->swept_s = now_s; /* later ones go into a bucket that is still to be visited */
    pthread_mutex_unlock(&shard->lock);
    for (second = second < 0 ? 0 : second; second <= now_s; second++)
        if (!sweep_bucket(book, shard, &shard->wheel[second % WHEEL_SECONDS], now_us, &expired))
            whole = false;
    pthread_mutex_lock(&shard->lock);
    shard->retry_s = whole && now_s > first ? now_s : first;
    pthread_mutex_unlock(&shard->lock);
    return expired;
}

/* The oldest expired hold of a shard that need not be kept any longer, with its list's reference.
 */
static struct hold *take_forgotten(struct hold_shard *shard, int64_t now_us)
{
    struct hold *hold = NULL;
    pthread_mutex_lock(&shard->lock);
    if (!list_empty(&shard->expired)) {
        struct hold *oldest = LIST_OWNER(shard->expired.next, struct hold, node);
        bool const crowded = shard->expired_count > HOLDS_EXPIRED_MAX / HOLD_SHARDS;
        if (crowded || oldest->forget_us <= now_us)
            hold = oldest;
    }
    if (hold) {
        list_remove(&hold->node);
        shard->expired_count--;
    }
    pthread_mutex_unlock(&shard->lock);
    return hold;
}

size_t book_sweep(struct book *book)
{
    size_t expired = 0;
    int64_t const wall_us = clock_wall_us(book->clock);
    int64_t now_us = atomic_load(&book->swept_us); /* never back; one thread sweeps */
    if (wall_us > now_us)
        now_us = wall_us;
    atomic_store(&book->swept_us, now_us);
    for (int i = 0; i < HOLD_SHARDS; i++) {
        struct hold_shard *shard = &book->hold_shards[i];
        expired += sweep_shard(book, shard, now_us);
        for (struct hold *hold = take_forgotten(shard, now_us); hold;
             hold = take_forgotten(shard, now_us)) {
            end_forget(book, hold);
            hold_unref(hold);
        }
    }
    idempotency_sweep(book);
    return expired;
}

const struct hold_window *hold_line(const struct hold *hold, enum window_role role)
{
    for (size_t i = hold->window_count; i > 0; i--)
        if (hold->windows[i - 1].role == role)
            return &hold->windows[i - 1];
    return NULL;
}

int64_t hold_overage_room(const struct hold *hold, bool ignore_holds)
{
    if (hold->overage_mode != OVERAGE_BILL)
        return 0;
    const struct hold_window *line = hold_line(hold, ROLE_OVERAGE_CAP);
    if (line == NULL)
        return INT64_MAX;
    int64_t const room = customer_window_room(line->counter, hold->overage_cap, ignore_holds);
    return room > 0 ? room : 0;
}
