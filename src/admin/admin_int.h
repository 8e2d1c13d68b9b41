/* admin_int.h - one running management call; shared by admin.c and the handlers. */
#pragma once
#include "admin/admin.h"
#include "admin/api_table.h"
#include "codec/json.h"

enum { ADMIN_ANSWER_BYTES_MAX = 64 << 20, ADMIN_PAGE_ROWS = 500, ADMIN_TEXT_BYTES_MAX = 256 };

struct admin_call {
    struct admin *admin;
    struct http_exchange *exchange;
    struct arena *arena; /* the call's own: it may outlive the client */
    const struct api_operation *operation;
    struct str query, body;                     /* copies */
    struct str params[API_PATH_PARAMETERS_MAX]; /* decoded path parameters, in order */
    struct json_object object;                  /* members of the body */
    struct object_actor actor;                  /* who writes, for the audit trail */
    struct str customer, key_id; /* the caller belongs to this customer; its key that called */
    permission_set permissions;  /* of the caller; a customer's own key has none: x-scope decides */
    struct str operator_id, session_id, csrf; /* an operator with a session; else empty */
    struct str if_match, accept;
    struct idempotent *idempotent; /* idempotent.h; NULL: no Idempotency-Key */
    bool if_none_match;            /* If-None-Match: * */
    bool local;                    /* came over the Unix socket */
    bool from_file;                /* `cota apply` writes: what it writes belongs to a file */
    bool dry_run; /* look, but write nothing; what it names is checked by the caller */
    uv_work_t work;
    bool started; /* the head of a streamed answer is out */
    bool gone;    /* the client is */
    bool waiting; /* for the client to take what was written */

    /* What a handler leaves behind. */
    int status;
    const char *content_type;
    struct str headers; /* rendered lines, in the arena */
    struct buf out;
    struct fault fault;
    enum err err;
    bool more;                           /* call the handler again: `state` says where it stands */
    void *state;                         /* in the arena */
    struct events_wanted *events_wanted; /* the exchange becomes a listener: events.h */
};

const struct admin_options *admin_options(const struct admin *admin);
struct jobs *admin_jobs(const struct admin *admin);
struct auth *admin_auth(const struct admin *admin);

/* An operation on a document as if it had come over HTTP: checked, written, audited. `handler`:
 * "object_create", "object_change" or "object_delete". Blocks. */
struct admin_write {
    const char *handler;
    enum object_kind kind;
    struct str id, body; /* id: empty when it is created */
    struct object_actor actor;
    bool local; /* the one who asked may change what files manage */
};
NODISCARD enum err admin_write(struct admin *admin, const struct admin_write *write,
                               struct fault *fault);

/* Percent-decoded; ptr NULL: a bad escape, or no memory. */
struct str admin_decode(struct arena *arena, struct str text);
/* A query parameter, decoded; ptr NULL: absent. */
struct str admin_query(struct admin_call *call, const char *name);
/* The same, "" when absent. */
struct str admin_query_or_empty(struct admin_call *call, const char *name);
/* A body member's text; *text.ptr NULL: absent or null. */
NODISCARD enum err admin_body_text(struct admin_call *call, const char *name, bool required,
                                   struct str *text);
/* A whole number >= 0; untouched when absent or null. */
NODISCARD enum err admin_body_i64(struct admin_call *call, const char *name, int64_t *number);
NODISCARD enum err admin_body_bool(struct admin_call *call, const char *name, bool *value);
/* An RFC 3339 instant; untouched when absent or null. */
NODISCARD enum err admin_body_instant(struct admin_call *call, const char *name, int64_t *wall_us);
/* A decimal amount, as a string or a number, exactly. Required. */
NODISCARD enum err admin_body_money(struct admin_call *call, const char *name,
                                    struct money *amount);
/* "…_at": text or null for 0. */
void admin_put_instant(struct json_writer *writer, const char *key, int64_t wall_us);
/* Makes the customer when the body says new_customer: true and it is not there yet. */
NODISCARD enum err admin_new_customer(struct admin_call *call, struct str id);

/* The handlers, on a pool thread. openapi.yaml says which operation is whose (x-handler). */
#define X(handler) enum err handler(struct admin_call *call, struct json_writer *writer);
#include "admin/handlers.def"
#undef X
