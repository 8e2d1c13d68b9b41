/* compile_customer.c - what belongs to one customer: profile, subscription, licence, users, keys.
 */
#include "govern/compile_int.h"

/* Zones that the server has noted. One that this machine has no longer is as if it had not been. */
static const struct zones_past *read_past(struct reading *reading)
{
    struct str const list = member_raw(reading, "time_zone_before");
    struct str element;
    size_t at = 0;
    if (list.ptr == NULL)
        return NULL;
    struct zones_past *past = reading_room(reading, sizeof *past);
    if (json_type(list) != JSON_ARRAY)
        reading_wrong(reading, "time_zone_before", "is not a list");
    while (past && reading->err == ERR_OK && json_next(list, &at, &element)) {
        struct json_object object;
        struct reading inside;
        struct fault ignored = {0};
        if (past->count == ZONES_PAST_MAX || !reading_inside(reading, element, &object, &inside)) {
            reading_wrong(reading, "time_zone_before", "is more than a list of a few zones");
            return NULL;
        }
        struct zone_past *one = &past->list[past->count];
        struct str const name = member_name(&inside, "time_zone");
        one->until_us = member_instant(&inside, "until");
        bool const later = past->count == 0 || one->until_us > past->list[past->count - 1].until_us;
        if (inside.err == ERR_OK && later &&
            zones_get(reading->compiler->zones, name, &one->zone, &ignored) == ERR_OK)
            past->count++;
        reading_back(reading, &inside);
    }
    return past && past->count > 0 ? past : NULL;
}

void compile_profile(struct reading *reading)
{
    struct doc_profile *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct zones *zones = reading->compiler->zones;
    struct str const name = member_text(reading, "time_zone");
    made->doc.owner_kind = NODE_CUSTOMER;
    made->doc.owner = reading_copy(reading, reading->id);
    made->doc.head.list = LIST_SELF;
    made->zone = zones_default(zones);
    made->low_credit = member_amount(reading, "low_credit");
    if (!str_empty(name) && reading->err == ERR_OK)
        reading->err = zones_get(zones, name, &made->zone, reading->fault);
    made->past = read_past(reading);
}

static bool is_profile(struct str name)
{
    return str_eq(name, STR("user")) || str_eq(name, STR("professional")) ||
           str_eq(name, STR("admin"));
}

void compile_user(struct reading *reading)
{
    struct doc_user *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct str const customer = member_name(reading, "customer");
    struct str const external = member_name(reading, "external_id");
    made->doc.owner_kind = NODE_USER;
    made->doc.owner = reading_join(reading, customer, "/", external);
    made->doc.head.list = LIST_SELF;
    made->profile = member_text(reading, "profile");
    if (!str_empty(made->profile) && !is_profile(made->profile))
        reading_wrong(reading, "profile", "is not user, professional or admin");
    made->groups = member_names(reading, "groups");
    made->active = member_bool(reading, "active", true);
}

void compile_member(struct reading *reading)
{
    struct doc_member *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct str const customer = member_name(reading, "customer");
    struct str const user = member_text(reading, "user");
    bool const has_user = !str_empty(user);
    made->doc.owner_kind = has_user ? NODE_USER : NODE_CUSTOMER;
    made->doc.owner = has_user ? reading_join(reading, customer, "/", user) : customer;
    made->doc.head.list = LIST_MEMBERS;
    made->group = member_name(reading, "group");
    made->from_us = member_instant(reading, "valid_from");
    made->to_us = member_instant(reading, "valid_to");
}

