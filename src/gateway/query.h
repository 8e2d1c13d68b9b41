/* query.h - the data plane's questions that cost nothing: models, one's own usage. */
#pragma once
#include "gateway/caller.h"

/* routes.def; `id` is what {id} stands for. */
void route_models(struct gateway_worker *worker, struct http_exchange *exchange, struct str id);
void route_model(struct gateway_worker *worker, struct http_exchange *exchange, struct str id);
void route_me_usage(struct gateway_worker *worker, struct http_exchange *exchange, struct str id);

/* Authenticates the caller; false: the refusal has been sent. */
bool query_authenticate(struct gateway_worker *worker, struct http_exchange *exchange,
                        struct caller *caller);
/* Sends an error in the OpenAI envelope. */
void query_fault(struct http_exchange *exchange, const struct fault *fault);
/* Sends JSON with status 200. */
void query_reply(struct http_exchange *exchange, struct str json);
