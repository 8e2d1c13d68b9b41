/* control_client.h - one call to the daemon over its Unix socket, blocking: for commands.
 *
 * What:  HTTP/1.1 over data_dir/cota.sock; the answer comes piece by piece.
 * Not:   meaning; TLS; TCP.
 */
#pragma once
#include "base/buf.h"

struct control_request {
    const char *data_dir, *method;
    struct str path;    /* with query, encoded */
    struct str body;    /* JSON, may be empty */
    struct str headers; /* more lines, each ended by CR LF; may be empty */
};

/* Pieces of the body; `status` is the answer's. False stops reading. */
typedef bool control_piece(void *owner, int status, struct str bytes);

/* ERR_OK: a whole answer came; *status is its. ERR_UPSTREAM_UNREACHABLE: no daemon answers there;
 * ERR_UPSTREAM_CUT: the answer broke off. */
NODISCARD enum err control_call(const struct control_request *request, control_piece *piece,
                                void *owner, int *status, struct fault *fault);
/* Percent-encodes what is not unreserved. */
NODISCARD enum err control_encode(struct buf *out, struct str text);
