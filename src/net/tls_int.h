/* tls_int.h - one TLS session over memory BIOs, for streams only.
 *
 * What:  bytes in from the socket, bytes out for the socket; the stream moves them. No I/O here.
 */
#pragma once
#include "net/tls.h"

struct tls_session;

enum tls_step {
    TLS_STEP_DONE,   /* handshake finished; or bytes were read */
    TLS_STEP_MORE,   /* needs more from the socket */
    TLS_STEP_CLOSED, /* the peer said close_notify */
    TLS_STEP_FAILED, /* see tls_error */
};

/* `host` is checked against the certificate by a client; NULL for a server. NULL: no memory. */
struct tls_session *tls_session_new(struct tls_context *context, const char *host);
void tls_session_free(struct tls_session *session); /* NULL is allowed */
NODISCARD bool tls_input(struct tls_session *session, struct str bytes);
enum tls_step tls_handshake(struct tls_session *session);
enum tls_step tls_read(struct tls_session *session, char *bytes, size_t room, size_t *count);
NODISCARD bool tls_write(struct tls_session *session, struct str bytes);
void tls_shutdown(struct tls_session *session); /* makes a close_notify */
/* What must go to the socket; forget it with tls_output_sent. */
struct str tls_output(struct tls_session *session);
void tls_output_sent(struct tls_session *session);
const char *tls_error(const struct tls_session *session); /* after TLS_STEP_FAILED */
