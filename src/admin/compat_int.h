/* compat_int.h - what the addresses of the five source systems share: whose figures, and sums.
 *
 * What:  thin routes over what exists: the rules of govern/, the counters of the book, the
 *        15-minute sums of the store.
 * Not:   rules or counters of their own. docs/mapping.md says what is what.
 */
#pragma once
#include "admin/objects_int.h"
#include "core/zone.h"

/* --- members of documents -------------------------------------------------------------------- */
/* The raw value; ptr NULL: absent or null. `scratch` is overwritten. */
struct str document_raw(struct json_object *scratch, struct str text, const char *name);
/* Its text in the arena; empty: absent, or no text. */
struct str document_words(struct admin_call *call, struct json_object *scratch, struct str text,
                          const char *name);

/* --- whose figures --------------------------------------------------------------------------- */
/* A customer as it stands: why a call would be refused now, or every limit with what is used. */
struct subject {
    struct admin_call *call;
    struct str id;
    const struct customer *customer;
    int64_t now_us;
    enum err refusal; /* ERR_OK: a call may run */
    struct govern_verdict verdict;
    struct rule_state states[RULES_PER_CALL_MAX + 2];
    struct json_object scratch;
};

/* The customer of the key that called; by the operator the one that the parameter names, by its id
 * or by its profile's external_id. A key needs `scope` (when it has scopes) and its addresses.
 * ERR_SCOPE_FORBIDDEN: a key that names another, ERR_ADDRESS_FORBIDDEN, ERR_FIELD_INVALID: nobody
 * was named, ERR_NOT_FOUND. What was written before is seen. */
NODISCARD enum err subject_open(struct admin_call *call, const char *parameter, const char *scope,
                                struct subject **subject);
/* When a customer's key calls: it has the scope (or no scopes at all), and is where it may be used.
 * ERR_SCOPE_FORBIDDEN, ERR_ADDRESS_FORBIDDEN */
NODISCARD enum err key_scope_check(struct admin_call *call, const char *scope);
/* Again, after something was written. */
void subject_look(struct subject *subject);

/* The tightest hard limit that binds all calls of the customer; NULL: there is none. *used counts
 * what running calls hold. */
const struct rule *subject_limit(const struct subject *subject, enum metric metric,
                                 enum window_kind window, int64_t *used);
/* The AIs that the customer may use, in the order of the catalogue. */
NODISCARD enum err subject_models(struct subject *subject, admin_model_visit *visit, void *visitor);
/* Tokens a month that a licence gives: its own, or those of the plan; -1: no limit. */
int64_t license_token_limit(struct admin_call *call, struct str license);

/* The zone in which the customer's days begin; of nobody: the default. Lives as long as govern. */
const struct zone *customer_zone(struct admin_call *call, struct str id);
/* When the period of a subscription that runs now ends; 0: its plan version is gone. */
int64_t subscription_period_end(struct admin_call *call, struct json_object *scratch,
                                struct str subscription, const struct zone *zone, int64_t now_us);

/* --- sums of finished calls ------------------------------------------------------------------ */
struct figures {
    int64_t requests, failures, tokens, input_tokens, output_tokens, latency_us;
    struct money cost, charged, charge; /* cost: ours, for operators alone */
};
enum figures_by { FIGURES_BY_DAY, FIGURES_BY_PROVIDER };
struct figures_group {
    struct str name; /* "2026-11-20" of the zone, or a provider */
    struct figures sum;
};
enum { FIGURES_GROUPS_MAX = 400 };
struct figures_ask {
    struct str customer_id; /* empty: all */
    int64_t since_us, until_us;
    const struct zone *zone;
    enum figures_by by;
};
struct figures_list {
    struct figures total;
    size_t count; /* sorted by name */
    struct figures_group groups[FIGURES_GROUPS_MAX];
};
/* From the 15-minute sums. NULL in *list only with an error. */
NODISCARD enum err figures_read(struct admin_call *call, const struct figures_ask *ask,
                                struct figures_list **list);
/* Members of an open object: requests, failures, tokens …, mean_latency_ms. */
void figures_put(struct json_writer *writer, const struct figures *figures);
/* Money as decimal text, as documents have it. */
void admin_put_money(struct json_writer *writer, const char *key, int64_t nano);
