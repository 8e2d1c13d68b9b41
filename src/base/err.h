/* err.h - one error type for the whole program.
 *
 * What:  enum err (from err.def) and struct fault, which says where and why.
 * Not:   our own mistakes; see must.h.
 */
#pragma once
#include "base/str.h"

enum err {
#define X(name, http, type, code, retry, text, text_pt) ERR_##name,
#include "base/err.def"
#undef X
    ERR_COUNT,
};

/* Where an error is explained. `detail` is for our log and for operators (CLI, config);
 * `param` names the offending field for the client. Neither ever carries a secret. */
struct fault {
    enum err code;
    char param[48];
    char detail[240];
};

struct err_row {
    int http;
    bool retry; /* false: the answer carries x-should-retry: false */
    struct str name, type, code, text, text_pt;
};

/* The table row of `code`; static, never NULL. */
const struct err_row *err_row(enum err code);

/* Keeps the first cause: a second call on a set fault changes nothing. Returns `code`. */
enum err fault_set(struct fault *fault, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, and names the offending request field or header. */
enum err fault_param(struct fault *fault, enum err code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define NODISCARD __attribute__((warn_unused_result))
