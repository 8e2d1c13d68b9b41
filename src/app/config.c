/* config.c - walks libyaml's events along options.def; problems are collected, not thrown. */
#include "app/config_int.h"
#include "app/config_value.h"
#include "app/nearest.h"
#include "app/yaml_plain.h"
#include "base/limits.h"
#include "base/must.h"
#include "core/price.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

struct reader {
    struct config_problems problems;
    const struct config_door *door;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool failed;        /* nothing more can be read */
};

/* --- problems ------------------------------------------------------------------------------- */
static void add_problem(struct config_problems *problems, unsigned line, unsigned column,
                        const char *format, va_list arguments)
{
    char text[512];
    int const len = vsnprintf(text, sizeof text, format, arguments);
    struct config_report *report = problems->report;
    if (report->count == CONFIG_PROBLEMS_MAX) {
        report->more = true;
        return;
    }
    size_t const kept = len < (int)sizeof text ? (size_t)len : sizeof text - 1;
    struct str const copy = arena_copy(problems->arena, str_make(text, kept));
    report->problems[report->count++] =
        (struct config_problem){line, column, copy.ptr ? copy : STR("(no memory for the reason)")};
}

void config_problem(struct config_problems *problems, unsigned line, unsigned column,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(problems, line, column, format, arguments);
    va_end(arguments);
}

void config_problem_at(struct config_problems *problems, const void *field,
                       const struct config_item *item, const char *format, ...)
{
    unsigned line = item ? item->line : 0, column = item ? item->column : 0;
    for (const struct config_mark *mark = problems->marks; mark != NULL; mark = mark->next)
        if (mark->field == field) {
            line = mark->line;
            column = mark->column;
            break;
        }
    va_list arguments;
    va_start(arguments, format);
    add_problem(problems, line, column, format, arguments);
    va_end(arguments);
}

static void mark_field(struct config_problems *problems, const void *field, yaml_mark_t at)
{
    struct config_mark *mark = arena_alloc(problems->arena, sizeof *mark);
    if (mark == NULL) {
        problems->no_memory = true;
        return;
    }
    *mark = (struct config_mark){problems->marks, field, (unsigned)at.line + 1,
                                 (unsigned)at.column + 1};
    problems->marks = mark;
}

#define PROBLEM(reader, mark, ...)                                                                 \
    config_problem(&(reader)->problems, (unsigned)(mark).line + 1, (unsigned)(mark).column + 1,    \
                   __VA_ARGS__)

/* --- events ----------------------------------------------------------------------------------- */
/* The next event's type; YAML_NO_EVENT once nothing more can be read. */
static yaml_event_type_t next_event(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (reader->failed || reader->problems.no_memory)
        return YAML_NO_EVENT;
    if (!yaml_parser_parse(&reader->parser, &reader->event)) {
        reader->failed = true;
        PROBLEM(reader, reader->parser.problem_mark, "this is not YAML: %s",
                reader->parser.problem ? reader->parser.problem : "it cannot be read");
        reader->event = (yaml_event_t){0};
        return YAML_NO_EVENT;
    }
    return reader->event.type;
}

/* Reads on to the end of the node whose first event is the current one. */
static void skip_node(struct reader *reader)
{
    unsigned depth = 0;
    for (yaml_event_type_t type = reader->event.type; type != YAML_NO_EVENT;
         type = next_event(reader)) {
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
            depth--;
        if (depth > CONFIG_DEPTH_MAX) {
            PROBLEM(reader, reader->event.start_mark, "nested deeper than %d levels",
                    CONFIG_DEPTH_MAX);
            reader->failed = true;
        }
        if (depth == 0)
            return;
    }
}

static bool node_is_plain(struct reader *reader)
{
    const char *sentences[YAML_FORBIDDEN_MAX];
    size_t const count = yaml_forbidden(&reader->event, sentences);
    for (size_t i = 0; i < count; i++)
        PROBLEM(reader, reader->event.start_mark, "%s", sentences[i]);
    return count == 0;
}

