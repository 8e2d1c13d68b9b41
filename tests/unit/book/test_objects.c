/* test_objects.c - documents: versions, batches, who hears, what a restart brings back. */
#include "object_world.c" /* one program, two files to read */

static void versions_follow_each_other(void **state)
{
    struct world *world = *state;
    struct arena *arena = arena_new(1 << 20);
    struct object object;
    assert_int_equal(put_one(world, OBJECT_PLAN, "pro", "{\"a\":1}"), 1);
    int64_t const created_us = world->clock.now_us;
    assert_int_equal(put_one(world, OBJECT_PLAN, "pro", "{\"a\":2}"), 2);
    assert_int_equal(put_one(world, OBJECT_LICENSE, "pro", "[]"), 1); /* another kind */
    assert_true(book_object_get(world->book, OBJECT_PLAN, STR("pro"), arena, &object));
    assert_int_equal(object.version, 2);
    assert_int_equal(object.kind, OBJECT_PLAN);
    assert_int_equal(object.origin, ORIGIN_RUNTIME);
    assert_int_equal(object.created_us, created_us);
    assert_int_equal(object.updated_us, created_us + 1000);
    assert_true(str_eq(object.text, STR("{\"a\":2}")) && str_empty(object.customer_id));
    assert_true(book_object_get(world->book, OBJECT_LICENSE, STR("pro"), arena, &object));
    assert_true(str_empty(object.text) && str_eq(object.customer_id, STR("acme")));
    assert_false(book_object_get(world->book, OBJECT_PLAN, STR("pr"), arena, &object));
    assert_int_equal(book_object_count(world->book, OBJECT_PLAN), 1);
    assert_int_equal(put_one(world, OBJECT_PLAN, "pro", NULL), 2); /* deleted: what it had */
    assert_false(book_object_get(world->book, OBJECT_PLAN, STR("pro"), arena, &object));
    assert_int_equal(book_object_count(world->book, OBJECT_PLAN), 0);
    assert_int_equal(put_one(world, OBJECT_PLAN, "pro", "{}"), 1);
    world->clock.now_us -= 60000000; /* the clock goes back, the documents' time does not */
    put_one(world, OBJECT_PLAN, "pro", "{}");
    assert_true(book_object_get(world->book, OBJECT_PLAN, STR("pro"), arena, &object));
    assert_true(object.updated_us >= object.created_us);
    arena_free(arena);
}

static void expected_versions(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *what, *id, *text;
        int64_t expected;
        enum err err;
    } rows[] = {
        {"made because it is absent", "new", "{}", OBJECT_ABSENT, ERR_OK},
        {"made twice", "new", "{}", OBJECT_ABSENT, ERR_CONFLICT},
        {"the right version", "old", "{}", 2, ERR_OK},
        {"an old version", "old", "{}", 2, ERR_VERSION_CONFLICT},
        {"a version from the future", "old", "{}", 4, ERR_VERSION_CONFLICT},
        {"a version beyond 32 bits", "old", "{}", 4294967299, ERR_VERSION_CONFLICT},
        {"a version of nothing", "none", "{}", 1, ERR_NOT_FOUND},
        {"nothing cannot be deleted", "none", NULL, OBJECT_ANY_VERSION, ERR_NOT_FOUND},
        {"nor as absent", "none", NULL, OBJECT_ABSENT, ERR_NOT_FOUND},
        {"deleting an old version", "old", NULL, 1, ERR_VERSION_CONFLICT},
        {"deleting the right one", "old", NULL, 3, ERR_OK},
        {"deleting it again", "old", NULL, 3, ERR_NOT_FOUND},
    };
    put_one(world, OBJECT_PLAN, "old", "{}");
    put_one(world, OBJECT_PLAN, "old", "{}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t version;
        uint64_t const lsn = journal_last_lsn(world->journal);
        struct object_change const change =
            change_of(OBJECT_PLAN, rows[i].id, rows[i].text, rows[i].expected);
        enum err const err = put_all(world, &change, 1, &version);
        if (err != rows[i].err)
            fail_msg("%s: %d, not %d", rows[i].what, err, rows[i].err);
        assert_int_equal(journal_last_lsn(world->journal), lsn + (err == ERR_OK));
        assert_true(journal_synced_lsn(world->journal) >= lsn + (err == ERR_OK));
    }
}

