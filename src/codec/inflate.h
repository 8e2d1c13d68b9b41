/* inflate.h - gzip and deflate bodies of providers, undone incrementally (zlib).
 *
 * What:  a provider may compress although nobody asked; the gateway must read usage and relay.
 *        Output is bounded by the caller: on_data answers false to stop.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct inflate;
typedef bool inflate_fn(void *owner, struct str data);

/* NULL when memory is short. Reads gzip and zlib headers by themselves. */
struct inflate *inflate_new(void);
/* ERR_UPSTREAM_INVALID for damaged data, ERR_NO_MEMORY. After on_data has answered false, and
 * after an error, no more bytes are taken. Several gzip members in a row are one stream. */
NODISCARD enum err inflate_feed(struct inflate *inflate, struct str bytes, inflate_fn *on_data,
                                void *owner);
/* True when the compressed stream came to its own end. */
bool inflate_finished(const struct inflate *inflate);
void inflate_free(struct inflate *inflate);
