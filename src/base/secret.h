/* secret.h - a key or token in memory: no log field, wiped after use, compared in constant time.
 *
 * Not:   hashing of API keys; see book/.
 */
#pragma once
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

struct secret {
    size_t len;
    char bytes[KEY_SECRET_BYTES_MAX];
};

/* ERR_TOO_LARGE when it does not fit. */
NODISCARD enum err secret_set(struct secret *secret, struct str text);
void secret_wipe(struct secret *secret);
static inline struct str secret_view(const struct secret *secret)
{
    return (struct str){secret->bytes, secret->len};
}
/* Time depends on the lengths only. */
bool secret_equal(struct str a, struct str b);
/* Memory that held a secret. */
void secret_zero(void *bytes, size_t count);
