/* test_simulate.c - `cota simulate` over real sockets: keep-alive, streams, every fault as a peer
 * sees it, the served file, and certificates that must be refused. */
#include "simulate_service.h"
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/wait.h>

static const char hello[] = "{\"model\":\"sim-fast:output=8\",\"messages\":[{\"content\":\"Hi\"}]}";
static const char streamed[] =
    "{\"model\":\"sim-fast:output=8\",\"stream\":true,\"messages\":[{\"content\":\"Hi\"}]}";

static void answers_keep_the_connection(void **state)
{
    struct service *service = *state;
    int const fd = dial(service);
    struct buf first, next;
    send_chat(fd, "", hello);
    read_answer(fd, &first);
    assert_true(has(&first, "HTTP/1.1 200 OK"));
    for (int i = 0; i < 50; i++) {
        send_chat(fd, "", hello);
        read_answer(fd, &next);
        assert_true(str_eq(buf_view(&first), buf_view(&next)));
        buf_free(&next);
    }
    buf_free(&first);
    close(fd);
}

static void requests_in_a_row_are_answered_in_order(void **state)
{
    struct service *service = *state;
    int const fd = dial(service);
    for (int i = 0; i < 40; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"model\":\"number-%d\",\"messages\":[{}]}", i);
        send_chat(fd, i == 39 ? "connection: close\r\n" : "", body);
    }
    struct buf all;
    assert_int_equal(read_all(fd, "never", &all), ENDED);
    struct str rest = buf_view(&all);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "\"number-%d\"", i);
        size_t const position = str_find(rest, str_of(name));
        assert_true(position < rest.len);
        rest = str_skip(rest, position);
    }
    buf_free(&all);
    close(fd);
}

static void bytes_may_come_one_by_one(void **state)
{
    struct service *service = *state;
    static const char request[] =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        "x-sim-output-tokens: 2\r\n\r\n"
        "1c\r\n{\"model\":\"sim-fast\",\"message\r\n8\r\ns\":[{}]}\r\n0\r\n\r\n";
    int const fd = dial(service);
    struct buf answer;
    for (size_t i = 0; i + 1 < sizeof request; i++)
        send_all(fd, request + i, 1);
    read_answer(fd, &answer);
    assert_true(has(&answer, "\"completion_tokens\":2,"));
    buf_free(&answer);
    close(fd);
}

static void other_addresses(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *request, *has;
    } rows[] = {
        {"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", "sim-slow"},
        {"GET /v1/models/sim-json HTTP/1.1\r\nhost: x\r\n\r\n", "\"id\":\"sim-json\""},
        {"GET /v1/models/none HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 404"},
        {"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 404"},
        {"GET /__stats HTTP/1.1\r\nhost: x\r\n\r\n", "\"open_connections\":1"},
        {"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 45\r\n\r\n"
         "{\"model\":\"sim-embed\",\"input\":[\"abcd\",\"efgh\"]}",
         "\"prompt_tokens\":2"},
        {"nonsense\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
         "HTTP/1.1 400"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int const fd = dial(service);
        struct buf answer;
        send_all(fd, rows[i].request, strlen(rows[i].request));
        read_answer(fd, &answer);
        if (!has(&answer, rows[i].has))
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&answer)));
        buf_free(&answer);
        close(fd);
    }
}

static void a_big_body_after_100_continue(void **state)
{
    struct service *service = *state;
    enum { PADDING = 3 << 20 };
    static const char start[] = "{\"model\":\"sim-fast\",\"messages\":[{\"content\":\"";
    static const char rest[] = "\"}]}";
    char head[256], go_on[25];
    int const fd = dial(service);
    char *padding = malloc(PADDING);
    memset(padding, 'a', PADDING);
    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
             "content-length: %zu\r\n\r\n",
             strlen(start) + PADDING + strlen(rest));
    send_all(fd, head, strlen(head));
    assert_int_equal(recv(fd, go_on, sizeof go_on, MSG_WAITALL), sizeof go_on);
    assert_memory_equal(go_on, "HTTP/1.1 100 Continue\r\n\r\n", sizeof go_on);
    send_all(fd, start, strlen(start));
    send_all(fd, padding, PADDING);
    send_all(fd, rest, strlen(rest));
    struct buf answer;
    read_answer(fd, &answer);
    assert_true(has(&answer, "\"prompt_tokens\":786432,"));
    buf_free(&answer);
    free(padding);
    close(fd);
}

