/* candidates.c - which AIs a feature has, in order, without a call. */
#include "base/limits.h"
#include "govern/gather.h"
#include "govern/govern.h"

struct candidates {
    size_t count;
    struct govern_candidate list[CANDIDATES_MAX];
};

/* By order, then the heavier first. */
static void candidate_add(struct candidates *candidates, const struct govern_candidate *candidate)
{
    size_t at = candidates->count;
    if (at == CANDIDATES_MAX)
        return;
    for (; at > 0; at--) {
        const struct govern_candidate *before = &candidates->list[at - 1];
        if (before->order < candidate->order ||
            (before->order == candidate->order && before->weight >= candidate->weight))
            break;
        candidates->list[at] = *before;
    }
    candidates->list[at] = *candidate;
    candidates->count++;
}

static struct str first_said(struct str a, struct str b, struct str c)
{
    return !str_empty(a) ? a : !str_empty(b) ? b : c;
}

/* The provider as a call would find it; what a call would be refused is left out. */
static void consider(struct gathering *gathering, const struct govern_candidate *route,
                     struct candidates *candidates)
{
    struct resolution resolution;
    struct refusal refusal;
    const struct doc_provider *provider =
        doc_find(gathering->govern, DOC_PROVIDER, route->provider);
    if (provider && !provider->active)
        return;
    gathering->call.provider = route->provider;
    gather_rules(gathering, &resolution);
    if (resolution_end(&resolution, &refusal) != ERR_OK)
        return;
    const struct cell *cell = resolution.has_cell ? resolution.cells.best : NULL;
    struct govern_candidate candidate = *route;
    struct str const none = {0};
    candidate.model = first_said(cell ? cell->model : none, route->model,
                                 provider ? provider->default_model : none);
    candidate.origin =
        resolution.has_cell ? str_of(cell_origin_name(resolution.cell_origin)) : none;
    candidate.daily_limit = resolution.daily;
    candidate.monthly_limit = resolution.monthly;
    if (resolution.has_cell)
        candidate.source =
            (struct govern_source){layer_name(resolution.cell_layer), resolution.cell_id, {0}};
    candidate_add(candidates, &candidate);
}

static bool has_route(const struct node *feature, struct str provider)
{
    for (const struct doc *doc = node_list(feature, LIST_SELF); doc; doc = doc->next)
        if (str_eq(((const struct doc_route *)doc)->provider, provider))
            return true;
    return false;
}

/* A cell whose provider has no route yet comes after all routes. */
static void consider_cells(struct gathering *gathering, const struct node *feature,
                           struct candidates *candidates)
{
    struct str const plan = gathering->plan ? gathering->plan->plan : (struct str){0};
    const struct node *matrix =
        node_find_pair(gathering->govern, NODE_MATRIX, plan, '\x1f', gathering->call.feature);
    for (const struct doc *doc = node_list(matrix, LIST_SELF); doc; doc = doc->next) {
        struct str const provider = ((const struct doc_cell *)doc)->cell.provider;
        bool known = has_route(feature, provider);
        for (size_t i = 0; i < candidates->count && !known; i++)
            known = str_eq(candidates->list[i].provider, provider);
        struct govern_candidate const route = {
            .provider = provider, .role = STR("generation"), .order = INT32_MAX};
        if (!known)
            consider(gathering, &route, candidates);
    }
}

static void consider_all(struct gathering *gathering, struct candidates *candidates)
{
    const struct node *feature =
        node_find(gathering->govern, NODE_FEATURE, gathering->call.feature);
    for (const struct doc *doc = node_list(feature, LIST_SELF); doc; doc = doc->next) {
        const struct doc_route *route = (const struct doc_route *)doc;
        struct govern_candidate const candidate = {.provider = route->provider,
                                                   .role = route->role,
                                                   .model = route->model,
                                                   .weight = route->weight,
                                                   .order = route->order,
                                                   .source = {"plan", entry_id(&doc->head), {0}}};
        if (route->active)
            consider(gathering, &candidate, candidates);
    }
    consider_cells(gathering, feature, candidates);
}

/* A plan without a customer: its newest active version. */
static enum err dry_run(struct gathering *gathering, const struct govern_context *context,
                        struct fault *fault)
{
    const struct node *node = node_find(gathering->govern, NODE_PLAN, context->plan);
    if (!node && !doc_find(gathering->govern, DOC_PLAN, context->plan))
        return fault_param(fault, ERR_NOT_FOUND, "plan", "there is no such plan");
    gathering->plan = NULL;
    for (const struct doc *doc = node_list(node, LIST_SELF); doc && !gathering->plan;
         doc = doc->next)
        if (((const struct doc_plan_version *)doc)->terms.active)
            gathering->plan = &((const struct doc_plan_version *)doc)->terms;
    if (!gathering->plan)
        return fault_param(fault, ERR_NOT_FOUND, "plan", "the plan has no active version");
    gathering->dry_group = context->group;
    return ERR_OK;
}

enum err govern_candidates(struct govern *govern, const struct govern_context *context,
                           govern_visit *visit, void *owner, struct fault *fault)
{
    struct gathering gathering;
    struct candidates candidates = {.count = 0};
    struct refusal refusal = {0};
    struct govern_ask const ask = {.customer_id = context->customer_id,
                                   .user = context->user,
                                   .feature = context->feature,
                                   .profile = context->profile,
                                   .group = context->group,
                                   .now_us = context->now_us};
    unsigned const number = slot_lock(govern);
    struct era *era = era_hold(govern, number);
    gather_who(&gathering, govern, &ask);
    enum err err = str_empty(context->customer_id) ? dry_run(&gathering, context, fault)
                                                   : gather_gates(&gathering, &refusal);
    if (err == ERR_OK) {
        gather_groups(&gathering);
        consider_all(&gathering, &candidates);
    }
    slot_unlock(govern, number);
    if (refusal.err != ERR_OK)
        fault_set(fault, err, "%s (%s: %.*s)", refusal.why, layer_name(refusal.layer),
                  STR_ARG(refusal.id));
    for (size_t i = 0; i < candidates.count; i++)
        if (!visit(owner, &candidates.list[i]))
            break;
    era_release(era, number);
    return err;
}
