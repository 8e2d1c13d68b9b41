/* tariff.c - what a call is charged: the nearest markup, and the credits of the plan. */
#include "govern/gather.h"

static const struct doc_markup *nearest_markup(const struct gathering *gathering)
{
    struct str const none = {0}; /* finds nothing */
    const struct str ids[MARKUP_SCOPE_COUNT] = {
        [MARKUP_CUSTOMER] = gathering->customer_id,
        [MARKUP_PLAN] = gathering->plan ? gathering->plan->plan : none,
        [MARKUP_MODEL] = gathering->call.model,
        [MARKUP_PROVIDER] = gathering->call.provider,
        [MARKUP_GLOBAL] = STR(MARKUP_EVERYTHING),
    };
    for (int scope = 0; scope < MARKUP_SCOPE_COUNT; scope++) {
        const struct node *node = node_find_pair(gathering->govern, NODE_MARKUP,
                                                 str_of(markup_scopes[scope]), '\x1f', ids[scope]);
        if (node_list(node, LIST_SELF))
            return (const struct doc_markup *)node_list(node, LIST_SELF);
    }
    return NULL;
}

static int64_t rate_for(const struct credit_terms *credit, struct str feature)
{
    for (size_t i = 0; i < credit->feature_count; i++)
        if (str_eq(credit->features[i].feature, feature))
            return credit->features[i].rate;
    return credit->rate;
}

void gather_tariff(const struct gathering *gathering, struct tariff *tariff)
{
    const struct credit_terms *credit = gathering->plan ? gathering->plan->credit : NULL;
    *tariff = (struct tariff){0};
    if (gathering->govern->node_counts[NODE_MARKUP] > 0) {
        const struct doc_markup *markup = nearest_markup(gathering);
        if (markup) {
            tariff->marked = true;
            tariff->factor = markup->factor;
            tariff->fixed = markup->fixed;
        }
    }
    if (credit) {
        tariff->basis = credit->basis;
        tariff->rate = rate_for(credit, gathering->call.feature);
        tariff->minimum = credit->minimum;
    }
}
