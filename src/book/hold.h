/* hold.h - a hold, and its life: references, the wheel that finds expired ones.
 *
 * Not:   money (effect.h).
 */
#pragma once
#include "book/book_int.h"

enum hold_state { HOLD_HELD, HOLD_SETTLED, HOLD_RELEASED, HOLD_EXPIRED, HOLD_FORGOTTEN };

struct hold {
    _Atomic int references; /* the caller's and the list's */
    enum hold_state state;
    bool dispatched, unlimited, own_key; /* own_key: limits count, nothing is charged */
    struct customer *customer;
    struct key *key;
    struct ulid id;
    struct price price;
    struct usage estimate;
    int64_t orphan_input, output_tokens, deadline_us, forget_us;
    int64_t tokens;    /* taken from the token limiters in `limiters` */
    unsigned limiters; /* bits of enum record_limiter */
    struct tariff tariff;
    bool free;                             /* the plan pays for all of it, whatever it comes to */
    struct money cost, overage, overdraft; /* cost: what the estimate is charged */
    size_t promised;                       /* room kept in the journal for the end */
    size_t grant_count, window_count;
    struct hold_grant {
        struct grant *grant;
        int64_t amount;
    } grants[GRANTS_PER_HOLD_MAX];
    struct hold_window {
        struct counter *counter;
        int64_t amount;
        enum window_role role;
    } windows[RECORD_WINDOWS_MAX];
    /* Of the rules it was admitted by: a settle may use what else is free of them. A hold that was
     * read back after a restart has none, and is charged at most what it held. */
    enum overage_mode overage_mode;
    int64_t allowance_limit, overage_cap;
    struct settled result;
    struct list node; /* of a shard's wheel, or of its expired ones */
    unsigned shard;
    struct str context; /* as record_context_encode made it */
    struct str alerts;  /* as alert_lines_begin made them */
    char context_bytes[];
};

/* With one reference, in no list; copies of both inside. NULL: memory is short. */
struct hold *hold_new(struct str context, struct str alerts);
void hold_unref(struct hold *hold);
/* What usage is charged; *cost is what the provider asks for it. ERR_PRICE_UNKNOWN,
 * ERR_FIELD_INVALID. */
NODISCARD enum err hold_charge(const struct hold *hold, const struct usage *usage,
                               struct money *cost, struct money *charge);
/* Into the wheel of this thread's shard (takes a reference); counts a reserve. */
void hold_enlist(struct book *book, struct hold *hold);
/* Its line of that role; NULL: it has none. */
const struct hold_window *hold_line(const struct hold *hold, enum window_role role);
/* What may still be billed as overage beside the hold's own part. */
int64_t hold_overage_room(const struct hold *hold, bool ignore_holds);
/* Out of its shard's lists, whichever it is in; counts `type`. */
void hold_unlist(struct book *book, struct hold *hold, enum record_type type);
void hold_count_refusal(struct book *book);
void hold_shards_init(struct book *book);
void hold_shards_free(struct book *book);
