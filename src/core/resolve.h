/* resolve.h - may this call run, and within which limits? Terms in, verdict out.
 *
 * What:  gates (subscription, licence, key), permission of feature, provider and model, the matrix
 *        cell, and limits after overrides: group, customer, user, key; inside a layer by priority,
 *        then id; deny wins over everything.
 * Not:   finding documents (govern/), counting (book/). No allocation, no clock.
 * Use:   begin, then hand in what there is (plan, limits, cells, overrides in order), then end.
 */
#pragma once
#include "base/err.h"
#include "core/gate_terms.h"

struct call {
    struct str feature, provider, model, profile, module, address; /* empty: not said */
    int64_t now_us;
};

/* Why not. */
struct refusal {
    enum err err;
    enum refusal_scope scope;
    enum layer layer;
    int64_t until_us; /* 0: does not end by itself */
    struct str id;    /* of the document that refuses; empty: several together */
    const char *why;  /* static, for operators */
};

/* A limit on its way through the overrides. */
struct entry {
    struct limit limit;            /* .value is changed by overrides */
    uint64_t whom;                 /* whom it counts for */
    enum layer layer, owner_layer; /* what said the value last; whose it is */
    struct str id;                 /* of the document that said it last */
    const void *owner;             /* limits with one name compete inside one owner */
    bool lifted;
};

struct cell_choice {
    bool any;         /* the plan has a cell for the feature */
    bool any_profile; /* … an active one for the call's profile, whichever provider */
    bool exact;       /* best names the profile */
    const struct cell *best;
};

/* What is known about the names of the call. */
struct known {
    bool feature_inactive, feature_boolean, provider_disabled;
};

struct resolution {
    struct call call;
    struct known known;
    const struct plan_terms *plan; /* NULL: none */
    const struct item *item;       /* the plan's item for the feature; NULL: none */
    struct cell_choice cells;
    uint64_t customer_whom, cell_whom;
    bool full;       /* more came than fits */
    int64_t edge_us; /* when the next override begins or ends; INT64_MAX: none does */
    size_t override_count;
    const struct override *overrides[OVERRIDES_PER_CALL_MAX];

    /* after resolution_end */
    bool has_cell;
    enum cell_origin cell_origin;
    int64_t daily, monthly; /* of the cell, -1: none */
    struct str cell_id;
    enum layer cell_layer;
    int64_t output_max;
    bool has_allowance, has_overage_cap;
    enum overage_mode overage;
    int64_t throttle_per_minute, rollover_max;
    struct entry allowance, overage_cap;
    size_t count;
    struct entry list[RULES_PER_CALL_MAX];
};

/* `whom`: hashes of the customer, and of who uses up a cell (the user when one is said). */
void resolution_begin(struct resolution *resolution, const struct call *call,
                      uint64_t customer_whom, uint64_t cell_whom);
void resolution_plan(struct resolution *resolution, const struct plan_terms *plan);
/* Taken when it is for such a call; among those of one owner with one name the most specific. */
void resolution_limit(struct resolution *resolution, const struct limit *limit, enum layer layer,
                      uint64_t whom, struct str id, const void *owner);
void resolution_cell(struct resolution *resolution, const struct cell *cell);
/* Taken when it is in force now and for such a call. In the order of application. */
void resolution_override(struct resolution *resolution, const struct override *override);
/* ERR_OK, or *refusal is set. ERR_TOO_LARGE: more limits or overrides than a call may have. */
NODISCARD enum err resolution_end(struct resolution *resolution, struct refusal *refusal);

bool selector_matches(const struct selector *selector, const struct call *call);
/* Exact model before provider before feature before profile before any. */
int selector_weight(const struct selector *selector);
/* The limit after one override; -1: no limit. `metric` METRIC_COST: nano. */
int64_t override_apply(const struct override *override, enum metric metric, int64_t value);

enum standing { STANDING_NONE, STANDING_ACCESS, STANDING_INACTIVE, STANDING_SUSPENDED };
/* NONE: a draft, as if it were not there. */
enum standing subscription_standing(const struct subscription_terms *terms, int64_t now_us);
/* True, or why not. */
bool license_permits(const struct license_terms *terms, struct str module, int64_t now_us,
                     struct refusal *refusal);
bool key_permits(const struct key_terms *terms, const struct call *call, struct refusal *refusal);
