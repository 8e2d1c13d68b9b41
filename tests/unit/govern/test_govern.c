/* test_govern.c - documents in, verdicts out. */
#include "core/zone.h"
#include "govern/govern_int.h"
#include "govern_help.h"
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

static const char now_text[] = "2026-11-20T15:30:00Z";

static int begin(void **state)
{
    struct fault fault = {0};
    struct govern *govern;
    if (govern_new(NULL, &govern, &fault) != ERR_OK)
        return -1;
    *state = govern;
    return 0;
}

static int end(void **state)
{
    govern_free(*state);
    return 0;
}

static struct govern_ask call_of(const char *customer, const char *feature, const char *provider)
{
    return (struct govern_ask){.customer_id = str_of(customer),
                               .key_id = STR("k1"),
                               .feature = str_of(feature),
                               .provider = str_of(provider),
                               .model = STR("mini"),
                               .address = STR("10.0.0.9"),
                               .now_us = at(now_text)};
}

static void check(struct govern *govern, const struct govern_ask *ask, const char *wanted)
{
    const char *got = ask_for(govern, ask);
    if (strcmp(got, wanted) != 0)
        fail_msg("got \"%s\", wanted \"%s\"", got, wanted);
}

static void put_plan(struct govern *govern)
{
    put(govern, "plan", "pro", "{'name':{'pt':'Pro','en':'Pro'},'active':true}");
    put(govern, "plan_version", "pro.1",
        "{'plan':'pro','number':1,'status':'active','interval':'month','items':[],'limits':["
        "{'name':'hour','metric':'requests','window':'hour','value':100},"
        "{'name':'day','metric':'tokens','window':'day','value':50000},"
        "{'name':'month','metric':'cost','window':'month','value':'100.00',"
        "'alert_percent':[80,100]}]}");
    put(govern, "subscription", "s1",
        "{'customer':'c1','plan_version':'pro.1','status':'active',"
        "'anchor_at':'2026-01-31T12:00:00Z','anchor_day':31}");
}

static void an_unknown_customer_is_not_governed(void **state)
{
    struct govern_ask const ask = call_of("nobody", "chat", "openai");
    struct govern_verdict verdict;
    struct fault fault = {0};
    assert_int_equal(govern_resolve(*state, &ask, &verdict, &fault), ERR_OK);
    assert_false(verdict.governed);
    assert_int_equal(verdict.rules.count, 0);
    assert_string_equal(verdict.zone->name, "America/Sao_Paulo");
    assert_int_equal(verdict.plan.len, 0);
    govern_release(*state, &verdict);
}

/* S2: 100 requests an hour, 50 000 tokens a day, 100 USD a month. */
static void default_limits_of_a_plan(void **state)
{
    struct govern_ask ask = call_of("c1", "chat", "openai");
    struct govern_verdict verdict;
    struct fault fault = {0};
    put_plan(*state);
    check(*state, &ask,
          "hour=100/hour@plan:pro.1 day=50000/day@plan:pro.1 "
          "month=100000000000/month@plan:pro.1");
    assert_int_equal(govern_resolve(*state, &ask, &verdict, &fault), ERR_OK);
    assert_true(verdict.governed);
    assert_memory_equal(verdict.subscription.ptr, "s1", 2);
    /* midnight of São Paulo is 03:00 UTC */
    assert_true(verdict.rules.list[1].start_us == at("2026-11-20T03:00:00Z"));
    assert_true(verdict.rules.list[1].end_us == at("2026-11-21T03:00:00Z"));
    assert_int_equal(verdict.rules.list[0].scope, SCOPE_PLAN);
    uint64_t const counter = verdict.rules.list[0].counter;
    govern_release(*state, &verdict);
    /* a new version of the plan keeps what was used */
    put(*state, "plan_version", "pro.2",
        "{'plan':'pro','number':2,'status':'active','limits':["
        "{'name':'hour','metric':'requests','window':'hour','value':200}]}");
    put(*state, "subscription", "s1", "{'customer':'c1','plan_version':'pro.2','status':'active'}");
    assert_int_equal(govern_resolve(*state, &ask, &verdict, &fault), ERR_OK);
    assert_int_equal(verdict.rules.count, 1);
    assert_true(verdict.rules.list[0].counter == counter && verdict.rules.list[0].limit == 200);
    govern_release(*state, &verdict);
    ask.now_us = at("2026-11-21T02:59:59Z"); /* the windows of the cache are left in both ways */
    (void)ask_for(*state, &ask);
    ask.now_us = at("2026-11-21T03:00:00Z");
    (void)ask_for(*state, &ask);
    ask.now_us = at("2026-11-19T03:00:00Z");
    (void)ask_for(*state, &ask);
}

