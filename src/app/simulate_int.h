/* simulate_int.h - what the files of the simulated provider's server share.
 *
 * Not:   for others; they know simulate.h.
 */
#pragma once
#include "app/simulate.h"
#include "base/buf.h"
#include "base/list.h"
#include "net/stream.h"
#include "sim/plan.h"

/* A certificate made at start, in files of a private directory. */
struct simulate_files {
    char folder[64];
    char ca[96], cert[96], key[96];
};
/* ERR_CONFIG_INVALID with the reason; nothing is left behind then. */
NODISCARD enum err simulate_files_new(enum simulate_certificate kind, struct simulate_files *files,
                                      struct fault *fault);
/* Removes what was written; harmless when nothing was. */
void simulate_files_remove(struct simulate_files *files);

struct simulate_server {
    struct loop *loop;
    struct listener *listener;
    struct tls_context *tls;
    struct simulate_files files;
    struct list connections;
    struct sim_facts facts;
    int served_file;                                      /* -1: none */
    struct buf line;                                      /* of the served file, reused */
    int64_t connections_count, requests, complete, bytes; /* since the start */
};

/* One answer, for the served file. */
struct simulate_record {
    struct str id;
    const struct sim_plan *plan;
    int64_t tokens, bytes;
    bool complete, answered; /* answered: a head was sent */
};
void simulate_server_record(struct simulate_server *server, const struct simulate_record *record);

/* A new connection on an accepted stream. */
void simulate_connection_start(struct simulate_server *server, struct stream *stream);
struct connection;
/* Ends the connection that `link` of server->connections belongs to. */
void simulate_connection_abort(struct list *link);
