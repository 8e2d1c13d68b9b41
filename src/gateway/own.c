/* own.c - see own.h. */
#include "gateway/own.h"
#include "base/secret.h"

enum err own_admit(struct request *request)
{
    struct own_keys *own_keys = request->worker->gateway->options.own_keys;
    if (own_keys == NULL || request->own_key != NULL)
        return ERR_OK;
    enum err const err =
        own_key_take(own_keys, customer_id(key_customer(request->key)), request->context.provider,
                     &request->own_key, &request->fault);
    if (err != ERR_OK || request->own_key == NULL)
        return err;
    request->context.own_key = true;
    request->context.upstream_model = own_upstream_model(request);
    return own_key_permits(request->own_key, request->context.feature, request->context.model,
                           &request->fault);
}

struct str own_credentials(const struct request *request)
{
    return request->own_key != NULL ? request->own_key->credentials
                                    : request->model->provider->credentials;
}

struct str own_upstream_model(const struct request *request)
{
    bool const replaced = request->own_key != NULL && request->own_key->model.len > 0;
    return replaced ? request->own_key->model : request->model->upstream_model;
}

void own_end(struct request *request)
{
    struct str const headers = request->upstream_request.headers;
    if (request->own_key == NULL)
        return;
    if (headers.len > 0)
        secret_zero((char *)(uintptr_t)headers.ptr, headers.len); /* our arena's, nobody else's */
    own_key_release(request->own_key);
    request->own_key = NULL;
}