static void a_profile_brings_its_zone(void **state)
{
    struct govern_ask const ask = call_of("c1", "chat", "openai");
    struct govern_verdict verdict;
    struct fault fault = {0};
    put_plan(*state);
    put(*state, "profile", "c1", "{'customer':'c1','time_zone':'Asia/Tokyo'}");
    assert_int_equal(govern_resolve(*state, &ask, &verdict, &fault), ERR_OK);
    assert_string_equal(verdict.zone->name, "Asia/Tokyo");
    assert_true(verdict.rules.list[1].start_us == at("2026-11-20T15:00:00Z"));
    govern_release(*state, &verdict);
    const char *const wrong[] = {"../etc/passwd",  "Nowhere/City", "/UTC", "America//Belem", "",
                                 "America/../UTC", "zone.tab"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];
        snprintf(text, sizeof text, "{'customer':'c1','time_zone':'%s'}", wrong[i]);
        fault = (struct fault){0};
        enum err const err = hear(*state, "profile", "c1", text, false, &fault);
        assert_int_equal(err, wrong[i][0] ? ERR_FIELD_INVALID : ERR_OK);
        assert_string_equal(fault.param, wrong[i][0] ? "time_zone" : "");
    }
}

static void a_machine_without_zones(void **state)
{
    (void)state;
    struct govern_options const options = {.zone_dir = "/nonexistent"};
    struct govern_ask const ask = call_of("c1", "chat", "openai");
    struct govern *govern;
    struct govern_verdict verdict;
    struct fault fault = {0};
    assert_int_equal(govern_new(&options, &govern, &fault), ERR_OK);
    assert_int_equal(govern_resolve(govern, &ask, &verdict, &fault), ERR_OK);
    assert_ptr_equal(verdict.zone, zone_utc());
    govern_release(govern, &verdict);
    put(govern, "profile", "c1", "{'customer':'c1','time_zone':'UTC'}");
    govern_free(govern);
}

static void periods_and_one_off_allowances(void **state)
{
    struct govern_ask const ask = call_of("c1", "chat", "openai");
    struct govern_verdict verdict;
    struct fault fault = {0};
    put_plan(*state);
    put(*state, "plan_version", "pro.1",
        "{'plan':'pro','status':'active','interval':'month','output_max':900,'items':["
        "{'feature':'*','included':1000,'metric':'tokens','reset':'period','overage':'bill',"
        "'overage_cap':'50.00'}],'limits':[{'name':'p','metric':'requests','window':'period',"
        "'value':9},{'name':'at-once','metric':'concurrent','value':3}]}");
    check(*state, &ask, "p=9/period@plan:pro.1 at-once=3/ever@plan:pro.1");
    assert_int_equal(govern_resolve(*state, &ask, &verdict, &fault), ERR_OK);
    assert_true(verdict.rules.list[0].start_us == at("2026-10-31T03:00:00Z"));
    assert_true(verdict.rules.list[0].end_us == at("2026-11-30T03:00:00Z")); /* 31 is clamped */
    assert_true(verdict.rules.has_allowance && verdict.rules.allowance.limit == 1000);
    assert_int_equal(verdict.rules.overage, OVERAGE_BILL);
    assert_true(verdict.rules.has_overage_cap);
    assert_true(verdict.rules.overage_cap.limit == 50 * INT64_C(1000000000));
    assert_int_equal(verdict.output_max, 900);
    assert_string_equal(verdict.sources[verdict.rules.count].layer, "plan");
    govern_release(*state, &verdict);
    put(*state, "subscription", "s1",
        "{'customer':'c1','plan_version':'pro.1','status':'active'}"); /* no anchor: a month */
    check(*state, &ask, "p=9/month@plan:pro.1 at-once=3/ever@plan:pro.1");
}

