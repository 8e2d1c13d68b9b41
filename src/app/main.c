/* main.c - the way in: one command line, one command. */
#include "app/cli.h"
#include <signal.h>
#include <sodium.h>
#include <stdio.h>

int main(int count, char **words)
{
    struct invocation invocation;
    int code = EXIT_CODE_OK;
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of write, not our end */
    if (sodium_init() < 0) {
        fputs("cota: libsodium does not start\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    if (count < 2) {
        struct buf help;
        buf_init(&help, 1 << 20);
        return cli_print(&help, cli_help(&help));
    }
    if (!cli_parse(count - 1, words + 1, &invocation, &code))
        return code;
    return invocation.command->run(&invocation);
}
