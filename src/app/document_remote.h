/* document_remote.h - the documents of a running daemon, over its Unix socket. */
#pragma once
#include "app/command.h"
#include "book/object.h"

struct remote {
    char data_dir[DATA_DIR_BYTES];
    int status;
    struct buf answer;
};

/* False: it is said on stderr where the daemon was looked for. */
NODISCARD bool remote_open(struct remote *remote, const struct invocation *invocation);
/* EXIT_CODE_OK: an answer came, see status and answer; else EXIT_CODE_UNAVAILABLE, said on stderr.
 */
int remote_call(struct remote *remote, const char *method, struct str path, struct str headers,
                struct str body);
/* What a problem+json says, in the arena. `param` may be NULL. */
struct str remote_complaint(const struct remote *remote, struct arena *arena, struct str *param);
/* "/api/v1/plans/pro" */
NODISCARD enum err remote_path(struct buf *path, enum object_kind kind, struct str id);
void remote_close(struct remote *remote);

struct stored {
    struct str id, text; /* the members as they were stored */
    int64_t version;
    bool from_file;
};
/* Of a document as the API shows it; in the arena. */
NODISCARD enum err stored_read(enum object_kind kind, struct str json, struct arena *arena,
                               struct stored *stored);
/* False stops. */
typedef bool stored_visit(void *owner, const struct stored *stored);
/* All documents of a kind, page by page; `query`: "&plan=pro", encoded, may be empty. What the
 * visitor gets lives until it returns. An exit code; what is wrong is said on stderr. */
int remote_list(struct remote *remote, enum object_kind kind, struct str query, stored_visit *visit,
                void *owner);
