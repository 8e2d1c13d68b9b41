/* test_cli.c - one row = one command line and what becomes of it. */
#include "app/cli.h"
#include "app/nearest.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WORDS_MAX = 12, SAID_BYTES = 16384 };

/* Runs the parser with stdout and stderr in files; what was said comes back. */
static bool parse(const char *line, struct invocation *invocation, int *code, char *out, char *err)
{
    static char copy[512];
    char *words[WORDS_MAX];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = copy; *at != '\0' && count < WORDS_MAX;) {
        words[count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ')
            *at++ = '\0';
    }
    FILE *files[2] = {tmpfile(), tmpfile()};
    int const saved[2] = {dup(1), dup(2)};
    fflush(NULL);
    dup2(fileno(files[0]), 1);
    dup2(fileno(files[1]), 2);
    bool const good = cli_parse(count, words, invocation, code);
    fflush(NULL);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    char *const into[2] = {out, err};
    for (int i = 0; i < 2; i++) {
        close(saved[i]);
        rewind(files[i]);
        into[i][fread(into[i], 1, SAID_BYTES - 1, files[i])] = '\0';
        fclose(files[i]);
    }
    return good;
}

static const struct {
    const char *what, *line, *words; /* words: of the command; NULL: refused */
    int code;
    const char *said; /* on stderr; for help a part of stdout */
} lines[] = {
    {"a command", "serve", "serve", 0, ""},
    {"two words", "key create --customer a --name b", "key create", 0, ""},
    {"a value after =", "serve --config=x.yaml", "serve", 0, ""},
    {"a short option with its value", "serve -cx.yaml", "serve", 0, ""},
    {"a short option, then its value", "serve -c x.yaml", "serve", 0, ""},
    {"an operand", "key revoke main --customer a", "key revoke", 0, ""},
    {"an operand like an option", "key revoke --customer a -- --main", "key revoke", 0, ""},
    {"a choice", "usage -o csv", "usage", 0, ""},
    {"an unknown command", "sevre", NULL, 2,
     "cota: unknown command \"sevre\" (did you mean \"serve\"?)\n"},
    {"half a command", "key", NULL, 2, "cota: which one?\n"},
    {"a wrong second word", "key crate", NULL, 2,
     "cota: unknown command \"key crate\" (did you mean \"key create\"?)\n"},
    {"a word that resembles none", "xyzzyplugh", NULL, 2,
     "cota: unknown command \"xyzzyplugh\"; see: cota --help\n"},
    {"an unknown option", "serve --confg x", NULL, 2,
     "cota: serve: unknown option --confg (did you mean --config?)\n"},
    {"an option of another command", "serve --amount 5", NULL, 2,
     "cota: serve: unknown option --amount; see: cota serve --help\n"},
    {"an unknown short option", "serve -x", NULL, 2,
     "cota: serve: unknown option -x; see: cota serve --help\n"},
    {"an option without its value", "serve --config", NULL, 2,
     "cota: serve: --config needs a value: FILE\n"},
    {"a value for an option that takes none", "serve --json=yes", NULL, 2,
     "cota: serve: --json takes no value\n"},
    {"an option twice", "serve --config a -c b", NULL, 2, "cota: serve: --config is there twice\n"},
    {"a value that is no choice", "usage -o yaml", NULL, 2,
     "cota: usage: --output needs one of: table json csv\n"},
    {"an operand too many", "serve now", NULL, 2,
     "cota: serve: unexpected \"now\"; see: cota serve --help\n"},
    {"an operand that is missing", "key revoke --customer a", NULL, 2,
     "cota: key revoke: KEY is missing; see: cota key revoke --help\n"},
    {"help", "--help", NULL, 0, "try: cota demo"},
    {"help of a command", "key create --help", NULL, 0, "usage: cota key create [OPTIONS]"},
    {"help as a command", "help credit grant", NULL, 0, "usage: cota credit grant [OPTIONS]"},
    {"help does not ask for operands", "key revoke -h", NULL, 0, "usage: cota key revoke"},
    {"the version as an option", "--version", "version", 0, ""},
};

