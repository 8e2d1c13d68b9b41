/* worker.c - a thread with its loop, and how it ends: listener first, calls next, bytes last. */
#include "app/daemon_int.h"
#include "base/log.h"
#include "base/thread.h"
#include <sched.h>

static void worker_ended(void *argument);

static int64_t now_ms(const struct worker *worker)
{
    return loop_now_ms(worker->loop);
}

static void publish(struct worker *worker)
{
    worker->ticks++;
    worker->connections = http_server_connections(worker->server);
    worker->exchanges = http_server_exchanges(worker->server);
}

static void leave(struct worker *worker)
{
    worker->dirty =
        http_server_exchanges(worker->server) > 0 || gateway_worker_calls(worker->gateway) > 0;
    if (!worker->dirty) {
        http_server_free(worker->server);
        gateway_worker_free(worker->gateway);
        worker->server = NULL;
        worker->gateway = NULL;
    }
    loop_stop(worker->loop);
}

/* Running calls may end until abort_ms; then they are ended, and their last bytes may leave. */
static void drain_step(struct worker *worker)
{
    bool const idle =
        http_server_exchanges(worker->server) == 0 && gateway_worker_calls(worker->gateway) == 0;
    if (!worker->aborted && !idle && now_ms(worker) >= worker->abort_ms) {
        worker->aborted = true;
        worker->leave_ms = now_ms(worker) + WORKER_FLUSH_MS;
        gateway_worker_abort(worker->gateway);
    }
    if (idle && worker->leave_ms == 0)
        worker->leave_ms = now_ms(worker) + WORKER_FLUSH_MS;
    bool const flushed = idle && http_server_connections(worker->server) == 0;
    if (flushed || (worker->leave_ms != 0 && now_ms(worker) >= worker->leave_ms))
        leave(worker);
    else
        timer_start(worker->loop, &worker->tick, WORKER_DRAIN_TICK_MS);
}

static void on_tick(struct timer *timer)
{
    struct worker *worker = LIST_OWNER(timer, struct worker, tick);
    publish(worker);
    if (worker->draining)
        drain_step(worker);
    else
        timer_start(worker->loop, &worker->tick, WORKER_TICK_MS);
}

static void drain_begin(void *argument)
{
    struct worker *worker = argument;
    if (worker->server == NULL)
        return; /* it has ended already */
    int64_t const abort_ms = now_ms(worker) + worker->drain_timeout_ms;
    if (!worker->draining)
        http_server_drain(worker->server);
    if (!worker->draining || abort_ms < worker->abort_ms)
        worker->abort_ms = abort_ms;
    worker->draining = true;
    timer_start(worker->loop, &worker->tick, 0);
}

void worker_drain(struct worker *worker, int64_t timeout_ms)
{
    worker->drain_timeout_ms = timeout_ms;
    if (loop_post(worker->loop, drain_begin, worker) != ERR_OK)
        LOG(internal_error, field_text("reason", "no memory to stop a worker; send TERM again"));
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    thread_name("worker");
    thread_slice_us(WORKER_SLICE_US);
    timer_start(worker->loop, &worker->tick, 0);
    loop_run(worker->loop);
    while (loop_post(worker->daemon->loop, worker_ended, worker->daemon) != ERR_OK)
        sched_yield(); /* the main thread must hear of it */
    return NULL;
}

static void worker_ended(void *argument)
{
    struct daemon *daemon = argument;
    daemon->workers_ended++;
    if (daemon->workers_ended == daemon->worker_count)
        timer_start(daemon->loop, &daemon->beat, 0); /* it closes the main loop */
}

enum err worker_open(struct worker *worker, struct str address, struct fault *fault)
{
    struct daemon *daemon = worker->daemon;
    const struct config_tls *tls = &daemon->config->tls;
    worker->loop = loop_new();
    if (worker->loop == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory or descriptors for a worker");
    timer_init(&worker->tick, on_tick);
    worker->gateway = gateway_worker_new(daemon->gateway, worker->loop);
    if (worker->gateway == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a worker");
    if (tls->cert.ptr != NULL) {
        struct tls_server_options const files = {tls->cert, tls->key};
        enum err const err = tls_server_new(&files, &worker->tls, fault);
        if (err != ERR_OK)
            return err;
    }
    web_app(&worker->app, worker, false);
    struct http_server_options const options = {worker->loop, address, worker->tls, &worker->app};
    return http_server_open(&options, &worker->server, fault);
}

enum err worker_start(struct worker *worker, struct fault *fault)
{
    int const result = pthread_create(&worker->thread, NULL, worker_run, worker);
    worker->started = result == 0;
    return result == 0 ? ERR_OK
                       : fault_set(fault, ERR_NO_MEMORY, "a thread cannot be started: %s",
                                   strerror(result));
}

static void stop_posted(void *argument)
{
    loop_stop(argument);
}

void loop_unwind(struct loop *loop)
{
    if (loop_post(loop, stop_posted, loop) == ERR_OK)
        loop_run(loop);
}

void worker_close(struct worker *worker)
{
    if (worker->dirty || worker->loop == NULL)
        return;
    if (worker->server != NULL)
        http_server_free(worker->server);
    if (worker->gateway != NULL)
        gateway_worker_free(worker->gateway);
    if (!worker->started)
        loop_unwind(worker->loop);
    loop_free(worker->loop);
    tls_context_free(worker->tls);
    worker->loop = NULL;
}
