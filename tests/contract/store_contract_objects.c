/* store_contract_objects.c - the part of the contract about documents and the audit trail; included
 * by store_contract.c, whose helpers it uses. */
#include "store/chain.h"

static bool print_object(void *owner, const struct object_row *row)
{
    return LINE(owner, "%.*s/%.*s %.*s v%u o%d %lld %lld %.*s\n", STR_ARG(row->kind),
                STR_ARG(row->id), STR_ARG(row->customer_id), row->version, (int)row->origin,
                (long long)row->created_us, (long long)row->updated_us, STR_ARG(row->text));
}

static bool print_object_id(void *owner, const struct object_row *row)
{
    /* an empty text: no match, the page goes on from here */
    return LINE(owner, "%s%.*s ", str_empty(row->text) ? "|" : "", STR_ARG(row->id));
}

static void object_store(const char *kind, const char *id, const char *customer, int64_t updated_us,
                         const char *text)
{
    struct object_row const row = {.kind = str_of(kind),
                                   .id = str_of(id),
                                   .customer_id = str_of(customer),
                                   .version = 4000000000,
                                   .origin = ORIGIN_RUNTIME,
                                   .created_us = 3,
                                   .updated_us = updated_us,
                                   .text = str_of(text)};
    OK(store->ops->object_put(store, &row, &fault));
}

static void test_objects(void **state)
{
    (void)state;
    struct text all = {.rows = 0}, plans = {.rows = 0}, one = {.stop_after = 1};
    bool found = false;
    begin();
    object_store("plan", "b\xc3\xa9", "", 1, "{}");
    object_store("plan", "a", "", 1, "{\"old\":1}");
    object_store("license", "x", "acme", 9, "[1]");
    object_store("license", "gone", "acme", 9, "[1]");
    object_store("plan", "a", "", 7, "{\"new\":1}");
    OK(store->ops->object_delete(store, STR("license"), STR("gone"), &fault));
    OK(store->ops->object_delete(store, STR("license"), STR("never there"), &fault));
    OK(store->ops->object_delete(store, STR("plan"), STR("x"), &fault)); /* another kind's id */
    commit(1, 2);
    OK(store->ops->objects(store, STR(""), print_object, &all, &fault));
    assert_string_equal(all.bytes, "license/x acme v4000000000 o1 3 9 [1]\n"
                                   "plan/a  v4000000000 o1 3 7 {\"new\":1}\n"
                                   "plan/b\xc3\xa9  v4000000000 o1 3 1 {}\n");
    OK(store->ops->objects(store, STR("plan"), print_object_id, &plans, &fault));
    assert_string_equal(plans.bytes, "a b\xc3\xa9 ");
    OK(store->ops->objects(store, STR(""), print_object_id, &one, &fault));
    assert_int_equal(one.rows, 1);
    one = (struct text){.rows = 0};
    OK(store->ops->object_get(store, STR("plan"), STR("a"), print_object, &one, &found, &fault));
    assert_true(found);
    assert_string_equal(one.bytes, "plan/a  v4000000000 o1 3 7 {\"new\":1}\n");
    OK(store->ops->object_get(store, STR("license"), STR("a"), print_object, &one, &found, &fault));
    assert_false(found);
    begin();
    object_store("plan", "c", "", 1, "{}");
    OK(store->ops->object_delete(store, STR("plan"), STR("a"), &fault));
    store->ops->rollback(store);
    struct text again = {.rows = 0};
    OK(store->ops->objects(store, STR(""), print_object, &again, &fault));
    assert_string_equal(again.bytes, all.bytes);
}

static void objects_fill(void)
{
    begin();
    object_store("user", "u1", "a", 50,
                 "{\"name\":\"Ana\",\"active\":true,\"n\":5,\"external_id\":\"x\"}");
    object_store("user", "u2", "b", 40,
                 "{\"name\":\"Bia\",\"active\":false,\"n\":5,\"external_id\":\"x\"}");
    object_store("user", "u3", "a", 30, "{\"name\":\"Ana\",\"active\":false,\"n\":null}");
    object_store("user", "u4", "a", 30, "{\"name\":\"true\",\"active\":true,\"n\":15}");
    object_store("user", "u5", "b", 60, "{\"name\":\"J\\u00f3\"}");
    object_store("plan", "u2", "a", 35, "{\"name\":\"Ana\"}");
    commit(1, 2);
}

