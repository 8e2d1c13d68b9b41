/* admin.h - the management API: what an operator reads and changes at run time.
 *
 * What:  openapi.yaml over HTTP: on the Unix socket for whoever may open it, on TCP with the admin
 *        token, or with a customer's own key for what has the scope `self`. Handlers block (disk,
 *        database), so they run on libuv's thread pool, never on a loop.
 * Not:   serving (http/), the rules (book/), the configuration file (app hands in functions).
 * Errors: RFC 9457 problem+json with the codes of base/err.def.
 */
#pragma once
#include "base/secret.h"
#include "book/manage.h"
#include "book/object.h"
#include "book/project.h"
#include "codec/json_write.h"
#include "govern/govern.h"
#include "govern/own_key.h"
#include "http/server.h"

struct admin;

struct admin_model {
    struct str name, provider;
};
typedef bool admin_model_visit(void *owner, const struct admin_model *model); /* false: stop */

struct admin_options {
    struct book *book;
    struct store *store; /* read only */
    struct projector *projector;
    struct govern *govern;
    struct own_keys *own_keys; /* of documents AI_CONFIG */
    struct clock *clock;
    struct secret token; /* of calls over TCP */
    bool tls;            /* cookies are for HTTPS only */
    /* The daemon's part; both run on the thread pool. */
    void *owner;
    enum err (*reload)(void *owner, struct fault *fault);
    void (*changed)(void *owner, enum object_kind kind);     /* a document was written or deleted */
    void (*status)(void *owner, struct json_writer *writer); /* members of an open object */
    /* All that can be called now, in the order of the catalogue. */
    void (*models)(void *owner, admin_model_visit *visit, void *visitor);
};

/* NULL: no memory. */
struct admin *admin_new(const struct admin_options *options);
bool admin_owns(struct str path); /* "/api/…": v1 and the addresses of the five source systems */
/* On the exchange's loop; leads to a reply. */
void admin_handle(struct admin *admin, struct http_exchange *exchange);
/* What the server refuses by itself, as the API says errors; written into the arena. */
void admin_refuse(struct arena *arena, const struct fault *fault, struct str *content_type,
                  struct str *body);
/* Calls that run on the pool right now; any thread. */
size_t admin_running(const struct admin *admin);
int64_t admin_refused(const struct admin *admin); /* bad tokens so far */
/* The one-time token (at least 64 bytes of room, NUL-terminated) with which the first owner is made
 * within 30 minutes; the one before is void. False: there are operators. */
bool admin_setup_token(struct admin *admin, char *token, size_t room);
/* The first owner, without a link; nothing when there are operators. Blocks for 0.1 s. */
NODISCARD enum err admin_owner_make(struct admin *admin, struct str email, struct str password,
                                    struct fault *fault);
/* Listeners of events: told that time goes on, every 100 ms or so; ended, each on its loop. */
void admin_events_beat(struct admin *admin);
void admin_events_stop(struct admin *admin);
/* The thread of long work (jobs.h); after recovery, before the first request. */
NODISCARD enum err admin_jobs_start(struct admin *admin, struct fault *fault);
void admin_jobs_stop(struct admin *admin); /* NULL, twice: nothing */
void admin_free(struct admin *admin);      /* MUST have no running calls, and no jobs */
