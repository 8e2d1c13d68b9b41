/* markup.c - see markup.h. */
#include "core/markup.h"
#include "base/must.h"

enum { TOKENS_PER_RATE = 1000, PERCENT_SCALE = 7, PERCENT_MAX = 100000 };

static bool marked_up(const struct tariff *tariff, int64_t cost, int64_t *charge)
{
    if (!tariff->marked) {
        *charge = cost;
        return true;
    }
    int64_t const share = mul_div_ceil(cost, tariff->factor, MARKUP_UNIT);
    return share < INT64_MAX && !__builtin_add_overflow(share, tariff->fixed, charge);
}

enum err tariff_charge(const struct tariff *tariff, struct money cost, int64_t tokens,
                       struct money *charge)
{
    int64_t nano = 0;
    bool fits = true;
    MUST(cost.nano >= 0 && tokens >= 0);
    MUST(tariff->factor >= 0 && tariff->fixed >= 0 && tariff->rate >= 0);
    switch (tariff->basis) {
    case CREDIT_NONE:
        fits = marked_up(tariff, cost.nano, &nano);
        break;
    case CREDIT_COST:
        fits = marked_up(tariff, cost.nano, &nano);
        nano = fits ? mul_div_ceil(nano, tariff->rate, MARKUP_UNIT) : 0;
        break;
    case CREDIT_TOKENS:
        nano = mul_div_ceil(tokens, tariff->rate, TOKENS_PER_RATE);
        break;
    case CREDIT_REQUESTS:
        nano = tariff->rate;
        break;
    case CREDIT_BASIS_COUNT:
        MUST(false);
    }
    if (!fits || (nano == INT64_MAX && tariff_is_set(tariff)))
        return ERR_FIELD_INVALID;
    charge->nano = nano;
    return ERR_OK;
}

bool markup_factor(struct str percent, int64_t *factor)
{
    /* One percent is 10^7 of MARKUP_UNIT: the digits behind the point are those of the scale. */
    int64_t const whole = (int64_t)MARKUP_UNIT / 100, most = PERCENT_MAX * whole;
    int64_t value;
    if (!decimal_parse(percent, PERCENT_SCALE, &value) || value < -MARKUP_UNIT || value > most)
        return false;
    *factor = value + MARKUP_UNIT;
    return true;
}
