/* gcra.c - all in integers; see gcra.h for the rule. */
#include "core/gcra.h"
#include "base/must.h"

/* Far beyond every limit, and its double still fits beside a wall time. */
static const int64_t span_max = INT64_MAX / 8;

static int64_t now_of(int64_t now_us)
{
    MUST(now_us >= 0 && now_us < INT64_MAX >> (GCRA_SHIFT + 1));
    return now_us << GCRA_SHIFT;
}

/* floor(a * b / c), at most span_max; 64-bit where it fits, which is nearly always. */
static int64_t scale(int64_t a, int64_t b, int64_t c)
{
    int64_t product;
    if (!__builtin_mul_overflow(a, b, &product)) {
        int64_t const quotient = product / c;
        return quotient < span_max ? quotient : span_max;
    }
    __int128 const quotient = (__int128)a * b / c;
    return quotient < span_max ? (int64_t)quotient : span_max;
}

/* n*T, rounded down: `limit` single requests fit into a period, whatever T's fraction is. */
static int64_t span_of(const struct gcra_limit *limit, int64_t n)
{
    int64_t const span = scale(n, limit->period_us << GCRA_SHIFT, limit->limit);
    return span == 0 && n > 0 ? 1 : span;
}

static int64_t burst_of(const struct gcra_limit *limit)
{
    return limit->burst > 0 ? limit->burst : limit->limit;
}

/* Most units whose span is at most `room`: the inverse of span_of, with its rounding. */
static int64_t units_in(const struct gcra_limit *limit, int64_t room)
{
    if (room <= 0)
        return 0;
    /* ((room + 1) x limit - 1) / period = floor of what is left below the next whole unit */
    int64_t const period = limit->period_us << GCRA_SHIFT;
    int64_t product;
    int64_t units;
    if (!__builtin_mul_overflow(room + 1, limit->limit, &product)) {
        units = (product - 1) / period;
    } else {
        __int128 const wide = ((__int128)(room + 1) * limit->limit - 1) / period;
        units = wide < span_max ? (int64_t)wide : span_max;
    }
    int64_t const burst = burst_of(limit);
    return units < burst ? units : burst;
}

static int64_t to_us(int64_t span)
{
    return span <= 0 ? 0 : (span + (1 << GCRA_SHIFT) - 1) >> GCRA_SHIFT;
}

static void check_arguments(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n)
{
    MUST(n >= 0 && gcra->tat >= 0);
    MUST(limit->limit >= 0 && limit->burst >= 0);
    MUST(limit->limit == 0 || (limit->period_us > 0 && limit->period_us < span_max >> GCRA_SHIFT));
}

struct gcra_verdict gcra_check(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                               int64_t now_us)
{
    check_arguments(gcra, limit, n);
    if (limit->limit == 0)
        return (struct gcra_verdict){.allowed = true, .remaining = INT64_MAX, .next = *gcra};
    int64_t const now = now_of(now_us), burst = span_of(limit, burst_of(limit));
    int64_t const base = gcra->tat > now ? gcra->tat : now;
    int64_t const next = gcra_take(gcra, limit, n, now_us).tat;
    struct gcra_verdict verdict = {.allowed = next - now <= burst, .next = {next}};
    if (!verdict.allowed && n > burst_of(limit))
        verdict.retry_after_us = INT64_MAX;
    else if (!verdict.allowed)
        verdict.retry_after_us = to_us(next - now - burst);
    int64_t const used = (verdict.allowed ? next : base) - now;
    verdict.remaining = units_in(limit, burst - used);
    verdict.reset_after_us = to_us(used);
    return verdict;
}

struct gcra gcra_take(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                      int64_t now_us)
{
    check_arguments(gcra, limit, n);
    if (limit->limit == 0)
        return *gcra;
    int64_t const now = now_of(now_us);
    int64_t const base = gcra->tat > now ? gcra->tat : now;
    int64_t next;
    return (struct gcra){__builtin_add_overflow(base, span_of(limit, n), &next) ? INT64_MAX : next};
}

struct gcra gcra_refund(const struct gcra *gcra, const struct gcra_limit *limit, int64_t n,
                        int64_t now_us)
{
    check_arguments(gcra, limit, n);
    if (limit->limit == 0)
        return *gcra;
    int64_t floor = now_of(now_us) - span_of(limit, burst_of(limit));
    if (floor < 0)
        floor = 0;
    int64_t const less = gcra->tat - span_of(limit, n);
    return (struct gcra){less > floor ? less : floor};
}
