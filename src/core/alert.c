/* alert.c - see alert.h. */
#include "core/alert.h"

/* The least use that is at least `percent` of the limit; it may be more than int64 holds. */
static __int128 share_of(int64_t limit, uint16_t percent)
{
    return ((__int128)limit * percent + 99) / 100;
}

size_t alert_edges(int64_t before, int64_t after, int64_t limit,
                   const struct alert_thresholds *thresholds, struct alert_thresholds *passed)
{
    size_t count = 0;
    *passed = (struct alert_thresholds){0};
    if (limit <= 0)
        return 0;
    for (size_t i = 0; i < ALERT_THRESHOLDS_MAX && thresholds->percent[i] > 0; i++) {
        __int128 const share = share_of(limit, thresholds->percent[i]);
        if (before < share && share <= after)
            passed->percent[count++] = thresholds->percent[i];
    }
    return count;
}

bool alert_add(struct alert_thresholds *thresholds, int64_t percent)
{
    uint16_t *list = thresholds->percent;
    size_t count = 0, at = 0;
    if (percent < 0 || percent > ALERT_PERCENT_MAX)
        return false;
    while (count < ALERT_THRESHOLDS_MAX && list[count] > 0)
        count++;
    while (at < count && list[at] < percent)
        at++;
    if (percent == 0 || (at < count && list[at] == percent))
        return true;
    if (count == ALERT_THRESHOLDS_MAX)
        return false;
    for (size_t i = count; i > at; i--)
        list[i] = list[i - 1];
    list[at] = (uint16_t)percent;
    return true;
}
