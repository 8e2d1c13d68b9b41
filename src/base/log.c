/* log.c - formats a line in memory and hands it over in one write. */
#include "base/log.h"
#include "base/must.h"
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096, LINE_TAIL_BYTES = 8 };

enum { DEBUG = LOG_DEBUG, INFO = LOG_INFO, WARN = LOG_WARN, ERROR = LOG_ERROR };

static const struct {
    const char *name, *level_name, *help;
    enum log_level level;
} rows[] = {
#define X(name, level, help) {#name, #level, help, (enum log_level)level},
#include "base/events.def"
#undef X
};

static _Atomic int level_now = LOG_INFO;
static _Atomic int descriptor_now = STDERR_FILENO;
static _Atomic int is_terminal = -1;

struct line {
    char bytes[LINE_BYTES_MAX];
    size_t len;
};

static void put_byte(struct line *line, char byte)
{
    if (line->len < LINE_BYTES_MAX - LINE_TAIL_BYTES)
        line->bytes[line->len++] = byte;
}

static void put_raw(struct line *line, const char *text)
{
    while (*text)
        put_byte(line, *text++);
}

static void put_int(struct line *line, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put_raw(line, digits);
}

/* A JSON string body, which logfmt readers take too: control bytes, quotes, DEL and everything
 * outside ASCII are escaped byte by byte, so no terminal or parser is ever surprised. */
static void put_text(struct line *line, struct str text)
{
    put_byte(line, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char const byte = (unsigned char)text.ptr[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x7f) {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\u%04x", byte);
            put_raw(line, escaped);
        } else {
            put_byte(line, (char)byte);
        }
    }
    put_byte(line, '"');
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t const len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
    put_raw(line, text);
}

static void put_field(struct line *line, const struct field *field, bool json)
{
    put_raw(line, json ? ",\"" : " ");
    put_raw(line, field->key);
    put_raw(line, json ? "\":" : "=");
    if (field->text.ptr)
        put_text(line, field->text);
    else
        put_int(line, field->number);
}

static void put_head(struct line *line, enum event event, bool json)
{
    put_raw(line, json ? "{\"time\":\"" : "");
    put_time(line);
    put_raw(line, json ? "\",\"level\":\"" : " ");
    put_raw(line, rows[event].level_name);
    put_raw(line, json ? "\",\"event\":\"" : " ");
    put_raw(line, rows[event].name);
    put_raw(line, json ? "\"" : "");
}

bool log_enabled(enum event event)
{
    return (int)rows[event].level >= level_now;
}

void log_write(enum event event, const struct field *fields, size_t count)
{
    MUST(event < EVENT_COUNT);
    if (!log_enabled(event))
        return;
    if (is_terminal < 0)
        is_terminal = isatty(descriptor_now);
    bool const json = !is_terminal;
    struct line line = {.len = 0};
    put_head(&line, event, json);
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i], json);
    if (line.len >= LINE_BYTES_MAX - LINE_TAIL_BYTES)
        line.bytes[line.len++] = '"'; /* a cut text still ends as JSON does */
    if (json)
        line.bytes[line.len++] = '}';
    line.bytes[line.len++] = '\n';
    ssize_t const written = write(descriptor_now, line.bytes, line.len);
    (void)written; /* a log that cannot be written has nobody to tell */
}

void log_level_set(enum log_level level)
{
    level_now = (int)level;
}

void log_to(int descriptor)
{
    descriptor_now = descriptor;
    is_terminal = isatty(descriptor);
}

void log_event_describe(enum event event, const char **name, const char **level, const char **help)
{
    MUST(event < EVENT_COUNT);
    *name = rows[event].name;
    *level = rows[event].level_name;
    *help = rows[event].help;
}
