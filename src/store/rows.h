/* rows.h - what the database holds, as plain structs; views live as long as the call. */
#pragma once
#include "base/str.h"
#include "core/money.h"
#include "core/usage.h"
#include "store/document_rows.h"

struct customer_row {
    struct str id, currency;
    enum row_origin origin;
    bool unlimited; /* no credit is needed; what it uses becomes receivable */
    int status;     /* enum customer_status of book.h */
    int64_t created_us;
    struct money overdraft,
        debt; /* debt: 0 in rows the projector makes: it is a counter, "total/debt" */
    int64_t requests_per_minute, tokens_per_minute, concurrent_max; /* of all keys; 0: no limit */
};

struct key_row {
    struct str id, customer_id, name, prefix; /* prefix: shown; never the secret */
    unsigned char hash[32];
    unsigned char old_hash[32]; /* of the secret before; good until old_until_us */
    int64_t old_until_us;       /* 0: there is none */
    enum row_origin origin;
    int status;
    int64_t created_us, expires_us;                                 /* 0: never */
    int64_t requests_per_minute, tokens_per_minute, concurrent_max; /* 0: no limit */
};

struct grant_row {
    struct str id, customer_id, category, source_type, source_id;
    struct str features;            /* it pays for, between spaces; empty: all */
    struct money amount, remaining; /* posted; holds are not in here */
    int64_t priority, effective_us, expires_us, created_us; /* expires_us 0: never */
    int status;
};

/* A counter of a calendar window, or the state of a limiter; keyed text, so that one table serves.
 */
struct counter_row {
    struct str customer_id, name; /* "key/<id>/tokens/minute", "window/<rule>/<start>" … */
    int64_t value;
    int64_t until_us; /* may be forgotten afterwards; 0: never */
};

struct hold_row { /* only holds that live long (> 60 s) at the projected position */
    struct str id, customer_id;
    int64_t deadline_us;
    struct str record; /* encoded, see book/record.h */
};

struct usage_row {
    uint64_t lsn; /* of the SETTLE record: primary key */
    struct str request_id, hold_id, customer_id, key_id, user, feature, module, profile, group;
    struct str endpoint, model, provider, upstream_model, outcome;
    bool stream, late, own_key; /* own_key: of the customer, at the provider */
    int http_status, attempts, cache_level;
    struct usage usage;
    uint32_t price_version;
    struct money cost;                            /* what the provider asks of us, USD */
    struct money charged, covered, overage, debt; /* what the customer pays, in its currency */
    struct money held;                            /* what the estimate was charged */
    struct money list; /* what a call with an own key would have cost; for information */
    int64_t started_us, first_byte_us, finished_us; /* wall; first_byte_us 0: none came */
    int64_t ledger_txn;
    struct str decision; /* what was in force (book/record_basis.h); empty: no plan, no limits */
};

/* What the customer was asked for a call, whoever paid it. */
static inline struct money usage_row_charge(const struct usage_row *row)
{
    return (struct money){row->charged.nano + row->covered.nano + row->overage.nano +
                          row->debt.nano};
}

enum { BUCKET_US = 15 * 60 * 1000000 };

struct bucket_row { /* sums over 15 minutes of UTC */
    int64_t start_us;
    struct str customer_id, key_id, provider, model;
    int64_t requests, failures, tokens[POOL_COUNT], latency_us;
    struct money cost, charged, charge; /* cost: of the provider, USD; charge: usage_row_charge */
};

struct ledger_entry_row {
    struct str
        account; /* "credit", "receivable", "debt" of a customer; "revenue", … of the house */
    struct str customer_id; /* empty: the house */
    struct str grant_id;
    struct money amount;
};

struct ledger_txn_row {
    int64_t id; /* the first lsn it covers: known when the first of its usage rows is written */
    struct str kind, source_type, source_id, currency; /* (kind, source_type, source_id) unique */
    int64_t at_us;
    size_t entry_count;
    const struct ledger_entry_row *entries; /* sum = 0, checked */
};

struct idempotency_row {
    struct str customer_id;
    unsigned char key_hash[32], fingerprint[32];
    int status; /* HTTP status of the stored answer; 0: begun, outcome lost */
    struct str content_type, headers, body;
    int64_t created_us, expires_us;
};
