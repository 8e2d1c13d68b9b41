/* test_roles.c - who may do what: the table of roles.def, and sets of permissions. */
#include "admin/roles.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void names_are_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        enum permission found;
        assert_true(permission_parse(permission_text((enum permission)i), &found));
        assert_int_equal(found, i);
    }
    for (unsigned i = 0; i < OPERATOR_ROLE_COUNT; i++) {
        enum role found;
        assert_true(role_parse(role_text((enum role)i), &found));
        assert_int_equal(found, i);
    }
    enum permission permission;
    enum role role;
    assert_false(permission_parse(STR("keys:Read"), &permission));
    assert_false(permission_parse(STR(""), &permission));
    assert_false(role_parse(STR("root"), &role));
}

static void roles_have_what_they_should(void **state)
{
    (void)state;
    static const struct {
        enum role role;
        enum permission permission;
        bool has;
    } rows[] = {
        {ROLE_OWNER, PERMISSION_OWNERS_WRITE, true},
        {ROLE_OWNER, PERMISSION_PROMPTS_READ, false},
        {ROLE_ADMIN, PERMISSION_TEAM_WRITE, true},
        {ROLE_ADMIN, PERMISSION_OWNERS_WRITE, false},
        {ROLE_FINANCE, PERMISSION_MONEY_WRITE, true},
        {ROLE_FINANCE, PERMISSION_KEYS_READ, false},
        {ROLE_SUPPORT, PERMISSION_CUSTOMERS_WRITE, true},
        {ROLE_SUPPORT, PERMISSION_SECRETS_READ, false},
        {ROLE_SUPPORT, PERMISSION_MONEY_WRITE, false},
        {ROLE_DEVELOPER, PERMISSION_KEYS_WRITE, true},
        {ROLE_DEVELOPER, PERMISSION_CREDIT_READ, false},
        {ROLE_AUDITOR, PERMISSION_AUDIT_READ, true},
        {ROLE_CUSTOMER_ADMIN, PERMISSION_USERS_WRITE, true},
        {ROLE_CUSTOMER_ADMIN, PERMISSION_CUSTOMERS_READ, false},
        {ROLE_CUSTOMER_MEMBER, PERMISSION_USAGE_READ, true},
        {ROLE_CUSTOMER_MEMBER, PERMISSION_KEYS_READ, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(permission_in(role_permissions(rows[i].role), rows[i].permission),
                         rows[i].has);
}

static void an_auditor_writes_nothing(void **state)
{
    (void)state;
    permission_set const set = role_permissions(ROLE_AUDITOR);
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        struct str const name = permission_text((enum permission)i);
        bool const writes = str_find(name, STR(":write")) < name.len;
        assert_false(writes && permission_in(set, (enum permission)i));
    }
}

static void sets_lie_within_others(void **state)
{
    (void)state;
    permission_set const owner = role_permissions(ROLE_OWNER);
    for (unsigned i = 0; i < OPERATOR_ROLE_COUNT; i++)
        assert_true(permissions_within(role_permissions((enum role)i), owner));
    assert_false(permissions_within(owner, role_permissions(ROLE_ADMIN)));
    assert_false(permissions_within(permissions_all(), owner)); /* prompts:read is given by name */
    assert_true(permissions_within(0, 0));
    assert_true(role_bound(ROLE_CUSTOMER_ADMIN) && role_bound(ROLE_CUSTOMER_MEMBER));
    assert_false(role_bound(ROLE_OWNER) || role_bound(ROLE_AUDITOR));
}

int main(void)
{
    static const struct CMUnitTest all[] = {
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(roles_have_what_they_should),
        cmocka_unit_test(an_auditor_writes_nothing),
        cmocka_unit_test(sets_lie_within_others),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
