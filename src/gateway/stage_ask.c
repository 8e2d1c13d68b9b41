/* stage_ask.c - what the body and the context headers ask. */
#include "gateway/assistant.h"

/* Most calls say nothing of the kind: one look at all headers instead of one for each name. */
static bool has_context(const struct request *request)
{
    const struct http_head *head = http_head(request->exchange);
    struct str const prefix = STR("x-cota-");
    for (size_t i = 0; i < head->header_count; i++) {
        struct str const name = head->headers[i].name;
        if (name.len > prefix.len && str_same_nocase(name.ptr, prefix.ptr, prefix.len))
            return true;
    }
    return false;
}

static bool read_context(struct request *request)
{
    struct call_context *context = &request->context;
    const struct {
        struct str name;
        struct str *value;
    } headers[] = {
        {STR_ROW("x-cota-user"), &context->user},
        {STR_ROW("x-cota-feature"), &context->feature},
        {STR_ROW("x-cota-module"), &context->module},
        {STR_ROW("x-cota-profile"), &context->profile},
        {STR_ROW("x-cota-group"), &context->group},
    };
    if (!has_context(request))
        return true;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct str const value = http_header(request->exchange, headers[i].name);
        if (!value.ptr)
            continue;
        if (http_header_count(request->exchange, headers[i].name) > 1 || !is_context_text(value)) {
            fault_param(&request->fault, ERR_HEADER_INVALID, headers[i].name.ptr,
                        "%s must be one line of 1 to %d bytes of UTF-8", headers[i].name.ptr,
                        CONTEXT_BYTES_MAX);
            return false;
        }
        *headers[i].value = value;
    }
    return true;
}

static bool foreign(struct request *request, const char *header)
{
    fault_param(&request->fault, ERR_SCOPE_FORBIDDEN, header, "the token says something else");
    return false;
}

/* A token's bearer does not choose who it is: headers may repeat the token, never contradict it. */
static bool apply_bearer(struct request *request)
{
    const struct bearer *bearer = request->bearer;
    struct call_context *context = &request->context;
    if (!bearer)
        return true;
    if (context->user.ptr && !str_eq(context->user, bearer->user))
        return foreign(request, "x-cota-user");
    struct str const profile = str_empty(bearer->profile) ? STR("user") : bearer->profile;
    if (context->profile.ptr && !str_eq(context->profile, profile))
        return foreign(request, "x-cota-profile");
    if (context->group.ptr && !bearer_in_group(bearer, context->group))
        return foreign(request, "x-cota-group");
    context->user = bearer->user;
    if (!str_empty(bearer->profile))
        context->profile = bearer->profile;
    return true;
}

static bool read_idempotency_key(struct request *request)
{
    struct str const value = http_header(request->exchange, STR("idempotency-key"));
    if (!value.ptr)
        return true;
    bool fine = value.len > 0 && value.len <= IDEMPOTENCY_KEY_BYTES_MAX &&
                http_header_count(request->exchange, STR("idempotency-key")) == 1;
    for (size_t i = 0; fine && i < value.len; i++)
        fine = value.ptr[i] > 0x20 && value.ptr[i] < 0x7f;
    if (!fine) {
        fault_param(&request->fault, ERR_HEADER_INVALID, "idempotency-key",
                    "Idempotency-Key must be 1 to %d printable ASCII characters",
                    IDEMPOTENCY_KEY_BYTES_MAX);
        return false;
    }
    request->idempotency_key = value;
    return true;
}

enum step stage_ask(struct request *request)
{
    struct str const encoding = http_header(request->exchange, STR("content-encoding"));
    if (encoding.ptr && !str_eq_nocase(encoding, STR("identity")))
        return request_fail(request, ERR_MEDIA_UNKNOWN,
                            "compressed request bodies are not accepted");
    if (!read_context(request) || !apply_bearer(request) || !read_idempotency_key(request))
        return STEP_FAIL;
    if (request->assistant)
        return assistant_ask(request) == ERR_OK ? STEP_NEXT : STEP_FAIL;
    if (openai_ask_read(request->operation, http_body(request->exchange), request->arena,
                        &request->ask, &request->fault) != ERR_OK)
        return STEP_FAIL;
    request->context.stream = request->ask.stream;
    if (!request->context.user.ptr && is_context_text(request->ask.end_user))
        request->context.user = request->ask.end_user;
    return STEP_NEXT;
}
