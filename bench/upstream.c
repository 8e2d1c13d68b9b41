/* upstream.c - a canned provider: one plain answer, or a stream of tokens at a steady rate.
 *
 * usage: bench_upstream ANSWER_BYTES TOKENS TOKENS_PER_SECOND PORT…
 * What:  any request with "stream":true in the first bytes of its body is answered as a stream,
 *        any other one with a JSON body of ANSWER_BYTES. TOKENS_PER_SECOND 0: one token, then
 *        silence until the client leaves. Each token carries the time when it was sent, as @ns@.
 *        One port for each proxy keeps their closed connections out of each other's way.
 * Not:   no routing, no checks, no chunked requests: it must cost next to nothing.
 */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    PORTS_MAX = 8,
    READ_BYTES = 256 << 10,
    HEAD_BYTES_MAX = 16 << 10,
    PEEK_BYTES = 1024,
    OUT_BYTES_MAX = 2048
};

struct connection {
    int fd;
    bool dead;
    char head[HEAD_BYTES_MAX + PEEK_BYTES + 1]; /* the request's head and the start of its body */
    size_t head_bytes;                          /* collected so far */
    size_t body_left;                           /* of the body, still to come */
    bool in_body;
    size_t answer_sent; /* of the plain answer, when the socket did not take it at once */
    bool answering;
    int tokens_left;
    int64_t due_ns;
    struct connection *next; /* in the queue of streams, or of the dead */
    struct connection *previous;
    bool queued;
};

struct listener {
    int fd;
};

static int epoll_fd;
static struct listener listeners[PORTS_MAX];
static char *answer;
static size_t answer_bytes;
static int stream_tokens;
static int64_t token_interval_ns; /* 0: one token, then silence */

/* All streams have the same rate, so a queue in the order of arrival is in the order of time. */
static struct connection queue = {.next = &queue, .previous = &queue};
static struct connection *dead_connections;

static void answer_build(size_t body_bytes)
{
    static const char before[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"";
    static const char after[] = "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                                "\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":30,"
                                "\"total_tokens\":70},\"system_fingerprint\":\"fp_bench\"}";
    size_t const frame_bytes = sizeof before - 1 + sizeof after - 1;
    if (body_bytes < frame_bytes)
        body_bytes = frame_bytes;
    answer = malloc(body_bytes + HEAD_BYTES_MAX);
    if (answer == NULL)
        die("malloc");
    int const head_bytes = snprintf(answer, HEAD_BYTES_MAX,
                                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                    "Content-Length: %zu\r\n\r\n",
                                    body_bytes);
    char *at = answer + head_bytes;
    memcpy(at, before, sizeof before - 1);
    at += sizeof before - 1;
    for (size_t i = 0; i < body_bytes - frame_bytes; i++)
        *at++ = (char)(i % 6 == 5 ? ' ' : 'a' + (int)(i % 26));
    memcpy(at, after, sizeof after - 1);
    answer_bytes = (size_t)head_bytes + body_bytes;
}

static void queue_leave(struct connection *connection)
{
    if (!connection->queued)
        return;
    connection->previous->next = connection->next;
    connection->next->previous = connection->previous;
    connection->queued = false;
}

static void queue_join(struct connection *connection)
{
    connection->previous = queue.previous;
    connection->next = &queue;
    queue.previous->next = connection;
    queue.previous = connection;
    connection->queued = true;
}

static void connection_end(struct connection *connection)
{
    if (connection->dead)
        return;
    queue_leave(connection);
    connection->dead = true;
    close(connection->fd);
    connection->next = dead_connections;
    dead_connections = connection;
}

static void bury(void)
{
    while (dead_connections != NULL) {
        struct connection *connection = dead_connections;
        dead_connections = connection->next;
        free(connection);
    }
}

/* A stream's piece is small: a socket that does not take it whole has a reader that is gone. */
static void send_piece(struct connection *connection, const char *bytes, size_t count)
{
    if (write(connection->fd, bytes, count) != (ssize_t)count)
        connection_end(connection);
}

/* One event as one chunk. `to` has room for OUT_BYTES_MAX. */
static size_t chunk_write(char *to, const char *event)
{
    return (size_t)snprintf(to, OUT_BYTES_MAX, "%zx\r\n%s\r\n", strlen(event), event);
}

static size_t event_write(char *to, const char *delta, const char *finish)
{
    static const char format[] =
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
        "\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"system_fingerprint\":\"fp_bench\","
        "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n";
    char event[OUT_BYTES_MAX / 2];
    snprintf(event, sizeof event, format, delta, finish);
    return chunk_write(to, event);
}

static size_t token_write(char *to)
{
    char delta[128];
    snprintf(delta, sizeof delta, "\"content\":\" @%lld@\"", (long long)now_ns());
    return event_write(to, delta, "null");
}

static void stream_start(struct connection *connection)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    char out[2 * OUT_BYTES_MAX];
    memcpy(out, head, sizeof head - 1);
    size_t const bytes = sizeof head - 1 + token_write(out + sizeof head - 1);
    connection->answering = true;
    connection->tokens_left = stream_tokens - 1;
    send_piece(connection, out, bytes);
    if (connection->dead || token_interval_ns == 0)
        return;
    connection->due_ns = now_ns() + token_interval_ns;
    queue_join(connection);
}

static void stream_finish(struct connection *connection)
{
    static const char usage[] =
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
        "\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":"
        "{\"prompt_tokens\":40,\"completion_tokens\":99,\"total_tokens\":139}}\n\n";
    static const char last[] = "0\r\n\r\n";
    char out[4 * OUT_BYTES_MAX];
    size_t bytes = event_write(out, "", "\"stop\"");
    bytes += chunk_write(out + bytes, usage);
    bytes += chunk_write(out + bytes, "data: [DONE]\n\n");
    memcpy(out + bytes, last, sizeof last - 1);
    connection->answering = false;
    send_piece(connection, out, bytes + sizeof last - 1);
}