/* --- values ----------------------------------------------------------------------------------- */
static struct scalar current_scalar(const struct reader *reader)
{
    return (struct scalar){
        .text = {(const char *)reader->event.data.scalar.value, reader->event.data.scalar.length},
        .plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE};
}

static void store_current(struct reader *reader, const struct option *option, void *field)
{
    yaml_mark_t const at = reader->event.start_mark;
    if (reader->event.type != YAML_SCALAR_EVENT) {
        PROBLEM(reader, at, "%s must be a single value", option->key);
        skip_node(reader);
        return;
    }
    struct arena *arena = reader->problems.arena;
    struct scalar scalar = current_scalar(reader);
    if (scalar_is_null(&scalar))
        return;
    struct str why = STR("there is not enough memory");
    if (!scalar_expand(&scalar, reader->door, arena, &why))
        PROBLEM(reader, at, "%s: %.*s", option->key, STR_ARG(why));
    else if (!scalar_store(option, &scalar, field, arena, &why))
        PROBLEM(reader, at, "%.*s", STR_ARG(why));
    else
        mark_field(&reader->problems, field, at);
}

static void set_defaults(struct reader *reader, enum section section, void *object)
{
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *option = option_at(i);
        if (option->section != section)
            continue;
        char *field = (char *)object + option->offset;
        struct str why = {0};
        if (option->kind == OPTION_PRICE)
            *(int64_t *)(void *)field = PRICE_UNKNOWN;
        else if (option->kind == OPTION_GROUP)
            set_defaults(reader, option->below, field);
        else if (option->fallback != NULL) {
            struct scalar const scalar = {.text = str_of(option->fallback), .expanded = true};
            if (!scalar_store(option, &scalar, field, reader->problems.arena, &why))
                reader->problems.no_memory = true;
        }
    }
}

static void read_mapping(struct reader *reader, enum section section, void *object);

/* Makes and links an item at the current event's place; NULL: no memory. */
static void *add_item(struct reader *reader, struct config_list *list, size_t bytes)
{
    struct config_item *item = arena_zalloc(reader->problems.arena, bytes);
    if (item == NULL) {
        reader->problems.no_memory = true;
        return NULL;
    }
    item->line = (unsigned)reader->event.start_mark.line + 1;
    item->column = (unsigned)reader->event.start_mark.column + 1;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
    list->count++;
    return item;
}

static void read_element(struct reader *reader, const struct option *option,
                         struct config_list *list)
{
    if (!node_is_plain(reader)) {
        skip_node(reader);
        return;
    }
    if (option->kind == OPTION_SECRETS) {
        struct config_text *text = add_item(reader, list, sizeof *text);
        if (text != NULL)
            store_current(reader, option, &text->text);
        return;
    }
    if (reader->event.type != YAML_MAPPING_START_EVENT) {
        PROBLEM(reader, reader->event.start_mark, "each of %s must be a mapping, as {name: …}",
                option->key);
        skip_node(reader);
        return;
    }
    void *item = add_item(reader, list, section_bytes(option->below));
    if (item == NULL)
        return;
    set_defaults(reader, option->below, item);
    read_mapping(reader, option->below, item);
}

static void read_list(struct reader *reader, const struct option *option, struct config_list *list)
{
    if (reader->event.type != YAML_SEQUENCE_START_EVENT) {
        PROBLEM(reader, reader->event.start_mark, "%s must be a list", option->key);
        skip_node(reader);
        return;
    }
    for (yaml_event_type_t type = next_event(reader);
         type != YAML_SEQUENCE_END_EVENT && type != YAML_NO_EVENT; type = next_event(reader))
        read_element(reader, option, list);
}

static bool current_is_null(const struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return false;
    struct scalar const scalar = current_scalar(reader);
    return scalar_is_null(&scalar);
}

