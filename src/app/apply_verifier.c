/* apply_verifier.c - from the section `jwt` to the gateway's verifier; reads the key files. */
#include "app/apply.h"
#include "app/config_int.h"
#include "base/limits.h"
#include <errno.h>

static enum err read_keys(const char *option, struct str path, struct buf *text,
                          struct fault *fault)
{
    buf_init(text, JWT_KEY_TEXT_BYTES_MAX);
    if (path.ptr == NULL)
        return ERR_OK;
    errno = 0;
    enum err const err = config_read_file(path.ptr, text); /* a copy of the arena: it ends with 0 */
    if (err == ERR_NO_MEMORY)
        return fault_set(fault, err, "the keys of jwt");
    if (err != ERR_OK)
        return fault_set(fault, ERR_CONFIG_INVALID, "jwt.%s %.*s cannot be read: %s", option,
                         STR_ARG(path), strerror(errno));
    if (text->len == 0)
        return fault_set(fault, ERR_CONFIG_INVALID, "jwt.%s %.*s is empty", option, STR_ARG(path));
    return ERR_OK;
}

enum err apply_verifier(const struct config *config, struct verifier **verifier,
                        struct fault *fault)
{
    const struct config_jwt *jwt = &config->jwt;
    struct buf pem, jwks;
    *verifier = NULL;
    if (!jwt->secret.ptr && !jwt->public_key_file.ptr && !jwt->jwks_file.ptr)
        return ERR_OK;
    buf_init(&jwks, JWT_KEY_TEXT_BYTES_MAX);
    enum err err = read_keys("public_key_file", jwt->public_key_file, &pem, fault);
    if (err == ERR_OK)
        err = read_keys("jwks_file", jwt->jwks_file, &jwks, fault);
    struct verifier_options const options = {.secret = jwt->secret,
                                             .pem = buf_view(&pem),
                                             .jwks = buf_view(&jwks),
                                             .issuer = jwt->issuer,
                                             .audience = jwt->audience,
                                             .skew_s = jwt->skew_seconds,
                                             .age_max_s = jwt->age_max_seconds,
                                             .customer = jwt->customer,
                                             .claims = {jwt->claims.customer, jwt->claims.user,
                                                        jwt->claims.profile, jwt->claims.groups}};
    if (err == ERR_OK)
        err = verifier_new(&options, verifier, fault);
    buf_free(&pem);
    buf_free(&jwks);
    return err;
}
