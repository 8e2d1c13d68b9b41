/* test_book_alerts.c - edges at settle, in rows: once each, whatever crashes in between. */
#include "book/alert_lines.h"
#include "book/pack.h"
#include "project_world.c" /* one program, two files to read */

enum { TOLD_BYTES_MAX = 4096, UNTIL_US = 3600 };

static const struct alert_terms terms = {STR_ROW("daily"), {{50, 80, 100}}};

/* --- one world ------------------------------------------------------------------------------- */
struct told {
    char text[TOLD_BYTES_MAX];
    size_t len, rows;
};

static bool tell(void *owner, const struct alert_row *row)
{
    struct told *told = owner;
    told->len += (size_t)snprintf(
        told->text + told->len, sizeof told->text - told->len, "%.*s %.*s %.*s %lld/%lld%s;",
        STR_ARG(row->kind), STR_ARG(row->subject), STR_ARG(row->percents), (long long)row->used,
        (long long)row->limit, row->acknowledged_us > 0 ? " seen" : "");
    assert_true(told->len < sizeof told->text);
    told->rows++;
    return true;
}

/* All alerts of customer-0, newest first. */
static void assert_told(struct world *world, const char *expected)
{
    struct told told = {.text = ""};
    struct fault fault = {.code = ERR_OK};
    struct alert_query const query = {.customer_id = STR("customer-0")};
    assert_true(projector_flush(world->projector, 20000));
    MUST_OK(world->store->ops->alert_list(world->store, &query, tell, &told, &fault), fault);
    assert_string_equal(told.text, expected);
}

static void begin(struct world *world, char folder[PATH_ROOM], enum world_store kind)
{
    struct fault fault;
    folder_make(folder);
    random_seed(&world->random, 3);
    MUST_OK(world_open(world, folder, kind, 0, &fault), fault);
    world_people(world);
    world_project(world);
}

static struct rule rule_of(const struct world *world, int64_t limit)
{
    int64_t const start_us = world->clock.now_us / 86400000000 * 86400000000;
    return (struct rule){.counter = 77,
                         .kind = WINDOW_DAY,
                         .metric = METRIC_TOKENS,
                         .mode = WINDOW_SOFT,
                         .scope = SCOPE_PLAN,
                         .start_us = start_us,
                         .end_us = start_us + 86400000000,
                         .limit = limit,
                         .alerts = &terms};
}

/* A call of that many input tokens, a nano each. */
static struct hold *hold(struct world *world, const struct rules *rules, int64_t tokens)
{
    struct fault fault = {.code = ERR_OK};
    struct admission admission;
    struct hold *made;
    struct call_context const context = {
        .request_id = STR("r"), .user = STR("ana"), .started_us = world->clock.now_us};
    struct reservation want = {
        .id = ulid_make(&world->random, world->clock.now_us),
        .key = world->keys[0],
        .context = &context,
        .orphan_input = tokens,
        .choices = 1,
        .rules = rules,
        .deadline_us = world->clock.now_us + UNTIL_US * (int64_t)1000000,
    };
    price_init(&want.price);
    want.price.pico[POOL_INPUT] = want.price.pico[POOL_OUTPUT] = 1000;
    want.estimate.tokens[POOL_INPUT] = tokens;
    MUST_OK(book_reserve(world->book, &want, &made, &admission, &fault), fault);
    return made;
}

static void settle(struct world *world, struct hold *which, int64_t tokens)
{
    struct settled settled;
    struct settlement how = {.outcome = "ok", .http_status = 200, .attempts = 1};
    how.usage.source = USAGE_PROVIDER;
    how.usage.tokens[POOL_INPUT] = tokens;
    book_settle(world->book, which, &how, &settled);
    book_unref(which);
}

static void call(struct world *world, const struct rules *rules, int64_t tokens)
{
    settle(world, hold(world, rules, tokens), tokens);
}

static void end(struct world *world, const char *folder)
{
    world_close(world);
    folder_remove(folder);
}

/* --- limits ---------------------------------------------------------------------------------- */
static void limits(enum world_store kind)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    begin(&world, folder, kind);
    world_grant(&world, 0, 1000000, 0);
    struct rules rules = {.count = 2};
    rules.list[0] = rule_of(&world, 100);
    rules.list[0].counter = 78;
    rules.list[0].metric = METRIC_CONCURRENT; /* never used up: it is left out of the record */
    rules.list[1] = rule_of(&world, 100);
    struct hold *held = hold(&world, &rules, 90); /* what is held is not used */
    call(&world, &rules, 49);
    assert_told(&world, "");
    call(&world, &rules, 1);
    assert_told(&world, "limit daily 50 50/100;");
    settle(&world, held, 50);
    assert_told(&world, "limit daily 80,100 100/100;limit daily 50 50/100;");
    call(&world, &rules, 30);
    rules.list[1].limit = 200; /* raised: 80 and 100 percent are above what is used, 50 is not */
    call(&world, &rules, 29);
    call(&world, &rules, 41);
    assert_told(&world, "limit daily 80,100 200/200;limit daily 80,100 100/100;"
                        "limit daily 50 50/100;");
    rules.list[1].limit = 100; /* lowered: what is used already is not told */
    call(&world, &rules, 5);
    world.clock.now_us += 86400000000;
    rules.list[1] = rule_of(&world, 100); /* the next window tells anew */
    call(&world, &rules, 80);
    assert_told(&world, "limit daily 50,80 80/100;limit daily 80,100 200/200;"
                        "limit daily 80,100 100/100;limit daily 50 50/100;");
    end(&world, folder);
}

