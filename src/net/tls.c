/* tls.c - OpenSSL 3 contexts, and sessions over memory BIOs.
 *
 * Each context has its own library context, so that workers never wait for each other's locks.
 */
#include "net/tls.h"
#include "base/limits.h"
#include "base/must.h"
#include "net/tls_int.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

/* Sessions to resume, newest per host; when full the oldest slot is used again. */
struct resume {
    char host[HOST_BYTES_MAX + 1];
    SSL_SESSION *session;
};

struct tls_context {
    OSSL_LIB_CTX *library;
    SSL_CTX *ssl;
    struct resume resumes[TLS_SESSION_COUNT_MAX];
    size_t next_resume;
};

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char host[HOST_BYTES_MAX + 1];
    char error[160];
};

static const unsigned char alpn_http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/* The oldest entry of OpenSSL's error queue is the cause; the queue is empty afterwards. */
static const char *openssl_reason(void)
{
    unsigned long const code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "unknown TLS error";
}

static enum err context_open(struct tls_context **context, const SSL_METHOD *method,
                             struct fault *fault)
{
    struct tls_context *made = calloc(1, sizeof *made);
    if (!made)
        return fault_set(fault, ERR_NO_MEMORY, "TLS context");
    made->library = OSSL_LIB_CTX_new();
    made->ssl = made->library ? SSL_CTX_new_ex(made->library, NULL, method) : NULL;
    if (!made->ssl) {
        tls_context_free(made);
        return fault_set(fault, ERR_NO_MEMORY, "TLS context: %s", openssl_reason());
    }
    SSL_CTX_set_min_proto_version(made->ssl, TLS1_2_VERSION);
    SSL_CTX_set_security_level(made->ssl, 2); /* no SHA-1 signatures, no short keys */
    SSL_CTX_set_options(made->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(made->ssl, SSL_MODE_RELEASE_BUFFERS);
    *context = made;
    return ERR_OK;
}

static int choose_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                       const unsigned char *offered, unsigned int offered_len, void *unused)
{
    (void)ssl;
    (void)unused;
    unsigned char *match = NULL;
    if (SSL_select_next_proto(&match, chosen_len, alpn_http1, sizeof alpn_http1, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

static bool path_of(struct str file, char path[static 4096])
{
    return file.len > 0 && file.len < 4096 && snprintf(path, 4096, "%.*s", STR_ARG(file)) > 0;
}

enum err tls_server_new(const struct tls_server_options *options, struct tls_context **context,
                        struct fault *fault)
{
    char cert[4096], key[4096];
    if (!path_of(options->cert_file, cert) || !path_of(options->key_file, key))
        return fault_set(fault, ERR_CONFIG_INVALID, "tls needs cert and key");
    struct tls_context *made = NULL;
    enum err err = context_open(&made, TLS_server_method(), fault);
    if (err != ERR_OK)
        return err;
    SSL_CTX_set_options(made->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(made->ssl, choose_alpn, NULL);
    static const unsigned char session_id_context[] = "cota";
    SSL_CTX_set_session_id_context(made->ssl, session_id_context, sizeof session_id_context - 1);
    if (SSL_CTX_use_certificate_chain_file(made->ssl, cert) != 1)
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s: %s", cert, openssl_reason());
    else if (SSL_CTX_use_PrivateKey_file(made->ssl, key, SSL_FILETYPE_PEM) != 1)
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s: %s", key, openssl_reason());
    else if (SSL_CTX_check_private_key(made->ssl) != 1)
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s does not fit %s", key, cert);
    if (err != ERR_OK)
        tls_context_free(made);
    else
        *context = made;
    return err;
}

static struct resume *resume_find(struct tls_context *context, const char *host)
{
    for (size_t i = 0; i < TLS_SESSION_COUNT_MAX; i++)
        if (context->resumes[i].session && strcmp(context->resumes[i].host, host) == 0)
            return &context->resumes[i];
    return NULL;
}

/* OpenSSL hands over a fresh session (with TLS 1.3 after the handshake); 1: we keep it. */
static int on_new_session(SSL *ssl, SSL_SESSION *fresh)
{
    struct tls_session *session = SSL_get_app_data(ssl);
    struct tls_context *context = session->context;
    struct resume *resume = resume_find(context, session->host);
    if (!resume) {
        resume = &context->resumes[context->next_resume];
        context->next_resume = (context->next_resume + 1) % TLS_SESSION_COUNT_MAX;
        memcpy(resume->host, session->host, sizeof resume->host);
    }
    SSL_SESSION_free(resume->session);
    resume->session = fresh;
    return 1;
}

enum err tls_client_new(const struct tls_client_options *options, struct tls_context **context,
                        struct fault *fault)
{
    char ca[4096] = "the system's certificates";
    if (options->ca_file.len > 0 && !path_of(options->ca_file, ca))
        return fault_set(fault, ERR_CONFIG_INVALID, "ca_file is too long");
    struct tls_context *made = NULL;
    enum err err = context_open(&made, TLS_client_method(), fault);
    if (err != ERR_OK)
        return err;
    SSL_CTX_set_verify(made->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(made->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made->ssl, on_new_session);
    int const alpn_failed = SSL_CTX_set_alpn_protos(made->ssl, alpn_http1, sizeof alpn_http1);
    int const loaded = options->ca_file.len > 0 ? SSL_CTX_load_verify_locations(made->ssl, ca, NULL)
                                                : SSL_CTX_set_default_verify_paths(made->ssl);
    if (alpn_failed || loaded != 1) {
        tls_context_free(made);
        return fault_set(fault, ERR_CONFIG_INVALID, "%s: %s", ca, openssl_reason());
    }
    *context = made;
    return ERR_OK;
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    for (size_t i = 0; i < TLS_SESSION_COUNT_MAX; i++)
        SSL_SESSION_free(context->resumes[i].session);
    SSL_CTX_free(context->ssl);
    OSSL_LIB_CTX_free(context->library);
    free(context);
}

/* The name must be in subjectAltName; an address literal must be there as an address. */
static bool expect_host(struct tls_session *session)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(session->ssl);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, session->host) == 1)
        return true; /* an address: no SNI for it */
    return X509_VERIFY_PARAM_set1_host(rules, session->host, 0) == 1 &&
           SSL_set_tlsext_host_name(session->ssl, session->host) == 1;
}

static bool session_as_client(struct tls_session *session, const char *host)
{
    size_t const len = strlen(host);
    if (len > HOST_BYTES_MAX)
        return false;
    memcpy(session->host, host, len + 1);
    SSL_set_connect_state(session->ssl);
    SSL_set_app_data(session->ssl, session);
    if (!expect_host(session))
        return false;
    struct resume *resume = resume_find(session->context, session->host);
    if (resume && SSL_SESSION_is_resumable(resume->session))
        SSL_set_session(session->ssl, resume->session);
    return true;
}

struct tls_session *tls_session_new(struct tls_context *context, const char *host)
{
    struct tls_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->context = context;
    session->ssl = SSL_new(context->ssl);
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    if (!session->ssl || !session->in || !session->out) {
        BIO_free(session->in);
        BIO_free(session->out);
        SSL_free(session->ssl);
        free(session);
        return NULL;
    }
    BIO_set_mem_eof_return(session->in, -1); /* empty: try again, not the end */
    BIO_set_mem_eof_return(session->out, -1);
    SSL_set_bio(session->ssl, session->in, session->out);
    if (!host)
        SSL_set_accept_state(session->ssl);
    else if (!session_as_client(session, host)) {
        tls_session_free(session);
        ERR_clear_error();
        return NULL;
    }
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    if (session->error[0] == '\0') /* else OpenSSL would not let its tickets be resumed */
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session->ssl);
    free(session);
}

bool tls_input(struct tls_session *session, struct str bytes)
{
    size_t written = 0;
    return BIO_write_ex(session->in, bytes.ptr, bytes.len, &written) == 1 && written == bytes.len;
}

/* Says why in session->error: the certificate's fault first, for that is what operators can mend.
 */
static enum tls_step step_failed(struct tls_session *session)
{
    long const verdict = SSL_get_verify_result(session->ssl);
    if (verdict != X509_V_OK)
        snprintf(session->error, sizeof session->error, "certificate refused: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(session->error, sizeof session->error, "%s", openssl_reason());
    ERR_clear_error();
    return TLS_STEP_FAILED;
}

enum tls_step tls_handshake(struct tls_session *session)
{
    ERR_clear_error();
    int const result = SSL_do_handshake(session->ssl);
    if (result == 1)
        return TLS_STEP_DONE;
    int const why = SSL_get_error(session->ssl, result);
    return why == SSL_ERROR_WANT_READ ? TLS_STEP_MORE : step_failed(session);
}

enum tls_step tls_read(struct tls_session *session, char *bytes, size_t room, size_t *count)
{
    ERR_clear_error();
    if (SSL_read_ex(session->ssl, bytes, room, count) == 1)
        return TLS_STEP_DONE;
    switch (SSL_get_error(session->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return TLS_STEP_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_STEP_CLOSED;
    default:
        return step_failed(session);
    }
}

bool tls_write(struct tls_session *session, struct str bytes)
{
    size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(session->ssl, bytes.ptr, bytes.len, &written) != 1) {
        step_failed(session);
        return false;
    }
    MUST(written == bytes.len); /* partial writes are not enabled */
    return true;
}

void tls_shutdown(struct tls_session *session)
{
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}

struct str tls_output(struct tls_session *session)
{
    char *bytes = NULL;
    long const count = BIO_get_mem_data(session->out, &bytes);
    return count > 0 ? str_make(bytes, (size_t)count) : STR("");
}

void tls_output_sent(struct tls_session *session)
{
    BIO_reset(session->out);
}

const char *tls_error(const struct tls_session *session)
{
    return session->error;
}
