/* cli.c - words to an invocation; a mistake gets a suggestion and exit code 2. */
#include "app/cli.h"
#include "app/nearest.h"
#include <stdarg.h>
#include <stdio.h>

static const struct flag flags[] = {
#define FLAG(name, short_name, value, complete, help) {#name, short_name, value, complete, help},
#include "app/commands.def"
#undef FLAG
};

#define B(name) (UINT64_C(1) << FLAG_##name)
#define EVERY   (B(help) | B(no_color))
#define CLIENT  (B(config) | B(data) | B(json))
static const struct command commands[] = {
#define COMMAND(words, run, flags, operand, summary, examples)                                     \
    {words, run, (flags) | EVERY, operand, summary, examples},
#include "app/commands.def"
#undef COMMAND
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0], WORD_BYTES_MAX = 64 };

const struct flag *flag_at(enum flag_id id)
{
    return &flags[id];
}

const struct command *command_at(size_t index)
{
    return index < COMMAND_COUNT ? &commands[index] : NULL;
}

struct str flag_text(enum flag_id id, char out[64])
{
    size_t len = 0;
    for (const char *at = flags[id].name; *at != '\0' && len < WORD_BYTES_MAX; at++)
        out[len++] = *at == '_' ? '-' : *at;
    return str_make(out, len);
}

void cli_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("cota: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* --- commands ------------------------------------------------------------------------------- */
/* How many of the words the command's own words take; 0: another command. */
static int words_taken(const struct command *command, int count, char **words)
{
    struct str rest = str_of(command->words);
    int taken = 0;
    while (rest.len > 0) {
        size_t const end = str_find(rest, STR(" "));
        if (taken == count || !str_eq(str_make(rest.ptr, end), str_of(words[taken])))
            return 0;
        taken++;
        rest = str_skip(rest, end + 1);
    }
    return taken;
}

static bool begins(const struct command *command, const char *word)
{
    struct str const words = str_of(command->words);
    return str_eq(str_make(words.ptr, str_find(words, STR(" "))), str_of(word)) &&
           str_find(words, STR(" ")) < words.len;
}

static void complain_unknown(const char *first, const char *second)
{
    char given[2 * WORD_BYTES_MAX];
    struct nearest nearest;
    snprintf(given, sizeof given, "%s%s%s", first, second ? " " : "", second ? second : "");
    nearest_start(&nearest, str_of(given));
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        nearest_offer(&nearest, str_of(commands[i].words));
    struct str best = nearest_get(&nearest);
    if (best.len == 0 && second != NULL) { /* operands may have hidden it */
        nearest_start(&nearest, str_of(first));
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            nearest_offer(&nearest, str_of(commands[i].words));
        best = nearest_get(&nearest);
    }
    if (best.len > 0)
        cli_complain("unknown command \"%s\" (did you mean \"%.*s\"?)", given, STR_ARG(best));
    else
        cli_complain("unknown command \"%s\"; see: cota --help", given);
}

/* "cota key": the commands that begin so. */
static bool print_group(const char *word)
{
    bool found = false;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (begins(&commands[i], word)) {
            if (!found)
                cli_complain("which one?");
            fprintf(stderr, "  cota %-14s %s\n", commands[i].words, commands[i].summary);
            found = true;
        }
    return found;
}

static const struct command *find_command(int count, char **words, int *taken)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        *taken = words_taken(&commands[i], count, words);
        if (*taken > 0)
            return &commands[i];
    }
    return NULL;
}

/* --- flags ----------------------------------------------------------------------------------- */
static void complain_flag(const struct command *command, struct str given)
{
    struct nearest nearest;
    char texts[FLAG_COUNT][WORD_BYTES_MAX];
    nearest_start(&nearest, given);
    for (int id = 0; id < FLAG_COUNT; id++)
        if (command->flags >> id & 1)
            nearest_offer(&nearest, flag_text((enum flag_id)id, texts[id]));
    struct str const best = nearest_get(&nearest);
    if (best.len > 0)
        cli_complain("%s: unknown option --%.*s (did you mean --%.*s?)", command->words,
                     STR_ARG(given), STR_ARG(best));
    else
        cli_complain("%s: unknown option --%.*s; see: cota %s --help", command->words,
                     STR_ARG(given), command->words);
}

static int find_long(const struct command *command, struct str name)
{
    char text[WORD_BYTES_MAX];
    for (int id = 0; id < FLAG_COUNT; id++)
        if (command->flags >> id & 1 && str_eq(flag_text((enum flag_id)id, text), name))
            return id;
    complain_flag(command, name);
    return -1;
}

static int find_short(const struct command *command, const char *word)
{
    for (int id = 0; id < FLAG_COUNT; id++)
        if (command->flags >> id & 1 && flags[id].short_name != 0 &&
            flags[id].short_name == word[1])
            return id;
    cli_complain("%s: unknown option %s; see: cota %s --help", command->words, word,
                 command->words);
    return -1;
}

/* Is `value` one of the words of the flag's choices (when it has any)? */
static bool is_choice(const struct flag *flag, struct str value)
{
    struct str rest = str_of(flag->complete);
    if (rest.len == 0 || str_eq(rest, STR("file")) || str_eq(rest, STR("dir")))
        return true;
    while (rest.len > 0) {
        size_t const end = str_find(rest, STR(" "));
        if (str_eq(str_make(rest.ptr, end), value))
            return true;
        rest = str_skip(rest, end + 1);
    }
    return false;
}

