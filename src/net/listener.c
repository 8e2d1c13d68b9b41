/* listener.c - accepting: our own accept loop on a descriptor that libuv polls.
 *
 * Why:  libuv's own listener answers a lack of descriptors by accepting and closing; we pause, so
 *       that the waiting clients are served a moment later.
 */
#include "base/log.h"
#include "base/must.h"
#include "net/loop_int.h"
#include "net/stream_int.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024 };

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    void (*on_accept)(void *owner, struct stream *stream);
    void *owner;
    struct tls_context *tls;
    struct timer pause;
    int descriptor, port;
    size_t connections, connections_max;
    bool is_local, paused, closed, poll_closed;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

struct address {
    struct sockaddr_storage bytes;
    socklen_t length;
    bool is_local;
};

/* --- the address ---------------------------------------------------------------------------- */

static bool parse_unix(struct str path, struct address *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)(void *)&address->bytes;
    if (path.len == 0 || path.len >= sizeof local->sun_path)
        return false;
    *local = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(local->sun_path, path.ptr, path.len);
    address->length = sizeof *local;
    address->is_local = true;
    return true;
}

static bool parse_tcp(struct str text, struct address *address)
{
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    int64_t port = 0;
    if (colon == 0 || !str_to_i64(str_skip(text, colon), &port) || port > 65535)
        return false;
    struct str host = str_make(text.ptr, colon - 1);
    bool const is_v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_v6)
        host = str_make(host.ptr + 1, host.len - 2);
    char literal[64];
    if (host.len >= sizeof literal)
        return false;
    snprintf(literal, sizeof literal, "%.*s", STR_ARG(host));
    address->length = is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (is_v6)
        return uv_ip6_addr(literal, (int)port, (struct sockaddr_in6 *)(void *)&address->bytes) == 0;
    return uv_ip4_addr(literal, (int)port, (struct sockaddr_in *)(void *)&address->bytes) == 0;
}

static bool parse_address(struct str text, struct address *address)
{
    *address = (struct address){0};
    if (str_starts(text, STR("unix:")))
        return parse_unix(str_skip(text, 5), address);
    return parse_tcp(text, address);
}

/* --- accepting ------------------------------------------------------------------------------ */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void accept_pause(struct listener *listener)
{
    if (!listener->paused)
        uv_poll_stop(&listener->poll);
    listener->paused = true;
}

static void accept_resume(struct listener *listener)
{
    if (listener->closed || !listener->paused || timer_armed(&listener->pause) ||
        listener->connections >= listener->connections_max)
        return;
    listener->paused = false;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void on_pause_over(struct timer *timer)
{
    accept_resume(LIST_OWNER(timer, struct listener, pause));
}

static void name_peer(struct stream *stream, const struct sockaddr_storage *address)
{
    if (stream->is_local)
        memcpy(stream->peer, "unix", sizeof "unix");
    else
        uv_ip_name((const struct sockaddr *)address, stream->peer, sizeof stream->peer);
}

static void accept_one(struct listener *listener, int descriptor,
                       const struct sockaddr_storage *address)
{
    struct stream *stream = stream_new(listener->loop, listener->is_local);
    if (!stream) {
        close(descriptor);
        return;
    }
    int const opened = listener->is_local ? uv_pipe_open(&stream->uv.pipe, descriptor)
                                          : uv_tcp_open(&stream->uv.tcp, descriptor);
    if (opened != 0) {
        close(descriptor);
        stream_close(stream);
        return;
    }
    stream->listener = listener;
    listener->connections++;
    name_peer(stream, address);
    if (listener->tls) {
        stream->tls = tls_session_new(listener->tls, NULL);
        if (!stream->tls) {
            stream_close(stream);
            return;
        }
    }
    listener->on_accept(listener->owner, stream);
    if (stream->phase != STREAM_CLOSING)
        stream_begin(stream);
}

/* True: a word with the peer failed, the next one may be well. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH_MAX && !listener->closed; i++) {
        if (listener->connections >= listener->connections_max) {
            accept_pause(listener);
            return;
        }
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int const descriptor = accept4(listener->descriptor, (struct sockaddr *)&address, &length,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            accept_one(listener, descriptor, &address);
        } else if (errno == EAGAIN) {
            return;
        } else if (!is_passing(errno)) { /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
            LOG(out_of_files, field_text("error", strerror(errno)));
            accept_pause(listener);
            timer_start(listener->loop, &listener->pause, ACCEPT_PAUSE_MS);
            return;
        }
    }
}

/* --- opening and closing -------------------------------------------------------------------- */

/* A socket file that nobody listens on is left from a crash. */
static void remove_stale(const struct sockaddr_un *local)
{
    struct stat status;
    if (lstat(local->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int const probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)local, sizeof *local) != 0 && errno == ECONNREFUSED)
        unlink(local->sun_path);
    close(probe);
}

