/* test_objects_restart.c - documents after a restart: from rows, from the journal, after a crash,
 * and from damaged ones. */
#include "object_world.c" /* one program, two files to read */

/* --- restarts ------------------------------------------------------------------------------ */
/* Something of everything: updates, deletions, batches, both sorts of kinds. */
static void live(struct world *world, uint64_t seed, int puts)
{
    struct random random;
    random_seed(&random, seed);
    for (int i = 0; i < puts; i++) {
        struct object_change changes[4];
        char ids[4][16], texts[4][48];
        size_t const count = 1 + random_below(&random, 4);
        uint32_t version;
        for (size_t j = 0; j < count; j++) {
            static const enum object_kind kinds[] = {OBJECT_PLAN, OBJECT_LICENSE, OBJECT_USER,
                                                     OBJECT_GROUP};
            snprintf(ids[j], sizeof ids[j], "id-%llu",
                     (unsigned long long)random_below(&random, 12));
            snprintf(texts[j], sizeof texts[j], "{\"put\":%d,\"seed\":%llu}", i,
                     (unsigned long long)seed);
            changes[j] = change_of(kinds[random_below(&random, 4)], ids[j], texts[j], 0);
            if (random_below(&random, 4) == 0)
                changes[j].text = (struct str){0};
        }
        enum err const err = put_all(world, changes, count, &version);
        assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    }
}

/* A second life with the same journal and this store knows the same as the first. */
static void restart_as_before(struct world *world, struct store *store)
{
    char *before = state_of(world), folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "%s", world->folder);
    world_end(world, false);
    world_open(world, folder, store);
    char *after = state_of(world);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void restarts(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    struct world world;
    struct store *store = store_memory_open(), *empty = store_memory_open();
    folder_make(folder);
    world_open(&world, folder, store);
    live(&world, 1, 60);
    restart_as_before(&world, store); /* all of it from the journal */
    world_project(&world);
    check_rows(&world);
    restart_as_before(&world, store); /* all of it from rows */
    live(&world, 2, 60);
    restart_as_before(&world, store); /* rows first, then the journal */
    world_project(&world);
    live(&world, 3, 60);
    check_rows(&world);
    restart_as_before(&world, store);
    restart_as_before(&world, empty); /* rows are lost, the journal is whole */
    world_project(&world);
    check_rows(&world);
    world_end(&world, false);
    store->ops->close(store);
    empty->ops->close(empty);
    folder_remove(folder);
}

static void sqlite_brings_it_back(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    struct world world;
    folder_make(folder);
    for (uint64_t round = 1; round <= 3; round++) {
        world_open(&world, folder, NULL);
        live(&world, round, 50);
        world_project(&world);
        live(&world, round + 10, 50);
        check_rows(&world);
        live(&world, round + 20, 10);
        char *before = state_of(&world);
        world_end(&world, true);
        world_open(&world, folder, NULL);
        char *after = state_of(&world);
        assert_string_equal(before, after);
        free(before);
        free(after);
        world_end(&world, true);
    }
    folder_remove(folder);
}

/* --- the last record is torn --------------------------------------------------------------- */
static void segment_path(const char *folder, char path[PATH_ROOM + 40])
{
    snprintf(path, PATH_ROOM + 40, "%s/journal/000000000001.seg", folder);
}

static char *segment_read(const char *folder, size_t *size)
{
    char path[PATH_ROOM + 40];
    struct stat status;
    segment_path(folder, path);
    int const file = open(path, O_RDONLY);
    assert_true(file >= 0 && fstat(file, &status) == 0);
    *size = (size_t)status.st_size;
    char *bytes = malloc(*size);
    assert_int_equal(read(file, bytes, *size), (ssize_t)*size);
    close(file);
    return bytes;
}

static void segment_write(const char *folder, const char *bytes, size_t size)
{
    char path[PATH_ROOM + 40];
    snprintf(path, sizeof path, "%s/journal", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    segment_path(folder, path);
    int const file = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), (ssize_t)size);
    close(file);
}