static void subscriptions_open_and_close(void **state)
{
    struct govern_ask ask = call_of("c1", "chat", "openai");
    put_plan(*state);
    put(*state, "subscription", "s1",
        "{'customer':'c1','plan_version':'pro.1','status':'suspended'}");
    check(*state, &ask, "customer_suspended scope 4");
    put(*state, "subscription", "s2", "{'customer':'c1','plan_version':'pro.1','status':'draft'}");
    check(*state, &ask, "customer_suspended scope 4"); /* a draft says nothing */
    put(*state, "subscription", "s3",
        "{'customer':'c1','plan_version':'pro.1','status':'cancel_scheduled',"
        "'cancel_at':'2026-11-20T15:30:00Z'}");
    check(*state, &ask, "subscription_inactive scope 3");
    ask.now_us--; /* without any timer */
    assert_true(strncmp(ask_for(*state, &ask), "hour=100", 8) == 0);
    put(*state, "subscription", "s3", NULL);
    put(*state, "subscription", "s2", NULL);
    put(*state, "subscription", "s1", "{'customer':'c1','plan_version':'gone','status':'active'}");
    check(*state, &ask, "subscription_inactive scope 3");
    put(*state, "subscription", "s1", NULL);
    check(*state, &ask, "");
}

static void licences_compute_or_set_the_limit(void **state)
{
    struct govern_ask ask = call_of("c1", "chat", "openai");
    put(*state, "license", "l1", "{'customer':'c1','modules':['patients'],'ai_enabled':true}");
    check(*state, &ask, "ai_not_licensed scope 3");
    put(*state, "license", "l1",
        "{'customer':'c1','modules':['patients','ai'],'ai_enabled':true,'ai_token_limit':700}");
    check(*state, &ask, "license=700/month@license:l1");
    put(*state, "license", "l1",
        "{'customer':'c1','modules':['ai'],'ai_enabled':true,'ai_token_limit':null}");
    check(*state, &ask, ""); /* no plan to compute it from */
    put(*state, "plan_version", "clinic.1",
        "{'plan':'clinic','status':'active','ai_token_limit':90000}");
    put(*state, "subscription", "s1",
        "{'customer':'c1','plan_version':'clinic.1','status':'trialing'}");
    check(*state, &ask, "license=90000/month@license:l1");
    ask.module = STR("patients");
    check(*state, &ask, "ai_not_licensed scope 3");
}

static void keys_bind_even_without_a_plan(void **state)
{
    struct govern_ask ask = call_of("c1", "chat", "openai");
    put(*state, "key_rules", "k1",
        "{'customer':'c1','scopes':['inference'],'models':['mini'],'features':['chat'],"
        "'addresses':['10.0.0.0/8'],'budget':{'amount':'10.00','window':'month'},'user':'ana'}");
    put(*state, "limit", "lim1",
        "{'owner':'key','owner_id':'k1','name':'m','metric':'requests','window':'minute',"
        "'value':5}");
    put(*state, "limit", "lim2",
        "{'owner':'user','owner_id':'c1/ana','metric':'tokens','window':'day','value':50,"
        "'mode':'shadow'}");
    check(*state, &ask, "=50/day@user:lim2 m=5/minute@key:lim1 budget=10000000000/month@key:k1");
    ask.address = STR("192.168.0.1");
    check(*state, &ask, "address_not_allowed scope 1");
    ask.address = STR("10.9.9.9");
    ask.model = STR("maxi");
    check(*state, &ask, "model_not_allowed scope 1");
    put(*state, "key_rules", "k1", NULL);
    check(*state, &ask, "m=5/minute@key:lim1"); /* and nobody is ana any more */
}

