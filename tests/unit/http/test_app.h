/* test_app.h - the smallest application behind a server, for the tests and for measuring.
 *
 * What:  POST /v1/chat/completions echoes its body's length, other paths are 404; refusals are
 * text.
 */
#pragma once
#include "base/must.h"
#include "http/server.h"

static inline bool app_knows(const struct http_head *head)
{
    return head->method == HTTP_POST && str_eq(head->path, STR("/v1/chat/completions"));
}

static inline size_t app_body_bytes_max(void *context, const struct http_head *head)
{
    (void)context;
    (void)head;
    return 1 << 20;
}

static inline enum err app_on_head(void *context, const struct http_head *head, struct fault *fault)
{
    (void)context;
    return app_knows(head) ? ERR_OK : fault_set(fault, ERR_NOT_FOUND, "no such path");
}

static inline void app_on_refuse(void *context, struct arena *arena, const struct http_head *head,
                                 const struct fault *fault, struct str *type, struct str *body)
{
    (void)context;
    (void)head;
    *type = STR("text/plain");
    *body = arena_printf(arena, "%s: %s\n", err_row(fault->code)->code.ptr, fault->detail);
}

static inline void app_on_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    const struct http_head *head = http_head(exchange);
    bool const known = app_knows(head);
    struct http_reply const reply = {.status = known ? 200 : 404,
                                     .content_type = STR("text/plain")};
    struct str const body = known ? STR("{\"choices\":[]}") : STR("not found\n");
    http_reply(exchange, &reply, &body, 1);
}

static const struct http_app test_app = {
    .body_bytes_max = app_body_bytes_max,
    .on_head = app_on_head,
    .on_request = app_on_request,
    .on_refuse = app_on_refuse,
};
