/* gather.h - everything that has a say in one call, found and handed to core/resolve.
 *
 * Not:   the verdict (govern.c), candidates (candidates.c). With a slot locked.
 */
#pragma once
#include "govern/govern_int.h"

struct membership {
    const struct node *node;
    int64_t priority;
    uint64_t whom; /* the customer, or the user through whom it is one */
};

struct gathering {
    struct govern *govern;
    const struct node *customer, *user, *key;
    const struct doc_subscription *subscription;
    const struct plan_terms *plan;
    const struct license_terms *license;
    const struct doc_user *user_doc;
    const struct key_terms *key_terms;
    const struct zone *zone;
    const struct zones_past *past; /* NULL: the zone has always been that */
    struct str customer_id, user_name, dry_group;
    uint64_t customer_whom, user_whom, key_whom;
    size_t group_count;
    bool too_many_groups;
    struct membership groups[GROUPS_PER_CALL_MAX];
    struct call call;
};

/* Who it is: nodes, user, profile, zone. */
void gather_who(struct gathering *gathering, struct govern *govern, const struct govern_ask *ask);
/* Key, user, subscription and licence: ERR_OK, or *refusal. Finds plan and licence. */
NODISCARD enum err gather_gates(struct gathering *gathering, struct refusal *refusal);
/* Of the customer, else of its plan; nano, 0: none. */
int64_t gather_low_credit(const struct gathering *gathering);
void gather_groups(struct gathering *gathering);
/* All limits, overrides and cells for gathering->call. */
void gather_rules(const struct gathering *gathering, struct resolution *resolution);
/* What the call is charged: one markup, and the plan's credits. */
void gather_tariff(const struct gathering *gathering, struct tariff *tariff);
