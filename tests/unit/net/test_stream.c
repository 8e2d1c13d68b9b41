/* test_stream.c - streams over TCP and Unix sockets: data, queues, every kind of end. */
#include "base/limits.h"
#include "core/address.h"
#include "peer.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void fill(struct buf *buf, size_t count)
{
    buf_init(buf, count);
    assert_int_equal(buf_reserve(buf, count), ERR_OK);
    for (size_t i = 0; i < count; i++)
        buf->ptr[i] = (char)(i * 7 + i / 251);
    buf->len = count;
}

static void bytes_go_there_and_back_and_the_end_is_told(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.server.echo = scene.server.finish_on_eof = true;
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    struct str const parts[] = {STR("one "), STR(""), STR("two "), STR("three")};
    assert_int_equal(stream_write(scene.client.stream, parts, 4), ERR_OK);
    assert_int_equal(stream_queued(scene.client.stream), 0);
    scene.client.stop_at_bytes = 13;
    scene_run(&scene);
    stream_finish(scene.client.stream);
    assert_int_equal(stream_write(scene.client.stream, parts, 1), ERR_UPSTREAM_CUT);
    scene.client.stop_on_end = true;
    scene_run(&scene);
    assert_true(str_eq(buf_view(&scene.client.received), STR("one two three")));
    assert_int_equal(scene.server.opens, 1);
    assert_int_equal(scene.server.ends, 1);
    assert_int_equal(scene.client.why, STREAM_END_EOF);
    assert_true(str_eq(stream_peer(scene.server.stream), STR("127.0.0.1")));
    assert_false(stream_is_local(scene.server.stream));
    assert_int_equal(listener_connections(scene.listener), 1);
    scene_close(&scene);
}

static void a_name_is_resolved_and_its_addresses_tried(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = scene.client.stop_on_end = true;
    scene_connect(&scene, STR("localhost"), NULL);
    scene_run(&scene);
    assert_int_equal(scene.client.opens, 1);
    assert_true(str_eq(stream_peer(scene.client.stream), STR("127.0.0.1")));
    scene_close(&scene);
}

static void connecting_that_fails_is_told_as_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what, *host;
    } rows[] = {
        {"nobody listens", "127.0.0.1"},
        {"a name that does not exist", "no-such-host.invalid"},
        {"a network that is not there", "255.255.255.255"},
        {"a name longer than names can be",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         ".example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), NULL);
        int const port = listener_port(scene.listener);
        listener_close(scene.listener);
        scene.listener = NULL;
        scene.client.stop_on_end = true;
        struct endpoint const to = {str_of(rows[i].host), port, NULL, 0};
        scene.client.stream = stream_connect(scene.loop, &to, &peer_handler, &scene.client);
        assert_int_equal(scene.client.ends, 0); /* never from within the call */
        scene_run(&scene);
        if (scene.client.why != STREAM_END_REFUSED)
            print_message("%s: %d %s\n", rows[i].what, scene.client.why, scene.client.detail);
        assert_int_equal(scene.client.why, STREAM_END_REFUSED);
        assert_int_equal(scene.client.opens, 0);
        scene_close(&scene);
    }
}

