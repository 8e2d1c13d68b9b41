/* usage.c - makes inclusive counters exclusive: each token ends up in one pool. */
#include "core/usage.h"
#include "base/must.h"

static const struct {
    const char *key, *column;
} rows[POOL_COUNT] = {
#define X(name, key, column, fallback) {key, column},
#include "core/pools.def"
#undef X
};

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static bool is_negative(const struct usage_report *report)
{
    return report->negative || report->prompt < 0 || report->completion < 0 || report->cached < 0 ||
           report->cache_write < 0 || report->audio_in < 0 || report->image_in < 0 ||
           report->reasoning < 0 || report->audio_out < 0 || report->image_out < 0;
}

/* Moves `part` out of *rest, as far as there is that much. */
static int64_t take(int64_t *rest, int64_t part)
{
    int64_t const taken = part < 0 ? 0 : part < *rest ? part : *rest;
    *rest -= taken;
    return taken;
}

bool usage_from_report(const struct usage_report *report, struct usage *usage)
{
    int64_t input = report->prompt > 0 ? report->prompt : 0;
    int64_t output = report->completion > 0 ? report->completion : 0;
    *usage = (struct usage){.source = USAGE_PROVIDER};
    usage->tokens[POOL_CACHED_INPUT] = take(&input, report->cached);
    usage->tokens[POOL_CACHE_WRITE_5M] = take(&input, report->cache_write);
    usage->tokens[POOL_AUDIO_INPUT] = take(&input, report->audio_in);
    usage->tokens[POOL_IMAGE_INPUT] = take(&input, report->image_in);
    usage->tokens[POOL_INPUT] = input;
    usage->tokens[POOL_REASONING] = take(&output, report->reasoning);
    usage->tokens[POOL_AUDIO_OUTPUT] = take(&output, report->audio_out);
    usage->tokens[POOL_IMAGE_OUTPUT] = take(&output, report->image_out);
    usage->tokens[POOL_OUTPUT] = output;
    return !is_negative(report);
}

int64_t usage_input(const struct usage *usage)
{
    int64_t const text = add(usage->tokens[POOL_INPUT], usage->tokens[POOL_CACHED_INPUT]);
    int64_t const written =
        add(usage->tokens[POOL_CACHE_WRITE_5M], usage->tokens[POOL_CACHE_WRITE_1H]);
    int64_t const media = add(usage->tokens[POOL_AUDIO_INPUT], usage->tokens[POOL_IMAGE_INPUT]);
    return add(add(text, written), media);
}

int64_t usage_output(const struct usage *usage)
{
    int64_t const text = add(usage->tokens[POOL_OUTPUT], usage->tokens[POOL_REASONING]);
    int64_t const media = add(usage->tokens[POOL_AUDIO_OUTPUT], usage->tokens[POOL_IMAGE_OUTPUT]);
    return add(text, media);
}

int64_t usage_total(const struct usage *usage)
{
    return add(usage_input(usage), usage_output(usage));
}

const char *usage_source_name(enum usage_source source)
{
    static const char *const names[] = {"none", "provider", "estimated", "exact"};
    MUST(source <= USAGE_EXACT);
    return names[source];
}

const char *pool_key(enum pool pool)
{
    MUST(pool < POOL_COUNT);
    return rows[pool].key;
}

const char *pool_column(enum pool pool)
{
    MUST(pool < POOL_COUNT);
    return rows[pool].column;
}