static void command_lines_are_understood(void **state)
{
    (void)state;
    static char out[SAID_BYTES], err[SAID_BYTES];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct invocation invocation;
        int code = 0;
        bool const good = parse(lines[i].line, &invocation, &code, out, err);
        if (good != (lines[i].words != NULL) || (!good && code != lines[i].code))
            fail_msg("%s: %d %d %s", lines[i].what, good, code, err);
        if (good && strcmp(invocation.command->words, lines[i].words) != 0)
            fail_msg("%s: %s", lines[i].what, invocation.command->words);
        if (!good && strstr(code == 0 ? out : err, lines[i].said) == NULL)
            fail_msg("%s: %s%s", lines[i].what, out, err);
    }
}

static void values_are_kept(void **state)
{
    (void)state;
    static char out[SAID_BYTES], err[SAID_BYTES];
    struct invocation invocation;
    int code;
    int64_t number;
    assert_true(parse("usage --since 1h --limit 5 --json", &invocation, &code, out, err));
    assert_string_equal(invocation.values[FLAG_since], "1h");
    assert_true(cli_i64(&invocation, FLAG_limit, 9, &number));
    assert_int_equal(number, 5);
    assert_true(cli_i64(&invocation, FLAG_priority, 9, &number));
    assert_int_equal(number, 9);
    assert_true(cli_json(&invocation));
    assert_true(parse("usage -o json", &invocation, &code, out, err));
    assert_true(cli_json(&invocation));
    assert_true(parse("usage -o csv --limit many", &invocation, &code, out, err));
    assert_false(cli_json(&invocation));
    assert_false(cli_i64(&invocation, FLAG_limit, 9, &number));
    assert_true(parse("key revoke --customer a -- --main", &invocation, &code, out, err));
    assert_string_equal(invocation.operand, "--main");
}

/* Each command is in every text that is made from the table. */
static void texts_are_whole(void **state)
{
    (void)state;
    struct buf texts[5];
    for (int i = 0; i < 5; i++)
        buf_init(&texts[i], 1 << 20);
    assert_int_equal(cli_help(&texts[0]), ERR_OK);
    assert_int_equal(cli_man(&texts[1]), ERR_OK);
    assert_int_equal(cli_markdown(&texts[2]), ERR_OK);
    assert_int_equal(cli_completion(STR("bash"), &texts[3]), ERR_OK);
    assert_int_equal(cli_completion(STR("fish"), &texts[4]), ERR_OK);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *command = command_at(i);
        struct buf help;
        buf_init(&help, 1 << 20);
        assert_int_equal(cli_command_help(command, &help), ERR_OK);
        assert_true(str_find(buf_view(&help), STR("examples:\n  cota ")) < help.len);
        buf_free(&help);
        if (strcmp(command->words, "docs") == 0)
            continue; /* for the build, not for people */
        for (int t = 0; t < 5; t++)
            if (str_find(buf_view(&texts[t]), str_of(command->words)) == texts[t].len)
                fail_msg("%s is not in text %d", command->words, t);
    }
    struct buf none;
    buf_init(&none, 64);
    assert_int_equal(cli_completion(STR("tcsh"), &none), ERR_NOT_FOUND);
    for (int i = 0; i < 5; i++)
        buf_free(&texts[i]);
}

static void slips_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *nearest;
    } cases[] = {{"lsiten", "listen"},
                 {"listn", "listen"},
                 {"listenn", "listen"},
                 {"Listen", "listen"},
                 {"workers", "workers"},
                 {"zebra", ""},
                 {"", ""},
                 {"w", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nearest nearest;
        nearest_start(&nearest, str_of(cases[i].wanted));
        nearest_offer(&nearest, STR("listen"));
        nearest_offer(&nearest, STR("workers"));
        if (!str_eq(nearest_get(&nearest), str_of(cases[i].nearest)))
            fail_msg("%s: %.*s", cases[i].wanted, STR_ARG(nearest_get(&nearest)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_are_understood), cmocka_unit_test(values_are_kept),
        cmocka_unit_test(texts_are_whole), cmocka_unit_test(slips_are_recognised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
