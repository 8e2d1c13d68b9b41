/* clock.h - the one door to time; tests and the simulator bring their own.
 *
 * What:  wall time for what is written down, monotonic time for what is waited for.
 */
#pragma once
#include <stdint.h>

struct clock {
    int64_t (*wall_us)(struct clock *clock); /* microseconds since 1970, UTC */
    int64_t (*mono_us)(struct clock *clock); /* never goes back */
};

/* The machine's clocks; static. */
struct clock *clock_system(void);

static inline int64_t clock_wall_us(struct clock *clock)
{
    return clock->wall_us(clock);
}

static inline int64_t clock_mono_us(struct clock *clock)
{
    return clock->mono_us(clock);
}
