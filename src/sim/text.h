/* text.h - plausible sentences, Portuguese and English, the same for the same seed. */
#pragma once
#include "base/arena.h"

struct sim_text_wish {
    uint64_t seed;
    bool portuguese;
    bool exact;     /* exactly `tokens`; otherwise whole sentences of about as many */
    int64_t tokens; /* of four bytes */
};
/* .ptr NULL: memory is short. Never a quote, a backslash or a control character. */
struct str sim_text(struct arena *arena, const struct sim_text_wish *wish);
/* The longest beginning of `text` of at most `tokens` tokens that does not split a character. */
struct str sim_text_cut(struct str text, int64_t tokens);
