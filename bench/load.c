/* load.c - the load generator: asks one chat endpoint over and over, and measures what comes back.
 *
 * usage: bench_load PORT MODE CONNECTIONS MS WARMUP_MS RATE BODY_BYTES REQUESTS_MAX KEY [HEADERS
 * [KEYS]] HEADERS  more of them, each line ended by CR LF KEYS     KEY ends in ########; each
 * request has a number below KEYS there, drawn at random closed   each connection asks again as
 * soon as it is answered open     RATE requests per second whatever happens; the time counts from
 * when a request was due, so a proxy that stalls is not spared the requests that it held up streams
 * each connection reads stream after stream; started over the first WARMUP_MS idle     each
 * connection opens one stream (RATE new ones per second) and holds it; prints "ready" once all have
 * their first token, ends when its input ends Prints one line of JSON. Exit 1 when anything but
 * whole answers with status 200 came back.
 */
#include "answer.h"
#include "common.h"
#include "histogram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, CONNECTIONS_MAX = 20000, SETTLE_SECONDS = 30, KEY_DIGITS = 8 };

enum mode { MODE_CLOSED, MODE_OPEN, MODE_STREAMS, MODE_IDLE };

struct connection {
    int fd;
    bool asking;
    uint32_t key;
    size_t sent;        /* bytes of the request that the socket took */
    int64_t started_ns; /* when the request was due */
    int64_t answered_ns;
    bool first_token_seen;
    struct answer answer;
    struct connection *next_free;
};

struct load {
    enum mode mode;
    int port;
    int connection_count;
    int64_t rate;
    int64_t requests_max; /* 0: no such end */
    int64_t start_ns, measure_ns, end_ns;

    int epoll_fd;
    struct connection *connections;
    struct connection *free;
    char *request;
    size_t request_bytes;
    char *key_digits; /* in the request; NULL: one key for all */
    uint64_t key_count, random;
    int64_t due_count; /* requests, or connections, begun by the clock so far */
    int asking_count;
    int first_token_count;

    int64_t requests, errors, stream_ns;
    struct histogram latency; /* whole answers; for streams the time to the first token */
    struct histogram token;   /* from the provider's socket to here */
};

static struct load load;

