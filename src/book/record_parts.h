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
    LIMITER_CUSTOMER_THROTTLE, /* of what a plan gives for free beyond its allowance */
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
    TOTAL_SETTLED, /* charge of all settled calls */
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
enum window_role { ROLE_LIMIT, ROLE_ALLOWANCE, ROLE_OVERAGE_CAP, WINDOW_ROLE_COUNT };
struct record_window_line {
    uint64_t counter; /* struct rule's */
    enum window_kind kind;
    enum metric metric;
    enum window_role role;
    int64_t start_us, end_us;
    int64_t amount;  /* RESERVE: held; SETTLE: used by this call */
    int64_t used;    /* SETTLE: of the whole window, after */
    unsigned number; /* of its line in the RESERVE; ROLE_LIMIT: of the rule, too */
    int64_t carried; /* SETTLE, ROLE_ALLOWANCE: what its window has from the one before */
};

/* What is left of a window can be carried on for so many times its length. */
enum { RECORD_ROLLS = 4 };
/* What a RESERVE says of its allowance's window, when that rolls over and has begun by this call,
 * or is under other terms from now on. */
struct record_rollover {
    bool said;
    int64_t carried, included; /* from the window before; in this one */
};

/* --- counter_row: names, and until when a counter matters ---------------------------------- */
enum { RECORD_COUNTER_NAME_BYTES_MAX = 96 };
#define RECORD_LOW_TOLD_NAME "alert/low_credit" /* struct customer's low_told */
/* Each writes a name without NUL and returns its length. */
size_t record_limiter_name(enum record_limiter limiter, struct ulid key,
                           char name[RECORD_COUNTER_NAME_BYTES_MAX]);
size_t record_window_name(const struct record_window_line *line,
                          char name[RECORD_COUNTER_NAME_BYTES_MAX]);
/* Of struct record_rollover: `included` or carried. */
size_t record_rollover_name(const struct record_window_line *line, bool included,
                            char name[RECORD_COUNTER_NAME_BYTES_MAX]);
size_t record_total_name(enum record_total total, char name[RECORD_COUNTER_NAME_BYTES_MAX]);
int64_t record_limiter_until_us(int64_t tat);
int64_t record_window_until_us(const struct record_window_line *line);

/* The way back. */
struct record_counter {
    enum record_counter_kind {
        COUNTER_LIMITER,
        COUNTER_WINDOW,
        COUNTER_TOTAL,
        COUNTER_LOW_TOLD,
        COUNTER_CARRIED, /* of a window that rolls over: struct record_rollover */
        COUNTER_INCLUDED
    } kind;
    enum record_limiter limiter;
    struct ulid key; /* of the LIMITER_KEY_… ones */
    struct record_window_line window;
    enum record_total total;
};
NODISCARD bool record_counter_parse(struct str name, struct record_counter *counter);