static void addresses_of_refused_classes_are_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        unsigned refused;
        bool opens;
    } rows[] = {
        {"127.0.0.1", 0, true},
        {"127.0.0.1", ADDRESS_ALL & ~ADDRESS_BIT(ADDRESS_LOOPBACK), true},
        {"127.0.0.1", ADDRESS_BIT(ADDRESS_LOOPBACK), false},
        {"127.0.0.1", ADDRESS_INSIDE, false},
        {"::ffff:127.0.0.1", ADDRESS_INSIDE, false},
        {"127.1", ADDRESS_INSIDE, false}, /* the resolver reads what is no literal for us */
        {"localhost", ADDRESS_INSIDE, false},
        {"localhost", ADDRESS_BIT(ADDRESS_PUBLIC), true},
        {"0.0.0.0", ADDRESS_BIT(ADDRESS_SPECIAL), false}, /* … or it would be this machine */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), NULL);
        scene.client.stop_on_end = scene.client.stop_on_open = true;
        struct endpoint const to = {str_of(rows[i].host), listener_port(scene.listener), NULL,
                                    rows[i].refused};
        scene.client.stream = stream_connect(scene.loop, &to, &peer_handler, &scene.client);
        scene_run(&scene);
        print_message("  %s %x\n", rows[i].host, rows[i].refused);
        assert_int_equal(scene.client.opens, rows[i].opens);
        if (!rows[i].opens) {
            assert_int_equal(scene.client.why, STREAM_END_REFUSED);
            assert_non_null(strstr(scene.client.detail, "not allowed"));
            assert_int_equal(scene.server.opens, 0);
        }
        scene_close(&scene);
    }
}

static void closing_while_connecting_or_resolving_leaks_nothing(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct scene scene;
        scene_open(&scene, STR("127.0.0.1:0"), NULL);
        scene_connect(&scene, str_of(hosts[i]), NULL);
        scene_close(&scene);
        assert_int_equal(scene.client.opens + scene.client.ends, 0);
    }
}

