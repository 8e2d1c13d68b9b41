/* pool.c - one stack of idle connections per provider address, and who is trusted there.
 *
 * Why:   a pool goes by everything that decides who is at the other end: after a change of the
 *        configuration no call travels on a connection made under the old one.
 */
#include "upstream/pool.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/must.h"
#include "net/timer.h"
#include <stdlib.h>

enum { SWEEP_MS = 1000, KEY_BYTES_MAX = 8 << 10 };

struct pool {
    struct list idle; /* oldest first */
    size_t idle_count, connection_count;
    struct tls_context *tls; /* NULL: plain. The trust's */
    size_t key_len;
    char key[];
};

/* A CA file and the context made from it; kept until the end. */
struct trust {
    struct trust *next;
    struct tls_context *tls;
    size_t len;
    char ca_file[];
};

struct pools {
    struct loop *loop;
    const struct stream_handler *handler;
    struct map map; /* key -> struct pool */
    struct buf key; /* reused for lookups */
    struct trust *trusts;
    size_t trust_count;
    struct list spare; /* connection objects without a stream */
    size_t spare_count, idle_count;
    int64_t idle_ms;
    struct timer sweep;
};

/* --- pools ----------------------------------------------------------------------------------- */

/* One writer; /metrics reads it from another thread. */
static void idle_count_add(struct pools *pools, int change)
{
    __atomic_store_n(&pools->idle_count, pools->idle_count + (size_t)change, __ATOMIC_RELAXED);
}

static struct str key_make(struct pools *pools, const struct upstream_target *target)
{
    struct buf *key = &pools->key;
    int32_t const address[3] = {target->port, target->tls, (int32_t)target->addresses_refused};
    buf_clear(key);
    if (buf_add(key, target->name) != ERR_OK || buf_add_byte(key, '\0') != ERR_OK ||
        buf_add(key, target->host) != ERR_OK || buf_add_byte(key, '\0') != ERR_OK ||
        buf_add(key, target->ca_file) != ERR_OK || buf_add_byte(key, '\0') != ERR_OK ||
        buf_add(key, str_make((const char *)address, sizeof address)) != ERR_OK)
        return (struct str){0};
    return buf_view(key);
}

static struct trust *trust_find(const struct pools *pools, struct str ca_file)
{
    struct trust *trust = pools->trusts;
    while (trust && !str_eq(str_make(trust->ca_file, trust->len), ca_file))
        trust = trust->next;
    return trust;
}

static enum err trust_new(struct pools *pools, struct str ca_file, struct trust **result,
                          struct fault *fault)
{
    if (pools->trust_count == UPSTREAM_TRUST_COUNT_MAX)
        return fault_set(fault, ERR_CONFIG_INVALID, "more than %d CA files",
                         UPSTREAM_TRUST_COUNT_MAX);
    struct trust *trust = calloc(1, sizeof *trust + ca_file.len + 1);
    if (!trust)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a CA file");
    struct tls_client_options const options = {ca_file};
    enum err const err = tls_client_new(&options, &trust->tls, fault);
    if (err != ERR_OK) {
        free(trust);
        return err;
    }
    if (ca_file.len > 0)
        memcpy(trust->ca_file, ca_file.ptr, ca_file.len);
    trust->len = ca_file.len;
    trust->next = pools->trusts;
    pools->trusts = trust;
    pools->trust_count++;
    *result = trust;
    return ERR_OK;
}

static enum err tls_for(struct pools *pools, const struct upstream_target *target,
                        struct tls_context **tls, struct fault *fault)
{
    *tls = NULL;
    if (!target->tls)
        return ERR_OK;
    struct trust *trust = trust_find(pools, target->ca_file);
    enum err const err = trust ? ERR_OK : trust_new(pools, target->ca_file, &trust, fault);
    if (err == ERR_OK)
        *tls = trust->tls;
    return err;
}

