/* model.c - the model's arithmetic: time, limiters, windows, who pays. */
#include "model_int.h"

typedef __int128 wide;

int64_t model_now(struct model_customer *customer, int64_t clock)
{
    customer->now = most(customer->now, clock);
    return customer->now;
}

void model_saved(struct model_customer *customer)
{
    customer->saved_now = most(customer->saved_now, customer->now);
}

/* --- smooth limiters: tat in 2^-10 us, a minute long, burst of a whole limit ----------------- */
static const int64_t minute = 60000000;

int64_t span(int64_t limit, int64_t n)
{
    wide const exact = (wide)n * minute * 1024 / limit;
    return exact == 0 && n > 0 ? 1 : (int64_t)exact;
}

int64_t arrival(int64_t tat, int64_t limit, int64_t n, int64_t now)
{
    return most(tat, now * 1024) + span(limit, n);
}

bool within(int64_t tat, int64_t limit, int64_t n, int64_t now)
{
    return limit == 0 || arrival(tat, limit, n, now) - now * 1024 <= span(limit, limit);
}

int64_t give_back(int64_t tat, int64_t limit, int64_t n, int64_t now)
{
    return most(most(tat - span(limit, n), now * 1024 - span(limit, limit)), 0);
}

/* --- windows --------------------------------------------------------------------------------- */
static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Walks from 1970, month by month: slow, and hard to get wrong. */
static int64_t month_start(int64_t at, int64_t *end)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t start = 0;
    for (int64_t month = 0;; month++) {
        int64_t const year = 1970 + month / 12;
        int64_t const days = lengths[month % 12] + (month % 12 == 1 && is_leap(year));
        if (start + days * 86400000000 > at) {
            *end = start + days * 86400000000;
            return start;
        }
        start += days * 86400000000;
    }
}

static int64_t steps_before(int64_t at, int64_t length)
{
    int64_t const whole = at / length;
    return at < whole * length ? whole - 1 : whole;
}

struct model_window model_window_of(const struct model_policy *policy,
                                    const struct model_rule *rule, int key, int user, int64_t clock)
{
    static const int64_t lengths[] = {1000000, 60000000, 3600000000, 86400000000, 604800000000};
    static const uint64_t whom_counts = 100;
    int const who = rule->whom == MODEL_FOR_KEY ? key : rule->whom == MODEL_FOR_USER ? user : 0;
    struct model_window window = {.id = (uint64_t)rule->number * whom_counts +
                                        (uint64_t)rule->whom * 10 + (uint64_t)who};
    int64_t const local = clock + policy->offset;
    /* 1970-01-01 was a Thursday */
    int64_t const shift = rule->kind == WINDOW_WEEK ? 3 * lengths[WINDOW_DAY] : 0;
    if (rule->kind == WINDOW_EVER || rule->metric == METRIC_CONCURRENT) {
        window.end = INT64_MAX;
    } else if (rule->kind == WINDOW_PERIOD) {
        window.start =
            policy->anchor + steps_before(clock - policy->anchor, policy->span) * policy->span;
        window.end = window.start + policy->span;
    } else if (rule->kind == WINDOW_MONTH) {
        window.start = month_start(local, &window.end) - policy->offset;
        window.end -= policy->offset;
    } else {
        int64_t const length = lengths[rule->kind];
        window.start = (local + shift) / length * length - shift - policy->offset;
        window.end = window.start + length;
    }
    return window;
}

static bool is_referenced(const struct model_customer *customer, int counter)
{
    for (int i = 0; i < MODEL_HOLDS; i++) {
        const struct model_hold *hold = &customer->holds[i];
        if (hold->state != MODEL_HELD && hold->state != MODEL_EXPIRED)
            continue;
        for (int line = 0; line < hold->line_count; line++)
            if (hold->lines[line].counter == counter)
                return true;
    }
    return false;
}

/* For what is left of a quota it is needed for some more of its lengths. */
static int64_t needed_until(const struct model_counter *counter)
{
    int64_t const end = counter->window.end;
    bool const more = counter->rolls && end < INT64_MAX;
    return more ? end + MODEL_ROLLS * (end - counter->window.start) : end;
}

bool model_is_over(const struct model_customer *customer, int counter, int64_t highest)
{
    const struct model_counter *at = &customer->counters[counter];
    bool const ended =
        at->metric == METRIC_CONCURRENT || needed_until(at) <= highest - MODEL_GRACE_US;
    return ended && !is_referenced(customer, counter);
}

