/* yaml_json.c - libyaml's events, written as JSON; recursion is bounded by FILE_DEPTH_MAX. */
#include "app/yaml_json.h"
#include "app/yaml_plain.h"
#include "base/limits.h"
#include "codec/json_write.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

enum { JSON_GROWTH = 8 /* "{a}" becomes {"a":null}: nothing grows more */ };

struct reader {
    struct file_problems *problems;
    const char *file;
    enum yaml_words words;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool failed;        /* nothing more can be read */
    struct buf out;
    struct json_writer writer;
    struct yaml_place *places;
    size_t place_count, place_capacity;
    struct str keys[FILE_DEPTH_MAX * JSON_TOP_MEMBERS_MAX]; /* of the open mappings */
    size_t key_count;
};

/* --- problems -------------------------------------------------------------------------------- */
void file_problem(struct file_problems *problems, struct file_place place, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int const len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (problems->count++ >= FILE_PROBLEMS_MAX)
        return;
    struct file_problem *problem = arena_alloc(problems->arena, sizeof *problem);
    size_t const kept = len < (int)sizeof text ? (size_t)len : sizeof text - 1;
    struct str const copy = arena_copy(problems->arena, str_make(text, kept));
    if (problem == NULL || copy.ptr == NULL) {
        problems->no_memory = true;
        return;
    }
    *problem = (struct file_problem){NULL, place, copy};
    if (problems->last != NULL)
        problems->last->next = problem;
    else
        problems->first = problem;
    problems->last = problem;
}

enum err file_problems_text(const struct file_problems *problems, struct buf *out)
{
    enum err err = ERR_OK;
    size_t shown = 0;
    for (const struct file_problem *it = problems->first; it != NULL && err == ERR_OK;
         it = it->next, shown++) {
        const char *file = it->place.file;
        if (file != NULL && it->place.line > 0)
            err = buf_printf(out, "%s:%u:%u: %.*s\n", file, it->place.line, it->place.column,
                             STR_ARG(it->text));
        else
            err = buf_printf(out, "%s%s%.*s\n", file ? file : "", file ? ": " : "",
                             STR_ARG(it->text));
    }
    if (err == ERR_OK && problems->count > shown)
        err = buf_printf(out, "… and %zu more\n", problems->count - shown);
    return err;
}

