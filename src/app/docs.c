/* docs.c - loops over options.def, err.def, events.def and routes.def. */
#include "app/docs.h"
#include "admin/admin.h"
#include "app/options.h"
#include "base/log.h"
#include "codec/json_write.h"
#include "core/money.h"
#include <stdarg.h>
#include <stdio.h>

/* Appends; after the first error nothing more happens. */
struct page {
    struct buf *out;
    enum err err;
};

static void put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct page *page, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    int const len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (page->err == ERR_OK)
        page->err = len < (int)sizeof line ? buf_add(page->out, str_make(line, (size_t)len))
                                           : ERR_TOO_LARGE;
}

/* --- configuration ---------------------------------------------------------------------------- */
static const char *kind_name(enum option_kind kind)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",
        [OPTION_SECRET] = "secret text",
        [OPTION_SECRETS] = "list of secret texts",
        [OPTION_INTEGER] = "whole number",
        [OPTION_BOOLEAN] = "true or false",
        [OPTION_CHOICE] = "word",
        [OPTION_MONEY] = "decimal, USD",
        [OPTION_PRICE] = "decimal, USD per 1M tokens",
        [OPTION_INSTANT] = "instant",
        [OPTION_GROUP] = "mapping",
        [OPTION_LIST] = "list",
    };
    return names[kind];
}

static void put_range(struct page *page, const struct option *option)
{
    char least[24], most[24];
    switch (option->kind) {
    case OPTION_INTEGER:
        put(page, "%lld … %lld%s%s%s", (long long)option->least, (long long)option->most,
            option->choices ? ", `" : "", option->choices ? option->choices : "",
            option->choices ? "`" : "");
        break;
    case OPTION_CHOICE:
        for (size_t i = 0; choice_at(option->choices, i).len > 0; i++)
            put(page, "%s`%.*s`", i ? ", " : "", STR_ARG(choice_at(option->choices, i)));
        break;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_SECRETS:
        put(page, "%lld … %lld bytes", (long long)option->least, (long long)option->most);
        break;
    case OPTION_MONEY:
        put(page, "%.*s … %.*s", (int)decimal_text(option->least, MONEY_SCALE, least), least,
            (int)decimal_text(option->most, MONEY_SCALE, most), most);
        break;
    default:
        break;
    }
}

static void put_section(struct page *page, enum section section, const char *name, const char *help)
{
    put(page,
        "## %s\n\n%s.\n\n| key | kind | default | range | what |\n"
        "| --- | --- | --- | --- | --- |\n",
        name, help);
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *option = option_at(i);
        if (option->section != section)
            continue;
        put(page, "| `%s` | %s | ", option->key, kind_name(option->kind));
        if (option->required)
            put(page, "required");
        else if (option->fallback != NULL)
            put(page, "`%s`", option->fallback);
        put(page, " | ");
        put_range(page, option);
        put(page, " | %s |\n", option->help);
    }
    put(page, "\n");
}

static void put_sections_below(struct page *page, enum section section, const char *prefix)
{
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *option = option_at(i);
        if (option->section != section ||
            (option->kind != OPTION_GROUP && option->kind != OPTION_LIST))
            continue;
        char name[128];
        snprintf(name, sizeof name, "%s%s%s", prefix, option->key,
                 option->kind == OPTION_LIST ? "[]" : "");
        put_section(page, option->below, name, option->help);
        snprintf(name, sizeof name, "%s%s%s.", prefix, option->key,
                 option->kind == OPTION_LIST ? "[]" : "");
        put_sections_below(page, option->below, name);
    }
}

enum err docs_config(struct buf *out)
{
    struct page page = {.out = out};
    put(&page,
        "# Configuration: cota.yaml\n\nMade by `cota docs` from src/app/options.def; do not "
        "edit.\n\nThe file is read strictly: an unknown key, a wrong type, a name without its "
        "owner, an alias, anchor, tag or merge key is an error with its line and column. `null` "
        "means the default.\nText may contain `${env:NAME}` and `${file:PATH}` (one newline at "
        "the end of the file is dropped); `$${` is a literal `${`. Numbers in quotes are text, "
        "except amounts.\nEditors: `# yaml-language-server: $schema=config.schema.json`.\n\n");
    put_section(&page, SECTION_FILE, "The file", "Top-level keys");
    put_sections_below(&page, SECTION_FILE, "");
    return page.err;
}

static void put_schema_type(struct json_writer *writer, const struct option *option);

