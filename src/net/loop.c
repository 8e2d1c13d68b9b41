/* loop.c - libuv's loop, with posts from other threads and work for the next iteration. */
#include "net/loop.h"
#include "base/limits.h"
#include "base/must.h"
#include "net/gather.h"
#include "net/loop_int.h"
#include <signal.h>
#include <stdlib.h>

static struct post *posts_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct post *post = loop->first_post;
    loop->first_post = NULL;
    loop->last_post = &loop->first_post;
    pthread_mutex_unlock(&loop->lock);
    return post;
}

static void on_wake(uv_async_t *wake)
{
    struct post *post = posts_take(wake->data);
    while (post) {
        struct post *next = post->next;
        post->run(post->argument);
        free(post);
        post = next;
    }
}

/* What is planned while we run belongs to the next iteration: no owner can starve the loop. */
static void on_idle(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    struct list now;
    list_init(&now);
    while (!list_empty(&loop->soon)) {
        struct list *link = loop->soon.next;
        list_remove(link);
        list_push(&now, link);
    }
    uv_idle_stop(idle);
    while (!list_empty(&now)) {
        struct soon *soon = LIST_OWNER(now.next, struct soon, link);
        list_remove(&soon->link);
        soon->run(soon);
    }
}

static bool handles_open(struct loop *loop)
{
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0)
        return false;
    uv_idle_init(&loop->uv, &loop->idle);
    loop->wake.data = loop;
    loop->idle.data = loop;
    return wheel_open(&loop->wheel, &loop->uv);
}

struct loop *loop_new(void)
{
    signal(SIGPIPE, SIG_IGN); /* a write to a gone peer is an error to handle, not our end */
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    list_init(&loop->soon);
    gather_init(&loop->gather);
    loop->last_post = &loop->first_post;
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    if (pthread_mutex_init(&loop->lock, NULL) != 0 || !handles_open(loop)) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        uv_loop_close(&loop->uv);
        free(loop);
        return NULL;
    }
    return loop;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

static void handles_close(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->wheel.clock, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* does nothing but forget an uv_stop, when there was one */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    loop->closed = true;
}

struct closing {
    struct timer timer;
    struct loop *loop;
    bool over;
};

static void on_close_deadline(struct timer *timer)
{
    struct closing *closing = LIST_OWNER(timer, struct closing, timer);
    closing->over = true;
    uv_stop(&closing->loop->uv);
}

void loop_run(struct loop *loop)
{
    MUST(!loop->closed);
    struct closing closing = {.loop = loop};
    uv_update_time(&loop->uv);
    while (!loop->stopping)
        uv_run(&loop->uv, UV_RUN_DEFAULT);

    /* Our own handles no longer keep the loop alive; those of others do. */
    timer_init(&closing.timer, on_close_deadline);
    timer_start(loop, &closing.timer, LOOP_CLOSE_MS);
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->wheel.clock);
    while (!closing.over && uv_loop_alive(&loop->uv))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    timer_stop(&closing.timer);
    handles_close(loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    uv_stop(&loop->uv);
}

enum err loop_post(struct loop *loop, void (*run)(void *argument), void *argument)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        return ERR_NO_MEMORY;
    *post = (struct post){NULL, run, argument};
    pthread_mutex_lock(&loop->lock);
    bool const first = !loop->first_post;
    *loop->last_post = post;
    loop->last_post = &post->next;
    if (first) /* under the lock: after loop_free took it nobody touches the handle */
        uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
    return ERR_OK;
}

void loop_read_buffer(struct loop *loop, uv_buf_t *buffer)
{
    *buffer = uv_buf_init(loop->read_bytes, LOOP_READ_BYTES);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (!loop->closed)
        handles_close(loop);
    struct post *post = posts_take(loop);
    while (post) {
        struct post *next = post->next;
        free(post);
        post = next;
    }
    MUST(uv_loop_close(&loop->uv) == 0);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void soon_init(struct soon *soon, void (*run)(struct soon *soon))
{
    list_init(&soon->link);
    soon->run = run;
}

void loop_soon(struct loop *loop, struct soon *soon)
{
    if (!list_empty(&soon->link))
        return;
    list_push(&loop->soon, &soon->link);
    if (!uv_is_active((uv_handle_t *)&loop->idle))
        uv_idle_start(&loop->idle, on_idle);
}

void soon_cancel(struct soon *soon)
{
    list_remove(&soon->link);
}
