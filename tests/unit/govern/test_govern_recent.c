/* test_govern_recent.c - verdicts that are remembered are those that would be made anew. */
#include "govern_help.h"

/* One that remembers and one that is made to forget say the same, before and after every edge. */
static void a_verdict_of_a_moment_ago(void **state)
{
    (void)state;
    struct govern *governs[2];
    struct fault fault = {0};
    static const char *const documents[][3] = {
        {"plan", "pro", "{'name':{'en':'Pro'}}"},
        {"plan_version", "pro-1",
         "{'plan':'pro','number':1,'status':'active','interval':'month','limits':["
         "{'name':'s','metric':'requests','window':'second','value':5,'mode':'hard'},"
         "{'name':'h','metric':'tokens','window':'hour','value':100,'mode':'hard'},"
         "{'name':'p','metric':'cost','window':'period','value':'9','mode':'hard'}]}"},
        {"group", "vip", "{'name':{'en':'VIP'},'priority':1}"},
        {"group_member", "m",
         "{'group':'vip','customer':'acme','valid_from':'2026-11-20T10:00:00.250Z',"
         "'valid_to':'2026-11-20T10:00:09Z'}"},
        {"override", "o",
         "{'scope':'group','scope_id':'vip','target':'limit','selector':{'name':'h'},'op':'set',"
         "'value':7,'starts_at':'2026-11-20T10:00:02.5Z','expires_at':'2026-11-20T10:00:05Z'}"},
        {"override", "c",
         "{'scope':'customer','scope_id':'acme','target':'limit','selector':{'name':'s'},"
         "'op':'add','value':1,'expires_at':'2026-11-20T10:00:07.125Z'}"},
        {"subscription", "s",
         "{'customer':'acme','plan_version':'pro-1','status':'cancel_scheduled',"
         "'anchor_at':'2026-10-20T10:00:06Z','cancel_at':'2026-11-20T10:00:12.75Z'}"},
        {"license", "l",
         "{'customer':'acme','modules':['ai'],'ai_enabled':true,'ai_token_limit':50,"
         "'status':'active','valid_to':'2026-11-20T10:00:11Z'}"},
    };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(govern_new(NULL, &governs[i], &fault), ERR_OK);
        for (size_t j = 0; j < sizeof documents / sizeof documents[0]; j++)
            put(governs[i], documents[j][0], documents[j][1], documents[j][2]);
    }
    struct govern_ask ask = {.customer_id = STR("acme"), .model = STR("m"), .provider = STR("p")};
    char changes = 0, before[TEXT_BYTES] = "";
    for (int64_t now_us = at("2026-11-20T09:59:59Z"); now_us < at("2026-11-20T10:00:14Z");
         now_us += 31250) {
        char said[TEXT_BYTES];
        ask.now_us = now_us;
        snprintf(said, sizeof said, "%s", ask_for(governs[0], &ask));
        put(governs[1], "feature", "any", "{'type':'boolean'}");
        assert_string_equal(said, ask_for(governs[1], &ask));
        changes = (char)(changes + (strcmp(said, before) != 0));
        snprintf(before, sizeof before, "%s", said);
    }
    assert_int_equal(changes, 6);            /* the first, and what begins or ends five times */
    ask.now_us = at("2026-11-20T10:00:01Z"); /* a clock that goes back */
    char said[TEXT_BYTES];
    snprintf(said, sizeof said, "%s", ask_for(governs[0], &ask));
    put(governs[1], "feature", "any", "{'type':'boolean'}");
    assert_string_equal(said, ask_for(governs[1], &ask));
    govern_free(governs[0]);
    govern_free(governs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_verdict_of_a_moment_ago)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
