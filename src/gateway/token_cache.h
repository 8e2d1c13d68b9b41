/* token_cache.h - tokens that were verified a moment ago, so that a signature costs once.
 *
 * What:  one table per worker, a slot per keyed hash of the whole token. An entry ends with its
 *        token; the owner empties the table when the verifier changes.
 * Not:   tokens themselves, refused ones, whether the customer may still call: that is asked each
 *        time. One thread.
 */
#pragma once
#include "gateway/verifier.h"

struct token_cache;

/* NULL: no memory. */
struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache); /* NULL is allowed */
/* NULL: not there, or its time is over. Valid until the next put or clear. */
const struct bearer *token_cache_get(const struct token_cache *cache, struct str token,
                                     int64_t now_s);
/* Copies; an entry that is too large, or that memory is short for, is not kept. */
void token_cache_put(struct token_cache *cache, struct str token, const struct bearer *bearer);
void token_cache_clear(struct token_cache *cache);