static void groups_need_members(void **state)
{
    struct govern_ask ask = call_of("c1", "chat", "openai");
    ask.group = STR("vip");
    ask.user = STR("ana");
    put(*state, "group", "vip", "{'name':{'pt':'VIP','en':'VIP'},'priority':5}");
    put(*state, "group", "beta", "{'priority':1}");
    put(*state, "limit", "l-vip",
        "{'owner':'group','owner_id':'vip','name':'v','metric':'requests','window':'day',"
        "'value':10}");
    put(*state, "override", "o-vip",
        "{'scope':'group','scope_id':'vip','target':'limit','op':'set','value':3}");
    put(*state, "override", "o-beta",
        "{'scope':'group','scope_id':'beta','target':'limit','op':'set','value':4}");
    check(*state, &ask, ""); /* the header alone makes nobody a member */
    put(*state, "group_member", "m1", "{'group':'vip','customer':'c1'}");
    check(*state, &ask, "v=3/day@group:o-vip");
    put(*state, "group_member", "m2", "{'group':'beta','customer':'c1','user':'ana'}");
    check(*state, &ask, "v=3/day@group:o-vip"); /* vip's priority is higher: later */
    put(*state, "group", "vip", "{'priority':0}");
    check(*state, &ask, "v=4/day@group:o-beta");
    ask.user = STR("bia");
    check(*state, &ask, "v=3/day@group:o-vip");
    put(*state, "group_member", "m1",
        "{'group':'vip','customer':'c1','valid_to':'2026-11-20T15:30:00Z'}");
    check(*state, &ask, "");
    put(*state, "user", "c1/bia",
        "{'customer':'c1','external_id':'bia','groups':['vip','nowhere'],'profile':'admin'}");
    check(*state, &ask, "v=3/day@group:o-vip");
    put(*state, "group", "vip", NULL);
    check(*state, &ask, "");
    put(*state, "user", "c1/bia", "{'customer':'c1','external_id':'bia','active':false}");
    check(*state, &ask, "customer_suspended scope 2");
}

static void features_and_providers_are_switched(void **state)
{
    struct govern_ask const ask = call_of("c1", "chat", "openai");
    put(*state, "feature", "chat", "{'type':'metered','active':false}");
    check(*state, &ask, "feature_not_enabled scope 6");
    put(*state, "feature", "chat", "{'type':'metered'}");
    put(*state, "provider", "openai", "{'status':'disabled'}");
    check(*state, &ask, "provider_not_allowed scope 6");
    put(*state, "provider", "openai", "{'status':'active','default_model':'mini'}");
    check(*state, &ask, "");
}

/* S4's seed: FREE 3 a day and 30 a month, PROFESSIONAL 10 and 200, PREMIUM 50 and 1 000, admin
 * without limits. */
