/* world.c - opening, comparing, crashing and replaying; the operations are in steps.c. */
#include "world.h"
#include "attribution.h"
#include "base/arena.h"
#include "book/customer_int.h"
#include "tear.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEGMENT_BYTES = 1 << 20, ARENA_BYTES = 1 << 16 };

int64_t below(struct world *world, int64_t limit)
{
    return (int64_t)random_below(&world->random, (uint64_t)limit);
}

bool chance(struct world *world, int percent)
{
    return below(world, 100) < percent;
}

bool world_fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->what, world->room, format, arguments);
    va_end(arguments);
    return false;
}

static int64_t clock_read(struct clock *clock)
{
    return ((struct sim_clock *)(void *)clock)->now_us;
}

static bool open_journal(struct world *world, struct journal_opened *opened)
{
    struct fault fault = {0};
    struct journal_options const options = {
        .directory = str_of(world->directory),
        .segment_bytes = SEGMENT_BYTES,
        .clock = clock_system(), /* its sync thread really waits */
    };
    if (journal_open(&options, &world->journal, opened, &fault) != ERR_OK)
        return world_fail(world, "journal_open: %s", fault.detail);
    return true;
}

static bool make_book(struct world *world, struct book **book)
{
    struct fault fault = {0};
    struct book_options const options = {
        .journal = world->journal, .clock = &world->clock.clock, .pepper = "sim"};
    if (book_new(&options, book, &fault) != ERR_OK)
        return world_fail(world, "book_new: %s", fault.detail);
    return true;
}

static void names(int customer, int key, char id[16], char secret[32])
{
    snprintf(id, 16, "customer-%d", customer);
    snprintf(secret, 32, "sim-secret-%d-%d-padding", customer, key);
}

/* --- set up ---------------------------------------------------------------------------------- */
static void random_limits(struct world *world, struct model_limits *limits)
{
    *limits = (struct model_limits){0};
    if (chance(world, 40))
        limits->requests = 2 + below(world, 100);
    if (chance(world, 40))
        limits->tokens = 300 + below(world, 6000);
    if (chance(world, 40))
        limits->concurrent = 1 + below(world, 12);
}

static bool add_customer(struct world *world, int number)
{
    struct model_customer *model = &world->model.customers[number];
    struct arena *arena = arena_new(ARENA_BYTES);
    bool ok = arena != NULL;
    model->unlimited = number == 2 && chance(world, 50);
    model->in_credits = number == 1 && chance(world, 60);
    model->overdraft = chance(world, 30) ? below(world, 2000) : 0;
    random_limits(world, &model->limits);
    if (chance(world, 60))
        random_policy(world, &model->policy, model->in_credits);
    for (int i = 0; i < MODEL_KEYS; i++)
        random_limits(world, &model->key_limits[i]);
    ok = ok && world_configure(world, number);
    for (int i = 0; i < MODEL_KEYS && ok; i++) {
        struct fault fault = {0};
        char id[16], secret[32], name[16];
        struct key_made made;
        names(number, i, id, secret);
        snprintf(name, sizeof name, "key-%d", i);
        struct key_wanted const want = {
            .customer_id = str_of(id),
            .name = str_of(name),
            .secret = str_of(secret),
            .origin = ORIGIN_RUNTIME,
            .limits = {model->key_limits[i].requests, model->key_limits[i].tokens,
                       model->key_limits[i].concurrent},
        };
        ok = book_key_create(world->book, &want, arena, &made, &fault) == ERR_OK;
    }
    arena_free(arena);
    (void)model_now(model, world->clock.now_us);
    model_saved(model);
    return ok || world_fail(world, "a customer could not be made");
}

