/* node.c - lists in the order of their walk. */
#include "govern/node.h"
#include "base/must.h"
#include <stdlib.h>

static size_t list_count(enum node_kind kind)
{
    static const uint8_t counts[NODE_KIND_COUNT] = {
        [NODE_CUSTOMER] = LIST_COUNT,    [NODE_USER] = LIST_MEMBERS + 1,
        [NODE_KEY] = LIST_OVERRIDES + 1, [NODE_GROUP] = LIST_OVERRIDES + 1,
        [NODE_PLAN] = LIST_SELF + 1,     [NODE_MATRIX] = LIST_SELF + 1,
        [NODE_FEATURE] = LIST_SELF + 1,  [NODE_MARKUP] = LIST_SELF + 1,
    };
    return counts[kind];
}

struct node *node_new(enum node_kind kind, struct str id)
{
    size_t const lists = list_count(kind);
    struct node *node = malloc(sizeof *node + lists * sizeof(struct doc *) + id.len);
    if (!node)
        return NULL;
    char *copy = (char *)(node->lists + lists);
    memcpy(copy, id.ptr, id.len);
    memset(node->lists, 0, lists * sizeof(struct doc *));
    node->head = (struct entry_head){.id = copy,
                                     .hash = index_hash(kind, id),
                                     .id_len = (uint16_t)id.len,
                                     .kind = (uint8_t)kind,
                                     .list = (uint8_t)lists};
    return node;
}

static int id_compare(const struct doc *a, const struct doc *b)
{
    size_t const len = a->head.id_len < b->head.id_len ? a->head.id_len : b->head.id_len;
    int const order = memcmp(a->head.id, b->head.id, len);
    return order != 0 ? order
                      : (a->head.id_len > b->head.id_len) - (a->head.id_len < b->head.id_len);
}

/* True: a is walked before b. */
static bool is_before(const struct doc *a, const struct doc *b)
{
    if (a->head.kind == DOC_OVERRIDE) {
        int64_t const first = ((const struct doc_override *)a)->override.priority;
        int64_t const second = ((const struct doc_override *)b)->override.priority;
        if (first != second)
            return first < second;
    }
    if (a->head.kind == DOC_PLAN_VERSION)
        return ((const struct doc_plan_version *)a)->terms.number >
               ((const struct doc_plan_version *)b)->terms.number;
    bool const newest_first = a->head.kind == DOC_SUBSCRIPTION || a->head.kind == DOC_LICENSE ||
                              a->head.kind == DOC_MARKUP;
    return newest_first ? id_compare(a, b) > 0 : id_compare(a, b) < 0;
}

void node_link(struct node *node, struct doc *doc)
{
    MUST(doc->head.list < node->head.list);
    struct doc **at = &node->lists[doc->head.list];
    while (*at && is_before(*at, doc))
        at = &(*at)->next;
    doc->next = *at;
    doc->node = node;
    *at = doc;
}

bool node_unlink(struct doc *doc)
{
    struct node *node = doc->node;
    struct doc **at = &node->lists[doc->head.list];
    while (*at != doc) {
        MUST(*at);
        at = &(*at)->next;
    }
    /* doc->next stays: whoever reads an old list is locked out, and views need no list */
    *at = doc->next;
    doc->node = NULL;
    for (size_t i = 0; i < node->head.list; i++)
        if (node->lists[i])
            return false;
    return true;
}
