/* loop_int.h - the inside of a loop, for loop.c, timer.c and the TLS part of streams only. */
#pragma once
#include "net/loop.h"
#include "net/timer.h"
#include <pthread.h>

enum {
    LOOP_READ_BYTES = 64 << 10,
    LOOP_SCRATCH_BYTES = 16 << 10, /* one full TLS record */
    GATHER_BYTES = 256 << 10,
    GATHER_WRITE_BYTES_MAX = 8 << 10, /* larger writes go out at once: copying would not pay */
    TIMER_TICK_MS = 10,
    TIMER_SLOT_COUNT = 4096, /* 41 s per turn of the wheel; a power of two */
    TIMER_WORD_BITS = 64,
};

/* Slot n holds the timers that are linked at ticks n, n + TIMER_SLOT_COUNT, …; a set bit says that
 * the slot may hold one. */
struct wheel {
    struct list slots[TIMER_SLOT_COUNT];
    uint64_t used[TIMER_SLOT_COUNT / TIMER_WORD_BITS];
    int64_t done_tick; /* slots up to here have been visited */
    int64_t wake_tick; /* the libuv timer is set for it; WHEEL_ASLEEP: it is not */
    bool visiting;
    uv_timer_t clock;
};

struct post {
    struct post *next;
    void (*run)(void *argument);
    void *argument;
};

/* Small writes of one iteration; gather.c. */
struct gather {
    struct soon soon;
    struct list streams; /* those with bytes in here, in order */
    size_t used;
    char bytes[GATHER_BYTES];
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t idle; /* active while `soon` is not empty */
    struct list soon;
    struct gather gather;
    struct wheel wheel;
    bool stopping, closed;
    pthread_mutex_t lock; /* guards the two below, for a few instructions */
    struct post *first_post, **last_post;
    char scratch[LOOP_SCRATCH_BYTES];
    char read_bytes[LOOP_READ_BYTES];
};

NODISCARD bool wheel_open(struct wheel *wheel, uv_loop_t *uv);