static void put_matrix(struct govern *govern)
{
    static const struct {
        const char *plan, *provider, *profile;
        int daily, monthly;
    } cells[] = {{"free", "openai", "user", 3, 30},
                 {"professional", "openai", "professional", 10, 200},
                 {"premium", "openai", "*", 50, 1000},
                 {"premium", "anthropic", "*", 50, 1000}};
    char id[32], text[512];
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        snprintf(id, sizeof id, "cell%zu", i);
        snprintf(text, sizeof text,
                 "{'plan':'%s','feature':'diary','provider':'%s','profile':'%s','daily_limit':%d,"
                 "'monthly_limit':%d,'active':true,'origin':'default'}",
                 cells[i].plan, cells[i].provider, cells[i].profile, cells[i].daily,
                 cells[i].monthly);
        put(govern, "matrix_cell", id, text);
        snprintf(id, sizeof id, "%s.1", cells[i].plan);
        snprintf(text, sizeof text, "{'plan':'%s','number':1,'status':'active'}", cells[i].plan);
        put(govern, "plan_version", id, text);
        snprintf(text, sizeof text, "{'customer':'%s','plan_version':'%s','status':'active'}",
                 cells[i].plan, id);
        put(govern, "subscription", cells[i].plan, text);
    }
    put(govern, "matrix_cell", "admin",
        "{'plan':'free','feature':'diary','provider':'openai','profile':'admin',"
        "'daily_limit':null,'monthly_limit':null}");
    put(govern, "provider", "openai", "{'status':'active','default_model':'gpt-4o-mini'}");
    put(govern, "provider", "anthropic", "{'status':'active','default_model':'claude'}");
    put(govern, "feature_provider", "r1",
        "{'feature':'diary','provider':'anthropic','role':'voting','weight':60,'order':2}");
    put(govern, "feature_provider", "r2",
        "{'feature':'diary','provider':'openai','role':'analysis','weight':40,'order':1}");
}

static void the_matrix_of_s4(void **state)
{
    put_matrix(*state);
    struct govern_ask ask = call_of("free", "diary", "openai");
    check(*state, &ask, "cell/day=3/day@matrix:cell0 cell/month=30/month@matrix:cell0");
    ask.profile = STR("admin");
    check(*state, &ask, "");
    ask.profile = STR("professional");
    check(*state, &ask, "feature_not_enabled scope 6");
    ask = call_of("free", "diary", "anthropic");
    check(*state, &ask, "provider_not_allowed scope 6");
    ask = call_of("professional", "diary", "openai");
    ask.profile = STR("professional");
    check(*state, &ask, "cell/day=10/day@matrix:cell1 cell/month=200/month@matrix:cell1");
    ask = call_of("premium", "diary", "anthropic");
    check(*state, &ask, "cell/day=50/day@matrix:cell3 cell/month=1000/month@matrix:cell3");
    /* the header cannot lift what the user's document fixes */
    put(*state, "user", "free/ana", "{'customer':'free','external_id':'ana','profile':'user'}");
    ask = call_of("free", "diary", "openai");
    ask.user = STR("ana");
    ask.profile = STR("admin");
    check(*state, &ask, "cell/day=3/day@matrix:cell0 cell/month=30/month@matrix:cell0");
    /* a cell counts per user when one is said */
    struct govern_verdict one, other;
    struct fault fault = {0};
    assert_int_equal(govern_resolve(*state, &ask, &one, &fault), ERR_OK);
    ask.user = STR("bia");
    ask.profile = STR("user");
    assert_int_equal(govern_resolve(*state, &ask, &other, &fault), ERR_OK);
    assert_true(one.rules.list[0].counter != other.rules.list[0].counter);
    govern_release(*state, &other);
    govern_release(*state, &one);
}

static bool collect(void *owner, const struct govern_candidate *candidate)
{
    char *text = owner;
    size_t const used = strlen(text);
    snprintf(text + used, 512 - used, "%.*s:%.*s:%.*s:%.*s:%lld/%lld@%s ",
             STR_ARG(candidate->provider), STR_ARG(candidate->role), STR_ARG(candidate->model),
             STR_ARG(candidate->origin), (long long)candidate->daily_limit,
             (long long)candidate->monthly_limit, candidate->source.layer);
    return true;
}

