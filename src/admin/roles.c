/* roles.c - the tables of roles.def. */
#include "admin/roles.h"
#include "base/must.h"

static const struct {
    struct str text;
    unsigned char roles[OPERATOR_ROLE_COUNT];
} permissions[] = {
#define PERMISSION(name, text, own, adm, fin, sup, dev, aud, cad, cme, help)                       \
    {STR_ROW(text), {own, adm, fin, sup, dev, aud, cad, cme}},
#include "admin/roles.def"
#undef PERMISSION
};

static const struct {
    struct str text;
    bool bound;
} roles[] = {
#define ROLE(name, text, bound) {STR_ROW(text), bound},
#include "admin/roles.def"
#undef ROLE
};

struct str permission_text(enum permission permission)
{
    MUST(permission < PERMISSION_COUNT);
    return permissions[permission].text;
}

bool permission_parse(struct str text, enum permission *permission)
{
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        *permission = (enum permission)i;
        if (str_eq(permissions[i].text, text))
            return true;
    }
    return false;
}

struct str role_text(enum role role)
{
    MUST(role < OPERATOR_ROLE_COUNT);
    return roles[role].text;
}

bool role_parse(struct str text, enum role *role)
{
    for (unsigned i = 0; i < OPERATOR_ROLE_COUNT; i++) {
        *role = (enum role)i;
        if (str_eq(roles[i].text, text))
            return true;
    }
    return false;
}

bool role_bound(enum role role)
{
    MUST(role < OPERATOR_ROLE_COUNT);
    return roles[role].bound;
}

permission_set role_permissions(enum role role)
{
    permission_set set = 0;
    MUST(role < OPERATOR_ROLE_COUNT);
    for (unsigned i = 0; i < PERMISSION_COUNT; i++)
        set |= (permission_set)permissions[i].roles[role] << i;
    return set;
}

permission_set permissions_all(void)
{
    return ((permission_set)1 << PERMISSION_COUNT) - 1;
}
