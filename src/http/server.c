/* server.c - a listener, its exchanges, and the spare parts they are made of. */
#include "http/server.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/must.h"
#include "http/exchange_int.h"
#include <stdlib.h>

enum { DATE_MS = 1000 };

/* --- spare parts ---------------------------------------------------------------------------- */

struct arena *server_arena_take(struct http_server *server)
{
    if (server->spare_arena_count > 0)
        return server->spare_arenas[--server->spare_arena_count];
    return arena_new(REQUEST_ARENA_BYTES);
}

void server_arena_give(struct http_server *server, struct arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    if (!server->freed && server->spare_arena_count < ARENA_SPARE_COUNT_MAX)
        server->spare_arenas[server->spare_arena_count++] = arena;
    else
        arena_free(arena);
}

struct http_exchange *server_exchange_take(struct http_server *server)
{
    struct http_exchange *exchange;
    if (server->spare_count > 0) {
        exchange = server->spares[--server->spare_count];
    } else {
        exchange = calloc(1, sizeof *exchange);
        if (!exchange)
            return NULL;
        parser_init(&exchange->parser);
    }
    exchange->server = server;
    list_push(&server->open, &exchange->link);
    return exchange;
}

static void exchange_free(struct http_exchange *exchange)
{
    parser_free(&exchange->parser);
    free(exchange);
}

static void server_free_when_unused(struct http_server *server)
{
    if (server->freed && list_empty(&server->open))
        free(server);
}

void server_exchange_give(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    list_remove(&exchange->link);
    server->body_memory -= exchange->body_memory;
    server_arena_give(server, exchange->arena);
    buf_free(&exchange->pipeline);
    parser_reset(&exchange->parser);
    struct parser const parser = exchange->parser; /* its small buffers are worth keeping */
    *exchange = (struct http_exchange){.parser = parser};
    if (!server->freed && server->spare_count < CONNECTION_SPARE_COUNT_MAX)
        server->spares[server->spare_count++] = exchange;
    else
        exchange_free(exchange);
    server_free_when_unused(server);
}

struct str server_date(struct http_server *server)
{
    int64_t const now_ms = loop_now_ms(server->loop);
    if (now_ms - server->date_ms >= DATE_MS) {
        int64_t const wall_us = clock_wall_us(clock_system());
        reply_date(server->date, wall_us);
        server->date_ms = now_ms - wall_us / 1000 % 1000; /* when that second began */
    }
    return str_make(server->date, REPLY_DATE_BYTES);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_accept(void *owner, struct stream *stream)
{
    connection_accept(owner, stream);
}

enum err http_server_open(const struct http_server_options *options, struct http_server **server,
                          struct fault *fault)
{
    struct http_server *made = calloc(1, sizeof *made);
    if (!made)
        return fault_set(fault, ERR_NO_MEMORY, "http server");
    made->loop = options->loop;
    made->app = *options->app;
    made->date_ms = INT64_MIN / 2;
    list_init(&made->open);
    struct listen_options const listen = {
        .address = options->address, .tls = options->tls, .connections_max = CONNECTION_COUNT_MAX};
    enum err const err =
        listener_open(options->loop, &listen, on_accept, made, &made->listener, fault);
    if (err != ERR_OK)
        free(made);
    else
        *server = made;
    return err;
}

int http_server_port(const struct http_server *server)
{
    return listener_port(server->listener);
}

size_t http_server_exchanges(const struct http_server *server)
{
    return server->running;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->connections;
}

void http_server_drain(struct http_server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    listener_close(server->listener);
    server->listener = NULL;
    struct list *link = server->open.next;
    while (link != &server->open) {
        struct http_exchange *exchange = LIST_OWNER(link, struct http_exchange, link);
        link = link->next;
        if (exchange->state == EXCHANGE_IDLE && exchange->pipeline.len == 0)
            connection_leave(exchange);
    }
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    listener_close(server->listener);
    server->listener = NULL;
    server->draining = true;
    struct list gone; /* exchanges that have no client any more, but a running application */
    list_init(&gone);
    while (!list_empty(&server->open)) {
        struct http_exchange *exchange = LIST_OWNER(server->open.next, struct http_exchange, link);
        if (exchange->state == EXCHANGE_GONE) {
            list_remove(&exchange->link);
            list_push(&gone, &exchange->link);
            continue;
        }
        connection_cut(exchange);
        connection_lost(exchange);
    }
    while (!list_empty(&gone)) {
        struct list *link = gone.next;
        list_remove(link);
        list_push(&server->open, link);
    }
    server->freed = true;
    while (server->spare_arena_count > 0)
        arena_free(server->spare_arenas[--server->spare_arena_count]);
    while (server->spare_count > 0)
        exchange_free(server->spares[--server->spare_count]);
    server_free_when_unused(server);
}
