/* metrics.c - OpenMetrics text of every figure; no label carries a customer's or client's text. */
#include "app/daemon_int.h"

/* Appends; after the first error nothing more happens. */
struct metrics {
    struct buf *out;
    enum err err;
};

static void family(struct metrics *metrics, const char *name, const char *type, const char *help)
{
    if (metrics->err == ERR_OK)
        metrics->err =
            buf_printf(metrics->out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void value(struct metrics *metrics, const char *name, const char *labels, int64_t number)
{
    if (metrics->err == ERR_OK)
        metrics->err = buf_printf(metrics->out, "%s%s %lld\n", name, labels, (long long)number);
}

static void gauge(struct metrics *metrics, const char *name, const char *help, int64_t number)
{
    family(metrics, name, "gauge", help);
    value(metrics, name, "", number);
}

/* OpenMetrics: the sample of a counter is the family's name with "_total". */
static void counter(struct metrics *metrics, const char *name, const char *help, int64_t number)
{
    family(metrics, name, "counter", help);
    if (metrics->err == ERR_OK)
        metrics->err = buf_printf(metrics->out, "%s_total %lld\n", name, (long long)number);
}

static void put_gateway(struct metrics *metrics, struct daemon *daemon)
{
    struct gateway_figures it = {0};
    gateway_figures(daemon->gateway, &it);
    int64_t const ended =
        it.requests - it.calls_live - it.refused - it.failed - it.client_gone - it.replays;
    family(metrics, "cota_requests", "counter", "calls of the data plane by how they ended");
    value(metrics, "cota_requests_total", "{outcome=\"ok\"}", ended > 0 ? ended : 0);
    value(metrics, "cota_requests_total", "{outcome=\"refused\"}", it.refused);
    value(metrics, "cota_requests_total", "{outcome=\"failed\"}", it.failed);
    value(metrics, "cota_requests_total", "{outcome=\"client_gone\"}", it.client_gone);
    value(metrics, "cota_requests_total", "{outcome=\"replayed\"}", it.replays);
    gauge(metrics, "cota_calls_live", "calls that run now", it.calls_live);
    gauge(metrics, "cota_streams_live", "streamed answers that run now", it.streams_live);
    counter(metrics, "cota_upstream_calls", "calls to providers", it.upstream_calls);
    counter(metrics, "cota_upstream_connects", "connections made to providers",
            it.upstream_connects);
    counter(metrics, "cota_upstream_reuses", "calls on a kept connection", it.upstream_reuses);
    counter(metrics, "cota_upstream_failures", "calls to providers that failed",
            it.upstream_failures);
}

/* Of a sample of the calls: their sum divided by their number is what a stage costs. */
static void put_stages(struct metrics *metrics, struct daemon *daemon)
{
    struct gateway_figures it = {0};
    gateway_figures(daemon->gateway, &it);
    counter(metrics, "cota_stage_samples", "calls whose stages were timed", it.sampled);
    family(metrics, "cota_stage_nanoseconds", "counter", "time that timed calls spent in a stage");
    for (size_t i = 0; i < gateway_stage_count(); i++) {
        char label[48];
        snprintf(label, sizeof label, "{stage=\"%s\"}", gateway_stage_name(i));
        value(metrics, "cota_stage_nanoseconds_total", label, it.stage_ns[i]);
    }
}

static void put_book(struct metrics *metrics, struct daemon *daemon)
{
    struct book_figures it = {0};
    book_figures(daemon->book, &it);
    gauge(metrics, "cota_customers", "customers in the book", it.customers);
    gauge(metrics, "cota_keys", "API keys in the book", it.keys);
    gauge(metrics, "cota_holds_live", "holds without an end", it.live_holds);
    counter(metrics, "cota_holds_reserved", "holds made", it.reserves);
    counter(metrics, "cota_holds_refused", "holds refused", it.refusals);
    counter(metrics, "cota_holds_settled", "holds settled", it.settles);
    counter(metrics, "cota_holds_released", "holds released", it.releases);
    counter(metrics, "cota_holds_expired", "holds that passed their deadline", it.expiries);
}

static void put_journal(struct metrics *metrics, struct daemon *daemon)
{
    struct journal_figures it = {0};
    journal_figures(daemon->journal, &it);
    gauge(metrics, "cota_journal_healthy", "1: records can be written", it.healthy);
    counter(metrics, "cota_journal_records", "records ever written", (int64_t)it.last_lsn);
    gauge(metrics, "cota_journal_unsynced_records", "records that are not on disk yet",
          (int64_t)(it.last_lsn - it.synced_lsn));
    gauge(metrics, "cota_journal_bytes", "bytes of all segments", (int64_t)it.bytes);
    gauge(metrics, "cota_journal_segments", "segment files", (int64_t)it.segments);
    counter(metrics, "cota_journal_syncs", "groups synced to disk", (int64_t)it.syncs);
    family(metrics, "cota_journal_last_sync_seconds", "gauge", "how long the last sync took");
    if (metrics->err == ERR_OK)
        metrics->err = buf_printf(metrics->out, "cota_journal_last_sync_seconds %lld.%06lld\n",
                                  (long long)(it.last_sync_us / 1000000),
                                  (long long)(it.last_sync_us % 1000000));
}

static void put_projection(struct metrics *metrics, struct daemon *daemon)
{
    struct projector_figures it = {0};
    projector_figures(daemon->projector, &it);
    gauge(metrics, "cota_projection_healthy", "1: the database takes batches", it.healthy);
    gauge(metrics, "cota_projection_lag_records", "records that are not in the database yet",
          (int64_t)it.lag_records);
    counter(metrics, "cota_projection_batches", "transactions committed", (int64_t)it.batches);
    counter(metrics, "cota_projection_rows", "rows written", (int64_t)it.rows);
    counter(metrics, "cota_projection_failures", "batches that the database refused",
            (int64_t)it.failures);
}

static void put_jwks(struct metrics *metrics, struct daemon *daemon)
{
    struct jwks_figures it = {0};
    jwks_figures(daemon->jwks, &it);
    counter(metrics, "cota_jwks_fetches", "fetches of jwks_url, failures included", it.fetches);
    counter(metrics, "cota_jwks_failures", "fetches of jwks_url that failed", it.failures);
    gauge(metrics, "cota_jwks_keys", "keys that came from jwks_url", it.keys);
    gauge(metrics, "cota_jwks_fetched_time_seconds",
          "when a fetch of jwks_url last succeeded, since 1970; 0: never", it.fetched_s);
}

static void put_servers(struct metrics *metrics, struct daemon *daemon)
{
    size_t connections = 0, exchanges = 0;
    for (size_t i = 0; i < daemon->worker_count; i++) {
        connections += daemon->workers[i].connections;
        exchanges += daemon->workers[i].exchanges;
    }
    gauge(metrics, "cota_workers", "event loops", (int64_t)daemon->worker_count);
    gauge(metrics, "cota_http_connections", "open client connections", (int64_t)connections);
    gauge(metrics, "cota_http_exchanges", "requests that are being answered", (int64_t)exchanges);
    counter(metrics, "cota_http_unknown_paths", "requests for addresses that do not exist",
            daemon->unknown_paths);
    counter(metrics, "cota_admin_refused", "management calls with a wrong token",
            admin_refused(daemon->admin));
    gauge(metrics, "cota_admin_running", "management calls that run now",
          (int64_t)admin_running(daemon->admin));
}

enum err metrics_render(struct daemon *daemon, struct buf *out)
{
    struct metrics metrics = {.out = out};
    family(&metrics, "cota_build", "info", "what is running");
    value(&metrics, "cota_build_info", "{version=\"" COTA_VERSION "\"}", 1);
    gauge(&metrics, "cota_ready", "1: calls are answered", daemon_ready(daemon, NULL));
    gauge(&metrics, "cota_start_time_seconds", "when the daemon started, since 1970",
          daemon->started_us / 1000000);
    put_gateway(&metrics, daemon);
    put_stages(&metrics, daemon);
    put_book(&metrics, daemon);
    put_journal(&metrics, daemon);
    put_projection(&metrics, daemon);
    put_jwks(&metrics, daemon);
    put_servers(&metrics, daemon);
    return metrics.err == ERR_OK ? buf_add(out, STR("# EOF\n")) : metrics.err;
}
