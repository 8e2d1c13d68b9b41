/* log.h - events with a name and typed fields: one JSON line each, logfmt on a terminal.
 *
 * What:  names live in events.def, so an operator can read all things this program can say.
 *        Text is escaped: nobody outside can forge a line. struct secret has no field
 *        constructor, so a key cannot be logged by mistake.
 * Not:   prompts and answers; they are never logged.
 */
#pragma once
#include "base/str.h"

enum event {
#define X(name, level, help) EVENT_##name,
#include "base/events.def"
#undef X
    EVENT_COUNT,
};

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct field {
    const char *key;
    int64_t number;
    struct str text; /* text.ptr NULL: a number */
};

static inline struct field field_int(const char *key, int64_t number)
{
    return (struct field){key, number, {0}};
}
static inline struct field field_str(const char *key, struct str text)
{
    return (struct field){key, 0, text.ptr ? text : STR("")};
}
static inline struct field field_text(const char *key, const char *text)
{
    return (struct field){key, 0, text ? str_of(text) : STR("")};
}

/* Thread-safe; one write(2) per line to stderr. */
void log_write(enum event event, const struct field *fields, size_t count);
/* False: log_write would drop it; lets a hot path skip making fields. */
bool log_enabled(enum event event);
/* Lines below `level` are dropped. Default LOG_INFO. */
void log_level_set(enum log_level level);
/* Where lines go; default 2 (stderr). logfmt is chosen when it is a terminal. */
void log_to(int descriptor);
/* Name, level and help of an event, for the generated documentation. */
void log_event_describe(enum event event, const char **name, const char **level, const char **help);

#define LOG(event, ...)                                                                            \
    log_write(EVENT_##event, (const struct field[]){__VA_ARGS__},                                  \
              sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field))
