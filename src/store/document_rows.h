/* document_rows.h - rows of documents, their audit trail, alerts, endings, and what decisions
 * rested on; views live as long as the call.
 *
 * Not:   money and usage (rows.h).
 */
#pragma once
#include "base/str.h"

enum row_origin { ORIGIN_FILE, ORIGIN_RUNTIME }; /* the configuration file, or made at run time */

struct object_row {                   /* a document; see book/object.h */
    struct str kind, id, customer_id; /* customer_id empty: the operator's own */
    uint32_t version;
    enum row_origin origin;
    int64_t created_us, updated_us;
    struct str text; /* JSON */
};

struct alert_row { /* somebody should know: a share of a limit is used, little credit is left */
    int64_t id;    /* grows with time */
    int64_t at_us;
    struct str kind, severity; /* "limit", "allowance" …; "info", "warning", "critical" */
    struct str customer_id, scope, key_id, user, feature, subject, metric, window, request_id;
    int64_t start_us, end_us; /* of the window; 0: none */
    struct str percents;      /* "80,100": the shares that were passed in one step */
    int64_t used, limit;      /* in nano for money; of credit: what is left, and the threshold */
    int64_t acknowledged_us;  /* 0: not yet */
    struct str acknowledged_by;
    struct str
        notice; /* what it gives notice of, and when that ends; told once. Empty: of nothing */
};

/* What ends by itself, and is told before it does. */
enum ending_kind {
    ENDING_LICENSE,
    ENDING_OVERRIDE,
    ENDING_KEY,
    ENDING_SUBSCRIPTION, /* cancel_at */
    ENDING_TRIAL,        /* of a subscription */
    ENDING_GRANT,        /* with something left */
    ENDING_COUNT
};
struct ending_row {
    struct str id, customer_id, scope; /* scope: of an override */
    int64_t end_us;                    /* 0: it cannot be read */
    struct str mark;                   /* where the next page goes on, with the id */
};

struct basis_row { /* what decisions rested on: JSON, under the hash of it */
    uint64_t name;
    struct str text;
};

enum { AUDIT_HASH_BYTES = 32 };

struct audit_row {     /* one change of one document, and who made it */
    uint64_t sequence; /* 1, 2, 3 … without gaps */
    int64_t at_us;
    struct str actor, address, user_agent, reason, request_id;
    struct str kind, object_id, customer_id, action; /* action: "create", "update", "delete" */
    struct str before, after;                        /* JSON; empty: there was none, or not said */
    unsigned char hash[AUDIT_HASH_BYTES];            /* see chain.h */
};
