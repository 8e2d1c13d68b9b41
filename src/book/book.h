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
#include "book/call.h"
#include "core/gcra.h"
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

/* --- a call's money: call.h ---------------------------------------------------------------- */
const char *refusal_scope_name(enum refusal_scope scope);

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
