/* store_contract_money.c - the part of the contract about usage, buckets, ledger and audit;
 * included by store_contract.c, whose helpers it uses. */

/* --- usage --- */

static bool print_usage(void *owner, const struct usage_row *row)
{
    return LINE(owner, "%llu ", (unsigned long long)row->lsn);
}

static bool check_usage(void *owner, const struct usage_row *row)
{
    struct usage_row const wanted = usage_make(row->lsn, "a", "r7");
    assert_int_equal(row->lsn, 7);
    assert_true(str_eq(row->request_id, wanted.request_id) && str_eq(row->user, wanted.user) &&
                str_eq(row->hold_id, wanted.hold_id) && str_eq(row->feature, wanted.feature) &&
                str_eq(row->model, wanted.model) && str_eq(row->outcome, wanted.outcome) &&
                str_empty(row->profile) && str_empty(row->upstream_model));
    assert_memory_equal(row->usage.tokens, wanted.usage.tokens, sizeof wanted.usage.tokens);
    assert_int_equal(row->usage.source, USAGE_PROVIDER);
    assert_true(!row->stream && !row->late);
    assert_int_equal(row->attempts, 2);
    assert_int_equal(row->price_version, 3);
    assert_int_equal(row->charged.nano, 70);
    assert_int_equal(row->finished_us, 7500);
    ++*(int *)owner;
    return true;
}

/* Rows 1 to 10: the first eight are a's, the others b's. */
static void usage_fill(void)
{
    for (uint64_t lsn = 1; lsn <= 10; lsn++) {
        char request[8];
        snprintf(request, sizeof request, "r%llu", (unsigned long long)lsn);
        struct usage_row const row = usage_make(lsn, lsn <= 8 ? "a" : "b", request);
        OK(store->ops->usage_add(store, &row, &fault));
    }
}

