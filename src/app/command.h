/* command.h - what the commands that talk to the daemon share: where it is, asking it, tables. */
#pragma once
#include "app/cli.h"
#include "codec/json.h"
#include "codec/json_write.h"

enum { DATA_DIR_BYTES = 4096, ANSWER_BYTES_MAX = 64 << 20 };

/* --data, else the data_dir of -c, else $COTA_DATA, else that of ./cota.yaml, else ./cota-data.
 * False: said on stderr. */
bool command_data_dir(const struct invocation *invocation, char out[DATA_DIR_BYTES]);

/* Asks and gathers the answer. EXIT_CODE_OK, or the exit code of what went wrong, said on stderr.
 */
int command_ask(const struct invocation *invocation, const char *method, struct str path,
                struct str body, struct buf *answer);
/* The exit code that stands for an HTTP status. */
int command_exit_code(int status);
/* Says on stderr what a problem+json body means. */
void command_complain(int status, struct str body);
/* The answer of --json: one line. Frees it. */
int command_print(struct buf *answer);

/* A member of a JSON object's text, as text: strings decoded, others raw; "" when absent or null.
 * The view lives in the scratch buffer until it is cleared. */
struct str command_member(const struct json_object *object, const char *name, struct buf *scratch);

/* nano-USD as "12.50" (at least two digits after the point). */
struct str command_usd(struct str nano, char out[32]);

/* --- tables: gathered as rows of cells, printed with aligned columns -------------------------- */
enum { TABLE_COLUMNS_MAX = 16 };
struct table {
    size_t columns, cells;
    size_t widths[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX]; /* numbers */
    struct buf text;               /* cells, each ended by NUL */
    enum err err;
};
/* `heads`: NULL-terminated; a leading ">" aligns the column to the right. */
void table_start(struct table *table, const char *const *heads);
void table_cell(struct table *table, struct str text);
/* Prints and frees. */
int table_end(struct table *table, const struct invocation *invocation);
