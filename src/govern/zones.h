/* zones.h - the time zones that documents name, read from the machine's tzdata and shared.
 *
 * What:  a zone is read once and stays; a customer's record holds a pointer.
 * Rules: zones_get from the writer's thread only; what it gave may be read by all.
 */
#pragma once
#include "base/err.h"
#include "core/zone.h"

struct zones;

NODISCARD enum err zones_new(const char *dir, struct zones **zones, struct fault *fault);
void zones_free(struct zones *zones);
/* ERR_FIELD_INVALID: no such zone, or not a name of one. */
NODISCARD enum err zones_get(struct zones *zones, struct str name, const struct zone **zone,
                             struct fault *fault);
/* A small number of its own, for caches. */
unsigned zone_number(const struct zone *zone);
/* For customers that say nothing: America/Sao_Paulo; UTC where the machine does not have it. */
const struct zone *zones_default(const struct zones *zones);