/* What a peer sees of each fault. */
static void faults_are_seen(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *fault;
        bool stream;
        enum ending ending;
        const char *has, *lacks; /* NULL: nothing came at all */
    } rows[] = {
        {"refuse", false, ENDED, NULL, NULL},
        {"reset", false, RESET, NULL, NULL},
        {"stall", true, STILL_OPEN, NULL, NULL},
        {"nothing-after-head", false, STILL_OPEN, "\r\n\r\n", "{"},
        {"reset-mid-stream=2", true, RESET, "\"role\"", "DONE"},
        {"reset-mid-stream=20", false, RESET, "{\"id\":", "usage"},
        {"cut-mid-stream=2", true, ENDED, "\"role\"", "DONE"},
        {"cut-mid-stream=20", false, ENDED, "{\"id\":", "usage"},
        {"stall-mid-stream=2", true, STILL_OPEN, "\"role\"", "DONE"},
        {"truncated-chunk", true, ENDED, "{\"cut\":", "DONE"},
        {"bad-chunk", true, ENDED, "\r\nzz\r\n", "DONE"},
        {"invalid-json", true, STILL_OPEN, "DONE", "error"},
        {"length-too-long", false, ENDED, "usage", "transfer-encoding"},
        {"length-too-short", true, ENDED, "DONE", "transfer-encoding"},
        {"two-lengths", false, ENDED, "usage", "transfer-encoding"},
        {"endless-line", true, OVERFLOWN, "and so on", "DONE"},
        {"endless-stream", false, OVERFLOWN, "and so on", "usage"},
        {"endless-stream", true, OVERFLOWN, "and so on", "DONE"},
        {"huge-head", false, STILL_OPEN, "hhhhhhhh", "error"},
        {"500", true, STILL_OPEN, "HTTP/1.1 500", "DONE"},
        {"status=429,retry-after=9", true, STILL_OPEN, "retry-after: 9\r\n", "DONE"},
        {"no-done", true, STILL_OPEN, "\r\n0\r\n\r\n", "DONE"},
        {"http10", true, ENDED, "HTTP/1.0 200", "chunked"},
        {"interim", false, STILL_OPEN, "HTTP/1.1 103", "error"},
        {"twice", true, STILL_OPEN, "0\r\n\r\nHTTP/1.1 200", "error"},
        {"one-byte", true, STILL_OPEN, "DONE", "error"},
        {"gzip", true, STILL_OPEN, "content-encoding: gzip", "data:"},
        {"crlf", true, STILL_OPEN, "[DONE]\r\n\r\n", "error"},
        {"error-in-stream=2", true, STILL_OPEN, "{\"error\":", "DONE"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char headers[128];
        struct buf all;
        int const fd = dial(service);
        snprintf(headers, sizeof headers, "x-sim-fault: %s\r\n", rows[i].fault);
        send_chat(fd, headers, rows[i].stream ? streamed : hello);
        const char *const needle = rows[i].ending == STILL_OPEN ? rows[i].has : "never";
        enum ending const ending = read_all(fd, needle, &all);
        if (ending != rows[i].ending)
            fail_msg("%s: ending %d", rows[i].fault, ending);
        if (!rows[i].has)
            assert_int_equal(all.len, 0);
        else if (!has(&all, rows[i].has) || has(&all, rows[i].lacks))
            fail_msg("%s: %.*s", rows[i].fault, all.len > 2000 ? 2000 : (int)all.len, all.ptr);
        buf_free(&all);
        close(fd);
    }
}

static void a_slow_head_comes_byte_by_byte(void **state)
{
    struct service *service = *state;
    int const fd = dial(service);
    send_chat(fd, "x-sim-fault: slow-head\r\n", hello);
    for (size_t i = 0; i < 4; i++) {
        char bytes[64];
        struct pollfd poller = {fd, POLLIN, 0};
        assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
        ssize_t const count = recv(fd, bytes, sizeof bytes, 0);
        assert_in_range(count, 1, 20); /* of about 90: even a busy machine sees pieces */
    }
    close(fd);
}

/* Every well-framed answer leaves a connection that works. */
static void good_framing_keeps_the_connection(void **state)
{
    struct service *service = *state;
    static const char *const faults[] = {"500",      "invalid-json", "html",       "error-body",
                                         "redirect", "no-usage",     "zero-usage", "one-byte"};
    int const fd = dial(service);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char headers[128];
        struct buf answer;
        snprintf(headers, sizeof headers, "x-sim-fault: %s\r\n", faults[i]);
        send_chat(fd, headers, hello);
        read_answer(fd, &answer);
        buf_free(&answer);
        send_chat(fd, "", hello);
        read_answer(fd, &answer);
        assert_true(has(&answer, "HTTP/1.1 200 OK"));
        buf_free(&answer);
    }
    close(fd);
}

