/* simulate.h - `cota simulate`: the simulated provider as a real HTTP(S) server.
 *
 * What:  POST …/chat/completions and …/embeddings, GET …/models, with every fault of sim/faults.def
 * on the wire; a line per served request, so that a ledger can be reconciled against it. Not:   for
 * production traffic; no keys are checked.
 */
#pragma once
#include "base/err.h"
#include "net/loop.h"

enum simulate_certificate {
    SIMULATE_CERTIFICATE_NONE, /* plain HTTP, or the files given */
    SIMULATE_CERTIFICATE_GOOD, /* made at start, signed by an own authority */
    SIMULATE_CERTIFICATE_EXPIRED,
    SIMULATE_CERTIFICATE_WRONG_HOST,
    SIMULATE_CERTIFICATE_SELF_SIGNED,
};
/* "good", "expired", "wrong-host", "self-signed"; false: no such name. */
bool simulate_certificate_named(struct str name, enum simulate_certificate *certificate);

struct simulate_options {
    struct str listen;      /* "127.0.0.1:9001"; port 0: any */
    struct str served_file; /* empty: none */
    struct str tls_cert_file, tls_key_file;
    enum simulate_certificate certificate;
    uint64_t seed;
    int64_t latency_ms;        /* -1: the models' own */
    int64_t tokens_per_second; /* -1: the models' own; 0: no pause */
    bool json;                 /* the line on stdout when ready */
};
void simulate_options_init(struct simulate_options *options);

/* Runs until SIGTERM or SIGINT. The exit code; errors are written to stderr. */
int simulate_run(const struct simulate_options *options);

/* --- the parts of it, for tests and for whoever has a loop already ---------------------------- */
struct simulate_server;

/* `options` and its texts are copied where they are needed later. */
NODISCARD enum err simulate_server_new(struct loop *loop, const struct simulate_options *options,
                                       struct simulate_server **server, struct fault *fault);
int simulate_server_port(const struct simulate_server *server);
/* Of the authority that signed a certificate made at start; empty otherwise. */
struct str simulate_server_ca_file(const struct simulate_server *server);
/* Stops listening and closes every connection; on the loop's thread. */
void simulate_server_close(struct simulate_server *server);
/* After simulate_server_close, when loop_run has returned. NULL is allowed. */
void simulate_server_free(struct simulate_server *server);
