/* owner.h - the first owner at the first start.
 *
 * What:  COTA_OWNER_EMAIL and COTA_OWNER_PASSWORD, or the files that …_FILE name: so there is never
 *        a moment in which anybody with the setup link could be first.
 */
#pragma once
#include "admin/admin.h"

/* Nothing when there are operators, or no such variables. ERR_CONFIG_INVALID, ERR_FIELD_INVALID. */
NODISCARD enum err owner_from_environment(struct admin *admin, struct fault *fault);
