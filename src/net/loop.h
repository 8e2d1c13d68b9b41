/* loop.h - one event loop per worker thread (libuv), its cached time, and the way in from outside.
 *
 * What:  everything of a worker runs on its loop's thread; loop_post is the only function here that
 *        another thread may call.
 */
#pragma once
#include "base/err.h"
#include "base/list.h"
#include <uv.h>

struct loop;

/* NULL when memory or descriptors are short. Also makes the process ignore SIGPIPE. */
struct loop *loop_new(void);
uv_loop_t *loop_uv(struct loop *loop);
/* Monotonic milliseconds, cached once per iteration. */
int64_t loop_now_ms(const struct loop *loop);
/* Runs until loop_stop; then until all handles are closed (at most LOOP_CLOSE_MS: close them). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Thread-safe: `run(argument)` on the loop's thread, in order. ERR_NO_MEMORY. What is posted after
 * loop_run has returned never runs. */
NODISCARD enum err loop_post(struct loop *loop, void (*run)(void *argument), void *argument);
/* A shared read buffer of the loop (64 KiB): valid during one callback. */
void loop_read_buffer(struct loop *loop, uv_buf_t *buffer);
void loop_free(struct loop *loop); /* after loop_run returned; MUST have no live handles */

/* Work for the next iteration, on the same thread; it lives inside its owner. */
struct soon {
    struct list link;
    void (*run)(struct soon *soon); /* not planned any more; it may be planned again */
};
void soon_init(struct soon *soon, void (*run)(struct soon *soon));
void loop_soon(struct loop *loop, struct soon *soon); /* harmless when planned already */
void soon_cancel(struct soon *soon);                  /* harmless when not planned */