static void all_or_nothing(void **state)
{
    struct world *world = *state;
    uint32_t version;
    put_one(world, OBJECT_PLAN, "kept", "{\"n\":1}");
    put_one(world, OBJECT_LICENSE, "kept", "{\"n\":1}");
    put_one(world, OBJECT_PLAN, "later", "{\"n\":1}");
    char *before = state_of(world);
    uint64_t const lsn = journal_last_lsn(world->journal);
    size_t const calls = world->ear->calls;
    struct object_change const changes[] = {
        change_of(OBJECT_PLAN, "fresh", "{}", OBJECT_ABSENT),
        change_of(OBJECT_PLAN, "fresh", "{}", 1),
        change_of(OBJECT_PLAN, "fresh", NULL, 2),
        change_of(OBJECT_PLAN, "fresh", "{}", OBJECT_ABSENT),
        change_of(OBJECT_PLAN, "kept", "{}", 1),
        change_of(OBJECT_LICENSE, "kept", NULL, 1),
        change_of(OBJECT_LICENSE, "kept", "{}", OBJECT_ABSENT),
        change_of(OBJECT_PLAN, "kept", NULL, 2),
        change_of(OBJECT_PLAN, "later", "{}", 7), /* this one is wrong */
    };
    size_t const count = sizeof changes / sizeof changes[0];
    assert_int_equal(put_all(world, changes, count, &version), ERR_VERSION_CONFLICT);
    char *after = state_of(world);
    assert_string_equal(before, after);
    assert_int_equal(journal_last_lsn(world->journal), lsn);
    assert_int_equal(world->ear->calls, calls);
    free(after);
    OK(put_all(world, changes, count - 1, &version)); /* without it: each sees those before it */
    assert_int_equal(version, 2);
    assert_int_equal(book_object_count(world->book, OBJECT_PLAN), 2);
    assert_int_equal(book_object_count(world->book, OBJECT_LICENSE), 1);
    assert_int_equal(journal_last_lsn(world->journal), lsn + 1); /* one record */
    free(before);
}

static void what_is_refused(void **state)
{
    struct world *world = *state;
    static char big[OBJECT_TEXT_BYTES_MAX + 2], id[OBJECT_ID_BYTES_MAX + 2];
    static struct object_change many[OBJECT_PUT_CHANGES_MAX + 1];
    uint32_t version;
    memset(big, ' ', sizeof big - 1);
    memcpy(big, "{}", 2);
    memset(id, 'i', sizeof id - 1);
    char *before = state_of(world);
    struct object_change change = change_of(OBJECT_PLAN, "a", "{}", 0);
    assert_int_equal(put_all(world, &change, 0, &version), ERR_TOO_LARGE);
    change.text = str_of(big); /* one byte too many */
    assert_int_equal(put_all(world, &change, 1, &version), ERR_TOO_LARGE);
    change = change_of(OBJECT_PLAN, id, "{}", 0);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_FIELD_INVALID);
    change = change_of(OBJECT_PLAN, "a\x01", "{}", 0);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_FIELD_INVALID);
    change = change_of(OBJECT_PLAN, "", "{}", 0);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_FIELD_INVALID);
    change = change_of(OBJECT_PLAN, "a", "{}", 0);
    change.customer_id = str_make(id, CUSTOMER_ID_BYTES_MAX + 1);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_FIELD_INVALID);
    change = change_of(OBJECT_PLAN, "a", "{", 0);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_JSON_INVALID);
    change = change_of(OBJECT_PLAN, "a", "", 0);
    assert_int_equal(put_all(world, &change, 1, &version), ERR_JSON_INVALID);
    for (size_t i = 0; i <= OBJECT_PUT_CHANGES_MAX; i++)
        many[i] = change_of(OBJECT_PLAN, "a", "{}", 0);
    assert_int_equal(put_all(world, many, OBJECT_PUT_CHANGES_MAX + 1, &version), ERR_TOO_LARGE);
    big[OBJECT_TEXT_BYTES_MAX] = 0; /* each is right, together they are too much */
    for (size_t i = 0; i < 4; i++)
        many[i] = change_of(OBJECT_LICENSE, "a", big, 0);
    assert_int_equal(put_all(world, many, 4, &version), ERR_TOO_LARGE);
    char *after = state_of(world);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* The journal takes no record of this size (its segments are small): all is taken back. */