static void request_build(int body_bytes, const char *key, const char *headers)
{
    bool const stream = load.mode == MODE_STREAMS || load.mode == MODE_IDLE;
    static const char format[] = "{\"model\":\"gpt-4o-mini\",%s\"max_tokens\":256,"
                                 "\"temperature\":0.7,\"messages\":[{\"role\":\"user\","
                                 "\"content\":\"%s\"}]}";
    char *content = calloc(1, (size_t)body_bytes + 1);
    char *body = malloc((size_t)body_bytes + 256);
    size_t const request_room = (size_t)body_bytes + 1024 + strlen(headers);
    load.request = malloc(request_room);
    if (content == NULL || body == NULL || load.request == NULL)
        die("malloc");
    const char *stream_field = stream ? "\"stream\":true," : "";
    int const frame_bytes = snprintf(body, 256, format, stream_field, "");
    for (int i = 0; i < body_bytes - frame_bytes; i++)
        content[i] = (char)(i % 6 == 5 ? ' ' : 'a' + i % 26);
    int const bytes = snprintf(body, (size_t)body_bytes + 256, format, stream_field, content);
    load.request_bytes = (size_t)snprintf(load.request, request_room,
                                          "POST /v1/chat/completions HTTP/1.1\r\n"
                                          "Host: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                                          "Content-Type: application/json\r\nAccept: */*\r\n"
                                          "User-Agent: bench\r\n%sContent-Length: %d\r\n\r\n%s",
                                          load.port, key, headers, bytes, body);
    free(content);
    free(body);
}

/* Partly sent requests share the text: the number is written anew before each write. */
static void key_put(uint32_t key)
{
    for (int i = KEY_DIGITS; load.key_digits != NULL && i-- > 0; key /= 10)
        load.key_digits[i] = (char)('0' + key % 10);
}

static uint32_t key_draw(void)
{
    load.random = load.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((load.random >> 33) % load.key_count);
}

static void connection_open(struct connection *connection, bool first)
{
    if (!first)
        close(connection->fd);
    connection->fd = connect_to(load.port);
    if (connection->fd < 0)
        die("connect");
    watch(load.epoll_fd, connection->fd, EPOLLIN, connection, true);
}

static void push(struct connection *connection)
{
    bool const was_partial = connection->sent > 0;
    size_t const left = load.request_bytes - connection->sent;
    key_put(connection->key);
    ssize_t const sent = write(connection->fd, load.request + connection->sent, left);
    if (sent < 0 && errno != EAGAIN)
        return; /* the read that follows tells */
    connection->sent += sent > 0 ? (size_t)sent : 0;
    bool const partial = connection->sent < load.request_bytes;
    if (partial != was_partial)
        watch(load.epoll_fd, connection->fd, EPOLLIN | (partial ? EPOLLOUT : 0), connection, false);
}

static void ask(struct connection *connection, int64_t due_ns)
{
    connection->asking = true;
    connection->sent = 0;
    connection->key = key_draw();
    connection->started_ns = due_ns;
    connection->first_token_seen = false;
    answer_begin(&connection->answer);
    load.asking_count += 1;
    push(connection);
}

static bool may_ask(int64_t now)
{
    if (load.requests_max > 0 && load.requests + load.asking_count >= load.requests_max)
        return false;
    return now < load.end_ns;
}

/* The connection is free for its next request. */
static void connection_idle(struct connection *connection, int64_t now)
{
    connection->asking = false;
    load.asking_count -= 1;
    if (load.mode == MODE_OPEN) {
        connection->next_free = load.free;
        load.free = connection;
    } else if (load.mode != MODE_IDLE && may_ask(now)) {
        ask(connection, now);
    }
}

static void failed(struct connection *connection, const char *why)
{
    if (load.errors == 0)
        fprintf(stderr, "first error: %s (status %d)\n", why, connection->answer.status);
    load.errors += 1;
    connection_open(connection, false);
    connection_idle(connection, now_ns());
}

static void token_seen(void *context, int64_t sent_ns)
{
    struct connection *connection = context;
    int64_t const now = now_ns();
    if (!connection->first_token_seen) {
        connection->first_token_seen = true;
        load.first_token_count += 1;
        if (now >= load.measure_ns && load.mode != MODE_OPEN)
            histogram_add(&load.latency, now - connection->started_ns);
    }
    if (now >= load.measure_ns)
        histogram_add(&load.token, now - sent_ns);
}

static void answered(struct connection *connection)
{
    int64_t const now = now_ns();
    if (connection->answer.status != 200) {
        failed(connection, "not 200");
        return;
    }
    if (connection->answer.chunked_stream && !connection->answer.done_seen) {
        failed(connection, "a stream without its [DONE]");
        return;
    }
    load.requests += 1;
    load.stream_ns += now - connection->started_ns;
    if (load.mode != MODE_STREAMS && now >= load.measure_ns)
        histogram_add(&load.latency, now - connection->started_ns);
    connection_idle(connection, now);
}

static void readable(struct connection *connection)
{
    static char bytes[READ_BYTES];
    ssize_t const count = read(connection->fd, bytes, sizeof bytes);
    if (count < 0 && errno == EAGAIN)
        return;
    if (!connection->asking) {
        if (count > 0)
            load.errors += 1; /* bytes that nobody asked for */
        connection_open(connection, false);
        return;
    }
    if (count <= 0) {
        failed(connection, "the connection was closed");
        return;
    }
    enum answer_state const state =
        answer_feed(&connection->answer, bytes, (size_t)count, token_seen, connection);
    if (state == ANSWER_DONE)
        answered(connection);
    else if (state == ANSWER_BAD)
        failed(connection, "not HTTP");
}

/* What the clock starts: every request in open mode, the first one of each connection otherwise.
 * Returns the nanoseconds until the next one; -1: none will come. */
static int64_t begin_due(int64_t now)
{
    for (;;) {
        bool const open = load.mode == MODE_OPEN;
        int64_t const due_ns = load.start_ns + load.due_count * 1000000000 / load.rate;
        if (open ? due_ns >= load.end_ns : load.due_count >= load.connection_count)
            return -1;
        if (due_ns > now)
            return due_ns - now;
        struct connection *connection = &load.connections[load.due_count];
        if (open) {
            if (load.free == NULL)
                return -1; /* late: the next answer brings us back here */
            connection = load.free;
            load.free = connection->next_free;
        } else {
            connection_open(connection, true);
        }
        load.due_count += 1;
        ask(connection, open ? due_ns : now_ns());
    }
}

static bool is_over(int64_t now, bool input_ended)
{
    if (load.mode == MODE_IDLE)
        return input_ended || now >= load.end_ns;
    if (now >= load.end_ns + SETTLE_SECONDS * (int64_t)1000000000)
        return true;
    bool const begun_all = load.mode == MODE_OPEN || load.due_count >= load.connection_count;
    return begun_all && load.asking_count == 0 && !may_ask(now);
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];
    bool input_ended = false;
    bool told = false;
    for (int64_t now = now_ns(); !is_over(now, input_ended); now = now_ns()) {
        int64_t wait_ns = begin_due(now);
        if (wait_ns < 0 || wait_ns > 100000000)
            wait_ns = 100000000;
        struct timespec const timeout = {.tv_nsec = wait_ns};
        int const count = epoll_pwait2(load.epoll_fd, events, EVENTS_MAX, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                input_ended = true;
                continue;
            }
            if (events[i].events & EPOLLOUT && connection->sent < load.request_bytes)
                push(connection);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                readable(connection);
        }
        if (load.mode == MODE_IDLE && !told && load.first_token_count == load.connection_count) {
            told = true;
            puts("ready");
            fflush(stdout);
        }
    }
}

