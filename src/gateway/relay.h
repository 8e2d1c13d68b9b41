/* relay.h - carries a provider's answer to the client while the request waits in DISPATCH. */
#pragma once
#include "gateway/request.h"

extern const struct upstream_handler relay_handler;
extern const struct http_watcher relay_watcher;

/* Ends the provider call now; what has come so far stays in request->answer. */
void relay_stop(struct request *request);
/* The last bytes of a stream towards the client: `event` (may be empty), the cost, the held back
 * [DONE]. */
void relay_finish_stream(struct request *request, struct str event);
