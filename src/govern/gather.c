/* gather.c - walks the documents that a call's customer, user, key, plan and groups have. */
#include "govern/gather.h"

static uint64_t whom_hash(struct str kind, struct str id, struct str part)
{
    uint64_t const hash = terms_join(terms_hash(kind), terms_hash(id));
    return part.ptr ? terms_join(hash, terms_hash(part)) : hash;
}

static struct str profile_of(const struct gathering *gathering, struct str said)
{
    if (gathering->user_doc && !str_empty(gathering->user_doc->profile))
        return gathering->user_doc->profile;
    if (str_eq(said, STR("professional")) || str_eq(said, STR("admin")))
        return said;
    return STR("user");
}

void gather_who(struct gathering *gathering, struct govern *govern, const struct govern_ask *ask)
{
    struct str const none = {0};
    gathering->govern = govern;
    gathering->subscription = NULL;
    gathering->plan = NULL;
    gathering->license = NULL;
    gathering->group_count = 0;
    gathering->too_many_groups = false;
    gathering->dry_group = none;
    gathering->customer_id = ask->customer_id;
    gathering->customer = node_find(govern, NODE_CUSTOMER, ask->customer_id);
    gathering->key = node_find(govern, NODE_KEY, ask->key_id);
    const struct doc_key *key = (const struct doc_key *)node_list(gathering->key, LIST_SELF);
    gathering->key_terms = key ? &key->terms : NULL;
    gathering->user_name = key && !str_empty(key->terms.user) ? key->terms.user : ask->user;
    gathering->user =
        node_find_pair(govern, NODE_USER, ask->customer_id, '/', gathering->user_name);
    gathering->user_doc = (const struct doc_user *)node_list(gathering->user, LIST_SELF);
    const struct doc_profile *profile =
        (const struct doc_profile *)node_list(gathering->customer, LIST_SELF);
    gathering->past = profile ? profile->past : NULL;
    gathering->zone = profile ? profile->zone : zones_default(govern->compiler.zones);
    gathering->customer_whom = whom_hash(STR("customer"), ask->customer_id, none);
    gathering->user_whom = str_empty(gathering->user_name)
                               ? 0
                               : whom_hash(STR("user"), ask->customer_id, gathering->user_name);
    gathering->key_whom = gathering->key ? whom_hash(STR("key"), ask->key_id, none) : 0;
    gathering->call = (struct call){.feature = ask->feature,
                                    .provider = ask->provider,
                                    .model = ask->model,
                                    .profile = profile_of(gathering, ask->profile),
                                    .module = ask->module,
                                    .address = ask->address,
                                    .now_us = ask->now_us};
}

static enum err refuse(struct refusal *refusal, enum err err, enum layer layer, struct str id,
                       const char *why)
{
    *refusal = (struct refusal){
        .err = err, .scope = layer_scope(layer), .layer = layer, .id = id, .why = why};
    return err;
}

/* The newest that gives access; without one, what the newest that is no draft says. */
static enum err gate_subscription(struct gathering *gathering, struct refusal *refusal)
{
    enum standing worst = STANDING_NONE;
    struct str id = {0};
    const struct doc *doc = node_list(gathering->customer, LIST_SUBSCRIPTIONS);
    for (; doc; doc = doc->next) {
        const struct doc_subscription *subscription = (const struct doc_subscription *)doc;
        enum standing const standing =
            subscription_standing(&subscription->terms, gathering->call.now_us);
        if (standing == STANDING_ACCESS) {
            const struct doc_plan_version *version =
                doc_find(gathering->govern, DOC_PLAN_VERSION, subscription->terms.plan_version);
            gathering->subscription = subscription;
            gathering->plan = version ? &version->terms : NULL;
            return version ? ERR_OK
                           : refuse(refusal, ERR_SUBSCRIPTION_INACTIVE, LAYER_PLAN,
                                    subscription->terms.id,
                                    "the subscription's plan version does not exist");
        }
        if (worst == STANDING_NONE && standing != STANDING_NONE) {
            worst = standing;
            id = subscription->terms.id;
        }
    }
    if (worst == STANDING_NONE)
        return ERR_OK;
    if (worst == STANDING_SUSPENDED)
        return refuse(refusal, ERR_CUSTOMER_SUSPENDED, LAYER_CUSTOMER, id,
                      "the subscription is suspended or paused");
    return refuse(refusal, ERR_SUBSCRIPTION_INACTIVE, LAYER_PLAN, id,
                  "the subscription gives no access now");
}

