/* jwks.h - the JWK Set of jwt.jwks_url: fetched by a thread of its own, kept for the verifier.
 *
 * What:  one GET at a time (gateway/jwks_plan.h says when) with one deadline, a bound, no redirect,
 *        and no address that is not allowed; a set that is not usable changes nothing.
 * Not:   verifying (gateway/verifier.h), the request path: nothing there waits for a fetch.
 * Rules: without a URL there is no thread. Any thread may call, but no loop jwks_configure.
 */
#pragma once
#include "base/buf.h"

struct jwks;

/* An empty url: nothing is fetched. */
struct jwks_source {
    struct str url, ca_file;
    bool inside; /* it may lead to loopback, private and link-local addresses */
};

struct jwks_options {
    /* On the thread: another set is there (jwks_text); puts it into force. An error: it is not
     * usable, and the one before comes back. */
    enum err (*changed)(void *owner, struct fault *fault);
    void *owner;
};

/* NULL: no memory. */
struct jwks *jwks_new(const struct jwks_options *options);
/* From now on this source; fetched at once when it is another one. ERR_NO_MEMORY: nothing changed.
 */
NODISCARD enum err jwks_configure(struct jwks *jwks, const struct jwks_source *source,
                                  struct fault *fault);
/* The set that was fetched from this source last, appended; *there false: none yet. */
NODISCARD enum err jwks_text(struct jwks *jwks, const struct jwks_source *source, struct buf *text,
                             bool *there);
void jwks_missing(void *jwks); /* struct verifier_options.on_missing */

struct jwks_figures {
    int64_t fetches, failures;
    int64_t keys;      /* of the set in force; 0: there is none */
    int64_t fetched_s; /* when a fetch succeeded last, since 1970; 0: never */
};
void jwks_figures(struct jwks *jwks, struct jwks_figures *figures);

/* Ends the thread; nothing calls jwks_missing any more. NULL is allowed. */
void jwks_free(struct jwks *jwks);