static void a_torn_record_never_was(void **state)
{
    struct world *world = *state;
    size_t size, first = 0;
    uint32_t version;
    live(world, 5, 10);
    char *state_before = state_of(world), *before = segment_read(world->folder, &size);
    struct object_change const changes[] = {
        change_of(OBJECT_PLAN, "torn", "{\"plan\":1}", 0),
        change_of(OBJECT_LICENSE, "torn", "{\"license\":1}", 0),
    };
    OK(put_all(world, changes, 2, &version));
    char *state_after = state_of(world), *after = segment_read(world->folder, &size);
    while (first < size && before[first] == after[first])
        first++;
    size_t last = size;
    while (last > first && before[last - 1] == after[last - 1])
        last--;
    assert_true(last - first > 100 && last - first < 600);
    for (size_t cut = first; cut <= last; cut++) {
        char folder[PATH_ROOM];
        struct world torn;
        memcpy(before + first, after + first, cut - first);
        folder_make(folder);
        segment_write(folder, before, size);
        world_open(&torn, folder, store_memory_open());
        char *got = state_of(&torn);
        assert_string_equal(got, cut < last ? state_before : state_after);
        free(got);
        if (cut % 16 == 0) { /* and life goes on */
            live(&torn, 6, 2);
            world_project(&torn);
            check_rows(&torn);
        }
        world_end(&torn, true);
        folder_remove(folder);
    }
    free(before);
    free(after);
    free(state_before);
    free(state_after);
}

/* --- kill -9 ------------------------------------------------------------------------------- */
/* Says each acknowledged version on a pipe until it kills itself in the middle of things. */
static void child_life(const char *folder, uint64_t seed, int out)
{
    struct world world;
    struct random random;
    random_seed(&random, seed);
    world_open(&world, folder, NULL);
    OK(projector_start(world.book, world.store, &world.projector, &fault));
    int const puts = 20 + (int)random_below(&random, 60);
    for (int i = 0; i < puts; i++) {
        uint32_t said[2];
        char id[8];
        said[0] = (uint32_t)random_below(&random, 8);
        snprintf(id, sizeof id, "%u", said[0]);
        said[1] = put_one(&world, said[0] % 2 == 0 ? OBJECT_PLAN : OBJECT_USER, id, "{\"x\":1}");
        assert_int_equal(write(out, said, sizeof said), sizeof said);
        if (i % 8 == 0)
            usleep((unsigned)random_below(&random, 6000)); /* the projector may catch up */
    }
    kill(getpid(), SIGKILL);
}

static void kill_9_loses_nothing(void **state)
{
    (void)state;
    char folder[PATH_ROOM];
    uint32_t acknowledged[8] = {0};
    folder_make(folder);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        int pipe_ends[2], status = 0;
        uint32_t said[2];
        assert_int_equal(pipe(pipe_ends), 0);
        pid_t const child = fork();
        if (child == 0) {
            close(pipe_ends[0]);
            child_life(folder, seed, pipe_ends[1]);
            _exit(4);
        }
        close(pipe_ends[1]);
        while (read(pipe_ends[0], said, sizeof said) == sizeof said)
            acknowledged[said[0]] = said[1];
        close(pipe_ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct world world;
        struct arena *arena = arena_new(1 << 20);
        world_open(&world, folder, NULL);
        for (uint32_t i = 0; i < 8; i++) {
            struct object object = {.version = 0};
            char id[8];
            snprintf(id, sizeof id, "%u", i);
            (void)!book_object_get(world.book, i % 2 == 0 ? OBJECT_PLAN : OBJECT_USER, str_of(id),
                                   arena, &object);
            assert_int_equal(object.version, acknowledged[i]); /* one writer: exactly these */
        }
        world_project(&world);
        check_rows(&world);
        world_end(&world, true);
        arena_free(arena);
    }
    folder_remove(folder);
}