/* Someone who only finished his side still gets all of his answer, at the model's pace. */
static void a_half_closed_client_is_answered(void **state)
{
    struct service *service = *state;
    int const fd = dial(service);
    struct buf all;
    send_chat(fd, "x-sim-latency-ms: 60\r\nx-sim-tokens-per-second: 200\r\n", streamed);
    shutdown(fd, SHUT_WR);
    assert_int_equal(read_all(fd, "never", &all), ENDED);
    assert_true(has(&all, "DONE"));
    buf_free(&all);
    close(fd);
}

/* The line of the served file whose id this is, as soon as it is there. */
static struct str served_line(const struct service *service, const char *id, char *text,
                              size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"id\":\"%s\"", id);
    for (int tries = 0; tries < PATIENCE_MS / 10; tries++) {
        FILE *file = fopen(service->served, "r");
        assert_non_null(file);
        while (fgets(text, (int)size, file)) {
            struct str const line = str_of(text);
            if (line.ptr[line.len - 1] == '\n' && str_find(line, str_of(quoted)) < line.len) {
                fclose(file);
                return str_make(line.ptr, line.len - 1);
            }
        }
        fclose(file);
        usleep(10000);
    }
    fail_msg("%s is not in the served file", id);
    return (struct str){0};
}

static void what_was_served_is_written_down(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *id, *headers, *needle;
        bool stream, complete;
        int64_t status, completion; /* -1: any */
    } rows[] = {
        {"plain", "", "fp_sim", false, true, 200, 8},
        {"stream", "", "DONE", true, true, 200, 8},
        {"told", "x-sim-usage: 100,50,40\r\n", "DONE", true, true, 200, 50},
        {"error", "x-sim-fault: 500\r\n", "error", false, true, 500, 0},
        {"refused", "x-sim-fault: refuse\r\n", "never", false, false, 0, 0},
        {"cut", "x-sim-fault: cut-mid-stream=4\r\n", "never", true, false, 200, 3},
        {"stalled", "x-sim-fault: stall-mid-stream=3\r\n", "role", true, false, 200, 2},
        {"left", "x-sim-latency-ms: 60000\r\n", NULL, true, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char headers[256], text[1024];
        struct buf all;
        struct fault fault = {0};
        int const fd = dial(service);
        snprintf(headers, sizeof headers, "X-Request-Id: %s\r\n%s", rows[i].id, rows[i].headers);
        send_chat(fd, headers, rows[i].stream ? streamed : hello);
        (void)read_all(fd, rows[i].needle, &all);
        struct linger const hard = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* leaves with a reset */
        close(fd);
        struct str const line = served_line(service, rows[i].id, text, sizeof text);
        assert_int_equal(json_scan(line, NULL, &fault), ERR_OK);
        assert_str(get(line, "complete"), rows[i].complete ? "true" : "false");
        assert_int_equal(number(get(line, "status")), rows[i].status);
        assert_int_equal(number(get(line, "completion_tokens")), rows[i].completion);
        assert_int_equal(number(get(line, "bytes")), all.len);
        assert_str(get(line, "model"), "\"sim-fast:output=8\"");
        assert_true(number(get(line, "at_us")) > 1700000000000000);
        buf_free(&all);
    }
}

static void the_count_is_the_files(void **state)
{
    struct service *service = *state;
    char text[1024], wanted[64];
    int lines = 0;
    FILE *file = fopen(service->served, "r");
    assert_non_null(file);
    while (fgets(text, sizeof text, file))
        lines++;
    fclose(file);
    int const fd = dial(service);
    struct buf answer;
    static const char request[] = "GET /__served HTTP/1.1\r\nhost: x\r\n\r\n";
    send_all(fd, request, sizeof request - 1);
    read_answer(fd, &answer);
    snprintf(wanted, sizeof wanted, "\"served\":%d,", lines);
    assert_true(lines > 50);
    assert_true(has(&answer, wanted));
    buf_free(&answer);
    close(fd);
}

