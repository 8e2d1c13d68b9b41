/* charge.c - read top to bottom: the order is the policy. */
#include "core/charge.h"
#include "base/must.h"

static bool beyond_reason(const struct charge_facts *facts)
{
    if (facts->absurd)
        return true;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        if (facts->reported.tokens[pool] > USAGE_TOKENS_MAX)
            return true;
    return false;
}

/* Our own count never charges more output than was asked for. */
static int64_t output_seen(const struct charge_facts *facts)
{
    int64_t const held = usage_output(&facts->held);
    return facts->output_estimate < held ? facts->output_estimate : held;
}

static struct charge_verdict estimated(const struct charge_facts *facts)
{
    struct charge_verdict verdict = {.usage.source = USAGE_ESTIMATED};
    verdict.usage.tokens[POOL_INPUT] = facts->input_estimate;
    verdict.usage.tokens[POOL_OUTPUT] = output_seen(facts);
    return verdict;
}

struct charge_verdict charge_decide(const struct charge_facts *facts)
{
    MUST(facts->input_estimate >= 0 && facts->output_estimate >= 0);

    if (!facts->dispatched || facts->refused)
        return (struct charge_verdict){.free = true};
    bool const paid = facts->whole || facts->begun || facts->client_gone;
    if (!paid)
        return (struct charge_verdict){.free = true}; /* our failure, or the provider's */

    if (beyond_reason(facts)) {
        struct charge_verdict verdict = {.clamped = true, .usage = facts->held};
        verdict.usage.source = USAGE_ESTIMATED;
        return verdict;
    }
    if (!facts->has_usage)
        return estimated(facts);
    /* A running total of a stream that was cut may be behind what we have seen ourselves. */
    struct charge_verdict verdict = {.usage = facts->reported};
    int64_t const behind = output_seen(facts) - usage_output(&facts->reported);
    verdict.usage.source = USAGE_PROVIDER;
    if (!facts->whole && behind > 0) {
        verdict.usage.tokens[POOL_OUTPUT] += behind;
        verdict.usage.source = USAGE_ESTIMATED;
    }
    return verdict;
}
