/* forecast.h - what a customer will have used at the end of its month, for answers that show it. */
#pragma once
#include "admin/compat_int.h"

/* A member "forecast" of an open object: requests, tokens and cost_usd at the end of the month,
 * null where too few days are known. */
NODISCARD enum err forecast_put(struct subject *subject, struct json_writer *writer);
