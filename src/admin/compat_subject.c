/* compat_subject.c - whose figures are asked for, and how that customer stands now. */
#include "admin/compat_int.h"
#include "base/must.h"
#include "codec/when.h"
#include "core/cidr.h"
#include "core/period.h"

/* --- members of documents -------------------------------------------------------------------- */
struct str document_raw(struct json_object *scratch, struct str text, const char *name)
{
    struct fault ignored = {0};
    if (text.len == 0 || json_members(text, scratch, &ignored) != ERR_OK)
        return (struct str){0};
    struct str const value = json_get(scratch, str_of(name));
    return json_type(value) == JSON_NULL ? (struct str){0} : value;
}

struct str document_words(struct admin_call *call, struct json_object *scratch, struct str text,
                          const char *name)
{
    char words[2048]; /* a sealed key is the longest */
    size_t len;
    if (!json_text(document_raw(scratch, text, name), words, sizeof words, &len))
        return STR("");
    struct str const copy = arena_copy(call->arena, str_make(words, len));
    return copy.ptr != NULL ? copy : STR("");
}

/* --- what a key may ask ---------------------------------------------------------------------- */
static bool has_text(struct str array, struct str wanted)
{
    struct str element, text;
    for (size_t at = 0; json_next(array, &at, &element);)
        if (json_plain_text(element, &text) && str_eq(text, wanted))
            return true;
    return false;
}

static bool has_address(struct str array, struct str address)
{
    struct cidr network;
    struct str element, text;
    for (size_t at = 0; json_next(array, &at, &element);)
        if (json_plain_text(element, &text) && cidr_parse(text, &network) &&
            cidr_has(&network, 1, address))
            return true;
    return false;
}

enum err key_scope_check(struct admin_call *call, const char *scope)
{
    struct object rules;
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    if (scratch == NULL)
        return ERR_NO_MEMORY;
    if (call->key_id.len == 0 ||
        !book_object_get(admin_options(call->admin)->book, OBJECT_KEY_RULES, call->key_id,
                         call->arena, &rules))
        return ERR_OK;
    enum err const err = object_load(call, OBJECT_KEY_RULES, call->key_id, &rules);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* its rules were deleted meanwhile */
    struct str const scopes = document_raw(scratch, rules.text, "scopes");
    if (scopes.ptr != NULL && !has_text(scopes, str_of(scope)))
        return fault_set(&call->fault, ERR_SCOPE_FORBIDDEN, "the key lacks the scope %s", scope);
    struct str const addresses = document_raw(scratch, rules.text, "addresses");
    if (addresses.ptr != NULL && !has_address(addresses, call->actor.address))
        return fault_set(&call->fault, ERR_ADDRESS_FORBIDDEN, "not from here");
    return ERR_OK;
}

/* --- who is meant ---------------------------------------------------------------------------- */
struct named {
    struct arena *arena;
    struct str id;
    size_t count;
};

static bool keep_profile(void *owner, const struct object_row *row)
{
    struct named *named = owner;
    named->id = arena_copy(named->arena, row->id);
    return ++named->count < 2;
}

/* By the id that the source system has for it. *id empty: nobody is. */
static enum err find_named(struct admin_call *call, struct str said, struct str *id)
{
    const struct admin_options *options = admin_options(call->admin);
    struct named named = {.arena = call->arena};
    struct object_query const query = {
        .kind = object_kind_row(OBJECT_PROFILE)->name,
        .limit = 2,
        .filter_count = 1,
        .filters = {{STR("external_id"), said}},
    };
    *id = said;
    if (book_customer(options->book, said) != NULL)
        return ERR_OK;
    enum err const err = options->store->ops->object_list(options->store, &query, keep_profile,
                                                          &named, &call->fault);
    if (err == ERR_OK && named.count > 1)
        return fault_set(&call->fault, ERR_CONFLICT,
                         "several customers have this external_id; say the customer's id");
    *id = named.count == 1 && named.id.ptr != NULL ? named.id : STR("");
    return err;
}

