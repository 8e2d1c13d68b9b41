/* test_control.c - the client of the control socket against servers that answer well, badly, or
 * not. */
#include "app/control_client.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char folder[64], path[108];

struct server {
    int file;
    const char *answer;
    char request[4096];
};

/* Takes one connection, keeps the request, sends the answer, closes. */
static void *serve(void *argument)
{
    struct server *server = argument;
    int const client = accept(server->file, NULL, NULL);
    ssize_t const got = recv(client, server->request, sizeof server->request - 1, 0);
    server->request[got > 0 ? got : 0] = '\0';
    for (const char *at = server->answer; *at != '\0'; at++) /* byte by byte: every split */
        if (send(client, at, 1, MSG_NOSIGNAL) != 1)
            break;
    close(client);
    return NULL;
}

static bool gather(void *owner, int status, struct str bytes)
{
    (void)status;
    return buf_add(owner, bytes) == ERR_OK;
}

static enum err call(const char *answer, struct str body, struct server *server, int *status,
                     struct buf *got)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fault fault = {0};
    pthread_t thread;
    *server = (struct server){.answer = answer, .file = socket(AF_UNIX, SOCK_STREAM, 0)};
    memcpy(address.sun_path, path, sizeof path);
    unlink(path);
    assert_int_equal(bind(server->file, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->file, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
    struct control_request const request = {.data_dir = folder,
                                            .method = body.len ? "POST" : "GET",
                                            .path = STR("/api/v1/x?a=b"),
                                            .body = body,
                                            .headers = STR("x-one: 1\r\n")};
    enum err const err = control_call(&request, gather, got, status, &fault);
    pthread_join(thread, NULL);
    close(server->file);
    return err;
}

static const struct {
    const char *what, *answer, *body; /* body: NULL: the call fails */
    int status;
} rows[] = {
    {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200},
    {"chunks",
     "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
     "hello", 201},
    {"an error", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "{}", 404},
    {"no body", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
    {"to the end of the connection", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall", "all", 200},
    {"a length that is not met", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", NULL, 0},
    {"chunks that do not end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
     NULL, 0},
    {"a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", NULL,
     0},
    {"a head that does not end", "HTTP/1.1 200 OK\r\nContent-", NULL, 0},
    {"no HTTP at all", "hello\r\n", NULL, 0},
    {"silence", "", NULL, 0},
};

static void answers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server server;
        struct buf got;
        int status = 0;
        buf_init(&got, 1024);
        enum err const err = call(rows[i].answer, STR(""), &server, &status, &got);
        bool const good = rows[i].body != NULL ? err == ERR_OK && status == rows[i].status &&
                                                     str_eq(buf_view(&got), str_of(rows[i].body))
                                               : err == ERR_UPSTREAM_CUT;
        if (!good)
            fail_msg("%s: err %d status %d body %.*s", rows[i].what, err, status,
                     STR_ARG(buf_view(&got)));
        buf_free(&got);
    }
}

static void requests_are_whole(void **state)
{
    (void)state;
    struct server server;
    struct buf got;
    int status;
    buf_init(&got, 1024);
    assert_int_equal(
        call("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", STR(""), &server, &status, &got),
        ERR_OK);
    assert_string_equal(server.request,
                        "GET /api/v1/x?a=b HTTP/1.1\r\nHost: cota\r\n"
                        "Connection: close\r\nContent-Length: 0\r\nx-one: 1\r\n\r\n");
    buf_free(&got);
}

static void a_reader_may_stop(void **state)
{
    (void)state;
    struct server server;
    struct buf got;
    int status;
    buf_init(&got, 2); /* too small: gather says stop */
    assert_int_equal(
        call("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", STR(""), &server, &status, &got),
        ERR_OK);
    buf_free(&got);
}

static void nobody_answers(void **state)
{
    (void)state;
    struct fault fault = {0};
    int status = 0;
    struct control_request request = {.data_dir = "/nowhere", .method = "GET", .path = STR("/")};
    assert_int_equal(control_call(&request, gather, NULL, &status, &fault),
                     ERR_UPSTREAM_UNREACHABLE);
    assert_non_null(strstr(fault.detail, "no daemon answers at /nowhere/cota.sock"));
    char far[256];
    memset(far, 'a', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    fault = (struct fault){0};
    request.data_dir = far;
    assert_int_equal(control_call(&request, gather, NULL, &status, &fault),
                     ERR_UPSTREAM_UNREACHABLE);
    assert_non_null(strstr(fault.detail, "too long"));
}

static void names_are_encoded(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(control_encode(&out, STR("a-b_c.d~e:f@g/h i%?&=\r\n\xc3\xa9")), ERR_OK);
    assert_true(str_eq(buf_view(&out), STR("a-b_c.d~e:f@g%2Fh%20i%25%3F%26%3D%0D%0A%C3%A9")));
    buf_free(&out);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/cota-control-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/cota.sock", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read), cmocka_unit_test(requests_are_whole),
        cmocka_unit_test(a_reader_may_stop), cmocka_unit_test(nobody_answers),
        cmocka_unit_test(names_are_encoded)};
    int const failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
