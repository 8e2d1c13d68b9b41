/* test_client_tls.c - who is trusted: certificates made at run time, good and bad ones. */
#include "caller.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OK_TEXT "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"

enum { DAY_S = 86400, PATH_BYTES = 64 };

static EVP_PKEY *ca_key;
static X509 *ca;
static char ca_file[PATH_BYTES];

static void extension_add(X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: signs itself. names NULL: no alternative names. */
static X509 *certificate_make(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *common,
                              const char *names, long from_s, long to_s)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    assert_int_equal(X509_set_version(certificate, 2), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)common, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
    X509_set_pubkey(certificate, key);
    if (!issuer)
        extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (names)
        extension_add(certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256()) > 0);
    return certificate;
}

static int make_ca(void **state)
{
    (void)state;
    ca_key = EVP_EC_gen("P-256");
    ca = certificate_make(ca_key, NULL, NULL, "test ca", NULL, -DAY_S, DAY_S);
    snprintf(ca_file, sizeof ca_file, "/tmp/cota-test-ca-XXXXXX");
    int const descriptor = mkstemp(ca_file);
    FILE *file = fdopen(descriptor, "w");
    bool const written = file && PEM_write_X509(file, ca) == 1;
    return file && fclose(file) == 0 && written ? 0 : -1;
}

static int drop_ca(void **state)
{
    (void)state;
    unlink(ca_file);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return 0;
}

static void serve_well(struct wire *wire)
{
    while (wire_read_request(wire) && wire_say(wire, OK_TEXT))
        ;
}

/* To the end of the connection, and whether TLS says so or the socket is just gone. */
static void serve_old(struct wire *wire)
{
    if (wire_read_request(wire))
        (void)wire_say(wire, "HTTP/1.0 200 OK\r\n\r\nhello");
}

static void serve_old_cut(struct wire *wire)
{
    serve_old(wire);
    SSL_set_quiet_shutdown(wire->ssl, 1);
}

static SSL_CTX *server_context(X509 *certificate, EVP_PKEY *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    return context;
}

struct row {
    const char *what, *common, *names;
    bool self_signed;
    long from_s, to_s;
    void (*serve)(struct wire *wire);
    bool trusted; /* our CA file is the one that signed */
    bool done;
    enum upstream_fail why;
    int dispatches;
};

static const struct row rows[] = {
    {"good", "x", "IP:127.0.0.1", false, -DAY_S, DAY_S, serve_well, true, true, 0, 1},
    {"an end that TLS announces", "x", "IP:127.0.0.1", false, -DAY_S, DAY_S, serve_old, true, true,
     0, 1},
    {"an end that anyone could have made", "x", "IP:127.0.0.1", false, -DAY_S, DAY_S, serve_old_cut,
     true, false, UPSTREAM_FAIL_RESET, 1},
    {"expired", "x", "IP:127.0.0.1", false, -2 * DAY_S, -DAY_S, serve_well, true, false,
     UPSTREAM_FAIL_TLS, 0},
    {"not valid yet", "x", "IP:127.0.0.1", false, DAY_S, 2 * DAY_S, serve_well, true, false,
     UPSTREAM_FAIL_TLS, 0},
    {"another host", "x", "IP:127.0.0.2,DNS:other.example", false, -DAY_S, DAY_S, serve_well, true,
     false, UPSTREAM_FAIL_TLS, 0},
    {"the name in the subject only", "127.0.0.1", NULL, false, -DAY_S, DAY_S, serve_well, true,
     false, UPSTREAM_FAIL_TLS, 0},
    {"signed by itself", "x", "IP:127.0.0.1", true, -DAY_S, DAY_S, serve_well, true, false,
     UPSTREAM_FAIL_TLS, 0},
    {"signed by a CA that the system does not know", "x", "IP:127.0.0.1", false, -DAY_S, DAY_S,
     serve_well, false, false, UPSTREAM_FAIL_TLS, 0},
};

static void check(const struct row *row)
{
    struct script script;
    struct caller caller;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_make(key, row->self_signed ? NULL : ca, ca_key, row->common,
                                         row->names, row->from_s, row->to_s);
    SSL_CTX *context = server_context(certificate, key);
    script_start(&script, row->serve, context);
    caller_open(&caller, script.port);
    caller.target.tls = true;
    caller.target.ca_file = row->trusted ? str_of(ca_file) : STR("");
    caller_run(&caller);
    if (caller.dones != row->done || caller.dispatches != row->dispatches ||
        (!row->done && caller.why != row->why))
        fail_msg("%s: done %d, %s: %s", row->what, caller.dones, upstream_fail_name(caller.why),
                 caller.detail);
    if (row->done)
        assert_true(str_eq(buf_view(&caller.body), STR("hello")));
    if (row->serve == serve_well && row->done) {
        caller_run(&caller);
        assert_int_equal(caller.dones, 1);
        assert_int_equal(caller_figures(&caller).connects, 1);
    }
    caller_close(&caller);
    script_stop(&script);
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

/* The provider speaks no TLS at all. */
static void serve_plain(struct wire *wire)
{
    (void)wire_say(wire, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    wire_await_close(wire);
}

static void test_plain_provider(void **state)
{
    struct script script;
    struct caller caller;
    (void)state;
    script_start(&script, serve_plain, NULL);
    caller_open(&caller, script.port);
    caller.target.tls = true;
    caller.target.ca_file = str_of(ca_file);
    caller_run(&caller);
    assert_int_equal(caller.fails, 1);
    assert_int_equal(caller.why, UPSTREAM_FAIL_TLS);
    assert_int_equal(caller.dispatches, 0);
    caller_close(&caller);
    script_stop(&script);
}

/* Told from the loop, with the reason; the next call tries the file again. */
static void test_ca_file_missing(void **state)
{
    struct caller caller;
    (void)state;
    caller_open(&caller, 1);
    caller.target.tls = true;
    caller.target.ca_file = STR("/nonexistent/ca.pem");
    for (int i = 0; i < 2; i++) {
        caller_start(&caller);
        assert_false(caller.ended);
        caller_wait(&caller);
        assert_int_equal(caller.fails, 1);
        assert_int_equal(caller.why, UPSTREAM_FAIL_TLS);
        assert_int_equal(caller.dispatches, 0);
        assert_true(caller.detail[0] != '\0');
    }
    caller_close(&caller);
}

/* A doomed call may be cancelled before it is told. */
static void test_cancel_doomed(void **state)
{
    struct caller caller;
    (void)state;
    caller_open(&caller, 1);
    caller.target.tls = true;
    caller.target.ca_file = STR("/nonexistent/ca.pem");
    caller_start(&caller);
    upstream_pause(caller.call);
    upstream_allow_stream(caller.call);
    upstream_resume(caller.call);
    upstream_cancel(caller.call);
    caller_idle(&caller, 3 * CALLER_TICK_MS);
    assert_int_equal(caller.fails, 0);
    caller_close(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_plain_provider),
        cmocka_unit_test(test_ca_file_missing),
        cmocka_unit_test(test_cancel_doomed),
    };
    return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
