/* cli_text.c - what the command table says to people and shells: help, completions, man, Markdown.
 */
#include "app/cli.h"
#include <stdarg.h>
#include <stdio.h>

/* Appends; after the first error nothing more happens. */
struct text {
    struct buf *out;
    enum err err;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    int const len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (text->err == ERR_OK)
        text->err = len < (int)sizeof line ? buf_add(text->out, str_make(line, (size_t)len))
                                           : ERR_TOO_LARGE;
}

/* The next line of `lines`, taken off its front; false at the end. */
static bool next_line(struct str *lines, struct str *line)
{
    if (lines->len == 0)
        return false;
    size_t const end = str_find(*lines, STR("\n"));
    *line = str_make(lines->ptr, end);
    *lines = str_skip(*lines, end + 1);
    return true;
}

/* The next word of "a b c", taken off its front; false at the end. */
static bool next_word(struct str *words, struct str *word)
{
    if (words->len == 0)
        return false;
    size_t const end = str_find(*words, STR(" "));
    *word = str_make(words->ptr, end);
    *words = str_skip(*words, end + 1);
    return true;
}

static bool has(const struct command *command, int id)
{
    return command->flags >> id & 1;
}

static bool is_hidden(const struct command *command)
{
    return strcmp(command->words, "docs") == 0; /* for the build, not for people */
}

/* Walks what people shall see. */
static const struct command *next_command(size_t *at)
{
    const struct command *command = command_at((*at)++);
    return command && is_hidden(command) ? command_at((*at)++) : command;
}

enum err cli_help(struct buf *out)
{
    struct text text = {.out = out};
    size_t at = 0;
    put(&text, "cota - an AI gateway that meters, limits and accounts for every call\n\n"
               "usage: cota COMMAND [OPTIONS]\n\n");
    for (const struct command *it; (it = next_command(&at)) != NULL;)
        put(&text, "  %-14s %s\n", it->words, it->summary);
    put(&text, "\n  cota COMMAND --help explains one of them.\n  try: cota demo\n");
    return text.err;
}

static void put_flag(struct text *text, int id)
{
    const struct flag *flag = flag_at((enum flag_id)id);
    char name[64], left[128];
    struct str const option = flag_text((enum flag_id)id, name);
    char const short_name = flag->short_name ? flag->short_name : ' ';
    snprintf(left, sizeof left, "%c%c%c --%.*s%s%s", flag->short_name ? '-' : ' ', short_name,
             flag->short_name ? ',' : ' ', STR_ARG(option), flag->value ? " " : "",
             flag->value ? flag->value : "");
    put(text, "  %-32s %s\n", left, flag->help);
}

enum err cli_command_help(const struct command *command, struct buf *out)
{
    struct text text = {.out = out};
    put(&text, "cota %s - %s\n\nusage: cota %s [OPTIONS]%s%s\n\noptions:\n", command->words,
        command->summary, command->words, command->operand[0] ? " " : "", command->operand);
    for (int id = 0; id < FLAG_COUNT; id++)
        if (has(command, id))
            put_flag(&text, id);
    put(&text, "\nexamples:\n");
    struct str lines = str_of(command->examples), line;
    while (next_line(&lines, &line))
        put(&text, "  cota %.*s\n", STR_ARG(line));
    return text.err;
}

/* --- completions ------------------------------------------------------------------------------ */
static void put_options(struct text *text, const struct command *command)
{
    char name[64];
    for (int id = 0; id < FLAG_COUNT; id++)
        if (has(command, id))
            put(text, " --%.*s", STR_ARG(flag_text((enum flag_id)id, name)));
}

static void put_bash_values(struct text *text)
{
    char name[64];
    for (int id = 0; id < FLAG_COUNT; id++) {
        const struct flag *flag = flag_at((enum flag_id)id);
        if (flag->complete == NULL)
            continue;
        put(text, "    --%.*s", STR_ARG(flag_text((enum flag_id)id, name)));
        if (flag->short_name)
            put(text, "|-%c", flag->short_name);
        if (strcmp(flag->complete, "file") == 0)
            put(text, ") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n");
        else if (strcmp(flag->complete, "dir") == 0)
            put(text, ") COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n");
        else
            put(text, ") COMPREPLY=($(compgen -W \"%s\" -- \"$word\")); return ;;\n",
                flag->complete);
    }
}