/* The newest that permits; without one, why the newest does not. */
static enum err gate_license(struct gathering *gathering, struct refusal *refusal)
{
    struct refusal first = {0}, other;
    const struct doc *doc = node_list(gathering->customer, LIST_LICENSES);
    for (; doc; doc = doc->next) {
        const struct license_terms *terms = &((const struct doc_license *)doc)->terms;
        if (license_permits(terms, gathering->call.module, gathering->call.now_us, &other)) {
            gathering->license = terms;
            return ERR_OK;
        }
        first = first.err == ERR_OK ? other : first;
    }
    if (first.err != ERR_OK)
        *refusal = first;
    return first.err;
}

enum err gather_gates(struct gathering *gathering, struct refusal *refusal)
{
    if (gathering->key_terms && !key_permits(gathering->key_terms, &gathering->call, refusal))
        return refusal->err;
    if (gathering->user_doc && !gathering->user_doc->active)
        return refuse(refusal, ERR_CUSTOMER_SUSPENDED, LAYER_USER,
                      entry_id(&gathering->user_doc->doc.head), "the user is switched off");
    enum err const err = gate_subscription(gathering, refusal);
    return err != ERR_OK ? err : gate_license(gathering, refusal);
}

int64_t gather_low_credit(const struct gathering *gathering)
{
    const struct doc_profile *profile =
        (const struct doc_profile *)node_list(gathering->customer, LIST_SELF);
    if (profile && profile->low_credit >= 0)
        return profile->low_credit;
    return gathering->plan ? gathering->plan->low_credit : 0;
}

/* By priority, then id; a group counts once, for the customer when both are members. */
static void group_add(struct gathering *gathering, struct str id, uint64_t whom)
{
    const struct node *node = node_find(gathering->govern, NODE_GROUP, id);
    const struct doc_group *group = (const struct doc_group *)node_list(node, LIST_SELF);
    if (!group)
        return; /* limits and overrides of a group that does not exist */
    for (size_t i = 0; i < gathering->group_count; i++)
        if (gathering->groups[i].node == node)
            return;
    gathering->too_many_groups =
        gathering->too_many_groups || gathering->group_count == GROUPS_PER_CALL_MAX;
    if (gathering->too_many_groups)
        return;
    size_t at = gathering->group_count++;
    for (; at > 0; at--) {
        const struct membership *before = &gathering->groups[at - 1];
        struct str const a = entry_id(&before->node->head), b = entry_id(&node->head);
        size_t const len = a.len < b.len ? a.len : b.len;
        int const order = memcmp(a.ptr, b.ptr, len);
        if (before->priority < group->priority ||
            (before->priority == group->priority && (order < 0 || (order == 0 && a.len < b.len))))
            break;
        gathering->groups[at] = *before;
    }
    gathering->groups[at] =
        (struct membership){.node = node, .priority = group->priority, .whom = whom};
}

static void groups_of(struct gathering *gathering, const struct node *node, uint64_t whom)
{
    int64_t const now_us = gathering->call.now_us;
    for (const struct doc *doc = node_list(node, LIST_MEMBERS); doc; doc = doc->next) {
        const struct doc_member *member = (const struct doc_member *)doc;
        bool const begun = member->from_us == 0 || now_us >= member->from_us;
        if (begun && (member->to_us == 0 || now_us < member->to_us))
            group_add(gathering, member->group, whom);
    }
}

