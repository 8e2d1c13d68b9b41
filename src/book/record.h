/* record.h - what a journal record of the book says: packed, versioned, self-contained.
 *
 * What:  one struct per type, an encoder and a bounds-checked decoder each; views of a decoded
 *        struct lie in the payload. Records are effects, decisions already taken: neither replay
 *        nor projection needs a plan, a price table or a clock. Amounts are >= 0.
 * Not:   applying them (replay.h), storing them (journal.h).
 */
#pragma once
#include "book/alert_lines.h"
#include "book/manage.h"
#include "book/record_parts.h"

enum record_type {
    RECORD_CUSTOMER = 1, /* made or changed: the whole row */
    RECORD_KEY,          /* made or changed (revoked is a status): the whole row */
    RECORD_GRANT,        /* credit came in; may have paid debt back at once */
    RECORD_GRANT_EXPIRE, /* its time is over: what is not held becomes breakage */
    RECORD_RESERVE,      /* a hold begins */
    RECORD_DISPATCH,     /* from here on a lost end is charged */
    RECORD_PROGRESS,     /* output so far */
    RECORD_SETTLE,       /* a hold ends with a charge */
    RECORD_RELEASE,      /* a hold ends without a charge */
    RECORD_EXPIRE,       /* a deadline passed; a SETTLE or RELEASE with `late` may follow */
    RECORD_IDEMPOTENCY,  /* an Idempotency-Key has its answer: the whole row */
    RECORD_OBJECT,       /* documents changed together, with their audit entries: record_object.h */
    RECORD_ALERT_SEEN,   /* somebody has acknowledged an alert */
    RECORD_BASIS,        /* what verdicts rest on: record_basis.h; means nothing to replay */
    RECORD_NOTICE,       /* something ends soon: expiry_notice.h; only rows know it */
};

enum {
    RECORD_OUTCOME_BYTES_MAX = 32,
    RECORD_WINDOWS_MAX = RULES_PER_CALL_MAX + 2, /* with allowance and cap, which come last */
    RECORD_GRANTS_MAX = 2 * GRANTS_PER_HOLD_MAX, /* recorded ones and those of an overrun */
    RECORD_CONTEXT_BYTES_MAX = 10 * (CONTEXT_BYTES_MAX + 1) + 64,
    RECORD_END_BYTES_MAX = 656 + RECORD_GRANTS_MAX * 46 + RECORD_WINDOWS_MAX * 46,
    RECORD_SETTLE_BYTES_MAX =
        RECORD_END_BYTES_MAX + RECORD_CONTEXT_BYTES_MAX + ALERT_LINES_BYTES_MAX,
    RECORD_RESERVE_BYTES_MAX = RECORD_SETTLE_BYTES_MAX,
    RECORD_SMALL_BYTES_MAX = 1024, /* CUSTOMER, KEY, GRANT, GRANT_EXPIRE, DISPATCH, PROGRESS */
};

struct record_customer {
    struct customer_row row; /* without debt: that is a total */
    struct limits_wanted limits;
};

struct record_grant {
    struct grant_row row; /* remaining: after it paid debt back */
    struct money repaid;  /* of the customer's debt: amount = remaining + repaid */
    struct record_totals totals;
};

struct record_grant_expire {
    struct str customer_id;
    struct ulid grant;
    struct money breakage, remaining; /* remaining: what live holds still protect */
    struct record_totals totals;
};

struct record_reserve {
    struct ulid id, key;
    struct str customer_id;
    struct call_context context;
    struct price price;
    struct usage estimate;
    int64_t orphan_input;
    struct tariff tariff;
    struct money cost, overage, overdraft; /* cost: what the estimate is charged */
    int64_t deadline_us, tokens;           /* tokens: taken from the token limiters */
    bool unlimited, free;                  /* free: the plan pays for all of it */
    /* False and 0 at RESERVE. Who keeps a long hold as a row (hold_row.record) encodes it again
     * with what DISPATCH and PROGRESS have said since. */
    bool dispatched;
    int64_t output_tokens;
    struct record_limiters limiters;
    size_t grant_count, window_count;
    struct record_grant_line grants[GRANTS_PER_HOLD_MAX];
    struct record_window_line windows[RECORD_WINDOWS_MAX];
    struct record_rollover rollover; /* of the line of ROLE_ALLOWANCE */
    struct str alerts;               /* alert_lines.h; empty: nobody is to be told anything */
};

