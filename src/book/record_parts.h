/* record_parts.h - the parts that several records share, and the names of counters in the database.
 *
 * Rules: a limiter's tat, totals, `remaining` and `used` are absolute, as of their record, so that
 *        a projector needs no memory of its own: write the newest, forget the rest.
 */
#pragma once
#include "base/ulid.h"
#include "core/rule.h"

/* The smooth limiters a call passes (core/gcra.h). */
enum record_limiter {
    LIMITER_KEY_REQUESTS,
    LIMITER_CUSTOMER_REQUESTS,
    LIMITER_KEY_TOKENS,
    LIMITER_CUSTOMER_TOKENS,
    LIMITER_COUNT,
};
struct record_limiters {
    unsigned set; /* bit 1 << enum record_limiter: its tat means something */
    int64_t tat[LIMITER_COUNT];
};

/* Sums of a customer since the beginning, in nano. Always:
 *   granted = sum of the grants' remaining + consumed + breakage
 *   settled = covered + consumed + overage + debt
 * (a grant that pays debt back moves that amount from debt to consumed). */
enum record_total {
    TOTAL_GRANTED,
    TOTAL_CONSUMED,
    TOTAL_BREAKAGE,
    TOTAL_OVERAGE, /* receivable: overage of a plan, and all use of unlimited customers */
    TOTAL_DEBT,    /* outstanding: overdraft in use, and what nobody could fund */
    TOTAL_SETTLED, /* cost of all settled calls */
    TOTAL_COVERED, /* by an allowance */
    TOTAL_COUNT,
};
struct record_totals {
    int64_t nano[TOTAL_COUNT];
};

struct record_grant_line {
    struct ulid grant;
    int64_t amount;    /* RESERVE: held; SETTLE: consumed; elsewhere 0 */
    int64_t breakage;  /* lost at this record, because the grant had expired; not in RESERVE */
    int64_t remaining; /* posted, after; not in RESERVE */
};
/* What a window's line does for its hold. */
enum window_role { ROLE_LIMIT, ROLE_ALLOWANCE, ROLE_OVERAGE_CAP, ROLE_COUNT };
struct record_window_line {
    uint64_t counter; /* struct rule's */
    enum window_kind kind;
    enum metric metric;
    enum window_role role;
    int64_t start_us, end_us;
    int64_t amount; /* RESERVE: held; SETTLE: used by this call */
    int64_t used;   /* SETTLE: of the whole window, after */
};

/* --- counter_row: names, and until when a counter matters ---------------------------------- */
enum { RECORD_COUNTER_NAME_BYTES_MAX = 96 };
/* Each writes a name without NUL and returns its length. */
size_t record_limiter_name(enum record_limiter limiter, struct ulid key,
                           char name[RECORD_COUNTER_NAME_BYTES_MAX]);
size_t record_window_name(const struct record_window_line *line,
                          char name[RECORD_COUNTER_NAME_BYTES_MAX]);
size_t record_total_name(enum record_total total, char name[RECORD_COUNTER_NAME_BYTES_MAX]);
int64_t record_limiter_until_us(int64_t tat);
int64_t record_window_until_us(const struct record_window_line *line);

/* The way back. */
struct record_counter {
    enum record_counter_kind { COUNTER_LIMITER, COUNTER_WINDOW, COUNTER_TOTAL } kind;
    enum record_limiter limiter;
    struct ulid key; /* of the LIMITER_KEY_… ones */
    struct record_window_line window;
    enum record_total total;
};
NODISCARD bool record_counter_parse(struct str name, struct record_counter *counter);
