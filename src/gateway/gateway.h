/* gateway.h - the data plane: an HTTP exchange in, a metered call out.
 *
 * What:  one struct gateway per process (options, catalogue, counters), one gateway_worker per
 * loop. The app hands exchanges whose path gateway_owns to gateway_handle.
 */
#pragma once
#include "book/manage.h"
#include "book/project.h"
#include "gateway/catalog.h"
#include "gateway/verifier.h"
#include "govern/govern.h"
#include "http/server.h"

struct gateway;
struct gateway_worker;

struct gateway_options {
    struct book *book;
    struct govern *govern;     /* who may call what; NULL: nobody is governed */
    struct own_keys *own_keys; /* provider keys of customers' own; NULL: there are none */
    struct journal *journal;
    struct store *store;         /* read only: usage of one's own, stored answers */
    struct projector *projector; /* flushed before usage is shown */
    struct clock *clock;
    bool strict;               /* durability: strict */
    int64_t body_bytes_max;    /* 0: BODY_BYTES_MAX */
    int64_t admission_wait_ms; /* how long a call waits when only holds are in its way */
    int64_t output_min;        /* smallest output cap that credit may shrink a call to */
};

/* NULL: no memory. */
struct gateway *gateway_new(const struct gateway_options *options);
void gateway_free(struct gateway *gateway); /* after all workers, and after journal_close */
/* Takes over the caller's reference; running calls keep theirs. Any thread. */
void gateway_catalog_swap(struct gateway *gateway, struct catalog *catalog);
/* A new reference (catalog_unref), or NULL before the first swap. Any thread. */
struct catalog *gateway_catalog(struct gateway *gateway);

/* Takes over the caller's reference; NULL: JWTs are not accepted. From the next request of every
 * worker on. Any thread. */
void gateway_verifier_swap(struct gateway *gateway, struct verifier *verifier);

struct gateway_worker *gateway_worker_new(struct gateway *gateway, struct loop *loop);
/* True for the paths of the data plane ("/v1/…"). */
bool gateway_owns(struct str path);
size_t gateway_body_bytes_max(const struct gateway *gateway, const struct http_head *head);
/* Refuses what has no route before its body is uploaded (http_app.on_head). */
NODISCARD enum err gateway_check_head(const struct http_head *head, struct fault *fault);
void gateway_handle(struct gateway_worker *worker, struct http_exchange *exchange);
/* The OpenAI error envelope, for refusals that the HTTP server makes itself. */
void gateway_refuse(struct arena *arena, const struct fault *fault, struct str *content_type,
                    struct str *body);
/* Running calls, abandoned ones that are still drained included. */
size_t gateway_worker_calls(const struct gateway_worker *worker);
/* Ends every running call: streams get an error event; everything is settled. */
void gateway_worker_abort(struct gateway_worker *worker);
/* MUST have no running calls. */
void gateway_worker_free(struct gateway_worker *worker);

enum { GATEWAY_STAGES_MAX = 8 };
struct gateway_figures {
    int64_t requests, refused, failed, client_gone, streams_live, calls_live, replays;
    int64_t upstream_calls, upstream_connects, upstream_reuses, upstream_failures;
    int64_t stage_ns[GATEWAY_STAGES_MAX],
        sampled; /* spent in each stage by the calls that were measured */
};
size_t gateway_stage_count(void);
const char *gateway_stage_name(size_t stage); /* "AUTH" … */
/* Sums over all workers; any thread. */
void gateway_figures(struct gateway *gateway, struct gateway_figures *figures);