static enum err who(struct subject *subject, const char *parameter)
{
    struct admin_call *call = subject->call;
    struct str const said = admin_query(call, parameter);
    subject->id = call->customer;
    if (said.len == 0)
        return call->customer.len > 0
                   ? ERR_OK
                   : fault_param(&call->fault, ERR_FIELD_INVALID, parameter, "say which customer");
    enum err const err = find_named(call, said, &subject->id);
    if (call->customer.len > 0 && (err != ERR_OK || !str_eq(subject->id, call->customer)))
        /* the same answer whether there is such a customer or not */
        return fault_param(&call->fault, ERR_SCOPE_FORBIDDEN, parameter,
                           "a key speaks for its own customer only");
    return err;
}

void subject_look(struct subject *subject)
{
    struct govern *govern = admin_options(subject->call->admin)->govern;
    struct fault ignored = {0};
    struct govern_ask const ask = {.customer_id = subject->id, .now_us = subject->now_us};
    govern_release(govern, &subject->verdict);
    subject->refusal = govern_resolve(govern, &ask, &subject->verdict, &ignored);
    if (subject->refusal == ERR_OK)
        book_rule_states(subject->customer, &subject->verdict.rules, subject->states);
}

static void look_away(void *object)
{
    struct subject *subject = object;
    govern_release(admin_options(subject->call->admin)->govern, &subject->verdict);
}

enum err subject_open(struct admin_call *call, const char *parameter, const char *scope,
                      struct subject **made)
{
    const struct admin_options *options = admin_options(call->admin);
    struct subject *subject = arena_zalloc(call->arena, sizeof *subject);
    if (subject == NULL || !arena_on_free(call->arena, look_away, subject))
        return ERR_NO_MEMORY;
    subject->call = call;
    subject->now_us = clock_wall_us(options->clock);
    enum err err = admin_flush(call);
    if (err == ERR_OK)
        err = key_scope_check(call, scope);
    if (err == ERR_OK)
        err = who(subject, parameter);
    if (err != ERR_OK)
        return err;
    subject->customer = book_customer(options->book, subject->id);
    if (subject->customer == NULL)
        return fault_param(&call->fault, ERR_NOT_FOUND, parameter, "there is no such customer");
    subject_look(subject);
    *made = subject;
    return ERR_OK;
}

/* --- what binds it --------------------------------------------------------------------------- */
static bool is_for_all(const struct govern_source *source)
{
    static const char *const layers[] = {"plan", "group", "customer", "license"};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        if (source->layer != NULL && strcmp(source->layer, layers[i]) == 0)
            return true;
    return false;
}

const struct rule *subject_limit(const struct subject *subject, enum metric metric,
                                 enum window_kind window, int64_t *used)
{
    const struct rules *rules = &subject->verdict.rules;
    const struct rule *tightest = NULL;
    int64_t least = INT64_MAX;
    for (size_t i = 0; subject->refusal == ERR_OK && i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        int64_t const taken = subject->states[i].used + subject->states[i].held;
        if (rule->metric != metric || rule->kind != window || rule->mode != WINDOW_HARD ||
            !is_for_all(&subject->verdict.sources[i]) ||
            (tightest != NULL && rule->limit - taken >= least))
            continue;
        tightest = rule;
        least = rule->limit - taken;
        *used = taken;
    }
    return tightest;
}

struct choice {
    struct subject *subject;
    struct govern_verdict *verdict;
    admin_model_visit *visit;
    void *visitor;
};

static bool choose(void *owner, const struct admin_model *model)
{
    struct choice *choice = owner;
    struct subject *subject = choice->subject;
    struct govern *govern = admin_options(subject->call->admin)->govern;
    struct fault ignored = {0};
    struct govern_ask const ask = {.customer_id = subject->id,
                                   .provider = model->provider,
                                   .model = model->name,
                                   .now_us = subject->now_us};
    enum err const err = govern_resolve(govern, &ask, choice->verdict, &ignored);
    govern_release(govern, choice->verdict);
    return err != ERR_OK || choice->visit(choice->visitor, model);
}