/* The owner alone may talk to a Unix socket; nobody can connect between bind and listen. */
static bool bind_and_listen(struct listener *listener, const struct address *address, int backlog)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&address->bytes;
    int const on = 1;
    if (address->is_local)
        remove_stale(local);
    else if (setsockopt(listener->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
             setsockopt(listener->descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return false;
    if (bind(listener->descriptor, (const struct sockaddr *)&address->bytes, address->length) != 0)
        return false;
    if (address->is_local) {
        memcpy(listener->path, local->sun_path, sizeof listener->path);
        if (chmod(local->sun_path, S_IRUSR | S_IWUSR) != 0)
            return false;
    }
    return listen(listener->descriptor, backlog > 0 ? backlog : LISTEN_BACKLOG) == 0;
}

static int port_of(int descriptor)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof bound;
    if (getsockname(descriptor, (struct sockaddr *)&bound, &length) != 0)
        return 0;
    if (bound.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
    if (bound.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&bound)->sin6_port);
    return 0;
}

static void listener_drop(struct listener *listener)
{
    if (listener->descriptor >= 0)
        close(listener->descriptor);
    if (listener->path[0])
        unlink(listener->path);
    free(listener);
}

enum err listener_open(struct loop *loop, const struct listen_options *options,
                       void (*on_accept)(void *owner, struct stream *stream), void *owner,
                       struct listener **listener, struct fault *fault)
{
    struct address address;
    if (!parse_address(options->address, &address))
        return fault_set(fault, ERR_CONFIG_INVALID, "not an address to listen on: %.*s",
                         STR_ARG(options->address));
    struct listener *made = calloc(1, sizeof *made);
    if (!made)
        return fault_set(fault, ERR_NO_MEMORY, "listener");
    made->loop = loop;
    made->on_accept = on_accept;
    made->owner = owner;
    made->tls = options->tls;
    made->connections_max = options->connections_max;
    made->is_local = address.is_local;
    made->poll.data = made;
    timer_init(&made->pause, on_pause_over);
    made->descriptor =
        socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made->descriptor < 0 || !bind_and_listen(made, &address, options->backlog) ||
        uv_poll_init(loop_uv(loop), &made->poll, made->descriptor) != 0) {
        enum err const err = fault_set(fault, ERR_CONFIG_INVALID, "cannot listen on %.*s: %s",
                                       STR_ARG(options->address), strerror(errno));
        listener_drop(made);
        return err;
    }
    made->port = port_of(made->descriptor);
    uv_poll_start(&made->poll, UV_READABLE, on_acceptable);
    *listener = made;
    return ERR_OK;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

size_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

/* Open streams still count on the listener: the last one turns off the light. */
static void free_when_unused(struct listener *listener)
{
    if (listener->poll_closed && listener->connections == 0)
        free(listener);
}

void listener_forget(struct listener *listener)
{
    MUST(listener->connections > 0);
    listener->connections--;
    if (listener->closed)
        free_when_unused(listener);
    else
        accept_resume(listener);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    listener->poll_closed = true;
    free_when_unused(listener);
}

void listener_close(struct listener *listener)
{
    if (!listener || listener->closed)
        return;
    listener->closed = true;
    timer_stop(&listener->pause);
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
    close(listener->descriptor);
    listener->descriptor = -1;
    if (listener->path[0])
        unlink(listener->path);
}
