/* test_tls.c - TLS streams: what is verified, how they end, and that sessions are resumed. */
#include "base/limits.h"
#include "certs.h"
#include "net/tls.h"
#include "peer.h"
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

static struct certs certs;

static const struct cert_order orders[] = {
    {.name = "good",
     .common = "x",
     .alternates = "DNS:localhost,IP:127.0.0.1",
     .from_s = -60,
     .until_s = 3600},
    {.name = "expired",
     .common = "x",
     .alternates = "DNS:localhost",
     .from_s = -7200,
     .until_s = -3600},
    {.name = "early",
     .common = "x",
     .alternates = "DNS:localhost",
     .from_s = 3600,
     .until_s = 7200},
    {.name = "other",
     .common = "x",
     .alternates = "DNS:elsewhere.example",
     .from_s = -60,
     .until_s = 3600},
    {.name = "cn_only", .common = "localhost", .alternates = NULL, .from_s = -60, .until_s = 3600},
    {.name = "self",
     .common = "x",
     .alternates = "DNS:localhost",
     .from_s = -60,
     .until_s = 3600,
     .self_signed = true},
    {.name = "name_only",
     .common = "x",
     .alternates = "DNS:localhost",
     .from_s = -60,
     .until_s = 3600},
    {.name = "address_as_name",
     .common = "x",
     .alternates = "DNS:127.0.0.1",
     .from_s = -60,
     .until_s = 3600},
};
enum { ORDER_COUNT = sizeof orders / sizeof orders[0] };

static int setup(void **state)
{
    (void)state;
    certs_open(&certs);
    for (size_t i = 0; i < ORDER_COUNT; i++)
        cert_make(&certs, &orders[i]);
    struct cert_order sha1 = orders[0];
    sha1.name = "sha1";
    sha1.digest = EVP_sha1();
    cert_make(&certs, &sha1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    const char *names[ORDER_COUNT + 2] = {"ca", "sha1"};
    for (size_t i = 0; i < ORDER_COUNT; i++)
        names[i + 2] = orders[i].name;
    certs_close(&certs, names, ORDER_COUNT + 2);
    return 0;
}

static struct tls_context *server_context(const char *name)
{
    struct tls_context *context = NULL;
    struct fault fault = {0};
    struct tls_server_options const options = {cert_path(&certs, name, "crt"),
                                               cert_path(&certs, name, "key")};
    enum err const err = tls_server_new(&options, &context, &fault);
    if (err != ERR_OK)
        print_message("%s\n", fault.detail);
    return context;
}

static struct tls_context *client_context(const char *authority)
{
    struct tls_context *context = NULL;
    struct fault fault = {0};
    struct tls_client_options const options = {authority ? cert_path(&certs, authority, "crt")
                                                         : STR("")};
    assert_int_equal(tls_client_new(&options, &context, &fault), ERR_OK);
    return context;
}

static void a_certificate_is_accepted_only_when_all_of_it_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *what, *cert, *authority, *host;
        bool good;
        const char *said; /* part of the detail */
    } rows[] = {
        {"the name is in subjectAltName", "good", "ca", "localhost", true, ""},
        {"the address is in subjectAltName", "good", "ca", "127.0.0.1", true, ""},
        {"expired", "expired", "ca", "localhost", false, "expired"},
        {"not valid yet", "early", "ca", "localhost", false, "not yet valid"},
        {"another name", "other", "ca", "localhost", false, "hostname mismatch"},
        {"the name is only in CN", "cn_only", "ca", "localhost", false, "hostname mismatch"},
        {"self-signed", "self", "ca", "localhost", false, "self-signed"},
        {"an address, but the certificate has only a name", "name_only", "ca", "127.0.0.1", false,
         "IP address mismatch"},
        {"an address written as a name", "address_as_name", "ca", "127.0.0.1", false,
         "IP address mismatch"},
        {"the authority is not the system's", "good", NULL, "localhost", false, "issuer"},
        {"the authority is another one", "good", "self", "localhost", false, "issuer"},
        {"signed with SHA-1", "sha1", "ca", "localhost", false, "certificate"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_context *server = server_context(rows[i].cert);
        if (!server) { /* our own server refuses such a certificate as well */
            assert_false(rows[i].good);
            continue;
        }
        struct tls_context *client = client_context(rows[i].authority);
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), server);
        scene.client.stop_on_open = scene.client.stop_on_end = true;
        scene_connect(&scene, str_of(rows[i].host), client);
        scene_run(&scene);
        bool const right = rows[i].good
                               ? scene.client.opens == 1 && scene.client.ends == 0
                               : scene.client.opens == 0 && scene.client.why == STREAM_END_TLS &&
                                     strstr(scene.client.detail, rows[i].said);
        if (!right)
            print_message("%s: opens %d, why %d, %s\n", rows[i].what, scene.client.opens,
                          scene.client.why, scene.client.detail);
        assert_true(right);
        scene_close(&scene);
        tls_context_free(server);
        tls_context_free(client);
    }
}

