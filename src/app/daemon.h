/* daemon.h - the whole gateway as one call: from the data directory to the last flushed record.
 *
 * What:  opens everything in order, serves until TERM or INT, drains, closes in reverse order.
 * Not:   the command line (serve.c, demo.c); parsing of the file (config.h).
 */
#pragma once
#include "app/config.h"

struct daemon_options {
    const struct config *config;
    const char *config_file; /* read again on HUP; NULL: there is none */
    const char *data_dir;    /* instead of the file's; NULL: the file's */
    /* Called once, when calls are answered: url as http://127.0.0.1:8787; setup_token: with which
     * the first owner is made, empty when there is one. */
    void (*on_ready)(void *owner, const char *url, struct str admin_token, struct str setup_token);
    void *owner;
};

/* The exit code; what went wrong is said on stderr. */
int daemon_run(const struct daemon_options *options);
/* Could a server listen on "address:port" right now? Another one with the same port would share it
 * silently otherwise (SO_REUSEPORT). */
bool daemon_port_free(struct str address);
