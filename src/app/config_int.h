/* config_int.h - what the reader (config.c) and the cross checks (config_check.c) share. */
#pragma once
#include "app/config.h"
#include "app/options.h"

/* Where the value of a field stood; kept for the checks that come after reading. */
struct config_mark {
    struct config_mark *next;
    const void *field;
    unsigned line, column;
};

struct config_problems {
    struct config_report *report;
    struct arena *arena;
    struct config_mark *marks;
    bool no_memory;
};

/* Adds a problem; too many are only counted. */
void config_problem(struct config_problems *problems, unsigned line, unsigned column,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, at the place where `field` was set; else where `item` begins. */
void config_problem_at(struct config_problems *problems, const void *field,
                       const struct config_item *item, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Appends a file; ERR_NOT_FOUND, ERR_TOO_LARGE (a step before the buffer's limit), ERR_NO_MEMORY;
 * errno says why. */
NODISCARD enum err config_read_file(const char *path, struct buf *text);
/* References, doubles, and what belongs together. */
void config_check(struct config_problems *problems, const struct config *config);