static void candidates_in_order(void **state)
{
    struct fault fault = {0};
    struct govern_context context = {
        .plan = STR("premium"), .feature = STR("diary"), .now_us = at(now_text)};
    char text[512] = "";
    put_matrix(*state);
    assert_int_equal(govern_candidates(*state, &context, collect, text, &fault), ERR_OK);
    assert_string_equal(text, "openai:analysis:gpt-4o-mini:default:50/1000@matrix "
                              "anthropic:voting:claude:default:50/1000@matrix ");
    put(*state, "group", "friday", "{}");
    put(*state, "override", "bf",
        "{'scope':'group','scope_id':'friday','target':'matrix','op':'multiply','value':'1.5',"
        "'starts_at':'2026-11-20T00:00:00-03:00','expires_at':'2026-11-30T00:00:00-03:00'}");
    put(*state, "group_member", "m", "{'group':'friday','customer':'free'}");
    context = (struct govern_context){
        .customer_id = STR("free"), .feature = STR("diary"), .now_us = at(now_text)};
    text[0] = '\0';
    assert_int_equal(govern_candidates(*state, &context, collect, text, &fault), ERR_OK);
    assert_string_equal(text, "openai:analysis:gpt-4o-mini:default:4/45@group ");
    context = (struct govern_context){.plan = STR("free"),
                                      .feature = STR("diary"),
                                      .group = STR("friday"),
                                      .now_us = at("2026-12-01")};
    text[0] = '\0';
    assert_int_equal(govern_candidates(*state, &context, collect, text, &fault), ERR_OK);
    assert_string_equal(text, "openai:analysis:gpt-4o-mini:default:3/30@matrix ");
    context.plan = STR("none");
    assert_int_equal(govern_candidates(*state, &context, collect, text, &fault), ERR_NOT_FOUND);
}

static void a_change_comes_whole(void **state)
{
    struct fault fault = {0};
    struct govern_ask const ask = call_of("c1", "chat", "openai");
    assert_int_equal(hear(*state, "limit", "a",
                          "{'owner':'customer','owner_id':'c1','name':'a','metric':'requests',"
                          "'window':'day','value':1}",
                          true, &fault),
                     ERR_OK);
    check(*state, &ask, "");
    /* one of them is wrong: reported, left out, and the others are there */
    assert_int_equal(hear(*state, "limit", "b", "{'owner':'customer'}", true, &fault),
                     ERR_FIELD_INVALID);
    fault = (struct fault){0};
    assert_int_equal(hear(*state, "setting", "x", "{'value':1}", false, &fault), ERR_OK);
    check(*state, &ask, "a=1/day@customer:a");
    fault = (struct fault){0};
    assert_int_equal(hear(*state, "limit", "a", "{'owner':7}", false, &fault), ERR_FIELD_INVALID);
    check(*state, &ask, "");
    put(*state, "limit", "never-was", NULL);
}

