/* scene.h - a real server on the loopback and raw clients in the same thread, for the tests of
 * http.
 *
 * What:  /keep… is left to the test; /echo answers with the body; other paths with themselves.
 */
#pragma once
#include "base/limits.h"
#include "base/must.h"
#include "http/reply_head.h"
#include "http/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs some of the above */
#include <cmocka.h>

enum { EXCHANGES = 4 };

struct scene {
    struct loop *loop;
    struct http_server *server;
    struct http_exchange *kept[EXCHANGES];
    size_t kept_count;
    int gone, drained, heads_asked, requests;
};

static struct scene scene;

static size_t body_bytes_max(void *context, const struct http_head *head)
{
    (void)context;
    (void)head;
    return 10 << 20;
}

static enum err on_head(void *context, const struct http_head *head, struct fault *fault)
{
    (void)context;
    scene.heads_asked++;
    if (str_eq(head->path, STR("/wrong")))
        return fault_set(fault, ERR_NOT_FOUND, "wrong path");
    return ERR_OK;
}

static void on_refuse(void *context, struct arena *arena, const struct http_head *head,
                      const struct fault *fault, struct str *type, struct str *body)
{
    (void)context;
    (void)head;
    *type = STR("text/plain");
    *body = arena_printf(arena, "refused %s", err_row(fault->code)->code.ptr);
}

static void on_gone(void *owner)
{
    ((struct scene *)owner)->gone++;
}

static void on_drain(void *owner)
{
    ((struct scene *)owner)->drained++;
}

static const struct http_watcher watcher = {on_gone, on_drain};
static const struct http_reply ok = {.status = 200, .content_type = STR_ROW("text/plain")};

static void on_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct str const path = http_head(exchange)->path;
    struct str const body = str_eq(path, STR("/echo")) ? http_body(exchange) : path;
    scene.requests++;
    if (!str_starts(path, STR("/keep"))) {
        http_reply(exchange, &ok, &body, 1);
        return;
    }
    MUST(scene.kept_count < EXCHANGES);
    scene.kept[scene.kept_count++] = exchange;
    http_watch(exchange, &watcher, &scene);
}

static int setup(void **state)
{
    (void)state;
    static const struct http_app app = {.body_bytes_max = body_bytes_max,
                                        .on_head = on_head,
                                        .on_request = on_request,
                                        .on_refuse = on_refuse};
    scene = (struct scene){.loop = loop_new()};
    struct fault fault = {0};
    struct http_server_options const options = {
        .loop = scene.loop, .address = STR("127.0.0.1:0"), .app = &app};
    return http_server_open(&options, &scene.server, &fault) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    http_server_free(scene.server);
    loop_stop(scene.loop);
    loop_run(scene.loop);
    loop_free(scene.loop);
    return 0;
}
