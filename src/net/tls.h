/* tls.h - OpenSSL 3 contexts for both directions; streams use them, nobody else.
 *
 * What:  TLS 1.2 and 1.3 only. A context belongs to one worker (OpenSSL 3.0 contends across
 *        threads), with its own library context.
 */
#pragma once
#include "base/err.h"

struct tls_context;

struct tls_server_options {
    struct str cert_file, key_file; /* PEM; chain allowed */
};

struct tls_client_options {
    struct str ca_file; /* PEM bundle; empty: the system's */
};

/* ERR_CONFIG_INVALID with the reason (file, OpenSSL's text). */
NODISCARD enum err tls_server_new(const struct tls_server_options *options,
                                  struct tls_context **context, struct fault *fault);
/* Verifies chain, validity and host name (never the CN); session resumption per host. */
NODISCARD enum err tls_client_new(const struct tls_client_options *options,
                                  struct tls_context **context, struct fault *fault);
void tls_context_free(struct tls_context *context); /* NULL is allowed */