static void test_limits_sqlite(void **state)
{
    (void)state;
    limits(WORLD_SQLITE);
}

static void test_limits_memory(void **state)
{
    (void)state;
    limits(WORLD_MEMORY);
}

static void test_allowance_and_cap(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    static const struct alert_terms item = {STR_ROW("*"), {{80, 100}}};
    static const struct alert_terms cap = {STR_ROW("overage"), {{50}}};
    (void)state;
    begin(&world, folder, WORLD_MEMORY);
    struct rules rules = {.has_allowance = true, .overage = OVERAGE_BILL, .has_overage_cap = true};
    rules.allowance = rule_of(&world, 100);
    rules.allowance.alerts = &item;
    rules.overage_cap = rule_of(&world, 1000);
    rules.overage_cap.counter = 79;
    rules.overage_cap.metric = METRIC_COST;
    rules.overage_cap.alerts = &cap;
    call(&world, &rules, 79);
    assert_told(&world, "");
    call(&world, &rules, 521);
    assert_told(&world, "overage_cap overage 50 500/1000;allowance * 80,100 100/100;");
    end(&world, folder);
}

/* --- credit ---------------------------------------------------------------------------------- */
static void test_credit(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    (void)state;
    begin(&world, folder, WORLD_SQLITE);
    world_grant(&world, 0, 1000, 0);
    struct rules const rules = {.low_credit = 100};
    call(&world, &rules, 900);
    assert_told(&world, ""); /* 100 are left: not less than 100 */
    call(&world, &rules, 1);
    assert_told(&world, "low_credit   99/100;");
    call(&world, &rules, 1);
    world_grant(&world, 0, 11, 0); /* 109: more than the threshold, not by a tenth */
    call(&world, &rules, 20);
    assert_told(&world, "low_credit   99/100;");
    world_close(&world); /* what was told is in the database */
    struct fault fault;
    MUST_OK(world_open(&world, folder, WORLD_SQLITE, 0, &fault), fault);
    world_people(&world);
    world_project(&world);
    call(&world, &rules, 1);
    assert_told(&world, "low_credit   99/100;");
    world.serial = 1000;
    world_grant(&world, 0, 22, 0); /* 110 */
    call(&world, &rules, 11);
    assert_told(&world, "low_credit   99/100;low_credit   99/100;");
    call(&world, &rules, 99);
    assert_told(&world, "credit_exhausted   0/0;low_credit   99/100;low_credit   99/100;");
    end(&world, folder);
}

static void test_holds_tell_nothing_twice(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    (void)state;
    begin(&world, folder, WORLD_MEMORY);
    world_grant(&world, 0, 1000, 0);
    struct rules const rules = {.low_credit = 500};
    for (int i = 0; i < 5; i++) {
        struct hold *large = hold(&world, &rules, 600);
        call(&world, &rules, 1);
        book_release(world.book, large, "upstream_error", 502);
        book_unref(large);
        call(&world, &rules, 1);
    }
    assert_told(&world, "low_credit   399/500;");
    end(&world, folder);
}

static void test_debt_begins_once(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    (void)state;
    begin(&world, folder, WORLD_MEMORY);
    world_grant(&world, 0, 100, 0);
    struct rules const none = {0};
    settle(&world, hold(&world, &none, 100), 150); /* more than was held */
    assert_told(&world, "debt_begun   -50/0;credit_exhausted   -50/0;");
    world_grant(&world, 0, 60, 0);
    settle(&world, hold(&world, &none, 10), 11);
    assert_told(&world, "debt_begun   -1/0;credit_exhausted   -1/0;debt_begun   -50/0;"
                        "credit_exhausted   -50/0;");
    end(&world, folder);
}

/* --- crashes --------------------------------------------------------------------------------- */
/* The folder as it is when the process dies now; opened again. */
static void die_and_return(struct world *world, char folder[PATH_ROOM], enum world_store kind)
{
    char copy[PATH_ROOM];
    struct fault fault;
    folder_copy(folder, copy);
    end(world, folder);
    snprintf(folder, PATH_ROOM, "%s", copy);
    MUST_OK(world_open(world, folder, kind, 0, &fault), fault);
    world_people(world);
    world_project(world);
}