static void a_journal_that_refuses(void **state)
{
    struct world *world = *state;
    static char big[OBJECT_TEXT_BYTES_MAX + 1];
    uint32_t version;
    memset(big, ' ', sizeof big - 1);
    memcpy(big, "{}", 2);
    put_one(world, OBJECT_PLAN, "a", "{\"n\":1}");
    char *before = state_of(world);
    struct object_change const changes[] = {
        change_of(OBJECT_PLAN, "a", "{}", 1),
        change_of(OBJECT_PLAN, "b", big, 0),
    };
    assert_int_equal(put_all(world, changes, 2, &version), ERR_LEDGER_UNAVAILABLE);
    char *after = state_of(world);
    assert_string_equal(before, after);
    assert_int_equal(put_one(world, OBJECT_PLAN, "a", "{}"), 2);
    free(before);
    free(after);
}

static void the_listener_hears_in_order(void **state)
{
    struct world *world = *state;
    uint32_t version;
    struct object_change const changes[] = {
        change_of(OBJECT_PLAN, "b", "{}", 0),
        change_of(OBJECT_PLAN, "a", "{}", 0),
        change_of(OBJECT_PLAN, "b", NULL, 0),
        change_of(OBJECT_KEY_RULES, "k", "{\"x\":1}", 0),
    };
    assert_string_equal(world->ear->calls_text, "");
    assert_int_equal(world->ear->loaded, 1);
    put_one(world, OBJECT_LICENSE, "x", "{}");
    OK(put_all(world, changes, 4, &version));
    put_one(world, OBJECT_PLAN, "a", "{}");
    assert_string_equal(world->ear->calls_text,
                        "license/x 1; plan/b 1+ plan/a 1+ plan/b 0+ key_rules/k 1; plan/a 2; ");
}

static bool ids_of(void *owner, const struct object *object)
{
    struct dump *dump = owner;
    DUMP(dump, "%.*s ", STR_ARG(object->id));
    return dump->len < 12;
}

/* Against a sorted array, with removals; and pages. */
static void ids_come_in_order(void **state)
{
    struct world *world = *state;
    enum { IDS = 300 };
    bool there[IDS] = {false};
    struct random random;
    random_seed(&random, 9);
    for (int round = 0; round < 2000; round++) {
        char id[16];
        size_t const at = random_below(&random, IDS);
        snprintf(id, sizeof id, "%03zu", at);
        if (random_below(&random, 3) == 0 && there[at])
            put_one(world, OBJECT_USER, id, NULL);
        else if (!there[at])
            put_one(world, OBJECT_USER, id, "{}");
        else
            continue;
        there[at] = !there[at];
    }
    struct dump wanted = {.text = calloc(1, DUMP_ROOM)}, given = {.text = calloc(1, DUMP_ROOM)};
    size_t count = 0;
    for (size_t at = 0; at < IDS; at++) {
        if (there[at])
            DUMP(&wanted, "%03zu ", at);
        count += there[at];
    }
    const struct object_node *node = NULL;
    while ((node = object_tree_after(&world->book->objects->trees[OBJECT_USER],
                                     node != NULL ? node->object.id : STR(""))) != NULL)
        DUMP(&given, "%.*s ", STR_ARG(node->object.id));
    assert_string_equal(wanted.text, given.text);
    assert_int_equal(book_object_count(world->book, OBJECT_USER), count);
    given.len = 0;
    book_objects_each(world->book, OBJECT_USER, STR("1"), ids_of, &given); /* after "1": from 100 */
    assert_memory_equal(given.text, "1", 1);
    assert_int_equal(given.len, 12); /* and stopped when asked to */
    free(wanted.text);
    free(given.text);
}

