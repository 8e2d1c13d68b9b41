/* waterfall.c - see waterfall.h; every amount stays within what int64 holds. */
#include "core/waterfall.h"
#include "base/must.h"

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_id(struct ulid a, struct ulid b)
{
    int const high = (a.high > b.high) - (a.high < b.high);
    return high ? high : (a.low > b.low) - (a.low < b.low);
}

int waterfall_order(const struct waterfall_grant *a, const struct waterfall_grant *b)
{
    int order = compare(a->priority, b->priority);
    if (order == 0)
        order = compare(a->expires_us ? a->expires_us : INT64_MAX,
                        b->expires_us ? b->expires_us : INT64_MAX);
    if (order == 0)
        order = compare(a->created_us, b->created_us);
    return order ? order : compare_id(a->id, b->id);
}

static bool is_usable(const struct waterfall_grant *grant, int64_t now_us)
{
    return grant->effective_us <= now_us && (grant->expires_us == 0 || now_us < grant->expires_us);
}

bool waterfall_is_for(const struct waterfall_grant *grant, struct str feature)
{
    struct str rest = grant->features;
    if (str_empty(rest))
        return true;
    while (!str_empty(rest)) {
        size_t const len = str_find(rest, STR(" "));
        if (!str_empty(feature) && str_eq((struct str){rest.ptr, len}, feature))
            return true;
        rest = str_skip(rest, len == rest.len ? len : len + 1);
    }
    return false;
}

int64_t waterfall_free(const struct waterfall_grant *grant, int64_t now_us)
{
    MUST(grant->held >= 0 && grant->held <= grant->remaining);
    return is_usable(grant, now_us) ? grant->remaining - grant->held : 0;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t free_of(const struct waterfall_funds *funds, size_t i)
{
    const struct waterfall_grant *grant = funds->grants[i];
    if (!waterfall_is_for(grant, funds->feature))
        return 0;
    int64_t const without_holds = waterfall_free(grant, funds->now_us);
    bool const whole = funds->ignore_holds && is_usable(grant, funds->now_us);
    return whole ? grant->remaining : without_holds;
}

/* What all unscoped grants together may pay once the debt they owe is set aside. */
static int64_t unscoped_room(const struct waterfall_funds *funds)
{
    if (funds->owed == 0)
        return INT64_MAX;
    int64_t room = -funds->owed;
    for (size_t i = 0; i < funds->grant_count; i++)
        if (str_empty(funds->grants[i]->features) &&
            __builtin_add_overflow(room, free_of(funds, i), &room))
            return INT64_MAX;
    return room > 0 ? room : 0;
}

int64_t waterfall_grants(const struct waterfall_funds *funds)
{
    int64_t scoped = 0, unscoped = 0;
    for (size_t i = 0; i < funds->grant_count; i++) {
        int64_t *sum = str_empty(funds->grants[i]->features) ? &unscoped : &scoped;
        if (__builtin_add_overflow(*sum, free_of(funds, i), sum))
            return INT64_MAX;
    }
    unscoped = smaller(unscoped, unscoped_room(funds));
    return __builtin_add_overflow(unscoped, scoped, &scoped) ? INT64_MAX : scoped;
}

struct waterfall waterfall_allocate(const struct waterfall_funds *funds, int64_t due)
{
    MUST(due >= 0 && funds->owed >= 0);
    MUST(funds->overage_room >= 0 && funds->overdraft_room >= 0);
    struct waterfall result = {.left = due};
    int64_t room = unscoped_room(funds);
    for (size_t i = 0; i < funds->grant_count && result.left > 0; i++) {
        bool const scoped = !str_empty(funds->grants[i]->features);
        int64_t const amount =
            smaller(scoped ? result.left : smaller(result.left, room), free_of(funds, i));
        if (amount == 0)
            continue;
        if (result.line_count == GRANTS_PER_HOLD_MAX)
            break;
        result.lines[result.line_count++] = (struct waterfall_line){i, amount};
        result.from_grants += amount;
        result.left -= amount;
        room -= scoped ? 0 : amount;
    }
    result.overage = smaller(result.left, funds->overage_room);
    result.left -= result.overage;
    result.overdraft = smaller(result.left, funds->overdraft_room);
    result.left -= result.overdraft;
    return result;
}

int64_t coverage_due(int64_t cost, int64_t metric, int64_t covered)
{
    MUST(cost >= 0 && metric >= 0);
    MUST(covered >= 0 && covered <= metric);
    if (metric == 0)
        return 0;
    return mul_div_ceil(cost, metric - covered, metric);
}
