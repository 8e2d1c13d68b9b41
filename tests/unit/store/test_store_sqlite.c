/* test_store_sqlite.c - the SQLite backend keeps the contract of store.h, and what is its own: file
 * modes, migrations, foreign and newer files, a second process, the size of the log. */
#include "../../contract/store_contract.c"
#include "store/sqlite/sqlite_int.h"
#include <sys/stat.h>
#include <sys/wait.h>

static char folder[64], file[96];

static void file_remove(void)
{
    static const char *const endings[] = {
        "", "-wal", "-shm", ".lock", ".before-schema-2", ".before-schema-4", ".trail"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", file, endings[i]);
        unlink(name);
    }
}

static struct store *open_again(void)
{
    struct store *opened;
    fault = (struct fault){.code = ERR_OK};
    if (store_sqlite_open(str_of(file), &opened, &fault) != ERR_OK)
        fail_msg("open: %s", fault.detail);
    return opened;
}

static struct store *open_fresh(void)
{
    file_remove();
    return open_again();
}

static unsigned mode_of(const char *ending)
{
    char name[128];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", file, ending);
    assert_int_equal(stat(name, &status), 0);
    return status.st_mode & 0777;
}

static int64_t number_of(const char *sql)
{
    sqlite3 *connection;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(file, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t const number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(connection);
    return number;
}

static void run_sql(const char *sql)
{
    sqlite3 *connection;
    assert_int_equal(sqlite3_open(file, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(connection);
}

static void refused(const char *says)
{
    struct store *opened;
    fault = (struct fault){.code = ERR_OK};
    assert_int_equal(store_sqlite_open(str_of(file), &opened, &fault), ERR_STORE_FAILED);
    assert_null(opened);
    if (strstr(fault.detail, says) == NULL)
        fail_msg("%s, not %s", fault.detail, says);
}

static void test_files_are_private(void **state)
{
    (void)state;
    store = open_fresh();
    begin();
    commit(1, 2);
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0600);
    assert_int_equal(mode_of("-shm"), 0600);
    store->ops->close(store);
}

static void test_files_that_are_refused(void **state)
{
    (void)state;
    file_remove();
    run_sql("CREATE TABLE somebody (elses TEXT)");
    refused("not a Cota database");
    store = open_fresh();
    store->ops->close(store);
    run_sql("UPDATE meta SET value = 99 WHERE name = 'schema_version'");
    refused("newer");
    file_remove();
    FILE *text = fopen(file, "w");
    assert_non_null(text);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database, is it?", text);
    fclose(text);
    refused("not a database");
    file_remove();
    assert_int_equal(mkdir(file, 0700), 0);
    refused("database");
    rmdir(file);
}

static void test_one_writing_process(void **state)
{
    (void)state;
    store = open_fresh();
    pid_t const child = fork();
    if (child == 0) {
        struct store *second;
        struct fault own = {.code = ERR_OK};
        enum err const err = store_sqlite_open(str_of(file), &second, &own);
        _exit(err == ERR_STORE_FAILED && strstr(own.detail, "another process") != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store->ops->close(store);
    store = open_again();
    store->ops->close(store);
}

/* A database of version 1 with rows becomes today's; a copy of before stays beside it. */
static void test_migration(void **state)
{
    (void)state;
    sqlite3 *connection;
    file_remove();
    run_sql("PRAGMA application_id = 1129272385; PRAGMA journal_mode = WAL");
    assert_int_equal(sqlite3_open(file, &connection), SQLITE_OK);
    OK(schema_migrate(connection, file, 1, &fault));
    sqlite3_close(connection);
    run_sql("INSERT INTO ledger_txn VALUES (1, 'grant', 't', 's', 'USD', 5);"
            "INSERT INTO ledger_entry VALUES (1, 0, 'credit', 'a', NULL, 77), (1, 1, 'cash', NULL,"
            " NULL, -77);"
            "INSERT INTO usage_bucket VALUES (0, 'a', 'k', 'p', 'm', 1, 0, 5, 70, 60, 0, 0, 0, 0,"
            " 0, 0, 0, 0, 0, 0)");
    assert_int_equal(number_of("SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), 0);
    store = open_again();
    assert_int_equal(ledger_sum("a", "credit"), 77);
    store->ops->close(store);
    assert_int_equal(number_of("SELECT count(*) FROM ledger"), 2); /* a view of step 2 */
    assert_int_equal(number_of("SELECT count(*) FROM reservation"), 0);
    assert_int_equal(number_of("SELECT count(*) FROM balance"), 0);
    /* before there were markups what it cost was what was charged */
    assert_int_equal(number_of("SELECT charge_nano FROM usage_bucket"), 70);
    assert_int_equal(mode_of(".before-schema-2"), 0600);
    char backup[128];
    snprintf(backup, sizeof backup, "%s.before-schema-2", file);
    assert_int_equal(rename(backup, file), 0);
    assert_int_equal(number_of("SELECT amount_nano FROM ledger_entry WHERE number = 0"), 77);
    assert_int_equal(number_of("SELECT value FROM meta WHERE name = 'schema_version'"), 1);
}

/* The trail of today is that of version 3: its rows are made by today's code and moved over. */
static void make_version_3(void)
{
    sqlite3 *connection;
    char trail[128], attach[256];
    store = open_fresh();
    audit_fill(5, 0, 0);
    store->ops->close(store);
    snprintf(trail, sizeof trail, "%s.trail", file);
    assert_int_equal(rename(file, trail), 0);
    run_sql("PRAGMA application_id = 1129272385; PRAGMA journal_mode = WAL");
    assert_int_equal(sqlite3_open(file, &connection), SQLITE_OK);
    OK(schema_migrate(connection, file, 3, &fault));
    snprintf(attach, sizeof attach, "ATTACH '%s' AS filled", trail);
    assert_int_equal(sqlite3_exec(connection, attach, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(connection, "INSERT INTO audit SELECT * FROM filled.audit", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(connection);
    run_sql(
        "UPDATE meta SET value = 41 WHERE name = 'applied_lsn';"
        "UPDATE meta SET value = 40 WHERE name = 'recover_lsn';"
        "INSERT INTO customer VALUES ('acme', 'USD', 1, 0, 1, 17, 5, 6, 7, 8, 9);"
        "INSERT INTO api_key VALUES ('k1', 'acme', 'main', 'ck_', zeroblob(32), 0, 1, 17, 99, 60,"
        " 0, 5);"
        "INSERT INTO credit_grant VALUES ('g1', 'acme', 'paid', 'stripe', 'pi_1', 100, 30, 3, 17,"
        " 4102444800000000, 17, 0);"
        "INSERT INTO counter VALUES ('acme', 'total/debt', 3, 0);"
        "INSERT INTO hold VALUES ('h1', 'acme', 99, x'0102');"
        "INSERT INTO usage (lsn, request_id, hold_id, customer_id, key_id, model, provider,"
        " outcome, input_tokens, output_tokens, cost_nano, charged_nano, covered_nano,"
        " overage_nano, debt_nano, finished_us, ledger_txn) VALUES"
        " (40, 'r1', 'h0', 'acme', 'k1', 'm', 'p', 'ok', 10, 20, 70, 70, 0, 0, 0, 18, 40);"
        "INSERT INTO usage_bucket VALUES (0, 'acme', 'k1', 'p', 'm', 1, 0, 5, 70, 70, 10, 0, 0, 0,"
        " 20, 0, 0, 0, 0, 0);"
        "INSERT INTO ledger_txn VALUES (1, 'grant', 'stripe', 'pi_1', 'USD', 5),"
        " (40, 'usage', 'batch', '40', 'USD', 18);"
        "INSERT INTO ledger_entry VALUES (1, 0, 'credit', 'acme', 'g1', 100),"
        " (1, 1, 'cash', NULL, NULL, -100), (40, 0, 'credit', 'acme', 'g1', -70),"
        " (40, 1, 'revenue', NULL, NULL, 70);"
        "INSERT INTO idempotency VALUES ('acme', zeroblob(32), zeroblob(32), 200, 'text/plain', '',"
        " 'hi', 17, 4102444800000000);"
        "INSERT INTO object VALUES"
        " ('plan', 'pro', '', 2, 1, 17, 18, '{\"name\":{\"en\":\"Pro\"}}'),"
        " ('override', 'o', 'acme', 1, 0, 17, 17, '{\"scope_id\":\"acme\",\"expires_at\":null}'),"
        " ('profile', 'acme', 'acme', 1, 1, 17, 17, '{\"external_id\":\"x-7\"}'),"
        " ('profile', 'other', 'other', 1, 1, 17, 17, '{\"external_id\":\"x-8\"}')");
}

static bool check_old_key(void *owner, const struct key_row *row)
{
    assert_int_equal(row->old_until_us, 0); /* its secret was never changed */
    return print_key(owner, row);
}

static bool check_old_grant(void *owner, const struct grant_row *row)
{
    assert_true(str_empty(row->features)); /* it pays for all */
    return print_grant(owner, row);
}

static bool check_old_usage(void *owner, const struct usage_row *row)
{
    assert_false(row->own_key);
    assert_int_equal(row->list.nano, 0);
    assert_true(str_empty(row->decision));
    return LINE(owner, "%lld %.*s %.*s %lld %lld\n", (long long)row->lsn, STR_ARG(row->request_id),
                STR_ARG(row->outcome), (long long)row->cost.nano, (long long)row->charged.nano);
}

static bool check_old_bucket(void *owner, const struct bucket_row *row)
{
    return LINE(owner, "%lld %lld %lld\n", (long long)row->requests, (long long)row->cost.nano,
                (long long)row->charge.nano); /* no markups then: it was charged what it cost */
}

static bool check_no_alert(void *owner, const struct alert_row *row)
{
    (void)owner;
    fail_msg("alert %lld", (long long)row->id);
    return true;
}

static void migrated_rows_read_back(void)
{
    struct text text = {.rows = 0}, found = {.rows = 0}, ids = {.rows = 0};
    struct store_position position;
    bool there = false;
    struct usage_query const usage = {.limit = 9};
    struct bucket_query const buckets = {.customer_id = STR("acme")};
    struct alert_query const alerts = {.limit = 9};
    struct object_query const by_member = {.kind = STR("profile"),
                                           .filters = {{STR("external_id"), STR("x-8")}},
                                           .filter_count = 1,
                                           .limit = 9};
    OK(store->ops->position(store, &position, &fault));
    assert_int_equal(position.applied_lsn, 41);
    assert_int_equal(position.recover_lsn, 40);
    OK(store->ops->customers(store, print_customer, &text, &fault));
    OK(store->ops->keys(store, check_old_key, &text, &fault));
    OK(store->ops->grants(store, check_old_grant, &text, &fault));
    OK(store->ops->counters(store, print_counter, &text, &fault));
    OK(store->ops->holds(store, print_hold, &text, &fault));
    OK(store->ops->usage(store, &usage, check_old_usage, &text, &fault));
    OK(store->ops->buckets(store, &buckets, check_old_bucket, &text, &fault));
    assert_string_equal(text.bytes, "acme USD 1 0 1 17 5 6 7 8 9\n"
                                    "k1 acme main ck_ 00 0 1 99 60 5\n"
                                    "g1 acme paid stripe pi_1 100 30 3 0\n"
                                    "acme total/debt 3 0\n"
                                    "h1 acme 99 2\n"
                                    "40 r1 ok 70 70\n"
                                    "1 70 70\n");
    OK(store->ops->objects(store, STR(""), print_object_id, &ids, &fault));
    assert_string_equal(ids.bytes, "o pro acme other ");
    OK(store->ops->object_list(store, &by_member, print_object_id, &found, &fault));
    assert_string_equal(found.bytes, "other ");
    OK(store->ops->object_get(store, STR("plan"), STR("pro"), print_object_id, &found, &there,
                              &fault));
    assert_true(there);
    OK(store->ops->alert_list(store, &alerts, check_no_alert, NULL, &fault));
    OK(store->ops->audit_verify(store, NULL, NULL, &fault));
    OK(store->ops->audit(store, &fault));
    assert_int_equal(ledger_sum("acme", "credit"), 30);
}

/* A database of version 3, from before alerts, own keys and endings, with a row in each table. */
static void test_migration_of_version_3(void **state)
{
    (void)state;
    make_version_3();
    for (int round = 0; round < 2; round++) { /* migrated, and then as it is */
        store = open_again();
        migrated_rows_read_back();
        store->ops->close(store);
        assert_int_equal(number_of("SELECT value FROM meta WHERE name = 'schema_version'"),
                         schema_version_latest());
        assert_int_equal(mode_of(".before-schema-4"), 0600);
    }
    store = open_again(); /* and it goes on */
    struct usage_row row = usage_make(42, "acme", "r2");
    row.own_key = true;
    begin();
    OK(store->ops->usage_add(store, &row, &fault));
    OK(store->ops->grant_left(store, STR("g1"), (struct money){20}, -1, &fault));
    commit(42, 43);
    store->ops->close(store);
    assert_int_equal(number_of("SELECT count(*) FROM usage"), 2);
    assert_int_equal(number_of("SELECT own_key FROM usage WHERE lsn = 42"), 1);
    file_remove();
}

static void verify_says(const char *says)
{
    fault = (struct fault){.code = ERR_OK};
    store = open_again();
    enum err const err = store->ops->audit_verify(store, NULL, NULL, &fault);
    assert_int_equal(err, says != NULL ? ERR_CORRUPT : ERR_OK);
    if (says != NULL && strstr(fault.detail, says) == NULL)
        fail_msg("%s, not %s", fault.detail, says);
    store->ops->close(store);
}

/* Whoever edits the file, in whatever column, is found out. */
static void test_tampering_with_the_trail(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *says;
    } rows[] = {
        {"UPDATE audit SET actor = 'nobody' WHERE seq = 3", "entry 3 is not"},
        {"UPDATE audit SET at_us = at_us + 1 WHERE seq = 2", "entry 2 is not"},
        {"UPDATE audit SET action = 'create' WHERE seq = 5", "entry 5 is not"},
        {"UPDATE audit SET \"before\" = '{ }' WHERE seq = 4", "entry 4 is not"},
        {"UPDATE audit SET \"after\" = '{}' WHERE seq = 4", "entry 4 is not"},
        {"UPDATE audit SET kind = kind || 'p', object_id = '' WHERE seq = 1", "entry 1 is not"},
        {"UPDATE audit SET hash = zeroblob(32) WHERE seq = 1", "entry 1 is not"},
        {"UPDATE audit SET hash = x'00' WHERE seq = 5", "entry 5 is not"},
        {"DELETE FROM audit WHERE seq = 2", "entry 2 is missing"},
        {"DELETE FROM audit WHERE seq = 2; UPDATE audit SET seq = seq - 1 WHERE seq > 2",
         "entry 2 is not"},
        {"SELECT 1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store = open_fresh();
        audit_fill(5, 0, 0);
        store->ops->close(store);
        run_sql(rows[i].sql);
        verify_says(rows[i].says);
    }
}

/* Each view is there, and shows what people look for. */
static void test_views_of_documents(void **state)
{
    (void)state;
    static const char *const views[] = {
        "feature",
        "provider",
        "model",
        "price",
        "plan",
        "plan_version",
        "feature_provider",
        "matrix_cell",
        "customer_group",
        "group_member",
        "override",
        "limit_rule",
        "customer_profile",
        "customer_user",
        "subscription",
        "license",
        "key_rules",
        "markup",
        "audit_trail",
    };
    char sql[128];
    store = open_fresh();
    begin();
    object_store("plan", "pro", "", 5, "{\"name\":{\"pt\":\"Profissional\"},\"price\":\"29.00\"}");
    object_store("subscription", "s", "acme", 5, "{\"status\":\"active\"}");
    object_store("group", "g", "", 5, "{\"priority\":7}");
    commit(1, 2);
    audit_fill(3, 0, 0);
    store->ops->close(store);
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT * FROM %s)", views[i]);
        assert_true(number_of(sql) >= 0);
    }
    assert_int_equal(number_of("SELECT count(*) FROM plan WHERE id = 'pro' AND price = '29.00'"
                               " AND name_pt = 'Profissional'"),
                     1);
    assert_int_equal(number_of("SELECT count(*) FROM subscription WHERE customer_id = 'acme'"
                               " AND status = 'active'"),
                     1);
    assert_int_equal(number_of("SELECT priority FROM customer_group"), 7);
    assert_int_equal(number_of("SELECT count(*) FROM audit_trail WHERE actor = 'token'"), 2);
}

static bool last_user(void *owner, const struct object_row *row)
{
    snprintf(owner, 32, "%.*s", STR_ARG(row->id));
    return true;
}

/* A page is a range of an index: it costs what it shows, however many rows there are. */
static void test_pages_use_the_index(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *index;
    } rows[] = {
        {"kind = 'user' AND id > 'u' ORDER BY id", "PRIMARY KEY"},
        {"kind = 'user' AND id < 'u' ORDER BY id DESC", "PRIMARY KEY"},
        {"kind = 'user' AND customer_id = 'a' AND id > 'u' ORDER BY id", "object_by_customer"},
        {"kind = 'user' AND (updated_us, id) > (5, 'u') ORDER BY updated_us, id",
         "object_by_update"},
        {"kind = 'user' AND (updated_us, id) < (5, 'u') ORDER BY updated_us DESC, id DESC",
         "object_by_update"},
    };
    enum { USERS = 20000, PAGE = 50 };
    store = open_fresh();
    begin();
    for (int i = 0; i < USERS; i++) {
        char id[32];
        snprintf(id, sizeof id, "user-%07d", i);
        object_store("user", id, i % 2 == 0 ? "a" : "b", i, "{\"name\":\"somebody\"}");
    }
    commit(1, 2);
    char after[32] = "";
    size_t pages = 0;
    for (;;) {
        char seen[32] = "";
        struct object_query const query = {
            .kind = STR("user"), .after = str_of(after), .limit = PAGE};
        OK(store->ops->object_list(store, &query, last_user, seen, &fault));
        if (seen[0] == 0)
            break;
        snprintf(after, sizeof after, "%s", seen);
        pages++;
    }
    assert_int_equal(pages, USERS / PAGE);
    store->ops->close(store);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sqlite3 *connection;
        sqlite3_stmt *statement;
        char sql[256];
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN SELECT text FROM object WHERE %s LIMIT 9",
                 rows[i].sql);
        assert_int_equal(sqlite3_open(file, &connection), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        const char *says = (const char *)sqlite3_column_text(statement, 3);
        if (strstr(says, "SEARCH") == NULL || strstr(says, rows[i].index) == NULL)
            fail_msg("%s: %s", rows[i].sql, says);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE); /* no sorting */
        sqlite3_finalize(statement);
        sqlite3_close(connection);
    }
}

/* The log is folded back by the writer when it is large, and does not grow for ever. */
static void test_the_log_stays_small(void **state)
{
    (void)state;
    char name[128];
    struct stat status;
    store = open_fresh();
    for (uint64_t batch = 0; batch < 60; batch++) {
        begin();
        for (uint64_t i = 1; i <= 2000; i++) {
            char request[24];
            snprintf(request, sizeof request, "request-%llu", (unsigned long long)i);
            struct usage_row const row = usage_make(batch * 2000 + i, "a", request);
            OK(store->ops->usage_add(store, &row, &fault));
        }
        commit(batch * 2000 + 2000, batch * 2000 + 2001);
    }
    snprintf(name, sizeof name, "%s-wal", file);
    assert_int_equal(stat(name, &status), 0);
    assert_true(status.st_size < 2 * WAL_PAGES_CHECKPOINT * 4096);
    store->ops->close(store);
    assert_true(stat(name, &status) != 0); /* a clean end leaves one file */
}

int main(void)
{
    struct store_contract const doors = {.open_fresh = open_fresh, .open_again = open_again};
    snprintf(folder, sizeof folder, "%s/cota-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(file, sizeof file, "%s/cota.db", folder);
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_files_are_private),
        cmocka_unit_test(test_files_that_are_refused),
        cmocka_unit_test(test_one_writing_process),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_migration_of_version_3),
        cmocka_unit_test(test_the_log_stays_small),
        cmocka_unit_test(test_tampering_with_the_trail),
        cmocka_unit_test(test_views_of_documents),
        cmocka_unit_test(test_pages_use_the_index),
    };
    int const failed = store_contract_run(&doors) + cmocka_run_group_tests(own, NULL, NULL);
    file_remove();
    rmdir(folder);
    return failed;
}