bool world_configure(struct world *world, int number)
{
    struct fault fault = {0};
    const struct model_customer *model = &world->model.customers[number];
    char id[16], secret[32];
    names(number, 0, id, secret);
    struct customer_wanted const want = {
        .id = str_of(id),
        .origin = ORIGIN_RUNTIME,
        .unlimited = model->unlimited,
        .status = model->suspended ? CUSTOMER_SUSPENDED : CUSTOMER_ACTIVE,
        .overdraft = {model->overdraft},
        .limits = {model->limits.requests, model->limits.tokens, model->limits.concurrent},
        .currency = model->in_credits ? STR(WALLET_CREDITS) : STR("USD"),
    };
    if (book_customer_put(world->book, &want, &fault) != ERR_OK)
        return world_fail(world, "book_customer_put: %s", fault.detail);
    return true;
}

static bool find_objects(struct world *world)
{
    for (int c = 0; c < MODEL_CUSTOMERS; c++) {
        char id[16], secret[32];
        struct fault fault = {0};
        names(c, 0, id, secret);
        world->customers[c] = book_find_customer(world->book, str_of(id));
        if (!world->customers[c])
            return world_fail(world, "customer %s is lost", id);
        for (int k = 0; k < MODEL_KEYS; k++) {
            const struct key *key = NULL;
            names(c, k, id, secret);
            enum err const err = book_authenticate(world->book, str_of(secret), &key, &fault);
            unsigned char hash[KEY_HASH_BYTES];
            book_hash_secret(world->book, str_of(secret), hash);
            world->keys[c][k] = book_find_key(world->book, hash);
            if (!world->keys[c][k])
                return world_fail(world, "key %s is lost", secret);
            const struct model_customer *model = &world->model.customers[c];
            if ((err == ERR_OK && key) != (!model->revoked[k] && !model->suspended))
                return world_fail(world, "key %s: authentication is wrong", secret);
        }
    }
    return true;
}

bool world_open(struct world *world, uint64_t seed)
{
    struct journal_opened opened;
    random_seed(&world->random, seed);
    world->clock.clock.wall_us = clock_read;
    world->clock.clock.mono_us = clock_read;
    world->clock.now_us =
        1769903930000000 + below(world, 1000000); /* a minute before a month ends */
    world->highest_us = world->clock.now_us;
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(world->directory, sizeof world->directory, "%s/cota-sim-%d-XXXXXX", root,
             (int)getpid());
    if (!mkdtemp(world->directory))
        return world_fail(world, "no temporary directory");
    if (!open_journal(world, &opened) || !make_book(world, &world->book))
        return false;
    for (int i = 0; i < MODEL_CUSTOMERS; i++)
        if (!add_customer(world, i))
            return false;
    return find_objects(world);
}

static void drop_book(struct world *world)
{
    for (int c = 0; c < MODEL_CUSTOMERS; c++)
        for (int i = 0; i < MODEL_HOLDS; i++)
            if (world->holds[c][i]) {
                book_unref(world->holds[c][i]);
                world->holds[c][i] = NULL;
            }
    book_free(world->book);
    world->book = NULL;
    if (world->journal)
        journal_close(world->journal);
    world->journal = NULL;
}

void world_close(struct world *world)
{
    drop_book(world);
    if (world->directory[0])
        remove_directory(world->directory);
}

/* --- comparing ------------------------------------------------------------------------------- */
bool world_compare(struct world *world)
{
    char what[160];
    for (int c = 0; c < MODEL_CUSTOMERS; c++) {
        struct model_customer *model = &world->model.customers[c];
        const char *broken = model_check(model);
        if (broken)
            return world_fail(world, "customer %d: %s", c, broken);
        if (!compare_customer(world->customers[c], model, world->highest_us, false, what,
                              sizeof what))
            return world_fail(world, "customer %d: %s", c, what);
        for (int i = 0; i < MODEL_HOLDS; i++)
            if (world->holds[c][i] &&
                !compare_hold(world->holds[c][i], &model->holds[i], what, sizeof what))
                return world_fail(world, "customer %d, hold %d: %s", c, i, what);
    }
    struct snapshot *snapshot = &world->snapshots[world->taken++ % SNAPSHOTS];
    snapshot->lsn = journal_last_lsn(world->journal);
    snapshot->model = world->model;
    snapshot->swept_us = world->swept_us;
    return true;
}