static void test_usage_queries(void **state)
{
    (void)state;
    struct usage_row const far = usage_make(5000000, "a", "far");
    begin();
    usage_fill();
    OK(store->ops->usage_add(store, &far, &fault));
    assert_int_equal(store->ops->usage_add(store, &far, &fault), ERR_STORE_FAILED); /* twice */
    store->ops->rollback(store);
    fault.code = ERR_OK;
    begin();
    usage_fill();
    commit(10, 11);
    begin();
    OK(store->ops->usage_add(store, &far, &fault));
    commit(5000000, 5000001);
    static const struct {
        const char *what;
        struct usage_query query;
        const char *lsns;
    } rows[] = {
        {"everything, newest first", {.limit = 0}, "5000000 10 9 8 7 6 5 4 3 2 1 "},
        {"a page", {.limit = 3}, "5000000 10 9 "},
        {"the next page", {.limit = 3, .before_lsn = 9}, "8 7 6 "},
        {"oldest first", {.limit = 2, .oldest_first = true}, "1 2 "},
        {"one customer", {.customer_id = STR_ROW("b")}, "10 9 "},
        {"one customer, a page",
         {.customer_id = STR_ROW("a"), .limit = 2, .before_lsn = 5000000},
         "8 7 "},
        {"one customer, oldest first",
         {.customer_id = STR_ROW("a"), .limit = 2, .oldest_first = true},
         "1 2 "},
        {"a customer without calls", {.customer_id = STR_ROW("c")}, ""},
        {"a request", {.request_id = STR_ROW("r3")}, "3 "},
        {"a request far away", {.request_id = STR_ROW("far")}, "5000000 "},
        {"a request of another customer",
         {.request_id = STR_ROW("r3"), .customer_id = STR_ROW("b")},
         ""},
        {"a model and a key",
         {.model = STR_ROW("odd"), .key_id = STR_ROW("01KEY"), .limit = 2},
         "9 7 "},
        {"another provider", {.provider = STR_ROW("down")}, ""},
        {"a time span, half open", {.since_us = 3500, .until_us = 6500}, "5 4 3 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text text = {.rows = 0};
        OK(store->ops->usage(store, &rows[i].query, print_usage, &text, &fault));
        if (strcmp(text.bytes, rows[i].lsns) != 0)
            fail_msg("%s: %s, not %s", rows[i].what, text.bytes, rows[i].lsns);
    }
    int checked = 0;
    struct usage_query const one = {.request_id = STR("r7")};
    OK(store->ops->usage(store, &one, check_usage, &checked, &fault));
    assert_int_equal(checked, 1);
}

static bool print_bucket(void *owner, const struct bucket_row *row)
{
    assert_int_equal(row->charge.nano, 3 * row->charged.nano);
    return LINE(owner, "%lld %.*s %.*s %.*s %lld %lld %lld %lld %lld %lld\n",
                (long long)row->start_us, STR_ARG(row->customer_id), STR_ARG(row->key_id),
                STR_ARG(row->model), (long long)row->requests, (long long)row->failures,
                (long long)row->tokens[POOL_OUTPUT], (long long)row->latency_us,
                (long long)row->cost.nano, (long long)row->charged.nano);
}

static void test_buckets_sum_up(void **state)
{
    (void)state;
    struct text all = {.rows = 0}, some = {.rows = 0};
    struct bucket_row row = {.start_us = 900000000,
                             .customer_id = STR("a"),
                             .key_id = STR("k"),
                             .provider = STR("up"),
                             .model = STR("m"),
                             .requests = 2,
                             .failures = 1,
                             .latency_us = 10,
                             .cost = {5},
                             .charged = {4},
                             .charge = {12}};
    row.tokens[POOL_OUTPUT] = 7;
    for (uint64_t i = 1; i <= 2; i++) {
        begin();
        OK(store->ops->bucket_add(store, &row, &fault));
        OK(store->ops->bucket_add(store, &row, &fault));
        commit(i, i + 1);
    }
    begin();
    row.start_us = 1800000000;
    row.key_id = STR("");
    OK(store->ops->bucket_add(store, &row, &fault));
    commit(3, 4);
    struct bucket_query const everything = {.since_us = 0};
    struct bucket_query const window = {
        .customer_id = STR("a"), .key_id = STR("k"), .until_us = 1800000000};
    OK(store->ops->buckets(store, &everything, print_bucket, &all, &fault));
    assert_string_equal(all.bytes, "900000000 a k m 8 4 28 40 20 16\n"
                                   "1800000000 a  m 2 1 7 10 5 4\n");
    OK(store->ops->buckets(store, &window, print_bucket, &some, &fault));
    assert_int_equal(some.rows, 1);
}

/* --- ledger and audit --- */

static void test_ledger(void **state)
{
    (void)state;
    struct ledger_entry_row const lopsided[] = {{.account = STR("credit"), .amount = {1}}};
    struct ledger_entry_row const beyond[] = {{.account = STR("a"), .amount = {INT64_MAX}},
                                              {.account = STR("b"), .amount = {INT64_MAX}}};
    struct ledger_txn_row txn = {.id = 9,
                                 .kind = STR("x"),
                                 .source_type = STR("y"),
                                 .source_id = STR("z"),
                                 .currency = STR("USD"),
                                 .entry_count = 1,
                                 .entries = lopsided};
    begin();
    assert_int_equal(store->ops->ledger_add(store, &txn, &fault), ERR_STORE_FAILED);
    assert_non_null(strstr(fault.detail, "sum to zero"));
    txn.entries = beyond;
    txn.entry_count = 2;
    assert_int_equal(store->ops->ledger_add(store, &txn, &fault), ERR_STORE_FAILED);
    ledger_put(1, "a", 50, "s1");
    ledger_put(2, "a", -20, "s2");
    ledger_put(3, "b", 7, "s3");
    commit(3, 4);
    assert_int_equal(ledger_sum("a", "credit"), 30);
    assert_int_equal(ledger_sum("b", "credit"), 7);
    assert_int_equal(ledger_sum("", "cash"), -37);
    assert_int_equal(ledger_sum("a", "cash"), 0);
    begin(); /* one transaction per source, for ever */
    txn.id = 10;
    txn.kind = STR("grant");
    txn.source_type = STR("test");
    txn.source_id = STR("s1");
    txn.entry_count = 0;
    assert_int_equal(store->ops->ledger_add(store, &txn, &fault), ERR_STORE_FAILED);
    store->ops->rollback(store);
}

/* A small, correct set of books; each row of the test breaks one thing. */
enum damage { NOTHING, GRANT_LEFT, BUCKET, CHARGE, NO_TXN, BELOW_ZERO, BUCKET_CHARGE };

static void books_make(enum damage damage)
{
    struct customer_row const customer = customer_make("a");
    struct grant_row const grant = {.id = STR("01GRANT"),
                                    .customer_id = STR("a"),
                                    .amount = {100},
                                    .remaining = {damage == GRANT_LEFT ? 31 : 30}};
    struct usage_row row = usage_make(7, "a", "r");
    row.cost.nano = 55; /* what the provider asks: with a markup, not what is charged */
    row.charged.nano = damage == CHARGE ? 69 : 70;
    row.covered.nano = damage == BELOW_ZERO ? -1 : 5;
    row.ledger_txn = damage == NO_TXN ? 0 : 7;
    memset(row.usage.tokens, 0, sizeof row.usage.tokens);
    struct bucket_row bucket = {.customer_id = STR("a"),
                                .key_id = STR("01KEY"),
                                .provider = STR("up"),
                                .model = STR("odd"),
                                .requests = damage == BUCKET ? 2 : 1,
                                .cost = row.cost,
                                .charged = row.charged,
                                .charge = usage_row_charge(&row)};
    bucket.charge.nano += damage == BUCKET_CHARGE;
    struct ledger_entry_row const entries[] = {
        {.account = STR("credit"), .customer_id = STR("a"), .amount = {-70}},
        {.account = STR("revenue"), .amount = {70}},
    };
    struct ledger_txn_row const txn = {.id = 7,
                                       .kind = STR("usage"),
                                       .source_type = STR("lsn"),
                                       .source_id = STR("7-7"),
                                       .currency = STR("USD"),
                                       .entry_count = 2,
                                       .entries = entries};
    begin();
    OK(store->ops->customer_put(store, &customer, &fault));
    OK(store->ops->grant_put(store, &grant, &fault));
    ledger_put(1, "a", 100, "s1");
    OK(store->ops->usage_add(store, &row, &fault));
    OK(store->ops->bucket_add(store, &bucket, &fault));
    OK(store->ops->ledger_add(store, &txn, &fault));
    commit(7, 8);
}

static void test_audit_finds_each_damage(void **state)
{
    static const struct {
        enum damage damage;
        const char *says;
    } rows[] = {
        {NOTHING, NULL},
        {GRANT_LEFT, "what the grants have left: a"},
        {BUCKET, "buckets differ"},
        {CHARGE, "differ from their ledger transaction: 7"},
        {NO_TXN, "without a ledger transaction: 7"},
        {BELOW_ZERO, "an amount below zero: 7"},
        {BUCKET_CHARGE, "buckets differ"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store->ops->close(store);
        store = contract->open_fresh();
        assert_non_null(store);
        books_make(rows[i].damage);
        fault = (struct fault){.code = ERR_OK};
        enum err const err = store->ops->audit(store, &fault);
        assert_int_equal(err, rows[i].says != NULL ? ERR_CORRUPT : ERR_OK);
        if (rows[i].says != NULL && strstr(fault.detail, rows[i].says) == NULL)
            fail_msg("%s, not %s", fault.detail, rows[i].says);
    }
}