static const struct {
    const char *what;
    struct object_query query;
    const char *ids;
} lists[] = {
    {"all of a kind", {.after_us = 0}, "u1 u2 u3 u4 u5 "},
    {"backwards", {.descending = true}, "u5 u4 u3 u2 u1 "},
    {"of a customer", {.customer_id = STR_ROW("a")}, "u1 u3 u4 "},
    {"a page", {.limit = 2}, "u1 u2 "},
    {"the next page", {.limit = 2, .after = STR_ROW("u2")}, "u3 u4 "},
    {"after one that is gone", {.limit = 2, .after = STR_ROW("u20")}, "u3 u4 "},
    {"the page before", {.descending = true, .limit = 2, .after = STR_ROW("u4")}, "u3 u2 "},
    {"after the end", {.after = STR_ROW("u5")}, ""},
    {"by update", {.by_updated = true}, "u3 u4 u2 u1 u5 "},
    {"newest update first", {.by_updated = true, .descending = true}, "u5 u1 u2 u4 u3 "},
    {"pages by update do not lose equal times",
     {.by_updated = true, .after = STR_ROW("u3"), .after_us = 30, .limit = 2},
     "u4 u2 "},
    {"… nor backwards",
     {.by_updated = true, .descending = true, .after = STR_ROW("u4"), .after_us = 30},
     "u3 "},
    {"a text", {.filter_count = 1, .filters = {{STR_ROW("name"), STR_ROW("Ana")}}}, "u1 u3 "},
    {"a decoded text",
     {.filter_count = 1, .filters = {{STR_ROW("name"), STR_ROW("J\xc3\xb3")}}},
     "u5 "},
    {"a number", {.filter_count = 1, .filters = {{STR_ROW("n"), STR_ROW("5")}}}, "u1 u2 "},
    {"true", {.filter_count = 1, .filters = {{STR_ROW("active"), STR_ROW("true")}}}, "u1 u4 "},
    {"false", {.filter_count = 1, .filters = {{STR_ROW("active"), STR_ROW("false")}}}, "u2 u3 "},
    {"the text true", {.filter_count = 1, .filters = {{STR_ROW("name"), STR_ROW("true")}}}, "u4 "},
    {"null is nothing", {.filter_count = 1, .filters = {{STR_ROW("n"), STR_ROW("null")}}}, ""},
    {"absent is nothing", {.filter_count = 1, .filters = {{STR_ROW("x"), STR_ROW("")}}}, ""},
    {"two filters",
     {.filter_count = 2,
      .filters = {{STR_ROW("name"), STR_ROW("Ana")}, {STR_ROW("active"), STR_ROW("false")}}},
     "u3 "},
    {"eight filters of a customer",
     {.customer_id = STR_ROW("a"),
      .limit = 1,
      .filter_count = 8,
      .filters = {{STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("n"), STR_ROW("5")},
                  {STR_ROW("name"), STR_ROW("Ana")},
                  {STR_ROW("active"), STR_ROW("true")}}},
     "u1 "},
    {"a member with an index",
     {.filter_count = 1, .filters = {{STR_ROW("external_id"), STR_ROW("x")}}},
     "u1 u2 "},
    {"… from the end, by pages",
     {.descending = true,
      .after = STR_ROW("u2"),
      .filter_count = 1,
      .filters = {{STR_ROW("external_id"), STR_ROW("x")}}},
     "u1 "},
    {"… of a customer, with another filter",
     {.customer_id = STR_ROW("b"),
      .filter_count = 2,
      .filters = {{STR_ROW("n"), STR_ROW("5")}, {STR_ROW("external_id"), STR_ROW("x")}}},
     "u2 "},
    {"… by update",
     {.by_updated = true, .filter_count = 1, .filters = {{STR_ROW("external_id"), STR_ROW("x")}}},
     "u2 u1 "},
    {"… whose value would be SQL",
     {.filter_count = 1, .filters = {{STR_ROW("external_id"), STR_ROW("' OR 1 --")}}},
     ""},
    {"a bound of looks",
     {.look_max = 2, .filter_count = 1, .filters = {{STR_ROW("name"), STR_ROW("Ana")}}},
     "u1 |u2 "},
    {"… from where it ended",
     {.look_max = 2,
      .after = STR_ROW("u2"),
      .filter_count = 1,
      .filters = {{STR_ROW("name"), STR_ROW("Ana")}}},
     "u3 |u4 "},
    {"… and to the end",
     {.look_max = 2,
      .after = STR_ROW("u4"),
      .filter_count = 1,
      .filters = {{STR_ROW("name"), STR_ROW("Ana")}}},
     ""},
    {"a value that would be SQL",
     {.filter_count = 1, .filters = {{STR_ROW("name"), STR_ROW("' OR 1 --")}}},
     ""},
};