/* --- what cannot be ------------------------------------------------------------------------ */
static void bad_rows_are_refused(void **state)
{
    struct world *world = *state;
    struct object_row const good = {.kind = STR("plan"),
                                    .id = STR("p"),
                                    .version = 1,
                                    .origin = ORIGIN_FILE,
                                    .text = STR("{}")};
    struct object_row rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i] = good;
    rows[0].kind = STR("plans");
    rows[1].id = STR("");
    rows[2].version = 0;
    rows[3].text = STR("");
    rows[4].customer_id =
        str_make("0123456789012345678901234567890123456789012345678901234567890123456789", 70);
    OK(book_load_object(world->book, &good, &fault));
    for (size_t i = 0; i < 6; i++) { /* the last one is there already */
        fault = (struct fault){.code = ERR_OK};
        assert_int_equal(book_load_object(world->book, &rows[i], &fault), ERR_CORRUPT);
    }
    struct audit_row const entry = {.sequence = 0};
    assert_int_equal(book_load_audit_head(world->book, &entry, &fault), ERR_CORRUPT);
}

static enum err apply_made(struct world *world, const struct record_object_change *change,
                           uint64_t sequence)
{
    unsigned char bytes[1024];
    struct record_object const record = {.sequence = sequence, .count = 1};
    size_t const len = record_object_encode(&record, change, bytes, sizeof bytes);
    struct journal_record const made = {
        .lsn = 1, .type = RECORD_OBJECT, .payload = str_make((char *)bytes, len)};
    assert_true(len > 0);
    fault = (struct fault){.code = ERR_OK};
    return book_apply_record(world->book, &made, REPLAY_WHOLE, &fault);
}

static void bad_records_are_refused(void **state)
{
    struct world *world = *state;
    put_one(world, OBJECT_PLAN, "p", "{}");
    struct record_object_change const good = {
        .kind = STR("plan"), .id = STR("p"), .version = 2, .after = STR("{}")};
    struct record_object_change bad = good;
    assert_int_equal(apply_made(world, &good, 3), ERR_CORRUPT); /* a gap in the trail */
    assert_int_equal(apply_made(world, &good, 1), ERR_CORRUPT);
    bad.version = 3;
    assert_int_equal(apply_made(world, &bad, 2), ERR_CORRUPT);
    bad = good;
    bad.deleted = true; /* it has version 1 */
    bad.after = STR("");
    assert_int_equal(apply_made(world, &bad, 3), ERR_CORRUPT);
    bad = good;
    bad.kind = STR("nothing");
    assert_int_equal(apply_made(world, &bad, 4), ERR_CORRUPT);
    struct journal_record const noise = {.lsn = 1, .type = RECORD_OBJECT, .payload = STR("noise")};
    assert_int_equal(book_apply_record(world->book, &noise, REPLAY_WHOLE, &fault), ERR_CORRUPT);
    /* with rows that know it already, nothing happens */
    assert_int_equal(book_apply_record(world->book, &noise, REPLAY_HOLDS, &fault), ERR_OK);
}

/* A record that fits in everything but its hash is taken, and reported. */
static void a_broken_chain_is_noticed(void **state)
{
    struct world *world = *state;
    struct book_orphans orphans;
    put_one(world, OBJECT_PLAN, "p", "{}");
    struct record_object_change const change = {
        .kind = STR("plan"), .id = STR("p"), .version = 2, .after = STR("{}")};
    assert_int_equal(apply_made(world, &change, 2), ERR_OK);
    OK(book_close_orphans(world->book, &orphans, &fault));
    assert_int_equal(orphans.mismatches, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts),
        cmocka_unit_test(sqlite_brings_it_back),
        cmocka_unit_test_setup_teardown(a_torn_record_never_was, setup, teardown),
        cmocka_unit_test(kill_9_loses_nothing),
        cmocka_unit_test_setup_teardown(bad_rows_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_records_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_chain_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
