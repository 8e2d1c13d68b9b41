/* options.h - the table of options.def at run time: what keys exist, of what kind, where they go.
 *
 * What:  one row per key; the parser, the JSON schema and the reference are loops over it.
 */
#pragma once
#include "base/str.h"

enum section {
    SECTION_FILE,
    SECTION_TLS,
    SECTION_LOG,
    SECTION_DISCONNECT,
    SECTION_JWT,
    SECTION_CLAIMS,
    SECTION_PROVIDER,
    SECTION_TIMEOUTS,
    SECTION_MODEL,
    SECTION_PRICE,
    SECTION_CUSTOMER,
    SECTION_KEY,
    SECTION_COUNT,
};

enum option_kind {
    OPTION_TEXT,    /* struct str */
    OPTION_SECRET,  /* struct str; never shown */
    OPTION_SECRETS, /* struct config_list of struct config_text; never shown */
    OPTION_INTEGER, /* int64_t */
    OPTION_BOOLEAN, /* bool */
    OPTION_CHOICE,  /* int: the index of the word */
    OPTION_MONEY,   /* struct money */
    OPTION_PRICE,   /* int64_t: pico per token */
    OPTION_INSTANT, /* int64_t: wall us */
    OPTION_GROUP,   /* an embedded struct */
    OPTION_LIST,    /* struct config_list */
};

struct option {
    enum section section;
    const char *key;
    enum option_kind kind;
    bool required;
    const char *fallback; /* text of the default, or NULL */
    int64_t least, most;
    const char *choices; /* "one|two", or NULL */
    enum section below;  /* of a GROUP or LIST */
    const char *help;
    size_t offset; /* in the section's struct */
};

size_t option_count(void);
const struct option *option_at(size_t index);
/* NULL when the section has no such key. */
const struct option *option_find(enum section section, struct str key);
/* Bytes of the section's struct. */
size_t section_bytes(enum section section);
/* The word at `index` of "one|two"; empty past the end. */
struct str choice_at(const char *choices, size_t index);
