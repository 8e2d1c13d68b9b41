/* call.h - what the book is told of a call, and what it answers: admission and settlement.
 *
 * Not:   the functions that take and give these (book.h).
 */
#pragma once
#include "base/ulid.h"
#include "core/markup.h"
#include "core/price.h"
#include "core/rule.h"

struct key;

/* What a call is about: written into its records, so that even an orphan has a full usage row. */
struct call_context {
    struct str request_id, user, feature, module, profile, group;
    struct str endpoint, model, provider, upstream_model;
    bool stream;
    int64_t started_us;               /* wall */
    uint64_t basis;                   /* what its verdict rests on (book/basis.h), or 0 */
    const unsigned char *idempotency; /* 32-byte hash of the Idempotency-Key, or NULL */
    bool own_key;                     /* the customer's own provider key: nothing is charged */
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
    const struct rules *rules;   /* NULL: credit and the limits of key and customer only */
    const struct tariff *tariff; /* NULL: what it costs is what is charged */
    struct rule_state *states;   /* RULES_PER_CALL_MAX of them are filled in; NULL: not wanted */
};

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

struct settlement {
    struct usage usage;
    const char *outcome; /* "ok", "client_gone", "upstream_cut", … at most 32 bytes */
    int http_status, attempts;
    int64_t first_byte_us; /* wall; 0: none */
};
struct settled {
    struct money cost;                            /* what the provider asks of us, USD */
    struct money charge;                          /* what the customer pays, in its currency: */
    struct money charged, covered, overage, debt; /* … the sum of these */
    struct money available;
    uint64_t lsn;  /* of the record: wait for it to be durable if you must */
    bool repeated; /* it was settled before: the stored result, nothing changed */
};
