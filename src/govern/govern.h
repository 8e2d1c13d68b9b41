/* govern.h - who may call what, within which limits: documents in, one verdict per call out.
 *
 * What:  compiles the documents of book/kinds.def into an immutable snapshot (plans, features,
 *        matrix, groups, overrides) and a small record per customer (subscription, licence, users,
 *        key rules), and resolves a call against them. The rules themselves are core/resolve.h:
 *        pure. A customer without a plan and without a licence is not governed: only its credit
 *        and the limits of its keys bind it.
 * Not:   counting (book/ tests and counts the rules it is handed), HTTP, storage.
 * Rules: govern_hear from one thread at a time; govern_resolve from any thread, without a lock that
 *        a writer holds for long; about a microsecond with ten limits.
 */
#pragma once
#include "base/arena.h"
#include "base/clock.h"
#include "base/ulid.h"
#include "core/markup.h"
#include "core/rule.h"

struct govern;

struct govern_options {
    const char *zone_dir; /* NULL: /usr/share/zoneinfo */
};
NODISCARD enum err govern_new(const struct govern_options *options, struct govern **govern,
                              struct fault *fault);
void govern_free(struct govern *govern);

/* One document as it is now; ptr NULL: deleted. `more`: others of the same change follow, and the
 * new state is seen only after the last one. A document that cannot be compiled is reported by
 * ERR_FIELD_INVALID and left out (the API checks before it stores). */
NODISCARD enum err govern_hear(struct govern *govern, struct str kind, struct str id,
                               struct str text, bool more, struct fault *fault);

/* Would govern_hear take this document? For those who store documents. Any thread; ERR_OK for kinds
 * that mean nothing here. */
NODISCARD enum err govern_check(struct govern *govern, struct str kind, struct str id,
                                struct str text, struct fault *fault);

/* What a call says about itself. Empty: not said. */
struct govern_ask {
    struct str customer_id, key_id, user, feature, module, profile, group;
    struct str provider, model; /* the candidate */
    struct str address;         /* of the client, as printed */
    int64_t now_us;             /* wall */
};

/* Where a limit came from, for the decision record and the refusal. */
struct govern_source {
    const char *layer; /* "plan", "group", "customer", "user", "key", "license", "matrix" */
    struct str id;     /* of the document that said it last: an override, when one did */
    struct str name;   /* of the limit; empty: it has none */
};

struct govern_verdict {
    bool governed;            /* by a plan or a licence */
    enum refusal_scope scope; /* of a refusal */
    int64_t until_us;         /* when a refusal ends by itself; 0: it does not */
    struct rules rules;
    struct tariff tariff;        /* what the customer is charged; may be none */
    struct str unit_pt, unit_en; /* of its credits, as the plan calls them; empty: money */
    struct govern_source sources[RULES_PER_CALL_MAX + 2]; /* … then allowance, overage cap */
    int64_t output_max;                                   /* tokens; 0: the model's own */
    struct str plan, plan_version, subscription;          /* ids; empty: none */
    struct str cell;                                      /* of the matrix; ptr NULL: none */
    const char *cell_origin;                              /* "default" …; NULL: no cell */
    uint64_t basis;          /* basis.h: what all this rested on, by its name; 0: not governed */
    const struct zone *zone; /* the customer's; never NULL */
    void *held;              /* ours: what the views live in */
    unsigned slot;
};

/* ERR_OK, or why not: ERR_SUBSCRIPTION_INACTIVE, ERR_CUSTOMER_SUSPENDED, ERR_LICENSE_FORBIDDEN,
 * ERR_FEATURE_FORBIDDEN, ERR_PROVIDER_FORBIDDEN, ERR_MODEL_FORBIDDEN, ERR_ADDRESS_FORBIDDEN,
 * ERR_SCOPE_FORBIDDEN, ERR_TOO_LARGE (more than RULES_PER_CALL_MAX limits apply). Views in the
 * verdict live until govern_release, which a refusal needs too. */
NODISCARD enum err govern_resolve(struct govern *govern, const struct govern_ask *ask,
                                  struct govern_verdict *verdict, struct fault *fault);
/* Twice, or with a zeroed verdict: nothing. From any thread. */
void govern_release(struct govern *govern, struct govern_verdict *verdict);

/* The AIs of a feature in order (S4 resolve): what the matrix, the roles and the overrides say,
 * without a call. */
struct govern_candidate {
    struct str provider, role, model, origin;
    int64_t weight, order, daily_limit, monthly_limit; /* limits: -1 none */
    struct govern_source source;
};
typedef bool govern_visit(void *owner, const struct govern_candidate *candidate);
struct govern_context {
    struct str plan, customer_id; /* either: a plan without a customer is a dry run */
    struct str feature, profile, group, user;
    int64_t now_us;
};
NODISCARD enum err govern_candidates(struct govern *govern, const struct govern_context *context,
                                     govern_visit *visit, void *owner, struct fault *fault);
