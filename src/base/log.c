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
    bool cut; /* something did not fit: nothing more is taken */
};

/* All of `text` or nothing. */
static void put_piece(struct line *line, struct str text)
{
    line->cut = line->cut || line->len + text.len > LINE_BYTES_MAX - LINE_TAIL_BYTES;
    if (line->cut)
        return;
    memcpy(line->bytes + line->len, text.ptr, text.len);
    line->len += text.len;
}

static void put_raw(struct line *line, const char *text)
{
    put_piece(line, str_of(text));
}

static void put_int(struct line *line, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put_raw(line, digits);
}

/* Reads the UTF-8 character at the start of `text`; its length, 0 when it is not valid (`code` is
 * then the first byte). */
static size_t read_character(struct str text, unsigned *code)
{
    const unsigned char *const at = (const unsigned char *)text.ptr;
    size_t const len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    *code = at[0];
    if (len == 1)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4 || text.len < len)
        return 0;
    unsigned sum = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        sum = sum << 6 | (at[i] & 0x3fu);
    }
    if (sum < smallest[len] || (sum >= 0xd800 && sum <= 0xdfff) || sum > 0x10ffff)
        return 0;
    *code = sum;
    return len;
}

/* May it stand in a line as it is? Not: control characters (C0, DEL, C1), what ends a JSON string,
 * and U+2028 and U+2029, which some readers take for a new line. */
static bool is_harmless(unsigned code)
{
    return code >= 0x20 && code != '"' && code != '\\' && (code < 0x7f || code > 0x9f) &&
           code != 0x2028 && code != 0x2029;
}

/* A JSON string body, which logfmt readers take too. Harmless characters pass, others and bytes
 * that are not UTF-8 are escaped, so that no terminal or parser is ever surprised. A character or
 * an escape is written whole or, at the end of the line, not at all. */
static void put_text(struct line *line, struct str text)
{
    while (text.len > 0 && !line->cut) {
        unsigned code;
        size_t const len = read_character(text, &code);
        if (len > 0 && is_harmless(code)) {
            put_piece(line, str_make(text.ptr, len));
        } else {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\u%04x", code);
            put_piece(line, str_of(escaped));
        }
        text = str_skip(text, len > 0 ? len : 1);
    }
    line->bytes[line->len++] = '"'; /* LINE_TAIL_BYTES keeps its place */
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

/* One field; a text may be cut short, any other field that does not fit is left out. */
static void put_field(struct line *line, const struct field *field, bool json)
{
    size_t const before = line->len;
    put_raw(line, json ? ",\"" : " ");
    put_raw(line, field->key);
    put_raw(line, json ? "\":" : "=");
    if (field->text.ptr)
        put_raw(line, "\"");
    else
        put_int(line, field->number);
    if (line->cut)
        line->len = before;
    else if (field->text.ptr)
        put_text(line, field->text);
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