/* The value's first event is the current one; afterwards its last is. */
static void read_value(struct reader *reader, const struct option *option, void *object)
{
    void *field = (char *)object + option->offset;
    if (!node_is_plain(reader))
        skip_node(reader);
    else if (current_is_null(reader))
        return;
    else if (option->kind == OPTION_LIST || option->kind == OPTION_SECRETS)
        read_list(reader, option, field);
    else if (option->kind != OPTION_GROUP)
        store_current(reader, option, field);
    else if (reader->event.type == YAML_MAPPING_START_EVENT)
        read_mapping(reader, option->below, field);
    else {
        PROBLEM(reader, reader->event.start_mark, "%s must be a mapping, as {key: value}",
                option->key);
        skip_node(reader);
    }
}

static void report_unknown(struct reader *reader, enum section section, struct str key)
{
    if (str_eq(key, STR("<<"))) {
        PROBLEM(reader, reader->event.start_mark, "merge keys (<<) are not allowed");
        return;
    }
    struct nearest nearest;
    nearest_start(&nearest, key);
    for (size_t i = 0; i < option_count(); i++)
        if (option_at(i)->section == section)
            nearest_offer(&nearest, str_of(option_at(i)->key));
    struct str const best = nearest_get(&nearest);
    key.len = key.len < 60 ? key.len : 60;
    if (best.len > 0)
        PROBLEM(reader, reader->event.start_mark, "unknown key \"%.*s\" (did you mean \"%.*s\"?)",
                STR_ARG(key), STR_ARG(best));
    else
        PROBLEM(reader, reader->event.start_mark, "unknown key \"%.*s\"", STR_ARG(key));
}

/* The option that the key (the current event) names; NULL, and the problem is noted. */
static const struct option *read_key(struct reader *reader, enum section section, uint64_t *seen)
{
    if (reader->event.type != YAML_SCALAR_EVENT || !node_is_plain(reader)) {
        PROBLEM(reader, reader->event.start_mark, "a key must be a plain word");
        skip_node(reader);
        return NULL;
    }
    struct str const key = current_scalar(reader).text;
    const struct option *option = option_find(section, key);
    if (option == NULL) {
        report_unknown(reader, section, key);
        return NULL;
    }
    uint64_t const bit = UINT64_C(1) << ((size_t)(option - option_at(0)) % 64);
    if (*seen & bit) {
        PROBLEM(reader, reader->event.start_mark, "%s is there twice", option->key);
        return NULL;
    }
    *seen |= bit;
    return option;
}

/* Is the field of a required option still as it was made? All of them are texts. */
static bool is_missing(const struct option *option, const void *object)
{
    const struct str *text = (const void *)((const char *)object + option->offset);
    return option->required && text->ptr == NULL;
}

static void read_mapping(struct reader *reader, enum section section, void *object)
{
    yaml_mark_t const start = reader->event.start_mark;
    size_t const before = reader->problems.report->count;
    uint64_t seen = 0; /* a section's rows stand together and are fewer than 64 */
    for (yaml_event_type_t type = next_event(reader);
         type != YAML_MAPPING_END_EVENT && type != YAML_NO_EVENT; type = next_event(reader)) {
        const struct option *option = read_key(reader, section, &seen);
        next_event(reader);
        if (option == NULL)
            skip_node(reader);
        else
            read_value(reader, option, object);
    }
    if (reader->failed || reader->problems.report->count > before)
        return; /* a key that is misspelt is not also missing */
    for (size_t i = 0; i < option_count(); i++)
        if (option_at(i)->section == section && is_missing(option_at(i), object))
            PROBLEM(reader, start, "%s is missing", option_at(i)->key);
}

/* --- the document ----------------------------------------------------------------------------- */
static void read_document(struct reader *reader, struct config *config)
{
    if (next_event(reader) != YAML_STREAM_START_EVENT)
        return;
    yaml_event_type_t type = next_event(reader);
    if (type != YAML_DOCUMENT_START_EVENT)
        return; /* empty: the defaults */
    type = next_event(reader);
    if (type == YAML_NO_EVENT)
        return;
    if (!node_is_plain(reader)) {
        skip_node(reader);
    } else if (type == YAML_MAPPING_START_EVENT) {
        read_mapping(reader, SECTION_FILE, config);
    } else if (!current_is_null(reader)) {
        PROBLEM(reader, reader->event.start_mark, "the file must be a mapping, as \"listen: …\"");
        skip_node(reader);
    }
    if (next_event(reader) == YAML_DOCUMENT_END_EVENT &&
        next_event(reader) == YAML_DOCUMENT_START_EVENT)
        PROBLEM(reader, reader->event.start_mark, "only one document is allowed");
}