static void put_bash(struct text *text)
{
    size_t at = 0;
    put(text, "# bash completion for cota\n_cota() {\n"
              "  local word=\"${COMP_WORDS[COMP_CWORD]}\" last=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
              "  local line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n  case \"$last\" in\n");
    put_bash_values(text);
    put(text, "  esac\n  case \"$line \" in\n");
    for (const struct command *it; (it = next_command(&at)) != NULL;) {
        put(text, "    \"%s \"*) COMPREPLY=($(compgen -W \"", it->words);
        put_options(text, it);
        put(text, "%s\" -- \"$word\")) ;;\n",
            strcmp(it->words, "completion") == 0 ? " bash zsh fish" : "");
    }
    put(text, "    \"key \"*) COMPREPLY=($(compgen -W \"create list revoke\" -- \"$word\")) ;;\n"
              "    \"credit \"*) COMPREPLY=($(compgen -W \"grant show\" -- \"$word\")) ;;\n"
              "    *) COMPREPLY=($(compgen -W \"");
    at = 0;
    struct str last = {0};
    for (const struct command *it; (it = next_command(&at)) != NULL;) {
        struct str words = str_of(it->words), word = {0};
        if (next_word(&words, &word) && !str_eq(word, last))
            put(text, " %.*s", STR_ARG(word));
        last = word;
    }
    put(text, " help\" -- \"$word\")) ;;\n  esac\n}\ncomplete -F _cota cota\n");
}

/* zsh runs the bash completion through its own compatibility layer. */
static void put_zsh(struct text *text)
{
    put(text, "#compdef cota\nautoload -Uz bashcompinit && bashcompinit\n");
    put_bash(text);
}

static void put_fish_flag(struct text *text, const struct command *command, int id)
{
    const struct flag *flag = flag_at((enum flag_id)id);
    char name[64];
    put(text, "complete -c cota -n '__fish_cota_is \"%s\"' -l %.*s", command->words,
        STR_ARG(flag_text((enum flag_id)id, name)));
    if (flag->short_name)
        put(text, " -s %c", flag->short_name);
    if (flag->value && flag->complete && strcmp(flag->complete, "file") == 0)
        put(text, " -r -F");
    else if (flag->value && flag->complete && strcmp(flag->complete, "dir") == 0)
        put(text, " -x -a '(__fish_complete_directories)'");
    else if (flag->value)
        put(text, " -x%s%s%s", flag->complete ? " -a '" : "", flag->complete ? flag->complete : "",
            flag->complete ? "'" : "");
    put(text, " -d \"%s\"\n", flag->help);
}

static void put_fish(struct text *text)
{
    size_t at = 0;
    put(text, "# fish completion for cota\ncomplete -c cota -f\n"
              "function __fish_cota_is\n"
              "  set -l words (commandline -opc)\n"
              "  string match -q -- \"$argv[1] *\" (string join ' ' -- $words[2..-1])' '\nend\n"
              "function __fish_cota_at\n"
              "  set -l words (commandline -opc)\n"
              "  test (string join ' ' -- $words[2..-1]) = \"$argv[1]\"\nend\n");
    for (const struct command *it; (it = next_command(&at)) != NULL;) {
        struct str const words = str_of(it->words);
        size_t const space = str_find(words, STR(" "));
        bool const two = space < words.len;
        struct str const parent = two ? str_make(words.ptr, space) : STR("");
        struct str const own = two ? str_skip(words, space + 1) : words;
        if (two)
            put(text, "complete -c cota -n '__fish_cota_at \"\"' -a %.*s\n", STR_ARG(parent));
        put(text, "complete -c cota -n '__fish_cota_at \"%.*s\"' -a %.*s -d \"%s\"\n",
            STR_ARG(parent), STR_ARG(own), it->summary);
        for (int id = 0; id < FLAG_COUNT; id++)
            if (has(it, id))
                put_fish_flag(text, it, id);
    }
    put(text, "complete -c cota -n '__fish_cota_at completion' -a 'bash zsh fish'\n");
}

enum err cli_completion(struct str shell, struct buf *out)
{
    struct text text = {.out = out};
    if (str_eq(shell, STR("bash")))
        put_bash(&text);
    else if (str_eq(shell, STR("zsh")))
        put_zsh(&text);
    else if (str_eq(shell, STR("fish")))
        put_fish(&text);
    else
        return ERR_NOT_FOUND;
    return text.err;
}

