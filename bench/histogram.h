/* histogram.h - durations in buckets whose width grows with the value: any quantile within 0.8 %.
 */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_BUCKETS = 64 << HISTOGRAM_SUB_BITS };

struct histogram {
    int64_t count, sum, max;
    int64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, int64_t ns);
int64_t histogram_quantile(const struct histogram *histogram, double quantile); /* ns */
void histogram_print(const char *name, const struct histogram *histogram);      /* JSON, in us */