/* --- threads ------------------------------------------------------------------------------- */
static _Atomic bool writing;

static void *reader(void *owner)
{
    struct world *world = owner;
    struct arena *arena = arena_new(1 << 20);
    uint32_t newest = 0;
    while (writing) {
        struct object object;
        char text[32];
        if (book_object_get(world->book, OBJECT_PLAN, STR("p"), arena, &object)) {
            snprintf(text, sizeof text, "{\"v\":%u}", object.version);
            if (!str_eq(object.text, str_of(text)) || object.version < newest)
                return world; /* torn, or back in time */
            newest = object.version;
        }
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void readers_see_whole_documents(void **state)
{
    struct world *world = *state;
    pthread_t threads[3];
    writing = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, world), 0);
    for (int version = 1; version <= 200; version++) {
        char text[32];
        snprintf(text, sizeof text, "{\"v\":%d}", version);
        put_one(world, OBJECT_PLAN, "p", text);
    }
    writing = false;
    for (int i = 0; i < 3; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

/* --- the trail ----------------------------------------------------------------------------- */
static bool check_entry(void *owner, const struct audit_row *row)
{
    static const struct {
        const char *action, *id, *before, *after;
    } rows[] = {
        {"delete", "x", "{\"n\":2}", ""},
        {"update", "x", "{\"n\":1}", "{\"n\":2}"},
        {"create", "x", "", "{\"n\":1}"},
    };
    size_t *at = owner;
    assert_true(str_eq(row->action, str_of(rows[*at].action)));
    assert_true(str_eq(row->object_id, str_of(rows[*at].id)));
    assert_true(str_eq(row->before, str_of(rows[*at].before)));
    assert_true(str_eq(row->after, str_of(rows[*at].after)));
    assert_true(str_eq(row->actor, somebody.actor) && str_eq(row->reason, somebody.reason));
    assert_int_equal(row->user_agent.len, AUDIT_TEXT_BYTES_MAX - 1); /* cut between characters */
    assert_int_equal(row->sequence, 3 - *at);
    ++*at;
    return true;
}

static void who_did_what(void **state)
{
    struct world *world = *state;
    char agent[AUDIT_TEXT_BYTES_MAX + 9];
    size_t seen = 0;
    uint32_t version;
    memset(agent, 'a', sizeof agent);
    memcpy(agent + AUDIT_TEXT_BYTES_MAX - 1, "\xc3\xa9", 2);
    struct object_actor by = somebody;
    by.user_agent = str_make(agent, sizeof agent);
    struct object_change changes[] = {
        change_of(OBJECT_PLAN, "x", "{\"n\":1}", 0),
        change_of(OBJECT_PLAN, "x", "{\"n\":2}", 0),
        change_of(OBJECT_PLAN, "x", NULL, 0),
    };
    OK(book_objects_put(world->book, changes, 2, &by, &version, &fault));
    OK(book_objects_put(world->book, changes + 2, 1, &by, &version, &fault));
    world_project(world);
    struct audit_query const query = {.limit = 9};
    OK(world->store->ops->audit_list(world->store, &query, check_entry, &seen, &fault));
    assert_int_equal(seen, 3);
    check_rows(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(expected_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_that_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(the_listener_hears_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_see_whole_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(who_did_what, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