static void put_schema_section(struct json_writer *writer, enum section section)
{
    json_pair_text(writer, "type", STR("object"));
    json_pair_bool(writer, "additionalProperties", false);
    json_key(writer, "properties");
    json_object_open(writer);
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *option = option_at(i);
        if (option->section != section)
            continue;
        json_key(writer, option->key);
        json_object_open(writer);
        json_pair_text(writer, "description", str_of(option->help));
        put_schema_type(writer, option);
        json_object_close(writer);
    }
    json_object_close(writer);
    json_key(writer, "required");
    json_array_open(writer);
    for (size_t i = 0; i < option_count(); i++)
        if (option_at(i)->section == section && option_at(i)->required)
            json_put_text(writer, str_of(option_at(i)->key));
    json_array_close(writer);
}

/* ["string", "null"] */
static void put_types(struct json_writer *writer, const char *const *types)
{
    json_key(writer, "type");
    json_array_open(writer);
    for (; *types != NULL; types++)
        json_put_text(writer, str_of(*types));
    json_put_text(writer, STR("null"));
    json_array_close(writer);
}

static void put_schema_choices(struct json_writer *writer, const struct option *option)
{
    json_key(writer, "enum");
    json_array_open(writer);
    for (size_t i = 0; choice_at(option->choices, i).len > 0; i++)
        json_put_text(writer, choice_at(option->choices, i));
    json_put_null(writer);
    json_array_close(writer);
}

static void put_schema_array(struct json_writer *writer, const struct option *option)
{
    put_types(writer, (const char *const[]){"array", NULL});
    json_key(writer, "items");
    json_object_open(writer);
    if (option->kind == OPTION_LIST)
        put_schema_section(writer, option->below);
    else
        json_pair_text(writer, "type", STR("string"));
    json_object_close(writer);
}

static void put_schema_type(struct json_writer *writer, const struct option *option)
{
    switch (option->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_INSTANT:
        put_types(writer, (const char *const[]){"string", NULL});
        break;
    case OPTION_INTEGER: /* text: an expansion, or a word such as auto */
        put_types(writer, (const char *const[]){"integer", "string", NULL});
        json_pair_i64(writer, "minimum", option->least);
        json_pair_i64(writer, "maximum", option->most);
        break;
    case OPTION_BOOLEAN:
        put_types(writer, (const char *const[]){"boolean", "string", NULL});
        break;
    case OPTION_CHOICE:
        put_schema_choices(writer, option);
        break;
    case OPTION_MONEY:
    case OPTION_PRICE:
        put_types(writer, (const char *const[]){"number", "string", NULL});
        json_pair_i64(writer, "minimum", 0);
        break;
    case OPTION_GROUP:
        put_schema_section(writer, option->below);
        break;
    case OPTION_SECRETS:
    case OPTION_LIST:
        put_schema_array(writer, option);
        break;
    }
}

enum err docs_schema(struct buf *out)
{
    struct json_writer writer;
    json_write_start(&writer, out);
    json_object_open(&writer);
    json_pair_text(&writer, "$schema", STR("https://json-schema.org/draft/2020-12/schema"));
    json_pair_text(&writer, "title", STR("cota.yaml"));
    put_schema_section(&writer, SECTION_FILE);
    json_object_close(&writer);
    enum err const err = json_write_end(&writer);
    return err == ERR_OK ? buf_add_byte(out, '\n') : err;
}

/* --- errors, events, management API ---------------------------------------------------------- */
enum err docs_errors(struct buf *out)
{
    struct page page = {.out = out};
    put(&page, "# Errors\n\nMade by `cota docs` from src/base/err.def; do not edit.\n\n"
               "The data plane answers with the OpenAI envelope `{\"error\": {message, type, "
               "param, code}}`, the management API with RFC 9457 `application/problem+json` and "
               "the same codes. Where a repeat is pointless the answer carries "
               "`x-should-retry: false`.\n\n| status | code | type | retry | message |\n"
               "| --- | --- | --- | --- | --- |\n");
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        const struct err_row *row = err_row((enum err)code);
        put(&page, "| %d | `%.*s` | `%.*s` | %s | %.*s |\n", row->http, STR_ARG(row->code),
            STR_ARG(row->type), row->retry ? "yes" : "no", STR_ARG(row->text));
    }
    return page.err;
}

enum err docs_events(struct buf *out)
{
    struct page page = {.out = out};
    put(&page, "# Log events\n\nMade by `cota docs` from src/base/events.def; do not edit.\n\n"
               "One JSON line each on stderr, logfmt on a terminal.\n\n| event | level | what |\n"
               "| --- | --- | --- |\n");
    for (int event = 0; event < EVENT_COUNT; event++) {
        const char *name, *level, *help;
        log_event_describe((enum event)event, &name, &level, &help);
        put(&page, "| `%s` | %s | %s |\n", name, level, help);
    }
    return page.err;
}
