/* store_contract_endings.c - the part of the contract about what ends soon; included by
 * store_contract.c, whose helpers it uses. */

enum { AT = 1750000000 }; /* 2025-06-15T15:06:40Z */

static bool print_ending(void *owner, const struct ending_row *row)
{
    return LINE(owner, "%.*s:%.*s:%.*s:%lld ", STR_ARG(row->id), STR_ARG(row->customer_id),
                STR_ARG(row->scope), (long long)(row->end_us / 1000000 - AT));
}

static void put_document(const char *kind, const char *id, const char *text)
{
    struct object_row const row = {
        .kind = str_of(kind),
        .id = str_of(id),
        .customer_id = str_eq(str_of(kind), STR("override")) ? STR("") : STR("acme"),
        .version = 1,
        .text = str_of(text)};
    OK(store->ops->object_put(store, &row, &fault));
}

static void put_key_and_grant(const char *id, int64_t end_s, int status, int64_t left)
{
    struct key_row const key = {.id = str_of(id),
                                .customer_id = STR("acme"),
                                .name = str_of(id),
                                .status = status,
                                .expires_us = end_s * 1000000};
    struct grant_row const grant = {.id = str_of(id),
                                    .customer_id = STR("acme"),
                                    .category = STR("paid"),
                                    .source_type = STR("test"),
                                    .source_id = str_of(id),
                                    .amount = {9},
                                    .remaining = {left},
                                    .status = status,
                                    .expires_us = end_s * 1000000};
    OK(store->ops->key_put(store, &key, &fault));
    OK(store->ops->grant_put(store, &grant, &fault));
}

static void put_what_ends(void)
{
    put_key_and_grant("k1", AT + 60, 0, 5);
    put_key_and_grant("k2", AT + 60, 0, 0);
    put_key_and_grant("k3", AT + 60, 1, 5);
    put_key_and_grant("k4", 0, 0, 5);
    put_key_and_grant("k5", AT + 999, 0, 5);
    put_key_and_grant("k6", AT - 1, 0, 5);
    put_document("license", "l1", "{\"status\":\"active\",\"valid_to\":\"2025-06-15T15:07:40Z\"}");
    put_document("license", "l2",
                 "{\"status\":\"active\",\"valid_to\":\"2025-06-15T18:07:41+03:00\"}");
    put_document("license", "l3",
                 "{\"status\":\"suspended\",\"valid_to\":\"2025-06-15T15:07:40Z\"}");
    put_document("license", "l4", "{\"status\":\"active\",\"valid_to\":null}");
    put_document("override", "o1",
                 "{\"scope\":\"customer\",\"scope_id\":\"acme\","
                 "\"expires_at\":\"2025-06-15T15:07:40Z\"}");
    put_document("override", "o2",
                 "{\"scope\":\"user\",\"scope_id\":\"acme/ana\","
                 "\"expires_at\":\"2025-06-15T15:07:41Z\"}");
    put_document("override", "o3",
                 "{\"scope\":\"key\",\"scope_id\":\"k1\","
                 "\"expires_at\":\"2025-06-15T15:07:42Z\"}");
    put_document("override", "o4",
                 "{\"scope\":\"group\",\"scope_id\":\"vip\","
                 "\"expires_at\":\"2025-06-15T15:07:43Z\"}");
    put_document("subscription", "s1",
                 "{\"status\":\"cancel_scheduled\",\"cancel_at\":\"2025-06-15T15:07:40Z\"}");
    put_document("subscription", "s2",
                 "{\"status\":\"canceled\",\"cancel_at\":\"2025-06-15T15:07:40Z\"}");
    put_document("subscription", "t1",
                 "{\"status\":\"trialing\",\"plan_version\":\"p-1\","
                 "\"anchor_at\":\"2025-06-05T15:07:40Z\"}");
    put_document("plan_version", "p-1", "{\"trial_days\":10}");
}

