/* object_world.c - a book with its journal and store in a folder, somebody who listens, and the
 * whole state as one text, so that two books compare as strings. */
#include "base/arena.h"
#include "base/log.h"
#include "book/object_int.h"
#include "book/project.h"
#include "book/replay.h"
#include <dirent.h>
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

enum { PATH_ROOM = 160, DUMP_ROOM = 1 << 20, HEARD_MAX = 4096, SEGMENT = 256 << 10 };

#define OK(expression)                                                                             \
    do {                                                                                           \
        if ((expression) != ERR_OK)                                                                \
            fail_msg("%s: %s", #expression, fault.detail);                                         \
    } while (0)

struct fake_clock {
    struct clock clock;
    _Atomic int64_t now_us;
};

/* What the listener knows: the last text of everything that is. */
struct heard {
    enum object_kind kind;
    char id[OBJECT_ID_BYTES_MAX + 1], *text;
    uint32_t version;
};
struct ear {
    struct heard all[HEARD_MAX];
    size_t count, calls, loaded;
    bool more;
    char calls_text[4096]; /* "plan/a 1 +, plan/a 0;": + when more follow */
    size_t calls_len;
};

struct world {
    char folder[PATH_ROOM];
    struct fake_clock clock;
    struct journal *journal;
    struct journal_opened opened;
    struct book *book;
    struct store *store;
    struct projector *projector;
    struct ear *ear;
    struct recovered recovered;
};

static struct fault fault;
static struct object_actor const somebody = {.actor = STR_ROW("operator:1"),
                                             .address = STR_ROW("10.0.0.1"),
                                             .user_agent = STR_ROW("tests"),
                                             .reason = STR_ROW("because"),
                                             .request_id = STR_ROW("r-1")};

static inline int64_t fake_now(struct clock *clock)
{
    return ((struct fake_clock *)(void *)clock)->now_us;
}

/* --- listening --- */

static inline void ear_forget(struct ear *ear)
{
    for (size_t i = 0; i < ear->count; i++)
        free(ear->all[i].text);
    *ear = (struct ear){.count = 0};
}

static inline void listen(void *owner, const struct object *object, bool more)
{
    struct ear *ear = owner;
    size_t at = 0;
    ear->calls++;
    ear->more = more;
    if (object == NULL) {
        assert_false(more);
        ear->loaded++;
        return;
    }
    if (ear->calls_len + 200 < sizeof ear->calls_text)
        ear->calls_len += (size_t)snprintf(
            ear->calls_text + ear->calls_len, sizeof ear->calls_text - ear->calls_len,
            "%.*s/%.*s %u%s ", STR_ARG(object_kind_row(object->kind)->name), STR_ARG(object->id),
            object->version, more ? "+" : ";");
    while (at < ear->count &&
           (ear->all[at].kind != object->kind || !str_eq(str_of(ear->all[at].id), object->id)))
        at++;
    if (at < ear->count)
        free(ear->all[at].text);
    if (object->version == 0) {
        assert_true(at < ear->count && str_empty(object->text));
        ear->all[at] = ear->all[--ear->count];
        return;
    }
    assert_true(object->text.len > 0 && at < HEARD_MAX);
    ear->count += at == ear->count;
    ear->all[at].kind = object->kind;
    ear->all[at].version = object->version;
    ear->all[at].text = strndup(object->text.ptr, object->text.len);
    snprintf(ear->all[at].id, sizeof ear->all[at].id, "%.*s", STR_ARG(object->id));
}

static inline int heard_order(const void *a, const void *b)
{
    const struct heard *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return strcmp(left->id, right->id);
}

/* --- opening and closing --- */

static inline void folder_make(char folder[PATH_ROOM])
{
    snprintf(folder, PATH_ROOM, "%s/cota-objects-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline void folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char name[PATH_ROOM + 260];
        int const len = snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        assert_true(len > 0 && (size_t)len < sizeof name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlink(name) != 0)
            folder_remove(name);
    }
    closedir(dir);
    rmdir(folder);
}

/* Journal and book; `store` NULL: SQLite in the folder. Nothing is recovered yet. */
static inline void world_begin(struct world *world, const char *folder, struct store *store)
{
    char path[PATH_ROOM + 16];
    *world = (struct world){.store = store, .ear = calloc(1, sizeof *world->ear)};
    fault = (struct fault){.code = ERR_OK};
    log_level_set(LOG_ERROR + 1);
    snprintf(world->folder, sizeof world->folder, "%s", folder);
    world->clock.clock = (struct clock){fake_now, fake_now};
    world->clock.now_us = 1790000000000000;
    snprintf(path, sizeof path, "%s/journal", folder);
    struct journal_options const options = {
        .directory = str_of(path), .segment_bytes = SEGMENT, .sync_ms = 1, .clock = clock_system()};
    OK(journal_open(&options, &world->journal, &world->opened, &fault));
    struct book_options const book = {.journal = world->journal, .clock = &world->clock.clock};
    OK(book_new(&book, &world->book, &fault));
    book_objects_subscribe(world->book, listen, world->ear);
    snprintf(path, sizeof path, "%s/cota.db", folder);
    if (store == NULL)
        OK(store_sqlite_open(str_of(path), &world->store, &fault));
}

static inline void world_open(struct world *world, const char *folder, struct store *store)
{
    world_begin(world, folder, store);
    OK(book_recover(world->book, world->store, &world->recovered, &fault));
    assert_int_equal(world->ear->loaded, 1);
    assert_false(world->ear->more);
}

static inline void world_project(struct world *world)
{
    OK(projector_start(world->book, world->store, &world->projector, &fault));
    assert_true(projector_flush(world->projector, 20000));
}

/* The store stays open when it is the caller's. */
static inline void world_end(struct world *world, bool close_store)
{
    projector_stop(world->projector);
    if (close_store)
        world->store->ops->close(world->store);
    book_free(world->book);
    journal_close(world->journal);
    ear_forget(world->ear);
    free(world->ear);
}

static inline int setup(void **state)
{
    char folder[PATH_ROOM];
    struct world *world = calloc(1, sizeof *world);
    folder_make(folder);
    world_open(world, folder, store_memory_open());
    *state = world;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *world = *state;
    world_end(world, true);
    folder_remove(world->folder);
    free(world);
    return 0;
}

/* --- putting --- */

static inline struct object_change change_of(enum object_kind kind, const char *id,
                                             const char *text, int64_t expected)
{
    bool const owned = object_kind_row(kind)->owned;
    return (struct object_change){
        .kind = kind,
        .id = str_of(id),
        .customer_id = owned ? STR("acme") : STR(""),
        .text = str_of(text),
        .expected = expected,
        .origin = ORIGIN_RUNTIME,
    };
}

static inline enum err put_all(struct world *world, const struct object_change *changes,
                               size_t count, uint32_t *version)
{
    fault = (struct fault){.code = ERR_OK};
    world->clock.now_us += 1000;
    return book_objects_put(world->book, changes, count, &somebody, version, &fault);
}

/* The new version. */
static inline uint32_t put_one(struct world *world, enum object_kind kind, const char *id,
                               const char *text)
{
    uint32_t version = 0;
    struct object_change const change = change_of(kind, id, text, OBJECT_ANY_VERSION);
    OK(put_all(world, &change, 1, &version));
    return version;
}

/* --- the whole state --- */

struct dump {
    char *text;
    size_t len;
};

static inline void dump_add(struct dump *dump, int printed)
{
    assert_true(printed >= 0 && dump->len + (size_t)printed < DUMP_ROOM);
    dump->len += (size_t)printed;
}
#define DUMP(dump, ...)                                                                            \
    dump_add(dump, snprintf((dump)->text + (dump)->len, DUMP_ROOM - (dump)->len, __VA_ARGS__))

static inline bool dump_object(void *owner, const struct object *object)
{
    struct dump *dump = owner;
    DUMP(dump, "%.*s/%.*s %.*s v%u o%d %lld %lld %.*s\n",
         STR_ARG(object_kind_row(object->kind)->name), STR_ARG(object->id),
         STR_ARG(object->customer_id), object->version, (int)object->origin,
         (long long)object->created_us, (long long)object->updated_us, STR_ARG(object->text));
    return true;
}

/* Everything that the book and its listener know; free() it. */
static inline char *state_of(struct world *world)
{
    struct dump dump = {.text = calloc(1, DUMP_ROOM)};
    uint64_t sequence;
    unsigned char hash[AUDIT_HASH_BYTES];
    for (unsigned kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        book_objects_each(world->book, (enum object_kind)kind, STR(""), dump_object, &dump);
    book_audit_head(world->book, &sequence, hash);
    DUMP(&dump, "audit %llu ", (unsigned long long)sequence);
    for (size_t i = 0; i < sizeof hash; i++)
        DUMP(&dump, "%02x", hash[i]);
    qsort(world->ear->all, world->ear->count, sizeof world->ear->all[0], heard_order);
    for (size_t i = 0; i < world->ear->count; i++)
        DUMP(&dump, "\n%u/%s v%u %s", (unsigned)world->ear->all[i].kind, world->ear->all[i].id,
             world->ear->all[i].version, world->ear->all[i].text);
    return dump.text;
}

/* The database says the same as the book, once it is flushed. */
static inline bool count_row(void *owner, const struct object_row *row)
{
    struct world *world = owner;
    size_t at = 0;
    while (at < world->ear->count &&
           (!str_eq(object_kind_row(world->ear->all[at].kind)->name, row->kind) ||
            !str_eq(str_of(world->ear->all[at].id), row->id)))
        at++;
    assert_true(at < world->ear->count);
    assert_int_equal(world->ear->all[at].version, row->version);
    assert_true(str_eq(str_of(world->ear->all[at].text), row->text));
    return true;
}

static inline void check_rows(struct world *world)
{
    uint64_t sequence, last = 0;
    unsigned char hash[AUDIT_HASH_BYTES], walked[AUDIT_HASH_BYTES];
    assert_true(projector_flush(world->projector, 20000));
    OK(world->store->ops->objects(world->store, STR(""), count_row, world, &fault));
    OK(world->store->ops->audit_verify(world->store, &last, walked, &fault));
    book_audit_head(world->book, &sequence, hash);
    assert_int_equal(sequence, last);
    assert_memory_equal(hash, walked, sizeof hash);
}