static int by_place(const void *a, const void *b)
{
    const struct config_problem *one = a, *other = b;
    if (one->line != other->line)
        return one->line < other->line ? -1 : 1;
    return one->column < other->column ? -1 : one->column > other->column;
}

enum err config_parse(struct str text, const struct config_door *door, struct arena *arena,
                      struct config **config, struct config_report *report)
{
    struct reader reader = {.door = door, .problems = {.report = report, .arena = arena}};
    *report = (struct config_report){0};
    *config = arena_zalloc(arena, sizeof **config);
    if (*config == NULL || !yaml_parser_initialize(&reader.parser))
        return ERR_NO_MEMORY;
    set_defaults(&reader, SECTION_FILE, *config);
    if (text.len > CONFIG_BYTES_MAX) {
        config_problem(&reader.problems, 0, 0, "larger than %d bytes", CONFIG_BYTES_MAX);
    } else {
        yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text.ptr, text.len);
        read_document(&reader, *config);
    }
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    if (!reader.failed && !reader.problems.no_memory)
        config_check(&reader.problems, *config);
    if (reader.problems.no_memory)
        return ERR_NO_MEMORY;
    qsort(report->problems, report->count, sizeof report->problems[0], by_place);
    return report->count > 0 ? ERR_CONFIG_INVALID : ERR_OK;
}

enum err config_read_file(const char *path, struct buf *text)
{
    int const file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    enum err err = file < 0 ? ERR_NOT_FOUND : ERR_OK;
    while (err == ERR_OK) {
        err = buf_reserve(text, 16384);
        ssize_t const got = err == ERR_OK ? read(file, text->ptr + text->len, 16384) : 0;
        if (got < 0 && errno != EINTR)
            err = ERR_NOT_FOUND;
        else if (got == 0)
            break;
        else if (got > 0)
            text->len += (size_t)got;
    }
    if (err == ERR_TOO_LARGE)
        errno = EFBIG;
    if (file >= 0)
        close(file);
    return err;
}

enum err config_load(const char *path, struct arena *arena, struct config **config,
                     struct config_report *report)
{
    if (path == NULL)
        return config_parse(STR(""), config_door_system(), arena, config, report);
    struct buf text;
    buf_init(&text, CONFIG_BYTES_MAX + 16384);
    errno = 0;
    enum err err = config_read_file(path, &text);
    if (err == ERR_OK) {
        err = config_parse(buf_view(&text), config_door_system(), arena, config, report);
    } else {
        struct config_problems problems = {.report = report, .arena = arena};
        *report = (struct config_report){0};
        config_problem(&problems, 0, 0, "cannot be read: %s", strerror(errno ? errno : ENOMEM));
        err = ERR_CONFIG_INVALID;
    }
    if (text.ptr != NULL)
        explicit_bzero(text.ptr, text.len); /* it may hold secrets */
    buf_free(&text);
    return err;
}

enum err config_report_print(const struct config_report *report, struct str file, struct buf *out)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < report->count && err == ERR_OK; i++) {
        const struct config_problem *problem = &report->problems[i];
        if (problem->line == 0)
            err = buf_printf(out, "%.*s: %.*s\n", STR_ARG(file), STR_ARG(problem->text));
        else
            err = buf_printf(out, "%.*s:%u:%u: %.*s\n", STR_ARG(file), problem->line,
                             problem->column, STR_ARG(problem->text));
    }
    if (err == ERR_OK && report->more)
        err = buf_printf(out, "%.*s: there are more mistakes; these are the first %d\n",
                         STR_ARG(file), CONFIG_PROBLEMS_MAX);
    return err;
}
