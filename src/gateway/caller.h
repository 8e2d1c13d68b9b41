/* caller.h - who calls: an API key, or an end user with a JWT. */
#pragma once
#include "gateway/worker.h"

struct caller {
    const struct key *key; /* who pays; NULL: by token, and the customer has no key for tokens */
    bool by_token;
    struct bearer bearer; /* by token: who it is; in the exchange's arena */
};

/* ERR_KEY_MISSING, what book_authenticate, verifier_read and book_token_key say. */
NODISCARD enum err caller_authenticate(struct gateway_worker *worker,
                                       struct http_exchange *exchange, struct caller *caller,
                                       struct fault *fault);
/* The credential of a call as any SDK sends it; ptr NULL: none. */
struct str caller_secret(const struct http_exchange *exchange);