static void test_object_lists(void **state)
{
    (void)state;
    objects_fill();
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct text text = {.rows = 0};
        struct object_query query = lists[i].query;
        query.kind = STR("user");
        OK(store->ops->object_list(store, &query, print_object_id, &text, &fault));
        if (strcmp(text.bytes, lists[i].ids) != 0)
            fail_msg("%s: %s, not %s", lists[i].what, text.bytes, lists[i].ids);
    }
}

static void test_object_lists_refuse_bad_members(void **state)
{
    (void)state;
    static const char *const members[] = {"",    "Name", "na me", "a.b",       "$",
                                          "a'b", "n1",   "a\"",   "n\xc3\xa3o"};
    struct text text = {.rows = 0};
    objects_fill();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct object_query const query = {
            .kind = STR("user"), .filter_count = 1, .filters = {{str_of(members[i]), STR("x")}}};
        fault = (struct fault){.code = ERR_OK};
        assert_int_equal(store->ops->object_list(store, &query, print_object_id, &text, &fault),
                         ERR_FIELD_INVALID);
    }
    struct object_query const many = {.kind = STR("user"), .filter_count = OBJECT_FILTERS_MAX + 1};
    assert_int_equal(store->ops->object_list(store, &many, print_object_id, &text, &fault),
                     ERR_FIELD_INVALID);
    assert_int_equal(text.rows, 0);
    fault = (struct fault){.code = ERR_OK};
}

/* --- the audit trail --- */

static bool print_audit(void *owner, const struct audit_row *row)
{
    return LINE(owner, "%llu ", (unsigned long long)row->sequence);
}

static bool check_audit(void *owner, const struct audit_row *row)
{
    ++*(int *)owner;
    assert_int_equal(row->at_us, 20);
    assert_true(str_eq(row->actor, STR("operator:1")) && str_eq(row->address, STR("10.0.0.1")) &&
                str_eq(row->user_agent, STR("curl")) && str_eq(row->reason, STR("why \xc3\xa9")) &&
                str_eq(row->request_id, STR("r-1")) && str_eq(row->kind, STR("plan")) &&
                str_eq(row->object_id, STR("p")) && str_eq(row->customer_id, STR("acme")) &&
                str_eq(row->action, STR("update")) && str_eq(row->before, STR("{}")) &&
                str_empty(row->after));
    assert_true(row->hash[0] != 0 || row->hash[1] != 0 || row->hash[2] != 0);
    return true;
}

static struct audit_row audit_make(uint64_t sequence)
{
    return (struct audit_row){.sequence = sequence,
                              .at_us = (int64_t)sequence * 10,
                              .actor = sequence % 2 == 0 ? STR("operator:1") : STR("token"),
                              .address = STR("10.0.0.1"),
                              .user_agent = STR("curl"),
                              .reason = STR("why \xc3\xa9"),
                              .request_id = STR("r-1"),
                              .kind = sequence < 4 ? STR("plan") : STR("license"),
                              .object_id = sequence < 6 ? STR("p") : STR("q"),
                              .customer_id = STR("acme"),
                              .action = STR("update"),
                              .before = STR("{}")};
}

