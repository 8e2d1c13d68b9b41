/* daemon.c - opens everything in order, turns signals into actions, closes in reverse order. */
#include "app/apply.h"
#include "app/cli.h"
#include "app/daemon_int.h"
#include "app/notify.h"
#include "app/owner.h"
#include "base/log.h"
#include "base/must.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BEAT_MS = 1000,
    PROJECTION_FLUSH_MS = 30000,
    ADMISSION_WAIT_MS = 2000, /* a call waits so long when only other calls' holds are in its way */
    OUTPUT_MIN_TOKENS = 16,   /* a call is not shrunk below this to fit the credit */
};

static void harden(void)
{
    struct rlimit files;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file carries keys */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static size_t usable_cores(void)
{
    cpu_set_t cores;
    int const count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (size_t)count;
}

/* --- ledger: journal, database, book ---------------------------------------------------------- */
/* Under the book's lock, in the order of the journal. While the book is loaded everything comes
 * with `more`; nobody asks yet, so it is taken in pieces. */
static void on_document(void *owner, const struct object *object, bool more)
{
    struct daemon *daemon = owner;
    struct fault fault = {0};
    if (object != NULL && object_kind_private(object->kind))
        return;           /* operators and their tokens are no rules */
    if (object == NULL) { /* all that was stored is told */
        if (govern_hear(daemon->govern, STR(""), STR(""), STR(""), false, &fault) != ERR_OK)
            LOG(internal_error, field_text("reason", fault.detail));
        daemon->documents_loaded = true;
        return;
    }
    bool const piece = !daemon->documents_loaded && ++daemon->documents % DOCUMENTS_PIECE == 0;
    struct str const text = object->version == 0 ? (struct str){0} : object->text;
    struct str const kind = object_kind_row(object->kind)->name;
    if (object->kind == OBJECT_AI_CONFIG)
        own_keys_hear(daemon->own_keys, object->id, text);
    if (govern_hear(daemon->govern, kind, object->id, text, more && !piece, &fault) != ERR_OK)
        LOG(document_unusable, field_str("kind", kind), field_str("id", object->id),
            field_text("reason", fault.detail));
}

static enum err open_own_keys(struct daemon *daemon, struct fault *fault)
{
    daemon->own_keys = own_keys_new();
    if (daemon->own_keys == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for customers' own keys");
    apply_ring(daemon->config, daemon->own_keys);
    return ERR_OK;
}

static enum err open_ledger(struct daemon *daemon, struct fault *fault)
{
    struct journal_options const journal = {.directory = str_of(daemon->dir.journal),
                                            .clock = daemon->clock};
    struct journal_opened opened;
    struct recovered recovered = {0};
    enum err err = journal_open(&journal, &daemon->journal, &opened, fault);
    if (err == ERR_OK)
        err = store_sqlite_open(str_of(daemon->dir.database), &daemon->store, fault);
    struct book_options options = {.journal = daemon->journal, .clock = daemon->clock};
    memcpy(options.pepper, daemon->dir.pepper, sizeof options.pepper);
    if (err == ERR_OK)
        err = book_new(&options, &daemon->book, fault);
    if (err == ERR_OK)
        err = govern_new(NULL, &daemon->govern, fault);
    if (err == ERR_OK)
        err = open_own_keys(daemon, fault);
    if (err == ERR_OK)
        book_objects_subscribe(daemon->book, on_document, daemon);
    secret_zero(options.pepper, sizeof options.pepper);
    if (err == ERR_OK)
        err = book_recover(daemon->book, daemon->store, &recovered, fault);
    if (err == ERR_OK)
        err = apply_customers(daemon->config, daemon->book, fault);
    if (err == ERR_OK)
        err = projector_start(daemon->book, daemon->store, &daemon->projector, fault);
    return err;
}

/* On a pool thread, after a document was written. */
static void documents_changed(void *owner, enum object_kind kind)
{
    struct fault fault = {0};
    if (kind != OBJECT_PROVIDER && kind != OBJECT_MODEL && kind != OBJECT_PRICE)
        return;
    if (daemon_catalog_build(owner, &fault) != ERR_OK)
        LOG(reload_refused, field_text("problems", fault.detail));
}

static enum err open_verifier(struct daemon *daemon, struct fault *fault)
{
    struct jwks_options const options = {daemon_jwks_changed, daemon};
    struct jwks_source const source = apply_jwks_source(daemon->config);
    struct verifier *verifier = NULL;
    daemon->jwks = jwks_new(&options);
    if (daemon->jwks == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for jwks_url");
    enum err const err = apply_verifier(daemon->config, daemon->jwks, &verifier, fault);
    if (err != ERR_OK)
        return err;
    gateway_verifier_swap(daemon->gateway, verifier);
    return jwks_configure(daemon->jwks, &source, fault);
}

static enum err open_gateway(struct daemon *daemon, struct fault *fault)
{
    struct gateway_options const options = {.book = daemon->book,
                                            .govern = daemon->govern,
                                            .own_keys = daemon->own_keys,
                                            .journal = daemon->journal,
                                            .store = daemon->store,
                                            .projector = daemon->projector,
                                            .clock = daemon->clock,
                                            .strict =
                                                daemon->config->durability == DURABILITY_STRICT,
                                            .body_bytes_max = daemon->config->body_bytes_max,
                                            .admission_wait_ms = ADMISSION_WAIT_MS,
                                            .output_min = OUTPUT_MIN_TOKENS};
    daemon->gateway = gateway_new(&options);
    if (daemon->gateway == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the gateway");
    daemon->catalog_config = daemon->config;
    enum err err = daemon_catalog_build(daemon, fault);
    if (err == ERR_OK)
        err = open_verifier(daemon, fault);
    if (err != ERR_OK)
        return err;
    struct admin_options const admin = {.book = daemon->book,
                                        .store = daemon->store,
                                        .projector = daemon->projector,
                                        .govern = daemon->govern,
                                        .own_keys = daemon->own_keys,
                                        .clock = daemon->clock,
                                        .token = daemon->dir.admin_token,
                                        .tls = daemon->config->tls.cert.ptr != NULL,
                                        .owner = daemon,
                                        .reload = daemon_reload,
                                        .changed = documents_changed,
                                        .status = daemon_status,
                                        .models = daemon_models};
    daemon->admin = admin_new(&admin);
    return daemon->admin ? ERR_OK : fault_set(fault, ERR_NO_MEMORY, "no memory");
}

/* --- servers --------------------------------------------------------------------------------- */
static enum err open_control(struct daemon *daemon, struct fault *fault)
{
    char address[DATADIR_PATH_BYTES + 8];
    daemon->loop = loop_new();
    if (daemon->loop == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory or descriptors for the main loop");
    snprintf(address, sizeof address, "unix:%s", daemon->dir.socket);
    web_app(&daemon->control_app, daemon, true);
    struct http_server_options const options = {daemon->loop, str_of(address), NULL,
                                                &daemon->control_app};
    enum err err;
    unlink(daemon->dir.socket); /* of a daemon that is gone: the journal's lock says so */
    err = http_server_open(&options, &daemon->control, fault);
    if (err == ERR_OK && chmod(daemon->dir.socket, 0600) != 0)
        err =
            fault_set(fault, ERR_CONFIG_INVALID, "%s: its mode cannot be set", daemon->dir.socket);
    return err;
}

/* The host of "host:port". */
static struct str host_of(struct str address)
{
    const char *colon = memrchr(address.ptr, ':', address.len);
    return str_make(address.ptr, colon ? (size_t)(colon - address.ptr) : address.len);
}

static void make_url(struct daemon *daemon)
{
    struct str host = host_of(daemon->config->listen);
    if (str_eq(host, STR("0.0.0.0")) || host.len == 0)
        host = STR("127.0.0.1");
    if (str_eq(host, STR("[::]")))
        host = STR("[::1]");
    snprintf(daemon->url, sizeof daemon->url, "%s://%.*s:%d",
             daemon->config->tls.cert.ptr ? "https" : "http", STR_ARG(host), daemon->port);
}

static enum err open_workers(struct daemon *daemon, struct fault *fault)
{
    struct str const listen = daemon->config->listen;
    char address[512];
    enum err err = ERR_OK;
    daemon->worker_count =
        daemon->config->workers > 0 ? (size_t)daemon->config->workers : usable_cores();
    snprintf(address, sizeof address, "%.*s", STR_ARG(listen));
    if (!daemon_port_free(listen))
        return fault_set(fault, ERR_CONFIG_INVALID, "%.*s is taken by another program",
                         STR_ARG(listen));
    for (size_t i = 0; i < daemon->worker_count && err == ERR_OK; i++) {
        daemon->workers[i].daemon = daemon;
        err = worker_open(&daemon->workers[i], str_of(address), fault);
        if (i > 0 || err != ERR_OK)
            continue;
        daemon->port = http_server_port(daemon->workers[0].server); /* the others share it */
        struct str const host = host_of(listen);
        snprintf(address, sizeof address, "%.*s:%d", STR_ARG(host), daemon->port);
    }
    make_url(daemon);
    return err;
}

static enum err open_all(struct daemon *daemon, struct fault *fault)
{
    const char *data_dir = daemon->options->data_dir;
    struct str const dir = data_dir ? str_of(data_dir) : daemon->config->data_dir;
    enum err err =
        datadir_open(dir, daemon->config->admin_token.ptr ? daemon->config->admin_token : STR(""),
                     &daemon->dir, fault);
    if (err == ERR_OK)
        err = open_ledger(daemon, fault);
    if (err == ERR_OK)
        err = open_gateway(daemon, fault);
    if (err == ERR_OK)
        err = open_control(daemon, fault);
    if (err == ERR_OK)
        err = open_workers(daemon, fault);
    if (err == ERR_OK)
        err = maintenance_start(daemon, fault);
    if (err == ERR_OK)
        err = owner_from_environment(daemon->admin, fault);
    if (err == ERR_OK)
        err = admin_jobs_start(daemon->admin, fault);
    return err;
}

/* --- signals --------------------------------------------------------------------------------- */
static void close_signal(uv_handle_t *handle)
{
    (void)handle;
}

static void stop_main_loop(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->signal_count; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], close_signal);
    daemon->signal_count = 0;
    daemon->control_dirty = http_server_exchanges(daemon->control) > 0;
    if (!daemon->control_dirty) {
        http_server_free(daemon->control);
        daemon->control = NULL;
    }
    loop_stop(daemon->loop);
}

/* Running management calls may end, but a client that reads nothing does not hold us for ever. */
static bool may_stop(struct daemon *daemon)
{
    int64_t const now_ms = loop_now_ms(daemon->loop);
    if (daemon->workers_ended < daemon->worker_count || daemon->reload_runs)
        return false;
    if (daemon->ended_ms == 0) {
        daemon->ended_ms = now_ms;
        http_server_drain(daemon->control);
    }
    return http_server_exchanges(daemon->control) == 0 ||
           now_ms - daemon->ended_ms >= CONTROL_FLUSH_MS;
}

static void drain(struct daemon *daemon)
{
    bool const again = daemon->state == DAEMON_DRAINING;
    LOG(stopping, field_int("timeout_ms", again ? 0 : daemon->config->drain_timeout_ms));
    notify("STOPPING=1\nSTATUS=ending running calls");
    daemon->state = DAEMON_DRAINING;
    admin_events_stop(daemon->admin);
    for (size_t i = 0; i < daemon->worker_count; i++)
        worker_drain(&daemon->workers[i], again ? 0 : daemon->config->drain_timeout_ms);
}

static void reload_run(uv_work_t *work)
{
    struct fault fault = {0};
    struct daemon *daemon = work->data;
    if (daemon_reload(daemon, &fault) == ERR_CONFLICT)
        LOG(reload_refused, field_text("problems", fault.detail));
}

static void reload_begin(struct daemon *daemon);

static void reload_done(uv_work_t *work, int status)
{
    struct daemon *daemon = work->data;
    (void)status;
    daemon->reload_runs = false;
    if (daemon->reload_again)
        reload_begin(daemon);
}

static void reload_begin(struct daemon *daemon)
{
    daemon->reload_again = daemon->reload_runs;
    if (daemon->reload_runs)
        return; /* once more when it is done: the file may have changed meanwhile */
    daemon->reload_work.data = daemon;
    daemon->reload_runs =
        uv_queue_work(loop_uv(daemon->loop), &daemon->reload_work, reload_run, reload_done) == 0;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;
    if (number == SIGHUP)
        reload_begin(daemon);
    else
        drain(daemon);
}

static enum err watch_signals(struct daemon *daemon, struct fault *fault)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_t *handle = &daemon->signals[i];
        if (uv_signal_init(loop_uv(daemon->loop), handle) != 0)
            return fault_set(fault, ERR_NO_MEMORY, "signals cannot be watched");
        daemon->signal_count++;
        handle->data = daemon;
        if (uv_signal_start(handle, on_signal, numbers[i]) != 0)
            return fault_set(fault, ERR_NO_MEMORY, "signals cannot be watched");
    }
    return ERR_OK;
}

/* --- heartbeat: only a daemon all of whose workers move pings the watchdog ------------------- */
static void ping(struct daemon *daemon)
{
    int64_t const now_us = clock_mono_us(daemon->clock);
    if (daemon->watchdog_us == 0 || now_us - daemon->last_ping_us < daemon->watchdog_us / 3)
        return;
    for (size_t i = 0; i < daemon->worker_count; i++)
        if (daemon->workers[i].ticks == daemon->pinged_ticks[i] && daemon->state == DAEMON_RUNNING)
            return;
    for (size_t i = 0; i < daemon->worker_count; i++)
        daemon->pinged_ticks[i] = daemon->workers[i].ticks;
    daemon->last_ping_us = now_us;
    notify("WATCHDOG=1");
}

static void on_beat(struct timer *timer)
{
    struct daemon *daemon = LIST_OWNER(timer, struct daemon, beat);
    ping(daemon);
    if (may_stop(daemon))
        stop_main_loop(daemon);
    else
        timer_start(daemon->loop, &daemon->beat,
                    daemon->ended_ms != 0 ? WORKER_DRAIN_TICK_MS : BEAT_MS);
}

/* --- the whole
 * -----------------------------------------------------------------------------------------------
 */
static enum err start(struct daemon *daemon, struct fault *fault)
{
    enum err err = watch_signals(daemon, fault);
    daemon->watchdog_us = notify_watchdog_us();
    timer_init(&daemon->beat, on_beat);
    timer_start(daemon->loop, &daemon->beat, 0);
    for (size_t i = 0; i < daemon->worker_count && err == ERR_OK; i++)
        err = worker_start(&daemon->workers[i], fault);
    return err;
}

static void announce(struct daemon *daemon)
{
    daemon->state = DAEMON_RUNNING;
    LOG(started, field_text("url", daemon->url),
        field_int("workers", (int64_t)daemon->worker_count), field_text("version", COTA_VERSION),
        field_text("data_dir", daemon->dir.path));
    notify("READY=1\nSTATUS=serving");
    char setup[64];
    if (!admin_setup_token(daemon->admin, setup, sizeof setup))
        setup[0] = '\0';
    if (daemon->options->on_ready != NULL)
        daemon->options->on_ready(daemon->options->owner, daemon->url,
                                  secret_view(&daemon->dir.admin_token), str_of(setup));
    secret_zero(setup, sizeof setup);
}

/* Workers have ended (or never started): nothing calls into the book any more. */
static bool close_all(struct daemon *daemon)
{
    bool dirty = daemon->control_dirty;
    for (size_t i = 0; i < daemon->worker_count; i++) {
        if (daemon->workers[i].started)
            pthread_join(daemon->workers[i].thread, NULL);
        worker_close(&daemon->workers[i]);
        dirty = dirty || daemon->workers[i].dirty;
    }
    admin_jobs_stop(daemon->admin);
    maintenance_stop(daemon);
    if (!dirty) /* else a call may still ask for keys */
        jwks_free(daemon->jwks);
    if (daemon->projector != NULL) {
        projector_flush(daemon->projector, PROJECTION_FLUSH_MS);
        projector_stop(daemon->projector);
    }
    if (dirty)
        return false; /* a call that would not end may still point into all of this */
    if (daemon->control != NULL)
        http_server_free(daemon->control);
    if (daemon->gateway != NULL)
        gateway_free(daemon->gateway);
    admin_free(daemon->admin);
    arena_free(daemon->catalog_arena);
    if (daemon->book != NULL)
        book_free(daemon->book);
    govern_free(daemon->govern);
    own_keys_free(daemon->own_keys);
    if (daemon->store != NULL)
        daemon->store->ops->close(daemon->store);
    if (daemon->journal != NULL)
        journal_close(daemon->journal);
    return true;
}

static void close_main_loop(struct daemon *daemon, bool ran)
{
    if (daemon->loop == NULL || daemon->control_dirty)
        return;
    if (!ran) {
        for (size_t i = 0; i < daemon->signal_count; i++)
            uv_close((uv_handle_t *)&daemon->signals[i], close_signal);
        timer_stop(&daemon->beat);
        loop_unwind(daemon->loop);
    }
    loop_free(daemon->loop);
}

static int run(struct daemon *daemon)
{
    struct fault fault = {0};
    timer_init(&daemon->beat, on_beat);
    enum err err = open_all(daemon, &fault);
    if (err == ERR_OK)
        err = start(daemon, &fault);
    bool const runs = err == ERR_OK;
    if (runs) {
        announce(daemon);
        loop_run(daemon->loop);
    } else {
        struct str const text = err_row(err)->text;
        cli_complain("%s", fault.detail[0] ? fault.detail : text.ptr);
        for (size_t i = 0; i < daemon->worker_count; i++)
            if (daemon->workers[i].started)
                exit(EXIT_CODE_FAILURE); /* half of the threads run: the journal keeps the truth */
    }
    bool const clean = close_all(daemon);
    close_main_loop(daemon, runs);
    daemon->control_dirty = daemon->control_dirty || !clean;
    if (daemon->dir.socket[0] != '\0' && runs)
        unlink(daemon->dir.socket);
    datadir_wipe(&daemon->dir);
    if (runs && clean)
        LOG(stopped, field_text("url", daemon->url));
    return runs ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (daemon == NULL) {
        cli_complain("there is not enough memory");
        return EXIT_CODE_FAILURE;
    }
    daemon->options = options;
    daemon->config = options->config;
    daemon->clock = clock_system();
    daemon->started_us = clock_wall_us(daemon->clock);
    pthread_mutex_init(&daemon->reload_lock, NULL);
    log_level_set((enum log_level)options->config->log.level);
    harden();
    int const code = run(daemon);
    if (!daemon->control_dirty)
        free(daemon);
    return code;
}
