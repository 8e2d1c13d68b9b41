/* stage_auth.c - the key, and the customer it belongs to. */
#include "gateway/query.h"
#include "gateway/request.h"

enum step stage_auth(struct request *request)
{
    struct str secret = query_secret(request->exchange);
    if (!secret.ptr)
        return request_fail(request, ERR_KEY_MISSING, "no key in any of the four headers");
    enum err err = book_authenticate(request->worker->gateway->options.book, secret, &request->key,
                                     &request->fault);
    return err == ERR_OK ? STEP_NEXT : STEP_FAIL;
}