void gather_groups(struct gathering *gathering)
{
    if (gathering->govern->node_counts[NODE_GROUP] == 0)
        return;
    groups_of(gathering, gathering->customer, gathering->customer_whom);
    groups_of(gathering, gathering->user, gathering->user_whom);
    for (size_t i = 0; gathering->user_doc && i < gathering->user_doc->groups.count; i++)
        group_add(gathering, gathering->user_doc->groups.list[i], gathering->user_whom);
    group_add(gathering, gathering->dry_group, gathering->customer_whom);
}

static void limits_of(struct resolution *resolution, const struct node *node, enum layer layer,
                      uint64_t whom)
{
    for (const struct doc *doc = node_list(node, LIST_LIMITS); doc; doc = doc->next)
        resolution_limit(resolution, &((const struct doc_limit *)doc)->limit, layer, whom,
                         entry_id(&doc->head), node);
}

static void overrides_of(struct resolution *resolution, const struct node *node)
{
    for (const struct doc *doc = node_list(node, LIST_OVERRIDES); doc; doc = doc->next)
        resolution_override(resolution, &((const struct doc_override *)doc)->override);
}

/* What the licence brings, and the key's budget. */
static void limits_made(const struct gathering *gathering, struct resolution *resolution)
{
    static const struct alert_terms alerts = {STR_ROW("license"), {{80, 100}}};
    const struct license_terms *license = gathering->license;
    const struct plan_terms *plan = gathering->plan;
    if (license) {
        int64_t const computed = plan ? plan->ai_token_limit : -1;
        struct limit const limit = {.name = STR("license"),
                                    .identity = terms_hash(STR("license")),
                                    .kind = WINDOW_MONTH,
                                    .metric = METRIC_TOKENS,
                                    .mode = WINDOW_HARD,
                                    .alerts = &alerts,
                                    .value = license->ai_token_limit >= 0 ? license->ai_token_limit
                                                                          : computed};
        if (limit.value >= 0)
            resolution_limit(resolution, &limit, LAYER_LICENSE, gathering->customer_whom,
                             license->id, license);
    }
    if (gathering->key_terms && gathering->key_terms->has_budget)
        resolution_limit(resolution, &gathering->key_terms->budget, LAYER_KEY, gathering->key_whom,
                         entry_id(&gathering->key->head), gathering->key_terms);
}

static void know(const struct gathering *gathering, struct known *known)
{
    const struct doc_feature *feature =
        doc_find(gathering->govern, DOC_FEATURE, gathering->call.feature);
    const struct doc_provider *provider =
        doc_find(gathering->govern, DOC_PROVIDER, gathering->call.provider);
    known->feature_inactive = feature && !feature->active;
    known->feature_boolean = feature && feature->boolean;
    known->provider_disabled = provider && provider->disabled;
}

void gather_rules(const struct gathering *gathering, struct resolution *resolution)
{
    resolution_begin(resolution, &gathering->call, gathering->customer_whom,
                     gathering->user_whom ? gathering->user_whom : gathering->customer_whom);
    know(gathering, &resolution->known);
    resolution->full = gathering->too_many_groups;
    if (gathering->plan) {
        resolution_plan(resolution, gathering->plan);
        const struct node *matrix = node_find_pair(
            gathering->govern, NODE_MATRIX, gathering->plan->plan, '\x1f', gathering->call.feature);
        for (const struct doc *doc = node_list(matrix, LIST_SELF); doc; doc = doc->next)
            resolution_cell(resolution, &((const struct doc_cell *)doc)->cell);
    }
    for (size_t i = 0; i < gathering->group_count; i++) {
        const struct membership *group = &gathering->groups[i];
        limits_of(resolution, group->node, LAYER_GROUP, group->whom);
        overrides_of(resolution, group->node);
    }
    limits_of(resolution, gathering->customer, LAYER_CUSTOMER, gathering->customer_whom);
    overrides_of(resolution, gathering->customer);
    limits_of(resolution, gathering->user, LAYER_USER, gathering->user_whom);
    overrides_of(resolution, gathering->user);
    limits_of(resolution, gathering->key, LAYER_KEY, gathering->key_whom);
    overrides_of(resolution, gathering->key);
    limits_made(gathering, resolution);
}
