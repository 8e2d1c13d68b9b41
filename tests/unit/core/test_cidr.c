/* test_cidr.c - addresses and networks: what is one, and what is inside. */
#include "core/cidr.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void networks_and_what_is_inside(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool inside;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"192.168.1.7", "192.168.1.7", true},
        {"192.168.1.7", "192.168.1.6", false},
        {"192.168.1.7/32", "192.168.1.7", true},
        {"192.168.1.4/31", "192.168.1.5", true},
        {"192.168.1.4/31", "192.168.1.6", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false}, /* IPv4 only */
        {"::/0", "203.0.113.9", true},       /* everything */
        {"::/0", "2001:db8::1", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* as a socket for both kinds prints it */
        {"10.0.0.0/8", "::10.1.2.3", false},     /* not that */
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:0:0/96", "1.2.3.4", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:DB8::1", "2001:0db8:0:0:0:0:0:1", true},
        {"2001:db8::1/128", "2001:db8::2", false},
        {"fe80::/10", "fe80::1%eth0", false}, /* no zone */
        {"10.0.0.0/8", "10.0.0.1:80", false}, /* no port */
        {"10.0.0.0/8", "", false},
        {"10.0.0.0/8", "10.0.0", false},
        {"10.0.0.0/8", "localhost", false},
        {"10.0.0.0/8", "10.0.0.1/32", false},
        {"::/0", "1:2:3:4:5:6:7:8:9", false},
        {"::/0", "0000:0000:0000:0000:0000:ffff:255.255.255.2555", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cidr cidr;
        assert_true(cidr_parse(str_of(rows[i].network), &cidr));
        if (cidr_has(&cidr, 1, str_of(rows[i].address)) != rows[i].inside)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
}

static void what_is_no_network(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.0/0008",
        "10.0.0/8",
        "10.0.0.1/8",
        "10.0.0.1/31",
        "010.0.0.0/8",
        "256.0.0.0/8",
        "0.0.0.1/0",
        "a.b.c.d",
        "::1/127",
        "2001:db8::/129",
        "2001:db8::/28",
        "1::2::3",
        "::1/0",
        "example.org",
        "::ffff:10.0.0.1/104",
    };
    struct cidr cidr;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (cidr_parse(str_of(rows[i]), &cidr))
            fail_msg("accepted: %s", rows[i]);
    assert_false(cidr_parse(str_make("10.0.0.1\0x", 10), &cidr)); /* a NUL ends nothing */
    assert_false(cidr_parse(str_make(NULL, 0), &cidr));
}

static void lists(void **state)
{
    (void)state;
    struct cidr list[3];
    assert_true(cidr_parse(STR("10.0.0.0/8"), &list[0]));
    assert_true(cidr_parse(STR("2001:db8::/32"), &list[1]));
    assert_true(cidr_parse(STR("203.0.113.7"), &list[2]));
    assert_true(cidr_has(list, 3, STR("10.1.1.1")));
    assert_true(cidr_has(list, 3, STR("2001:db8::7")));
    assert_true(cidr_has(list, 3, STR("203.0.113.7")));
    assert_false(cidr_has(list, 2, STR("203.0.113.7")));
    assert_false(cidr_has(list, 3, STR("203.0.113.8")));
    assert_false(cidr_has(list, 0, STR("10.1.1.1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_and_what_is_inside),
        cmocka_unit_test(what_is_no_network),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
