/* test_basis.c - what verdicts rest on: one text and one name for calls of a kind. */
#include "govern/basis.h"
#include "govern_help.h"

static int begin(void **state)
{
    struct fault fault = {0};
    struct govern *govern;
    if (govern_new(NULL, &govern, &fault) != ERR_OK)
        return -1;
    *state = govern;
    put(govern, "plan", "pro", "{'name':{'pt':'Pro','en':'Pro'},'active':true}");
    put(govern, "plan_version", "pro.1",
        "{'plan':'pro','number':1,'status':'active','interval':'month','items':[],'limits':["
        "{'name':'hour','metric':'requests','window':'hour','value':100},"
        "{'name':'month','metric':'cost','window':'month','value':'100.00'}]}");
    put(govern, "subscription", "s1", "{'customer':'c1','plan_version':'pro.1','status':'active'}");
    put(govern, "subscription", "s2", "{'customer':'c2','plan_version':'pro.1','status':'active'}");
    return 0;
}

static int end(void **state)
{
    govern_free(*state);
    return 0;
}

static struct govern_ask call_of(const char *customer)
{
    return (struct govern_ask){.customer_id = str_of(customer),
                               .key_id = STR("k1"),
                               .feature = STR("chat"),
                               .provider = STR("openai"),
                               .model = STR("mini"),
                               .address = STR("10.0.0.9"),
                               .now_us = at("2026-11-20T15:30:00Z")};
}

struct basis_seen {
    uint64_t name;
    char text[BASIS_BYTES_MAX];
};

static void look(struct govern *govern, const struct govern_ask *ask, struct basis_seen *seen)
{
    struct govern_verdict verdict;
    struct fault fault = {0};
    struct buf text;
    assert_int_equal(govern_resolve(govern, ask, &verdict, &fault), ERR_OK);
    buf_init(&text, BASIS_BYTES_MAX - 1);
    assert_int_equal(basis_write(ask, &verdict, &text), ERR_OK);
    seen->name = verdict.basis;
    if (verdict.basis != 0)
        assert_true(verdict.basis == basis_name(ask, &verdict));
    memcpy(seen->text, text.ptr, text.len);
    seen->text[text.len] = '\0';
    buf_free(&text);
    govern_release(govern, &verdict);
}

static void calls_of_one_kind_share_a_basis(void **state)
{
    static struct basis_seen first, other;
    struct govern_ask ask = call_of("c1");
    look(*state, &ask, &first);
    assert_true(first.name != 0);
    assert_non_null(strstr(first.text, "\"plan_version\":\"pro.1\""));
    assert_non_null(strstr(first.text, "{\"name\":\"month\",\"metric\":\"cost\","
                                       "\"window\":\"month\",\"limit\":100,"));
    ask.customer_id = STR("c2");
    ask.now_us = at("2026-12-24T15:30:00Z"); /* other windows */
    look(*state, &ask, &other);
    assert_true(other.name == first.name);
    assert_string_equal(other.text, first.text);
    ask = call_of("nobody");
    look(*state, &ask, &other);
    assert_true(other.name == 0);
}

#define CELL     "{'plan':'pro','feature':'chat','provider':'openai','profile':'*','active':true"
#define OVERRIDE "{'scope':'customer','scope_id':'c1','target':'limit','selector':{'name':'hour'}"
#define VERSION  "{'plan':'pro','number':1,'status':'active','interval':'month','limits':[]"
static const struct {
    const char *kind, *id, *text;
} changes[] = {
    {"override", "o1", OVERRIDE ",'op':'set','value':7}"},
    {"override", "o1", OVERRIDE ",'op':'set','value':8}"},
    {"override", "o2", OVERRIDE ",'op':'add','value':0}"}, /* another document said it last */
    {"matrix_cell", "cell", CELL "}"},
    {"matrix_cell", "cell", CELL ",'origin':'promo'}"},
    {"matrix_cell", "cell", CELL ",'daily_limit':9}"},
    {"plan_version", "pro.1", VERSION ",'output_max':99}"},
    {"plan_version", "pro.1",
     VERSION ",'items':[{'feature':'*','included':5,'metric':'tokens','reset':'month',"
             "'overage':'bill','overage_cap':'9.00'}]}"},
    {"plan_version", "pro.1",
     VERSION ",'items':[{'feature':'*','included':5,'metric':'tokens','reset':'month',"
             "'overage':'block'}]}"},
};
enum { CHANGES = sizeof changes / sizeof *changes };

/* Two names are the same exactly when the texts are. */
static void whatever_is_said_is_in_the_name(void **state)
{
    static struct basis_seen seen[CHANGES + 1];
    struct govern_ask const ask = call_of("c1");
    look(*state, &ask, &seen[0]);
    for (size_t i = 1; i <= CHANGES; i++) {
        put(*state, changes[i - 1].kind, changes[i - 1].id, changes[i - 1].text);
        look(*state, &ask, &seen[i]);
        assert_true(seen[i].name != seen[i - 1].name);
        for (size_t j = 0; j < i; j++)
            assert_true((seen[i].name == seen[j].name) ==
                        (strcmp(seen[i].text, seen[j].text) == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_of_one_kind_share_a_basis, begin, end),
        cmocka_unit_test_setup_teardown(whatever_is_said_is_in_the_name, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
