/* test_log.c - what outsiders write cannot forge, break or garble a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

static int reader;

static int pipe_open(void **state)
{
    (void)state;
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    reader = ends[0];
    log_to(ends[1]);
    return 0;
}

/* The last line written, as a string. */
static const char *line_read(void)
{
    static char line[8192];
    ssize_t const len = read(reader, line, sizeof line - 1);
    assert_true(len > 0);
    line[len] = '\0';
    assert_int_equal(line[len - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + len - 1); /* one event, one line */
    return line;
}

static void text_is_kept_or_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *logged;
    } cases[] = {
        {"plain text stays", "acme (1/2)", "acme (1/2)"},
        {"a Portuguese name stays", "Jos\xc3\xa9 Concei\xc3\xa7\xc3\xa3o",
         "Jos\xc3\xa9 Concei\xc3\xa7\xc3\xa3o"},
        {"three and four bytes stay", "\xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd",
         "\xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd"},
        {"the first character after C1 stays", "\xc2\xa0", "\xc2\xa0"},
        {"neighbours of U+2028 stay", "\xe2\x80\xa7\xe2\x80\xaa", "\xe2\x80\xa7\xe2\x80\xaa"},
        {"the last code point stays", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"a quote and a backslash", "a\"b\\c", "a\\u0022b\\u005cc"},
        {"a line end and a tab", "a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"},
        {"ESC and DEL", "\x1b[31m\x7f", "\\u001b[31m\\u007f"},
        {"C1 controls: NEL and CSI", "\xc2\x85\xc2\x9b", "\\u0085\\u009b"},
        {"line and paragraph separator", "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
        {"a lone tail byte", "a\x80z", "a\\u0080z"},
        {"a cut character at the end", "a\xe2\x82", "a\\u00e2\\u0082"},
        {"a cut character inside", "\xc3z", "\\u00c3z"},
        {"overlong forms", "\xc0\xaf\xe0\x80\xaf", "\\u00c0\\u00af\\u00e0\\u0080\\u00af"},
        {"an overlong NUL in four bytes", "\xf0\x80\x80\x80", "\\u00f0\\u0080\\u0080\\u0080"},
        {"a surrogate", "\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},
        {"above U+10FFFF", "\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"},
        {"bytes that never occur", "\xf5\xff", "\\u00f5\\u00ff"},
        {"nothing", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        LOG(started, field_text("t", cases[i].text), field_int("n", -5));
        snprintf(expected, sizeof expected, ",\"event\":\"started\",\"t\":\"%s\",\"n\":-5}\n",
                 cases[i].logged);
        if (!strstr(line_read(), expected))
            fail_msg("%s", cases[i].name);
    }
}

static void a_nul_inside_is_escaped(void **state)
{
    (void)state;
    LOG(started, field_str("t", str_make("a\0b", 3)));
    assert_non_null(strstr(line_read(), "\"t\":\"a\\u0000b\"}"));
    LOG(started, field_str("t", (struct str){0}), field_text("u", NULL));
    assert_non_null(strstr(line_read(), "\"t\":\"\",\"u\":\"\"}"));
}

/* A line of any length ends as JSON does, with no half escape or character. */
static void long_text_is_cut_cleanly(void **state)
{
    (void)state;
    static char text[5000];
    static const char *const units[] = {"x", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80"};
    for (size_t unit = 0; unit < 4; unit++) {
        size_t const size = strlen(units[unit]);
        for (size_t len = 0; len + size < sizeof text; len += size)
            memcpy(text + len, units[unit], size);
        for (size_t shift = 0; shift < 12; shift++) {
            LOG(started, field_str("s", str_make("aaaaaaaaaaaa", shift)),
                field_str("t", str_make(text, 4800)), field_int("left_out", 1));
            const char *const line = line_read();
            size_t const len = strlen(line);
            assert_in_range(len, 4096 - 16, 4096);
            assert_string_equal(line + len - 3, "\"}\n");
            assert_null(strstr(line, "left_out"));
            const char *last = unit == 1 ? "\\u000a\"}\n" : units[unit];
            size_t const at = unit == 1 ? len - 9 : len - 3 - size;
            assert_memory_equal(line + at, last, unit == 1 ? 9 : size);
        }
    }
}

static void a_field_without_room_is_left_out_whole(void **state)
{
    (void)state;
    static char text[4096];
    memset(text, 'x', sizeof text);
    for (size_t len = 3900; len < 4060; len++) {
        LOG(started, field_str("t", str_make(text, len)), field_int("number", 1234567890),
            field_text("text", "abcdef"));
        const char *line = line_read();
        size_t const end = strlen(line);
        assert_true(end <= 4096);
        const char *const number = strstr(line, ",\"number\":");
        if (number)
            assert_memory_equal(number, ",\"number\":1234567890", 20);
        assert_int_equal(line[end - 2], '}');
        assert_true(line[end - 3] == '"' || line[end - 3] == '0');
        int quotes = 0;
        for (const char *at = line; *at; at++)
            quotes += *at == '"';
        assert_int_equal(quotes % 2, 0);
    }
}

static void a_level_drops_what_is_below(void **state)
{
    (void)state;
    log_level_set(LOG_ERROR);
    assert_false(log_enabled(EVENT_started));
    assert_true(log_enabled(EVENT_internal_error));
    LOG(started, field_int("n", 1));
    LOG(internal_error, field_int("n", 2));
    assert_non_null(
        strstr(line_read(), "\"level\":\"ERROR\",\"event\":\"internal_error\",\"n\":2}"));
    log_level_set(LOG_INFO);
}

static void every_event_is_described(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        const char *name, *level, *help;
        log_event_describe((enum event)event, &name, &level, &help);
        assert_true(strlen(name) > 0 && strlen(help) > 0);
        assert_non_null(strstr("DEBUG INFO WARN ERROR", level));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_kept_or_escaped),
        cmocka_unit_test(a_nul_inside_is_escaped),
        cmocka_unit_test(long_text_is_cut_cleanly),
        cmocka_unit_test(a_field_without_room_is_left_out_whole),
        cmocka_unit_test(a_level_drops_what_is_below),
        cmocka_unit_test(every_event_is_described),
    };
    return cmocka_run_group_tests(tests, pipe_open, NULL);
}
