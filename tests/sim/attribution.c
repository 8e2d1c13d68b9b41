/* attribution.c - adds up, from the journal alone, what settled calls used of each window. */
#include "attribution.h"
#include "world.h"

enum { WINDOWS_MAX = 8192 };

struct window_sum {
    int customer;
    struct record_window_line line; /* its name; `used`: the sum */
};

struct sums {
    struct world *world;
    size_t count;
    bool failed;
    struct window_sum *list;
};

static int customer_number(const struct world *world, struct str id)
{
    int number = 0;
    while (number < MODEL_CUSTOMERS && !str_eq(world->customers[number]->id, id))
        number++;
    return number;
}

static bool same_window(const struct record_window_line *a, const struct record_window_line *b)
{
    return a->counter == b->counter && a->metric == b->metric && a->start_us == b->start_us &&
           a->end_us == b->end_us;
}

/* NULL: there are too many. */
static struct window_sum *sum_of(struct sums *sums, int customer,
                                 const struct record_window_line *line)
{
    for (size_t i = 0; i < sums->count; i++)
        if (sums->list[i].customer == customer && same_window(&sums->list[i].line, line))
            return &sums->list[i];
    if (sums->count == WINDOWS_MAX)
        return NULL;
    struct window_sum *made = &sums->list[sums->count++];
    *made = (struct window_sum){.customer = customer, .line = *line};
    made->line.used = 0;
    return made;
}

/* What the usage of this call is worth in the window's metric. */
static bool amount_is_right(const struct record_end *end, const struct record_window_line *line)
{
    int64_t tokens = 0;
    for (int pool = 0; pool < POOL_COUNT; pool++)
        tokens += end->usage.tokens[pool];
    int64_t const whole[METRIC_COUNT] = {[METRIC_REQUESTS] = 1,
                                         [METRIC_TOKENS] = tokens,
                                         [METRIC_COST] = end->charge.nano,
                                         [METRIC_CONCURRENT] = -1}; /* is never used */
    bool const unlimited = end->overage.nano == end->charge.nano && line->amount == 0;
    if (line->role ==
        ROLE_OVERAGE_CAP) /* what an unlimited customer owes is no overage of a plan */
        return line->amount == end->overage.nano || unlimited;
    if (line->role == ROLE_ALLOWANCE)
        return line->amount <= whole[line->metric];
    return line->amount == whole[line->metric];
}

static bool add(void *owner, const struct journal_record *record)
{
    struct sums *sums = owner;
    struct record_end end;
    if (record->type != RECORD_SETTLE)
        return true;
    if (!record_end_decode(RECORD_SETTLE, record->payload, &end)) {
        sums->failed = !world_fail(sums->world, "a SETTLE that cannot be read");
        return false;
    }
    int const customer = customer_number(sums->world, end.customer_id);
    for (size_t i = 0; i < end.window_count && !sums->failed; i++) {
        const struct record_window_line *line = &end.windows[i];
        struct window_sum *sum = sum_of(sums, customer, line);
        if (sum)
            sum->line.used += line->amount;
        if (!sum || !amount_is_right(&end, line))
            sums->failed = !world_fail(sums->world, "I11: a line is not what its call used");
        else if (sum->line.used != line->used)
            sums->failed = !world_fail(sums->world, "I11: used %lld, sum of settles %lld",
                                       (long long)line->used, (long long)sum->line.used);
    }
    return !sums->failed;
}

static bool compare(const struct sums *sums, int number)
{
    const struct model_customer *model = &sums->world->model.customers[number];
    for (int i = 0; i < model->counter_count; i++) {
        const struct model_counter *counter = &model->counters[i];
        int64_t sum = 0;
        for (size_t j = 0; j < sums->count; j++) {
            const struct record_window_line *line = &sums->list[j].line;
            if (sums->list[j].customer == number && line->counter == counter->window.id &&
                line->metric == counter->metric && line->start_us == counter->window.start &&
                line->end_us == counter->window.end)
                sum = line->used;
        }
        if (sum != counter->used)
            return world_fail(sums->world, "I11: customer %d, sum of settles %lld, used %lld",
                              number, (long long)sum, (long long)counter->used);
    }
    return true;
}

bool attribution_check(struct world *world)
{
    static struct window_sum list[WINDOWS_MAX];
    struct sums sums = {.world = world, .list = list};
    struct fault fault = {0};
    if (journal_replay(world->journal, 1, add, &sums, &fault) != ERR_OK)
        return world_fail(world, "journal_replay: %s", fault.detail);
    for (int c = 0; c < MODEL_CUSTOMERS && !sums.failed; c++)
        sums.failed = !compare(&sums, c);
    return !sums.failed;
}
