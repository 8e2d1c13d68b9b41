/* timer.h - deadlines by the thousand: O(1) to start and stop, no allocation, no syscall.
 *
 * What:  a timer lives inside its owner. Resolution is about 10 ms and never early; a hashed wheel
 *        driven by one libuv timer that sleeps while no timer is armed.
 * Why:   a deadline that is only ever pushed back (idle, keep-alive) costs a few instructions: the
 *        timer stays in its slot and is moved when that slot comes round.
 * Not:   for pacing below 10 ms (the simulated provider uses uv_timer for that).
 */
#pragma once
#include "base/list.h"
#include "net/loop.h"

struct timer {
    struct list link;
    int64_t due_ms;
    int64_t tick;                        /* of the slot it is linked in, at or before due_ms */
    void (*on_due)(struct timer *timer); /* the timer is stopped already; it may be restarted */
};

void timer_init(struct timer *timer, void (*on_due)(struct timer *timer));
/* Restarts when armed. delay_ms >= 0. */
void timer_start(struct loop *loop, struct timer *timer, int64_t delay_ms);
void timer_stop(struct timer *timer); /* harmless when not armed */
bool timer_armed(const struct timer *timer);
