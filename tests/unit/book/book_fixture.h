/* book_fixture.h - a real book on a real journal in a temporary folder, with a clock to turn. */
#pragma once
#include "base/arena.h"
#include "base/log.h"
#include "book/hold.h"
#include "book/replay.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIXTURE_SECOND_US = 1000000 };

struct fixture_clock {
    struct clock clock;
    _Atomic int64_t now_us;
};

struct fixture {
    struct fixture_clock clock;
    char directory[64];
    struct journal *journal;
    struct book *book;
    struct arena *arena;
    struct random random;
    const struct key *key;     /* of "acme": name "main" */
    const struct rules *rules; /* in force for fixture_want's calls */
    struct call_context context;
};

static inline int64_t fixture_clock_read(struct clock *clock)
{
    return ((struct fixture_clock *)(void *)clock)->now_us;
}

static inline void fixture_open(struct fixture *fixture, struct journal_opened *opened)
{
    struct fault fault = {0};
    struct journal_options const journal = {
        .directory = str_of(fixture->directory), .segment_bytes = 1 << 20, .clock = clock_system()};
    assert_int_equal(journal_open(&journal, &fixture->journal, opened, &fault), ERR_OK);
    struct book_options const options = {
        .journal = fixture->journal, .clock = &fixture->clock.clock, .pepper = "pepper"};
    assert_int_equal(book_new(&options, &fixture->book, &fault), ERR_OK);
}

static inline void fixture_shut(struct fixture *fixture)
{
    book_free(fixture->book);
    journal_close(fixture->journal);
}

static inline const struct key *fixture_key(struct fixture *fixture, const char *customer,
                                            const char *name, struct limits_wanted limits)
{
    struct fault fault = {0};
    struct key_made made;
    const struct key *key;
    struct key_wanted const want = {.customer_id = str_of(customer),
                                    .name = str_of(name),
                                    .origin = ORIGIN_RUNTIME,
                                    .limits = limits};
    assert_int_equal(book_key_create(fixture->book, &want, fixture->arena, &made, &fault), ERR_OK);
    assert_int_equal(book_authenticate(fixture->book, made.secret, &key, &fault), ERR_OK);
    return key;
}

static inline void fixture_customer(struct fixture *fixture, struct customer_wanted want)
{
    struct fault fault = {0};
    if (str_empty(want.id))
        want.id = STR("acme");
    want.origin = ORIGIN_RUNTIME;
    assert_int_equal(book_customer_put(fixture->book, &want, &fault), ERR_OK);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct journal_opened opened;
    log_level_set(LOG_ERROR);
    fixture->clock.clock.wall_us = fixture->clock.clock.mono_us = fixture_clock_read;
    fixture->clock.now_us = 1790000000000000;
    fixture->arena = arena_new(1 << 24);
    random_seed(&fixture->random, 5);
    fixture->context = (struct call_context){.request_id = STR("r-1"),
                                             .endpoint = STR("chat"),
                                             .model = STR("m"),
                                             .provider = STR("up"),
                                             .upstream_model = STR("m"),
                                             .started_us = fixture->clock.now_us};
    snprintf(fixture->directory, sizeof fixture->directory, "%s/cota-book-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(fixture->directory));
    fixture_open(fixture, &opened);
    fixture_customer(fixture, (struct customer_wanted){0});
    fixture->key = fixture_key(fixture, "acme", "main", (struct limits_wanted){0});
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char name[400];
    fixture_shut(fixture);
    DIR *dir = opendir(fixture->directory);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        snprintf(name, sizeof name, "%s/%.300s", fixture->directory, entry->d_name);
        if (entry->d_name[0] != '.' || (entry->d_name[1] != '\0' && entry->d_name[1] != '.'))
            (void)unlink(name);
    }
    closedir(dir);
    rmdir(fixture->directory);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}