static void report(int64_t took_ns)
{
    double const seconds = (double)took_ns / 1e9;
    printf("{\"requests\":%lld,\"errors\":%lld,\"unanswered\":%d,\"seconds\":%.3f,"
           "\"requests_per_second\":%.1f,\"stream_seconds\":%.3f,\"first_tokens\":%d,",
           (long long)load.requests, (long long)load.errors,
           load.mode == MODE_IDLE ? 0 : load.asking_count, seconds, (double)load.requests / seconds,
           (double)load.stream_ns / 1e9, load.first_token_count);
    histogram_print("latency_us", &load.latency);
    putchar(',');
    histogram_print("token_us", &load.token);
    puts("}");
}

static enum mode mode_of(const char *name)
{
    static const char *const names[] = {"closed", "open", "streams", "idle"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum mode)i;
    }
    fprintf(stderr, "%s: the modes are closed, open, streams, idle\n", name);
    exit(2);
}

static void prepare(int argc, char **argv)
{
    load.port = number_of(argv[1], 1, 65535);
    load.mode = mode_of(argv[2]);
    load.connection_count = number_of(argv[3], 1, CONNECTIONS_MAX);
    int64_t const measured_ms = number_of(argv[4], 1, 3600000);
    int64_t const warmup_ms = number_of(argv[5], 0, 3600000);
    load.rate = number_of(argv[6], 1, 10000000);
    request_build(number_of(argv[7], 1, 64 << 20), argv[9], argc > 10 ? argv[10] : "");
    load.key_count = argc > 11 ? (uint64_t)number_of(argv[11], 1, 100000000) : 1;
    load.key_digits = argc > 11 ? strstr(load.request, "########") : NULL;
    load.random = 1;
    load.requests_max = number_of(argv[8], 0, 2000000000);
    load.connections = calloc((size_t)load.connection_count, sizeof *load.connections);
    load.epoll_fd = epoll_create1(0);
    if (load.connections == NULL || load.epoll_fd < 0)
        die("prepare");
    if (load.mode == MODE_CLOSED)
        load.rate = 1000000; /* all connections begin at once */
    if (load.mode == MODE_STREAMS)
        load.rate = load.connection_count * 1000 / (warmup_ms > 0 ? warmup_ms : 1) + 1;
    for (int i = 0; load.mode == MODE_OPEN && i < load.connection_count; i++) {
        connection_open(&load.connections[i], true);
        load.connections[i].next_free = load.free;
        load.free = &load.connections[i];
    }
    if (load.mode == MODE_IDLE)
        watch(load.epoll_fd, STDIN_FILENO, EPOLLIN, NULL, true);
    load.start_ns = now_ns();
    load.measure_ns = load.start_ns + warmup_ms * 1000000;
    load.end_ns = load.measure_ns + measured_ms * 1000000;
}

int main(int argc, char **argv)
{
    if (argc < 10 || argc > 12) {
        fprintf(stderr, "usage: bench_load PORT MODE CONNECTIONS MS WARMUP_MS RATE BODY_BYTES "
                        "REQUESTS_MAX KEY [HEADERS [KEYS]]\n");
        return 2;
    }
    files_raise();
    prctl(PR_SET_TIMERSLACK, 1); /* the default of 50 us would show up as latency */
    prepare(argc, argv);
    run();
    report(now_ns() - load.start_ns);
    return load.errors == 0 && (load.mode == MODE_IDLE || load.asking_count == 0) ? 0 : 1;
}