/* The quota's window that ended last before this one began. -1: there is none that rolls over. */
static int window_before(const struct model_customer *customer, int quota, int64_t now)
{
    const struct model_counter *at = &customer->counters[quota];
    int best = -1;
    for (int i = 0; i < customer->counter_count; i++) {
        const struct model_counter *other = &customer->counters[i];
        const struct model_counter *found = best < 0 ? NULL : &customer->counters[best];
        if (other->rolls && other->window.id == at->window.id && other->metric == at->metric &&
            other->window.end <= at->window.start && needed_until(other) > now &&
            (!found || other->window.end > found->window.end ||
             (other->window.end == found->window.end && other->window.start > found->window.start)))
            best = i;
    }
    return best;
}

int64_t left_before(const struct model_customer *customer, int quota, int64_t most_of_it,
                    int64_t now)
{
    int const last = window_before(customer, quota, now);
    if (last < 0)
        return 0;
    const struct model_counter *before = &customer->counters[last];
    int64_t const length = before->window.end - before->window.start;
    int64_t const gap = customer->counters[quota].window.start - before->window.end;
    int64_t own = most(before->used + before->held - before->carried, 0);
    if (gap > length / 2)
        own = 0; /* nobody used the window between */
    return least(most(before->included - own - before->given, 0), most_of_it);
}

void roll(struct model_customer *customer, int quota, int64_t carried, int64_t included,
          int64_t now)
{
    struct model_counter *counter = &customer->counters[quota];
    int const last = counter->rolls ? -1 : window_before(customer, quota, now);
    counter->rolls = true;
    counter->carried = carried;
    counter->included = included;
    if (last >= 0)
        customer->counters[last].given += carried;
}

int counter_at(struct model_customer *customer, const struct model_rule *rule,
               struct model_window window)
{
    int place = customer->counter_count;
    for (int i = 0; i < customer->counter_count; i++) {
        const struct model_counter *counter = &customer->counters[i];
        if (counter->window.id == window.id && counter->window.start == window.start &&
            counter->window.end == window.end && counter->metric == rule->metric)
            return i;
    }
    /* The time of the customer is the highest that the book has seen for it. */
    for (int i = 0; place == MODEL_COUNTERS && i < MODEL_COUNTERS; i++)
        if (customer->counters[i].metric != METRIC_CONCURRENT &&
            model_is_over(customer, i, customer->now))
            place = i;
    if (place == MODEL_COUNTERS) {
        customer->broken = "the model has no room for another counter";
        return 0;
    }
    if (place == customer->counter_count)
        customer->counter_count++;
    customer->counters[place] = (struct model_counter){.window = window, .metric = rule->metric};
    return place;
}

struct model_line *line_of(struct model_hold *hold, enum window_role role)
{
    for (int i = 0; i < hold->line_count; i++)
        if (hold->lines[i].role == role)
            return &hold->lines[i];
    return NULL;
}

/* --- money ----------------------------------------------------------------------------------- */
int64_t cost_of(int64_t price_in, int64_t price_out, int64_t input, int64_t output)
{
    wide const pico = (wide)input * price_in + (wide)output * price_out;
    return (int64_t)((pico + 999) / 1000);
}

static int64_t part(int64_t amount, int64_t by, int64_t of)
{
    return (int64_t)(((wide)amount * by + of - 1) / of);
}

int64_t charge_of(const struct model_tariff *tariff, int64_t cost, int64_t tokens)
{
    if (tariff->basis == 2)
        return part(tokens, tariff->rate, 1000);
    if (tariff->basis == 3)
        return tariff->rate;
    if (tariff->marked)
        cost = part(cost, tariff->factor, 1000000000) + tariff->fixed;
    return tariff->basis == 1 ? part(cost, tariff->rate, 1000000000) : cost;
}

int64_t due_of(int64_t cost, int64_t metric, int64_t covered)
{
    if (metric == 0)
        return 0;
    return (int64_t)(((wide)cost * (metric - covered) + metric - 1) / metric);
}

int64_t measure(enum metric metric, int64_t tokens, int64_t cost)
{
    if (metric == METRIC_TOKENS)
        return tokens;
    return metric == METRIC_COST ? cost : 1;
}

