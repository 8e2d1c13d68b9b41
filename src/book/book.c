/* book.c - the container: made, looked at, and taken apart. */
#include "book/book_int.h"
#include "book/customer_int.h"
#include "book/hold.h"
#include "book/idempotency.h"
#include "book/object_int.h"
#include <stdlib.h>

enum err book_new(const struct book_options *options, struct book **book, struct fault *fault)
{
    static _Atomic uint64_t serials;
    MUST(options->journal && options->clock);
    struct book *made = aligned_alloc(_Alignof(struct book), sizeof *made);
    struct idempotency *idempotency = idempotency_new();
    struct objects *objects = objects_new();
    if (!made || !idempotency || !objects) {
        free(made);
        idempotency_free(idempotency);
        objects_free(objects);
        return fault_set(fault, ERR_NO_MEMORY, "the book");
    }
    memset(made, 0, sizeof *made);
    made->journal = options->journal;
    made->clock = options->clock;
    made->idempotency = idempotency;
    made->objects = objects;
    made->serial = 1 + atomic_fetch_add(&serials, 1);
    memcpy(made->pepper, options->pepper, sizeof made->pepper);
    uint64_t seed;
    random_secret(&seed, sizeof seed);
    random_seed(&made->random, seed);
    pthread_mutex_init(&made->manage, NULL);
    pthread_rwlock_init(&made->customers_lock, NULL);
    map_init(&made->customers);
    map_init(&made->sources);
    map_init(&made->replayed);
    for (int i = 0; i < KEY_SHARDS; i++) {
        pthread_rwlock_init(&made->key_shards[i].lock, NULL);
        map_init(&made->key_shards[i].keys);
    }
    hold_shards_init(made);
    *book = made;
    return ERR_OK;
}

void book_free(struct book *book)
{
    if (!book)
        return;
    size_t at = 0;
    for (struct hold *hold = map_next(&book->replayed, &at); hold;
         hold = map_next(&book->replayed, &at))
        hold_unref(hold); /* a replay that was given up */
    map_free(&book->replayed);
    hold_shards_free(book);
    at = 0;
    for (struct customer *customer = map_next(&book->customers, &at); customer;
         customer = map_next(&book->customers, &at))
        customer_free(customer);
    map_free(&book->customers);
    map_free(&book->sources);
    free(book->expiring);
    for (int i = 0; i < KEY_SHARDS; i++) {
        map_free(&book->key_shards[i].keys);
        pthread_rwlock_destroy(&book->key_shards[i].lock);
    }
    idempotency_free(book->idempotency);
    objects_free(book->objects);
    pthread_rwlock_destroy(&book->customers_lock);
    pthread_mutex_destroy(&book->manage);
    free(book);
}

void book_figures(struct book *book, struct book_figures *figures)
{
    *figures = (struct book_figures){
        .customers = atomic_load(&book->customer_count),
        .keys = atomic_load(&book->key_count),
    };
    for (int i = 0; i < HOLD_SHARDS; i++) {
        struct hold_shard *shard = &book->hold_shards[i];
        pthread_mutex_lock(&shard->lock);
        figures->live_holds += shard->live;
        figures->reserves += shard->reserves;
        figures->refusals += shard->refusals;
        figures->settles += shard->settles;
        figures->releases += shard->releases;
        figures->expiries += shard->expiries;
        pthread_mutex_unlock(&shard->lock);
    }
}