struct record_progress { /* DISPATCH: output_tokens is 0 */
    struct ulid id;
    int64_t output_tokens;
};

/* SETTLE, RELEASE and EXPIRE. SETTLE and RELEASE are a usage row each; EXPIRE is none, and leaves
 * context, outcome, http_status, attempts, first_byte_us and held empty. Usage, cost and windows
 * are SETTLE's alone. When a SETTLE has context.idempotency, a projector writes an idempotency row
 * of status 0 (begun, answer unknown); IDEMPOTENCY overwrites it. */
struct record_end {
    struct ulid id, key;
    struct str customer_id;
    struct call_context context;
    struct str outcome;
    int http_status, attempts;
    int64_t first_byte_us;
    bool late; /* the hold had expired: its lines were dropped by EXPIRE */
    struct usage usage;
    uint32_t price_version;
    struct money held;                            /* what the estimate was charged */
    struct money cost, charge;                    /* of the provider; of the customer: the sum of */
    struct money charged, covered, overage, debt; /* … these */
    struct money list; /* of a call with the customer's own key, which costs nothing: for
                        * information; else 0 */
    struct record_limiters limiters; /* tokens, after the refund */
    struct record_totals totals;
    size_t grant_count, window_count;
    struct record_grant_line grants[RECORD_GRANTS_MAX];
    struct record_window_line windows[RECORD_WINDOWS_MAX];
    struct str alerts; /* SETTLE: what was reached by it */
};

/* Encoders return the length; 0: it does not fit into `room` bytes. */
size_t record_customer_encode(const struct record_customer *record, void *out, size_t room);
size_t record_key_encode(const struct key_row *row, void *out, size_t room);
size_t record_grant_encode(const struct record_grant *record, void *out, size_t room);
size_t record_grant_expire_encode(const struct record_grant_expire *record, void *out, size_t room);
size_t record_context_encode(const struct call_context *context, void *out, size_t room);
/* The feature in such bytes. */
struct str record_context_feature(struct str context);
/* The Idempotency-Key's hash in such bytes, or NULL. */
const unsigned char *record_context_idempotency(struct str context);
/* `context`: what record_context_encode wrote; record->context is not looked at. */
size_t record_reserve_encode(const struct record_reserve *record, struct str context, void *out,
                             size_t room);
size_t record_progress_encode(const struct record_progress *record, void *out, size_t room);
size_t record_end_encode(enum record_type type, const struct record_end *record, struct str context,
                         void *out, size_t room);
/* At most IDEMPOTENCY_RECORD_FIXED_BYTES more than its texts. */
enum { IDEMPOTENCY_RECORD_FIXED_BYTES = 256 };
size_t record_idempotency_encode(const struct idempotency_row *row, void *out, size_t room);

/* False: not a record of that type that we could have written. */
NODISCARD bool record_customer_decode(struct str payload, struct record_customer *record);
NODISCARD bool record_key_decode(struct str payload, struct key_row *row);
NODISCARD bool record_grant_decode(struct str payload, struct record_grant *record);
NODISCARD bool record_grant_expire_decode(struct str payload, struct record_grant_expire *record);
NODISCARD bool record_reserve_decode(struct str payload, struct record_reserve *record);
/* Its start alone: unlimited, dispatched, id, key, customer_id, limiters and rollover.said. A
 * projector needs no more of a hold that it sees end in the same batch. */
NODISCARD bool record_reserve_peek(struct str payload, struct record_reserve *record);
NODISCARD bool record_progress_decode(struct str payload, struct record_progress *record);
NODISCARD bool record_end_decode(enum record_type type, struct str payload,
                                 struct record_end *record);
NODISCARD bool record_idempotency_decode(struct str payload, struct idempotency_row *row);