void compile_subscription(struct reading *reading)
{
    static const char *const statuses[] = {
        "draft",  "trialing",         "active",   "paused",     "suspended",         "past_due",
        "unpaid", "cancel_scheduled", "canceled", "incomplete", "incomplete_expired"};
    _Static_assert(sizeof statuses / sizeof *statuses == SUBSCRIPTION_STATUS_COUNT, "all of them");
    struct doc_subscription *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct subscription_terms *terms = &made->terms;
    int const status = member_word(reading, "status", statuses, SUBSCRIPTION_STATUS_COUNT, -1);
    if (status < 0) {
        reading_wrong(reading, "status", "is missing");
        return;
    }
    made->doc.owner_kind = NODE_CUSTOMER;
    made->doc.owner = member_name(reading, "customer");
    made->doc.head.list = LIST_SUBSCRIPTIONS;
    made->serial = ++reading->compiler->serial;
    terms->id = reading_copy(reading, reading->id);
    terms->plan_version = member_name(reading, "plan_version");
    terms->status = (enum subscription_status)status;
    terms->has_anchor = member_raw(reading, "anchor_at").ptr != NULL;
    terms->anchor_us = member_instant(reading, "anchor_at");
    terms->anchor_day = (int)member_i64(reading, "anchor_day", 1, 31, 0);
    terms->cancel_us = member_instant(reading, "cancel_at");
    terms->grace_us = member_instant(reading, "grace_until");
}

void compile_license(struct reading *reading)
{
    static const char *const statuses[] = {"active", "suspended", "expired"};
    struct doc_license *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct license_terms *terms = &made->terms;
    made->doc.owner_kind = NODE_CUSTOMER;
    made->doc.owner = member_name(reading, "customer");
    made->doc.head.list = LIST_LICENSES;
    terms->id = reading_copy(reading, reading->id);
    terms->modules = member_names(reading, "modules");
    terms->ai_enabled = member_bool(reading, "ai_enabled", false);
    terms->active = member_word(reading, "status", statuses, 3, 0) == 0;
    terms->ai_token_limit = member_i64(reading, "ai_token_limit", 0, INT64_MAX, -1);
    terms->valid_from_us = member_instant(reading, "valid_from");
    terms->valid_to_us = member_instant(reading, "valid_to");
}

static void read_addresses(struct reading *reading, struct key_terms *terms)
{
    struct names const names = member_names(reading, "addresses");
    terms->has_addresses = names.said;
    if (!names.said)
        return;
    struct cidr *list = reading_room(reading, names.count * sizeof *list);
    for (size_t i = 0; list && names.list && i < names.count; i++)
        if (!cidr_parse(names.list[i], &list[i]))
            reading_wrong(reading, "addresses", "has one that is no address or network");
    terms->addresses = list;
    terms->address_count = list ? names.count : 0;
}

static void read_budget(struct reading *reading, struct key_terms *terms)
{
    struct json_object object;
    struct reading inside;
    struct str const value = member_raw(reading, "budget");
    if (!value.ptr)
        return;
    if (!reading_inside(reading, value, &object, &inside)) {
        reading_wrong(reading, "budget", "is not an object");
        return;
    }
    struct limit *budget = &terms->budget;
    *budget = (struct limit){.name = STR("budget"),
                             .identity = identity_of(STR("budget"), reading->id, (struct str){0}),
                             .metric = METRIC_COST,
                             .mode = WINDOW_HARD};
    budget->value = member_amount(&inside, "amount");
    if (budget->value < 0)
        reading_wrong(&inside, "amount", "is missing");
    if (!read_window(&inside, "window", &budget->kind))
        reading_wrong(&inside, "window", "is missing");
    budget->alerts = read_alerts(&inside, STR("budget"), alerts_usual);
    terms->has_budget = true;
    reading_back(reading, &inside);
}

void compile_key(struct reading *reading)
{
    struct doc_key *made = reading_room(reading, sizeof *made);
    if (!made)
        return;
    struct key_terms *terms = &made->terms;
    made->doc.owner_kind = NODE_KEY;
    made->doc.owner = reading_copy(reading, reading->id);
    made->doc.head.list = LIST_SELF;
    terms->scopes = member_names(reading, "scopes");
    terms->models = member_names(reading, "models");
    terms->features = member_names(reading, "features");
    terms->user = member_text(reading, "user");
    read_addresses(reading, terms);
    read_budget(reading, terms);
}
