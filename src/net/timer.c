/* timer.c - the hashed wheel behind timer.h.
 *
 * A slot is visited when its tick has come; a timer found there that is not due yet (it was pushed
 * back, or is more than one turn away) moves on to the slot of its due time.
 */
#include "net/timer.h"
#include "base/must.h"
#include "net/loop_int.h"

#define WHEEL_ASLEEP INT64_MAX

_Static_assert((TIMER_SLOT_COUNT & (TIMER_SLOT_COUNT - 1)) == 0, "slots are found by masking");

static size_t slot_of(int64_t tick)
{
    return (size_t)tick & (TIMER_SLOT_COUNT - 1);
}

/* The first tick that is not before due_ms. */
static int64_t tick_of(int64_t due_ms)
{
    return (due_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
}

/* The tick of the first used slot after done_tick, or WHEEL_ASLEEP. */
static int64_t wheel_next(const struct wheel *wheel)
{
    size_t const word_count = TIMER_SLOT_COUNT / TIMER_WORD_BITS;
    size_t const start = slot_of(wheel->done_tick + 1);
    for (size_t i = 0; i <= word_count; i++) {
        size_t const word = (start / TIMER_WORD_BITS + i) % word_count;
        uint64_t bits = wheel->used[word];
        if (i == 0)
            bits &= ~(uint64_t)0 << start % TIMER_WORD_BITS;
        if (bits == 0)
            continue;
        size_t const slot = word * TIMER_WORD_BITS + (size_t)__builtin_ctzll(bits);
        return wheel->done_tick + 1 + (int64_t)((slot - start) & (TIMER_SLOT_COUNT - 1));
    }
    return WHEEL_ASLEEP;
}

static void on_clock(uv_timer_t *clock);

static void wheel_wake_at(struct wheel *wheel, int64_t tick)
{
    wheel->wake_tick = tick;
    int64_t const now_ms = (int64_t)uv_now(wheel->clock.loop);
    int64_t const delay_ms = tick * TIMER_TICK_MS - now_ms;
    uv_timer_start(&wheel->clock, on_clock, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static void wheel_link(struct wheel *wheel, struct timer *timer)
{
    int64_t tick = tick_of(timer->due_ms);
    if (tick <= wheel->done_tick)
        tick = wheel->done_tick + 1;
    timer->tick = tick;
    list_push(&wheel->slots[slot_of(tick)], &timer->link);
    wheel->used[slot_of(tick) / TIMER_WORD_BITS] |= (uint64_t)1 << slot_of(tick) % TIMER_WORD_BITS;
}

static void wheel_visit(struct wheel *wheel, int64_t tick, int64_t now_ms)
{
    struct list *slot = &wheel->slots[slot_of(tick)];
    struct list found; /* a callback may stop any timer, also one that waits here for its turn */
    list_init(&found);
    while (!list_empty(slot)) {
        struct list *link = slot->next;
        list_remove(link);
        list_push(&found, link);
    }
    wheel->used[slot_of(tick) / TIMER_WORD_BITS] &=
        ~((uint64_t)1 << slot_of(tick) % TIMER_WORD_BITS);
    while (!list_empty(&found)) {
        struct timer *timer = LIST_OWNER(found.next, struct timer, link);
        list_remove(&timer->link);
        if (timer->due_ms > now_ms)
            wheel_link(wheel, timer);
        else
            timer->on_due(timer);
    }
}

static void on_clock(uv_timer_t *clock)
{
    struct wheel *wheel = clock->data;
    int64_t const now_ms = (int64_t)uv_now(clock->loop);
    int64_t const now_tick = now_ms / TIMER_TICK_MS;
    wheel->visiting = true;
    int64_t tick;
    while ((tick = wheel_next(wheel)) <= now_tick) {
        wheel->done_tick = tick;
        wheel_visit(wheel, tick, now_ms);
    }
    wheel->visiting = false;
    if (wheel->done_tick < now_tick)
        wheel->done_tick = now_tick;
    wheel->wake_tick = WHEEL_ASLEEP;
    if (tick != WHEEL_ASLEEP)
        wheel_wake_at(wheel, tick);
}

bool wheel_open(struct wheel *wheel, uv_loop_t *uv)
{
    for (size_t i = 0; i < TIMER_SLOT_COUNT; i++)
        list_init(&wheel->slots[i]);
    wheel->wake_tick = WHEEL_ASLEEP;
    wheel->clock.data = wheel;
    return uv_timer_init(uv, &wheel->clock) == 0;
}

void timer_init(struct timer *timer, void (*on_due)(struct timer *timer))
{
    list_init(&timer->link);
    timer->on_due = on_due;
}

void timer_start(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    MUST(delay_ms >= 0);
    struct wheel *wheel = &loop->wheel;
    int64_t const now_ms = loop_now_ms(loop);
    timer->due_ms = now_ms + delay_ms;
    if (timer_armed(timer)) {
        if (tick_of(timer->due_ms) >= timer->tick)
            return; /* pushed back: moved when its slot comes round */
        list_remove(&timer->link);
    }
    if (wheel->wake_tick == WHEEL_ASLEEP && !wheel->visiting)
        wheel->done_tick = now_ms / TIMER_TICK_MS; /* no slot is used: nothing is skipped */
    wheel_link(wheel, timer);
    if (timer->tick < wheel->wake_tick && !wheel->visiting)
        wheel_wake_at(wheel, timer->tick);
}

void timer_stop(struct timer *timer)
{
    list_remove(&timer->link);
}

bool timer_armed(const struct timer *timer)
{
    return !list_empty(&timer->link);
}
