/* histogram.c - durations in buckets whose width grows with the value: any quantile within 0.8 %.
 */
#include "histogram.h"

#include <stdio.h>

enum { SUB_COUNT = 1 << HISTOGRAM_SUB_BITS };

/* Up to SUB_COUNT each value has a bucket; above, each power of two has SUB_COUNT of them. */
static int bucket_of(int64_t ns)
{
    if (ns < SUB_COUNT)
        return (int)(ns < 0 ? 0 : ns);
    int const shift = 63 - __builtin_clzll((unsigned long long)ns) - HISTOGRAM_SUB_BITS;
    return (shift + 1) * SUB_COUNT + (int)((ns >> shift) - SUB_COUNT);
}

/* The middle of a bucket. */
static int64_t value_of(int bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    int const shift = bucket / SUB_COUNT - 1;
    int64_t const low = (int64_t)(bucket % SUB_COUNT + SUB_COUNT) << shift;
    return low + ((int64_t)1 << shift) / 2;
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    histogram->count += 1;
    histogram->sum += ns;
    if (ns > histogram->max)
        histogram->max = ns;
    histogram->buckets[bucket_of(ns)] += 1;
}

int64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    int64_t const wanted = (int64_t)((double)histogram->count * quantile + 0.5);
    int64_t seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0)
            return value_of(i);
    }
    return 0;
}

static double us(int64_t ns)
{
    return (double)ns / 1e3;
}

void histogram_print(const char *name, const struct histogram *histogram)
{
    printf("\"%s\":{\"count\":%lld,\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
           "\"max\":%.1f}",
           name, (long long)histogram->count,
           histogram->count > 0 ? us(histogram->sum) / (double)histogram->count : 0,
           us(histogram_quantile(histogram, 0.50)), us(histogram_quantile(histogram, 0.99)),
           us(histogram_quantile(histogram, 0.999)), us(histogram->max));
}
