/* govern_help.h - documents with single quotes, and a call's verdict as one line of text. */
#pragma once
#include "codec/when.h"
#include "govern/govern.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

enum { TEXT_BYTES = 4096 };

static inline int64_t at(const char *text)
{
    int64_t wall_us = 0;
    assert_true(when_parse(str_of(text), &wall_us));
    return wall_us;
}

static inline enum err hear(struct govern *govern, const char *kind, const char *id,
                            const char *text, bool more, struct fault *fault)
{
    char json[TEXT_BYTES];
    if (!text)
        return govern_hear(govern, str_of(kind), str_of(id), (struct str){0}, more, fault);
    assert_true(strlen(text) < sizeof json);
    for (size_t i = 0; i <= strlen(text); i++)
        json[i] = text[i] == '\'' ? '"' : text[i];
    return govern_hear(govern, str_of(kind), str_of(id), str_of(json), more, fault);
}

static inline void put(struct govern *govern, const char *kind, const char *id, const char *text)
{
    struct fault fault = {0};
    if (hear(govern, kind, id, text, false, &fault) != ERR_OK)
        fail_msg("%s %s: %s", kind, id, fault.detail);
}

/* "name=limit/window@layer:id …", or the code of the error and its scope. */
static inline const char *ask_for(struct govern *govern, const struct govern_ask *ask)
{
    static char text[TEXT_BYTES];
    struct govern_verdict verdict;
    struct fault fault = {0};
    size_t used = 0;
    text[0] = '\0';
    enum err const err = govern_resolve(govern, ask, &verdict, &fault);
    if (err != ERR_OK) {
        assert_true(fault.detail[0] != '\0');
        snprintf(text, sizeof text, "%s scope %d", err_row(err)->code.ptr, (int)verdict.scope);
        govern_release(govern, &verdict);
        return text;
    }
    for (size_t i = 0; i < verdict.rules.count; i++) {
        const struct rule *rule = &verdict.rules.list[i];
        assert_true(rule->counter != 0);
        assert_true(rule->start_us <= ask->now_us && ask->now_us < rule->end_us);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s=%lld/%s@%s:%.*s",
                                 i > 0 ? " " : "", STR_ARG(verdict.sources[i].name),
                                 (long long)rule->limit, window_name(rule->kind),
                                 verdict.sources[i].layer, STR_ARG(verdict.sources[i].id));
    }
    govern_release(govern, &verdict);
    govern_release(govern, &verdict);
    return text;
}