/* --- replay and crash ------------------------------------------------------------------------ */
struct replay {
    struct book *book;
    struct fault fault;
    enum err err;
};

static bool apply(void *owner, const struct journal_record *record)
{
    struct replay *replay = owner;
    replay->err = book_apply_record(replay->book, record, REPLAY_WHOLE, &replay->fault);
    return replay->err == ERR_OK;
}

static bool replay_into(struct world *world, struct book *book)
{
    struct replay replay = {.book = book};
    struct fault fault = {0};
    if (journal_replay(world->journal, 1, apply, &replay, &fault) != ERR_OK)
        return world_fail(world, "journal_replay: %s", fault.detail);
    if (replay.err != ERR_OK)
        return world_fail(world, "book_apply_record: %s", replay.fault.detail);
    if (book->mismatches > 0)
        return world_fail(world, "I6: a record's totals are not those of its replay");
    return true;
}

bool world_replay(struct world *world)
{
    struct book *second = NULL;
    bool same = make_book(world, &second) && replay_into(world, second);
    for (int c = 0; c < MODEL_CUSTOMERS && same; c++) {
        char what[160];
        struct customer *customer = book_find_customer(second, world->customers[c]->id);
        same = customer && compare_customer(customer, &world->model.customers[c], world->highest_us,
                                            true, what, sizeof what);
        if (!same)
            same = world_fail(world, "I6: replay of customer %d: %s", c,
                              customer ? what : "not there");
    }
    book_free(second);
    world->counts->replays++;
    return same && attribution_check(world);
}

bool world_crash(struct world *world)
{
    struct journal_opened opened;
    struct book_orphans orphans;
    struct fault fault = {0};
    long const kept = world->taken < SNAPSHOTS ? world->taken : SNAPSHOTS;
    struct snapshot const *snapshot =
        &world->snapshots[(world->taken - 1 - below(world, kept)) % SNAPSHOTS];
    drop_book(world);
    if (!tear_journal(world->directory, snapshot->lsn, chance(world, 50)))
        return world_fail(world, "the journal could not be cut");
    if (!open_journal(world, &opened))
        return false;
    if (opened.last_lsn != snapshot->lsn)
        return world_fail(world, "cut after record %llu, found %llu",
                          (unsigned long long)snapshot->lsn, (unsigned long long)opened.last_lsn);
    world->model = snapshot->model;
    world->swept_us = 0;
    if (!make_book(world, &world->book) || !replay_into(world, world->book))
        return false;
    for (int c = 0; c < MODEL_CUSTOMERS; c++) {
        char id[16], secret[32];
        names(c, 0, id, secret);
        if (!book_customer(world->book, str_of(id)))
            return world_fail(world, "customer %d is lost", c);
        model_crash(&world->model.customers[c], world->clock.now_us);
    }
    if (book_close_orphans(world->book, &orphans, &fault) != ERR_OK)
        return world_fail(world, "book_close_orphans: %s", fault.detail);
    world->counts->crashes++;
    world->counts->orphans += (long)(orphans.settled + orphans.released);
    world->taken = 0;
    return find_objects(world);
}

bool sim_run(uint64_t seed, long steps, struct sim_counts *counts, long *step, char *what,
             size_t room)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world) {
        snprintf(what, room, "memory is short");
        return false;
    }
    world->counts = counts;
    world->what = what;
    world->room = room;
    bool ok = world_open(world, seed) && world_compare(world);
    for (*step = 0; ok && *step < steps; ++*step)
        ok = world_step(world) && world_compare(world);
    ok = ok && world_replay(world) && world_crash(world) && world_compare(world);
    world_close(world);
    free(world);
    return ok;
}
