/* test_language.c - which language a client reads best. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/language.h"
#include <cmocka.h>

static void the_better_of_two_wins(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum language language;
    } rows[] = {
        {"", LANGUAGE_EN},
        {"pt-BR", LANGUAGE_PT},
        {"PT", LANGUAGE_PT},
        {"pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", LANGUAGE_PT},
        {"en-US,en;q=0.9,pt;q=0.8", LANGUAGE_EN},
        {"fr, pt;q=0.5, en;q=0.4", LANGUAGE_PT},
        {"en;q=0.1, pt;q=0.11", LANGUAGE_PT},
        {"pt;q=0, en;q=0.1", LANGUAGE_EN},
        {"pt;q=1.000 , en", LANGUAGE_PT},
        {"*", LANGUAGE_EN},
        {"ptx", LANGUAGE_EN},
        {"pt;q=2", LANGUAGE_EN},
        {"pt;q=abc", LANGUAGE_EN},
        {",,;;,pt", LANGUAGE_PT},
        {"de", LANGUAGE_EN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (language_of(str_of(rows[i].header)) != rows[i].language)
            fail_msg("%s", rows[i].header);
    assert_string_equal(language_tag(LANGUAGE_PT), "pt-BR");
    assert_string_equal(language_tag(LANGUAGE_EN), "en");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_better_of_two_wins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
