/* token_key.h - the key of a customer that calls by JWT go through.
 *
 * What:  an ordinary key with a name that is agreed on: rules, limits and usage hang on it. The
 *        data path finds it without a lock; who finds none makes it (book_key_create).
 * Not:   tokens (gateway/verifier.h).
 */
#pragma once
#include "book/book.h"

#define TOKEN_KEY_NAME STR("jwt")

/* The newest of that name; *key NULL: there was none yet. One that was revoked stays so until an
 * operator makes another.
 * ERR_TOKEN_INVALID: no such customer, or it may not call. ERR_KEY_REVOKED, ERR_KEY_EXPIRED. */
NODISCARD enum err book_token_key(struct book *book, struct str customer_id, const struct key **key,
                                  struct fault *fault);
