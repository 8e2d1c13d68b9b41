/* relay.c - a blind relay: bytes in, bytes out, nothing looked at. The floor of what a proxy costs.
 *
 * usage: bench_relay LISTEN_PORT TARGET_PORT
 */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10 };

/* One side of a relayed connection. What its peer could not take yet waits in `rest`. */
struct side {
    int fd;
    struct pair *pair;
    struct side *peer;
    char *rest;
    size_t rest_from, rest_bytes;
};

struct pair {
    struct side client, target;
    struct pair *next_dead; /* freed after the batch: later events may still name it */
    bool dead;
};

static int epoll_fd;
static struct pair *dead_pairs;

static void pair_end(struct pair *pair)
{
    if (pair->dead)
        return;
    pair->dead = true;
    close(pair->client.fd);
    close(pair->target.fd);
    pair->next_dead = dead_pairs;
    dead_pairs = pair;
}

static void bury(void)
{
    while (dead_pairs != NULL) {
        struct pair *pair = dead_pairs;
        dead_pairs = pair->next_dead;
        free(pair->client.rest);
        free(pair->target.rest);
        free(pair);
    }
}

static void pair_new(int client_fd, int target_port)
{
    int const target_fd = connect_to(target_port);
    if (target_fd < 0) {
        close(client_fd);
        return;
    }
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        die("calloc");
    pair->client = (struct side){.fd = client_fd, .pair = pair, .peer = &pair->target};
    pair->target = (struct side){.fd = target_fd, .pair = pair};
    pair->target.peer = &pair->client;
    watch(epoll_fd, pair->client.fd, EPOLLIN, &pair->client, true);
    watch(epoll_fd, pair->target.fd, EPOLLIN, &pair->target, true);
}

/* A side is read while its peer takes everything, and written while something waits for it. */
static void side_watch(struct side *side)
{
    uint32_t const in = side->peer->rest_bytes == 0 ? EPOLLIN : 0;
    uint32_t const out = side->rest_bytes > 0 ? EPOLLOUT : 0;
    watch(epoll_fd, side->fd, in | out, side, false);
}

/* Keeps what `side` could not take. */
static void keep(struct side *side, const char *bytes, size_t count)
{
    if (side->rest == NULL)
        side->rest = malloc(READ_BYTES);
    if (side->rest == NULL)
        die("malloc");
    memcpy(side->rest, bytes, count);
    side->rest_from = 0;
    side->rest_bytes = count;
    side_watch(side);
    side_watch(side->peer);
}

static void side_readable(struct side *side)
{
    static char bytes[READ_BYTES];
    if (side->peer->rest_bytes > 0) { /* hung up while its peer still has to take something */
        pair_end(side->pair);
        return;
    }
    ssize_t const count = read(side->fd, bytes, sizeof bytes);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        pair_end(side->pair);
        return;
    }
    ssize_t sent = write(side->peer->fd, bytes, (size_t)count);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (sent < 0)
        pair_end(side->pair);
    else if (sent < count)
        keep(side->peer, bytes + sent, (size_t)(count - sent));
}

static void side_writable(struct side *side)
{
    if (side->rest_bytes == 0)
        return;
    ssize_t const sent = write(side->fd, side->rest + side->rest_from, side->rest_bytes);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0) {
        pair_end(side->pair);
        return;
    }
    side->rest_from += (size_t)sent;
    side->rest_bytes -= (size_t)sent;
    if (side->rest_bytes > 0)
        return;
    side_watch(side);
    side_watch(side->peer);
}

static void serve(int listen_fd, int target_port)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int const count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == NULL) {
                int const client = accept_one(listen_fd);
                if (client >= 0)
                    pair_new(client, target_port);
                continue;
            }
            if (!side->pair->dead && events[i].events & EPOLLOUT)
                side_writable(side);
            if (!side->pair->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                side_readable(side);
        }
        bury();
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_relay LISTEN_PORT TARGET_PORT\n");
        return 2;
    }
    files_raise();
    epoll_fd = epoll_create1(0);
    int const listen_fd = listen_on(number_of(argv[1], 1, 65535));
    watch(epoll_fd, listen_fd, EPOLLIN, NULL, true);
    serve(listen_fd, number_of(argv[2], 1, 65535));
    return 0;
}
