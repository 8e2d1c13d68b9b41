/* common.c - what the bench programs share: sockets on 127.0.0.1, a clock, an end with a message.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static void no_delay(int fd)
{
    int const on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die("TCP_NODELAY");
}

int listen_on(int port)
{
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int const on = 1;
    struct sockaddr_in const address = loopback(port);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0)
        die("listen");
    return fd;
}

int accept_one(int fd)
{
    int const client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    if (client < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return -1;
        die("accept");
    }
    no_delay(client);
    return client;
}

int connect_to(int port)
{
    int const fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in const address = loopback(port);
    if (fd < 0)
        die("socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("O_NONBLOCK");
    no_delay(fd);
    return fd;
}

void files_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
}

int number_of(const char *text, int min, int max)
{
    char *end = NULL;
    errno = 0;
    long const number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        fprintf(stderr, "%s: a number from %d to %d is wanted\n", text, min, max);
        exit(2);
    }
    return (int)number;
}

void watch(int epoll_fd, int fd, uint32_t events, void *data, bool add)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll_fd, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
        die("epoll_ctl");
}