static void many_bytes_pass_both_ways_with_pauses(void **state)
{
    (void)state;
    enum { TOTAL = 3 << 20 };
    struct tls_context *server = server_context("good"), *client = client_context("ca");
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), server);
    scene.server.echo = scene.server.finish_on_eof = true;
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("localhost"), client);
    scene_run(&scene);
    struct buf all;
    buf_init(&all, TOTAL);
    assert_int_equal(buf_reserve(&all, TOTAL), ERR_OK);
    for (size_t i = 0; i < TOTAL; i++)
        all.ptr[i] = (char)(i * 31 + i / 509);
    all.len = TOTAL;
    struct str const parts[] = {str_make(all.ptr, 5), str_make(all.ptr + 5, 40000),
                                str_make(all.ptr + 40005, TOTAL - 40005)};
    assert_int_equal(stream_write(scene.client.stream, parts, 3), ERR_OK);
    scene.client.stop_at_bytes = 100000;
    scene_run(&scene);
    stream_read_stop(scene.client.stream);
    size_t const paused_at = scene.client.received.len;
    for (int i = 0; i < 20; i++)
        uv_run(loop_uv(scene.loop), UV_RUN_NOWAIT);
    assert_int_equal(scene.client.received.len, paused_at);
    stream_read_start(scene.client.stream);
    scene.client.stop_at_bytes = TOTAL;
    scene_run(&scene);
    assert_true(str_eq(buf_view(&scene.client.received), buf_view(&all)));
    stream_finish(scene.client.stream);
    scene.client.stop_on_end = true;
    scene_run(&scene);
    assert_int_equal(scene.client.why, STREAM_END_EOF); /* close_notify came back */
    scene_close(&scene);
    buf_free(&all);
    tls_context_free(server);
    tls_context_free(client);
}

static void an_end_without_close_notify_is_a_cut(void **state)
{
    (void)state;
    struct tls_context *server = server_context("good"), *client = client_context("ca");
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), server);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("localhost"), client);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    stream_close(scene.server.stream); /* FIN, but no close_notify */
    scene.server.stream = NULL;
    scene.client.stop_on_end = true;
    scene_run(&scene);
    assert_int_equal(scene.client.why, STREAM_END_RESET);
    assert_non_null(strstr(scene.client.detail, "close_notify"));
    scene_close(&scene);
    tls_context_free(server);
    tls_context_free(client);
}

static void what_is_not_tls_or_hangs_up_is_told_as_tls_failure(void **state)
{
    (void)state;
    static const char *const greetings[] = {"", "HTTP/1.1 400 Bad Request\r\n\r\n",
                                            "\x15\x03\x01\x00\x02\x02\x28"};
    static const size_t lengths[] = {0, 28, 7};
    struct tls_context *client = client_context("ca");
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), NULL); /* a plain server */
        scene.client.stop_on_end = true;
        scene_connect(&scene, STR("localhost"), client);
        while (scene.server.received.len == 0)
            uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
        struct str const greeting = str_make(greetings[i], lengths[i]);
        assert_int_equal(stream_write(scene.server.stream, &greeting, 1), ERR_OK);
        stream_finish(scene.server.stream);
        scene_run(&scene);
        assert_int_equal(scene.client.why, STREAM_END_TLS);
        assert_int_equal(scene.client.opens, 0);
        scene_close(&scene);
    }
    tls_context_free(client);
}

/* A blocking OpenSSL client in a thread: another implementation of the other side. */
struct foreign {
    int port, version_max;
    bool shaken, alpn_http1;
    char answer[64];
};

static void *foreign_run(void *argument)
{
    struct foreign *foreign = argument;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    if (foreign->version_max)
        SSL_CTX_set_max_proto_version(context, foreign->version_max);
    static const unsigned char offer[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(context, offer, sizeof offer - 1);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)foreign->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int const descriptor = socket(AF_INET, SOCK_STREAM, 0);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, descriptor);
    if (connect(descriptor, (struct sockaddr *)&to, sizeof to) == 0 && SSL_connect(ssl) == 1) {
        const unsigned char *alpn = NULL;
        unsigned int alpn_len = 0;
        SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
        foreign->shaken = true;
        foreign->alpn_http1 = alpn_len == 8 && memcmp(alpn, "http/1.1", 8) == 0;
        SSL_write(ssl, "ping", 4);
        int const count = SSL_read(ssl, foreign->answer, sizeof foreign->answer - 1);
        if (count > 0)
            foreign->answer[count] = '\0';
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(descriptor);
    SSL_CTX_free(context);
    return NULL;
}