static void what_the_kernel_does_not_take_is_queued_in_order(void **state)
{
    (void)state;
    enum { TOTAL = 12 << 20 };
    struct scene scene;
    struct buf all;
    fill(&all, TOTAL);
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    stream_read_stop(scene.server.stream);
    for (size_t at = 0; at < TOTAL; at += 1 << 20) {
        struct str const parts[] = {str_make(all.ptr + at, 1000),
                                    str_make(all.ptr + at + 1000, (1 << 20) - 1000)};
        assert_int_equal(stream_write(scene.client.stream, parts, 2), ERR_OK);
    }
    assert_true(stream_queued(scene.client.stream) > 1 << 20);
    assert_int_equal(scene.client.drains, 0);
    stream_read_start(scene.server.stream);
    scene.server.stop_at_bytes = TOTAL;
    scene_run(&scene);
    while (scene.client.drains == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    assert_int_equal(stream_queued(scene.client.stream), 0);
    assert_int_equal(scene.client.drains, 1);
    assert_true(str_eq(buf_view(&scene.server.received), buf_view(&all)));
    scene_close(&scene);
    buf_free(&all);
}

static void the_queue_has_a_bound(void **state)
{
    (void)state;
    struct scene scene;
    struct buf chunk;
    fill(&chunk, 8 << 20);
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    stream_read_stop(scene.server.stream);
    struct str const part = buf_view(&chunk);
    enum err err = ERR_OK;
    for (int i = 0; i < 20 && err == ERR_OK; i++)
        err = stream_write(scene.client.stream, &part, 1);
    assert_int_equal(err, ERR_TOO_LARGE);
    assert_true(stream_queued(scene.client.stream) <= STREAM_QUEUE_BYTES_MAX);
    scene_close(&scene);
    buf_free(&chunk);
}

static void a_reset_is_told_as_reset_and_writing_fails(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    stream_reset(scene.client.stream);
    scene.client.stream = NULL;
    scene.server.stop_on_end = true;
    scene_run(&scene);
    assert_int_equal(scene.server.why, STREAM_END_RESET);
    struct str const part = STR("x");
    assert_int_equal(stream_write(scene.server.stream, &part, 1), ERR_UPSTREAM_CUT);
    assert_int_equal(scene.client.ends, 0);
    scene_close(&scene);
}

static void a_failed_write_to_a_half_closed_peer_is_told_once(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    scene.server.stop_on_end = true;
    stream_close(scene.client.stream);
    scene.client.stream = NULL;
    scene_run(&scene);
    assert_int_equal(scene.server.why, STREAM_END_EOF);
    struct str const part = STR("are you there?");
    enum err err = ERR_OK;
    for (int i = 0; i < 1000 && err == ERR_OK; i++) { /* the peer's RST comes after the first */
        err = stream_write(scene.server.stream, &part, 1);
        usleep(1000);
    }
    assert_int_equal(err, ERR_UPSTREAM_CUT);
    assert_int_equal(scene.server.ends, 1); /* not from within the call */
    scene_run(&scene);
    assert_int_equal(scene.server.ends, 2);
    assert_int_equal(scene.server.why, STREAM_END_RESET);
    scene_close(&scene);
}

static void lingering_delivers_the_queue_although_the_peer_still_sends(void **state)
{
    (void)state;
    struct scene scene;
    struct buf answer, request;
    fill(&answer, 6 << 20);
    fill(&request, 3 << 20);
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    struct str part = buf_view(&request);
    assert_int_equal(stream_write(scene.client.stream, &part, 1), ERR_OK);
    part = buf_view(&answer);
    assert_int_equal(stream_write(scene.server.stream, &part, 1), ERR_OK);
    stream_linger(scene.server.stream, 30000);
    scene.server.stream = NULL;
    scene.client.stop_on_end = true;
    scene_run(&scene);
    assert_int_equal(scene.client.why, STREAM_END_EOF);
    assert_true(str_eq(buf_view(&scene.client.received), buf_view(&answer)));
    scene_close(&scene);
    buf_free(&answer);
    buf_free(&request);
}

static void lingering_ends_with_its_grace_when_the_peer_stays(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, STR("127.0.0.1:0"), NULL);
    scene.client.stop_on_open = true;
    scene_connect(&scene, STR("127.0.0.1"), NULL);
    scene_run(&scene);
    while (scene.server.opens == 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    stream_linger(scene.server.stream, 50);
    scene.server.stream = NULL;
    while (listener_connections(scene.listener) > 0)
        uv_run(loop_uv(scene.loop), UV_RUN_ONCE);
    assert_int_equal(scene.client.why, STREAM_END_EOF);
    scene_close(&scene);
}

static void a_unix_socket_is_private_local_and_cleaned_up(void **state)
{
    (void)state;
    char folder[] = "/tmp/cota-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char address[64], *path = address + 5;
    snprintf(address, sizeof address, "unix:%s/s", folder);
    for (int round = 0; round < 2; round++) {
        struct scene scene;
        if (round == 1) { /* a file left by a crash */
            struct sockaddr_un stale = {.sun_family = AF_UNIX};
            snprintf(stale.sun_path, sizeof stale.sun_path, "%s", path);
            int const left = socket(AF_UNIX, SOCK_STREAM, 0);
            assert_int_equal(bind(left, (struct sockaddr *)&stale, sizeof stale), 0);
            close(left);
        }
        scene_open(&scene, str_of(address), NULL);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
        int const client = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
        assert_int_equal(write(client, "hello", 5), 5);
        scene.server.stop_at_bytes = 5;
        scene_run(&scene);
        assert_true(stream_is_local(scene.server.stream));
        assert_true(str_eq(stream_peer(scene.server.stream), STR("unix")));
        assert_int_equal(listener_port(scene.listener), 0);
        close(client);
        scene_close(&scene);
        assert_int_not_equal(stat(path, &status), 0);
    }
    rmdir(folder);
}

static void addresses_that_make_no_sense_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "host.name:80",
        "[::1:80",
        "unix:",
        "1.2.3.4.5:80",
        "[::g]:80",
        ":80",
        "127.0.0.1:-1",
        "[]:80",
        "unix:/no/such/folder/socket",
        "8.8.8.8:0",
    };
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listener *listener = NULL;
        struct fault fault = {0};
        struct listen_options const options = {.address = str_of(rows[i]), .connections_max = 1};
        enum err const err =
            listener_open(loop, &options, scene_on_accept, NULL, &listener, &fault);
        if (err != ERR_CONFIG_INVALID)
            print_message("accepted: %s\n", rows[i]);
        assert_int_equal(err, ERR_CONFIG_INVALID);
        assert_true(strlen(fault.detail) > 10);
    }
    loop_free(loop);
}

