/* cli.h - the command line as a table: parsing, help, completions and the manual come from it.
 *
 * What:  flags and commands of commands.def, and one parsed invocation.
 * Not:   what commands do (command_*.c).
 */
#pragma once
#include "base/buf.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILURE = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_NOT_FOUND = 3,
    EXIT_CODE_CONFLICT = 4,
    EXIT_CODE_AUTH = 5,
    EXIT_CODE_UNAVAILABLE = 6,
};

enum flag_id {
#define FLAG(name, short_name, value, complete, help) FLAG_##name,
#include "app/commands.def"
#undef FLAG
    FLAG_COUNT,
};
_Static_assert(FLAG_COUNT <= 64, "the flags of a command are a 64-bit mask");

struct flag {
    const char *name; /* with "_" for "-" */
    char short_name;  /* 0: none */
    const char *value, *complete, *help;
};

struct invocation;
struct command {
    const char *words; /* "key create" */
    int (*run)(const struct invocation *invocation);
    uint64_t flags; /* 1 << enum flag_id */
    const char *operand, *summary, *examples;
};

struct invocation {
    const struct command *command;
    const char *values[FLAG_COUNT]; /* NULL: not given; "" for flags without a value */
    const char *operand;            /* NULL unless the command takes one */
};

const struct flag *flag_at(enum flag_id id);
/* NULL past the end. */
const struct command *command_at(size_t index);
/* "requests-per-minute"; returns a view of `out`. */
struct str flag_text(enum flag_id id, char out[64]);

/* Parses; on a mistake says so on stderr with a suggestion. *code is the exit code when the answer
 * is false: nothing is to be run (help was printed, or the mistake). */
bool cli_parse(int count, char **words, struct invocation *invocation, int *code);
static inline bool cli_has(const struct invocation *invocation, enum flag_id id)
{
    return invocation->values[id] != NULL;
}
/* --json or -o json. */
bool cli_json(const struct invocation *invocation);
/* The value as a whole number; absent: `fallback`. False: said on stderr. */
bool cli_i64(const struct invocation *invocation, enum flag_id id, int64_t fallback,
             int64_t *number);
/* False when a flag that must be there is not: said on stderr. */
bool cli_needs(const struct invocation *invocation, enum flag_id id);
/* "cota: …" on stderr. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Texts made from the table. */
NODISCARD enum err cli_help(struct buf *out); /* all commands */
NODISCARD enum err cli_command_help(const struct command *command, struct buf *out);
NODISCARD enum err cli_completion(struct str shell, struct buf *out); /* ERR_NOT_FOUND: no such */
NODISCARD enum err cli_man(struct buf *out);
NODISCARD enum err cli_markdown(struct buf *out);
/* Writes it all to stdout; EXIT_CODE_FAILURE when that fails. Frees the buffer. */
int cli_print(struct buf *text, enum err err);

#define COMMAND(words, run, flags, operand, summary, examples)                                     \
    int run(const struct invocation *invocation);
#include "app/commands.def"
#undef COMMAND
