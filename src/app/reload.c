/* reload.c - the file again: catalogue swapped as a whole, customers brought up to date; status. */
#include "app/apply.h"
#include "app/catalog_objects.h"
#include "app/daemon_int.h"
#include "base/log.h"
#include <unistd.h>

enum { REPORT_BYTES_MAX = 64 << 10 };

static void ignore(const char *key)
{
    LOG(config_ignored, field_text("key", key),
        field_text("reason", "it takes effect at the next start"));
}

static bool same(struct str a, struct str b)
{
    return str_eq(a.ptr ? a : STR(""), b.ptr ? b : STR(""));
}

/* What a running daemon cannot change is said, not half done. */
static void report_ignored(const struct config *old, const struct config *config)
{
    if (!same(old->listen, config->listen))
        ignore("listen");
    if (!same(old->data_dir, config->data_dir))
        ignore("data_dir");
    if (old->workers != config->workers)
        ignore("workers");
    if (old->durability != config->durability)
        ignore("durability");
    if (old->store != config->store)
        ignore("store");
    if (old->body_bytes_max != config->body_bytes_max)
        ignore("body_bytes_max");
    if (old->drain_timeout_ms != config->drain_timeout_ms)
        ignore("drain_timeout_ms");
    if (!same(old->admin_token, config->admin_token))
        ignore("admin_token");
    if (!same(old->tls.cert, config->tls.cert) || !same(old->tls.key, config->tls.key))
        ignore("tls");
}

static void log_refused(const char *file, const struct config_report *report)
{
    struct buf text;
    buf_init(&text, REPORT_BYTES_MAX);
    struct config_report first = *report;
    first.count = report->count < 8 ? report->count : 8; /* a line of the log, not a page */
    first.more = report->more || report->count > 8;
    if (config_report_print(&first, str_of(file), &text) == ERR_OK)
        LOG(reload_refused, field_str("problems", buf_view(&text)));
    buf_free(&text);
}

/* The file's providers and models, then those of the documents. Under reload_lock. */
static enum err catalog_build(struct daemon *daemon, const struct config *config,
                              struct catalog **catalog, struct fault *fault)
{
    int64_t next_us = 0;
    enum err err = apply_catalog(config, daemon->clock, catalog, fault);
    if (err == ERR_OK)
        err = catalog_add_objects(*catalog, daemon->book, clock_wall_us(daemon->clock), &next_us,
                                  fault);
    if (err != ERR_OK) {
        catalog_unref(*catalog);
        *catalog = NULL;
        return err;
    }
    daemon->catalog_next_us = next_us;
    return ERR_OK;
}

enum err daemon_catalog_build(struct daemon *daemon, struct fault *fault)
{
    struct catalog *catalog = NULL;
    pthread_mutex_lock(&daemon->reload_lock);
    enum err const err = catalog_build(daemon, daemon->catalog_config, &catalog, fault);
    if (err == ERR_OK)
        gateway_catalog_swap(daemon->gateway, catalog);
    pthread_mutex_unlock(&daemon->reload_lock);
    return err;
}

/* Other keys came from jwks_url. */
enum err daemon_jwks_changed(void *owner, struct fault *fault)
{
    struct daemon *daemon = owner;
    struct verifier *verifier = NULL;
    pthread_mutex_lock(&daemon->reload_lock);
    enum err const err = apply_verifier(daemon->catalog_config, daemon->jwks, &verifier, fault);
    if (err == ERR_OK)
        gateway_verifier_swap(daemon->gateway, verifier);
    pthread_mutex_unlock(&daemon->reload_lock);
    return err;
}

static enum err put_in_force(struct daemon *daemon, const struct config *config,
                             struct fault *fault)
{
    struct catalog *catalog = NULL;
    struct verifier *verifier = NULL;
    struct jwks_source const source = apply_jwks_source(config);
    enum err err = catalog_build(daemon, config, &catalog, fault);
    if (err == ERR_OK)
        err = apply_verifier(config, daemon->jwks, &verifier, fault);
    if (err == ERR_OK)
        err = apply_customers(config, daemon->book, fault);
    if (err == ERR_OK)
        err = jwks_configure(daemon->jwks, &source, fault);
    if (err != ERR_OK) {
        catalog_unref(catalog);
        verifier_unref(verifier);
        LOG(reload_refused, field_text("problems", fault->detail));
        return err;
    }
    gateway_catalog_swap(daemon->gateway, catalog);
    gateway_verifier_swap(daemon->gateway, verifier);
    apply_ring(config, daemon->own_keys);
    log_level_set((enum log_level)config->log.level);
    report_ignored(daemon->config, config);
    LOG(reloaded, field_int("providers", (int64_t)config->providers.count),
        field_int("models", (int64_t)config->models.count),
        field_int("customers", (int64_t)config->customers.count));
    return ERR_OK;
}