static const struct {
    const char *sentence, *kind, *text, *param;
} mistakes[] = {
    {"not JSON", "plan_version", "{", ""},
    {"not an object", "plan_version", "[1]", ""},
    {"no plan", "plan_version", "{'number':1}", "plan"},
    {"an unknown status", "plan_version", "{'plan':'p','status':'live'}", "status"},
    {"limits are no list", "plan_version", "{'plan':'p','limits':{}}", "limits"},
    {"a limit is no object", "plan_version", "{'plan':'p','limits':[1]}", "limits"},
    {"a limit without a name", "plan_version",
     "{'plan':'p','limits':[{'metric':'requests','window':'day','value':1}]}", "name"},
    {"a negative limit", "plan_version",
     "{'plan':'p','limits':[{'name':'a','metric':'requests','window':'day','value':-1}]}", "value"},
    {"cost as a number", "plan_version",
     "{'plan':'p','limits':[{'name':'a','metric':'cost','window':'day','value':1}]}", "value"},
    {"no window", "plan_version",
     "{'plan':'p','limits':[{'name':'a','metric':'tokens','value':1}]}", "window"},
    {"concurrent included", "plan_version",
     "{'plan':'p','items':[{'feature':'*','metric':'concurrent'}]}", "metric"},
    {"a model that is no text", "plan_version", "{'plan':'p','models':[1]}", "models"},
    {"models are no list", "plan_version", "{'plan':'p','models':'x'}", "models"},
    {"twice the same member", "plan_version", "{'plan':'p','plan':'q'}", "plan"},
    {"no scope", "override", "{'scope_id':'c'}", "scope"},
    {"no operation", "override", "{'scope':'key','scope_id':'c','target':'limit'}", "op"},
    {"set needs a value", "override", "{'scope':'key','scope_id':'c','target':'limit','op':'set'}",
     "value"},
    {"set of a negative value", "override",
     "{'scope':'key','scope_id':'c','target':'limit','op':'set','value':-5}", "value"},
    {"a feature cannot be multiplied", "override",
     "{'scope':'key','scope_id':'c','target':'feature','op':'multiply','value':2}", "op"},
    {"a selector that is no object", "override",
     "{'scope':'key','scope_id':'c','target':'limit','op':'deny','selector':1}", "selector"},
    {"an instant that is none", "override",
     "{'scope':'key','scope_id':'c','target':'limit','op':'deny','starts_at':'soon'}", "starts_at"},
    {"no status", "subscription", "{'customer':'c','plan_version':'v'}", "status"},
    {"day 32", "subscription",
     "{'customer':'c','plan_version':'v','status':'active','anchor_day':32}", "anchor_day"},
    {"AI neither on nor off", "license", "{'customer':'c','ai_enabled':1}", "ai_enabled"},
    {"an unknown profile", "user", "{'customer':'c','external_id':'u','profile':'root'}",
     "profile"},
    {"an address that is none", "key_rules", "{'addresses':['10.0.0.0/99']}", "addresses"},
    {"a budget without an amount", "key_rules", "{'budget':{'window':'day'}}", "amount"},
    {"a budget without a window", "key_rules", "{'budget':{'amount':'1'}}", "window"},
    {"a budget that is no object", "key_rules", "{'budget':1}", "budget"},
    {"an unknown origin", "matrix_cell", "{'plan':'p','feature':'f','provider':'o','origin':'x'}",
     "origin"},
    {"a member of nothing", "group_member", "{'customer':'c'}", "group"},
    {"an unknown role", "feature_provider", "{'feature':'f','provider':'o','role':'king'}", "role"},
    {"an unknown status of a provider", "provider", "{'status':'x'}", "status"},
    {"an unknown type", "feature", "{'type':'x'}", "type"},
    {"a priority that is no number", "group", "{'priority':'high'}", "priority"},
};

static void wrong_documents(void **state)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct fault fault = {0};
        if (hear(*state, mistakes[i].kind, "id", mistakes[i].text, false, &fault) !=
                ERR_FIELD_INVALID ||
            strcmp(fault.param, mistakes[i].param) != 0 || fault.detail[0] == '\0')
            fail_msg("%s: %s, %s", mistakes[i].sentence, fault.param, fault.detail);
    }
    struct fault fault = {0};
    assert_int_equal(hear(*state, "group", "", "{}", false, &fault), ERR_FIELD_INVALID);
    struct govern *govern = *state;
    assert_int_equal(govern->docs.count, 0);
    assert_int_equal(govern->nodes.count, 0);
}

static void what_is_deleted_costs_nothing(void **state)
{
    struct govern *govern = *state;
    char id[32], text[128];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 500; i++) {
            snprintf(id, sizeof id, "s%d", i);
            snprintf(text, sizeof text, "{'customer':'c%d','plan_version':'v','status':'active'}",
                     i);
            put(govern, "subscription", id, round == 2 ? NULL : text);
        }
    assert_int_equal(govern->docs.count, 0);
    assert_int_equal(govern->nodes.count, 0);
    assert_null(govern->current->garbage);
    assert_ptr_equal(govern->oldest, govern->current);
}

/* ---- figures, when asked for: COTA_GOVERN_FIGURES=1 ---- */

