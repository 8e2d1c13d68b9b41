/* daemon_int.h - the running daemon, shared by its own files: daemon, worker, web, metrics, reload.
 */
#pragma once
#include "admin/admin.h"
#include "app/config.h"
#include "app/daemon.h"
#include "app/datadir.h"
#include "app/jwks.h"
#include "book/expiry_notice.h"
#include "gateway/gateway.h"
#include "net/timer.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    WORKERS_MAX = 256,
    WORKER_TICK_MS = 500,      /* how often a worker shows that it lives */
    WORKER_SLICE_US = 300,     /* a woken worker need not wait for the projector on its core */
    WORKER_DRAIN_TICK_MS = 20, /* how often it looks whether it may stop */
    WORKER_FLUSH_MS = 2000,    /* for the last bytes of aborted answers */
    CONTROL_FLUSH_MS = 5000,   /* for management calls that still run when the workers have ended */
    READY_LAG_RECORDS_MAX = 1000000,
    DOCUMENTS_PIECE = 256, /* taken in at once while loading */
};

enum daemon_state { DAEMON_STARTING, DAEMON_RUNNING, DAEMON_DRAINING };

/* One event loop with its own listening socket, upstream pools and TLS context. */
struct worker {
    struct daemon *daemon;
    struct loop *loop;
    struct tls_context *tls;
    struct http_server *server;
    struct gateway_worker *gateway;
    struct http_app app;
    pthread_t thread;
    bool started;
    bool dirty; /* something would not end: nothing of it is freed */

    /* on its own thread */
    struct timer tick;
    bool draining, aborted;
    int64_t abort_ms, leave_ms; /* loop time; leave_ms 0: not aborted yet */

    _Atomic int64_t drain_timeout_ms; /* written by the main thread */

    /* for others to read */
    _Atomic uint64_t ticks;
    _Atomic size_t connections, exchanges;
};

struct daemon {
    const struct daemon_options *options;
    const struct config *config; /* what it was started with */
    struct datadir dir;
    struct clock *clock;
    struct journal *journal;
    struct store *store;
    struct book *book;
    struct projector *projector;
    struct gateway *gateway;
    struct admin *admin;
    size_t worker_count;
    struct worker workers[WORKERS_MAX];
    int port;
    char url[256];

    /* the main thread's loop: signals and the control socket */
    struct loop *loop;
    struct http_server *control;
    struct http_app control_app;
    uv_signal_t signals[3];
    size_t signal_count;
    struct timer beat;
    uv_work_t reload_work;
    bool reload_runs, reload_again;
    size_t workers_ended;
    int64_t ended_ms;   /* loop time when the last worker ended; 0: not yet */
    bool control_dirty; /* a management call would not end: nothing it may use is freed */
    int64_t last_ping_us, watchdog_us;
    uint64_t pinged_ticks[WORKERS_MAX];

    struct govern *govern;
    struct own_keys *own_keys;
    struct jwks *jwks;
    size_t documents; /* told while loading */
    bool documents_loaded;
    pthread_mutex_t reload_lock;         /* one reload at a time; guards the next three */
    const struct config *catalog_config; /* whose providers and models are in force */
    struct arena *catalog_arena;         /* its memory; NULL: the caller's */
    _Atomic int64_t catalog_next_us;     /* when a price begins or ends; 0: never */
    pthread_t maintenance;
    pthread_mutex_t maintenance_lock;
    pthread_cond_t maintenance_wake;
    bool maintenance_runs, maintenance_stop;
    struct expiry_sweep *expiry; /* of the maintenance thread */

    _Atomic int state; /* enum daemon_state */
    _Atomic int64_t unknown_paths;
    int64_t started_us;
};

/* worker.c */
NODISCARD enum err worker_open(struct worker *worker, struct str address, struct fault *fault);
NODISCARD enum err worker_start(struct worker *worker, struct fault *fault);
void worker_drain(struct worker *worker, int64_t timeout_ms); /* from the main thread; repeatable */
void worker_close(struct worker *worker); /* after its thread ended, or never started */
void loop_unwind(
    struct loop *loop); /* a loop that never ran: its handles close only while it runs */

/* web.c: what every server answers. `gateway` NULL: the control socket. */
void web_app(struct http_app *app, void *context, bool control);
bool daemon_ready(struct daemon *daemon, struct buf *verbose); /* verbose may be NULL */

/* metrics.c */
NODISCARD enum err metrics_render(struct daemon *daemon, struct buf *out);

/* reload.c */
enum err daemon_reload(void *owner, struct fault *fault); /* any thread but a loop's */
/* The catalogue again, from the file in force and the documents as they are now. */
NODISCARD enum err daemon_catalog_build(struct daemon *daemon, struct fault *fault);
enum err daemon_jwks_changed(void *owner, struct fault *fault); /* struct jwks_options.changed */
void daemon_status(void *owner, struct json_writer *writer);
void daemon_models(void *owner, admin_model_visit *visit, void *visitor);

/* maintenance.c */
NODISCARD enum err maintenance_start(struct daemon *daemon, struct fault *fault);
void maintenance_stop(struct daemon *daemon);