static void certificates_are_as_bad_as_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long verdict;
    } rows[] = {
        {"good", X509_V_OK},
        {"expired", X509_V_ERR_CERT_HAS_EXPIRED},
        {"wrong-host", X509_V_ERR_HOSTNAME_MISMATCH},
        {"self-signed", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct service service;
        enum simulate_certificate kind;
        char path[128];
        assert_true(simulate_certificate_named(str_of(rows[i].name), &kind));
        service_start(&service, kind);
        snprintf(path, sizeof path, "%.*s", STR_ARG(simulate_server_ca_file(service.server)));
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        assert_int_equal(SSL_CTX_load_verify_locations(context, path, NULL), 1);
        SSL *ssl = SSL_new(context);
        int const fd = dial(&service);
        SSL_set_fd(ssl, fd);
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        assert_int_equal(SSL_set1_host(ssl, "localhost"), 1);
        bool const shaken = SSL_connect(ssl) == 1;
        assert_int_equal(SSL_get_verify_result(ssl), rows[i].verdict);
        assert_int_equal(shaken, rows[i].verdict == X509_V_OK);
        if (shaken) {
            char answer[64] = "";
            static const char request[] = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
            assert_true(SSL_write(ssl, request, sizeof request - 1) > 0);
            assert_true(SSL_read(ssl, answer, sizeof answer - 1) > 0);
            assert_memory_equal(answer, "HTTP/1.1 200 OK", 15);
        }
        SSL_free(ssl);
        SSL_CTX_free(context);
        close(fd);
        service_stop(&service);
        assert_int_equal(access(path, F_OK), -1); /* nothing is left behind */
    }
    enum simulate_certificate kind;
    assert_false(simulate_certificate_named(STR("excellent"), &kind));
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *served, *cert, *key;
    } rows[] = {
        {"nowhere", "", "", ""},
        {"127.0.0.1:0", "/nonexistent/folder/file", "", ""},
        {"127.0.0.1:0", "", "/tmp/cert.pem", ""},
        {"127.0.0.1:0", "", "/nonexistent/cert.pem", "/nonexistent/key.pem"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct simulate_options options;
        struct simulate_server *server = NULL;
        struct fault fault = {0};
        struct loop *loop = loop_new();
        simulate_options_init(&options);
        options.listen = str_of(rows[i].listen);
        options.served_file = str_of(rows[i].served);
        options.tls_cert_file = str_of(rows[i].cert);
        options.tls_key_file = str_of(rows[i].key);
        assert_int_equal(simulate_server_new(loop, &options, &server, &fault), ERR_CONFIG_INVALID);
        assert_true(strlen(fault.detail) > 0);
        assert_null(server);
        loop_free(loop);
    }
}

/* The command as a process: one line when ready, TERM ends it well. */
static void the_command_runs_until_it_is_told(void **state)
{
    (void)state;
    int pipes[2], status = -1;
    assert_int_equal(pipe(pipes), 0);
    pid_t const child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct simulate_options options;
        simulate_options_init(&options);
        options.json = true;
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        _exit(simulate_run(&options));
    }
    close(pipes[1]);
    char line[1024];
    struct fault fault = {0};
    FILE *output = fdopen(pipes[0], "r");
    assert_non_null(fgets(line, sizeof line, output));
    struct str const text = str_make(line, strlen(line) - 1);
    assert_int_equal(json_scan(text, NULL, &fault), ERR_OK);
    assert_true(str_starts(get(text, "url"), STR("\"http://127.0.0.1:")));
    assert_str(at(get(text, "models"), 0), "\"sim-fast\"");
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_null(fgets(line, sizeof line, output)); /* exactly one line */
    fclose(output);
}

static int start(void **state)
{
    static struct service service;
    service_start(&service, SIMULATE_CERTIFICATE_NONE);
    *state = &service;
    return 0;
}

static int stop(void **state)
{
    service_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest before_threads[] = {
        cmocka_unit_test(the_command_runs_until_it_is_told),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_keep_the_connection),
        cmocka_unit_test(requests_in_a_row_are_answered_in_order),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(other_addresses),
        cmocka_unit_test(a_big_body_after_100_continue),
        cmocka_unit_test(faults_are_seen),
        cmocka_unit_test(a_slow_head_comes_byte_by_byte),
        cmocka_unit_test(good_framing_keeps_the_connection),
        cmocka_unit_test(a_half_closed_client_is_answered),
        cmocka_unit_test(what_was_served_is_written_down),
        cmocka_unit_test(the_count_is_the_files),
        cmocka_unit_test(certificates_are_as_bad_as_wanted),
        cmocka_unit_test(bad_options_are_refused),
    };
    int const failed = cmocka_run_group_tests(before_threads, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, start, stop);
}
