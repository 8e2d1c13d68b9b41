/* model_int.h - the arithmetic that the parts of the model share. */
#pragma once
#include "model.h"

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct shares {
    int count;
    int grant[GRANTS_PER_HOLD_MAX];
    int64_t amount[GRANTS_PER_HOLD_MAX];
    int64_t overage, overdraft, left, total;
};

struct view { /* what counts as held */
    bool holds, debt;
};

int64_t span(int64_t limit, int64_t n);
int64_t arrival(int64_t tat, int64_t limit, int64_t n, int64_t now);
bool within(int64_t tat, int64_t limit, int64_t n, int64_t now);
int64_t give_back(int64_t tat, int64_t limit, int64_t n, int64_t now);
int counter_at(struct model_customer *customer, const struct model_rule *rule,
               struct model_window window);
/* What the window before leaves a quota's window that begins there, at most so much. */
int64_t left_before(const struct model_customer *customer, int quota, int64_t most_of_it,
                    int64_t now);
/* The quota's window begins, or goes on by other terms. */
void roll(struct model_customer *customer, int quota, int64_t carried, int64_t included,
          int64_t now);
/* NULL: the hold has no line of that role. */
struct model_line *line_of(struct model_hold *hold, enum window_role role);
int64_t cost_of(int64_t price_in, int64_t price_out, int64_t input, int64_t output);
int64_t charge_of(const struct model_tariff *tariff, int64_t cost, int64_t tokens);
bool pays_for(const struct model_grant *grant, int feature, int64_t now);
int64_t due_of(int64_t cost, int64_t metric, int64_t covered);
int64_t measure(enum metric metric, int64_t tokens, int64_t cost);
/* `overage`: what may still be billed. */
struct shares fund(const struct model_customer *customer, int feature, int64_t due, int64_t overage,
                   int64_t now, struct view view);
int64_t overage_room(const struct model_customer *customer, struct model_hold *hold, bool holds);
