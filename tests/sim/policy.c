/* policy.c - random plans, and the rules that the book is handed for one call of one. */
#include "world.h"

static const int64_t minute_us = 60 * (int64_t)1000000;
static const int64_t day_us = 86400 * (int64_t)1000000;

static int64_t random_limit(struct world *world, enum metric metric)
{
    switch (metric) {
    case METRIC_REQUESTS:
        return below(world, chance(world, 50) ? 60 : 8);
    case METRIC_CONCURRENT:
        return below(world, 9);
    case METRIC_TOKENS:
    case METRIC_COST:
    case METRIC_COUNT:
        break;
    }
    return below(world, chance(world, 50) ? 100000 : 3000);
}

/* Several policies name the same counters, in other windows or the same. */
static struct model_rule random_rule(struct world *world, int family, enum metric metric)
{
    int const mode = (int)below(world, 100);
    struct model_rule rule = {
        .number = family * METRIC_COUNT + (int)metric,
        .kind = (enum window_kind)below(world, WINDOW_KIND_COUNT),
        .metric = metric,
        .mode = mode < 70   ? WINDOW_HARD
                : mode < 85 ? WINDOW_SOFT
                            : WINDOW_SHADOW,
        .whom = (enum model_whom)below(world, MODEL_FOR_USER + 1),
        .scope = (enum refusal_scope)(SCOPE_KEY + below(world, SCOPE_CUSTOMER)),
        .limit = random_limit(world, metric),
    };
    if (metric == METRIC_CONCURRENT)
        rule.kind = WINDOW_EVER;
    return rule;
}

static int64_t random_offset(struct world *world)
{
    static const int minutes[] = {0, -180, -240, -570, 60, 330, 345, 840, -720};
    return minutes[below(world, sizeof minutes / sizeof minutes[0])] * minute_us;
}

/* Mostly in the unit of the wallet; a call in the other one is refused. */
static struct model_tariff random_tariff(struct world *world, bool in_credits)
{
    static const int64_t factors[] = {0, 700000000, 1000000000, 1200000000, 3333333333};
    struct model_tariff tariff = {
        .marked = chance(world, 40),
        .basis = chance(world, 5) != in_credits ? 1 + (int)below(world, 3) : 0,
    };
    if (tariff.marked) {
        tariff.factor = factors[below(world, 5)];
        tariff.fixed = chance(world, 50) ? 0 : below(world, 100);
    }
    if (tariff.basis == 1)
        tariff.rate = below(world, 3000000000);
    else if (tariff.basis == 2)
        tariff.rate = below(world, 6000);
    else if (tariff.basis == 3)
        tariff.rate = below(world, 900);
    if (tariff.basis != 0 && chance(world, 30))
        tariff.minimum = below(world, 600);
    return tariff;
}

void random_policy(struct world *world, struct model_policy *policy, bool in_credits)
{
    enum { QUOTA = MODEL_RULES + 1, CAP };
    *policy = (struct model_policy){.rule_count = (int)below(world, MODEL_RULES + 1),
                                    .offset = random_offset(world),
                                    .has_quota = chance(world, 50),
                                    .bills = chance(world, 50),
                                    .has_cap = chance(world, 80)};
    for (int i = 0; i < policy->rule_count; i++)
        policy->rules[i] = random_rule(world, i + 1, (enum metric)below(world, METRIC_COUNT));
    policy->span = (1 + below(world, 45)) * day_us;
    policy->anchor =
        world->clock.now_us + (below(world, 200) - 100) * day_us + below(world, day_us);
    policy->quota = random_rule(world, QUOTA, (enum metric)below(world, METRIC_CONCURRENT));
    if (policy->quota.metric != METRIC_REQUESTS)
        policy->quota.limit = below(world, 4000);
    policy->rollover = chance(world, 50) ? 1 + below(world, 2 * policy->quota.limit + 10) : 0;
    policy->cap = random_rule(world, CAP, METRIC_COST);
    policy->cap.limit = below(world, 3000);
    policy->throttle = chance(world, 15) ? 1 + below(world, 20) : 0;
    policy->bills = policy->bills && policy->throttle == 0;
    policy->tariff = random_tariff(world, in_credits);
}

/* The same plan, with other numbers or in another zone: what is counted stays. */
void random_change(struct world *world, struct model_policy *policy, bool in_credits)
{
    if (chance(world, 40))
        policy->offset = random_offset(world);
    for (int i = 0; i < policy->rule_count; i++)
        if (chance(world, 40))
            policy->rules[i].limit = random_limit(world, policy->rules[i].metric);
    if (chance(world, 40))
        policy->quota.limit = random_limit(world, policy->quota.metric);
    if (chance(world, 20))
        policy->rollover = chance(world, 70) ? below(world, policy->quota.limit + 10) : 0;
    if (chance(world, 40))
        policy->cap.limit = below(world, 3000);
    if (chance(world, 20) && policy->throttle == 0)
        policy->bills = !policy->bills;
    if (chance(world, 20))
        policy->tariff = random_tariff(world, in_credits);
}

static struct rule rule_of(const struct model_policy *policy, const struct model_rule *rule,
                           const struct model_want *want, int64_t clock)
{
    struct model_window const window = model_window_of(policy, rule, want->key, want->user, clock);
    return (struct rule){.counter = window.id,
                         .kind = rule->kind,
                         .metric = rule->metric,
                         .mode = rule->mode,
                         .scope = rule->scope,
                         .start_us = window.start,
                         .end_us = window.end,
                         .limit = rule->limit};
}

bool policy_rules(const struct model_policy *policy, const struct model_want *want, int64_t clock,
                  struct rules *rules)
{
    *rules = (struct rules){.count = (size_t)policy->rule_count,
                            .has_allowance = policy->has_quota,
                            .overage = policy->throttle > 0 ? OVERAGE_THROTTLE
                                       : policy->bills      ? OVERAGE_BILL
                                                            : OVERAGE_BLOCK,
                            .throttle_per_minute = policy->throttle,
                            .has_overage_cap = policy->has_cap};
    for (size_t i = 0; i < rules->count; i++)
        rules->list[i] = rule_of(policy, &policy->rules[i], want, clock);
    if (policy->has_quota)
        rules->allowance = rule_of(policy, &policy->quota, want, clock);
    rules->allowance.rollover_max = policy->rollover;
    if (policy->has_cap)
        rules->overage_cap = rule_of(policy, &policy->cap, want, clock);
    return rules->count > 0 || policy->has_quota || policy->bills || policy->throttle > 0;
}