static void our_server_speaks_tls_1_2_and_1_3_and_nothing_older(void **state)
{
    (void)state;
    static const struct {
        int version_max;
        bool good;
    } rows[] = {{0, true}, {TLS1_2_VERSION, true}, {TLS1_1_VERSION, false}};
    struct tls_context *server = server_context("good");
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), server);
        scene.server.echo = scene.server.stop_on_end = true;
        struct foreign foreign = {.port = listener_port(scene.listener),
                                  .version_max = rows[i].version_max};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, foreign_run, &foreign), 0);
        scene_run(&scene);
        pthread_join(thread, NULL);
        assert_int_equal(foreign.shaken, rows[i].good);
        assert_int_equal(foreign.alpn_http1, rows[i].good);
        assert_string_equal(foreign.answer, rows[i].good ? "ping" : "");
        assert_int_equal(scene.server.why, rows[i].good ? STREAM_END_EOF : STREAM_END_TLS);
        scene_close(&scene);
    }
    tls_context_free(server);
}

/* A blocking OpenSSL server in a thread that counts resumed handshakes. */
struct resumer {
    int listener;
    const char *cert, *key; /* made before the thread starts */
    int handshakes, resumed;
    bool sni_seen;
};

static void *resumer_run(void *argument)
{
    struct resumer *resumer = argument;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context, resumer->cert);
    SSL_CTX_use_PrivateKey_file(context, resumer->key, SSL_FILETYPE_PEM);
    for (int i = 0; i < 3; i++) {
        int const descriptor = accept(resumer->listener, NULL, NULL);
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, descriptor);
        if (SSL_accept(ssl) == 1) {
            const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
            resumer->sni_seen = name && strcmp(name, "localhost") == 0;
            resumer->handshakes++;
            resumer->resumed += SSL_session_reused(ssl);
            SSL_write(ssl, "x", 1);
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        close(descriptor);
    }
    SSL_CTX_free(context);
    return NULL;
}

static void our_client_resumes_sessions_and_names_the_host(void **state)
{
    (void)state;
    struct resumer resumer = {.listener = socket(AF_INET, SOCK_STREAM, 0),
                              .cert = cert_path(&certs, "good", "crt").ptr,
                              .key = cert_path(&certs, "good", "key").ptr};
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(resumer.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(resumer.listener, 4), 0);
    assert_int_equal(getsockname(resumer.listener, (struct sockaddr *)&at, &length), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, resumer_run, &resumer), 0);
    struct tls_context *client = client_context("ca");
    struct loop *loop = loop_new();
    for (int i = 0; i < 3; i++) {
        struct peer peer;
        peer_init(&peer, loop);
        peer.stop_on_end = true;
        struct endpoint const to = {STR("localhost"), ntohs(at.sin_port), client, 0};
        peer.stream = stream_connect(loop, &to, &peer_handler, &peer);
        while (peer.ends == 0)
            uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_int_equal(peer.why, STREAM_END_EOF);
        assert_true(str_eq(buf_view(&peer.received), STR("x")));
        stream_close(peer.stream);
        buf_free(&peer.received);
    }
    pthread_join(thread, NULL);
    assert_int_equal(resumer.handshakes, 3);
    assert_int_equal(resumer.resumed, 2);
    assert_true(resumer.sni_seen);
    close(resumer.listener);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    tls_context_free(client);
}

static void files_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    struct tls_context *context = NULL;
    struct {
        struct str cert, key;
    } const rows[] = {
        {STR(""), STR("")},
        {STR("/no/such/cert"), cert_path(&certs, "good", "key")},
        {cert_path(&certs, "good", "crt"), STR("/no/such/key")},
        {cert_path(&certs, "good", "crt"), cert_path(&certs, "other", "key")},
        {cert_path(&certs, "good", "key"), cert_path(&certs, "good", "key")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        struct tls_server_options const options = {rows[i].cert, rows[i].key};
        assert_int_equal(tls_server_new(&options, &context, &fault), ERR_CONFIG_INVALID);
        assert_true(strlen(fault.detail) > 10);
    }
    struct fault fault = {0};
    struct tls_client_options const options = {STR("/no/such/bundle")};
    assert_int_equal(tls_client_new(&options, &context, &fault), ERR_CONFIG_INVALID);
    assert_non_null(strstr(fault.detail, "/no/such/bundle"));
    tls_context_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_accepted_only_when_all_of_it_is_right),
        cmocka_unit_test(many_bytes_pass_both_ways_with_pauses),
        cmocka_unit_test(an_end_without_close_notify_is_a_cut),
        cmocka_unit_test(what_is_not_tls_or_hangs_up_is_told_as_tls_failure),
        cmocka_unit_test(our_server_speaks_tls_1_2_and_1_3_and_nothing_older),
        cmocka_unit_test(our_client_resumes_sessions_and_names_the_host),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
