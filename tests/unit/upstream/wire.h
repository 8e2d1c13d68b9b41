/* wire.h - the provider's end of one connection in a test: raw bytes, plain or TLS, blocking.
 *
 * Not:   accepting (script_server.h), HTTP beyond reading one request.
 */
#pragma once
#include "base/buf.h"
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka needs some of the above */
#include <cmocka.h>

enum { SCRIPT_PATIENCE_S = 30, SCRIPT_REQUEST_BYTES_MAX = 40 << 20 };

struct script;
struct wire {
    struct script *script;
    int descriptor;
    SSL *ssl;
    int index; /* 0: the first connection */
};

struct script {
    void (*serve)(struct wire *wire);
    SSL_CTX *tls; /* NULL: plain */
    int listener, port;
    pthread_t thread;
    atomic_int connections, ended; /* accepted, served to the end */
    atomic_int go;                 /* the test lets a serve function go on: wire_await_go */
    atomic_llong sent;
    struct buf request; /* the last one, as received; read it after the call */
};

static inline bool wire_send(struct wire *wire, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t const count =
            wire->ssl
                ? SSL_write(wire->ssl, bytes.ptr, bytes.len > 1 << 20 ? 1 << 20 : (int)bytes.len)
                : send(wire->descriptor, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)count);
        atomic_fetch_add(&wire->script->sent, count);
    }
    return true;
}

static inline bool wire_say(struct wire *wire, const char *text)
{
    return wire_send(wire, str_of(text));
}

static inline ssize_t wire_receive(struct wire *wire, char *bytes, size_t size)
{
    return wire->ssl ? SSL_read(wire->ssl, bytes, (int)size)
                     : recv(wire->descriptor, bytes, size, 0);
}

/* Until the client has closed or reset. */
static inline void wire_await_close(struct wire *wire)
{
    char bytes[4096];
    while (wire_receive(wire, bytes, sizeof bytes) > 0)
        ;
}

static inline void wire_await_go(struct wire *wire)
{
    while (!atomic_load(&wire->script->go))
        usleep(1000);
}

static inline void wire_reset(struct wire *wire)
{
    struct linger const now = {1, 0};
    setsockopt(wire->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(wire->descriptor);
    wire->descriptor = -1;
}

static inline bool request_is_whole(struct str text)
{
    size_t const head = str_find(text, STR("\r\n\r\n"));
    size_t const at = str_find(text, STR("content-length: "));
    if (head < text.len && str_starts(text, STR("GET ")))
        return true; /* it has no body */
    if (head == text.len || at > head)
        return false;
    return text.len >= head + 4 + (size_t)strtoul(text.ptr + at + 16, NULL, 10);
}

/* One request into script->request; false: the client is gone. */
static inline bool wire_read_request(struct wire *wire)
{
    struct buf *request = &wire->script->request;
    buf_clear(request);
    while (!request_is_whole(buf_view(request))) {
        if (buf_reserve(request, 64 << 10) != ERR_OK)
            return false;
        ssize_t const count = wire_receive(wire, request->ptr + request->len, 64 << 10);
        if (count <= 0)
            return false;
        request->len += (size_t)count;
    }
    return true;
}
