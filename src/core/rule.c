/* rule.c - names. */
#include "core/rule.h"
#include "base/must.h"

const char *metric_name(enum metric metric)
{
    static const char *const names[] = {"requests", "tokens", "cost", "concurrent"};
    MUST(metric < METRIC_COUNT);
    return names[metric];
}
