/* roles.h - roles and permissions as tables: pure, no state.
 *
 * What:  the rows of roles.def, and sets of permissions as bits.
 * Not:   who the caller is (auth.c), where a customer stands in an operation (scope.c).
 */
#pragma once
#include "base/str.h"

enum permission {
#define PERMISSION(name, ...) PERMISSION_##name,
#include "admin/roles.def"
#undef PERMISSION
    PERMISSION_COUNT
};
enum role {
#define ROLE(name, text, bound) ROLE_##name,
#include "admin/roles.def"
#undef ROLE
    OPERATOR_ROLE_COUNT
};

typedef uint64_t permission_set; /* bit: enum permission */
_Static_assert(PERMISSION_COUNT <= 64, "permissions are bits");

struct str permission_text(enum permission permission); /* "keys:read" */
bool permission_parse(struct str text, enum permission *permission);
struct str role_text(enum role role); /* "customer_admin" */
bool role_parse(struct str text, enum role *role);
bool role_bound(enum role role); /* belongs to one customer */
permission_set role_permissions(enum role role);
permission_set
permissions_all(void); /* of whoever may open the Unix socket, or has the admin token */

static inline bool permission_in(permission_set set, enum permission permission)
{
    return (set >> permission & 1) != 0;
}
/* Is everything in `part` also in `whole`? */
static inline bool permissions_within(permission_set part, permission_set whole)
{
    return (part & ~whole) == 0;
}
