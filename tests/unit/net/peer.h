/* peer.h - one end of a stream that records what happens to it; for the tests of net.
 *
 * What:  a peer stops its loop when it has seen what the test waits for; a watchdog fails the test.
 */
#pragma once
#include "base/buf.h"
#include "net/stream.h"
#include "net/timer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above */
#include <cmocka.h>

enum { WATCHDOG_MS = 60000, PEER_BYTES_MAX = 32 << 20 };

struct peer {
    struct loop *loop;
    struct stream *stream;
    struct buf received;
    int opens, drains, ends;
    enum stream_end why;
    char detail[200];
    bool echo, finish_on_eof, close_on_end, stop_on_end, stop_on_open;
    size_t stop_at_bytes; /* 0: never */
};

static void peer_on_open(void *owner)
{
    struct peer *peer = owner;
    peer->opens++;
    if (peer->stop_on_open)
        loop_stop(peer->loop);
}

static void peer_on_data(void *owner, struct str bytes)
{
    struct peer *peer = owner;
    assert_int_equal(buf_add(&peer->received, bytes), ERR_OK);
    if (peer->echo)
        (void)!stream_write(peer->stream, &bytes, 1);
    if (peer->stop_at_bytes > 0 && peer->received.len >= peer->stop_at_bytes)
        loop_stop(peer->loop);
}

static void peer_on_end(void *owner, enum stream_end why, const char *detail)
{
    struct peer *peer = owner;
    peer->ends++;
    peer->why = why;
    snprintf(peer->detail, sizeof peer->detail, "%s", detail);
    if (why == STREAM_END_EOF && peer->finish_on_eof)
        stream_finish(peer->stream);
    if (peer->close_on_end) {
        stream_close(peer->stream);
        peer->stream = NULL;
    }
    if (peer->stop_on_end)
        loop_stop(peer->loop);
}

static void peer_on_drain(void *owner)
{
    ((struct peer *)owner)->drains++;
}

static const struct stream_handler peer_handler = {
    .on_open = peer_on_open,
    .on_data = peer_on_data,
    .on_end = peer_on_end,
    .on_drain = peer_on_drain,
};

/* A listener, the peer that takes its first connection, and the peer that connects. */
struct scene {
    struct loop *loop;
    struct listener *listener;
    struct peer server, client;
    struct timer watchdog;
    bool timed_out;
};

static void scene_on_watchdog(struct timer *timer)
{
    struct scene *scene = LIST_OWNER(timer, struct scene, watchdog);
    scene->timed_out = true;
    loop_stop(scene->loop);
}

static void peer_init(struct peer *peer, struct loop *loop)
{
    *peer = (struct peer){.loop = loop};
    buf_init(&peer->received, PEER_BYTES_MAX);
}

static void scene_on_accept(void *owner, struct stream *stream)
{
    struct scene *scene = owner;
    if (scene->server.stream) {
        stream_close(stream);
        return;
    }
    scene->server.stream = stream;
    stream_own(stream, &peer_handler, &scene->server);
}

static void scene_open(struct scene *scene, struct str address, struct tls_context *tls)
{
    *scene = (struct scene){.loop = loop_new()};
    assert_non_null(scene->loop);
    peer_init(&scene->server, scene->loop);
    peer_init(&scene->client, scene->loop);
    struct fault fault = {0};
    struct listen_options const options = {
        .address = address, .tls = tls, .backlog = 16, .connections_max = 8};
    enum err const err =
        listener_open(scene->loop, &options, scene_on_accept, scene, &scene->listener, &fault);
    if (err != ERR_OK)
        print_message("%s\n", fault.detail);
    assert_int_equal(err, ERR_OK);
    timer_init(&scene->watchdog, scene_on_watchdog);
}

static void scene_connect(struct scene *scene, struct str host, struct tls_context *tls)
{
    struct endpoint const to = {host, listener_port(scene->listener), tls, 0};
    scene->client.stream = stream_connect(scene->loop, &to, &peer_handler, &scene->client);
    assert_non_null(scene->client.stream);
}

/* Runs until a peer has seen enough; may be called again. */
static void scene_run(struct scene *scene)
{
    timer_start(scene->loop, &scene->watchdog, WATCHDOG_MS);
    uv_run(loop_uv(scene->loop), UV_RUN_DEFAULT); /* returns at loop_stop */
    timer_stop(&scene->watchdog);
    assert_false(scene->timed_out);
}

static void scene_close(struct scene *scene)
{
    stream_close(scene->server.stream);
    stream_close(scene->client.stream);
    listener_close(scene->listener);
    loop_stop(scene->loop);
    loop_run(scene->loop);
    loop_free(scene->loop);
    buf_free(&scene->server.received);
    buf_free(&scene->client.received);
}
