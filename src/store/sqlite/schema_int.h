/* schema_int.h - the steps that make a database of today out of any older one. */
#pragma once
#include "base/err.h"
#include <sqlite3.h>

/* Each step stands with the code of its tables. */
extern const char schema_objects_sql[];
extern const char schema_lists_sql[];   /* schema_lists.c */
extern const char schema_alerts_sql[];  /* alerts.c */
extern const char schema_endings_sql[]; /* endings.c */
extern const char schema_basis_sql[];   /* basis.c */
int schema_version_latest(void);
const char *schema_step(int version); /* 1 … latest */
/* Brings an open database to `version`; the lower ones exist for its tests. */
NODISCARD enum err schema_migrate(sqlite3 *connection, const char *file, int version,
                                  struct fault *fault);
