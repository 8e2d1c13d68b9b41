/* node.h - what documents hang on: a customer, a user, a key, a group, a plan, a feature.
 *
 * What:  lists of documents per node, in the order in which a call walks them. A node exists as
 *        long as something hangs on it: whatever has no document costs nothing.
 * Rules: changed by the writer with all readers locked out.
 */
#pragma once
#include "govern/compile.h"

enum node_kind {
    NODE_NONE,
    NODE_CUSTOMER,
    NODE_USER, /* id "CUSTOMER/EXTERNAL" */
    NODE_KEY,
    NODE_GROUP,
    NODE_PLAN,
    NODE_MATRIX, /* id "PLAN" 0x1f "FEATURE" */
    NODE_FEATURE,
    NODE_MARKUP, /* id "SCOPE" 0x1f "SCOPE_ID" */
    NODE_KIND_COUNT,
};

enum node_list {
    LIST_SELF, /* profile, user, key rules, group; versions of a plan; cells; routes of a feature;
                  markups */
    LIST_LIMITS,
    LIST_OVERRIDES,
    LIST_MEMBERS,
    LIST_SUBSCRIPTIONS,
    LIST_LICENSES,
    LIST_COUNT,
};

/* Scopes of markups, the nearest first. */
enum markup_scope {
    MARKUP_CUSTOMER,
    MARKUP_PLAN,
    MARKUP_MODEL,
    MARKUP_PROVIDER,
    MARKUP_GLOBAL,
    MARKUP_SCOPE_COUNT,
};
#define MARKUP_EVERYTHING "*" /* the id of the global one's node */
extern const char *const markup_scopes[MARKUP_SCOPE_COUNT];

struct node {
    struct entry_head head; /* kind: enum node_kind; list: how many lists it has */
    struct doc *lists[];
};

/* With its id inside; free() ends it. NULL: memory is short. */
struct node *node_new(enum node_kind kind, struct str id);
static inline struct doc *node_list(const struct node *node, enum node_list list)
{
    return node && list < node->head.list ? node->lists[list] : NULL;
}
void node_link(struct node *node, struct doc *doc);
/* True: nothing hangs on it any more. */
bool node_unlink(struct doc *doc);
