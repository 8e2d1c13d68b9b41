/* test_address.c - one row = an address and how far it leads: edges of every network, v4 in v6. */
#include "core/address.h"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct row {
    const char *address;
    enum address_class class;
} rows[] = {
    {"8.8.8.8", ADDRESS_PUBLIC},
    {"1.1.1.1", ADDRESS_PUBLIC},
    {"126.255.255.255", ADDRESS_PUBLIC},
    {"127.0.0.0", ADDRESS_LOOPBACK},
    {"127.0.0.1", ADDRESS_LOOPBACK},
    {"127.255.255.255", ADDRESS_LOOPBACK},
    {"128.0.0.0", ADDRESS_PUBLIC},
    {"9.255.255.255", ADDRESS_PUBLIC},
    {"10.0.0.0", ADDRESS_PRIVATE},
    {"10.255.255.255", ADDRESS_PRIVATE},
    {"11.0.0.0", ADDRESS_PUBLIC},
    {"172.15.255.255", ADDRESS_PUBLIC},
    {"172.16.0.0", ADDRESS_PRIVATE},
    {"172.31.255.255", ADDRESS_PRIVATE},
    {"172.32.0.0", ADDRESS_PUBLIC},
    {"192.167.255.255", ADDRESS_PUBLIC},
    {"192.168.0.0", ADDRESS_PRIVATE},
    {"192.168.255.255", ADDRESS_PRIVATE},
    {"192.169.0.0", ADDRESS_PUBLIC},
    {"100.63.255.255", ADDRESS_PUBLIC},
    {"100.64.0.0", ADDRESS_PRIVATE},
    {"100.100.100.200", ADDRESS_PRIVATE}, /* a cloud's metadata */
    {"100.127.255.255", ADDRESS_PRIVATE},
    {"100.128.0.0", ADDRESS_PUBLIC},
    {"169.253.255.255", ADDRESS_PUBLIC},
    {"169.254.0.0", ADDRESS_LINK_LOCAL},
    {"169.254.169.254", ADDRESS_LINK_LOCAL}, /* clouds' metadata */
    {"169.255.0.0", ADDRESS_PUBLIC},
    {"0.0.0.0", ADDRESS_SPECIAL},
    {"0.255.255.255", ADDRESS_SPECIAL},
    {"1.0.0.0", ADDRESS_PUBLIC},
    {"192.0.0.8", ADDRESS_SPECIAL},
    {"192.0.1.0", ADDRESS_PUBLIC},
    {"192.0.2.1", ADDRESS_SPECIAL},
    {"192.0.3.0", ADDRESS_PUBLIC},
    {"192.88.99.1", ADDRESS_SPECIAL},
    {"198.17.255.255", ADDRESS_PUBLIC},
    {"198.18.0.0", ADDRESS_SPECIAL},
    {"198.19.255.255", ADDRESS_SPECIAL},
    {"198.20.0.0", ADDRESS_PUBLIC},
    {"198.51.100.7", ADDRESS_SPECIAL},
    {"203.0.113.7", ADDRESS_SPECIAL},
    {"223.255.255.255", ADDRESS_PUBLIC},
    {"224.0.0.1", ADDRESS_SPECIAL},
    {"240.0.0.1", ADDRESS_SPECIAL},
    {"255.255.255.255", ADDRESS_SPECIAL},
    {"::", ADDRESS_SPECIAL},
    {"::1", ADDRESS_LOOPBACK},
    {"::2", ADDRESS_SPECIAL},
    {"::127.0.0.1", ADDRESS_SPECIAL}, /* v4-compatible, deprecated */
    {"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
    {"::ffff:10.1.2.3", ADDRESS_PRIVATE},
    {"::ffff:169.254.169.254", ADDRESS_LINK_LOCAL},
    {"::ffff:0.0.0.0", ADDRESS_SPECIAL},
    {"::ffff:8.8.8.8", ADDRESS_PUBLIC},
    {"::ffff:0:127.0.0.1", ADDRESS_SPECIAL}, /* v4-translated */
    {"64:ff9b::7f00:1", ADDRESS_LOOPBACK},
    {"64:ff9b::10.0.0.1", ADDRESS_PRIVATE},
    {"64:ff9b::8.8.8.8", ADDRESS_PUBLIC},
    {"64:ff9b:1::1", ADDRESS_PRIVATE},
    {"64:ff9b:2::1", ADDRESS_SPECIAL},
    {"2002:7f00:1::", ADDRESS_LOOPBACK},
    {"2002:a9fe:a9fe::1", ADDRESS_LINK_LOCAL},
    {"2002:808:808::1", ADDRESS_PUBLIC},
    {"fc00::", ADDRESS_PRIVATE},
    {"fd00:ec2::254", ADDRESS_PRIVATE}, /* a cloud's metadata */
    {"fdff:ffff::1", ADDRESS_PRIVATE},
    {"fe00::1", ADDRESS_SPECIAL},
    {"fe7f::1", ADDRESS_SPECIAL},
    {"fe80::1", ADDRESS_LINK_LOCAL},
    {"febf::1", ADDRESS_LINK_LOCAL},
    {"fec0::1", ADDRESS_PRIVATE},
    {"ff02::1", ADDRESS_SPECIAL},
    {"2001::1", ADDRESS_SPECIAL}, /* Teredo */
    {"2001:1ff::1", ADDRESS_SPECIAL},
    {"2001:200::1", ADDRESS_PUBLIC},
    {"2001:db8::1", ADDRESS_SPECIAL},
    {"2001:db9::1", ADDRESS_PUBLIC},
    {"2606:4700::1111", ADDRESS_PUBLIC},
    {"3fff::1", ADDRESS_SPECIAL},
    {"3fff:1000::1", ADDRESS_PUBLIC},
    {"4000::1", ADDRESS_SPECIAL},
    {"100::1", ADDRESS_SPECIAL},
    {"1fff::1", ADDRESS_SPECIAL},
};

static void every_address_leads_somewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char bytes[16];
        bool is_v4;
        assert_true(address_parse(str_of(rows[i].address), bytes, &is_v4));
        enum address_class const got = address_class(bytes);
        if (got != rows[i].class)
            fail_msg("%s: class %d, not %d", rows[i].address, (int)got, (int)rows[i].class);
        assert_int_equal(is_v4, strchr(rows[i].address, ':') == NULL);
    }
}

static void the_sets_hold_what_they_say(void **state)
{
    (void)state;
    for (int class = 0; class < ADDRESS_CLASS_COUNT; class ++) {
        bool const near =
            class == ADDRESS_LOOPBACK || class == ADDRESS_PRIVATE || class == ADDRESS_LINK_LOCAL;
        assert_int_equal((ADDRESS_INSIDE & ADDRESS_BIT(class)) != 0, near);
        assert_true((ADDRESS_ALL & ADDRESS_BIT(class)) != 0);
    }
}

static void what_is_no_address(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "localhost", "10.0.0",   "127.1",    "0x7f000001",
        "2130706433", "017.0.0.1", "::1%lo",   "[::1]",    "1.2.3.4:80",
        "1.2.3.256",  ":::",       "1.2.3.4 ", " 1.2.3.4", "12345::"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        unsigned char bytes[16];
        bool is_v4;
        if (address_parse(str_of(texts[i]), bytes, &is_v4))
            fail_msg("\"%s\" is an address", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_leads_somewhere),
        cmocka_unit_test(the_sets_hold_what_they_say),
        cmocka_unit_test(what_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