enum err subject_models(struct subject *subject, admin_model_visit *visit, void *visitor)
{
    const struct admin_options *options = admin_options(subject->call->admin);
    struct choice choice = {.subject = subject, .visit = visit, .visitor = visitor};
    choice.verdict = arena_zalloc(subject->call->arena, sizeof *choice.verdict);
    if (choice.verdict == NULL)
        return ERR_NO_MEMORY;
    options->models(options->owner, choose, &choice);
    return ERR_OK;
}

/* --- what its documents come to -------------------------------------------------------------- */
/* Whether a call may run is not the question: plan and zone are known before that is decided.
 * NULL: no memory. Release it. */
static struct govern_verdict *verdict_of(struct admin_call *call, struct str customer)
{
    const struct admin_options *options = admin_options(call->admin);
    struct govern_verdict *verdict = arena_zalloc(call->arena, sizeof *verdict);
    struct fault fault = {0};
    struct govern_ask const ask = {.customer_id = customer,
                                   .now_us = clock_wall_us(options->clock)};
    if (verdict != NULL && govern_resolve(options->govern, &ask, verdict, &fault) != ERR_OK)
        MUST(verdict->zone != NULL);
    return verdict;
}

const struct zone *customer_zone(struct admin_call *call, struct str id)
{
    struct govern_verdict *verdict = verdict_of(call, id);
    if (verdict == NULL)
        return zone_utc();
    const struct zone *zone = verdict->zone;
    govern_release(admin_options(call->admin)->govern, verdict);
    return zone;
}

int64_t license_token_limit(struct admin_call *call, struct str license)
{
    const struct admin_options *options = admin_options(call->admin);
    struct json_object *scratch = arena_alloc(call->arena, sizeof *scratch);
    struct object version;
    int64_t limit = -1;
    if (scratch == NULL || json_i64(document_raw(scratch, license, "ai_token_limit"), &limit))
        return limit;
    struct govern_verdict *verdict =
        verdict_of(call, document_words(call, scratch, license, "customer"));
    if (verdict == NULL)
        return -1;
    if (verdict->plan_version.len > 0 &&
        book_object_get(options->book, OBJECT_PLAN_VERSION, verdict->plan_version, call->arena,
                        &version) &&
        !json_i64(document_raw(scratch, version.text, "ai_token_limit"), &limit))
        limit = -1;
    govern_release(options->govern, verdict);
    return limit;
}

int64_t subscription_period_end(struct admin_call *call, struct json_object *scratch,
                                struct str subscription, const struct zone *zone, int64_t now_us)
{
    struct period_rule rule = {.unit = PERIOD_MONTH, .count = 1};
    struct object version;
    int64_t number, start_us, end_us;
    struct str const id = document_words(call, scratch, subscription, "plan_version");
    if (!book_object_get(admin_options(call->admin)->book, OBJECT_PLAN_VERSION, id, call->arena,
                         &version))
        return 0;
    struct str const unit = document_words(call, scratch, version.text, "interval");
    for (int i = 0; i < PERIOD_UNIT_COUNT; i++)
        if (str_eq(unit, str_of(period_unit_name((enum period_unit)i))))
            rule.unit = (enum period_unit)i;
    if (json_i64(document_raw(scratch, version.text, "interval_count"), &number))
        rule.count = (int)number;
    if (json_i64(document_raw(scratch, subscription, "anchor_day"), &number))
        rule.anchor_day = (int)number;
    if (when_parse(document_words(call, scratch, subscription, "anchor_at"), &rule.anchor_us))
        return period_at(&rule, zone, now_us).end_us;
    /* without an anchor a period is a calendar month, as it is for limits */
    window_bounds(WINDOW_MONTH, zone, now_us, &start_us, &end_us);
    return end_us;
}