static void test_an_orphan_tells_what_it_reaches(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault = {.code = ERR_OK};
    (void)state;
    begin(&world, folder, WORLD_SQLITE);
    world_grant(&world, 0, 1000, 0);
    struct rules rules = {.count = 1, .low_credit = 950};
    rules.list[0] = rule_of(&world, 100);
    call(&world, &rules, 40);
    struct hold *orphan = hold(&world, &rules, 45); /* what it is told by is in its RESERVE */
    MUST_OK(book_dispatch(world.book, orphan, &fault), fault);
    char copy[PATH_ROOM];
    folder_copy(folder, copy);
    settle(&world, orphan, 45);
    assert_told(&world, "limit daily 50,80 85/100;low_credit   915/950;");
    end(&world, folder);
    MUST_OK(world_open(&world, copy, WORLD_SQLITE, 0, &fault), fault);
    world_people(&world);
    world_project(&world);
    assert_told(&world, "limit daily 50,80 85/100;low_credit   915/950;");
    for (int i = 0; i < 3; i++) { /* and no start tells it again */
        die_and_return(&world, copy, WORLD_SQLITE);
        assert_told(&world, "limit daily 50,80 85/100;low_credit   915/950;");
    }
    end(&world, copy);
}

static void test_once_whatever_is_projected(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    (void)state;
    begin(&world, folder, WORLD_SQLITE);
    world_grant(&world, 0, 1000000, 0);
    struct rules rules = {.count = 1};
    rules.list[0] = rule_of(&world, 100);
    for (int i = 0; i < 10; i++) { /* the copy may or may not have the rows already */
        call(&world, &rules, 10);
        if (i % 3 == 2)
            die_and_return(&world, folder, WORLD_SQLITE);
    }
    assert_told(&world, "limit daily 100 100/100;limit daily 80 80/100;limit daily 50 50/100;");
    end(&world, folder);
}

static bool take_id(void *owner, const struct alert_row *row)
{
    *(int64_t *)owner = row->id;
    return true;
}

static void test_acknowledged_once(void **state)
{
    char folder[PATH_ROOM];
    struct world world = {0};
    struct fault fault = {.code = ERR_OK};
    int64_t id = 0;
    (void)state;
    begin(&world, folder, WORLD_SQLITE);
    world_grant(&world, 0, 1000000, 0);
    struct rules rules = {.count = 1};
    rules.list[0] = rule_of(&world, 100);
    call(&world, &rules, 50);
    assert_told(&world, "limit daily 50 50/100;");
    struct alert_query const all = {.limit = 1};
    MUST_OK(world.store->ops->alert_list(world.store, &all, take_id, &id, &fault), fault);
    MUST_OK(book_alert_seen(world.book, id, STR("operator:ana"), &fault), fault);
    MUST_OK(book_alert_seen(world.book, id, STR("operator:eva"), &fault), fault);
    MUST_OK(book_alert_seen(world.book, id + 1, STR("operator:eva"), &fault), fault);
    die_and_return(&world, folder, WORLD_SQLITE);
    assert_told(&world, "limit daily 50 50/100 seen;");
    end(&world, folder);
}

/* --- lines that are damaged ------------------------------------------------------------------ */
static void test_damaged_lines_are_refused(void **state)
{
    unsigned char bytes[ALERT_LINES_BYTES_MAX];
    struct world world = {.clock.now_us = 1700000000000000};
    struct rules rules = {.count = 2, .low_credit = 5};
    (void)state;
    rules.list[0] = rule_of(&world, 100);
    rules.list[1] = rule_of(&world, 200);
    size_t const len = alert_lines_begin(&rules, false, bytes);
    assert_true(alert_lines_valid(str_make((char *)bytes, len), 2));
    assert_false(alert_lines_valid(str_make((char *)bytes, len), 1)); /* a line of no window */
    size_t whole = 0;
    for (size_t cut = 0; cut < len; cut++)
        whole += alert_lines_valid(str_make((char *)bytes, cut), 2);
    assert_int_equal(whole, 3); /* nothing at all, the head alone, one line */
    assert_int_equal(alert_lines_begin(&(struct rules){0}, false, bytes), 0);
    rules.low_credit = 0;
    rules.list[0].alerts = rules.list[1].alerts = NULL;
    assert_int_equal(alert_lines_begin(&rules, false, bytes), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_sqlite),
        cmocka_unit_test(test_limits_memory),
        cmocka_unit_test(test_allowance_and_cap),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_holds_tell_nothing_twice),
        cmocka_unit_test(test_debt_begins_once),
        cmocka_unit_test(test_an_orphan_tells_what_it_reaches),
        cmocka_unit_test(test_once_whatever_is_projected),
        cmocka_unit_test(test_acknowledged_once),
        cmocka_unit_test(test_damaged_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
