/* simulate_service.h - a simulated provider on a thread of its own, and a raw socket to it.
 *
 * Not:   a test; each function fails the running one when something is impossible.
 */
#pragma once
#include "app/simulate.h"
#include "sim_test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, SILENCE_MS = 150 };

struct service {
    struct loop *loop;
    struct simulate_server *server;
    pthread_t thread;
    char served[64];
};

static inline void *serve(void *argument)
{
    struct service *service = argument;
    loop_run(service->loop);
    return NULL;
}

static inline void service_start(struct service *service, enum simulate_certificate certificate)
{
    struct simulate_options options;
    struct fault fault = {0};
    simulate_options_init(&options);
    options.certificate = certificate;
    options.latency_ms = 0;
    options.tokens_per_second = 0;
    snprintf(service->served, sizeof service->served, "/tmp/cota-served-XXXXXX");
    int const file = mkstemp(service->served);
    assert_true(file >= 0);
    close(file);
    options.served_file = str_of(service->served);
    service->loop = loop_new();
    if (simulate_server_new(service->loop, &options, &service->server, &fault) != ERR_OK)
        fail_msg("%s", fault.detail);
    assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
}

static inline void service_end(void *argument)
{
    struct service *service = argument;
    simulate_server_close(service->server);
    loop_stop(service->loop);
}

static inline void service_stop(struct service *service)
{
    assert_int_equal(loop_post(service->loop, service_end, service), ERR_OK);
    pthread_join(service->thread, NULL);
    simulate_server_free(service->server);
    loop_free(service->loop);
    unlink(service->served);
}

static inline int dial(const struct service *service)
{
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons((uint16_t)simulate_server_port(service->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t const count = send(fd, bytes, len, MSG_NOSIGNAL);
        assert_true(count > 0);
        bytes += count;
        len -= (size_t)count;
    }
}

static inline void send_chat(int fd, const char *headers, const char *body)
{
    char request[2048];
    int const len = snprintf(request, sizeof request,
                             "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                             "content-type: application/json\r\n%scontent-length: %zu\r\n\r\n%s",
                             headers, strlen(body), body);
    send_all(fd, request, (size_t)len);
}

enum ending { STILL_OPEN, ENDED, RESET, OVERFLOWN };

/* Reads until the peer ends it, or 4 MiB, or a silence: a short one counts once `needle` has come
 * (NULL: at once), so that a slow machine changes nothing. */
static inline enum ending read_all(int fd, const char *needle, struct buf *out)
{
    buf_init(out, 5 << 20);
    while (out->len < 4 << 20) {
        struct pollfd poller = {fd, POLLIN, 0};
        bool const seen = !needle || str_find(buf_view(out), str_of(needle)) < out->len;
        if (poll(&poller, 1, seen ? SILENCE_MS : PATIENCE_MS) == 0)
            return STILL_OPEN;
        assert_int_equal(buf_reserve(out, 65536), ERR_OK);
        ssize_t const count = recv(fd, out->ptr + out->len, 65536, 0);
        if (count < 0)
            return errno == ECONNRESET ? RESET : ENDED;
        if (count == 0)
            return ENDED;
        out->len += (size_t)count;
    }
    return OVERFLOWN;
}

/* Reads one answer with a Content-Length, and no byte more. */
static inline void read_answer(int fd, struct buf *out)
{
    size_t wanted = 1, head = 0;
    buf_init(out, 1 << 20);
    while (head == 0 || out->len < head + wanted) {
        assert_int_equal(buf_reserve(out, 1), ERR_OK);
        struct pollfd poller = {fd, POLLIN, 0};
        assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
        assert_int_equal(recv(fd, out->ptr + out->len, 1, 0), 1);
        out->len++;
        if (head == 0 && out->len >= 4 && memcmp(out->ptr + out->len - 4, "\r\n\r\n", 4) == 0) {
            struct str const text = buf_view(out), name = STR("content-length: ");
            size_t const at = str_find(text, name) + name.len;
            struct str const rest = str_skip(text, at);
            int64_t length = 0;
            assert_true(str_to_i64(str_make(rest.ptr, str_find(rest, STR("\r\n"))), &length));
            head = out->len;
            wanted = (size_t)length;
        }
    }
}

static inline bool has(const struct buf *text, const char *needle)
{
    return str_find(buf_view(text), str_of(needle)) < text->len;
}
