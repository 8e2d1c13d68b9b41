/* openai_usage.c - what a usage object says, whoever wrote it.
 *
 * What:  OpenAI's counters and those of its imitators: DeepSeek's cache hits, Mistral's and
 *        Together's cached tokens, xAI's reasoning beside the completion. Parts are billed, never
 *        total_tokens.
 */
#include "upstream/openai_int.h"

enum counter {
    COUNTER_PROMPT,
    COUNTER_COMPLETION,
    COUNTER_TOTAL,
    COUNTER_CACHED, /* from here: details, zero when absent */
    COUNTER_CACHED_OTHER,
    COUNTER_CACHE_WRITE,
    COUNTER_AUDIO_IN,
    COUNTER_IMAGE_IN,
    COUNTER_REASONING,
    COUNTER_AUDIO_OUT,
    COUNTER_IMAGE_OUT,
    COUNTER_COUNT
};

struct name_row {
    struct str name;
    enum counter counter;
};

static const struct name_row top_names[] = {
    {STR_ROW("prompt_tokens"), COUNTER_PROMPT},
    {STR_ROW("input_tokens"), COUNTER_PROMPT},
    {STR_ROW("completion_tokens"), COUNTER_COMPLETION},
    {STR_ROW("output_tokens"), COUNTER_COMPLETION},
    {STR_ROW("total_tokens"), COUNTER_TOTAL},
    {STR_ROW("prompt_cache_hit_tokens"), COUNTER_CACHED_OTHER},
    {STR_ROW("num_cached_tokens"), COUNTER_CACHED_OTHER},
    {STR_ROW("cached_tokens"), COUNTER_CACHED_OTHER},
};
static const struct name_row input_names[] = {
    {STR_ROW("cached_tokens"), COUNTER_CACHED},
    {STR_ROW("cache_write_tokens"), COUNTER_CACHE_WRITE},
    {STR_ROW("audio_tokens"), COUNTER_AUDIO_IN},
    {STR_ROW("image_tokens"), COUNTER_IMAGE_IN},
};
/* accepted and rejected predictions are ordinary completion tokens: no pool of their own */
static const struct name_row output_names[] = {
    {STR_ROW("reasoning_tokens"), COUNTER_REASONING},
    {STR_ROW("audio_tokens"), COUNTER_AUDIO_OUT},
    {STR_ROW("image_tokens"), COUNTER_IMAGE_OUT},
};

#define NAME_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct counters {
    int64_t value[COUNTER_COUNT];
    bool said[COUNTER_COUNT];
    bool absurd;
};

static void counter_read(struct counters *counters, enum counter counter, struct str value)
{
    int64_t number = 0;
    if (json_type(value) == JSON_NULL)
        return;
    if (!json_i64(value, &number) || number < 0) {
        counters->absurd = true;
        number = 0;
    }
    if (!counters->said[counter] || number > counters->value[counter])
        counters->value[counter] = number; /* said under two names: the larger one */
    counters->said[counter] = true;
}

static void names_read(struct counters *counters, const struct json_object *object,
                       const struct name_row *rows, size_t count)
{
    for (size_t i = 0; i < object->count; i++)
        for (size_t row = 0; row < count; row++)
            if (openai_name_is(&object->members[i], rows[row].name)) {
                counter_read(counters, rows[row].counter, object->members[i].value);
                break;
            }
}

static void details_read(struct counters *counters, struct str value, const struct name_row *rows,
                         size_t count)
{
    struct json_object object;
    struct fault fault = {0};
    if (json_type(value) == JSON_OBJECT && json_members(value, &object, &fault) == ERR_OK)
        names_read(counters, &object, rows, count);
}

static bool is_input_details(const struct json_member *member)
{
    return openai_name_is(member, STR("prompt_tokens_details")) ||
           openai_name_is(member, STR("input_tokens_details"));
}

static bool is_output_details(const struct json_member *member)
{
    return openai_name_is(member, STR("completion_tokens_details")) ||
           openai_name_is(member, STR("output_tokens_details"));
}

/* xAI counts reasoning beside the completion; its total tells. */
static bool reasoning_is_outside(const struct counters *counters)
{
    int64_t const *value = counters->value;
    int64_t sum;
    return counters->said[COUNTER_TOTAL] && value[COUNTER_REASONING] > 0 &&
           !__builtin_add_overflow(value[COUNTER_PROMPT], value[COUNTER_COMPLETION], &sum) &&
           !__builtin_add_overflow(sum, value[COUNTER_REASONING], &sum) &&
           sum == value[COUNTER_TOTAL];
}

static enum usage_said report(const struct counters *counters, bool output_needed,
                              struct usage *usage)
{
    int64_t const *value = counters->value;
    bool const half =
        !counters->said[COUNTER_PROMPT] || (output_needed && !counters->said[COUNTER_COMPLETION]);
    struct usage_report parts = {
        .prompt = value[COUNTER_PROMPT],
        .completion = value[COUNTER_COMPLETION],
        .cached = value[COUNTER_CACHED] > 0 ? value[COUNTER_CACHED] : value[COUNTER_CACHED_OTHER],
        .cache_write = value[COUNTER_CACHE_WRITE],
        .audio_in = value[COUNTER_AUDIO_IN],
        .image_in = value[COUNTER_IMAGE_IN],
        .reasoning = value[COUNTER_REASONING],
        .audio_out = value[COUNTER_AUDIO_OUT],
        .image_out = value[COUNTER_IMAGE_OUT],
        .negative = counters->absurd || half,
    };
    if (reasoning_is_outside(counters))
        parts.completion += parts.reasoning;
    bool const sound = usage_from_report(&parts, usage);
    usage->source = USAGE_PROVIDER;
    return sound && !parts.negative ? USAGE_SAID_SOUND : USAGE_SAID_ABSURD;
}

enum usage_said openai_usage_read(struct str value, bool output_needed, struct usage *usage)
{
    struct counters counters = {0};
    struct json_object object;
    struct fault fault = {0};
    if (json_type(value) != JSON_OBJECT || json_members(value, &object, &fault) != ERR_OK)
        return USAGE_SAID_NOTHING;
    names_read(&counters, &object, top_names, NAME_COUNT(top_names));
    for (size_t i = 0; i < object.count; i++) {
        const struct json_member *member = &object.members[i];
        if (is_input_details(member))
            details_read(&counters, member->value, input_names, NAME_COUNT(input_names));
        else if (is_output_details(member))
            details_read(&counters, member->value, output_names, NAME_COUNT(output_names));
    }
    if (!counters.said[COUNTER_PROMPT] && !counters.said[COUNTER_COMPLETION])
        return USAGE_SAID_NOTHING;
    return report(&counters, output_needed, usage);
}
