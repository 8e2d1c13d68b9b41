/* err.c - err.def as a table, and the first cause of a failure. */
#include "base/err.h"
#include "base/must.h"
#include <stdarg.h>
#include <stdio.h>

static const struct err_row rows[] = {
#define X(name, http, type, code, retry, text, text_pt)                                            \
    {http, retry, STR_ROW(#name), STR_ROW(type), STR_ROW(code), STR_ROW(text), STR_ROW(text_pt)},
#include "base/err.def"
#undef X
};

const struct err_row *err_row(enum err code)
{
    MUST(code < ERR_COUNT);
    return &rows[code];
}

static void explain(struct fault *fault, enum err code, const char *param, const char *format,
                    va_list args)
{
    MUST(code != ERR_OK);
    if (fault->code != ERR_OK)
        return; /* the first cause is the one worth reading */
    fault->code = code;
    snprintf(fault->param, sizeof fault->param, "%s", param);
    vsnprintf(fault->detail, sizeof fault->detail, format, args);
}

enum err fault_set(struct fault *fault, enum err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    explain(fault, code, "", format, args);
    va_end(args);
    return code;
}

enum err fault_param(struct fault *fault, enum err code, const char *param, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    explain(fault, code, param, format, args);
    va_end(args);
    return code;
}
