/* knobs.c - lists of name=value, read strictly: a mistyped fault must not pass as "no fault". */
#include "sim/knobs.h"

static const struct sim_fault_row rows[SIM_FAULT_COUNT] = {
#define X(symbol, name, plain, stream, help) [SIM_##symbol] = {STR_ROW(name), plain, stream, help},
#include "sim/faults.def"
#undef X
};

const struct sim_fault_row *sim_fault_row(enum sim_fault fault)
{
    return &rows[fault];
}

void sim_headers_take(struct sim_headers *headers, struct str name, struct str value)
{
    static const struct {
        struct str name;
        size_t offset;
    } known[] = {
        {STR_ROW("x-sim-fault"), offsetof(struct sim_headers, fault)},
        {STR_ROW("x-sim-latency-ms"), offsetof(struct sim_headers, latency_ms)},
        {STR_ROW("x-sim-tokens-per-second"), offsetof(struct sim_headers, tokens_per_second)},
        {STR_ROW("x-sim-output-tokens"), offsetof(struct sim_headers, output_tokens)},
        {STR_ROW("x-sim-usage"), offsetof(struct sim_headers, usage)},
        {STR_ROW("x-sim-seed"), offsetof(struct sim_headers, seed)},
    };
    if (name.len < sizeof "x-sim-" || (name.ptr[0] | 0x20) != 'x' || name.ptr[1] != '-')
        return; /* nearly every header of nearly every request */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq_nocase(name, known[i].name))
            *(struct str *)(void *)((char *)headers + known[i].offset) = str_trim(value);
}

/* The text up to `separator` (or all); *rest is what follows it. */
static struct str split(struct str text, char separator, struct str *rest)
{
    const char *at = text.len > 0 ? memchr(text.ptr, separator, text.len) : NULL;
    if (!at) {
        *rest = (struct str){0};
        return text;
    }
    struct str const first = str_make(text.ptr, (size_t)(at - text.ptr));
    *rest = str_skip(text, first.len + 1);
    return first;
}

void sim_knobs_add(struct sim_knobs *knobs, enum sim_fault fault, int64_t number)
{
    if (knobs->fault_count == SIM_FAULTS_MAX) {
        knobs->bad = rows[fault].name;
        return;
    }
    knobs->faults[knobs->fault_count++] = (struct sim_fault_use){fault, number, {0}};
}

const struct sim_fault_use *sim_knobs_fault(const struct sim_knobs *knobs, enum sim_fault fault)
{
    for (size_t i = 0; i < knobs->fault_count; i++)
        if (knobs->faults[i].fault == fault)
            return &knobs->faults[i];
    return NULL;
}

/* name[=arg] of a fault, or retry-after=… */
static void read_fault(struct sim_knobs *knobs, struct str item)
{
    struct str value;
    struct str const name = str_trim(split(item, '=', &value));
    value = str_trim(value);
    if (str_eq(name, STR("retry-after"))) {
        knobs->retry_after = value;
        return;
    }
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (!str_eq(name, rows[i].name))
            continue;
        int64_t number = -1;
        bool const is_number = str_to_i64(value, &number);
        if (value.len > 0 && !is_number && i != SIM_ABSURD_USAGE)
            break;
        size_t const at = knobs->fault_count;
        sim_knobs_add(knobs, (enum sim_fault)i, is_number ? number : -1);
        if (at < knobs->fault_count)
            knobs->faults[at].text = value;
        return;
    }
    knobs->bad = item;
}

static void read_faults(struct sim_knobs *knobs, struct str list)
{
    while (list.len > 0) {
        struct str const item = str_trim(split(list, ',', &list));
        if (item.len > 0)
            read_fault(knobs, item);
    }
}

static void read_number(struct sim_knobs *knobs, struct str value, int64_t scale, int64_t *number)
{
    int64_t found = 0;
    if (str_to_i64(value, &found) && found <= INT64_MAX / 1000000)
        *number = found * scale;
    else
        knobs->bad = value;
}

/* prompt,completion[,cached[,reasoning]]; '/' separates as well. */
static void read_usage(struct sim_knobs *knobs, struct str value)
{
    int64_t counts[4] = {0};
    size_t count = 0;
    struct str rest = value;
    while (rest.ptr && count < 4) {
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != ',' && rest.ptr[end] != '/')
            end++;
        if (!str_to_i64(str_trim(str_make(rest.ptr, end)), &counts[count++])) {
            knobs->bad = value;
            return;
        }
        rest = end < rest.len ? str_skip(rest, end + 1) : (struct str){0};
    }
    if (count < 2 || rest.ptr) {
        knobs->bad = value;
        return;
    }
    knobs->has_usage = true;
    knobs->usage = (struct sim_usage){counts[0], counts[1], counts[2], counts[3]};
}

static void read_seed(struct sim_knobs *knobs, struct str value)
{
    int64_t seed = 0;
    if (!str_to_i64(value, &seed)) {
        knobs->bad = value;
        return;
    }
    knobs->has_seed = true;
    knobs->seed = (uint64_t)seed;
}

/* False: `name` is no such knob. */
static bool read_knob(struct sim_knobs *knobs, struct str name, struct str value)
{
    if (str_eq(name, STR("latency")) || str_eq(name, STR("latency-ms")))
        read_number(knobs, value, 1000, &knobs->latency_us);
    else if (str_eq(name, STR("rate")) || str_eq(name, STR("tokens-per-second")))
        read_number(knobs, value, 1, &knobs->tokens_per_second);
    else if (str_eq(name, STR("output")) || str_eq(name, STR("output-tokens")))
        read_number(knobs, value, 1, &knobs->output_tokens);
    else if (str_eq(name, STR("usage")))
        read_usage(knobs, value);
    else if (str_eq(name, STR("seed")))
        read_seed(knobs, value);
    else if (str_eq(name, STR("fault")))
        read_fault(knobs, value);
    else
        return false;
    return true;
}

static void read_suffix(struct sim_knobs *knobs, struct str suffix)
{
    while (suffix.len > 0) {
        struct str const item = str_trim(split(suffix, ',', &suffix));
        struct str value;
        struct str const name = split(item, '=', &value);
        if (item.len > 0 && !read_knob(knobs, name, value))
            read_fault(knobs, item); /* "sim-fast:stall" */
    }
}

void sim_knobs_read(struct str suffix, const struct sim_headers *headers, struct sim_knobs *knobs)
{
    *knobs = (struct sim_knobs){.latency_us = -1, .tokens_per_second = -1, .output_tokens = -1};
    read_suffix(knobs, suffix);
    read_faults(knobs, headers->fault);
    if (headers->latency_ms.ptr)
        read_number(knobs, headers->latency_ms, 1000, &knobs->latency_us);
    if (headers->tokens_per_second.ptr)
        read_number(knobs, headers->tokens_per_second, 1, &knobs->tokens_per_second);
    if (headers->output_tokens.ptr)
        read_number(knobs, headers->output_tokens, 1, &knobs->output_tokens);
    if (headers->usage.ptr)
        read_usage(knobs, headers->usage);
    if (headers->seed.ptr)
        read_seed(knobs, headers->seed);
}
