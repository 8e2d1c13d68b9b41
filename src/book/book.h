/* book.h - the runtime truth: customers, keys, balances, limits, holds. Decides; the journal keeps.
 *
 * What:  reserve -> dispatch -> settle | release | expire, exactly once (domain.md 5.5): all is
 *        tested first, then all is committed, in one short critical section per customer. Every
 *        effect is journalled inside that section, so replay gives the same state.
 * Not:   sockets, HTTP, the database (project.h writes it from the journal), prices' origin.
 * Rules: any thread. No call here blocks on a disk, except where it says so.
 */
#pragma once
#include "base/clock.h"
#include "base/ulid.h"
#include "core/gcra.h"
#include "core/price.h"
#include "core/rule.h"
#include "journal/journal.h"
#include "store/rows.h"

struct book;
struct customer; /* live as long as the book */
struct key;      /* live as long as the book; revoked ones too */
struct hold;

struct book_options {
    struct journal *journal;
    struct clock *clock;
    unsigned char pepper[32]; /* keys API key hashes; from data_dir, never in the database */
};

NODISCARD enum err book_new(const struct book_options *options, struct book **book,
                            struct fault *fault);
void book_free(struct book *book);

/* --- keys ---------------------------------------------------------------------------------- */
enum customer_status { CUSTOMER_ACTIVE, CUSTOMER_SUSPENDED, CUSTOMER_CLOSED };
enum key_status { KEY_ACTIVE, KEY_REVOKED };

/* ERR_KEY_INVALID, ERR_KEY_EXPIRED, ERR_KEY_REVOKED, ERR_CUSTOMER_SUSPENDED. About 0.3 µs. */
NODISCARD enum err book_authenticate(struct book *book, struct str secret, const struct key **key,
                                     struct fault *fault);
struct str key_id(const struct key *key);
struct str key_name(const struct key *key);
const struct customer *key_customer(const struct key *key);
struct str customer_id(const struct customer *customer);
bool customer_unlimited(const struct customer *customer);

/* --- a call's money ------------------------------------------------------------------------ */
/* What a call is about: written into its records, so that even an orphan has a full usage row. */
struct call_context {
    struct str request_id, user, feature, module, profile, group;
    struct str endpoint, model, provider, upstream_model;
    bool stream;
    int64_t started_us;               /* wall */
    const unsigned char *idempotency; /* 32-byte hash of the Idempotency-Key, or NULL */
};

struct reservation {
    struct ulid id;
    const struct key *key;
    const struct call_context *context;
    struct price price;
    struct usage estimate; /* upper bound */
    int64_t orphan_input;  /* input tokens to charge if we die after DISPATCH (our own count) */
    int64_t choices;       /* n: output of the estimate is choices x the output cap */
    int64_t output_min;  /* > 0: may be shrunk to what credit allows, not below this (per choice) */
    int64_t deadline_us; /* wall: the hold expires then */
    bool rate_taken;     /* a repeated try of the same call: the request rate was taken already */
    const struct rules *rules; /* NULL: credit and the limits of key and customer only */
    struct rule_state *states; /* RULES_PER_CALL_MAX of them are filled in; NULL: not wanted */
};

const char *refusal_scope_name(enum refusal_scope scope);

/* What the limits look like after the decision: for the response headers and the refusal. */
struct admission {
    bool requests_limited, tokens_limited; /* the four numbers below mean something */
    int64_t requests_limit, requests_remaining, requests_reset_us;
    int64_t tokens_limit, tokens_remaining, tokens_reset_us;
    enum refusal_scope scope;
    int rule;               /* the rule that refused, of reservation.rules; -1: none of them */
    int64_t retry_after_us; /* 0: no use in waiting for a clock */
    bool holds_in_the_way;  /* refused only because of holds that will end: try again soon */
    int64_t output_cap;     /* per choice, after shrinking; what to send upstream */
    struct money available; /* credit left, holds counted as gone */
};

/* ERR_OK: *hold is the caller's (book_unref). ERR_CREDIT_SHORT, ERR_RATE_LIMITED,
 * ERR_TOKENS_LIMITED, ERR_CONCURRENCY_LIMITED, ERR_PRICE_UNKNOWN, ERR_LEDGER_UNAVAILABLE,
 * ERR_BUDGET_SPENT, ERR_KEY_REVOKED, ERR_CUSTOMER_SUSPENDED, ERR_NO_MEMORY: nothing is held (the
 * request rate is taken all the same). The most actionable reason wins: 402 > 403 > 429. */
NODISCARD enum err book_reserve(struct book *book, const struct reservation *want,
                                struct hold **hold, struct admission *admission,
                                struct fault *fault);
/* How the rules stand for a customer now: states[i] of rules->list[i], needed is 0. Then the
 * allowance's and the overage cap's, when the rules have them. Takes nothing. */
void book_rule_states(const struct customer *customer, const struct rules *rules,
                      struct rule_state states[RULES_PER_CALL_MAX + 2]);
/* From now on a lost end is charged, not released. ERR_LEDGER_UNAVAILABLE: do not send. */
NODISCARD enum err book_dispatch(struct book *book, struct hold *hold, struct fault *fault);
/* What has been produced so far: the base of the charge if we die. */
void book_progress(struct book *book, struct hold *hold, int64_t output_tokens);

struct settlement {
    struct usage usage;
    const char *outcome; /* "ok", "client_gone", "upstream_cut", … at most 32 bytes */
    int http_status, attempts;
    int64_t first_byte_us; /* wall; 0: none */
};
struct settled {
    struct money cost, charged, covered, overage, debt; /* cost = the sum of the others */
    struct money available;
    uint64_t lsn;  /* of the record: wait for it to be durable if you must */
    bool repeated; /* it was settled before: the stored result, nothing changed */
};
/* Never fails: its room in the journal was promised. On a released hold: nothing changes. */
void book_settle(struct book *book, struct hold *hold, const struct settlement *how,
                 struct settled *result);
/* Nothing is charged. After settle: nothing changes. */
void book_release(struct book *book, struct hold *hold, const char *outcome, int http_status);
void book_unref(struct hold *hold);
/* Expires holds whose deadline has passed; call every 100 ms or so. Returns how many. */
size_t book_sweep(struct book *book);

/* --- idempotency --------------------------------------------------------------------------- */
enum idempotency_state {
    IDEMPOTENCY_NEW,       /* go on; end with _finish or _abandon */
    IDEMPOTENCY_IN_FLIGHT, /* 409 */
    IDEMPOTENCY_DONE,      /* *answer is the stored one */
    IDEMPOTENCY_STORED,    /* done, but only the database has the answer (store idempotency_get) */
    IDEMPOTENCY_MISMATCH,  /* 422: other request, same key */
    IDEMPOTENCY_LOST,      /* 409: the process died while it ran */
};
struct idempotency_answer {
    int status;
    struct str content_type, headers, body; /* copies from the arena handed in */
};
struct arena;
enum idempotency_state book_idempotency_begin(struct book *book, const struct customer *customer,
                                              const unsigned char key_hash[32],
                                              const unsigned char fingerprint[32],
                                              struct arena *arena,
                                              struct idempotency_answer *answer);
/* Keeps the answer for 24 hours, journalled. Bodies above 1 MiB are not kept: later tries get LOST.
 */
void book_idempotency_finish(struct book *book, const struct customer *customer,
                             const unsigned char key_hash[32],
                             const struct idempotency_answer *answer);
/* The call was refused before anything happened: the key is free again. */
void book_idempotency_abandon(struct book *book, const struct customer *customer,
                              const unsigned char key_hash[32]);
