/* refusal.h - what a provider's error status means for our client.
 *
 * What:  mistakes of the client (400, 404, 422 …) are passed on with the provider's own words;
 *        our own mistakes (401, 403: our key) and the provider's troubles become 502, 503, 504.
 */
#pragma once
#include "base/err.h"

struct request;

/* The error that a provider's status (>= 300) becomes. Pure. */
enum err refusal_code(int status);
/* True for statuses whose body tells the client what it did wrong. Pure. */
bool refusal_is_clients(int status);
/* True when request's refusal goes on as it is: the client's mistake, valid JSON, no secret in it.
 */
bool refusal_is_passed_on(const struct request *request);
