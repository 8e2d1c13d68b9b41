/* secret.c - libsodium's wipe and compare. */
#include "base/secret.h"
#include <sodium.h>

enum err secret_set(struct secret *secret, struct str text)
{
    if (text.len > sizeof secret->bytes)
        return ERR_TOO_LARGE;
    secret_wipe(secret);
    if (text.len > 0)
        memcpy(secret->bytes, text.ptr, text.len);
    secret->len = text.len;
    return ERR_OK;
}

void secret_wipe(struct secret *secret)
{
    sodium_memzero(secret, sizeof *secret);
}

bool secret_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void secret_zero(void *bytes, size_t count)
{
    sodium_memzero(bytes, count);
}
