/* limit_text.h - a limit that refuses, said to a person: which one, whose, until when. No amounts.
 *
 * Why:   end users read these words in our customers' products, so they come in their language and
 *        in the customer's time, and never tell what was paid or how large a budget is.
 */
#pragma once
#include "codec/language.h"
#include "core/rule.h"

enum { LIMIT_TEXT_BYTES = 200 };

struct limit_facts {
    enum metric metric;
    enum window_kind kind;
    enum refusal_scope scope;
    int64_t end_us;   /* of the window; 0: it does not end by itself */
    int32_t offset_s; /* of the customer's clock at that instant */
};
/* "the plan's limit of requests per day; it begins anew on 2026-11-22 at 00:00" */
struct str limit_text(const struct limit_facts *facts, enum language language,
                      char out[LIMIT_TEXT_BYTES]);
