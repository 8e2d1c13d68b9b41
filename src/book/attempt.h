/* attempt.h - one try to admit a call: facts gathered and reasons collected, nothing changed yet.
 *
 * What:  pass 1 of domain.md A5. Every limit is tested, every reason against is noted, and the
 *        lines a commit would need are written into the hold, which nobody else knows yet.
 * Not:   committing (reserve.c).
 */
#pragma once
#include "book/hold.h"

struct attempt {
    struct book *book;
    const struct reservation *want;
    struct customer *customer;
    struct key *key;
    struct hold *hold;
    int64_t now_us;
    struct usage estimate;       /* output may be shrunk */
    struct money cost;           /* what the estimate is charged, in the customer's currency */
    int64_t tokens;              /* all of the estimate */
    bool fitted;                 /* shrunk once already */
    struct tightest {            /* the hard window with the least left */
        const struct rule *rule; /* NULL: none */
        int64_t room, remaining; /* before this call, and after it when it gets in */
    } tightest[METRIC_COUNT];

    /* verdicts of the smooth limiters, by enum record_limiter; `limited`: bits of those that exist
     */
    unsigned limited;
    struct gcra_verdict verdicts[LIMITER_COUNT];
    struct gcra_limit throttle;      /* of the plan; limit 0: none */
    struct record_rollover rollover; /* of the allowance's window, as a commit leaves it */

    struct reasons {
        enum err first; /* the most actionable so far; ERR_OK: none */
        enum refusal_scope scope;
        bool not_only_holds; /* at least one would stay when the live holds had ended */
        bool never;          /* no waiting for a clock helps */
        int rule;            /* the one behind `first`; -1: none */
        int64_t retry_after_us;
    } against, of_rate; /* of_rate: those that a smaller output cannot change */
};

/* Tests the request rate and takes it when both limiters allow: the one thing a refusal costs. */
void attempt_rate(struct attempt *attempt);
/* Tests everything else. */
void attempt_limits(struct attempt *attempt);
/* Finds out who pays; shrinks the output once when that is allowed and helps. */
void attempt_funds(struct attempt *attempt);
void attempt_refuse(struct attempt *attempt, enum err reason, enum refusal_scope scope,
                    int64_t retry_after_us, bool holds);
/* False: refused, the plan's free calls beyond its allowance are too many this minute. */
bool attempt_throttle(struct attempt *attempt, int64_t per_minute);
/* Of the call; empty: it said none, or there is none. */
static inline struct str attempt_feature(const struct attempt *attempt)
{
    return attempt->want->context ? attempt->want->context->feature : (struct str){0};
}
/* Looks at the smooth limiters without asking for anything. */
void attempt_peek(struct attempt *attempt);
void attempt_report(struct attempt *attempt, struct admission *admission);
