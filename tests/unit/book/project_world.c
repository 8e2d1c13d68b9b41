/* project_world.c - a book with its journal and a store in a folder, driven by seeded operations.
 */
#include "base/arena.h"
#include "book/manage.h"
#include "book/project.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORLD_CUSTOMERS = 4, WORLD_KEYS = 2, WORLD_HOLDS = 48, PATH_ROOM = 200 };

struct fake_clock {
    struct clock clock;
    _Atomic int64_t now_us;
};

struct world {
    char folder[PATH_ROOM];
    struct fake_clock clock;
    struct journal *journal;
    struct journal_opened opened;
    struct book *book;
    struct store *store;
    struct projector *projector;
    struct recovered recovered;
    struct random random;
    const struct key *keys[WORLD_CUSTOMERS * WORLD_KEYS];
    struct hold *holds[WORLD_HOLDS];
    size_t hold_count;
    int64_t serial;
};

static inline int64_t fake_now(struct clock *clock)
{
    return ((struct fake_clock *)(void *)clock)->now_us;
}

/* A fresh folder; in memory where possible. */
static inline void folder_make(char folder[PATH_ROOM])
{
    snprintf(folder, PATH_ROOM, "%s/cota-project-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline void run_command(const char *const arguments[])
{
    pid_t const child = fork();
    if (child == 0) {
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static inline void folder_remove(const char *folder)
{
    run_command((const char *const[]){"rm", "-rf", folder, NULL});
}

static inline void folder_copy(const char *from, char to[PATH_ROOM])
{
    char all[PATH_ROOM + 4];
    folder_make(to);
    snprintf(all, sizeof all, "%s/.", from);
    run_command((const char *const[]){"cp", "-r", "--sparse=never", all, to, NULL});
}

#define MUST_OK(expression, fault)                                                                 \
    do {                                                                                           \
        if ((expression) != ERR_OK)                                                                \
            fail_msg("%s: %s", #expression, (fault).detail);                                       \
    } while (0)

enum world_store { WORLD_SQLITE, WORLD_MEMORY };

/* Journal, book, store; recovered, no projector yet. */
static inline enum err world_open(struct world *world, const char *folder, enum world_store kind,
                                  size_t segment_bytes, struct fault *fault)
{
    char path[PATH_ROOM + 16];
    struct random const random = world->random;
    int64_t const now_us = world->clock.now_us;
    *world = (struct world){.random = random};
    *fault = (struct fault){.code = ERR_OK};
    snprintf(world->folder, sizeof world->folder, "%s", folder);
    world->clock.clock = (struct clock){fake_now, fake_now};
    world->clock.now_us = now_us > 0 ? now_us : 1700000000000000;
    snprintf(path, sizeof path, "%s/journal", folder);
    struct journal_options const journal = {.directory = str_of(path),
                                            .segment_bytes = segment_bytes,
                                            .sync_ms = 1,
                                            .clock = clock_system()};
    MUST_OK(journal_open(&journal, &world->journal, &world->opened, fault), *fault);
    struct book_options options = {.journal = world->journal, .clock = &world->clock.clock};
    memset(options.pepper, 7, sizeof options.pepper);
    MUST_OK(book_new(&options, &world->book, fault), *fault);
    snprintf(path, sizeof path, "%s/cota.db", folder);
    if (kind == WORLD_MEMORY)
        world->store = store_memory_open();
    else
        MUST_OK(store_sqlite_open(str_of(path), &world->store, fault), *fault);
    assert_non_null(world->store);
    return book_recover(world->book, world->store, &world->recovered, fault);
}

static inline void world_project(struct world *world)
{
    struct fault fault = {.code = ERR_OK};
    MUST_OK(projector_start(world->book, world->store, &world->projector, &fault), fault);
}

static inline void world_close(struct world *world)
{
    while (world->hold_count > 0)
        book_unref(world->holds[--world->hold_count]);
    projector_stop(world->projector);
    world->store->ops->close(world->store);
    book_free(world->book);
    journal_close(world->journal);
}

static inline void customer_name(size_t customer, char name[16])
{
    snprintf(name, 16, "customer-%zu", customer);
}

/* Four customers: two with credit, one with overdraft, one unlimited; two keys each, one limited.
 */
static inline void world_people(struct world *world)
{
    struct fault fault = {.code = ERR_OK};
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < WORLD_CUSTOMERS; i++) {
        char id[16];
        customer_name(i, id);
        struct customer_wanted const customer = {
            .id = str_of(id),
            .origin = ORIGIN_RUNTIME,
            .unlimited = i == 3,
            .overdraft = {i == 2 ? 2000000 : 0},
        };
        MUST_OK(book_customer_put(world->book, &customer, &fault), fault);
        for (size_t j = 0; j < WORLD_KEYS; j++) {
            char secret[48], name[16];
            struct key_made made;
            snprintf(secret, sizeof secret, "ck_test_%zu_%zu_0123456789abcdef", i, j);
            snprintf(name, sizeof name, "key-%zu", j);
            struct key_wanted const key = {
                .customer_id = customer.id,
                .name = str_of(name),
                .secret = str_of(secret),
                .origin = ORIGIN_RUNTIME,
                .limits = {.requests_per_minute = j == 1 ? 100000 : 0,
                           .tokens_per_minute = j == 1 ? 50000000 : 0},
            };
            MUST_OK(book_key_create(world->book, &key, arena, &made, &fault), fault);
            MUST_OK(book_authenticate(world->book, str_of(secret), &world->keys[i * 2 + j], &fault),
                    fault);
        }
    }
    arena_free(arena);
}

static inline void world_grant(struct world *world, size_t customer, int64_t nano, int64_t lives_us)
{
    char id[16], source[32];
    struct fault fault = {.code = ERR_OK};
    bool existed;
    customer_name(customer, id);
    snprintf(source, sizeof source, "source-%lld", (long long)world->serial++);
    struct grant_wanted const want = {
        .customer_id = str_of(id),
        .category = world->serial % 2 == 0 ? STR("paid") : STR("promo"),
        .amount = {nano},
        .expires_us = lives_us > 0 ? world->clock.now_us + lives_us : 0,
        .source_type = STR("test"),
        .source_id = str_of(source),
    };
    MUST_OK(book_grant(world->book, &want, &existed, &fault), fault);
}

/* One more hold, unless the book refuses. */
static inline bool world_reserve(struct world *world, size_t key, int64_t deadline_us)
{
    char request[32];
    struct fault fault = {.code = ERR_OK};
    struct admission admission;
    snprintf(request, sizeof request, "request-%lld", (long long)world->serial++);
    struct call_context const context = {
        .request_id = str_of(request),
        .user = STR("someone"),
        .endpoint = STR("chat"),
        .model = key % 2 == 0 ? STR("gpt-4o-mini") : STR("gpt-4o"),
        .provider = STR("up"),
        .upstream_model = STR("gpt-4o-mini-2024"),
        .started_us = world->clock.now_us,
    };
    struct reservation want = {
        .id = ulid_make(&world->random, world->clock.now_us),
        .key = world->keys[key],
        .context = &context,
        .orphan_input = 40,
        .choices = 1,
        .deadline_us = deadline_us,
    };
    price_init(&want.price);
    want.price.pico[POOL_INPUT] = 150000;
    want.price.pico[POOL_OUTPUT] = 600000;
    want.price.version = 3;
    want.estimate.tokens[POOL_INPUT] = (int64_t)(50 + random_below(&world->random, 400));
    want.estimate.tokens[POOL_OUTPUT] = (int64_t)(1 + random_below(&world->random, 900));
    if (world->hold_count == WORLD_HOLDS)
        return false;
    if (book_reserve(world->book, &want, &world->holds[world->hold_count], &admission, &fault) !=
        ERR_OK)
        return false;
    world->hold_count++;
    return true;
}

/* The same, where the book must agree: small segments may be on their way for a moment. */
static inline void world_must_reserve(struct world *world, size_t key, int64_t deadline_us)
{
    int tries = 0;
    while (!world_reserve(world, key, deadline_us)) {
        usleep(1000);
        assert_true(++tries < 5000);
    }
}

static inline void world_end(struct world *world, size_t at, bool settle)
{
    struct hold *hold = world->holds[at];
    struct settled settled;
    struct settlement how = {.outcome = "ok", .http_status = 200, .attempts = 1};
    how.usage.source = USAGE_PROVIDER;
    how.usage.tokens[POOL_INPUT] = (int64_t)(40 + random_below(&world->random, 300));
    how.usage.tokens[POOL_OUTPUT] = (int64_t)random_below(&world->random, 1000);
    if (settle)
        book_settle(world->book, hold, &how, &settled);
    else
        book_release(world->book, hold, "upstream_error", 502);
    book_unref(hold);
    world->holds[at] = world->holds[--world->hold_count];
}

/* One random thing happens. */
static inline void world_step(struct world *world)
{
    struct fault fault = {.code = ERR_OK};
    struct random *random = &world->random;
    uint64_t const dice = random_below(random, 100);
    size_t const at = world->hold_count > 0 ? random_below(random, world->hold_count) : 0;
    world->clock.now_us += (int64_t)random_below(random, 200000);
    if (dice < 2) {
        world_grant(world, random_below(random, 3), (int64_t)random_below(random, 4000000) + 1,
                    dice == 0 ? (int64_t)random_below(random, 60000000) + 1 : 0);
    } else if (dice < 40) {
        world_reserve(world, random_below(random, WORLD_CUSTOMERS * WORLD_KEYS),
                      world->clock.now_us + (int64_t)random_below(random, 300000000) + 1000);
    } else if (world->hold_count > 0 && dice < 55) {
        enum err const err = book_dispatch(world->book, world->holds[at], &fault);
        (void)err; /* of an expired hold: nothing */
    } else if (world->hold_count > 0 && dice < 62) {
        book_progress(world->book, world->holds[at], (int64_t)random_below(random, 500));
    } else if (world->hold_count > 0 && dice < 94) {
        world_end(world, at, dice < 88);
    } else if (dice == 94) {
        world->clock.now_us += 45000000;
    } else if (dice < 97) {
        book_sweep(world->book);
        book_expire_grants(world->book);
    }
}
