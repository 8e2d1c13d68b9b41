/* price.c - one sum in 128 bits, one rounding. */
#include "core/price.h"
#include "base/must.h"

enum { PICO_PER_NANO = 1000, POOL_SELF = -1 };

#define POOL_FALLBACK_SELF           POOL_SELF
#define POOL_FALLBACK_INPUT          POOL_INPUT
#define POOL_FALLBACK_OUTPUT         POOL_OUTPUT
#define POOL_FALLBACK_CACHE_WRITE_5M POOL_CACHE_WRITE_5M

static const int fallbacks[POOL_COUNT] = {
#define X(name, key, column, fallback) POOL_FALLBACK_##fallback,
#include "core/pools.def"
#undef X
};

void price_init(struct price *price)
{
    for (int pool = 0; pool < POOL_COUNT; pool++)
        price->pico[pool] = PRICE_UNKNOWN;
    price->version = 0;
}

int64_t price_of(const struct price *price, enum pool pool)
{
    MUST(pool < POOL_COUNT);
    for (int at = (int)pool; at != POOL_SELF; at = fallbacks[at]) {
        if (price->pico[at] != PRICE_UNKNOWN)
            return price->pico[at];
        MUST(fallbacks[at] < at); /* towards the first row: this ends */
    }
    return PRICE_UNKNOWN;
}

/* Exact, in pico; bounded so that its ceiling in nano fits into int64. */
static enum err sum_pico(const struct price *price, const struct usage *usage,
                         unsigned __int128 *sum)
{
    static const unsigned __int128 sum_max = (unsigned __int128)INT64_MAX * PICO_PER_NANO;
    *sum = 0;
    for (int pool = 0; pool < POOL_COUNT; pool++) {
        int64_t const tokens = usage->tokens[pool];
        if (tokens == 0)
            continue;
        if (tokens < 0)
            return ERR_FIELD_INVALID;
        int64_t const pico = price_of(price, (enum pool)pool);
        if (pico == PRICE_UNKNOWN)
            return ERR_PRICE_UNKNOWN;
        MUST(pico >= 0); /* prices are ours: importing a negative one is our bug */
        *sum += (unsigned __int128)tokens * (unsigned __int128)pico;
        if (*sum > sum_max)
            return ERR_FIELD_INVALID;
    }
    return ERR_OK;
}

enum err price_cost(const struct price *price, const struct usage *usage, struct money *cost)
{
    unsigned __int128 sum;
    enum err const err = sum_pico(price, usage, &sum);
    if (err != ERR_OK)
        return err;
    uint64_t const small = (uint64_t)sum;
    /* A 64-bit division is several times cheaper, and nearly all requests fit. */
    cost->nano = sum <= UINT64_MAX - PICO_PER_NANO
                     ? (int64_t)((small + PICO_PER_NANO - 1) / PICO_PER_NANO)
                     : (int64_t)((sum + PICO_PER_NANO - 1) / PICO_PER_NANO);
    return ERR_OK;
}

int64_t price_affordable_output(const struct price *price, const struct usage *input,
                                struct money budget, int64_t choices)
{
    MUST(choices > 0);
    unsigned __int128 spent;
    int64_t const pico = price_of(price, POOL_OUTPUT);
    if (budget.nano < 0 || pico == PRICE_UNKNOWN || sum_pico(price, input, &spent) != ERR_OK)
        return 0;
    unsigned __int128 const funds = (unsigned __int128)budget.nano * PICO_PER_NANO;
    if (spent > funds)
        return 0;
    if (pico == 0)
        return INT64_MAX / choices;
    unsigned __int128 const one = (unsigned __int128)pico * (unsigned __int128)choices;
    return (int64_t)((funds - spent) / one > (unsigned __int128)(INT64_MAX / choices)
                         ? INT64_MAX / choices
                         : (int64_t)((funds - spent) / one));
}
