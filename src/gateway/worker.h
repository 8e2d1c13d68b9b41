/* worker.h - what the stages of one worker share. Not for other folders. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/token_cache.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    REQUEST_MAGIC = 0x434f5441,
    STAGE_SAMPLE_EVERY = 64, /* calls: the time of their stages is measured */
};

struct worker_figures { /* written by the worker's thread, read by others */
    _Atomic int64_t requests, refused, failed, client_gone, streams_live, calls_live, replays;
    _Atomic int64_t stage_ns[GATEWAY_STAGES_MAX], sampled; /* of every STAGE_SAMPLE_EVERYth call */
};

struct gateway_worker {
    struct gateway *gateway;
    struct loop *loop;
    struct upstream_client *client;
    struct random random;
    struct list calls;      /* struct request, running */
    struct list strict;     /* struct request waiting for the journal (durability: strict) */
    size_t drains, waiters; /* abandoned streams; calls that wait for holds to end */
    _Atomic bool sync_wanted, sync_posted;
    bool aborting;
    struct govern_verdict verdict; /* of the call that is being admitted */
    /* Who may call with a JWT: of the gateway's verifier_serial that is noted here. */
    struct verifier *verifier;
    uint64_t verifier_serial;
    struct token_cache *tokens; /* NULL: no token has come yet */
    int64_t token_logged_ms, tokens_unlogged;
    struct worker_figures figures;
    struct list link; /* in the gateway's list */
};

struct gateway {
    struct gateway_options options;
    pthread_mutex_t lock; /* guards catalog, verifier and workers */
    struct catalog *catalog;
    struct verifier *verifier;        /* NULL: JWTs are not accepted */
    _Atomic uint64_t verifier_serial; /* one more with each swap */
    struct list workers;
};

/* One writer, read by others: no locked instruction is needed. */
static inline void count(_Atomic int64_t *counter, int64_t by)
{
    int64_t const now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + by, memory_order_relaxed);
}
