/* command_apply.c - cota apply: documents from files into a running daemon. */
#include "app/apply_report.h"

int command_apply(const struct invocation *invocation)
{
    struct apply_said const said = {.dry_run = cli_has(invocation, FLAG_dry_run),
                                    .diff = cli_has(invocation, FLAG_diff),
                                    .json = cli_json(invocation)};
    if (!cli_needs(invocation, FLAG_file))
        return EXIT_CODE_USAGE;
    struct documents *documents = documents_new();
    const char *path = invocation->values[FLAG_file];
    enum err const err = documents != NULL ? documents_load(documents, path) : ERR_NO_MEMORY;
    if (err == ERR_OK && documents->problems.count == 0)
        return documents_apply(invocation, documents, &said, cli_has(invocation, FLAG_prune));
    int code = err == ERR_NOT_FOUND ? EXIT_CODE_NOT_FOUND : EXIT_CODE_FAILURE;
    if (err == ERR_NOT_FOUND)
        cli_complain("apply: there is no file or directory \"%s\"", path);
    else if (err != ERR_OK)
        cli_complain("apply: there is not enough memory");
    else
        code = problems_report(&documents->problems, said.json);
    documents_free(documents);
    return code;
}