/* The tokens that are due. Returns the milliseconds until the next one, -1 for none. */
static int streams_run(void)
{
    int64_t const now = now_ns();
    while (queue.next != &queue && queue.next->due_ns <= now) {
        struct connection *connection = queue.next;
        queue_leave(connection);
        if (connection->tokens_left == 0) {
            stream_finish(connection);
            continue;
        }
        char out[OUT_BYTES_MAX];
        size_t const bytes = token_write(out);
        connection->tokens_left -= 1;
        connection->due_ns += token_interval_ns;
        send_piece(connection, out, bytes);
        if (!connection->dead)
            queue_join(connection);
    }
    if (queue.next == &queue)
        return -1;
    return (int)((queue.next->due_ns - now) / 1000000) + 1;
}

static void answer_push(struct connection *connection)
{
    size_t const left = answer_bytes - connection->answer_sent;
    ssize_t const sent = write(connection->fd, answer + connection->answer_sent, left);
    if (sent < 0 && errno != EAGAIN) {
        connection_end(connection);
        return;
    }
    if (sent == (ssize_t)left) {
        if (connection->answer_sent > 0)
            watch(epoll_fd, connection->fd, EPOLLIN, connection, false);
        connection->answering = false;
        connection->answer_sent = 0;
        return;
    }
    if (connection->answer_sent == 0)
        watch(epoll_fd, connection->fd, EPOLLIN | EPOLLOUT, connection, false);
    connection->answer_sent += sent > 0 ? (size_t)sent : 0;
}

static bool wants_stream(const struct connection *connection)
{
    const char *field = strstr(connection->head, "\"stream\"");
    if (field == NULL)
        return false;
    field += strlen("\"stream\"");
    return field[strspn(field, " :")] == 't';
}

static void request_done(struct connection *connection)
{
    bool const stream = wants_stream(connection);
    connection->in_body = false;
    connection->head_bytes = 0;
    connection->answering = true;
    if (stream)
        stream_start(connection);
    else
        answer_push(connection);
}

static size_t content_length(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");
    return field == NULL ? 0 : (size_t)strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
}

/* Takes bytes of a request: its head and the start of its body are kept, the rest is counted. */
static void request_feed(struct connection *connection, const char *bytes, size_t count)
{
    size_t const room = sizeof connection->head - 1 - connection->head_bytes;
    size_t const kept = count < room ? count : room;
    memcpy(connection->head + connection->head_bytes, bytes, kept);
    connection->head_bytes += kept;
    connection->head[connection->head_bytes] = '\0';
    if (connection->in_body) {
        connection->body_left -= count < connection->body_left ? count : connection->body_left;
    } else {
        const char *end = strstr(connection->head, "\r\n\r\n");
        if (end == NULL && room == kept) {
            connection_end(connection);
            return;
        }
        if (end == NULL)
            return;
        size_t const head_bytes = (size_t)(end - connection->head) + 4;
        size_t const here = connection->head_bytes - head_bytes + (count - kept);
        size_t const length = content_length(connection->head);
        connection->in_body = true;
        connection->body_left = length > here ? length - here : 0;
    }
    if (connection->body_left == 0)
        request_done(connection);
}

static void connection_readable(struct connection *connection)
{
    static char bytes[READ_BYTES];
    ssize_t const count = read(connection->fd, bytes, sizeof bytes);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0 || connection->answering) /* a second request before the answer is a fault */
        connection_end(connection);
    else
        request_feed(connection, bytes, (size_t)count);
}

static void accept_all(int listen_fd)
{
    for (int fd = accept_one(listen_fd); fd >= 0; fd = accept_one(listen_fd)) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            die("calloc");
        connection->fd = fd;
        watch(epoll_fd, fd, EPOLLIN, connection, true);
    }
}

static bool is_listener(const void *data)
{
    return (uintptr_t)data >= (uintptr_t)listeners &&
           (uintptr_t)data < (uintptr_t)(listeners + PORTS_MAX);
}

static void serve(void)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int const count = epoll_wait(epoll_fd, events, EVENTS_MAX, streams_run());
        for (int i = 0; i < count; i++) {
            if (is_listener(events[i].data.ptr)) {
                accept_all(((struct listener *)events[i].data.ptr)->fd);
                continue;
            }
            struct connection *connection = events[i].data.ptr;
            if (!connection->dead && events[i].events & EPOLLOUT)
                answer_push(connection);
            if (!connection->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection_readable(connection);
        }
        bury();
    }
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 4 + PORTS_MAX) {
        fprintf(stderr, "usage: bench_upstream ANSWER_BYTES TOKENS TOKENS_PER_SECOND PORT...\n");
        return 2;
    }
    files_raise();
    answer_build((size_t)number_of(argv[1], 1, 64 << 20));
    stream_tokens = number_of(argv[2], 1, 1000000);
    int const tokens_per_second = number_of(argv[3], 0, 100000);
    token_interval_ns = tokens_per_second == 0 ? 0 : 1000000000 / tokens_per_second;
    epoll_fd = epoll_create1(0);
    for (int i = 4; i < argc; i++) {
        struct listener *listener = &listeners[i - 4];
        listener->fd = listen_on(number_of(argv[i], 1, 65535));
        watch(epoll_fd, listener->fd, EPOLLIN, listener, true);
    }
    serve();
    return 0;
}
