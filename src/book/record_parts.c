/* record_parts.c - names of counters: "limiter/…", "window/…", "total/…". */
#include "book/record_parts.h"
#include "base/must.h"
#include "core/gcra.h"
#include <stdio.h>

static const char *const limiter_names[LIMITER_COUNT] = {"requests", "requests", "tokens", "tokens",
                                                         "throttle"};
static const char *const total_names[TOTAL_COUNT] = {"granted", "consumed", "breakage", "overage",
                                                     "debt",    "settled",  "covered"};

static bool limiter_is_of_key(enum record_limiter limiter)
{
    return limiter == LIMITER_KEY_REQUESTS || limiter == LIMITER_KEY_TOKENS;
}

size_t record_limiter_name(enum record_limiter limiter, struct ulid key,
                           char name[RECORD_COUNTER_NAME_BYTES_MAX])
{
    MUST(limiter < LIMITER_COUNT);
    char text[ULID_TEXT_BYTES];
    ulid_text(key, text);
    int const len =
        limiter_is_of_key(limiter)
            ? snprintf(name, RECORD_COUNTER_NAME_BYTES_MAX, "limiter/%s/%.*s",
                       limiter_names[limiter], ULID_TEXT_BYTES, text)
            : snprintf(name, RECORD_COUNTER_NAME_BYTES_MAX, "limiter/%s", limiter_names[limiter]);
    return (size_t)len;
}

/* One of a window's rows. */
static size_t window_name_of(const char *what, const struct record_window_line *line,
                             char name[RECORD_COUNTER_NAME_BYTES_MAX])
{
    MUST(line->kind < WINDOW_KIND_COUNT && line->metric < METRIC_COUNT);
    int const len =
        snprintf(name, RECORD_COUNTER_NAME_BYTES_MAX, "%s/%016llx/%s/%s/%lld/%lld", what,
                 (unsigned long long)line->counter, metric_name(line->metric),
                 window_name(line->kind), (long long)line->start_us, (long long)line->end_us);
    return (size_t)len;
}

size_t record_window_name(const struct record_window_line *line,
                          char name[RECORD_COUNTER_NAME_BYTES_MAX])
{
    return window_name_of("window", line, name);
}

size_t record_rollover_name(const struct record_window_line *line, bool included,
                            char name[RECORD_COUNTER_NAME_BYTES_MAX])
{
    return window_name_of(included ? "included" : "carried", line, name);
}

size_t record_total_name(enum record_total total, char name[RECORD_COUNTER_NAME_BYTES_MAX])
{
    MUST(total < TOTAL_COUNT);
    int const len = snprintf(name, RECORD_COUNTER_NAME_BYTES_MAX, "total/%s", total_names[total]);
    return (size_t)len;
}

int64_t record_limiter_until_us(int64_t tat)
{
    return (tat >> GCRA_SHIFT) + 1;
}

/* A hold that began in the window may be settled late for HOLD_MEMORY_S after its end; what is left
 * of an allowance can be carried on for a while (counters.h). */
int64_t record_window_until_us(const struct record_window_line *line)
{
    int64_t grace_us = ((int64_t)HOLD_SECONDS_MAX + HOLD_MEMORY_S) * 1000000, until_us, more_us;
    if (line->role == ROLE_ALLOWANCE &&
        (__builtin_sub_overflow(line->end_us, line->start_us, &more_us) ||
         __builtin_mul_overflow(more_us, (int64_t)RECORD_ROLLS, &more_us) ||
         __builtin_add_overflow(grace_us, more_us, &grace_us)))
        return 0;
    return __builtin_add_overflow(line->end_us, grace_us, &until_us) ? 0 : until_us;
}

/* Cuts the part before the next '/', or all of it. */
static struct str cut(struct str *text)
{
    size_t const len = str_find(*text, STR("/"));
    struct str const part = {text->ptr, len};
    *text = str_skip(*text, len == text->len ? len : len + 1);
    return part;
}

static bool parse_limiter(struct str rest, struct record_counter *counter)
{
    struct str const what = cut(&rest);
    bool const of_key = !str_empty(rest);
    counter->kind = COUNTER_LIMITER;
    if (str_eq(what, STR("requests")))
        counter->limiter = of_key ? LIMITER_KEY_REQUESTS : LIMITER_CUSTOMER_REQUESTS;
    else if (str_eq(what, STR("tokens")))
        counter->limiter = of_key ? LIMITER_KEY_TOKENS : LIMITER_CUSTOMER_TOKENS;
    else if (str_eq(what, STR("throttle")) && !of_key)
        counter->limiter = LIMITER_CUSTOMER_THROTTLE;
    else
        return false;
    return !of_key || ulid_parse(rest, &counter->key);
}

static bool hex_read(struct str text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        char const byte = text.ptr[i];
        bool const digit = byte >= '0' && byte <= '9';
        if (!digit && (byte < 'a' || byte > 'f'))
            return false;
        *number = *number << 4 | (uint64_t)(digit ? byte - '0' : byte - 'a' + 10);
    }
    return text.len == 16;
}

static bool parse_window(struct str rest, struct record_counter *counter,
                         enum record_counter_kind what)
{
    struct record_window_line *line = &counter->window;
    struct str const name = cut(&rest), metric = cut(&rest), kind = cut(&rest), start = cut(&rest);
    counter->kind = what;
    line->metric = METRIC_COUNT;
    line->kind = WINDOW_KIND_COUNT;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (str_eq(metric, str_of(metric_name((enum metric)i))))
            line->metric = (enum metric)i;
    for (unsigned i = 0; i < WINDOW_KIND_COUNT; i++)
        if (str_eq(kind, str_of(window_name((enum window_kind)i))))
            line->kind = (enum window_kind)i;
    if (line->metric == METRIC_COUNT || line->kind == WINDOW_KIND_COUNT)
        return false;
    return hex_read(name, &line->counter) && line->counter != 0 &&
           str_to_i64(start, &line->start_us) && str_to_i64(rest, &line->end_us) &&
           line->end_us > line->start_us;
}

static bool parse_total(struct str rest, struct record_counter *counter)
{
    counter->kind = COUNTER_TOTAL;
    for (unsigned i = 0; i < TOTAL_COUNT; i++) {
        counter->total = (enum record_total)i;
        if (str_eq(rest, str_of(total_names[i])))
            return true;
    }
    return false;
}

bool record_counter_parse(struct str name, struct record_counter *counter)
{
    *counter = (struct record_counter){.kind = COUNTER_LOW_TOLD};
    if (str_eq(name, STR(RECORD_LOW_TOLD_NAME)))
        return true;
    struct str const what = cut(&name);
    if (str_eq(what, STR("limiter")))
        return parse_limiter(name, counter);
    if (str_eq(what, STR("window")))
        return parse_window(name, counter, COUNTER_WINDOW);
    if (str_eq(what, STR("carried")))
        return parse_window(name, counter, COUNTER_CARRIED);
    if (str_eq(what, STR("included")))
        return parse_window(name, counter, COUNTER_INCLUDED);
    return str_eq(what, STR("total")) && parse_total(name, counter);
}
