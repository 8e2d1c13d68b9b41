/* usage_int.h - what the list of finished calls and their sums share. */
#pragma once
#include "admin/export.h"
#include "base/map.h"

enum { USAGE_DIMENSIONS_MAX = 2 };

enum usage_dimension { /* the first seven are known to the sums of quarter hours */
                       BY_MODEL,
                       BY_CUSTOMER,
                       BY_KEY,
                       BY_PROVIDER,
                       BY_HOUR,
                       BY_DAY,
                       BY_MONTH,
                       BY_USER,
                       BY_FEATURE,
                       BY_MODULE,
                       BY_PROFILE,
                       BY_GROUP,
                       BY_ENDPOINT,
                       BY_OUTCOME,
                       BY_COUNT,
};

struct usage_state {
    struct usage_query query;
    size_t left;      /* rows that may still be sent */
    size_t page_rows; /* seen in this page */
    uint64_t last_lsn;
    size_t by_count; /* 0: calls, not sums */
    enum usage_dimension by[USAGE_DIMENSIONS_MAX];
    const char **columns; /* of the sums */
    struct map key_names; /* key id -> struct key_name * */
    struct export_rows rows;
    struct buf *out;
    struct arena *arena;
    struct book *book;
    bool of_customer; /* it asks for itself: margins are not its business */
    enum err err;
};

/* Of a wallet of credits; it never goes back, and was never used before. */
bool usage_in_credits(const struct usage_state *state, struct str customer_id);

struct str usage_key_name(const struct usage_state *state, struct str id);
/* "model,day" */
NODISCARD enum err usage_by_read(struct admin_call *call, struct usage_state *state);
/* All sums, dearest first. */
NODISCARD enum err usage_sums(struct admin_call *call, struct usage_state *state);
