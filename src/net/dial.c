/* dial.c - how a stream gets connected: name, addresses in turn, handshake.
 *
 * A libuv handle can try one address only: after a failure it is closed and opened again.
 */
#include "base/must.h"
#include "core/address.h"
#include "net/loop_int.h"
#include "net/stream_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { ADDRESS_COUNT_MAX = 8 }; /* tried per connect */

struct dial {
    struct stream *stream;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct sockaddr_storage addresses[ADDRESS_COUNT_MAX];
    size_t count, next;
    bool resolving;   /* libuv's thread pool holds `resolve` */
    bool abandoned;   /* … and the stream has been closed meanwhile */
    unsigned refused; /* of the endpoint */
    bool left_out;    /* an address of a refused class */
    int error;        /* of the last attempt */
    char host[HOST_BYTES_MAX + 1];
    char port[8];
};

static void try_next(struct stream *stream);

bool dial_holds(struct stream *stream)
{
    struct dial *dial = stream->dial;
    if (!dial || !dial->resolving)
        return false;
    dial->abandoned = true;
    uv_cancel((uv_req_t *)&dial->resolve); /* on_resolved comes either way */
    return true;
}

void dial_free(struct dial *dial)
{
    free(dial);
}

static void on_reopened(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    if (stream->phase == STREAM_CLOSING) {
        stream_closed(handle);
        return;
    }
    int const result = uv_tcp_init(loop_uv(stream->loop), &stream->uv.tcp);
    MUST(result == 0); /* without a family it makes no socket and cannot fail */
    stream->uv.handle.data = stream;
    try_next(stream);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct stream *stream = connect->handle->data;
    if (stream->phase == STREAM_CLOSING)
        return;
    if (status != 0) {
        stream->dial->error = status;
        uv_close(&stream->uv.handle, on_reopened);
        return;
    }
    const struct sockaddr_storage *address = &stream->dial->addresses[stream->dial->next - 1];
    uv_ip_name((const struct sockaddr *)address, stream->peer, sizeof stream->peer);
    dial_free(stream->dial);
    stream->dial = NULL;
    stream_begin(stream);
}

static void try_next(struct stream *stream)
{
    struct dial *dial = stream->dial;
    while (dial->next < dial->count) {
        struct sockaddr_storage *address = &dial->addresses[dial->next++];
        dial->error = uv_tcp_connect(&dial->connect, &stream->uv.tcp, (struct sockaddr *)address,
                                     on_connected);
        if (dial->error == 0)
            return;
    }
    bool const forbidden = dial->count == 0 && dial->left_out;
    stream_end_soon(stream, STREAM_END_REFUSED,
                    forbidden ? "the host leads to an address that is not allowed"
                              : uv_strerror(dial->error));
}

/* After the name was resolved, and right before connecting: what the name leads to then counts. */
static bool is_refused(const struct dial *dial, const struct sockaddr *address)
{
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};
    if (dial->refused == 0)
        return false;
    if (address->sa_family == AF_INET)
        memcpy(bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    else
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    return (dial->refused & ADDRESS_BIT(address_class(bytes))) != 0;
}

static void address_add(struct dial *dial, const struct sockaddr *address)
{
    size_t const bytes = address->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
                         : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                          : 0;
    if (bytes > 0 && is_refused(dial, address))
        dial->left_out = true;
    else if (bytes > 0 && dial->count < ADDRESS_COUNT_MAX)
        memcpy(&dial->addresses[dial->count++], address, bytes);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *results)
{
    struct dial *dial = resolve->data;
    struct stream *stream = dial->stream;
    dial->resolving = false;
    for (struct addrinfo *at = status == 0 ? results : NULL; at; at = at->ai_next)
        address_add(dial, at->ai_addr);
    uv_freeaddrinfo(results);
    if (stream->phase == STREAM_CLOSING) {
        if (dial->abandoned) /* else its uv_close callback is still to come */
            stream_closed(&stream->uv.handle);
        return;
    }
    dial->error = status != 0 ? status : UV_EAI_NODATA;
    try_next(stream);
}

/* A literal address needs no name service. */
static bool address_of(struct dial *dial, int port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(dial->host, port, &v4) == 0)
        address_add(dial, (struct sockaddr *)&v4);
    else if (uv_ip6_addr(dial->host, port, &v6) == 0)
        address_add(dial, (struct sockaddr *)&v6);
    return dial->count > 0 || dial->left_out;
}

static void resolve_or_try(struct stream *stream, int port)
{
    struct dial *dial = stream->dial;
    if (address_of(dial, port)) {
        try_next(stream);
        return;
    }
    struct addrinfo const hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int const result = uv_getaddrinfo(loop_uv(stream->loop), &dial->resolve, on_resolved,
                                      dial->host, dial->port, &hints);
    if (result != 0)
        stream_end_soon(stream, STREAM_END_REFUSED, uv_strerror(result));
    else
        dial->resolving = true;
}

struct stream *stream_connect(struct loop *loop, const struct endpoint *to,
                              const struct stream_handler *handler, void *owner)
{
    MUST(to->port > 0 && to->port < 65536 && to->host.len > 0);
    struct dial *dial = calloc(1, sizeof *dial);
    struct stream *stream = dial ? stream_new(loop, false) : NULL;
    if (!stream) {
        free(dial);
        return NULL;
    }
    stream_own(stream, handler, owner);
    stream->dial = dial;
    dial->stream = stream;
    dial->refused = to->refused;
    dial->resolve.data = dial;
    if (to->host.len > HOST_BYTES_MAX) {
        stream_end_soon(stream, STREAM_END_REFUSED, "the host name is too long");
        return stream;
    }
    memcpy(dial->host, to->host.ptr, to->host.len);
    snprintf(dial->port, sizeof dial->port, "%d", to->port);
    if (to->tls) {
        stream->tls = tls_session_new(to->tls, dial->host);
        if (!stream->tls) {
            stream_close(stream);
            return NULL;
        }
    }
    resolve_or_try(stream, to->port);
    return stream;
}