static bool usable(const struct model_grant *grant, int64_t now)
{
    return !grant->expired && grant->effective <= now &&
           (grant->expires == 0 || now < grant->expires);
}

bool pays_for(const struct model_grant *grant, int feature, int64_t now)
{
    bool const is_for = grant->features == 0 || (grant->features >> feature & 1) != 0;
    return is_for && usable(grant, now);
}

static bool before(const struct model_grant *a, const struct model_grant *b)
{
    int64_t const a_end = a->expires ? a->expires : INT64_MAX;
    int64_t const b_end = b->expires ? b->expires : INT64_MAX;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a_end != b_end)
        return a_end < b_end;
    if (a->created != b->created)
        return a->created < b->created;
    return a->id.high != b->id.high ? a->id.high < b->id.high : a->id.low < b->id.low;
}

/* Indices of usable grants in the order of paying. */
static int order(const struct model_customer *customer, int feature, int64_t now,
                 int out[MODEL_GRANTS])
{
    int count = 0;
    for (int i = 0; i < customer->grant_count; i++) {
        if (!pays_for(&customer->grants[i], feature, now))
            continue;
        int at = count++;
        for (; at > 0 && before(&customer->grants[i], &customer->grants[out[at - 1]]); at--)
            out[at] = out[at - 1];
        out[at] = i;
    }
    return count;
}

int64_t overage_room(const struct model_customer *customer, struct model_hold *hold, bool holds)
{
    const struct model_line *line = line_of(hold, ROLE_OVERAGE_CAP);
    if (!hold->bills)
        return 0;
    if (!line)
        return INT64_MAX;
    const struct model_counter *cap = &customer->counters[line->counter];
    return most(hold->cap_limit - cap->used - (holds ? cap->held : 0), 0);
}

/* What is free of the unscoped ones of these grants: the others owe nothing. */
static int64_t unscoped_of(const struct model_customer *customer, const int *list, int count,
                           bool holds)
{
    int64_t free = 0;
    for (int i = 0; i < count; i++) {
        const struct model_grant *grant = &customer->grants[list[i]];
        if (grant->features == 0)
            free += grant->remaining - (holds ? grant->held : 0);
    }
    return free;
}

struct shares fund(const struct model_customer *customer, int feature, int64_t due, int64_t overage,
                   int64_t now, struct view view)
{
    struct shares shares = {0};
    int list[MODEL_GRANTS];
    int const count = order(customer, feature, now, list);
    int64_t const overdraft = customer->overdraft - customer->debt;
    int64_t overdraft_held = 0;
    for (int i = 0; i < MODEL_HOLDS && view.holds; i++)
        if (customer->holds[i].state == MODEL_HELD)
            overdraft_held += customer->holds[i].overdraft;
    int64_t const room = overdraft - overdraft_held;
    int64_t const owed = view.debt ? most(-room, 0) : 0;
    int64_t unscoped =
        owed > 0 ? most(unscoped_of(customer, list, count, view.holds) - owed, 0) : INT64_MAX;
    shares.left = due;
    for (int i = 0; i < count && shares.left > 0 && shares.count < GRANTS_PER_HOLD_MAX; i++) {
        const struct model_grant *grant = &customer->grants[list[i]];
        int64_t amount = least(shares.left, grant->remaining - (view.holds ? grant->held : 0));
        if (grant->features == 0) {
            amount = least(amount, unscoped);
            unscoped -= amount;
        }
        if (amount == 0)
            continue;
        shares.grant[shares.count] = list[i];
        shares.amount[shares.count++] = amount;
        shares.left -= amount;
    }
    shares.overage = least(shares.left, overage);
    shares.left -= shares.overage;
    shares.overdraft = view.debt ? least(shares.left, most(room, 0)) : 0;
    shares.left -= shares.overdraft;
    shares.total = due - shares.left;
    return shares;
}

int64_t model_available(const struct model_customer *customer, int feature, int64_t now)
{
    int64_t available = customer->overdraft - customer->debt;
    for (int i = 0; i < customer->grant_count; i++)
        if (pays_for(&customer->grants[i], feature, now))
            available += customer->grants[i].remaining - customer->grants[i].held;
    for (int i = 0; i < MODEL_HOLDS; i++)
        if (customer->holds[i].state == MODEL_HELD)
            available -= customer->holds[i].overdraft;
    return available;
}