/* Rows a day before or after the span may come as well: who asks looks at the end itself. */
static bool print_within(void *owner, const struct ending_row *row)
{
    bool const within =
        row->end_us > (int64_t)AT * 1000000 && row->end_us <= (int64_t)(AT + 120) * 1000000;
    return !within || print_ending(owner, row);
}

struct paging {
    struct text *text;
    size_t rows;
    char mark[64], id[64];
    size_t mark_len, id_len;
};

static bool turn_page(void *owner, const struct ending_row *row)
{
    struct paging *paging = owner;
    paging->rows++;
    if (row->mark.len > 0)
        memcpy(paging->mark, row->mark.ptr, row->mark.len);
    memcpy(paging->id, row->id.ptr, row->id.len);
    paging->mark_len = row->mark.len;
    paging->id_len = row->id.len;
    return print_within(paging->text, row);
}

/* One row a page. */
static void read_pages(enum ending_kind what, struct text *text)
{
    struct paging paging = {.text = text};
    size_t before;
    do {
        struct ending_query const query = {
            .what = what,
            .from_us = (int64_t)AT * 1000000,
            .until_us = (int64_t)(AT + 120) * 1000000,
            .after_mark = str_make(paging.mark, paging.mark_len),
            .after_id = str_make(paging.id, paging.id_len),
            .limit = 1,
        };
        before = paging.rows;
        OK(store->ops->endings(store, &query, turn_page, &paging, &fault));
    } while (paging.rows > before && paging.rows < 100);
}

static void test_endings(void **state)
{
    (void)state;
    static const struct {
        enum ending_kind what;
        const char *rows;
    } rows[] = {
        {ENDING_KEY, "k1:acme::60 k2:acme::60 "},
        {ENDING_GRANT, "k1:acme::60 "},
        {ENDING_LICENSE, "l1:acme::60 l2:acme::61 "},
        {ENDING_OVERRIDE, "o1:acme:customer:60 o2:acme:user:61 o3:acme:key:62 o4::group:63 "},
        {ENDING_SUBSCRIPTION, "s1:acme::60 "},
        {ENDING_TRIAL, "t1:acme::60 "},
    };
    begin();
    put_what_ends();
    commit(1, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ending_query const query = {.what = rows[i].what,
                                           .from_us = (int64_t)AT * 1000000,
                                           .until_us = (int64_t)(AT + 120) * 1000000,
                                           .limit = 100};
        struct text text = {.rows = 0}, pages = {.rows = 0};
        OK(store->ops->endings(store, &query, print_within, &text, &fault));
        read_pages(rows[i].what, &pages);
        assert_string_equal(text.bytes, rows[i].rows);
        assert_string_equal(pages.bytes, rows[i].rows);
    }
}

/* What gives notice of the same is told once. */
static void test_notices(void **state)
{
    (void)state;
    struct alert_row row = alert_make(1);
    struct text text = {.rows = 0};
    struct alert_query const query = {.notice = STR("key/k1@7/1")};
    row.notice = query.notice;
    begin();
    OK(store->ops->alert_put(store, &row, &fault));
    row.id = 2;
    OK(store->ops->alert_put(store, &row, &fault));
    row.id = 3;
    row.notice = STR("key/k1@8/1");
    OK(store->ops->alert_put(store, &row, &fault));
    row.id = 4;
    row.notice = STR("");
    OK(store->ops->alert_put(store, &row, &fault));
    row.id = 5;
    OK(store->ops->alert_put(store, &row, &fault));
    commit(1, 2);
    OK(store->ops->alert_list(store, &query, print_alert, &text, &fault));
    assert_string_equal(text.bytes, "1 ");
    struct text all = {.rows = 0};
    OK(store->ops->alert_list(store, &(struct alert_query){.limit = 0}, print_alert, &all, &fault));
    assert_string_equal(all.bytes, "5 4 3 1 ");
}