static double elapsed_ns(struct timespec since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since.tv_sec) * 1e9 + (double)(now.tv_nsec - since.tv_nsec);
}

static void put_ten_limits(struct govern *govern)
{
    char text[TEXT_BYTES] = "{'plan':'ten','status':'active','items':[{'feature':'*',"
                            "'included':1000000,'metric':'tokens','reset':'period'}],'limits':[";
    static const char *const windows[] = {"second", "minute", "hour", "day", "month"};
    for (int i = 0; i < 10; i++) {
        size_t const used = strlen(text);
        snprintf(text + used, sizeof text - used,
                 "%s{'name':'limit-%d','metric':'%s','window':'%s','value':1000}", i ? "," : "", i,
                 i % 2 ? "tokens" : "requests", windows[i / 2]);
    }
    size_t const used = strlen(text);
    snprintf(text + used, sizeof text - used, "]}");
    put(govern, "plan_version", "ten.1", text);
    put(govern, "matrix_cell", "cell",
        "{'plan':'ten','feature':'chat','provider':'openai','profile':'*','daily_limit':50,"
        "'monthly_limit':1000}");
}

static void figures(void **state)
{
    enum { CUSTOMERS = 100000, CALLS = 1000000 };
    struct govern *govern = *state;
    char id[64], text[256];
    struct timespec since;
    struct fault fault = {0};
    if (!getenv("COTA_GOVERN_FIGURES"))
        return;
    put_ten_limits(govern);
    size_t const before = mallinfo2().uordblks;
    clock_gettime(CLOCK_MONOTONIC, &since);
    for (int i = 0; i < CUSTOMERS; i++) {
        snprintf(id, sizeof id, "01HZZZZZZZZZZZZZZZZZ%06d", i);
        snprintf(text, sizeof text,
                 "{'customer':'customer-%06d','plan_version':'ten.1','status':'active',"
                 "'anchor_at':'2026-01-31T12:00:00Z','anchor_day':31}",
                 i);
        put(govern, "subscription", id, text);
    }
    printf("        %.0f ns per document, %.0f bytes per customer with a subscription\n",
           elapsed_ns(since) / CUSTOMERS, (double)(mallinfo2().uordblks - before) / CUSTOMERS);
    put(govern, "override", "o1",
        "{'scope':'customer','scope_id':'customer-000001','target':'limit',"
        "'selector':{'name':'limit-3'},'op':'multiply','value':2}");
    struct govern_ask ask = call_of("customer-000001", "chat", "openai");
    for (int spread = 0; spread < 2; spread++) {
        clock_gettime(CLOCK_MONOTONIC, &since);
        for (int i = 0; i < CALLS; i++) {
            struct govern_verdict verdict;
            snprintf(id, sizeof id, "customer-%06d", (int)((unsigned)i * 7919u % CUSTOMERS));
            ask.customer_id = spread ? str_of(id) : STR("customer-000001");
            assert_int_equal(govern_resolve(govern, &ask, &verdict, &fault), ERR_OK);
            assert_int_equal(verdict.rules.count, 12);
            govern_release(govern, &verdict);
        }
        printf("        %.0f ns per call, %s (with the loop's own text)\n",
               elapsed_ns(since) / CALLS, spread ? "100 000 customers in turn" : "one customer");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_customer_is_not_governed),
        TEST(default_limits_of_a_plan),
        TEST(a_profile_brings_its_zone),
        TEST(a_machine_without_zones),
        TEST(periods_and_one_off_allowances),
        TEST(subscriptions_open_and_close),
        TEST(licences_compute_or_set_the_limit),
        TEST(keys_bind_even_without_a_plan),
        TEST(groups_need_members),
        TEST(features_and_providers_are_switched),
        TEST(the_matrix_of_s4),
        TEST(candidates_in_order),
        TEST(a_change_comes_whole),
        TEST(wrong_documents),
        TEST(what_is_deleted_costs_nothing),
        TEST(figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
