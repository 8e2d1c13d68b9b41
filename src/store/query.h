/* query.h - what readers of the database may ask: filters, order, pages.
 *
 * Not:   SQL; how an answer comes (visitors of store.h).
 */
#pragma once
#include "base/limits.h"
#include "store/document_rows.h"

struct usage_query {
    struct str customer_id, key_id, request_id, model, provider; /* empty: any */
    int64_t since_us, until_us;                                  /* by finished_us; 0: open */
    uint64_t before_lsn; /* paging, newest first; 0: newest */
    size_t limit;
    bool oldest_first;
};

struct bucket_query {
    struct str customer_id, key_id;
    int64_t since_us, until_us;
};

struct object_filter { /* the document's member, as text, is this value (true, 5, a string …) */
    struct str member, value; /* member: [a-z_]+, at most OBJECT_MEMBER_BYTES_MAX */
};
struct object_query {
    struct str kind, customer_id; /* customer_id empty: any */
    struct str after;             /* id of the last row seen; empty: from the start */
    int64_t after_us;             /* by_updated: its updated_us */
    size_t limit;                 /* 0: all */
    size_t look_max;              /* documents looked at, matching or not; 0: no bound */
    bool by_updated, descending;  /* else in the order of ids (bytes), ascending */
    size_t filter_count;
    struct object_filter filters[OBJECT_FILTERS_MAX];
};

struct account_query {                    /* pages of customers, or of keys by customer and id */
    struct str customer_id;               /* keys of this one alone; empty: any */
    struct str after_customer, after_key; /* of the last row seen; empty: from the start */
    size_t limit;                         /* 0: all */
};

struct audit_query {                                /* newest first */
    struct str actor, kind, object_id, customer_id; /* empty: any */
    int64_t since_us, until_us;                     /* 0: open */
    uint64_t before;                                /* sequence, for paging; 0: newest */
    size_t limit;                                   /* 0: all */
};

struct alert_query {              /* newest first */
    struct str customer_id, kind; /* empty: any */
    int64_t id, since_us, before; /* 0: any; before: an id, for paging */
    struct str notice;            /* empty: any */
    int acknowledged;             /* 1: only those that are; -1: only the others; 0: all */
    size_t limit;                 /* 0: all */
};

/* Those in force that may end in the span, in an order of their own: whoever asks looks at end_us,
 * because texts of other time zones come a day early or late. */
struct ending_query {
    enum ending_kind what;
    int64_t from_us, until_us;
    struct str after_mark, after_id; /* of the last row seen; empty: from the start */
    size_t limit;
};