static enum err reload(struct daemon *daemon, const char *file, struct fault *fault)
{
    struct config *config = NULL;
    struct config_report report = {0};
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    enum err err = arena ? config_load(file, arena, &config, &report) : ERR_NO_MEMORY;
    if (err == ERR_OK) {
        err = put_in_force(daemon, config, fault);
        if (err == ERR_OK) { /* documents are added to what is in force: it is kept */
            arena_free(daemon->catalog_arena);
            daemon->catalog_arena = arena;
            daemon->catalog_config = config;
            return ERR_OK;
        }
    } else if (report.count > 0) {
        log_refused(file, &report);
        fault_set(fault, ERR_FIELD_INVALID, "%s:%u:%u: %.*s%s", file, report.problems[0].line,
                  report.problems[0].column, STR_ARG(report.problems[0].text),
                  report.count > 1 ? " (and more: see cota check)" : "");
        err = ERR_FIELD_INVALID;
    }
    arena_free(arena);
    return err;
}

enum err daemon_reload(void *owner, struct fault *fault)
{
    struct daemon *daemon = owner;
    const char *file = daemon->options->config_file;
    if (file == NULL)
        return fault_set(fault, ERR_CONFLICT,
                         "the daemon was started without a configuration file");
    pthread_mutex_lock(&daemon->reload_lock);
    enum err const err = reload(daemon, file, fault);
    pthread_mutex_unlock(&daemon->reload_lock);
    return err;
}

void daemon_models(void *owner, admin_model_visit *visit, void *visitor)
{
    struct daemon *daemon = owner;
    struct catalog *catalog = gateway_catalog(daemon->gateway);
    size_t const count = catalog != NULL ? catalog_model_count(catalog) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct model *model = catalog_model_at(catalog, i);
        struct admin_model const shown = {.name = model->name, .provider = model->provider->name};
        if (!visit(visitor, &shown))
            break;
    }
    catalog_unref(catalog);
}

void daemon_status(void *owner, struct json_writer *writer)
{
    struct daemon *daemon = owner;
    struct book_figures book = {0};
    struct journal_figures journal = {0};
    struct projector_figures projection = {0};
    book_figures(daemon->book, &book);
    journal_figures(daemon->journal, &journal);
    projector_figures(daemon->projector, &projection);
    json_pair_bool(writer, "ready", daemon_ready(daemon, NULL));
    json_pair_text(writer, "version", STR(COTA_VERSION));
    json_pair_i64(writer, "pid", getpid());
    json_pair_text(writer, "url", str_of(daemon->url));
    json_pair_text(writer, "data_dir", str_of(daemon->dir.path));
    json_pair_decimal(writer, "uptime_seconds", clock_wall_us(daemon->clock) - daemon->started_us,
                      6);
    json_pair_i64(writer, "workers", (int64_t)daemon->worker_count);
    json_pair_i64(writer, "customers", book.customers);
    json_pair_i64(writer, "keys", book.keys);
    json_pair_i64(writer, "holds", book.live_holds);
    json_key(writer, "journal");
    json_object_open(writer);
    json_pair_bool(writer, "healthy", journal.healthy);
    json_pair_i64(writer, "last_lsn", (int64_t)journal.last_lsn);
    json_pair_i64(writer, "synced_lsn", (int64_t)journal.synced_lsn);
    json_object_close(writer);
    json_key(writer, "projection");
    json_object_open(writer);
    json_pair_bool(writer, "healthy", projection.healthy);
    json_pair_i64(writer, "applied_lsn", (int64_t)projection.applied_lsn);
    json_pair_i64(writer, "lag_records", (int64_t)projection.lag_records);
    json_object_close(writer);
}
