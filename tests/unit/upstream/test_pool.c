/* test_pool.c - idle connections: last in first out, bounded in time, apart by trust. */
#include "caller.h"
#include "upstream/pool.h"

enum { IDLE_MS = 100, ROUNDS_MAX = 3000 };

struct scene {
    struct loop *loop;
    struct pools *pools;
    struct upstream_target target;
    struct timer tick;
    int opens;
};

static struct scene *current; /* callbacks know their connection only */

static void on_open(void *owner)
{
    (void)owner;
    current->opens++;
}

static void on_data(void *owner, struct str bytes)
{
    (void)owner;
    (void)bytes;
    fail_msg("nobody sends");
}

static void on_end(void *owner, enum stream_end why, const char *detail)
{
    (void)why;
    (void)detail;
    pools_drop(owner);
}

static void on_drain(void *owner)
{
    (void)owner;
}

static const struct stream_handler handler = {on_open, on_data, on_end, on_drain};

static void on_tick(struct timer *timer)
{
    loop_stop(LIST_OWNER(timer, struct scene, tick)->loop);
}

static void scene_turn(struct scene *scene)
{
    timer_start(scene->loop, &scene->tick, CALLER_TICK_MS);
    uv_run(loop_uv(scene->loop), UV_RUN_DEFAULT);
    timer_stop(&scene->tick);
}

static void serve_nobody(struct wire *wire)
{
    wire_await_close(wire);
}

static void scene_open(struct scene *scene, int port)
{
    *scene = (struct scene){.loop = loop_new()};
    scene->pools = pools_new(scene->loop, &handler, IDLE_MS);
    assert_non_null(scene->pools);
    timer_init(&scene->tick, on_tick);
    scene->target = (struct upstream_target){
        .name = STR("p"), .host = STR("127.0.0.1"), .port = port, .host_header = STR("h")};
    current = scene;
}

static void scene_close(struct scene *scene)
{
    pools_free(scene->pools);
    loop_stop(scene->loop);
    uv_run(loop_uv(scene->loop), UV_RUN_NOWAIT);
    loop_run(scene->loop);
    loop_free(scene->loop);
}

static struct connection *scene_connect(struct scene *scene)
{
    struct fault fault = {0};
    int const opens = scene->opens;
    struct connection *connection = pools_connect(scene->pools, &scene->target, &fault);
    assert_non_null(connection);
    for (int i = 0; scene->opens == opens; i++) {
        assert_true(i < ROUNDS_MAX);
        scene_turn(scene);
    }
    return connection;
}

/* The scripted side serves one connection after the other; the kernel accepts the rest for it. */
static void test_last_in_first_out(void **state)
{
    struct script script;
    struct scene scene;
    (void)state;
    script_start(&script, serve_nobody, NULL);
    scene_open(&scene, script.port);
    assert_null(pools_take(scene.pools, &scene.target));
    struct connection *first = scene_connect(&scene), *second = scene_connect(&scene);
    pools_keep(first);
    pools_keep(second);
    assert_int_equal(pools_idle_count(scene.pools), 2);
    assert_ptr_equal(pools_take(scene.pools, &scene.target), second);
    assert_ptr_equal(pools_take(scene.pools, &scene.target), first);
    assert_null(pools_take(scene.pools, &scene.target));
    pools_keep(first);
    pools_drop(second);
    assert_int_equal(pools_idle_count(scene.pools), 1);
    scene_close(&scene);
    script_stop(&script);
}

static void test_idle_ends(void **state)
{
    struct script script;
    struct scene scene;
    (void)state;
    script_start(&script, serve_nobody, NULL);
    scene_open(&scene, script.port);
    pools_keep(scene_connect(&scene));
    for (int i = 0; pools_idle_count(scene.pools) > 0; i++) {
        assert_true(i < ROUNDS_MAX);
        scene_turn(&scene);
    }
    assert_null(pools_take(scene.pools, &scene.target));
    pools_keep(scene_connect(&scene)); /* the sweep starts again */
    for (int i = 0; pools_idle_count(scene.pools) > 0; i++) {
        assert_true(i < ROUNDS_MAX);
        scene_turn(&scene);
    }
    scene_close(&scene);
    script_stop(&script);
}

/* Whatever decides who is at the other end keeps connections apart. */
static void test_apart(void **state)
{
    struct script script;
    struct scene scene;
    (void)state;
    script_start(&script, serve_nobody, NULL);
    scene_open(&scene, script.port);
    pools_keep(scene_connect(&scene));
    struct upstream_target others[5];
    for (size_t i = 0; i < 5; i++)
        others[i] = scene.target;
    others[0].name = STR("q");
    others[1].host = STR("127.0.0.2");
    others[2].port++;
    others[3].tls = true;
    others[4].ca_file = STR("/x");
    for (size_t i = 0; i < 5; i++)
        assert_null(pools_take(scene.pools, &others[i]));
    struct connection *connection = pools_take(scene.pools, &scene.target);
    assert_non_null(connection);
    pools_drop(connection);
    scene_close(&scene);
    script_stop(&script);
}

/* Dropped inside a callback: the stream goes at once, the object when it is let go. */
static void test_held_object(void **state)
{
    struct script script;
    struct scene scene;
    (void)state;
    script_start(&script, serve_nobody, NULL);
    scene_open(&scene, script.port);
    struct connection *connection = scene_connect(&scene);
    connection_hold(connection);
    connection_hold(connection);
    pools_drop(connection);
    assert_null(connection->stream);
    connection_release(connection);
    struct connection *other = scene_connect(&scene);
    assert_ptr_not_equal(other, connection);
    pools_drop(other);
    connection_release(connection);
    connection = scene_connect(&scene); /* objects are used again */
    pools_keep(connection);
    scene_close(&scene);
    script_stop(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_idle_ends),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_held_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
