/* web.c - which part answers which path, and the few pages that are the daemon's own. */
#include "app/daemon_int.h"
#include "base/limits.h"

enum { ADMIN_BODY_BYTES_MAX = 64 << 10, OWN_BODY_BYTES_MAX = 4 << 10, PAGE_BYTES_MAX = 1 << 20 };

static const char json_type_name[] = "application/json";
static const char text_type_name[] = "text/plain; charset=utf-8";

/* The context of a worker's server is the worker, of the control socket's the daemon. */
static struct daemon *daemon_of_worker(void *context)
{
    return ((struct worker *)context)->daemon;
}

/* --- readiness -------------------------------------------------------------------------------- */
struct check {
    const char *name;
    bool good;
};

static size_t run_checks(struct daemon *daemon, struct check checks[4])
{
    struct projector_figures projection = {0};
    struct catalog *catalog = gateway_catalog(daemon->gateway);
    projector_figures(daemon->projector, &projection);
    checks[0] = (struct check){"running", daemon->state == DAEMON_RUNNING};
    checks[1] = (struct check){"journal", journal_healthy(daemon->journal)};
    checks[2] = (struct check){"projection", projection.healthy &&
                                                 projection.lag_records < READY_LAG_RECORDS_MAX};
    checks[3] = (struct check){"catalogue", catalog != NULL};
    catalog_unref(catalog);
    return 4;
}

bool daemon_ready(struct daemon *daemon, struct buf *verbose)
{
    struct check checks[4];
    size_t const count = run_checks(daemon, checks);
    bool ready = true;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        ready = ready && checks[i].good;
        if (verbose != NULL && err == ERR_OK)
            err = buf_printf(verbose, "[%c] %s %s\n", checks[i].good ? '+' : '-', checks[i].name,
                             checks[i].good ? "ok" : "failed");
    }
    if (verbose != NULL && err == ERR_OK)
        err = buf_add(verbose, ready ? STR("ready\n") : STR("not ready\n"));
    return ready && err == ERR_OK;
}

/* --- pages ----------------------------------------------------------------------------------- */
static void reply_text(struct http_exchange *exchange, int status, const char *type,
                       struct str body)
{
    struct http_reply const reply = {.status = status,
                                     .content_type = str_of(type),
                                     .headers = STR("cache-control: no-store\r\n")};
    http_reply(exchange, &reply, &body, 1);
}

static void reply_fault(struct http_exchange *exchange, enum err err, const char *headers)
{
    struct fault fault = {.code = err};
    struct http_reply reply = {.status = err_row(err)->http, .headers = str_of(headers)};
    struct str body = {0};
    gateway_refuse(http_arena(exchange), &fault, &reply.content_type, &body);
    http_reply(exchange, &reply, &body, 1);
}

static void page_livez(struct daemon *daemon, struct http_exchange *exchange)
{
    (void)daemon;
    reply_text(exchange, 200, text_type_name, STR("ok\n"));
}

static void page_readyz(struct daemon *daemon, struct http_exchange *exchange)
{
    struct str const query = http_head(exchange)->query;
    bool const verbose = str_eq(query, STR("verbose")) || str_starts(query, STR("verbose="));
    struct buf text;
    buf_init(&text, PAGE_BYTES_MAX);
    bool const ready = daemon_ready(daemon, verbose ? &text : NULL);
    struct str const brief = ready ? STR("ready\n") : STR("not ready\n");
    reply_text(exchange, ready ? 200 : 503, text_type_name, verbose ? buf_view(&text) : brief);
    buf_free(&text);
}

static void page_version(struct daemon *daemon, struct http_exchange *exchange)
{
    (void)daemon;
    reply_text(exchange, 200, json_type_name,
               STR("{\"name\":\"cota\",\"version\":\"" COTA_VERSION "\"}\n"));
}

static void page_metrics(struct daemon *daemon, struct http_exchange *exchange)
{
    struct buf text;
    buf_init(&text, PAGE_BYTES_MAX);
    if (metrics_render(daemon, &text) == ERR_OK)
        reply_text(exchange, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8",
                   buf_view(&text));
    else
        reply_fault(exchange, ERR_NO_MEMORY, "");
    buf_free(&text);
}