/* Keeps the value of a flag that needs one: `given` from the same word, else the next word. */
static bool keep_value(struct invocation *invocation, enum flag_id id, const char *given,
                       const char *next)
{
    const struct flag *flag = &flags[id];
    const char *value = given ? given : next;
    char text[WORD_BYTES_MAX];
    if (value != NULL && is_choice(flag, str_of(value))) {
        invocation->values[id] = value;
        return true;
    }
    bool const listed = flag->complete && !is_choice(flag, STR("?"));
    cli_complain("%s: --%.*s needs %s%s", invocation->command->words, STR_ARG(flag_text(id, text)),
                 listed ? "one of: " : "a value: ", listed ? flag->complete : flag->value);
    return false;
}

/* The flag that the word names, or -1; *value is what stands in the same word, or NULL. */
static int name_flag(const struct command *command, const char *word, const char **value)
{
    *value = NULL;
    if (word[1] != '-') {
        if (word[2] != '\0')
            *value = word + 2;
        return find_short(command, word);
    }
    size_t const len = strcspn(word, "=");
    if (word[len] == '=')
        *value = word + len + 1;
    return find_long(command, str_make(word + 2, len - 2));
}

/* Takes the flag at words[*at], and its value from the same word or the next. */
static bool take_flag(struct invocation *invocation, int count, char **words, int *at)
{
    const char *value;
    char text[WORD_BYTES_MAX];
    int const found = name_flag(invocation->command, words[*at], &value);
    if (found < 0)
        return false;
    enum flag_id const id = (enum flag_id)found;
    struct str const name = flag_text(id, text);
    if (invocation->values[id] != NULL) {
        cli_complain("%s: --%.*s is there twice", invocation->command->words, STR_ARG(name));
        return false;
    }
    if (flags[id].value != NULL) {
        bool const from_next = value == NULL && *at + 1 < count;
        *at += from_next;
        return keep_value(invocation, id, value, from_next ? words[*at] : NULL);
    }
    invocation->values[id] = "";
    if (value != NULL)
        cli_complain("%s: --%.*s takes no value", invocation->command->words, STR_ARG(name));
    return value == NULL;
}

static bool take_words(struct invocation *invocation, int count, char **words)
{
    const struct command *command = invocation->command;
    bool only_operands = false;
    for (int at = 0; at < count; at++) {
        const char *word = words[at];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && word[0] == '-' && word[1] != '\0') {
            if (!take_flag(invocation, count, words, &at))
                return false;
        } else if (command->operand[0] == '\0' || invocation->operand != NULL) {
            cli_complain("%s: unexpected \"%s\"; see: cota %s --help", command->words, word,
                         command->words);
            return false;
        } else {
            invocation->operand = word;
        }
    }
    if (command->operand[0] != '\0' && invocation->operand == NULL &&
        !cli_has(invocation, FLAG_help)) {
        cli_complain("%s: %s is missing; see: cota %s --help", command->words, command->operand,
                     command->words);
        return false;
    }
    return true;
}

static int print_help(const struct command *command)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    enum err const err = command ? cli_command_help(command, &out) : cli_help(&out);
    return cli_print(&out, err);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

bool cli_parse(int count, char **words, struct invocation *invocation, int *code)
{
    *invocation = (struct invocation){0};
    if (count > 1 && strcmp(words[0], "help") == 0) { /* "help key create" */
        words++;
        count--;
        int taken;
        const struct command *command = find_command(count, words, &taken);
        if (command != NULL) {
            *code = print_help(command);
            return false;
        }
    }
    if (count == 0 || is_help(words[0])) {
        *code = print_help(NULL);
        return false;
    }
    char version[] = "version";
    if (strcmp(words[0], "--version") == 0)
        words[0] = version;
    int taken = 0;
    *code = EXIT_CODE_USAGE;
    invocation->command = find_command(count, words, &taken);
    if (invocation->command == NULL) {
        bool const alone = count < 2 || words[1][0] == '-';
        if (!(alone && print_group(words[0])))
            complain_unknown(words[0], alone ? NULL : words[1]);
        return false;
    }
    if (!take_words(invocation, count - taken, words + taken))
        return false;
    if (cli_has(invocation, FLAG_help)) {
        *code = print_help(invocation->command);
        return false;
    }
    return true;
}

/* --- values ---------------------------------------------------------------------------------- */
bool cli_json(const struct invocation *invocation)
{
    const char *output = invocation->values[FLAG_output];
    return cli_has(invocation, FLAG_json) || (output != NULL && strcmp(output, "json") == 0);
}

bool cli_i64(const struct invocation *invocation, enum flag_id id, int64_t fallback,
             int64_t *number)
{
    *number = fallback;
    if (!cli_has(invocation, id) || str_to_i64(str_of(invocation->values[id]), number))
        return true;
    char text[WORD_BYTES_MAX];
    cli_complain("%s: --%.*s must be a whole number, not \"%s\"", invocation->command->words,
                 STR_ARG(flag_text(id, text)), invocation->values[id]);
    return false;
}

bool cli_needs(const struct invocation *invocation, enum flag_id id)
{
    if (cli_has(invocation, id) && invocation->values[id][0] != '\0')
        return true;
    char text[WORD_BYTES_MAX];
    cli_complain("%s: --%.*s %s is missing; see: cota %s --help", invocation->command->words,
                 STR_ARG(flag_text(id, text)), flag_at(id)->value, invocation->command->words);
    return false;
}

int cli_print(struct buf *text, enum err err)
{
    if (err != ERR_OK)
        cli_complain("there is not enough memory");
    else if (text->len > 0 && fwrite(text->ptr, 1, text->len, stdout) != text->len)
        err = ERR_INTERNAL;
    if (fflush(stdout) != 0)
        err = ERR_INTERNAL;
    buf_free(text);
    return err == ERR_OK ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}
