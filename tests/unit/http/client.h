/* client.h - a raw client that lets the server run while it waits; for the tests of http. */
#pragma once
#include "scene.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, CLIENT_BYTES_MAX = 32 << 20 };

struct client {
    int descriptor;
    struct buf in;
    bool eof, reset;
};

static struct client client_open(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(scene.server))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct client client = {.descriptor = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(client.descriptor, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(client.descriptor, F_SETFL, O_NONBLOCK), 0);
    buf_init(&client.in, CLIENT_BYTES_MAX);
    return client;
}

static void client_close(struct client *client)
{
    close(client->descriptor);
    buf_free(&client->in);
}

static void turn(void)
{
    uv_run(loop_uv(scene.loop), UV_RUN_NOWAIT);
}

static void client_read(struct client *client)
{
    assert_int_equal(buf_reserve(&client->in, 64 << 10), ERR_OK);
    ssize_t const count = read(client->descriptor, client->in.ptr + client->in.len, 64 << 10);
    if (count > 0)
        client->in.len += (size_t)count;
    client->eof |= count == 0;
    client->reset |= count < 0 && errno == ECONNRESET;
}

/* Sends all of it while the server runs; stops when the server does not want more. */
static void client_send(struct client *client, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t const count = send(client->descriptor, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return;
        if (count > 0)
            bytes = str_skip(bytes, (size_t)count);
        turn();
    }
}

static bool client_has(const struct client *client, const char *text)
{
    return str_find(buf_view(&client->in), str_of(text)) < client->in.len;
}

/* Reads until `text` has come (NULL: until the end). False: it ended or hung before. */
static inline bool client_await(struct client *client, const char *text)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        turn();
        client_read(client);
        if (text && client_has(client, text))
            return true;
        if (client->eof || client->reset)
            return !text;
        usleep(i < 100 ? 0 : 1000);
    }
    return false;
}

static void client_expect(struct client *client, const char *text)
{
    bool const good = client_await(client, text);
    if (!good)
        print_message("wanted %s, got:\n%.*s\n", text ? text : "the end",
                      STR_ARG(buf_view(&client->in)));
    assert_true(good);
}

static inline void spin_ms(int64_t ms)
{
    for (int64_t i = 0; i < ms; i++) {
        turn();
        usleep(1000);
    }
}

static inline void await_kept(size_t count)
{
    for (int i = 0; i < PATIENCE_MS && scene.kept_count < count; i++)
        spin_ms(1);
    assert_int_equal(scene.kept_count, count);
}