static void page_root(struct daemon *daemon, struct http_exchange *exchange)
{
    (void)daemon;
    reply_text(exchange, 200, json_type_name,
               STR("{\"name\":\"cota\",\"version\":\"" COTA_VERSION "\",\"api\":\"/v1\","
                   "\"management\":\"/api/v1\",\"health\":[\"/livez\",\"/readyz\"],"
                   "\"metrics\":\"/metrics\"}\n"));
}

static const struct {
    struct str path;
    void (*answer)(struct daemon *daemon, struct http_exchange *exchange);
} pages[] = {{STR_ROW("/"), page_root},
             {STR_ROW("/livez"), page_livez},
             {STR_ROW("/readyz"), page_readyz},
             {STR_ROW("/version"), page_version},
             {STR_ROW("/metrics"), page_metrics}};

static void answer_page(struct daemon *daemon, struct http_exchange *exchange)
{
    const struct http_head *head = http_head(exchange);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (!str_eq(pages[i].path, head->path))
            continue;
        if (head->method == HTTP_GET || head->method == HTTP_HEAD)
            pages[i].answer(daemon, exchange);
        else
            reply_fault(exchange, ERR_METHOD_UNKNOWN, "allow: GET, HEAD\r\n");
        return;
    }
    daemon->unknown_paths++;
    reply_fault(exchange, ERR_NOT_FOUND, "");
}

/* --- the servers' application ---------------------------------------------------------------- */
static size_t own_body_max(struct str path)
{
    if (str_eq(path, STR("/api/v1/jobs")))
        return JOB_BODY_BYTES_MAX;
    return admin_owns(path) ? ADMIN_BODY_BYTES_MAX : OWN_BODY_BYTES_MAX;
}

static size_t worker_body_max(void *context, const struct http_head *head)
{
    if (gateway_owns(head->path))
        return gateway_body_bytes_max(daemon_of_worker(context)->gateway, head);
    return own_body_max(head->path);
}

static size_t control_body_max(void *context, const struct http_head *head)
{
    (void)context;
    return own_body_max(head->path);
}

static bool is_page(struct str path)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (str_eq(pages[i].path, path))
            return true;
    return false;
}

/* Before a body is uploaded to an address that does not exist. */
static enum err on_head(void *context, const struct http_head *head, struct fault *fault)
{
    (void)context;
    if (gateway_owns(head->path))
        return gateway_check_head(head, fault);
    if (admin_owns(head->path) || is_page(head->path))
        return ERR_OK;
    return fault_set(fault, ERR_NOT_FOUND, "there is no such page");
}

static void on_worker_request(void *context, struct http_exchange *exchange)
{
    struct worker *worker = context;
    struct str const path = http_head(exchange)->path;
    if (gateway_owns(path))
        gateway_handle(worker->gateway, exchange);
    else if (admin_owns(path))
        admin_handle(worker->daemon->admin, exchange);
    else
        answer_page(worker->daemon, exchange);
}

static void on_control_request(void *context, struct http_exchange *exchange)
{
    struct daemon *daemon = context;
    if (admin_owns(http_head(exchange)->path))
        admin_handle(daemon->admin, exchange);
    else
        answer_page(daemon, exchange);
}

static void on_refuse(void *context, struct arena *arena, const struct http_head *head,
                      const struct fault *fault, struct str *content_type, struct str *body)
{
    (void)context;
    if (head != NULL && !gateway_owns(head->path) && admin_owns(head->path))
        admin_refuse(arena, fault, content_type, body);
    else
        gateway_refuse(arena, fault, content_type, body);
}

void web_app(struct http_app *app, void *context, bool control)
{
    *app = (struct http_app){.context = context,
                             .body_bytes_max = control ? control_body_max : worker_body_max,
                             .on_head = on_head,
                             .on_request = control ? on_control_request : on_worker_request,
                             .on_refuse = on_refuse};
}