static struct pool *pool_new(struct pools *pools, struct str key,
                             const struct upstream_target *target, struct fault *fault)
{
    struct tls_context *tls;
    if (tls_for(pools, target, &tls, fault) != ERR_OK)
        return NULL;
    struct pool *pool = calloc(1, sizeof *pool + key.len);
    if (pool) {
        list_init(&pool->idle);
        pool->tls = tls;
        pool->key_len = key.len;
        memcpy(pool->key, key.ptr, key.len);
    }
    if (!pool || map_put(&pools->map, str_make(pool->key, key.len), pool) != ERR_OK) {
        free(pool);
        (void)fault_set(fault, ERR_NO_MEMORY, "no memory for a connection pool");
        return NULL;
    }
    return pool;
}

/* A pool lives as long as it has connections. */
static void pool_leave(struct pools *pools, struct pool *pool)
{
    MUST(pool->connection_count > 0);
    if (--pool->connection_count > 0)
        return;
    const void *const removed = map_remove(&pools->map, str_make(pool->key, pool->key_len));
    MUST(removed == pool);
    free(pool);
}

/* --- connections ----------------------------------------------------------------------------- */

static struct connection *connection_new(struct pools *pools)
{
    struct connection *connection;
    if (list_empty(&pools->spare)) {
        connection = calloc(1, sizeof *connection);
        if (!connection)
            return NULL;
        connection->pools = pools;
        buf_init(&connection->held, UPSTREAM_HELD_BYTES_MAX);
    } else {
        connection = LIST_OWNER(pools->spare.next, struct connection, link);
        list_remove(&connection->link);
        pools->spare_count--;
    }
    list_init(&connection->link);
    return connection;
}

static void connection_destroy(struct connection *connection)
{
    answer_free(&connection->answer);
    buf_free(&connection->held);
    free(connection);
}

/* The object of a dropped connection that nobody holds any more. */
static void connection_recycle(struct connection *connection)
{
    struct pools *pools = connection->pools;
    if (pools->spare_count == UPSTREAM_SPARE_CONNECTIONS_MAX) {
        connection_destroy(connection);
        return;
    }
    answer_free(&connection->answer);
    buf_free(&connection->held);
    buf_init(&connection->held, UPSTREAM_HELD_BYTES_MAX);
    list_push(&pools->spare, &connection->link);
    pools->spare_count++;
}

void connection_hold(struct connection *connection)
{
    connection->holds++;
}

void connection_release(struct connection *connection)
{
    MUST(connection->holds > 0);
    if (--connection->holds == 0 && !connection->stream)
        connection_recycle(connection);
}

static bool is_idle(const struct connection *connection)
{
    return !list_empty(&connection->link);
}

static void idle_leave(struct connection *connection)
{
    list_remove(&connection->link);
    connection->pool->idle_count--;
    idle_count_add(connection->pools, -1);
}

struct connection *pools_take(struct pools *pools, const struct upstream_target *target)
{
    struct str const key = key_make(pools, target);
    struct pool *pool = key.ptr ? map_get(&pools->map, key) : NULL;
    if (!pool || list_empty(&pool->idle))
        return NULL;
    struct connection *connection = LIST_OWNER(pool->idle.prev, struct connection, link);
    idle_leave(connection);
    return connection;
}

struct connection *pools_connect(struct pools *pools, const struct upstream_target *target,
                                 struct fault *fault)
{
    struct str const key = key_make(pools, target);
    if (!key.ptr) {
        (void)fault_set(fault, ERR_NO_MEMORY, "no memory for a connection");
        return NULL;
    }
    struct pool *pool = map_get(&pools->map, key);
    if (!pool)
        pool = pool_new(pools, key, target, fault);
    if (!pool)
        return NULL;
    pool->connection_count++;
    struct endpoint const to = {target->host, target->port, pool->tls, target->addresses_refused};
    struct connection *connection = connection_new(pools);
    if (connection) {
        connection->pool = pool;
        connection->stream = stream_connect(pools->loop, &to, pools->handler, connection);
    }
    if (!connection || !connection->stream) {
        if (connection)
            connection_recycle(connection);
        pool_leave(pools, pool);
        (void)fault_set(fault, ERR_NO_MEMORY, "no memory for a connection");
        return NULL;
    }
    return connection;
}