static int raw_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int const client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    return client;
}

struct crowd {
    struct stream *streams[16];
    size_t count;
};

static void crowd_on_accept(void *owner, struct stream *stream)
{
    struct crowd *crowd = owner;
    static struct peer nobody;
    assert_true(crowd->count < 16);
    crowd->streams[crowd->count++] = stream;
    stream_own(stream, &peer_handler, &nobody);
}

static void spin(struct loop *loop, int64_t ms)
{
    int64_t const until = loop_now_ms(loop) + ms;
    while (loop_now_ms(loop) < until) {
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void more_than_the_bound_wait_in_the_backlog(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct crowd crowd = {0};
    struct fault fault = {0};
    struct listener *listener = NULL;
    struct listen_options const options = {.address = STR("127.0.0.1:0"), .connections_max = 2};
    assert_int_equal(listener_open(loop, &options, crowd_on_accept, &crowd, &listener, &fault),
                     ERR_OK);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = raw_connect(listener_port(listener));
    spin(loop, 100);
    assert_int_equal(crowd.count, 2);
    stream_close(crowd.streams[0]);
    spin(loop, 100);
    assert_int_equal(crowd.count, 3);
    assert_int_equal(listener_connections(listener), 2);
    listener_close(listener); /* before its streams: they live on */
    spin(loop, 20);
    struct str const part = STR("still here");
    assert_int_equal(stream_write(crowd.streams[2], &part, 1), ERR_OK);
    spin(loop, 20); /* small writes go out when the iteration ends */
    char bytes[32];
    assert_int_equal(read(clients[2], bytes, sizeof bytes), 10);
    stream_close(crowd.streams[1]);
    stream_close(crowd.streams[2]);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void out_of_descriptors_accepting_pauses_and_goes_on(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct crowd crowd = {0};
    struct fault fault = {0};
    struct listener *listener = NULL;
    struct listen_options const options = {.address = STR("127.0.0.1:0"), .connections_max = 9};
    assert_int_equal(listener_open(loop, &options, crowd_on_accept, &crowd, &listener, &fault),
                     ERR_OK);
    int const client = raw_connect(listener_port(listener));
    int const free_descriptor = dup(client);
    close(free_descriptor);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)free_descriptor; /* the next number is out of bounds */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    spin(loop, 50);
    assert_int_equal(crowd.count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    spin(loop, 3 * ACCEPT_PAUSE_MS);
    assert_int_equal(crowd.count, 1);
    stream_close(crowd.streams[0]);
    listener_close(listener);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_there_and_back_and_the_end_is_told),
        cmocka_unit_test(a_name_is_resolved_and_its_addresses_tried),
        cmocka_unit_test(connecting_that_fails_is_told_as_refused),
        cmocka_unit_test(addresses_of_refused_classes_are_left_out),
        cmocka_unit_test(closing_while_connecting_or_resolving_leaks_nothing),
        cmocka_unit_test(what_the_kernel_does_not_take_is_queued_in_order),
        cmocka_unit_test(the_queue_has_a_bound),
        cmocka_unit_test(a_reset_is_told_as_reset_and_writing_fails),
        cmocka_unit_test(a_failed_write_to_a_half_closed_peer_is_told_once),
        cmocka_unit_test(lingering_delivers_the_queue_although_the_peer_still_sends),
        cmocka_unit_test(lingering_ends_with_its_grace_when_the_peer_stays),
        cmocka_unit_test(a_unix_socket_is_private_local_and_cleaned_up),
        cmocka_unit_test(addresses_that_make_no_sense_are_refused_with_a_reason),
        cmocka_unit_test(more_than_the_bound_wait_in_the_backlog),
        cmocka_unit_test(out_of_descriptors_accepting_pauses_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
