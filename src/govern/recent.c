/* recent.c - see recent.h. */
#include "govern/recent.h"
#include <stdlib.h>

size_t recent_ask(const struct govern_ask *ask, char text[RECENT_ASK_BYTES_MAX])
{
    const struct str parts[] = {ask->customer_id, ask->key_id,  ask->user,  ask->feature,
                                ask->module,      ask->profile, ask->group, ask->provider,
                                ask->model,       ask->address};
    size_t at = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > UINT8_MAX || at + 1 + parts[i].len > RECENT_ASK_BYTES_MAX)
            return 0;
        text[at++] = (char)parts[i].len; /* so that "ab","c" is not "a","bc" */
        if (parts[i].len > 0)
            memcpy(text + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return at;
}

/* Only says where to look: an entry is compared whole. */
static uint64_t hash_of(struct str text)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ text.len;
    for (; text.len >= 8; text = str_skip(text, 8)) {
        uint64_t word;
        memcpy(&word, text.ptr, sizeof word);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    if (text.len > 0)
        memcpy(&rest, text.ptr, text.len);
    hash = (hash ^ rest) * 0xff51afd7ed558ccdu;
    return (hash ^ hash >> 32) | 1;
}

/* Most of a verdict is room that is not used. */
static void verdict_copy(struct govern_verdict *to, const struct govern_verdict *from)
{
    size_t const count = from->rules.count;
    to->governed = from->governed;
    to->scope = from->scope;
    to->until_us = from->until_us;
    to->output_max = from->output_max;
    to->plan = from->plan;
    to->plan_version = from->plan_version;
    to->subscription = from->subscription;
    to->cell = from->cell;
    to->cell_origin = from->cell_origin;
    to->basis = from->basis;
    to->zone = from->zone;
    to->rules.count = count;
    memcpy(to->rules.list, from->rules.list, count * sizeof from->rules.list[0]);
    memcpy(to->sources, from->sources, (count + 2) * sizeof from->sources[0]);
    to->rules.has_allowance = from->rules.has_allowance;
    to->rules.has_overage_cap = from->rules.has_overage_cap;
    to->rules.overage = from->rules.overage;
    to->rules.throttle_per_minute = from->rules.throttle_per_minute;
    to->tariff = from->tariff;
    to->unit_pt = from->unit_pt;
    to->unit_en = from->unit_en;
    to->rules.low_credit = from->rules.low_credit;
    if (from->rules.has_allowance)
        to->rules.allowance = from->rules.allowance;
    if (from->rules.has_overage_cap)
        to->rules.overage_cap = from->rules.overage_cap;
}

bool recent_find(const struct govern *govern, const struct slot *slot, struct str ask,
                 int64_t now_us, struct govern_verdict *verdict)
{
    if (slot->recent == NULL || ask.len == 0)
        return false;
    uint64_t const hash = hash_of(ask);
    const struct recent *entry = &slot->recent[(hash >> 8) % RECENT_COUNT];
    if (entry->hash != hash || entry->changes != govern->changes || now_us < entry->made_us ||
        now_us >= entry->until_us || !str_eq(str_make(entry->ask, entry->ask_len), ask))
        return false;
    verdict_copy(verdict, &entry->verdict);
    return true;
}

/* --- until when it holds -------------------------------------------------------------------- */
static void edge(int64_t *until_us, int64_t at_us, int64_t now_us)
{
    if (at_us > now_us && at_us < *until_us)
        *until_us = at_us;
}

static void members_edges(const struct node *node, int64_t *until_us, int64_t now_us)
{
    for (const struct doc *doc = node_list(node, LIST_MEMBERS); doc; doc = doc->next) {
        edge(until_us, ((const struct doc_member *)doc)->from_us, now_us);
        edge(until_us, ((const struct doc_member *)doc)->to_us, now_us);
    }
}

static int64_t until_of(const struct gathering *gathering, int64_t edge_us,
                        const struct rules *rules)
{
    int64_t const now_us = gathering->call.now_us;
    int64_t until_us = edge_us;
    const struct doc *doc = node_list(gathering->customer, LIST_SUBSCRIPTIONS);
    for (; doc; doc = doc->next) {
        const struct subscription_terms *terms = &((const struct doc_subscription *)doc)->terms;
        edge(&until_us, terms->cancel_us, now_us);
        edge(&until_us, terms->grace_us, now_us);
    }
    for (doc = node_list(gathering->customer, LIST_LICENSES); doc; doc = doc->next) {
        const struct license_terms *terms = &((const struct doc_license *)doc)->terms;
        edge(&until_us, terms->valid_from_us, now_us);
        edge(&until_us, terms->valid_to_us, now_us);
    }
    members_edges(gathering->customer, &until_us, now_us);
    members_edges(gathering->user, &until_us, now_us);
    for (size_t i = 0; i < rules->count; i++)
        edge(&until_us, rules->list[i].end_us, now_us);
    if (rules->has_allowance)
        edge(&until_us, rules->allowance.end_us, now_us);
    if (rules->has_overage_cap)
        edge(&until_us, rules->overage_cap.end_us, now_us);
    return until_us;
}

void recent_keep(const struct govern *govern, struct slot *slot, struct str ask,
                 const struct gathering *gathering, int64_t edge_us,
                 const struct govern_verdict *verdict)
{
    if (ask.len == 0)
        return;
    if (slot->recent == NULL)
        slot->recent = calloc(RECENT_COUNT, sizeof *slot->recent);
    if (slot->recent == NULL)
        return;
    uint64_t const hash = hash_of(ask);
    struct recent *entry = &slot->recent[(hash >> 8) % RECENT_COUNT];
    entry->hash = hash;
    entry->changes = govern->changes;
    entry->made_us = gathering->call.now_us;
    entry->until_us = until_of(gathering, edge_us, &verdict->rules);
    entry->ask_len = ask.len;
    memcpy(entry->ask, ask.ptr, ask.len);
    verdict_copy(&entry->verdict, verdict);
}
