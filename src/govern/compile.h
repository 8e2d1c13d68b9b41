/* compile.h - one document as the program keeps it: a single block, compiled from its JSON.
 *
 * What:  struct doc heads every compiled document; the struct that follows depends on its kind.
 *        Compiling runs twice: once into scratch memory to learn the size, once for good.
 * Not:   linking documents together (store of govern_int.h).
 */
#pragma once
#include "codec/json.h"
#include "core/gate_terms.h"
#include "core/moved.h"
#include "govern/index.h"
#include "govern/zones.h"

enum doc_kind {
    DOC_FEATURE,
    DOC_PROVIDER,
    DOC_PLAN,
    DOC_PLAN_VERSION,
    DOC_FEATURE_PROVIDER,
    DOC_MATRIX_CELL,
    DOC_GROUP,
    DOC_GROUP_MEMBER,
    DOC_OVERRIDE,
    DOC_LIMIT,
    DOC_PROFILE,
    DOC_USER,
    DOC_SUBSCRIPTION,
    DOC_LICENSE,
    DOC_KEY_RULES,
    DOC_MARKUP,
    DOC_KIND_COUNT,
};
/* DOC_KIND_COUNT: a kind that says nothing about who may call. */
enum doc_kind doc_kind_of(struct str name);

struct node;

struct doc {
    struct entry_head head; /* kind: enum doc_kind; list: which of the node's lists */
    uint8_t owner_kind;     /* of the node it hangs on: enum node_kind */
    struct str owner;       /* that node's id; empty: none */
    struct node *node;
    struct doc *next;
};

struct doc_feature {
    struct doc doc;
    bool boolean, active;
};
struct doc_provider {
    struct doc doc;
    bool active, disabled;
    struct str default_model;
};
struct doc_plan_version {
    struct doc doc;
    struct plan_terms terms;
};
struct doc_route { /* feature_provider */
    struct doc doc;
    struct str provider, role, model;
    int64_t weight, order;
    bool active;
};
struct doc_cell {
    struct doc doc;
    struct cell cell;
};
struct doc_group {
    struct doc doc;
    int64_t priority;
};
struct doc_member {
    struct doc doc;
    struct str group;
    int64_t from_us, to_us;
};
struct doc_override {
    struct doc doc;
    struct override override;
};
struct doc_limit {
    struct doc doc;
    struct limit limit;
};
struct doc_profile {
    struct doc doc;
    const struct zone *zone;
    const struct zones_past *past; /* NULL: there was no other zone */
    int64_t low_credit;            /* nano; -1: the plan says */
};
struct doc_user {
    struct doc doc;
    struct str profile; /* empty: the call says */
    struct names groups;
    bool active;
};
struct doc_subscription {
    struct doc doc;
    uint64_t serial; /* for caches: no two are alike */
    struct subscription_terms terms;
};
struct doc_license {
    struct doc doc;
    struct license_terms terms;
};
struct doc_key {
    struct doc doc;
    struct key_terms terms;
};

struct doc_markup {
    struct doc doc;
    int64_t factor, fixed; /* as in struct tariff */
};

struct compiler {
    struct zones *zones;
    uint64_t serial;
    char *scratch; /* GOVERN_TERMS_BYTES_MAX */
};
/* *doc is owned by the caller: free(). */
NODISCARD enum err compile(struct compiler *compiler, enum doc_kind kind, struct str id,
                           struct str text, struct doc **doc, struct fault *fault);
