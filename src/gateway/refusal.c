/* refusal.c - one switch, and the look for our own key in somebody else's words. */
#include "gateway/refusal.h"
#include "gateway/own.h"

bool refusal_is_clients(int status)
{
    switch (status) {
    case 400:
    case 404:
    case 405:
    case 409:
    case 413:
    case 415:
    case 422:
        return true;
    default:
        return false;
    }
}

enum err refusal_code(int status)
{
    if (refusal_is_clients(status))
        return ERR_REQUEST_INVALID;
    switch (status) {
    case 401:
    case 402:
    case 403:
    case 407:
        return ERR_UPSTREAM_AUTH;
    case 429:
        return ERR_UPSTREAM_RATE_LIMITED;
    case 408:
    case 504:
        return ERR_UPSTREAM_TIMEOUT;
    case 503:
    case 529:
        return ERR_UPSTREAM_OVERLOADED;
    default:
        return status >= 400 ? ERR_UPSTREAM_ERROR : ERR_UPSTREAM_INVALID;
    }
}

/* The key as it stands in "authorization: Bearer <key>\r\n"; empty when there is none. */
static struct str provider_key(const struct request *request)
{
    struct str const before = STR("Bearer ");
    struct str const credentials = own_credentials(request);
    size_t const at = str_find(credentials, before);
    return str_trim(str_skip(credentials, at + before.len));
}

bool refusal_is_passed_on(const struct request *request)
{
    struct str const body = buf_view(&request->answer.body);
    if (request->assistant) /* it never saw the body that the provider refused */
        return false;
    if (request->answer.state != ANSWER_REFUSAL || request->answer.failed ||
        !refusal_is_clients(request->answer.status) || body.len == 0)
        return false;
    struct fault ignored = {0};
    if (json_scan(body, NULL, &ignored) != ERR_OK)
        return false;
    struct str key = provider_key(request);
    if (key.len > 2)
        key.len -= 2; /* without CR LF */
    return key.len == 0 || str_find(body, key) == body.len;
}
