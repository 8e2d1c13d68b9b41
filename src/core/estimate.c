/* estimate.c - four bytes are a token. */
#include "core/estimate.h"
#include "base/must.h"

int64_t estimate_text_tokens(int64_t text_bytes)
{
    MUST(text_bytes >= 0);
    /* not (bytes + 3) / 4: that overflows at the end of the range */
    return text_bytes / ESTIMATE_TOKEN_BYTES + (text_bytes % ESTIMATE_TOKEN_BYTES != 0);
}

int64_t estimate_prompt_tokens(int64_t text_bytes)
{
    int64_t const tokens = estimate_text_tokens(text_bytes);
    return tokens > 0 ? tokens : 1;
}