/* --- manual and reference -------------------------------------------------------------------- */
/* Text for troff: a leading point or quote and every dash and backslash are protected. */
static void put_troff(struct text *text, struct str plain)
{
    if (plain.len > 0 && (plain.ptr[0] == '.' || plain.ptr[0] == '\''))
        put(text, "\\&");
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.ptr[i] == '-' || plain.ptr[i] == '\\')
            put(text, "\\");
        put(text, "%c", plain.ptr[i]);
    }
}

static void put_man_command(struct text *text, const struct command *command)
{
    char name[64];
    put(text, ".SS \"cota %s%s%s\"\n", command->words, command->operand[0] ? " " : "",
        command->operand);
    put_troff(text, str_of(command->summary));
    put(text, ".\n");
    for (int id = 0; id < FLAG_COUNT; id++) {
        const struct flag *flag = flag_at((enum flag_id)id);
        if (!has(command, id) || id == FLAG_help || id == FLAG_no_color)
            continue;
        put(text, ".TP\n.B \\-\\-");
        put_troff(text, flag_text((enum flag_id)id, name));
        put(text, "%s%s\n", flag->value ? " " : "", flag->value ? flag->value : "");
        put_troff(text, str_of(flag->help));
        put(text, "\n");
    }
    struct str lines = str_of(command->examples), line;
    put(text, ".PP\nExamples:\n.nf\n");
    while (next_line(&lines, &line)) {
        put(text, "    cota ");
        put_troff(text, line);
        put(text, "\n");
    }
    put(text, ".fi\n");
}

static const char exit_codes[][64] = {"0  done",
                                      "1  it failed",
                                      "2  the command line is not valid",
                                      "3  there is no such thing",
                                      "4  it exists already, or belongs to the file",
                                      "5  the credential was refused",
                                      "6  no daemon answers"};
enum { EXIT_CODE_COUNT = sizeof exit_codes / sizeof exit_codes[0] };

enum err cli_man(struct buf *out)
{
    struct text text = {.out = out};
    size_t at = 0;
    put(&text, ".TH COTA 1 \"\" \"cota " COTA_VERSION "\"\n.SH NAME\ncota \\- an AI gateway that "
               "meters, limits and accounts for every call\n.SH SYNOPSIS\n.B cota\nCOMMAND "
               "[OPTIONS]\n.SH COMMANDS\n");
    for (const struct command *it; (it = next_command(&at)) != NULL;)
        put_man_command(&text, it);
    put(&text, ".SH EXIT STATUS\n.nf\n");
    for (size_t i = 0; i < EXIT_CODE_COUNT; i++)
        put(&text, "%s\n", exit_codes[i]);
    put(&text, ".fi\n.SH ENVIRONMENT\n.TP\n.B COTA_DATA\nthe data directory\n.TP\n.B NO_COLOR\n"
               "no colours\n.SH SIGNALS\nTERM and INT end running calls and stop, a second one "
               "stops at once; HUP reads the configuration again.\n");
    return text.err;
}

enum err cli_markdown(struct buf *out)
{
    struct text text = {.out = out};
    char name[64];
    size_t at = 0;
    put(&text, "# Command line\n\nMade by `cota docs` from src/app/commands.def; do not edit.\n\n"
               "stdout is data, stderr is messages. Every command has `--help`.\n\n");
    for (const struct command *it; (it = next_command(&at)) != NULL;) {
        put(&text, "## cota %s%s%s\n\n%s.\n\n| option | what |\n| --- | --- |\n", it->words,
            it->operand[0] ? " " : "", it->operand, it->summary);
        for (int id = 0; id < FLAG_COUNT; id++) {
            const struct flag *flag = flag_at((enum flag_id)id);
            if (has(it, id))
                put(&text, "| `--%.*s%s%s` | %s |\n", STR_ARG(flag_text((enum flag_id)id, name)),
                    flag->value ? " " : "", flag->value ? flag->value : "", flag->help);
        }
        struct str lines = str_of(it->examples), line;
        put(&text, "\n```\n");
        while (next_line(&lines, &line))
            put(&text, "cota %.*s\n", STR_ARG(line));
        put(&text, "```\n\n");
    }
    put(&text, "## Exit codes\n\n");
    for (size_t i = 0; i < EXIT_CODE_COUNT; i++)
        put(&text, "- %s\n", exit_codes[i]);
    return text.err;
}
