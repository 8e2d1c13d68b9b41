/* estimate.h - how many tokens a text is when nobody said so.
 *
 * What:  the one counting rule of the program: four bytes of text are a token.
 * Not:   a tokenizer; figures from here are always marked as estimates.
 * Why:   the simulated provider reports by the same rule, so an estimate can be checked.
 */
#pragma once
#include <stdint.h>

enum { ESTIMATE_TOKEN_BYTES = 4 };

/* Produced text: bytes / 4, rounded up; no text is no token. */
int64_t estimate_text_tokens(int64_t text_bytes);
/* Sent text: the same, at least 1, because no request is free of input. */
int64_t estimate_prompt_tokens(int64_t text_bytes);