/* Entries 1 to `last`; of `wrong` one text is other than what was hashed, `gap` is left out. */
static void audit_fill(uint64_t last, uint64_t wrong, uint64_t gap)
{
    unsigned char hash[AUDIT_HASH_BYTES] = {0};
    begin();
    for (uint64_t sequence = 1; sequence <= last; sequence++) {
        struct audit_row row = audit_make(sequence);
        audit_chain_hash(hash, &row, hash);
        memcpy(row.hash, hash, sizeof hash);
        if (sequence == wrong)
            row.reason = STR("nothing to see here");
        if (sequence != gap)
            OK(store->ops->audit_add(store, &row, &fault));
    }
    commit(1, 2);
}

static void test_audit_trail(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct audit_query query;
        const char *entries;
    } rows[] = {
        {"all, newest first", {.limit = 0}, "8 7 6 5 4 3 2 1 "},
        {"a page", {.limit = 3}, "8 7 6 "},
        {"the next page", {.limit = 3, .before = 6}, "5 4 3 "},
        {"by actor", {.actor = STR_ROW("token")}, "7 5 3 1 "},
        {"by kind", {.kind = STR_ROW("license")}, "8 7 6 5 4 "},
        {"by object", {.kind = STR_ROW("license"), .object_id = STR_ROW("p")}, "5 4 "},
        {"by customer", {.customer_id = STR_ROW("acme"), .limit = 1}, "8 "},
        {"of nobody", {.customer_id = STR_ROW("x")}, ""},
        {"since and until", {.since_us = 30, .until_us = 50}, "4 3 "},
        {"everything at once",
         {.actor = STR_ROW("operator:1"),
          .kind = STR_ROW("license"),
          .object_id = STR_ROW("q"),
          .customer_id = STR_ROW("acme"),
          .since_us = 10,
          .until_us = 90,
          .before = 8,
          .limit = 9},
         "6 "},
    };
    audit_fill(8, 0, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text text = {.rows = 0};
        OK(store->ops->audit_list(store, &rows[i].query, print_audit, &text, &fault));
        if (strcmp(text.bytes, rows[i].entries) != 0)
            fail_msg("%s: %s, not %s", rows[i].what, text.bytes, rows[i].entries);
    }
    int seen = 0;
    struct audit_query const second = {.before = 3, .limit = 1};
    OK(store->ops->audit_list(store, &second, check_audit, &seen, &fault));
    assert_int_equal(seen, 1);
    begin();
    struct audit_row const twice = audit_make(8);
    assert_int_equal(store->ops->audit_add(store, &twice, &fault), ERR_STORE_FAILED);
    store->ops->rollback(store);
    fault = (struct fault){.code = ERR_OK};
}

static void test_audit_chain(void **state)
{
    (void)state;
    static const struct {
        uint64_t wrong, gap, last;
        const char *says;
    } rows[] = {
        {0, 0, 6, NULL},
        {1, 0, 0, "entry 1 is not"},
        {4, 0, 3, "entry 4 is not"},
        {6, 0, 5, "entry 6 is not"},
        {0, 1, 0, "entry 1 is missing"},
        {0, 5, 4, "entry 5 is missing"},
        {0, 6, 5, NULL}, /* only who knows the head can tell */
    };
    uint64_t last = 99;
    OK(store->ops->audit_verify(store, &last, NULL, &fault)); /* an empty one */
    assert_int_equal(last, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i > 0) {
            store->ops->close(store);
            store = contract->open_fresh();
        }
        audit_fill(6, rows[i].wrong, rows[i].gap);
        enum err const err = store->ops->audit_verify(store, &last, NULL, &fault);
        assert_int_equal(err, rows[i].says != NULL ? ERR_CORRUPT : ERR_OK);
        assert_int_equal(last, rows[i].last);
        if (rows[i].says != NULL && strstr(fault.detail, rows[i].says) == NULL)
            fail_msg("%s, not %s", fault.detail, rows[i].says);
        fault = (struct fault){.code = ERR_OK};
    }
}
