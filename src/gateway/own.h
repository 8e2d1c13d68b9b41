/* own.h - a call that goes out with the customer's own provider key. */
#pragma once
#include "gateway/request.h"

/* Finds the key, and whether it permits this call; the rest of the request then knows whose key it
 * is. Again: nothing. An error of own_key.h. */
NODISCARD enum err own_admit(struct request *request);
/* The credentials that the call goes out with. */
struct str own_credentials(const struct request *request);
/* The model's name at the provider. */
struct str own_upstream_model(const struct request *request);
/* Wipes what the request copied, and lets go. */
void own_end(struct request *request);
