/* thread.h - what a thread tells the kernel about itself.
 *
 * What:  its name, and how soon it wants its turn.
 * Not:   starting and joining threads (pthread does), priorities between workers.
 */
#pragma once

/* Shown by top, perf and in core dumps; 15 bytes at most, the
 * rest is cut. Names the calling thread. */
void thread_name(const char *name);

/* Asks for short time slices (microseconds, 100 to 100000) for the calling thread: once woken it
 * need not wait until a busy neighbour has used up its own, longer slice. A wish: Linux before 6.12
 * ignores it. */
void thread_slice_us(unsigned slice_us);
