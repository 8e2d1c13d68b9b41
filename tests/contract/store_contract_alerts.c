/* store_contract_alerts.c - the part of the contract about alerts; included by store_contract.c,
 * whose helpers it uses. */

static bool print_alert(void *owner, const struct alert_row *row)
{
    return LINE(owner, "%lld ", (long long)row->id);
}

static bool print_whole_alert(void *owner, const struct alert_row *row)
{
    return LINE(owner,
                "%lld %lld %.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s %lld %lld %.*s %lld"
                " %lld %.*s %lld %.*s",
                (long long)row->id, (long long)row->at_us, STR_ARG(row->kind),
                STR_ARG(row->severity), STR_ARG(row->customer_id), STR_ARG(row->scope),
                STR_ARG(row->key_id), STR_ARG(row->user), STR_ARG(row->feature),
                STR_ARG(row->subject), STR_ARG(row->metric), STR_ARG(row->window),
                (long long)row->start_us, (long long)row->end_us, STR_ARG(row->percents),
                (long long)row->used, (long long)row->limit, STR_ARG(row->request_id),
                (long long)row->acknowledged_us, STR_ARG(row->acknowledged_by));
}

static struct alert_row alert_make(int64_t id)
{
    return (struct alert_row){.id = id,
                              .at_us = 10 * id,
                              .kind = id % 2 == 0 ? STR("limit") : STR("low_credit"),
                              .severity = STR("warning"),
                              .customer_id = id > 3 ? STR("acme") : STR("other"),
                              .scope = STR("plan"),
                              .key_id = STR("k"),
                              .user = STR("ana"),
                              .feature = STR("chat"),
                              .subject = STR("daily"),
                              .metric = STR("tokens"),
                              .window = STR("day"),
                              .start_us = 1,
                              .end_us = INT64_MAX,
                              .percents = STR("80,100"),
                              .used = -5,
                              .limit = 100,
                              .request_id = STR("r")};
}

static void test_alerts(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct alert_query query;
        const char *ids;
    } rows[] = {
        {"all, newest first", {.limit = 0}, "6 5 4 3 2 1 "},
        {"a page", {.limit = 2}, "6 5 "},
        {"the next page", {.limit = 2, .before = 5}, "4 3 "},
        {"of a customer", {.customer_id = STR_ROW("other")}, "3 2 1 "},
        {"of a kind", {.kind = STR_ROW("limit")}, "6 4 2 "},
        {"since", {.since_us = 40}, "6 5 4 "},
        {"one", {.id = 4}, "4 "},
        {"one of another customer", {.id = 4, .customer_id = STR_ROW("other")}, ""},
        {"acknowledged", {.acknowledged = 1}, "5 2 "},
        {"not acknowledged", {.acknowledged = -1}, "6 4 3 1 "},
    };
    begin();
    for (int64_t id = 1; id <= 6; id++) {
        struct alert_row const row = alert_make(id);
        OK(store->ops->alert_put(store, &row, &fault));
    }
    struct alert_row again = alert_make(6);
    again.kind = STR("told twice");
    OK(store->ops->alert_put(store, &again, &fault));
    OK(store->ops->alert_seen(store, 2, 77, STR("eva"), &fault));
    OK(store->ops->alert_seen(store, 2, 78, STR("ivo"), &fault));
    OK(store->ops->alert_seen(store, 5, 79, STR("ivo"), &fault));
    OK(store->ops->alert_seen(store, 99, 79, STR("ivo"), &fault));
    commit(1, 2);
    begin(); /* what is rolled back was never there */
    OK(store->ops->alert_seen(store, 6, 80, STR("ivo"), &fault));
    again.id = 7;
    OK(store->ops->alert_put(store, &again, &fault));
    store->ops->rollback(store);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text text = {.rows = 0};
        OK(store->ops->alert_list(store, &rows[i].query, print_alert, &text, &fault));
        if (strcmp(text.bytes, rows[i].ids) != 0)
            fail_msg("%s: %s, not %s", rows[i].what, text.bytes, rows[i].ids);
    }
    struct text whole = {.rows = 0};
    struct alert_query const two = {.id = 2};
    OK(store->ops->alert_list(store, &two, print_whole_alert, &whole, &fault));
    assert_string_equal(whole.bytes, "2 20 limit warning other plan k ana chat daily tokens day 1"
                                     " 9223372036854775807 80,100 -5 100 r 77 eva");
}

static bool keep_basis(void *owner, const struct basis_row *row)
{
    struct text *text = owner;
    text->rows++;
    snprintf(text->bytes, sizeof text->bytes, "%.*s", STR_ARG(row->text));
    return true;
}

/* Told once; told again, the first stays; unknown is no error. */
static void test_bases(void **state)
{
    (void)state;
    struct text text = {.rows = 0};
    struct basis_row const first = {UINT64_MAX, STR("{\"plan\":\"pro\"}")};
    struct basis_row const again = {UINT64_MAX, STR("{}")};
    begin();
    OK(store->ops->basis_put(store, &first, &fault));
    OK(store->ops->basis_put(store, &again, &fault));
    commit(1, 2);
    OK(store->ops->basis(store, UINT64_MAX, keep_basis, &text, &fault));
    assert_int_equal(text.rows, 1);
    assert_string_equal(text.bytes, "{\"plan\":\"pro\"}");
    OK(store->ops->basis(store, 5, keep_basis, &text, &fault));
    assert_int_equal(text.rows, 1);
}
