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

struct jwks_source apply_jwks_source(const struct config *config)
{
    const struct config_jwt *jwt = &config->jwt;
    return (struct jwks_source){.url = jwt->jwks_url.ptr ? jwt->jwks_url : STR(""),
                                .ca_file = jwt->jwks_ca_file.ptr ? jwt->jwks_ca_file : STR(""),
                                .inside = jwt->jwks_inside};
}

/* *waits: there is a jwks_url, and nothing has come from it. */
static enum err read_fetched(const struct config *config, struct jwks *jwks, struct buf *text,
                             bool *waits, struct fault *fault)
{
    bool there = false;
    struct jwks_source const source = apply_jwks_source(config);
    *waits = false;
    if (source.url.len == 0)
        return ERR_OK;
    if (jwks_text(jwks, &source, text, &there) != ERR_OK)
        return fault_set(fault, ERR_NO_MEMORY, "the keys of jwt");
    *waits = !there;
    return ERR_OK;
}

enum err apply_verifier(const struct config *config, struct jwks *jwks_fetched,
                        struct verifier **verifier, struct fault *fault)
{
    const struct config_jwt *jwt = &config->jwt;
    struct buf pem, jwks, fetched;
    bool waits = false;
    *verifier = NULL;
    if (!jwt->secret.ptr && !jwt->public_key_file.ptr && !jwt->jwks_file.ptr && !jwt->jwks_url.ptr)
        return ERR_OK;
    buf_init(&jwks, JWT_KEY_TEXT_BYTES_MAX);
    buf_init(&fetched, JWT_KEY_TEXT_BYTES_MAX);
    enum err err = read_keys("public_key_file", jwt->public_key_file, &pem, fault);
    if (err == ERR_OK)
        err = read_keys("jwks_file", jwt->jwks_file, &jwks, fault);
    if (err == ERR_OK)
        err = read_fetched(config, jwks_fetched, &fetched, &waits, fault);
    struct verifier_options const options = {.secret = jwt->secret,
                                             .pem = buf_view(&pem),
                                             .jwks = buf_view(&jwks),
                                             .fetched = buf_view(&fetched),
                                             .waits = waits,
                                             .on_missing = jwt->jwks_url.ptr ? jwks_missing : NULL,
                                             .owner = jwks_fetched,
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
    buf_free(&fetched);
    return err;
}