void pools_drop(struct connection *connection)
{
    MUST(connection->stream && !connection->call);
    if (is_idle(connection))
        idle_leave(connection);
    stream_close(connection->stream);
    connection->stream = NULL;
    pool_leave(connection->pools, connection->pool);
    connection->pool = NULL;
    if (connection->holds == 0)
        connection_recycle(connection);
}

static struct connection *oldest(const struct pool *pool)
{
    return LIST_OWNER(pool->idle.next, struct connection, link);
}

void pools_keep(struct connection *connection)
{
    struct pools *pools = connection->pools;
    struct pool *pool = connection->pool;
    MUST(connection->stream && !connection->call && !is_idle(connection));
    MUST(connection->held.len == 0);
    answer_free(&connection->answer); /* an idle connection is small */
    if (pool->idle_count == UPSTREAM_IDLE_CONNECTIONS_MAX)
        pools_drop(oldest(pool));
    connection->idle_since_ms = loop_now_ms(pools->loop);
    list_push(&pool->idle, &connection->link);
    pool->idle_count++;
    idle_count_add(pools, 1);
    if (!timer_armed(&pools->sweep))
        timer_start(pools->loop, &pools->sweep, SWEEP_MS);
}

/* --- the set --------------------------------------------------------------------------------- */

/* One look a second at the oldest of each pool, instead of a timer per call. */
static void on_sweep(struct timer *timer)
{
    struct pools *pools = LIST_OWNER(timer, struct pools, sweep);
    int64_t const now_ms = loop_now_ms(pools->loop);
    struct pool *pool;
    for (size_t at = 0; (pool = map_next(&pools->map, &at)) != NULL;) {
        size_t left = pool->idle_count; /* the pool may go with its last connection */
        while (left > 0 && now_ms - oldest(pool)->idle_since_ms >= pools->idle_ms) {
            pools_drop(oldest(pool));
            left--;
        }
    }
    if (pools->idle_count > 0)
        timer_start(pools->loop, &pools->sweep, SWEEP_MS);
}

struct pools *pools_new(struct loop *loop, const struct stream_handler *handler, int64_t idle_ms)
{
    struct pools *pools = calloc(1, sizeof *pools);
    if (!pools)
        return NULL;
    pools->loop = loop;
    pools->handler = handler;
    pools->idle_ms = idle_ms;
    map_init(&pools->map);
    buf_init(&pools->key, KEY_BYTES_MAX);
    list_init(&pools->spare);
    timer_init(&pools->sweep, on_sweep);
    return pools;
}

static void idle_drop_all(struct pools *pools)
{
    struct pool *pool;
    for (size_t at = 0; (pool = map_next(&pools->map, &at)) != NULL;)
        for (size_t left = pool->idle_count; left > 0; left--)
            pools_drop(oldest(pool));
}

void pools_free(struct pools *pools)
{
    idle_drop_all(pools);
    MUST(pools->map.count == 0);
    timer_stop(&pools->sweep);
    while (!list_empty(&pools->spare)) {
        struct connection *connection = LIST_OWNER(pools->spare.next, struct connection, link);
        list_remove(&connection->link);
        connection_destroy(connection);
    }
    while (pools->trusts) {
        struct trust *trust = pools->trusts;
        pools->trusts = trust->next;
        tls_context_free(trust->tls);
        free(trust);
    }
    map_free(&pools->map);
    buf_free(&pools->key);
    free(pools);
}

size_t pools_idle_count(const struct pools *pools)
{
    return (size_t)__atomic_load_n(&pools->idle_count, __ATOMIC_RELAXED);
}
