/* usage.h - what a call consumed, in pools that do not overlap.
 *
 * What:  struct usage, and the rule that makes a provider's inclusive counters exclusive.
 * Not:   reading a provider's JSON (upstream/), prices (price.h).
 */
#pragma once
#include "base/err.h"

enum pool {
#define X(name, key, column, fallback) POOL_##name,
#include "core/pools.def"
#undef X
    POOL_COUNT,
};

enum usage_source {
    USAGE_NONE,      /* nothing is known yet */
    USAGE_PROVIDER,  /* the provider said so; zero is a value */
    USAGE_ESTIMATED, /* our own count, marked as such */
    USAGE_EXACT,     /* known before the call (tests, fixed units) */
};

struct usage {
    int64_t tokens[POOL_COUNT];
    enum usage_source source;
};

/* What OpenAI-like providers report: totals that *include* their details. */
struct usage_report {
    int64_t prompt, completion;
    int64_t cached, cache_write, audio_in, image_in; /* parts of prompt */
    int64_t reasoning, audio_out, image_out;         /* parts of completion */
    bool negative; /* a counter was negative, fractional, or beyond int64: absurd */
};

/* Exclusive pools; parts that exceed their total are clamped (never negative), and the sum of the
 * pools is prompt + completion. False when the report is absurd: clamp to the hold, and alert. */
bool usage_from_report(const struct usage_report *report, struct usage *usage);

int64_t usage_input(const struct usage *usage);  /* all input pools */
int64_t usage_output(const struct usage *usage); /* all output pools */
int64_t usage_total(const struct usage *usage);
const char *usage_source_name(enum usage_source source);
const char *pool_key(enum pool pool);
const char *pool_column(enum pool pool);
