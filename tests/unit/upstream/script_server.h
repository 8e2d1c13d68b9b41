/* script_server.h - a provider that does exactly what a test says; blocking, in its own thread.
 *
 * What:  a listener on 127.0.0.1; each connection is served by the test's function, one after the
 *        other.
 */
#pragma once
#include "wire.h"

static inline void wire_serve(struct script *script, int descriptor)
{
    struct wire wire = {script, descriptor, NULL, atomic_fetch_add(&script->connections, 1)};
    struct timeval const patience = {SCRIPT_PATIENCE_S, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (script->tls) {
        wire.ssl = SSL_new(script->tls);
        SSL_set_fd(wire.ssl, descriptor);
    }
    if (!wire.ssl || SSL_accept(wire.ssl) == 1)
        script->serve(&wire);
    if (wire.ssl) {
        SSL_shutdown(wire.ssl);
        SSL_free(wire.ssl);
    }
    if (wire.descriptor >= 0)
        close(wire.descriptor);
    atomic_fetch_add(&script->ended, 1);
}

static inline void *script_thread(void *argument)
{
    struct script *script = argument;
    int descriptor;
    while ((descriptor = accept(script->listener, NULL, NULL)) >= 0)
        wire_serve(script, descriptor);
    return NULL;
}

static inline void script_start(struct script *script, void (*serve)(struct wire *wire),
                                SSL_CTX *tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(script, 0, sizeof *script);
    script->serve = serve;
    script->tls = tls;
    buf_init(&script->request, SCRIPT_REQUEST_BYTES_MAX);
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(script->listener, 16), 0);
    assert_int_equal(getsockname(script->listener, (struct sockaddr *)&address, &size), 0);
    script->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&script->thread, NULL, script_thread, script), 0);
}

/* The client has closed all its connections, so every serve function comes to its end. Afterwards
 * script->request may be read. */
static inline void script_join(struct script *script)
{
    if (script->listener < 0)
        return;
    shutdown(script->listener, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->listener);
    script->listener = -1;
}

static inline void script_stop(struct script *script)
{
    script_join(script);
    buf_free(&script->request);
}