static struct file_place place_at(const struct reader *reader, yaml_mark_t mark)
{
    return (struct file_place){reader->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

#define PROBLEM(reader, mark, ...)                                                                 \
    file_problem((reader)->problems, place_at(reader, mark), __VA_ARGS__)

/* --- events ---------------------------------------------------------------------------------- */
/* The next event's type; YAML_NO_EVENT once nothing more can be read. */
static yaml_event_type_t next_event(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (reader->failed)
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
    size_t depth = 0;
    for (yaml_event_type_t type = reader->event.type; type != YAML_NO_EVENT;
         type = next_event(reader)) {
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
            depth--;
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

/* --- scalars --------------------------------------------------------------------------------- */
static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (str_eq(text, str_of(*words)))
            return true;
    return false;
}

static size_t digits(struct str text, size_t at)
{
    size_t const start = at;
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    return at - start;
}

/* A number as JSON writes it. */
static bool is_json_number(struct str text)
{
    size_t at = text.len > 0 && text.ptr[0] == '-';
    size_t const whole = digits(text, at);
    if (whole == 0 || (whole > 1 && text.ptr[at] == '0'))
        return false;
    at += whole;
    if (at < text.len && text.ptr[at] == '.') {
        size_t const fraction = digits(text, at + 1);
        if (fraction == 0)
            return false;
        at += 1 + fraction;
    }
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        size_t const exponent = digits(text, at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return at == text.len;
}

/* Would some reader of YAML take it for a number? Our own takes only what JSON writes. */
static bool looks_like_number(struct str text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    struct str const bare =
        text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == '-') ? str_skip(text, 1) : text;
    if (is_one_of(bare, words))
        return true;
    if (bare.len > 2 && bare.ptr[0] == '0' && memchr("xob", bare.ptr[1], 3) != NULL)
        return strspn(bare.ptr + 2, "0123456789abcdefABCDEF_") == bare.len - 2;
    size_t const whole = strspn(bare.ptr, "0123456789_");
    size_t const point = whole < bare.len && bare.ptr[whole] == '.';
    size_t const fraction = strspn(bare.ptr + whole + point, "0123456789_");
    bool const counted = digits(bare, 0) + digits(bare, whole + point) > 0;
    size_t const at = whole + point + fraction;
    if (!counted || at == bare.len)
        return counted;
    if ((bare.ptr[at] | 0x20) != 'e')
        return false;
    size_t const sign = at + 1 < bare.len && strchr("+-", bare.ptr[at + 1]) != NULL;
    size_t const exponent = digits(bare, at + 1 + sign);
    return exponent > 0 && at + 1 + sign + exponent == bare.len;
}

static void put_strict_word(struct reader *reader, struct str text)
{
    static const char *const words[] = {"True", "TRUE", "False", "FALSE", "Null", "NULL", NULL};
    if (is_one_of(text, words) || looks_like_number(text))
        PROBLEM(reader, reader->event.start_mark,
                "\"%.*s\" means different things to different readers: put text in quotes, write "
                "values as true, false, null, 12 or 0.5",
                (int)(text.len < 60 ? text.len : 60), text.ptr);
    json_put_text(&reader->writer, text);
}

static void put_python_word(struct reader *reader, struct str text)
{
    static const char *const yes[] = {"True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
    static const char *const nothing[] = {"Null", "NULL", NULL};
    if (is_one_of(text, yes) || is_one_of(text, no))
        json_put_bool(&reader->writer, is_one_of(text, yes));
    else if (is_one_of(text, nothing))
        json_put_null(&reader->writer);
    else
        json_put_text(&reader->writer, text);
}

static void put_scalar(struct reader *reader)
{
    static const char *const nothing[] = {"", "~", "null", NULL};
    struct str const text = {(const char *)reader->event.data.scalar.value,
                             reader->event.data.scalar.length};
    if (reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        json_put_text(&reader->writer, text);
    else if (is_one_of(text, nothing))
        json_put_null(&reader->writer);
    else if (str_eq(text, STR("true")) || str_eq(text, STR("false")))
        json_put_bool(&reader->writer, text.len == 4);
    else if (is_json_number(text))
        json_put_raw(&reader->writer, text);
    else if (reader->words == YAML_WORDS_PYTHON)
        put_python_word(reader, text);
    else
        put_strict_word(reader, text);
}

/* --- nodes ----------------------------------------------------------------------------------- */
/* The value that is written next begins at the current event. */
static void note_place(struct reader *reader)
{
    if (reader->place_count == reader->place_capacity) {
        size_t const capacity = reader->place_capacity > 0 ? 2 * reader->place_capacity : 256;
        struct yaml_place *grown = realloc(reader->places, capacity * sizeof *grown);
        if (grown == NULL) {
            reader->problems->no_memory = reader->failed = true;
            return;
        }
        reader->places = grown;
        reader->place_capacity = capacity;
    }
    bool const comma = reader->writer.comma && !reader->writer.after_key;
    struct file_place const place = place_at(reader, reader->event.start_mark);
    reader->places[reader->place_count++] =
        (struct yaml_place){reader->out.len + comma, place.line, place.column};
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20)
            return true;
    return false;
}

/* Writes the key that is the current event. `first`: where the keys of this mapping begin. */
static void read_key(struct reader *reader, size_t first)
{
    yaml_mark_t const at = reader->event.start_mark;
    struct str key = STR("?");
    if (reader->event.type != YAML_SCALAR_EVENT || !node_is_plain(reader)) {
        if (reader->event.type != YAML_SCALAR_EVENT)
            PROBLEM(reader, at, "a key must be a word");
        skip_node(reader);
    } else {
        key = (struct str){(const char *)reader->event.data.scalar.value,
                           reader->event.data.scalar.length};
        if (key.len == 0 || has_control(key))
            PROBLEM(reader, at, "a key must be a word");
        if (str_eq(key, STR("<<")))
            PROBLEM(reader, at, "merge keys (<<) are not allowed: write the members out");
    }
    struct str const copy = arena_copy(reader->problems->arena, key);
    for (size_t i = first; i < reader->key_count; i++)
        if (str_eq(reader->keys[i], copy)) {
            PROBLEM(reader, at, "\"%.*s\" is there twice", (int)(copy.len < 60 ? copy.len : 60),
                    copy.ptr);
            break;
        }
    if (copy.ptr == NULL) {
        reader->problems->no_memory = reader->failed = true;
        json_key(&reader->writer, "?");
        return;
    }
    if (reader->key_count - first < JSON_TOP_MEMBERS_MAX)
        reader->keys[reader->key_count++] = copy;
    else
        PROBLEM(reader, at, "more than %d members", JSON_TOP_MEMBERS_MAX);
    json_key(&reader->writer, copy.ptr);
}

static void read_node(struct reader *reader, unsigned depth);

static void read_mapping(struct reader *reader, unsigned depth)
{
    size_t const first = reader->key_count;
    json_object_open(&reader->writer);
    for (yaml_event_type_t type = next_event(reader);
         type != YAML_MAPPING_END_EVENT && type != YAML_NO_EVENT; type = next_event(reader)) {
        read_key(reader, first);
        next_event(reader);
        read_node(reader, depth);
    }
    json_object_close(&reader->writer);
    reader->key_count = first;
}

/* Writes the value whose first event is the current one; afterwards its last is. */
static void read_node(struct reader *reader, unsigned depth)
{
    note_place(reader);
    yaml_event_type_t const type = reader->event.type;
    bool const nested = type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
    if (nested && depth == FILE_DEPTH_MAX) {
        PROBLEM(reader, reader->event.start_mark, "nested deeper than %d levels", FILE_DEPTH_MAX);
        reader->failed = true;
    }
    if (reader->failed || !node_is_plain(reader)) {
        json_put_null(&reader->writer);
        skip_node(reader);
    } else if (type == YAML_SCALAR_EVENT) {
        put_scalar(reader);
    } else if (type == YAML_MAPPING_START_EVENT) {
        read_mapping(reader, depth + 1);
    } else if (type == YAML_SEQUENCE_START_EVENT) {
        json_array_open(&reader->writer);
        for (yaml_event_type_t it = next_event(reader);
             it != YAML_SEQUENCE_END_EVENT && it != YAML_NO_EVENT; it = next_event(reader))
            read_node(reader, depth + 1);
        json_array_close(&reader->writer);
    } else {
        json_put_null(&reader->writer);
    }
}

/* --- documents ------------------------------------------------------------------------------- */
static struct yaml_document *read_document(struct reader *reader)
{
    struct arena *arena = reader->problems->arena;
    struct yaml_document *document = arena_zalloc(arena, sizeof *document);
    buf_clear(&reader->out);
    reader->place_count = reader->key_count = 0;
    json_write_start(&reader->writer, &reader->out);
    read_node(reader, 0);
    enum err const err = json_write_end(&reader->writer);
    struct yaml_place *places =
        arena_alloc(arena, (reader->place_count + 1) * sizeof reader->places[0]);
    struct str const json = err == ERR_OK ? arena_copy(arena, buf_view(&reader->out)) : STR("");
    if (document == NULL || places == NULL || json.ptr == NULL || err != ERR_OK) {
        reader->problems->no_memory = true;
        return NULL;
    }
    if (reader->place_count > 0)
        memcpy(places, reader->places, reader->place_count * sizeof places[0]);
    *document = (struct yaml_document){NULL, reader->file, json, places, reader->place_count};
    return document;
}

static void read_stream(struct reader *reader, struct yaml_document **next)
{
    if (next_event(reader) != YAML_STREAM_START_EVENT)
        return;
    while (next_event(reader) == YAML_DOCUMENT_START_EVENT) {
        if (next_event(reader) == YAML_NO_EVENT)
            return;
        struct yaml_document *document = read_document(reader);
        if (document == NULL || reader->failed)
            return;
        if (!str_eq(document->json, STR("null"))) { /* "---" with comments alone */
            *next = document;
            next = &document->next;
        }
        if (next_event(reader) != YAML_DOCUMENT_END_EVENT)
            return;
    }
}

enum err yaml_json_read(struct str text, const char *file, enum yaml_words words,
                        struct file_problems *problems, struct yaml_document **first)
{
    *first = NULL;
    if (text.len == 0)
        return ERR_OK;
    if (text.len > DOCUMENT_FILE_BYTES_MAX) {
        file_problem(problems, (struct file_place){file, 0, 0}, "larger than %d bytes",
                     DOCUMENT_FILE_BYTES_MAX);
        return ERR_OK;
    }
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || !yaml_parser_initialize(&reader->parser)) {
        free(reader);
        return ERR_NO_MEMORY;
    }
    reader->problems = problems;
    reader->file = file;
    reader->words = words;
    buf_init(&reader->out, (size_t)JSON_GROWTH * DOCUMENT_FILE_BYTES_MAX);
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text.ptr, text.len);
    read_stream(reader, first);
    yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
    buf_free(&reader->out);
    free(reader->places);
    free(reader);
    return problems->no_memory ? ERR_NO_MEMORY : ERR_OK;
}

struct file_place yaml_place_of(const struct yaml_document *document, struct str span)
{
    size_t low = 0, high = document->place_count;
    size_t const offset = span.ptr != NULL ? (size_t)(span.ptr - document->json.ptr) : 0;
    while (high - low > 1) { /* the last place at or before the offset */
        size_t const middle = low + (high - low) / 2;
        if (document->places[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    const struct yaml_place *place = &document->places[low];
    return (struct file_place){document->file, place->line, place->column};
}
